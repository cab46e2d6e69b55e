import type { Target } from '#core/protocol/api';
import { threadsOf } from '../processes/identity.ts';
import { readProc, statOf } from '../processes/proc.ts';
import { withDescendants } from '../processes/tree.ts';
import { machineFacts, megabytes } from '../record/machine.ts';

/** perf opens one file a thread and CPU; past this many it sees less, and says so. */
const MOST_FILES = 20_000;
/** A sample with 16 KB of copied stack, and what zstd leaves of it on disk. */
const SAMPLE_BYTES = 16_900;
const PACKED = 0.03;
const USUAL_RATE = 99;
/** A switch out of the CPU with 4 KB of copied stack, and the records of both ways. */
const SWITCH_BYTES = 4600;
const TICKS_PER_SECOND = 100;

/** What recording this target will take, before it starts: files, bytes a second, disk an hour. '' for a command that is not running yet. */
export function costOf(target: Target): string {
  if (target.kind === 'launch') return '';
  const roots = target.processes.map((process) => process.pid);
  const pids = target.children ? withDescendants(roots) : roots;
  let threads = 0;
  let switches = 0;
  const uptime = Number((readProc('/proc/uptime') ?? '0').split(' ', 1)[0]);
  for (const pid of pids) {
    const present = threadsOf(pid);
    threads += present.length;
    const stat = statOf(pid);
    if (stat === null) continue;
    const age = Math.max(1, uptime - stat.start / TICKS_PER_SECOND);
    for (const { tid } of present) switches += switchesOf(readProc(`/proc/${pid}/task/${tid}/status`) ?? '') / age;
  }
  if (threads === 0) return '';
  const { cpus } = machineFacts();
  const files = threads * cpus;
  // No more threads than CPUs can be sampled at once.
  const bytes = Math.min(threads, cpus) * USUAL_RATE * SAMPLE_BYTES;
  const many = files > MOST_FILES ? ` That is more than ${MOST_FILES.toLocaleString('en')} files: only a part of the threads gets full detail.` : '';
  const what = `${pids.length === 1 ? '1 process' : `${pids.length} processes`}, ${threads.toLocaleString('en')} ${threads === 1 ? 'thread' : 'threads'}`;
  return `${what}: up to ${files.toLocaleString('en')} perf files, ${megabytes(bytes)} a second, ${megabytes(bytes * PACKED * 3600)} of disk an hour.${waitingText(switches)}${many}`;
}

/** What waiting time adds, where a process switches as often as it did so far. */
function waitingText(switches: number): string {
  if (switches < 1) return '';
  const often = switches < 10 ? switches.toFixed(1) : Math.round(switches).toLocaleString('en');
  return ` Off-CPU, at its ${often} switches a second so far: ${megabytes(switches * SWITCH_BYTES)} a second more.`;
}

/** Switches of a thread since it began, from its status (proc(5)). */
function switchesOf(status: string): number {
  let sum = 0;
  for (const match of status.matchAll(/^(?:non)?voluntary_ctxt_switches:\s+(\d+)/gm)) sum += Number(match[1]);
  return sum;
}
