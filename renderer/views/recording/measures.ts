// What a memory pane can show: the measures of every source of memory, and page faults. Pure.
import { measureOf, memoryMeasures, memorySource } from '#core/analyze/memory';
import type { LaneRef, Moment } from '#core/analyze/view';
import type { Lane } from '#core/model/lane';
import type { Profile } from '#core/model/profile';

export interface Measure {
  /** `Allocated`; where two sources have it, the source after it. */
  readonly title: string;
  /** What the width of a box is, as a sentence. */
  readonly text: string;
  readonly lane: LaneRef;
  readonly moment?: Moment;
}

/** Every measure of memory with rows in a profile. */
export function measures(profile: Profile): Measure[] {
  const lanes = profile.lanes.filter((lane) => lane.kind === 'memory' && lane.rows > 0);
  const sources = [...new Set(lanes.map(memorySource))];
  const list = sources.flatMap((source) => {
    const lane = lanes.find((one) => memorySource(one) === source);
    if (lane === undefined) return [];
    return memoryMeasures(profile, lane).filter((measure) => measure.lane.rows > 0).map((measure): Measure => ({
      title: sources.length > 1 ? `${measure.title}, ${source}` : measure.title, text: measure.text, lane: { kind: measure.lane.kind, name: measure.lane.name },
      ...(measure.moment === undefined ? {} : { moment: measure.moment }),
    }));
  });
  for (const lane of profile.lanes) {
    if (lane.kind === 'faults' && lane.rows > 0) list.push({ title: 'Page faults', text: 'Pages that were touched for the first time or came back: each is 4 KiB at least.', lane: { kind: lane.kind, name: lane.name } });
  }
  return list;
}

/** Whether a pane with this lane and moment shows a measure. */
export function isMeasure(measure: Measure, profile: Profile, lane: Lane | null, moment: Moment | undefined): boolean {
  if (lane === null || lane.kind !== measure.lane.kind || lane.name !== measure.lane.name) return false;
  return measure.moment === undefined || (measureOf(profile, lane, moment)?.moment ?? 'held') === measure.moment;
}

/** The measure that a lane shows; null for a lane that is no memory. */
export function measureTitle(profile: Profile, lane: Lane | null, moment: Moment | undefined): string | null {
  if (lane === null) return null;
  if (lane.kind === 'faults') return 'Page faults';
  return measureOf(profile, lane, moment)?.title ?? null;
}

/** As `measureTitle`, in a word: for the card. */
export function measureWord(profile: Profile, lane: Lane | null, moment: Moment | undefined): string | null {
  if (lane === null) return null;
  if (lane.kind === 'faults') return 'Page faults';
  switch (measureOf(profile, lane, moment)?.key) {
    case undefined: return null;
    case 'allocated': return 'Allocated';
    case 'grown': return 'Grew';
    case 'held': return 'Held';
    case 'peak': return 'At peak';
    case 'temporary': return 'Temporary';
    case 'allocations': return 'Allocations';
  }
}
