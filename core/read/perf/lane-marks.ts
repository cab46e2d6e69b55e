// Marks that say when a lane was not recorded: main makes them, the decoder shares out exact time by them. The mark's value says
// which lane, since it must be known while the lane is off, before the gap has an end.
import { ns } from '#core/model/ids';
import type { LaneKind } from '#core/model/lane';
import { LANE_KINDS } from '#core/model/lane';
import type { MarkFacts, MarkKind } from '#core/model/profile';

/** Value of marks about all lanes of perf together: a pause begins, and ends. */
const PAUSED = 1000;
const RESUMED = 1001;

const NAMES: Readonly<Record<LaneKind, string>> = {
  cpu: 'CPU', 'off-cpu': 'Waiting', memory: 'Memory', cuda: 'CUDA', 'gpu-idle': 'GPU idle', 'gpu-memory': 'GPU memory', faults: 'Page faults', other: 'Events',
};

/** A lane is not recorded from `at` on; `null` = all lanes of perf, switches too. Times are those of the marks. */
export function laneOff(kind: LaneKind | null, at: number): MarkFacts {
  if (kind === null) return { kind: 'pause', start: ns(at), end: ns(at), value: PAUSED };
  return { kind: 'note', start: ns(at), end: ns(at), value: 1 + LANE_KINDS.indexOf(kind), text: `${NAMES[kind]} was switched off` };
}

/** It is recorded again, at `to`. */
export function laneOn(kind: LaneKind | null, from: number, to: number): MarkFacts {
  if (kind === null) return { kind: 'pause', start: ns(to), end: ns(to), value: RESUMED };
  return { kind: 'gap', start: ns(from), end: ns(to), value: 1 + LANE_KINDS.indexOf(kind), text: `${NAMES[kind]} was switched off` };
}

export interface LaneChange {
  readonly kind: LaneKind | null;
  readonly on: boolean;
  readonly time: number;
}

/** What a mark says of a lane; null for every other mark. */
export function laneChange(kind: MarkKind, value: number, start: number, end: number): LaneChange | null {
  if (kind === 'pause') return value === PAUSED ? { kind: null, on: false, time: start } : value === RESUMED ? { kind: null, on: true, time: end } : null;
  if ((kind !== 'note' && kind !== 'gap') || !(value >= 1 && value <= LANE_KINDS.length)) return null;
  return { kind: LANE_KINDS[value - 1], on: kind === 'gap', time: kind === 'gap' ? end : start };
}
