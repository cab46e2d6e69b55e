import { readProc } from '../processes/proc.ts';

/**
 * Where a thread waits in the kernel at this moment: `futex_do_wait`, `hrtimer_nanosleep`; '' where it does not wait, is gone or may
 * not be looked at. `at`: monotonic ns of the answer. About 3 us.
 */
export function waitChannel(pid: number, tid: number): { name: string; at: number } {
  const text = readProc(`/proc/${pid}/task/${tid}/wchan`)?.trim() ?? '';
  return { name: text === '0' ? '' : text, at: Number(process.hrtime.bigint()) };
}
