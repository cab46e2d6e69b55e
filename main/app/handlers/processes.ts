import { listProcesses } from '../../processes/list.ts';
import { PROFILERS } from '../../profilers/index.ts';
import { messageOf } from '#core/errors';
import type { Check } from '#core/protocol/api';
import type { Handlers } from '../context.ts';
import { costOf } from '../cost.ts';

/** The picker: what runs, and what can be recorded of it. */
export function processHandlers(): Pick<Handlers, 'processes' | 'checks'> {
  return {
    processes: async () => ({ processes: await listProcesses() }),
    checks: async ({ target }) => {
      const checks = await Promise.all(PROFILERS.map(async (profiler): Promise<readonly Check[]> => {
        try {
          return await profiler.check(target);
        } catch (error) {
          return profiler.lanes.map((lane) => ({ profiler: profiler.id, lane, state: 'no', version: '', text: messageOf(error), command: '' }));
        }
      }));
      return { checks: checks.flat(), cost: costOf(target) };
    },
  };
}
