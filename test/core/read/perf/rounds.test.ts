import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Block } from '#core/read/perf/framer';
import { RoundQueue } from '#core/read/perf/rounds';

const bytes = new Uint8Array(0);
const block: Block = { bytes, view: new DataView(bytes.buffer) };

/** Rounds of times, CPU after CPU; answers the times in the order they were handed on, a `|` after each round. */
function play(rounds: number[][]): (number | '|')[] {
  const queue = new RoundQueue();
  const out: (number | '|')[] = [];
  for (const round of rounds) {
    round.forEach((time, at) => queue.push(block, at, 0, time));
    queue.endRound((_block, _at, _event, time) => out.push(time));
    out.push('|');
  }
  queue.drain((_block, _at, _event, time) => out.push(time));
  return out;
}

test('a round hands on what is not newer than the newest of the round before', () => {
  expect(play([[1, 3, 2, 4], [5, 7, 4, 6], [9, 8]])).toEqual(['|', 1, 2, 3, 4, 4, '|', 5, 6, 7, '|', 8, 9]);
});

test('any rounds: everything comes once, and sorted within what is handed on at once', () => {
  fc.assert(fc.property(fc.array(fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 40 }), { maxLength: 8 }), (rounds) => {
    const out = play(rounds);
    const times = out.filter((one) => one !== '|');
    expect([...times].sort((a, b) => a - b)).toEqual(rounds.flat().sort((a, b) => a - b));
    let last = -1;
    for (const one of out) {
      if (one === '|') last = -1;
      else {
        expect(one).toBeGreaterThanOrEqual(last);
        last = one;
      }
    }
  }));
});

test('equal times keep the order in which they came', () => {
  const queue = new RoundQueue();
  const out: number[] = [];
  [5, 1, 5, 1, 5].forEach((time, at) => queue.push(block, at, 0, time));
  queue.drain((_block, at) => out.push(at));
  expect(out).toEqual([1, 3, 0, 2, 4]);
});
