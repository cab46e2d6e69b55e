// Ranges over lanes of several chunks, whose parts are summed apart: against a plain loop over the rows.
import { describe, expect, test } from 'vitest';
import { CallTree } from '#core/analyze/call-tree';
import { EVERYTHING } from '#core/analyze/view';
import type { TimeRanges } from '#core/analyze/view';
import { CHUNK_ROWS } from '#core/model/lane';
import { NO_STACK } from '#core/model/ids';
import { Profile } from '#core/model/profile';

const ROWS = 2 * CHUNK_ROWS + 12_345;

/** Rows about 1000 ns apart, some of them late by up to 50 rows; `durations` make them intervals. */
function made(durations: boolean): { profile: Profile; times: Float64Array; lengths: Float64Array; weights: Float64Array } {
  const profile = new Profile();
  const lane = profile.lanes[profile.addLane({ kind: durations ? 'off-cpu' : 'cpu', unit: 'ns', name: 'rows', intervals: durations })];
  const process = profile.processes.add({ pid: 1, name: 'rows' });
  for (let tid = 1; tid <= 3; tid++) profile.threads.add({ process, tid, name: 'rows' });
  const stacks = Array.from({ length: 300 }, (_, i) => profile.stacks.intern(NO_STACK, profile.frames.source(profile.functions.intern({ name: `f${i % 97}`, kind: 'native' }), i)));
  const times = new Float64Array(ROWS);
  const lengths = new Float64Array(ROWS);
  const weights = new Float64Array(ROWS);
  for (let i = 0; i < ROWS; i++) {
    times[i] = 1e6 + i * 1000 - (i % 7 === 0 ? (i * 7919) % 50_000 : 0);
    lengths[i] = durations ? (i * 31) % 4000 : 0;
    weights[i] = durations ? lengths[i] : 1 + (i % 5);
    lane.push(times[i], i % 3, stacks[(i * 13) % 300], weights[i], 1, lengths[i]);
  }
  return { profile, times, lengths, weights };
}

const END = 1e6 + ROWS * 1000;
const CASES: readonly TimeRanges[] = [
  null, [[0, END + 1e6]], [[2e7, 9e7]], [[2e7 + 1, 2e7 + 2]], [[5e6, 5.5e6], [6e6, 7e7], [1.2e8, 1.3e8]], [[END - 5e6, END + 5e6]], [[0, 4.2e6]], [[6.4e7, 6.9e7]],
];

describe.each([['moments', false], ['intervals', true]] as const)('a range over %s', (_, durations) => {
  const { profile, times, lengths, weights } = made(durations);

  test.each(CASES.map((ranges) => ({ ranges })))('$ranges', ({ ranges }) => {
    let expected = 0;
    for (let i = 0; i < ROWS; i++) {
      if (ranges === null) { expected += weights[i]; continue; }
      for (const [start, end] of ranges) {
        if (lengths[i] === 0) expected += times[i] >= start && times[i] < end ? weights[i] : 0;
        else expected += weights[i] * Math.max(0, Math.min(end, times[i] + lengths[i]) - Math.max(start, times[i])) / lengths[i];
      }
    }
    const tree = new CallTree(profile, profile.lanes[0], { ...EVERYTHING, ranges }, false);
    expect(tree.total).toBeCloseTo(expected, 2);
    expect(tree.totals().slice(0, tree.length).reduce((sum, one) => sum + one, 0)).toBeCloseTo(expected, 2);
    // Asked for again, its parts are known.
    expect(new CallTree(profile, profile.lanes[0], { ...EVERYTHING, ranges }, false).total).toBeCloseTo(expected, 2);
    // Threads are told apart row by row.
    const threads = [0, 1, 2].map((thread) => new CallTree(profile, profile.lanes[0], { ...EVERYTHING, ranges, threads: [thread] }, false).total);
    expect(threads[0] + threads[1] + threads[2]).toBeCloseTo(expected, 2);
  });
});
