// What perf is started with. Pure: everything it depends on comes in as a value.
import { UserError } from '#core/errors';
import type { PerfFeatures } from './perf-tool.ts';
import type { SystemFacts } from './system.ts';
import { CAP_PERFMON, CAP_SYS_ADMIN, hasCapability } from './system.ts';

/** Where waiting time comes from. `switches`: how long alone, from the records of switches. */
export type OffCpuSource = 'none' | 'sched_switch' | 'context-switches' | 'switches';

export interface PerfPlan {
  readonly path: string;
  readonly features: PerfFeatures;
  readonly event: 'cycles' | 'cpu-clock';
  readonly rate: number;
  readonly stacks: 'dwarf' | 'fp';
  /** Bytes of stack that are copied with a sample. */
  readonly stackSize: number;
  /** The kernel's part may not be seen: frames of the program alone. */
  readonly userOnly: boolean;
  /** Pages of each CPU's ring buffer, a power of two. */
  readonly pages: number;
  /** Whether samples of time on a CPU are taken. */
  readonly cpu: boolean;
  readonly offCpu: OffCpuSource;
  /** Before perf's own argv: `sudo -E` when the user chose that, else nothing. */
  readonly elevate: readonly string[];
}

export interface PerfAim {
  readonly pids: readonly number[];
  /** Threads instead of whole processes, where these are too many to open. */
  readonly tids: readonly number[];
}

/** perf's argv for one session, its samples on standard output (CAPTURE.md says why each option). */
export function perfArgv(plan: PerfPlan, aim: PerfAim, commands: string, answers: string): string[] {
  const graph = plan.stacks === 'fp' ? 'fp' : `dwarf,${plan.stackSize}`;
  return [
    ...plan.elevate, plan.path, 'record', '-o', '-', '--control', `fifo:${commands},${answers}`, '-k', 'CLOCK_MONOTONIC', '--sample-cpu',
    ...(plan.features.noBpfEvent ? ['--no-bpf-event'] : []),
    ...(plan.features.buildIdMmap ? ['--buildid-mmap'] : []),
    '-m', String(plan.pages), '--call-graph', graph,
    ...eventsOf(plan).flatMap((event) => ['-e', event]),
    ...(plan.features.switchEvents ? ['--switch-events'] : []),
    ...(aim.tids.length > 0 ? ['-t', aim.tids.join(',')] : ['-p', aim.pids.join(',')]),
  ];
}

// Events of one perf: they share clock, mappings and names. A switch is sampled each time, as the thread leaves, with less stack.
function eventsOf(plan: PerfPlan): string[] {
  const events: string[] = [];
  if (plan.cpu) events.push(`${plan.event}/freq=${plan.rate}/${plan.userOnly ? 'u' : ''}`);
  const graph = plan.stacks === 'fp' ? 'call-graph=fp' : `call-graph=dwarf,stack-size=${SWITCH_STACK}`;
  if (plan.offCpu === 'sched_switch') events.push(`sched:sched_switch/${graph}/`);
  else if (plan.offCpu === 'context-switches') events.push(`context-switches/period=1,${graph}/`);
  // Records of switches need an event that carries them.
  return events.length > 0 ? events : ['dummy:u'];
}

/** Bytes of stack with each switch: 89 % of the stacks of a program with torch fit, and the rest is stitched. */
const SWITCH_STACK = 4096;

/** Where waiting time can come from here; null where perf cannot tell of switches at all. */
export function offCpuSource(system: SystemFacts, features: PerfFeatures, tracefs: boolean): Exclude<OffCpuSource, 'none'> | null {
  if (!features.switchEvents) return null;
  const paranoid = system.paranoid ?? 2;
  if (tracefs && (privileged(system) || paranoid <= -1)) return 'sched_switch';
  return privileged(system) || paranoid <= 1 ? 'context-switches' : 'switches';
}

/** How waiting time is taken, for its lane's header; '' where it is not. */
export function offCpuText(plan: Pick<PerfPlan, 'offCpu' | 'stacks'>): string {
  switch (plan.offCpu) {
    case 'none': return '';
    case 'switches': return 'perf switch records, without stacks';
    case 'sched_switch': case 'context-switches': return `perf ${plan.offCpu}, ${plan.stacks === 'fp' ? 'frame pointers' : `copied stacks of ${SWITCH_STACK / 1024} KB`}`;
  }
}

/** perf events may be opened beyond what perf_event_paranoid allows a plain user. */
export function privileged(system: SystemFacts): boolean {
  return hasCapability(system, CAP_PERFMON) || hasCapability(system, CAP_SYS_ADMIN);
}

/**
 * Ring buffer pages a CPU: 64 MB over all CPUs and 2 MB each at most. A plain user's share (perf_event_mlock_kb, 516 KB a
 * CPU) serves all sessions together, and a hand-over runs two.
 */
export function pagesFor(system: SystemFacts): number {
  if (!privileged(system)) return 64;
  const pages = Math.min(512, (64 << 20) / 4096 / Math.max(1, system.cpus));
  return 2 ** Math.max(3, Math.floor(Math.log2(pages)));
}

/** 8 KB hold nearly every stack of a Python program without torch; C++ libraries and PyTorch need 16 KB. */
export function stackSizeFor(processes: readonly { readonly python: boolean; readonly torch: boolean }[]): number {
  return processes.length > 0 && processes.every((process) => process.python && !process.torch) ? 8192 : 16384;
}

/** perf opens a file for each thread and CPU: 25 us each, and the kernel's memory for it. */
const MOST_FILES = 20_000;

export interface ThreadLoad {
  readonly pid: number;
  /** Thread ids, busiest first. */
  readonly tids: readonly number[];
}

/**
 * What is looked at within the limit of open files: whole processes in their order, as many as fit; if not even the first
 * one does, its busiest threads (threads that they start are followed). `left` counts threads that are left out. `events`: how
 * many are opened for each thread and CPU.
 */
export function fit(processes: readonly ThreadLoad[], system: Pick<SystemFacts, 'cpus' | 'files'>, events = 1): { aim: PerfAim; left: number; files: number } {
  const most = Math.min(MOST_FILES, system.files - 200);
  const each = system.cpus * events;
  const threads = Math.floor(most / each);
  if (threads < 1) {
    throw new UserError('open-files', `perf needs ${each} open files for each thread, and only ${system.files} are allowed here.`, { hint: 'Raise the limit of open files.', command: 'ulimit -Hn 20000' });
  }
  const all = processes.reduce((sum, process) => sum + process.tids.length, 0);
  let taken = 0;
  const pids: number[] = [];
  for (const process of processes) {
    if (taken + process.tids.length > threads) continue;
    taken += process.tids.length;
    pids.push(process.pid);
  }
  if (pids.length > 0) return { aim: { pids, tids: [] }, left: all - taken, files: taken * each };
  const first = processes[0];
  if (first === undefined) return { aim: { pids: [], tids: [] }, left: 0, files: 0 };
  return { aim: { pids: [first.pid], tids: first.tids.slice(0, threads) }, left: all - threads, files: threads * each };
}
