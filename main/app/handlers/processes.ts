import { listProcesses } from '../../processes/list.ts';
import { checksOf } from '../../profilers/checks.ts';
import { PROFILERS } from '../../profilers/index.ts';
import type { Handlers } from '../context.ts';
import { costOf } from '../cost.ts';

/** The picker: what runs, and what can be recorded of it. */
export function processHandlers(): Pick<Handlers, 'processes' | 'checks'> {
  return {
    processes: async () => ({ processes: await listProcesses() }),
    checks: async ({ target }) => {
      const checks = await checksOf(PROFILERS, target);
      return { checks, cost: costOf(target) };
    },
  };
}
