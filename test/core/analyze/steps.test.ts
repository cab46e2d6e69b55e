import { describe, expect, test } from 'vitest';
import { periodIn, stepAt, stepsOf } from '#core/analyze/steps';
import type { ProcessId, ThreadId } from '#core/model/ids';
import { ns } from '#core/model/ids';
import { Profile } from '#core/model/profile';
import { frameOf } from '../../support/stacks.ts';

const MS = 1e6;

/** Numbers in [0, 1), the same in each run. */
function dice(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

/** When turns of these lengths (ms) begin. */
function begins(lengths: readonly number[]): number[] {
  const starts = [0];
  for (const length of lengths) starts.push(starts[starts.length - 1] + length * MS);
  return starts;
}
const turns = (count: number, length: (i: number) => number): number[] => begins(Array.from({ length: count }, (_, i) => length(i)));
const found = (starts: readonly number[], end = starts[starts.length - 1]): number => periodIn(starts, end)?.turns.length ?? 0;

describe('a period in moments', () => {
  test('regular, from eight turns on', () => {
    expect(found(turns(8, () => 50))).toBe(9);
    expect(found(turns(7, () => 50))).toBe(0);
  });
  test('jittered by a fifth', () => {
    for (let seed = 1; seed < 40; seed++) {
      const random = dice(seed * 7919);
      expect(found(turns(60, () => 50 * (0.8 + 0.4 * random())))).toBe(61);
    }
  });
  test('drifting to three times its length', () => {
    expect(found(turns(100, (i) => 20 + 0.4 * i))).toBe(101);
  });
  test('with an evaluation after every twenty turns', () => {
    expect(found(turns(100, (i) => (i % 20 === 19 ? 900 : 50)))).toBe(101);
  });
  test('irregular ones have none', () => {
    let wrong = 0;
    for (let seed = 1; seed < 200; seed++) {
      const random = dice(seed * 104_729);
      // As decays come, and evenly between a fifth and twice.
      if (found(turns(60, () => -50 * Math.log(1 - random()))) > 0) wrong++;
      if (found(turns(60, () => 10 + 90 * random())) > 0) wrong++;
    }
    expect(wrong).toBe(0);
  });
  test('three waits in each turn: the turn begins with the first', () => {
    const starts = turns(30, () => 100).flatMap((start) => [start, start + 3 * MS, start + 9 * MS]);
    expect(periodIn(starts, 3000 * MS)?.turns.slice(0, 3)).toEqual([0, 100 * MS, 200 * MS]);
  });
  test('a few turns at the beginning are no period of the whole', () => {
    expect(found(turns(20, () => 50), 60_000 * MS)).toBe(0);
  });
  test('too short to be a step', () => {
    expect(found(turns(100, () => 1))).toBe(0);
  });
});

function recording(): { profile: Profile; wait: (thread: number, path: string, at: number, duration: number) => void } {
  const profile = new Profile();
  const lane = profile.lanes[profile.addLane({ kind: 'off-cpu', unit: 'ns', name: 'sched_switch', intervals: true })];
  let parent: ProcessId | undefined;
  for (const [pid, name] of [[10, 'torchrun'], [20, 'train'], [30, 'loader']] as const) {
    const process = profile.processes.add({ pid, name, ...(parent === undefined ? {} : { parent }) });
    parent = process;
    profile.threads.add({ process, tid: pid, name });
    profile.threads.add({ process, tid: pid + 1, name: 'helper' });
  }
  // The launcher only waits, the helper of the program and its loader work most.
  for (const [row, worked] of [1, 2, 500, 900, 800, 0].entries()) profile.threads.setTimes(row as ThreadId, worked * MS, 0, 0);
  return {
    profile,
    wait: (thread, path, at, duration) => {
      lane.push(at * MS, thread, profile.stacks.internAll(path.split(';').map((frame) => frameOf(profile, frame))), duration * MS, 1, duration * MS);
      profile.info.durationNs = Math.max(profile.info.durationNs, (at + duration) * MS);
    },
  };
}

describe('in the main thread’s waiting', () => {
  test('the stack that waits most regularly, of the main thread that works', () => {
    const { profile, wait } = recording();
    const random = dice(5);
    for (let i = 0; i < 40; i++) {
      wait(0, 'monitor;sleep', i * 100, 100);
      wait(2, 'main ~python !;loop ~python !;__next__ ~python;poll;pipe, socket: do_poll ~marker', i * 120 + random() * 6, 20);
      wait(2, 'main ~python !;loop ~python !;log ~python !;write', i * 120 + 30 + random() * 80, 40);
      wait(3, 'thread;read', i * 33, 5);
      wait(4, 'worker;get', i * 50, 10);
    }
    const steps = stepsOf(profile);
    expect(steps?.from).toBe('waiting');
    expect(steps?.list.length).toBe(39);
    expect(steps?.text).toBe('train 20 waits in __next__');
    expect(Math.round((steps?.median ?? 0) / MS / 5) * 5).toBe(120);
    expect(stepsOf(profile)).toBe(steps);
  });

  test('live: it grows, and stays the one that it was', () => {
    const { profile, wait } = recording();
    profile.info.live = true;
    expect(stepsOf(profile)).toBe(null);
    for (let i = 0; i < 30; i++) {
      wait(2, 'loop;__next__;poll', i * 200, 20);
      if (i >= 8) wait(2, 'loop;barrier;futex', i * 200 + 90, 100);
      stepsOf(profile);
    }
    profile.info.durationNs += 2000 * MS;
    const steps = stepsOf(profile);
    expect(steps?.list.length).toBe(29);
    expect(steps?.list[3]).toEqual({ start: 600 * MS, end: 800 * MS, number: 4, text: '' });
    expect(steps?.text).toBe('train 20 waits in poll');
  });

  test('waits that come when they like: none', () => {
    const { profile, wait } = recording();
    const random = dice(11);
    let at = 0;
    for (let i = 0; i < 200; i++) wait(2, 'serve;accept', (at -= 40 * Math.log(1 - random())), 5);
    expect(stepsOf(profile)).toBe(null);
  });

  test('no waiting at all', () => {
    expect(stepsOf(new Profile())).toBe(null);
  });
});

describe('told by marks', () => {
  test('they win, and keep their names', () => {
    const { profile, wait } = recording();
    for (let i = 0; i < 40; i++) wait(2, 'loop;poll', i * 100, 20);
    for (let i = 0; i < 4; i++) profile.marks.add({ kind: 'step', start: ns(i * 250 * MS), end: ns((i + 1) * 250 * MS), text: `batch ${i}`, value: i + 1 });
    profile.marks.add({ kind: 'lost', start: ns(0), end: ns(5), value: 3 });
    const steps = stepsOf(profile);
    expect(steps?.from).toBe('marks');
    expect(steps?.median).toBe(250 * MS);
    expect(steps?.list.map(({ number, text }) => `${number} ${text}`)).toEqual(['1 batch 0', '2 batch 1', '3 batch 2', '4 batch 3']);
    if (steps === null) return;
    expect(stepAt(steps, 260 * MS)?.number).toBe(2);
    expect(stepAt(steps, 1000 * MS)).toBe(null);
    expect(stepAt(steps, -1)).toBe(null);
  });
});
