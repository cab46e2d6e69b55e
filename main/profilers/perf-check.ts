import { messageOf } from '#core/errors';
import type { Check, Target } from '#core/protocol/api';
import { readProc, statOf } from '../processes/proc.ts';
import { SIZES, offCpuSource, privileged } from './perf-plan.ts';
import type { NoPerf, PerfTool } from './perf-tool.ts';
import { findPerf, perfRefused } from './perf-tool.ts';
import type { SystemFacts } from './system.ts';
import { CAP_SYS_ADMIN, MEMORY_TRACEPOINT, hasCapability, perfInstall, readSystem, refusedRemedy, tracefsReadable, tracefsRemedy } from './system.ts';

/** What perf can do on a target. Never throws. */
export async function checkPerf(target: Target): Promise<readonly Check[]> {
  try {
    const processes = target.kind === 'launch' ? [] : target.processes.map(({ pid, start }) => {
      const stat = statOf(pid);
      const uid = /^Uid:\s+\d+\s+(\d+)/m.exec(readProc(`/proc/${pid}/status`) ?? '')?.[1];
      return { pid, ended: stat === null || stat.state === 'Z' || (start !== 0 && stat.start !== start), mine: Number(uid) === process.geteuid?.() };
    });
    const system = readSystem();
    const tool = await findPerf();
    const refused = tool.found && system.seccomp ? await perfRefused(tool) : undefined;
    const verdict = perfVerdict(target, processes, system, tool, refused);
    return [verdict, offCpuVerdict(verdict, system, tool, tracefsReadable()), ...memoryVerdicts(verdict, system, tracefsReadable(MEMORY_TRACEPOINT))];
  } catch (error) {
    return [{ profiler: 'perf', lane: 'cpu', state: 'no', version: '', text: `perf could not be checked: ${messageOf(error)}`, command: '' }];
  }
}

export interface PerfTarget {
  readonly pid: number;
  readonly ended: boolean;
  readonly mine: boolean;
}

/** What perf can tell of waiting, from what it can do at all. `tracefs`: tracepoints can be read by us. */
export function offCpuVerdict(cpu: Check, system: SystemFacts, tool: PerfTool | NoPerf, tracefs: boolean): Check {
  const base: Check = { ...cpu, lane: 'off-cpu' };
  if (cpu.state === 'no' || cpu.state === 'fix' || !tool.found) return base;
  switch (offCpuSource(system, tool.features, tracefs)) {
    case null: return { ...base, state: 'no', text: `perf ${tool.version} cannot tell when threads wait; 4.3 or newer is needed.`, command: perfInstall(system) };
    case 'switches': return {
      ...base, state: 'partly', text: `How long threads wait, exact, but without stacks (perf_event_paranoid is ${system.paranoid ?? 2}).`,
      command: `${system.root ? '' : 'sudo '}sysctl -w kernel.perf_event_paranoid=1`,
    };
    case 'sched_switch': return { ...base, text: cpu.state === 'ready' ? 'Exact switches with stacks, from perf sched_switch.' : `Exact switches with stacks; reasons have no names (kptr_restrict is ${system.kptrRestrict}).` };
    case 'context-switches': return { ...base, text: cpu.state === 'ready' ? 'Exact switches with stacks, from perf context-switches.' : `Exact switches with stacks; reasons have no names (kptr_restrict is ${system.kptrRestrict}).` };
  }
}

/** What perf can tell of memory: page faults wherever it works at all, calls that get memory where tracepoints can be read. */
export function memoryVerdicts(cpu: Check, system: SystemFacts, tracefs: boolean): Check[] {
  const base: Check = { ...cpu, lane: 'memory' };
  if (cpu.state === 'no' || cpu.state === 'fix') return [base, { ...base, lane: 'faults' }];
  // Root in a container may mount it, where the container was given that.
  const own = system.container === '' || (system.root && hasCapability(system, CAP_SYS_ADMIN));
  const faults = `Every ${SIZES.faultPeriod}th page fault, with its stack`;
  return [
    tracefs
      ? { ...base, state: 'ready', text: `Memory from mmap and brk, each call with its stack; ${faults[0].toLowerCase()}${faults.slice(1)}.`, command: '' }
      : {
        ...base, state: 'partly', command: own ? tracefsRemedy(system) : '',
        text: `${faults}. What mmap and brk bring needs the tracepoints of system calls, which cannot be read here${own ? '' : ': start the container with -v /sys/kernel/tracing:/sys/kernel/tracing'}.`,
      },
    { ...base, lane: 'faults', state: 'ready', text: `${faults}.`, command: '' },
  ];
}

