// Which profilers record: those that were named, or all that are ready, for the lanes that are wanted.
import { UserError, messageOf } from '#core/errors';
import type { Check, Notice, RecordOptions, Target } from '#core/protocol/api';
import type { Profiler } from '../profilers/profiler.ts';

export interface Choice {
  readonly profilers: readonly Profiler[];
  readonly notices: readonly Notice[];
  /** Why none can start; null when some can. */
  readonly none: UserError | null;
}

/** Asks each profiler of the list what it can do on this target. Throws UserError for a name that is no profiler's. */
export async function chooseProfilers(all: readonly Profiler[], target: Target, options: RecordOptions): Promise<Choice> {
  for (const id of options.profilers) {
    if (!all.some((profiler) => profiler.id === id)) {
      throw new UserError('no-such-profiler', `there is no profiler ${id}`, { hint: `There are: ${all.map((profiler) => profiler.id).join(', ')}.` });
    }
  }
  const wanted = all.filter((profiler) => (options.profilers.length === 0 || options.profilers.includes(profiler.id)) && profiler.lanes.some((lane) => options.lanes.includes(lane)));
  const checks = await Promise.all(wanted.map(async (profiler) => {
    try {
      return await profiler.check(target);
    } catch (error) {
      return [{ profiler: profiler.id, lane: profiler.lanes[0], state: 'no', version: '', text: messageOf(error), command: '' } satisfies Check];
    }
  }));
  const notices: Notice[] = [];
  const chosen: Profiler[] = [];
  let refusal: Check | null = null;
  for (const [i, profiler] of wanted.entries()) {
    const here = checks[i].filter((check) => options.lanes.includes(check.lane));
    const works = here.some((check) => check.state === 'ready' || check.state === 'partly');
    if (works) chosen.push(profiler);
    for (const check of here) {
      if (check.state === 'ready') continue;
      if (!works) refusal = refusal === null || (refusal.state === 'no' && check.state === 'fix') ? check : refusal;
      // A profiler that was not asked for by name and has nothing to do with this target is no news.
      if (check.state === 'no' && !options.profilers.includes(profiler.id)) continue;
      notices.push({ id: `check-${check.profiler}-${check.lane}`, level: check.state === 'partly' ? 'info' : 'warn', text: check.text, command: check.command });
    }
  }
  if (chosen.length > 0) return { profilers: chosen, notices, none: null };
  const why = refusal === null
    ? new UserError('no-profiler', `no profiler here records ${options.lanes.join(', ')}`)
    : new UserError('no-profiler', refusal.text, { command: refusal.command, hint: refusal.command === '' ? '' : 'One command changes that.' });
  return { profilers: [], notices, none: why };
}
