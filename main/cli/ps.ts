import { setTimeout as wait } from 'node:timers/promises';
import { formatMemory } from '#core/analyze/format';
import { listProcesses } from '../processes/list.ts';
import type { Arguments } from './arguments.ts';
import { isSet } from './arguments.ts';
import type { CliIo } from './io.ts';
import { print, UsageError } from './io.ts';
import { printJson, table } from './json.ts';

/** Long enough for a percentage that is worth reading at 100 ticks a second. */
const MEASURE_MS = 250;
const COMMAND_WIDTH = 100;

/** Processes that can be profiled: no kernel threads, and not we ourselves. */
export async function ps(args: Arguments, io: CliIo): Promise<number> {
  if (args.positionals.length > 0) throw new UsageError(`ps takes no argument (${args.positionals[0]})`);
  await listProcesses();
  await wait(MEASURE_MS);
  const rows = (await listProcesses()).filter((row) => row.runtime !== 'kernel' && row.pid !== process.pid);
  if (isSet(args, 'json')) {
    await printJson(io, { processes: rows.map((row) => ({ ...row, command: row.argv.join(' ') })) });
    return 0;
  }
  rows.sort((a, b) => (b.cpu ?? 0) - (a.cpu ?? 0) || a.pid - b.pid);
  // A control character in an argument would write into the terminal.
  const clean = (text: string) => text.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ');
  await print(io.stdout, table(
    ['PID', 'PPID', 'USER', '%CPU', 'RSS', 'THREADS', 'RUNTIME', 'RANK', 'CONTAINER', 'GPU MEM', 'COMMAND'],
    rows.map((row) => {
      const command = clean(row.argv.length > 0 ? row.argv.join(' ') : row.name);
      return [
        String(row.pid), String(row.ppid), clean(row.user), row.cpu === null ? '-' : row.cpu.toFixed(1), formatMemory(row.rss), String(row.threads),
        row.runtimeVersion === '' ? row.runtime : `${row.runtime} ${row.runtimeVersion}`, row.rank === null ? '-' : String(row.rank),
        row.container === '' ? '-' : row.container, row.gpuMemory === null ? '-' : formatMemory(row.gpuMemory),
        io.stdoutIsTTY && command.length > COMMAND_WIDTH ? `${command.slice(0, COMMAND_WIDTH - 1)}…` : command,
      ];
    }), [0, 1, 3, 4, 5]));
  return 0;
}
