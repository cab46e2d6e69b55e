// What marks say on the timeline: samples that were lost, and times in which nothing, or one lane not, was recorded. Pure.
import type { LaneKind } from '#core/model/lane';
import { LANE_KINDS } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import { MARK_KINDS } from '#core/model/profile';
import type { Span } from './scale.ts';

export interface LostBand extends Span {
  readonly count: number;
}

export interface GapBand extends Span {
  /** null = no lane was recorded. */
  readonly lane: LaneKind | null;
  readonly text: string;
}

const LOST = MARK_KINDS.indexOf('lost');
const PAUSE = MARK_KINDS.indexOf('pause');
const GAP = MARK_KINDS.indexOf('gap');
const NOTE = MARK_KINDS.indexOf('note');

/**
 * Bands of a profile's marks. Losses nearer together than `near` (ns) are one band. A gap whose value names a lane (1 + its kind's
 * number) is that lane's; a note with such a value begins one that goes on up to `end`. Gaps of a profiler that looks in windows are none.
 */
export function bandsOf(profile: Profile, near: number, end: number): { lost: LostBand[]; gaps: GapBand[] } {
  const { marks, strings } = profile;
  const lost: LostBand[] = [];
  const gaps: GapBand[] = [];
  const off = new Map<number, { start: number; text: string }>();
  for (let row = 0; row < marks.length; row++) {
    const kind = marks.kind.get(row);
    if (kind !== LOST && kind !== PAUSE && kind !== GAP && kind !== NOTE) continue;
    const start = marks.start.get(row);
    const stop = marks.end.get(row);
    const value = marks.value.get(row);
    const text = strings.values[marks.text.get(row)];
    const isLane = value >= 1 && value <= LANE_KINDS.length;
    if (kind === LOST) {
      const before = lost.at(-1);
      if (before !== undefined && start <= before.end + near) lost[lost.length - 1] = { start: before.start, end: Math.max(before.end, stop), count: before.count + value };
      else lost.push({ start, end: stop, count: value });
    } else if (kind === PAUSE && stop > start) gaps.push({ start, end: stop, lane: null, text: text || 'paused' });
    else if (kind === NOTE && isLane) off.set(value, { start, text });
    else if (kind === GAP && isLane) {
      off.delete(value);
      gaps.push({ start, end: stop, lane: LANE_KINDS[value - 1], text });
    }
  }
  for (const [value, { start, text }] of off) if (end > start) gaps.push({ start, end, lane: LANE_KINDS[value - 1], text });
  return { lost, gaps };
}
