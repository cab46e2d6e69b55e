// A selection as a call tree takes it: what says "while that was so" or "held at its end" becomes ranges of time.
import type { Lane } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import { isHeld, momentRanges } from './memory.ts';
import type { Selection, TimeRanges } from './view.ts';
import type { Intervals } from './while.ts';
import { duringOf, intersected } from './while.ts';

/** While a recording runs an answer holds for so much of it, ns: a tree is built again at most twice a second. */
const HOLDS = 500e6;

interface Answer {
  readonly profile: Profile;
  /** End of the recording when it was last looked at. */
  at: number;
  intervals: Intervals | null;
  readonly resolved: Selection;
}

const answers = new WeakMap<Selection, WeakMap<Lane, Answer>>();

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
  if (known !== undefined && known.profile === profile && known.intervals === intervals && !held) {
    known.at = now;
    return known.resolved;
  }
  const within = intervals === null ? selection.ranges : intersected(selection.ranges, intervals.ranges);
  const ranges = held ? momentRanges(profile, lane, selection.moment ?? 'held', within, selection) : within;
  // A wait that goes on does not change what lies in a range before it.
  if (known !== undefined && known.profile === profile && same(known.resolved.ranges, ranges)) {
    known.at = now;
    known.intervals = intervals;
    return known.resolved;
  }
  const resolved = { ...selection, ranges };
  byLane.set(lane, { profile, at: now, intervals, resolved });
  return resolved;
}

function same(a: TimeRanges, b: TimeRanges): boolean {
  if (a === null || b === null) return a === b;
  return a.length === b.length && a.every(([start, end], i) => start === b[i][0] && end === b[i][1]);
}
