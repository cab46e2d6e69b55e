// Which lanes a recording can have, from what was found out about a target. Pure.
import type { LaneKind } from '#core/model/lane';
import type { Check, RecordOptions } from '#core/protocol/api';

/** The lanes that are offered, in this order, whether anything can fill them or not. */
export const OFFERED: readonly LaneKind[] = ['cpu', 'off-cpu', 'memory', 'cuda'];

const ORDER: readonly Check['state'][] = ['ready', 'partly', 'fix', 'no'];

type Choice = Pick<RecordOptions, 'memory' | 'risks' | 'profilers'>;

export interface LaneGroup {
  readonly lane: LaneKind;
  /** Best first; empty where nothing here knows the lane. */
  readonly checks: readonly Check[];
}

/** The checks by lane; page faults are a part of memory. */
export function laneGroups(checks: readonly Check[]): LaneGroup[] {
  const of = (check: Check): LaneKind => (check.lane === 'faults' ? 'memory' : check.lane);
  // What a profiler says of memory says it of page faults too.
  const told = checks.filter((check) => check.lane !== 'faults' || !checks.some((one) => one.lane === 'memory' && one.profiler === check.profiler && works(one)));
  const others = [...new Set(told.map(of))].filter((lane) => !OFFERED.includes(lane));
  return [...OFFERED, ...others].map((lane) => ({
    lane, checks: told.filter((check) => of(check) === lane).sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state)),
  }));
}

export function works(check: Check): boolean {
  return check.state === 'ready' || check.state === 'partly';
}

/** Whether a profiler would be started: its depth was asked for, its risk was accepted, and it was not left out. */
export function wanted(check: Check, options: Choice): boolean {
  if (options.profilers.length > 0 && !options.profilers.includes(check.profiler)) return false;
  if (check.spare === true && !options.profilers.includes(check.profiler)) return false;
  if (check.full === true && options.memory !== 'full' && !options.profilers.includes(check.profiler)) return false;
  return (check.risk ?? '') === '' || options.risks.includes(check.profiler);
}

/** The best that can be had of a lane with these options. */
export function laneState(group: LaneGroup, options: Choice): Check['state'] {
  const usable = group.checks.filter((check) => wanted(check, options));
  // A spare that works is none of what stands in the way.
  return ORDER.find((state) => usable.some((check) => check.state === state)) ?? (group.checks.some((check) => check.spare !== true && check.state !== 'no') ? 'fix' : 'no');
}

/**
 * Whether a lane is asked for. What works is on by itself; CUDA also where one command is missing, so that its pane says which. `tick`:
 * what the user chose: a lane that cannot be here may be asked for too, its pane says why.
 */
export function laneOn(group: LaneGroup, options: Choice, tick: boolean | undefined): boolean {
  const state = laneState(group, options);
  const able = state === 'ready' || state === 'partly';
  return tick ?? (able || (group.lane === 'cuda' && state === 'fix'));
}

/** What is said of a lane: what will be done, else why not and the one command; each text once. */
export function laneLines(group: LaneGroup, options: Choice): Check[] {
  const usable = group.checks.filter((check) => wanted(check, options));
  const working = usable.filter(works);
  const shown = working.length > 0 ? [...working, ...usable.filter((check) => check.state === 'fix' && working.every((one) => one.state === 'partly'))] : usable.slice(0, 2);
  return shown.filter((check, i) => shown.findIndex((one) => one.text === check.text) === i);
}

/** Profilers of a lane that start only with the user's word. */
export function risky(group: LaneGroup, options: Choice): Check[] {
  return group.checks.filter((check, i) => (check.risk ?? '') !== '' && check.state !== 'no' && (check.full !== true || options.memory === 'full')
    && group.checks.findIndex((one) => one.profiler === check.profiler) === i);
}

/** Whether memory can be had in two depths here. */
export function hasDepths(group: LaneGroup): boolean {
  return group.checks.some((check) => check.full === true && check.state !== 'no');
}
