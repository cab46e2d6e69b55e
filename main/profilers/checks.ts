import { UserError, messageOf } from '#core/errors';
import type { Check, RecordOptions, Target } from '#core/protocol/api';
import type { Profiler } from './profiler.ts';
import { refusedHere, withRefused } from './refused.ts';
import { readSystem } from './system.ts';

/** What every profiler of a list can do on a target, in its order. Never throws: a check that fails is one of state `no`. */
export async function checksOf(profilers: readonly Profiler[], target: Target): Promise<readonly Check[]> {
  const all = await Promise.all(profilers.map(async (profiler): Promise<readonly Check[]> => {
    try {
      const risk = profiler.risk?.(target) ?? '';
      const more = { ...(risk === '' ? {} : { risk }), ...(profiler.full === true ? { full: true } : {}) };
      return (await profiler.check(target)).map((check) => ({ ...check, ...more }));
    } catch (error) {
      return profiler.lanes.map((lane) => ({ profiler: profiler.id, lane, state: 'no', version: '', text: messageOf(error), command: error instanceof UserError ? error.command : '' }));
    }
  }));
  const system = readSystem();
  const refused = await refusedHere(system);
  const checks = all.flat().map((check) => withRefused(check, refused, system));
  const working = new Set(checks.filter(works).map((check) => check.profiler));
  const spare = new Set(profilers.filter((profiler) => profiler.insteadOf?.some((other) => working.has(other)) === true).map((profiler) => profiler.id));
  return checks.map((check) => (spare.has(check.profiler) ? { ...check, spare: true } : check));
}

/** Whether a check says that the lane can be filled. */
export function works(check: Check): boolean {
  return check.state === 'ready' || check.state === 'partly';
}

/** Whether a profiler may be started without being named: its depth was asked for, its risk was accepted. */
export function mayStart(profiler: Profiler, target: Target, options: RecordOptions): boolean {
  const named = options.profilers.includes(profiler.id);
  if (profiler.full === true && options.memory !== 'full' && !named) return false;
  return options.risks.includes(profiler.id) || (profiler.risk?.(target) ?? '') === '';
}
