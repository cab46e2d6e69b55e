// Which profilers record: those that were named, or all that are ready, for the lanes that are wanted. Lanes are judged one by one: a profiler starts
// when one of its lanes works, and the lanes of it that do not are not asked of it.
import { UserError } from '#core/errors';
import type { LaneKind } from '#core/model/lane';
import type { Check, Notice, RecordOptions, Target } from '#core/protocol/api';
import { checksOf, mayStart, works } from '../profilers/checks.ts';
import type { Profiler } from '../profilers/profiler.ts';

/** A profiler and what it can fill on this target. */
export interface Candidate {
  readonly profiler: Profiler;
  /** Lanes that were asked for and that it can fill; empty: it does not start with the recording. */
  readonly lanes: readonly LaneKind[];
  /** All that it could fill, those that were not asked for too. */
  readonly possible: readonly LaneKind[];
}

export interface Choice {
  readonly candidates: readonly Candidate[];
  /** What was said of every lane, by those profilers that may be used. */
  readonly checks: readonly Check[];
  readonly notices: readonly Notice[];
  /** Why none can start; null when some can. */
  readonly none: UserError | null;
}

/** Those that start with the recording. */
export function starters(choice: Choice): Candidate[] {
  return choice.candidates.filter((candidate) => candidate.lanes.length > 0);
}

/** Asks each profiler of the list what it can do on this target. Throws UserError for a name that is no profiler's. */
export async function chooseProfilers(all: readonly Profiler[], target: Target, options: RecordOptions): Promise<Choice> {
  for (const id of options.profilers) {
    if (!all.some((profiler) => profiler.id === id)) {
      throw new UserError('no-such-profiler', `there is no profiler ${id}`, { hint: `There are: ${all.map((profiler) => profiler.id).join(', ')}.` });
    }
  }
  const usable = all.filter((profiler) => options.profilers.length === 0 || options.profilers.includes(profiler.id));
  const checks = await checksOf(usable, target);
  const candidates: Candidate[] = [];
  for (const profiler of usable) {
    if (!mayStart(profiler, target, options)) continue;
    const possible = isStoodIn(profiler, usable, checks, options) ? [] : lanesThatWork(profiler, checks);
    candidates.push({ profiler, lanes: possible.filter((lane) => isAsked(lane, options)), possible });
  }
  const notices = noticesOf(usable, candidates, checks, options, target);
  if (candidates.some(({ lanes }) => lanes.length > 0)) return { candidates, checks, notices, none: null };
  const refusal = bestRefusal(checks.filter((check) => options.lanes.includes(check.lane)));
  const why = refusal === null
    ? new UserError('no-profiler', `no profiler here records ${options.lanes.join(', ')}`)
    : new UserError('no-profiler', refusal.text, { command: refusal.command, hint: refusal.command === '' ? '' : 'One command changes that.' });
  return { candidates, checks, notices, none: why };
}

/** Page faults are a part of what memory is, by their own kind. */
export function isAsked(lane: LaneKind, options: Pick<RecordOptions, 'lanes'>): boolean {
  return options.lanes.includes(lane) || (lane === 'faults' && options.lanes.includes('memory'));
}

function lanesThatWork(profiler: Profiler, checks: readonly Check[]): LaneKind[] {
  const lanes = checks.filter((check) => check.profiler === profiler.id && works(check)).map((check) => check.lane);
  return [...new Set(lanes)];
}

/** Whether a profiler that this one only stands in for works: a stand-in is all or nothing, for its lanes belong together. */
function isStoodIn(profiler: Profiler, usable: readonly Profiler[], checks: readonly Check[], options: RecordOptions): boolean {
  const { insteadOf } = profiler;
  if (insteadOf === undefined || options.profilers.includes(profiler.id)) return false;
  return usable.some((other) => insteadOf.includes(other.id) && checks.some((check) => check.profiler === other.id && works(check)));
}

/** Of several reasons the one that a command changes, else the first. */
export function bestRefusal(checks: readonly Check[]): Check | null {
  const refusals = checks.filter((check) => !works(check));
  return refusals.find((check) => check.state === 'fix') ?? refusals.at(0) ?? null;
}

function noticesOf(usable: readonly Profiler[], candidates: readonly Candidate[], checks: readonly Check[], options: RecordOptions, target: Target): Notice[] {
  const notices: Notice[] = [];
  for (const profiler of usable) {
    const named = options.profilers.includes(profiler.id);
    const candidate = candidates.find((one) => one.profiler === profiler);
    if (candidate === undefined) {
      const risk = profiler.risk?.(target) ?? '';
      if (named && risk !== '') notices.push({ id: `risk-${profiler.id}`, level: 'warn', text: `${profiler.id} was not started: ${risk}`, command: '' });
      continue;
    }
    // What only stands in says itself in its pane.
    if (profiler.insteadOf !== undefined && candidate.lanes.length === 0 && !named) continue;
    // Lanes with the same thing to say say it once.
    const said = new Set<string>();
    for (const check of checks) {
      if (check.profiler !== profiler.id || !options.lanes.includes(check.lane) || check.state === 'ready' || said.has(check.text)) continue;
      // A lane that another profiler fills, or that cannot be here, is news only where that profiler was named: its pane says why.
      if (check.state === 'no' && !named) continue;
      if (profiler.full === true && check.state === 'fix' && !named && options.memory !== 'full') continue;
      said.add(check.text);
      notices.push({ id: `check-${check.profiler}-${check.lane}`, level: check.state === 'partly' ? 'info' : 'warn', text: check.text, command: check.command });
    }
  }
  return notices;
}