/** The verdict from facts alone. `refused`: whether perf_event_open was tried and refused; absent: not tried. */
export function perfVerdict(target: Target, processes: readonly PerfTarget[], system: SystemFacts, tool: PerfTool | NoPerf, refused?: boolean): Check {
  const base = { profiler: 'perf', lane: 'cpu' as const, version: !tool.found ? '' : `perf ${tool.version}` };
  const sudo = system.root ? '' : 'sudo ';
  const living = processes.filter((process) => !process.ended);
  if (target.kind === 'attach' && living.length === 0) {
    return { ...base, state: 'no', text: `Process ${processes[0]?.pid ?? 0} has ended. Pick another one from the list.`, command: '' };
  }
  if (!tool.found) {
    const why = tool.said === '' ? 'perf is not installed.' : `perf does not run here: ${tool.said.replace(/\.*$/, '.')}`;
    return { ...base, state: 'fix', text: `${why} It shows native and kernel functions of any program.`, command: perfInstall(system) };
  }
  if (!tool.features.control) {
    return { ...base, state: 'no', text: `perf ${tool.version} cannot be read while it runs; 5.10 or newer is needed.`, command: perfInstall(system) };
  }
  if (system.paranoid === null) {
    return { ...base, state: 'no', text: 'This kernel has no performance events (CONFIG_PERF_EVENTS).', command: '' };
  }
  const may = privileged(system);
  // Docker's seccomp profile lets perf_event_open pass with CAP_PERFMON or CAP_SYS_ADMIN only, whatever the sysctl says.
  if (refused ?? (!may && system.container !== '' && system.seccomp)) {
    const remedy = refusedRemedy(system);
    return { ...base, state: system.container === '' ? 'no' : 'fix', text: `${remedy.text} ${remedy.hint}`, command: remedy.command };
  }
  if (!may && system.container !== '' && system.paranoid >= 3) {
    const remedy = refusedRemedy(system);
    return { ...base, state: 'fix', text: `perf may not look at processes in this container (perf_event_paranoid is ${system.paranoid}). ${remedy.hint}`, command: remedy.command };
  }
  const foreign = living.find((process) => !process.mine);
  if (!may && foreign !== undefined) {
    return { ...base, state: 'no', text: `Process ${foreign.pid} belongs to another user. perf may look at your own processes only; start Flamebench as that user or as root.`, command: '' };
  }
  if (!may && system.paranoid >= 3) {
    return {
      ...base, state: 'fix', text: `perf may not look at this process (perf_event_paranoid is ${system.paranoid}). The command allows it until the next restart.`,
      command: `${sudo}sysctl -w kernel.perf_event_paranoid=1`,
    };
  }
  if (!may && system.paranoid >= 2) {
    return {
      ...base, state: 'partly', text: `Functions of the program, without the kernel's part (perf_event_paranoid is ${system.paranoid}).`,
      command: `${sudo}sysctl -w kernel.perf_event_paranoid=1`,
    };
  }
  if (system.kptrRestrict >= 2 || (system.kptrRestrict === 1 && !may)) {
    return {
      ...base, state: 'partly', text: `Native functions; kernel functions have no names (kptr_restrict is ${system.kptrRestrict}).`,
      command: `${sudo}sysctl -w kernel.kptr_restrict=0`,
    };
  }
  return { ...base, state: 'ready', text: 'Native and kernel functions of every thread, by copied stacks.', command: '' };
}
