import { showsMerged } from '#core/analyze/call-tree';
import { resolve } from '#core/analyze/resolve';
import { threadMask } from '#core/analyze/thread-mask';
import type { TimeRanges } from '#core/analyze/view';
import type { Selection } from '#core/analyze/view';
import type { Lane } from '#core/model/lane';
import type { Profile } from '#core/model/profile';

/** A row of a selection. `thread` and `stack` are -1 where the row has none; time and weight as in the lane. */
export type OnRow = (thread: number, stack: number, weight: number, time: number) => void;

/**
 * Calls `onRow` for every row of the selection, in order of arrival. An interval that lies partly in a range gives the part
 * of its weight that lies in it; what means ranges (`during`, `moment`) is resolved here. Transforms are not looked at. Where merged stacks are meant, rows that have none yet are left out.
 */
export function rowsOf(profile: Profile, lane: Lane, given: Selection, onRow: OnRow): void {
  const selection = resolve(profile, lane, given);
  const chosen = threadMask(profile, selection);
  const merged = showsMerged(lane, selection);
  for (const chunk of lane.chunks) {
    if (selection.ranges !== null && !selection.ranges.some(([start, end]) => chunk.least < end && (chunk.greatest > start || chunk.least >= start))) continue;
    const stacks = merged && chunk.merged !== null ? chunk.merged : chunk.stack;
    const rows = merged ? chunk.mergedRows : chunk.rows;
    for (let row = 0; row < rows; row++) {
      const thread = chunk.thread[row];
      if (chosen !== null && (thread < 0 || chosen[thread] !== 1)) continue;
      let weight = chunk.weight.get(row);
      const time = chunk.timeAt(row);
      if (selection.ranges !== null) weight *= shareIn(selection.ranges, time, lane.intervals ? chunk.duration.get(row) : 0);
      if (weight !== 0) onRow(thread, stacks[row], weight, time);
    }
  }
}

/** How much of [time, time + duration) lies in the ranges, 0 to 1. */
function shareIn(ranges: NonNullable<TimeRanges>, time: number, duration: number): number {
  if (!(duration > 0)) return ranges.some(([start, end]) => time >= start && time < end) ? 1 : 0;
  let inside = 0;
  for (const [start, end] of ranges) inside += Math.max(0, Math.min(end, time + duration) - Math.max(start, time));
  return inside / duration;
}
