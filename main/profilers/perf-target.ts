// What perf needs to know of the processes that it is to look at.
import { argvOf, numbersIn, readProc, readProcLink } from '../processes/proc.ts';
import { runtimeOf } from '../processes/runtime.ts';
import type { ThreadLoad } from './perf-plan.ts';

/** PF_EXITING of the kernel's task flags, in /proc/PID/task/TID/stat. */
const EXITING = 4;

/** Whether a thread is gone or on its way out. */
export function isExiting(pid: number, tid: number): boolean {
  const text = readProc(`/proc/${pid}/task/${tid}/stat`);
  if (text === null) return true;
  // `tid (name) state ppid pgrp session tty tpgid flags ...`; a name may hold anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' || (Number(fields[6]) & EXITING) !== 0;
}

/** What decides how much stack is copied. */
export function natureOf(pid: number, launched: boolean): { python: boolean; torch: boolean } {
  // What a launched program will load is not known yet.
  if (launched) return { python: false, torch: false };
  const python = runtimeOf(pid, readProcLink(`/proc/${pid}/exe`) ?? '', argvOf(pid)).runtime === 'python';
  return { python, torch: python && (readProc(`/proc/${pid}/maps`) ?? 'libtorch').includes('libtorch') };
}

/** Its threads; of very many the busiest first. */
export function loadOf(pid: number): ThreadLoad {
  const threads = numbersIn(`/proc/${pid}/task`);
  if (threads.length < 1000) return { pid, tids: threads };
  const used = new Map(threads.map((tid) => [tid, Number((readProc(`/proc/${pid}/task/${tid}/schedstat`) ?? '0').split(' ', 1)[0])]));
  // The main thread first, whatever it did.
  used.set(pid, Infinity);
  return { pid, tids: threads.sort((a, b) => (used.get(b) ?? 0) - (used.get(a) ?? 0)) };
}
