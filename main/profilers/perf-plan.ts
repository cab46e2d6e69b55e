// What perf is started with. Pure: everything it depends on comes in as a value.
import { UserError } from '#core/errors';
import type { LaneKind } from '#core/model/lane';
import { WITHOUT_STACKS } from '#core/read/perf/off-cpu';
import type { PerfFeatures } from './perf-tool.ts';
import type { SystemFacts } from './system.ts';
import { CAP_PERFMON, CAP_SYS_ADMIN, hasCapability } from './system.ts';

/** Where waiting time comes from. `switches`: how long alone, from the records of switches. */
export type OffCpuSource = 'none' | 'sched_switch' | 'context-switches' | 'switches';

/**
 * Where memory from the kernel is told: by a tracepoint for each end of each system call; or by the two that fire for every
 * system call, filtered in the kernel: fewer files, but 0.3 us more for each call of the program instead of 0.07.
 */
export type GrowthSource = 'none' | 'syscalls' | 'raw_syscalls';

export interface PerfPlan {
  readonly path: string;
  readonly features: PerfFeatures;
  readonly event: 'cycles' | 'cpu-clock';
  readonly rate: number;
  readonly stacks: 'dwarf' | 'fp';
  /** Bytes of stack that are copied with a sample of CPU time. */
  readonly stackSize: number;
  /** The same for a switch and for the end of a call that got memory, and for a page fault. */
  readonly switchSize: number;
  readonly faultSize: number;
  /** Every how many page faults one is sampled. */
  readonly faultPeriod: number;
  /** The kernel's part may not be seen: frames of the program alone. */
  readonly userOnly: boolean;
  /** Pages of each CPU's ring buffer, a power of two. */
  readonly pages: number;
  /** Whether samples of time on a CPU are taken. */
  readonly cpu: boolean;
  readonly offCpu: OffCpuSource;
  /** Whether page faults are sampled. */
  readonly faults: boolean;
  readonly growth: GrowthSource;
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
    ...eventsOf(plan).flatMap(({ event, filter }) => ['-e', event, ...(filter === '' ? [] : ['--filter', filter])]),
    ...(plan.features.switchEvents ? ['--switch-events'] : []),
    ...(aim.tids.length > 0 ? ['-t', aim.tids.join(',')] : ['-p', aim.pids.join(',')]),
  ];
}

export interface PlannedEvent {
  /** The lane that it fills; null where it only carries records of switches. */
  readonly lane: LaneKind | null;
  /** What `-e` is given, and `--filter` behind it; '' for none. */
  readonly event: string;
  readonly filter: string;
  /** What perf calls it on its control FIFO: tracepoints without their terms, others by the name they were given, or as a whole. */
  readonly name: string;
}

/** Numbers of the calls on x86-64: those that tell at their beginning what is asked for, and at their end what came of it. */
const ENTERS = 'id==9||id==11||id==25';
const EXITS = 'id==9||id==12||id==25';

/**
 * Events of one perf: they share clock, mappings and names. A switch is sampled each time, as the thread leaves, with less stack.
 * The first one also carries the records of switches, mappings and threads.
 */
