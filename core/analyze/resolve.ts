// A selection as a call tree takes it: what says "while that was so" or "held at its end" becomes ranges of time.
import type { Lane } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import type { Selection, TimeRanges } from './view.ts';
import type { Intervals, Ranges } from './while.ts';
import { duringOf, intersected } from './while.ts';

/** While a recording runs an answer holds for so much of it, ns: a tree is built again at most twice a second. */
const HOLDS = 500e6;

interface Answer {
  readonly profile: Profile;
  /** End of the recording when it was last looked at. */
  at: number;
  intervals: Intervals | null;
  peak: number;
  resolved: Selection;
}

const answers = new WeakMap<Selection, WeakMap<Lane, Answer>>();

/** Whether a lane's rows are gains and losses of memory: their sum up to a moment is what was held then. */
export function isHeld(lane: Pick<Lane, 'kind' | 'name'>): boolean {
  return lane.kind === 'memory' && lane.name.endsWith(' held');
}

/**
 * The selection with plain ranges for one lane. `during` holds for other lanes than its own; `moment` for lanes of held memory.
 * A selection that says neither comes back as it is. Call it with the same selection object at each tick: the answer is the same
 * object as long as nothing changed, and while live for half a second of the recording, so that a tree need not be built again.
 */
export function resolve(profile: Profile, lane: Lane, selection: Selection): Selection {
  const { during } = selection;
  const elsewhere = during !== undefined && !(during.lane.kind === lane.kind && during.lane.name === lane.name);
  const held = isHeld(lane) && selection.moment !== 'grown';
  if (!elsewhere && !held) return selection;
  let byLane = answers.get(selection);
  if (byLane === undefined) answers.set(selection, (byLane = new WeakMap()));
  const known = byLane.get(lane);
  const now = profile.info.durationNs;
  if (known !== undefined && known.profile === profile && profile.info.live && now < known.at + HOLDS) return known.resolved;
  const intervals = elsewhere ? duringOf(profile, selection) : null;
  const ranges = intervals === null ? selection.ranges : intersected(selection.ranges, intervals.ranges);
  const peak = held && selection.moment === 'peak' ? peakTime(profile, lane, selection, ranges) : -1;
  if (known !== undefined && known.profile === profile && known.intervals === intervals && known.peak === peak) {
    known.at = now;
    return known.resolved;
  }
  const resolved = { ...selection, ranges: held ? upTo(ranges, peak) : ranges };
  byLane.set(lane, { profile, at: now, intervals, peak, resolved });
  return resolved;
}

/** All of time up to the end of the ranges, or up to and with the row at the peak. */
function upTo(ranges: TimeRanges, peak: number): TimeRanges {
  // Ranges end before their second number: the row at the peak belongs to it.
  if (peak >= 0) return [[0, peak + 1]];
  if (ranges === null) return null;
  return ranges.length === 0 ? [] : [[0, ranges[ranges.length - 1][1]]];
}

function peakTime(_profile: Profile, _lane: Lane, _selection: Selection, _ranges: Ranges | null): number {
  return -1;
}
