import { countsAgain } from '#core/analyze/memory';
import { usualLane } from '#core/analyze/words';
import type { FrameId, FunctionId } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import { MARK_KINDS } from '#core/model/profile';
import { FUNCTION_KINDS } from '#core/model/tables';
import type { Gaps, Mix, Summary } from './messages.ts';

/** Counts and facts of a profile, cheap enough for every delta. */
export function summaryOf(profile: Profile): Summary {
  let samples = 0;
  let rows = 0;
  for (const lane of profile.lanes) {
    if (!countsAgain(lane, profile.lanes)) samples += lane.samples;
    rows += lane.rows;
  }
  return {
    samples, rows, durationNs: profile.info.durationNs, info: { ...profile.info }, skipped: [...profile.skipped],
    lanes: profile.lanes.map((lane) => ({ kind: lane.kind, name: lane.name, samples: lane.samples, rows: lane.rows })),
  };
}

/** What kinds of function the leaves of the usual lane are, by weight; shares sum to 1, largest first. Markers are left out. */
export function mixOf(profile: Profile): Mix {
  const lane = usualLane(profile);
  if (lane === null) return [];
  const weights = new Float64Array(FUNCTION_KINDS.length);
  for (const chunk of lane.chunks) {
    for (let row = 0; row < chunk.rows; row++) {
      const stack = chunk.merged !== null && row < chunk.mergedRows ? chunk.merged[row] : chunk.stack[row];
      if (stack < 0) continue;
      const fn = profile.frames.function.get(profile.stacks.frame.get(stack) as FrameId) as FunctionId;
      weights[profile.functions.kind.get(fn)] += chunk.weight.get(row);
    }
  }
  weights[FUNCTION_KINDS.indexOf('marker')] = 0;
  const sum = weights.reduce((a, b) => a + b, 0);
  if (!(sum > 0)) return [];
  return FUNCTION_KINDS.map((kind, i) => ({ kind, share: weights[i] / sum })).filter(({ share }) => share > 0).sort((a, b) => b.share - a.share);
}

/** Marks of the kind `gap`. */
export function gapsOf(profile: Profile): Gaps {
  const { marks } = profile;
  const gap = MARK_KINDS.indexOf('gap');
  const found: { start: number; end: number; text: string }[] = [];
  for (let row = 0; row < marks.length; row++) {
    if (marks.kind.get(row) === gap) found.push({ start: marks.start.get(row), end: marks.end.get(row), text: profile.strings.values[marks.text.get(row)] });
  }
  return found;
}