export function eventsOf(plan: PerfPlan): PlannedEvent[] {
  const events: PlannedEvent[] = [];
  const mode = plan.userOnly ? 'u' : '';
  const graph = (size: number) => (plan.stacks === 'fp' ? 'call-graph=fp' : `call-graph=dwarf,stack-size=${size}`);
  // perf's own name for an event with terms is all of them, and a command on its control FIFO has 64 bytes at most.
  const counter = (lane: LaneKind, name: string, terms: string, mode = '') => events.push({ lane, event: `${name}/name=${name},${terms}/${mode}`, filter: '', name });
  const tracepoint = (lane: LaneKind, name: string, terms: string, filter = '') => events.push({ lane, event: `${name}/${terms}/${mode}`, filter, name });
  if (plan.cpu) events.push({ lane: 'cpu', event: `${plan.event}/freq=${plan.rate}/${mode}`, filter: '', name: `${plan.event}/freq=${plan.rate}/${mode}` });
  if (plan.offCpu === 'sched_switch') tracepoint('off-cpu', 'sched:sched_switch', graph(plan.switchSize));
  else if (plan.offCpu === 'context-switches') counter('off-cpu', 'context-switches', `period=1,${graph(plan.switchSize)}`);
  // A frequency does not work for faults: perf then takes two samples a second, however many there are.
  if (plan.faults) counter('faults', 'page-faults', `period=${plan.faultPeriod},${graph(plan.faultSize)}`, mode);
  if (plan.growth === 'raw_syscalls') {
    tracepoint('memory', 'raw_syscalls:sys_enter', 'call-graph=no', ENTERS);
    tracepoint('memory', 'raw_syscalls:sys_exit', graph(plan.switchSize), EXITS);
  } else if (plan.growth === 'syscalls') {
    // Arguments at the beginning, the stack with the answer; munmap needs no answer, brk's answer says all.
    for (const call of ['mmap', 'munmap', 'mremap']) tracepoint('memory', `syscalls:sys_enter_${call}`, 'call-graph=no');
    for (const call of ['mmap', 'brk', 'mremap']) tracepoint('memory', `syscalls:sys_exit_${call}`, graph(plan.switchSize));
  }
  // Records of switches need an event that carries them.
  return events.length > 0 ? events : [{ lane: null, event: 'dummy:u', filter: '', name: 'dummy:u' }];
}

/** Stacks that are copied with other events than CPU time. */
export const SIZES = {
  /** 89 % of the stacks of a program with torch fit, and the rest is stitched. */
  switchSize: 4096,
  /** Unlike that of a switch: two perfs on one thread get each other's ids, and the size tells samples apart. */
  faultSize: 5120,
  faultPeriod: 64,
} as const;
/** The same for programs that switch too often: 45 % fit, 92 % when they are stitched. Their sizes too are like no other one's. */
export const SMALL_SIZES = { switchSize: 2048, faultSize: 2560, faultPeriod: SIZES.faultPeriod } as const;
const LEAST_STACK = 4096;
const LEAST_SWITCH = 1024;
const MOST_PERIOD = 4096;

/** A plan whose stream is smaller by this factor, as far as that goes; null where nothing is left to take away. */
export function lighter(plan: PerfPlan, factor: number): PerfPlan | null {
  let less = halved(plan);
  for (let done = 2; less !== null && done < factor; done *= 2) {
    const next = halved(less);
    if (next === null) break;
    less = next;
  }
  return less;
}

/** A plan whose stream is about half as large; null where nothing is left to take away. */
function halved(plan: PerfPlan): PerfPlan | null {
  const less: PerfPlan = {
    ...plan,
    stackSize: plan.stacks === 'dwarf' && plan.cpu ? Math.max(LEAST_STACK, plan.stackSize / 2) : plan.stackSize,
    switchSize: plan.stacks === 'dwarf' && (plan.growth !== 'none' || hasSwitches(plan)) ? Math.max(LEAST_SWITCH, plan.switchSize / 2) : plan.switchSize,
    // Of faults every sample is like the others: fewer of them say as much as smaller ones.
    faultPeriod: plan.faults ? Math.min(MOST_PERIOD, plan.faultPeriod * 2) : plan.faultPeriod,
  };
  return less.stackSize === plan.stackSize && less.switchSize === plan.switchSize && less.faultPeriod === plan.faultPeriod ? null : less;
}

function hasSwitches(plan: PerfPlan): boolean {
  return plan.offCpu === 'sched_switch' || plan.offCpu === 'context-switches';
}

/** Where waiting time can come from here; null where perf cannot tell of switches at all. */
export function offCpuSource(system: SystemFacts, features: PerfFeatures, tracefs: boolean): Exclude<OffCpuSource, 'none'> | null {
  if (!features.switchEvents) return null;
  const paranoid = system.paranoid ?? 2;
  if (tracefs && (privileged(system) || paranoid <= -1)) return 'sched_switch';
  return privileged(system) || paranoid <= 1 ? 'context-switches' : 'switches';
}

