// A pid alone may be reused within seconds; (pid, start) names a process for good.
import { UserError } from '#core/errors';
import { numbersIn, parseStat, readProc, statOf } from './proc.ts';

/** Start time of a process in clock ticks since boot; null when it is gone or only a zombie. */
export function startOf(pid: number): number | null {
  const stat = statOf(pid);
  return stat === null || stat.state === 'Z' || stat.state === 'X' ? null : stat.start;
}

/** Whether this very process still runs. A `start` of 0 means that only the pid is known. */
export function isAlive(process: { readonly pid: number; readonly start: number }): boolean {
  const start = startOf(process.pid);
  return start !== null && (process.start === 0 || process.start === start);
}

/** Throws UserError when the process ended or its pid belongs to another one by now. */
export function checkIdentity(process: { readonly pid: number; readonly start: number }): void {
  const start = startOf(process.pid);
  if (start === null) {
    throw new UserError('process-ended', `Process ${process.pid} has ended.`, { hint: 'Pick another process from the list.' });
  }
  if (process.start !== 0 && start !== process.start) {
    throw new UserError('process-ended', `Process ${process.pid} has ended, and its number belongs to another process now.`, {
      hint: 'Pick the process again from the list.',
    });
  }
}

/** Threads of a process that exist now, with their names; empty when it is gone. */
export function threadsOf(pid: number): { tid: number; name: string }[] {
  const threads: { tid: number; name: string }[] = [];
  for (const tid of numbersIn(`/proc/${pid}/task`)) {
    const text = readProc(`/proc/${pid}/task/${tid}/stat`);
    const stat = text === null ? null : parseStat(text);
    if (stat !== null) threads.push({ tid, name: stat.comm });
  }
  return threads;
}

/** The pid as the process itself sees it: the innermost pid namespace. The same number where there is none. */
export function namespacePid(pid: number): number {
  return namespacePids(pid).at(-1) ?? pid;
}

/** The pid in every namespace from ours inwards; `[pid]` where there is none, empty when the process is gone. */
export function namespacePids(pid: number): number[] {
  const status = readProc(`/proc/${pid}/status`);
  if (status === null) return [];
  const line = /^NSpid:\s*(.+)$/m.exec(status);
  return line === null ? [pid] : line[1].trim().split(/\s+/).map(Number);
}
