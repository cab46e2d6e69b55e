import { statSync } from 'node:fs';
import { messageOf } from '#core/errors';
import type { Check, Target } from '#core/protocol/api';
import { argvOf, readProcLink, statOf } from '../processes/proc.ts';
import { runtimeOf } from '../processes/runtime.ts';
import { findTool, foldersOf, versionOf } from './find-tool.ts';
import type { SystemFacts } from './system.ts';
import { CAP_SYS_PTRACE, containerRemedy, hasCapability, pySpyInstall, readSystem } from './system.ts';

/** What py-spy can do on a target. Never throws. */
export async function checkPySpy(target: Target): Promise<readonly Check[]> {
  try {
    return [await judge(target, readSystem())];
  } catch (error) {
    return [{ profiler: 'py-spy', lane: 'cpu', state: 'no', version: '', text: `py-spy could not be checked: ${messageOf(error)}`, command: '' }];
  }
}

/** Facts of one process as far as py-spy is concerned. */
export interface PySpyTarget {
  readonly pid: number;
  readonly ended: boolean;
  readonly python: boolean;
  readonly version: string;
  readonly mine: boolean;
}

async function judge(target: Target, system: SystemFacts): Promise<Check> {
  const processes: PySpyTarget[] = target.kind === 'launch' ? [] : target.processes.map(({ pid, start }) => {
    const stat = statOf(pid);
    const ended = stat === null || stat.state === 'Z' || (start !== 0 && stat.start !== start);
    const runtime = ended ? { runtime: 'unknown', version: '' } : runtimeOf(pid, readProcLink(`/proc/${pid}/exe`) ?? '', argvOf(pid));
    return { pid, ended, python: runtime.runtime === 'python', version: runtime.version, mine: ownerOf(pid) === process.getuid?.() };
  });
  const first = processes[0];
  const folders = first === undefined || first.ended ? [] : foldersOf(argvOf(first.pid), readProcLink(`/proc/${first.pid}/exe`) ?? '');
  const tool = findTool('py-spy', folders);
  return pySpyVerdict(target, processes, system, tool === null ? null : await versionOf(tool));
}

/** The verdict from facts alone. `version` is null where py-spy is not installed, '' where it does not say. */
export function pySpyVerdict(target: Target, processes: readonly PySpyTarget[], system: SystemFacts, version: string | null): Check {
  const base = { profiler: 'py-spy', lane: 'cpu' as const, version: version === null || version === '' ? '' : `py-spy ${version}` };
  const living = processes.filter((process) => !process.ended);
  if (target.kind === 'attach') {
    if (living.length === 0) {
      const pid = processes[0]?.pid ?? 0;
      return { ...base, state: 'no', text: `Process ${pid} has ended. Pick another one from the list.`, command: '' };
    }
    if (!living.some((process) => process.python) && !target.children) {
      return { ...base, state: 'no', text: `Process ${living[0].pid} is not a Python process. perf shows its stacks.`, command: '' };
    }
  }
  if (version === null) {
    return { ...base, state: 'fix', text: 'py-spy is not installed. It shows Python functions with their lines, without a change to the program.', command: pySpyInstall(system) };
  }
  const may = system.root ? !system.container || hasCapability(system, CAP_SYS_PTRACE) : hasCapability(system, CAP_SYS_PTRACE);
  if (!may) {
    const foreign = living.find((process) => !process.mine);
    if (foreign !== undefined && !system.root) {
      return { ...base, state: 'no', text: `Process ${foreign.pid} belongs to another user. py-spy may look at your own processes only; start Flamebench as that user or as root.`, command: '' };
    }
    // What is launched here has our user and rights, and a helper in it allows what Yama would keep to its parents.
    const lets = target.kind === 'launch' && system.ptraceScope <= 1;
    if (!lets && system.container !== '' && (system.root || system.ptraceScope >= 1)) {
      const remedy = containerRemedy(system);
      return { ...base, state: 'fix', text: `py-spy may not look at other processes in this container. ${remedy.text}`, command: remedy.command };
    }
    if (!lets && system.ptraceScope >= 1 && system.ptraceScope < 3) {
      return {
        ...base, state: 'fix', command: 'sudo sysctl -w kernel.yama.ptrace_scope=0',
        text: `py-spy may not look at your other processes (kernel.yama.ptrace_scope is ${system.ptraceScope}).`,
      };
    }
    if (system.ptraceScope >= 3) {
      return { ...base, state: 'no', text: 'No process may look at another one (kernel.yama.ptrace_scope is 3). Only a restart of the machine lifts that.', command: '' };
    }
  }
  const python = living.find((process) => process.python);
  if (target.kind === 'launch') {
    const helped = letsItselfBeTraced(system) ? ' A helper in it (PYTHONPATH) lets programs of the same user attach, which kernel.yama.ptrace_scope keeps to parents else.' : '';
    return { ...base, state: 'ready', text: `Python functions with their lines, in windows of 500 ms, from when the program is Python.${helped}`, command: '' };
  }
  if (python === undefined) {
    return { ...base, state: 'partly', text: `Process ${living[0].pid} is not Python; its Python children are looked at.`, command: '' };
  }
  const what = python.version === '' ? 'Python' : `Python ${python.version}`;
  const [major, minor] = python.version.split('.').map(Number);
  if (major === 3 && minor >= 14) {
    return { ...base, state: 'partly', text: `${what} is newer than py-spy's tested versions: it may refuse. Samples come in windows of 500 ms.`, command: '' };
  }
  return { ...base, state: 'ready', text: `Functions and lines of ${what}, in windows of 500 ms, without stopping the program.`, command: '' };
}

/** Whether a launched Python needs our helper's word so that py-spy may look at it. */
export function letsItselfBeTraced(system: SystemFacts): boolean {
  return system.ptraceScope === 1 && !hasCapability(system, CAP_SYS_PTRACE);
}

function ownerOf(pid: number): number {
  try {
    return statSync(`/proc/${pid}`).uid;
  } catch {
    return -1;
  }
}