/** How waiting time is taken, for its lane's header; '' where it is not. */
export function offCpuText(plan: Pick<PerfPlan, 'offCpu' | 'stacks' | 'switchSize'>): string {
  switch (plan.offCpu) {
    case 'none': return '';
    case 'switches': return WITHOUT_STACKS;
    case 'sched_switch': case 'context-switches': return `perf ${plan.offCpu}, ${stackText(plan.stacks, plan.switchSize)}`;
  }
}

/** How time on a CPU is taken, for its lane's header. */
export function sourceText({ stacks, stackSize, rate, event, userOnly }: PerfPlan): string {
  return `perf ${rate} Hz, ${event}, ${stacks === 'fp' ? 'frame pointers' : `copied stacks of ${stackSize / 1024} KB`}${userOnly ? ', user only' : ''}`;
}

/** How much is copied with what, for people. */
export function sizesText(plan: PerfPlan): string {
  return [
    ...(plan.cpu && plan.stacks === 'dwarf' ? [`${plan.stackSize / 1024} KB of stack with CPU samples`] : []),
    ...(hasSwitches(plan) && plan.stacks === 'dwarf' ? [`${plan.switchSize / 1024} KB with switches`] : []),
    ...(plan.faults ? [`every ${plan.faultPeriod}th page fault`] : []),
  ].join(', ');
}

/** How page faults are taken, for their lane's header. */
export function faultsText(plan: PerfPlan): string {
  return plan.faults ? `perf page-faults, every ${plan.faultPeriod}th, ${stackText(plan.stacks, plan.faultSize)}${plan.userOnly ? ', user only' : ''}` : '';
}

/** How memory from the kernel is told, for its lanes' header. */
export function growthText(plan: PerfPlan): string {
  return plan.growth === 'none' ? '' : `perf mmap and brk, ${stackText(plan.stacks, plan.switchSize)}`;
}

function stackText(stacks: PerfPlan['stacks'], size: number): string {
  return stacks === 'fp' ? 'frame pointers' : `copied stacks of ${size / 1024} KB`;
}

/** perf events may be opened beyond what perf_event_paranoid allows a plain user. */
export function privileged(system: SystemFacts): boolean {
  return hasCapability(system, CAP_PERFMON) || hasCapability(system, CAP_SYS_ADMIN);
}

/**
 * Ring buffer pages a CPU: 64 MB over all CPUs and 8 MB each at most: some half a second of switches and faults with their stacks, while a
 * machine that has no CPU to spare keeps perf waiting. A plain user's share (perf_event_mlock_kb, 516 KB a
 * CPU) serves all sessions together, and a hand-over runs two.
 */
export function pagesFor(system: SystemFacts): number {
  if (!privileged(system)) return 64;
  const pages = Math.min(2048, (64 << 20) / 4096 / Math.max(1, system.cpus));
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

/**
 * As `fit`, for a plan: events of memory go before threads do, as few as need be. `dropped` says what went, for people; '' for nothing.
 */
export function fitPlan(plan: PerfPlan, processes: readonly ThreadLoad[], system: Pick<SystemFacts, 'cpus' | 'files'>): { plan: PerfPlan; aim: PerfAim; left: number; dropped: string } {
  const tries: { plan: PerfPlan; dropped: string }[] = [{ plan, dropped: '' }];
  // At paranoid 2 the kernel lets only the tracepoints of single calls through.
  if (plan.growth === 'syscalls' && !plan.userOnly) tries.push({ plan: { ...plan, growth: 'raw_syscalls' }, dropped: '' });
  if (plan.growth !== 'none') tries.push({ plan: { ...plan, growth: 'none' }, dropped: 'mmap and brk are' });
  if (plan.faults) tries.push({ plan: { ...plan, growth: 'none', faults: false }, dropped: plan.growth === 'none' ? 'page faults are' : 'page faults, mmap and brk are' });
  let last: UserError | null = null;
  for (const one of tries) {
    try {
      const { aim, left } = fit(processes, system, eventsOf(one.plan).length);
      if (left === 0 || one === tries.at(-1)) return { ...one, aim, left };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      last = error;
    }
  }
  throw last ?? new UserError('open-files', 'perf needs more open files than are allowed here.');
}
