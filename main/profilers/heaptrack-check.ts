import { statSync } from 'node:fs';
import { messageOf } from '#core/errors';
import type { Check, Target } from '#core/protocol/api';
import { argvOf, readProcLink, statOf } from '../processes/proc.ts';
import { runtimeOf } from '../processes/runtime.ts';
import { findTool } from './find-tool.ts';
import type { Program } from './heaptrack-program.ts';
import { programOf } from './heaptrack-program.ts';
import type { HeaptrackTool } from './heaptrack-tool.ts';
import { findHeaptrack, heaptrackInstall } from './heaptrack-tool.ts';
import type { SystemFacts } from './system.ts';
import { CAP_SYS_PTRACE, hasCapability, readSystem } from './system.ts';

/** What is known of a running target. */
export interface HeaptrackTarget {
  readonly pid: number;
  readonly ended: boolean;
  readonly mine: boolean;
  readonly python: boolean;
  /** The interpreter is the distribution's own. */
  readonly system: boolean;
  readonly gdb: boolean;
}

/** What heaptrack can do on a target. Never throws. */
export async function checkHeaptrack(target: Target): Promise<readonly Check[]> {
  try {
    const system = readSystem();
    const tool = await findHeaptrack();
    const program = target.kind === 'launch' ? programOf(target.argv, target.directory === '' ? process.cwd() : target.directory, target.environment['PATH'] ?? process.env['PATH'] ?? '') : null;
    return [heaptrackVerdict(target, program, target.kind === 'launch' ? null : runningTarget(target.processes[0]), system, tool)];
  } catch (error) {
    return [{ profiler: 'heaptrack', lane: 'memory', state: 'no', version: '', text: `heaptrack could not be checked: ${messageOf(error)}`, command: '' }];
  }
}

export function runningTarget(process: { readonly pid: number; readonly start: number } | undefined): HeaptrackTarget {
  const pid = process?.pid ?? 0;
  const stat = statOf(pid);
  const executable = readProcLink(`/proc/${pid}/exe`) ?? '';
  const python = runtimeOf(pid, executable, argvOf(pid)).runtime === 'python';
  return {
    pid, ended: stat === null || stat.state === 'Z' || (process !== undefined && process.start !== 0 && stat.start !== process.start),
    mine: ownerOf(pid) === ownUser(), python, system: /^\/(usr\/)?s?bin\//.test(executable) || executable === '', gdb: findTool('gdb') !== null,
  };
}

function ownUser(): number {
  return process.geteuid?.() ?? -1;
}

function ownerOf(pid: number): number {
  try {
    return statSync(`/proc/${pid}`).uid;
  } catch {
    return -1;
  }
}

/** What attaching would risk, in one sentence; '' for a launch. */
export function heaptrackRisk(target: Target): string {
  if (target.kind === 'launch') return '';
  const running = runningTarget(target.processes[0]);
  const what = 'To look at a program that runs already, gdb stops it and loads heaptrack into it, which may crash or freeze it';
  if (!running.python) return `${what} (8 of 8 C programs lived in trials), and heaptrack stays in it until it ends.`;
  return running.system ? `${what}: a distribution's Python was killed in 5 of 5 trials, so it is not done.` : `${what}: a Python built from source froze in 3 of 6 trials when heaptrack was stopped.`;
}

/** The verdict from facts alone. `program` is what a launch starts, `running` what an attach looks at. */
export function heaptrackVerdict(target: Target, program: Program | null, running: HeaptrackTarget | null, system: SystemFacts, tool: HeaptrackTool | null): Check {
  const base = { profiler: 'heaptrack', lane: 'memory' as const, version: tool === null ? '' : `heaptrack ${tool.version}`.trim(), command: '' };
  if (running?.ended === true) return { ...base, state: 'no', text: `Process ${running.pid} has ended. Pick another one from the list.` };
  if (tool === null) {
    return { ...base, state: 'fix', text: 'heaptrack is not installed. It sees every allocation of a native program that is launched with memory in full.', command: heaptrackInstall(system) };
  }
  if (target.kind === 'launch') return launchVerdict(base, program ?? { kind: 'unknown', name: target.argv[0] ?? '' });
  if (running === null) return { ...base, state: 'no', text: 'There is no process to look at.' };
  const launch = 'Every allocation is seen by launching the program with memory in full.';
  if (running.python && running.system) return { ...base, state: 'no', text: `heaptrack is never put into a running Python of the distribution: it was killed in 5 of 5 trials. ${launch}` };
  if (tool.inject === '' || !running.gdb) return { ...base, state: 'no', text: `${launch} Putting heaptrack into one that runs takes gdb.` };
  if (!running.mine) return { ...base, state: 'no', text: `Process ${running.pid} belongs to another user, so heaptrack cannot be put into it. ${launch}` };
  if (system.ptraceScope > 0 && !hasCapability(system, CAP_SYS_PTRACE)) {
    return { ...base, state: 'no', text: `gdb may not touch a process that runs (kernel.yama.ptrace_scope is ${system.ptraceScope}). ${launch}` };
  }
  return { ...base, state: 'partly', text: `Every allocation from now on, by gdb and at a risk. ${launch}` };
}

function launchVerdict(base: Omit<Check, 'state' | 'text'>, { kind, name }: Program): Check {
  if (/^(node|nodejs|electron)$/.test(name)) return { ...base, state: 'no', text: `heaptrack would see what ${name} itself allocates, not the objects of JavaScript; V8's own heap profiler sees those.` };
  switch (kind) {
    case 'traced':
    case 'unknown':
      return { ...base, state: 'ready', text: `Every allocation of ${name}, exact: allocated, held, peak, temporary. Not of programs that it starts. An allocation takes 0.4 µs more.` };
    case 'starter':
      return { ...base, state: 'partly', text: `heaptrack looks into ${name} alone, not into the program that it starts. Launch that program itself.` };
    case 'static':
      return { ...base, state: 'no', text: `heaptrack cannot look into ${name}: it is linked statically, so no library can be loaded into it.` };
    case 'other-bits':
      return { ...base, state: 'no', text: `heaptrack cannot look into ${name}: it is no program of 64 bits.` };
    case 'privileged':
      return { ...base, state: 'no', text: `heaptrack cannot look into ${name}: it runs with another user's rights.` };
  }
}
