import { basename } from 'node:path';
import type { ProcessKnown } from '#core/model/tables';
import type { Profile } from '#core/model/profile';
import { nameOf } from '../processes/names.ts';
import { argvOf, readProcLink, statOf } from '../processes/proc.ts';
import { rankOf } from '../processes/rank.ts';
import { runtimeOf } from '../processes/runtime.ts';
import { isWaiting } from './launch.ts';
import { maskArguments } from './mask.ts';

/** What this machine knows of a process that runs now; null when it is gone. Arguments that look like secrets are masked. */
export function knownProcess(pid: number): ProcessKnown | null {
  const stat = statOf(pid);
  if (stat === null) return null;
  const argv = argvOf(pid);
  // A command of ours that still waits is not what it will be.
  if (isWaiting(argv)) return { name: '', command: '', rank: rankOf(pid) ?? -1, parent: stat.ppid };
  const executable = readProcLink(`/proc/${pid}/exe`) ?? '';
  const name = argv.length === 0 ? stat.comm : nameOf(argv, stat.comm, runtimeOf(pid, executable, argv).runtime, executable);
  return { name: name === '' ? basename(executable) : name, command: maskArguments(argv).join(' '), rank: rankOf(pid) ?? -1, parent: stat.ppid };
}

/** So many processes are asked about when a recording begins; the others are when they are met. */
const MOST_KNOWN = 500;

/** What is known of a target's processes now, by pid. */
export function knownOf(processes: readonly { readonly pid: number }[]): (readonly [number, ProcessKnown])[] {
  return processes.slice(0, MOST_KNOWN).flatMap(({ pid }) => {
    const known = knownProcess(pid);
    return known === null ? [] : [[pid, known] as const];
  });
}

/** What an earlier reading of the same recording knew: its processes may be gone by now, or their numbers be others'. */
export function knownBefore(before: Profile): (pid: number) => ProcessKnown | null {
  const rows = new Map<number, number>();
  for (let row = 0; row < before.processes.length; row++) rows.set(before.processes.pid.get(row), row);
  return (pid) => {
    const row = rows.get(pid);
    if (row === undefined) return null;
    const { processes, strings } = before;
    const parent = processes.parent.get(row);
    return {
      name: strings.values[processes.name.get(row)], command: strings.values[processes.command.get(row)], rank: processes.rank.get(row),
      ...(parent < 0 ? {} : { parent: processes.pid.get(parent) }),
    };
  };
}
