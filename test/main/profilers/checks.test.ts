import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Target } from '#core/protocol/api';
import { findTool, versionOf } from '../../../main/profilers/find-tool.ts';
import { PROFILERS } from '../../../main/profilers/index.ts';
import { memoryVerdicts, offCpuVerdict, perfVerdict } from '../../../main/profilers/perf-check.ts';
import { perfFailure } from '../../../main/profilers/perf-errors.ts';
import { SIZES, eventsOf, fit, fitPlan, lighter, offCpuSource, pagesFor, perfArgv, stackSizeFor } from '../../../main/profilers/perf-plan.ts';
import { featuresOf } from '../../../main/profilers/perf-tool.ts';
import { pySpyVerdict } from '../../../main/profilers/py-spy-check.ts';
import { pySpyMessage } from '../../../main/profilers/py-spy.ts';
import type { SystemFacts } from '../../../main/profilers/system.ts';

const USER: SystemFacts = {
  root: false, paranoid: 2, kptrRestrict: 0, ptraceScope: 0, capabilities: 0n, container: '', seccomp: false, distribution: 'debian', kernel: '6.1.0-18-amd64', cpus: 8, files: 524_288, pipx: true,
};
const ROOT: SystemFacts = { ...USER, root: true, capabilities: 0x1ff_ffff_ffffn };
const TOOL = { found: true as const, path: '/usr/bin/perf', version: '6.1.187', features: { control: true, ping: true, buildIdMmap: true, noBpfEvent: true, switchEvents: true } };
const ATTACH: Target = { kind: 'attach', processes: [{ pid: 42, start: 1 }], children: false };
const MINE = [{ pid: 42, ended: false, mine: true }];

describe('perf: what is said for the place it runs in', () => {
  const verdict = (system: Partial<SystemFacts>, processes = MINE) => perfVerdict(ATTACH, processes, { ...USER, ...system }, TOOL);

  test('root and paranoid 1 are ready', () => {
    expect(perfVerdict(ATTACH, MINE, ROOT, TOOL)).toMatchObject({ state: 'ready', version: 'perf 6.1.187', command: '' });
    expect(verdict({ paranoid: 1 })).toMatchObject({ state: 'ready' });
    expect(verdict({ paranoid: -1 })).toMatchObject({ state: 'ready' });
  });
  test('paranoid 2 shows the program alone, 3 and 4 nothing', () => {
    expect(verdict({ paranoid: 2 })).toMatchObject({ state: 'partly', text: 'Functions of the program, without the kernel\'s part (perf_event_paranoid is 2).', command: 'sudo sysctl -w kernel.perf_event_paranoid=1' });
    expect(verdict({ paranoid: 4 })).toMatchObject({ state: 'fix', text: expect.stringContaining('perf may not look at this process (perf_event_paranoid is 4)') as string, command: 'sudo sysctl -w kernel.perf_event_paranoid=1' });
  });
  test('kernel names that are hidden', () => {
    expect(verdict({ paranoid: 1, kptrRestrict: 1 })).toMatchObject({ state: 'partly', command: 'sudo sysctl -w kernel.kptr_restrict=0' });
    expect(perfVerdict(ATTACH, MINE, { ...ROOT, kptrRestrict: 2 }, TOOL)).toMatchObject({ state: 'partly', command: 'sysctl -w kernel.kptr_restrict=0' });
  });
  test('another user\'s process, a process that ended, no perf events', () => {
    expect(verdict({ paranoid: 1 }, [{ pid: 42, ended: false, mine: false }])).toMatchObject({ state: 'no', text: expect.stringContaining('belongs to another user') as string });
    expect(perfVerdict(ATTACH, [{ pid: 42, ended: false, mine: false }], ROOT, TOOL).state).toBe('ready');
    expect(verdict({}, [{ pid: 42, ended: true, mine: true }])).toMatchObject({ state: 'no', text: 'Process 42 has ended. Pick another one from the list.' });
    expect(verdict({ paranoid: null })).toMatchObject({ state: 'no' });
  });
  test('containers say how they are started, not a sysctl', () => {
    expect(verdict({ container: 'docker', seccomp: true })).toMatchObject({ state: 'fix', command: expect.stringContaining('docker run --cap-add PERFMON --cap-add SYS_PTRACE') as string });
    expect(verdict({ container: 'kubernetes', seccomp: true })).toMatchObject({ state: 'fix', text: expect.stringContaining('capabilities: { add: [PERFMON, SYS_PTRACE] }') as string, command: '' });
  });
  test('a seccomp filter that refuses perf_event_open, tried', () => {
    expect(perfVerdict(ATTACH, MINE, { ...ROOT, container: 'docker', seccomp: true }, TOOL, true)).toMatchObject({ state: 'fix', text: expect.stringContaining("This container's seccomp profile refuses perf_event_open. Start the container with --cap-add PERFMON") as string, command: expect.stringContaining('--security-opt seccomp=unconfined') as string });
    expect(perfVerdict(ATTACH, MINE, { ...ROOT, seccomp: true }, TOOL, true)).toMatchObject({ state: 'no', text: expect.stringContaining('A seccomp filter refuses perf_event_open') as string });
    // It lets perf through: then it is no reason.
    expect(perfVerdict(ATTACH, MINE, { ...USER, container: 'docker', seccomp: true, paranoid: 1 }, TOOL, false)).toMatchObject({ state: 'ready' });
    expect(perfVerdict(ATTACH, MINE, { ...USER, container: 'docker', paranoid: 4 }, TOOL, false)).toMatchObject({ state: 'fix', text: expect.stringContaining('perf_event_paranoid is 4') as string });
  });
  test('perf that is missing, too old or only a wrapper', () => {
    const none = { found: false as const, said: '' };
    const of = (distribution: string, system = USER) => perfVerdict(ATTACH, MINE, { ...system, distribution }, none).command;
    expect(of('debian')).toBe('sudo apt-get install -y linux-perf');
    expect(of('debian', ROOT)).toBe('apt-get install -y linux-perf');
    expect(of('ubuntu debian')).toBe('sudo apt-get install -y linux-tools-common linux-tools-6.1.0-18-amd64');
    expect(of('fedora')).toBe('sudo dnf install -y perf');
    expect(of('rocky rhel centos fedora')).toBe('sudo dnf install -y perf');
    expect(perfVerdict(ATTACH, MINE, USER, { found: false, said: 'WARNING: perf not found for kernel 6.1.0' })).toMatchObject({ state: 'fix', text: expect.stringContaining('perf not found for kernel 6.1.0.') as string });
    expect(perfVerdict(ATTACH, MINE, ROOT, { ...TOOL, version: '5.4', features: { ...TOOL.features, control: false } })).toMatchObject({ state: 'no', text: expect.stringContaining('5.10 or newer') as string });
  });
});

describe('py-spy: what is said for the place it runs in', () => {
  const python = [{ pid: 42, ended: false, python: true, version: '3.11.7', mine: true }];
  test('ready, not installed, not Python, ended', () => {
    expect(pySpyVerdict(ATTACH, python, USER, '0.4.2')).toMatchObject({ state: 'ready', version: 'py-spy 0.4.2', text: expect.stringContaining('Python 3.11.7') as string });
    expect(pySpyVerdict(ATTACH, python, USER, null)).toMatchObject({ state: 'fix', command: 'pipx install py-spy' });
    expect(pySpyVerdict(ATTACH, python, { ...USER, pipx: false }, null)).toMatchObject({ state: 'fix', command: 'python3 -m pip install --user py-spy' });
    expect(pySpyVerdict(ATTACH, [{ ...python[0], python: false }], USER, '0.4.2')).toMatchObject({ state: 'no', text: expect.stringContaining('not a Python process') as string });
    expect(pySpyVerdict(ATTACH, [{ ...python[0], ended: true }], USER, '0.4.2')).toMatchObject({ state: 'no' });
    expect(pySpyVerdict({ kind: 'launch', argv: ['x'], directory: '/', environment: {} }, [], USER, '0.4.2').state).toBe('ready');
  });
  test('ptrace_scope, other users, containers', () => {
    expect(pySpyVerdict(ATTACH, python, { ...USER, ptraceScope: 1 }, '0.4.2')).toMatchObject({ state: 'fix', command: 'sudo sysctl -w kernel.yama.ptrace_scope=0' });
    expect(pySpyVerdict(ATTACH, python, { ...USER, ptraceScope: 3 }, '0.4.2').state).toBe('no');
    expect(pySpyVerdict(ATTACH, [{ ...python[0], mine: false }], USER, '0.4.2')).toMatchObject({ state: 'no', text: expect.stringContaining('another user') as string });
    expect(pySpyVerdict(ATTACH, python, { ...USER, root: true, container: 'docker' }, '0.4.2')).toMatchObject({ state: 'fix', command: expect.stringContaining('SYS_PTRACE') as string });
    expect(pySpyVerdict(ATTACH, python, { ...ROOT, ptraceScope: 1 }, '0.4.2').state).toBe('ready');
  });
  test('errors are one plain line', () => {
    expect(pySpyMessage('Error: Failed to get process executable name. Check that the process is running.\n\nStack backtrace:\n   0: anyhow::error', 9)).toBe('Process 9 has ended.');
    expect(pySpyMessage('Error: Failed to find python version from target process\n', 9)).toBe('py-spy finds no Python in process 9.');
    expect(pySpyMessage('Permission Denied: Try running again with elevated permissions by going \'sudo env\'', 9)).toBe('py-spy may not look at process 9: permission denied.');
    expect(pySpyMessage('py-spy> Sampling process 100 times a second. Press Control-C to exit.\nError: something odd\n   1: x', 9)).toBe('py-spy: something odd');
    expect(pySpyMessage('', 9)).toBe('py-spy ended without a message.');
    expect(pySpyMessage('', 9, 139)).toBe('py-spy crashed (SIGSEGV).');
    expect(pySpyMessage('py-spy> Sampling process 100 times a second.', 9, 137)).toBe('py-spy was killed (SIGKILL).');
  });
});

describe('perf: plans and failures', () => {
  test('the command line', () => {
    const plan = { path: '/usr/bin/perf', features: TOOL.features, event: 'cpu-clock' as const, rate: 99, stacks: 'dwarf' as const, stackSize: 8192, userOnly: false, pages: 512, elevate: [], ...SIZES, cpu: true, offCpu: 'none' as const, faults: false, growth: 'none' as const };
    expect(perfArgv(plan, { pids: [4, 5], tids: [] }, 'C', 'A').join(' ')).toBe(
      '/usr/bin/perf record -o - --control fifo:C,A -k CLOCK_MONOTONIC --sample-cpu --no-bpf-event --buildid-mmap -m 512 --call-graph dwarf,8192 -e cpu-clock/freq=99/ --switch-events -p 4,5',
    );
    const old = { ...plan, features: { ...TOOL.features, buildIdMmap: false, noBpfEvent: false }, stacks: 'fp' as const, userOnly: true, pages: 64 };
    expect(perfArgv(old, { pids: [4], tids: [4, 6] }, 'C', 'A').join(' ')).toBe(
      '/usr/bin/perf record -o - --control fifo:C,A -k CLOCK_MONOTONIC --sample-cpu -m 64 --call-graph fp -e cpu-clock/freq=99/u --switch-events -t 4,6',
    );
  });
  test('waiting time comes from the same perf, each switch with less stack', () => {
    const plan = { path: 'perf', features: TOOL.features, event: 'cycles' as const, rate: 99, stacks: 'dwarf' as const, stackSize: 8192, userOnly: false, pages: 64, elevate: [], ...SIZES, cpu: true, faults: false, growth: 'none' as const };
    const events = (change: Partial<Parameters<typeof perfArgv>[0]>) => / (-e .*)--switch-events/.exec(perfArgv({ ...plan, offCpu: 'none', ...change }, { pids: [4], tids: [] }, 'C', 'A').join(' '))?.[1].trim();
    expect(events({ offCpu: 'sched_switch' })).toBe('-e cycles/freq=99/ -e sched:sched_switch/call-graph=dwarf,stack-size=4096/');
    expect(events({ offCpu: 'context-switches' })).toBe('-e cycles/freq=99/ -e context-switches/name=context-switches,period=1,call-graph=dwarf,stack-size=4096/');
    expect(events({ offCpu: 'context-switches', stacks: 'fp', cpu: false })).toBe('-e context-switches/name=context-switches,period=1,call-graph=fp/');
    expect(events({ offCpu: 'switches', userOnly: true })).toBe('-e cycles/freq=99/u');
    expect(events({ offCpu: 'switches', cpu: false })).toBe('-e dummy:u');
  });
  test('memory: page faults with a period, the beginning of a call without a stack, its end with one', () => {
    const plan = { path: 'perf', features: TOOL.features, event: 'cycles' as const, rate: 99, stacks: 'dwarf' as const, stackSize: 8192, userOnly: false, pages: 64, elevate: [], ...SIZES, cpu: true, offCpu: 'none' as const, faults: true, growth: 'syscalls' as const };
    expect(eventsOf(plan).map(({ lane, event }) => `${lane} ${event}`)).toEqual([
      'cpu cycles/freq=99/', 'faults page-faults/name=page-faults,period=64,call-graph=dwarf,stack-size=5120/',
      'memory syscalls:sys_enter_mmap/call-graph=no/', 'memory syscalls:sys_enter_munmap/call-graph=no/', 'memory syscalls:sys_enter_mremap/call-graph=no/',
      'memory syscalls:sys_exit_mmap/call-graph=dwarf,stack-size=4096/', 'memory syscalls:sys_exit_brk/call-graph=dwarf,stack-size=4096/', 'memory syscalls:sys_exit_mremap/call-graph=dwarf,stack-size=4096/',
    ]);
    // perf's own names, as its control FIFO takes them.
    expect(eventsOf(plan).map(({ name }) => name).slice(0, 3)).toEqual(['cycles/freq=99/', 'page-faults', 'syscalls:sys_enter_mmap']);
    expect(perfArgv({ ...plan, cpu: false, faults: false, growth: 'raw_syscalls' }, { pids: [4], tids: [] }, 'C', 'A').join(' ')).toContain(
      '-e raw_syscalls:sys_enter/call-graph=no/ --filter id==9||id==11||id==25 -e raw_syscalls:sys_exit/call-graph=dwarf,stack-size=4096/ --filter id==9||id==12||id==25 --switch-events',
    );
    // With the modifier given, perf does not add a `u` to the name by itself.
    expect(eventsOf({ ...plan, userOnly: true }).at(-1)).toEqual({ lane: 'memory', event: 'syscalls:sys_exit_mremap/call-graph=dwarf,stack-size=4096/u', filter: '', name: 'syscalls:sys_exit_mremap' });
    expect(eventsOf({ ...plan, userOnly: true, stacks: 'fp', growth: 'none' }).map(({ event }) => event)).toEqual(['cycles/freq=99/u', 'page-faults/name=page-faults,period=64,call-graph=fp/u']);
  });
  test('too much to keep up with: half of it, until nothing is left to take away', () => {
    let plan = { path: 'perf', features: TOOL.features, event: 'cycles' as const, rate: 99, stacks: 'dwarf' as const, stackSize: 16384, userOnly: false, pages: 64, elevate: [], ...SIZES, cpu: true, offCpu: 'sched_switch' as const, faults: true, growth: 'none' as const } as Parameters<typeof lighter>[0];
    const steps: string[] = [];
    for (let next = lighter(plan, 1.2); next !== null; next = lighter(plan, 1.2)) {
      plan = next;
      steps.push(`${plan.stackSize} ${plan.switchSize} ${plan.faultPeriod}`);
    }
    expect(steps).toEqual(['8192 2048 128', '4096 1024 256', '4096 1024 512', '4096 1024 1024', '4096 1024 2048', '4096 1024 4096']);
    expect(lighter({ ...plan, stacks: 'fp', faults: false, stackSize: 16384 }, 2)).toBeNull();
    // Much too much: all at once.
    expect(lighter({ ...plan, stackSize: 16384, ...SIZES }, 4.5)).toMatchObject({ stackSize: 4096, switchSize: 1024, faultPeriod: 512 });
    expect(lighter({ ...plan, faults: false, stackSize: 16384, ...SIZES }, 100)).toMatchObject({ stackSize: 4096, switchSize: 1024 });
  });
  test('beyond the limit of open files events of memory go before threads do', () => {
    const plan = { path: 'perf', features: TOOL.features, event: 'cycles' as const, rate: 99, stacks: 'dwarf' as const, stackSize: 8192, userOnly: false, pages: 64, elevate: [], ...SIZES, cpu: true, offCpu: 'sched_switch' as const, faults: true, growth: 'syscalls' as const };
    const load = (threads: number) => [{ pid: 10, tids: Array.from({ length: threads }, (_, i) => 10 + i) }];
    const fits = (threads: number, change: Partial<typeof plan> = {}) => {
      const { plan: taken, left, dropped, aim } = fitPlan({ ...plan, ...change }, load(threads), { cpus: 10, files: 1e6 });
      return `${taken.growth} ${taken.faults} ${left} ${aim.tids.length > 0 ? 'threads' : 'all'}${dropped === '' ? '' : `: ${dropped}`}`;
    };
    expect(fits(200)).toBe('syscalls true 0 all');
    expect(fits(300)).toBe('raw_syscalls true 0 all');
    expect(fits(300, { userOnly: true })).toBe('none true 0 all: mmap and brk are');
    expect(fits(600)).toBe('none true 0 all: mmap and brk are');
    expect(fits(900)).toBe('none false 0 all: page faults, mmap and brk are');
    expect(fits(2000)).toBe('none false 1000 threads: page faults, mmap and brk are');
    expect(() => fitPlan(plan, load(1), { cpus: 128, files: 256 })).toThrow(/open files/);
  });
  test('what is said of memory', () => {
    const said = (system: SystemFacts, tracefs: boolean) => memoryVerdicts(perfVerdict(ATTACH, MINE, system, TOOL), system, tracefs);
    expect(said(ROOT, true)).toMatchObject([{ lane: 'memory', state: 'ready', command: '' }, { lane: 'faults', state: 'ready' }]);
    expect(said(ROOT, true)[0].text).toBe('Memory from mmap and brk, each call with its stack; every 64th page fault, with its stack.');
    expect(said(USER, false)).toMatchObject([{ lane: 'memory', state: 'partly', command: expect.stringMatching(/^sudo mount .*tracing$/) as string }, { lane: 'faults', state: 'ready' }]);
    expect(said({ ...USER, container: 'docker', capabilities: 1n << 38n }, false)[0]).toMatchObject({ state: 'partly', command: '' });
    expect(said({ ...ROOT, container: 'docker' }, false)[0].command).toMatch(/^(?:mount .*tracing)?$/);
    expect(said({ ...ROOT, container: 'docker', capabilities: 0n, paranoid: 1 }, false)[0]).toMatchObject({ command: '', text: expect.stringContaining('-v /sys/kernel/tracing') as string });
    expect(said({ ...USER, paranoid: 4 }, true)).toMatchObject([{ lane: 'memory', state: 'fix' }, { lane: 'faults', state: 'fix' }]);
  });
  test('where waiting time can come from', () => {
    const source = (system: SystemFacts, tracefs: boolean) => offCpuSource(system, TOOL.features, tracefs);
    expect([source(ROOT, true), source(ROOT, false)]).toEqual(['sched_switch', 'context-switches']);
    const user = (paranoid: number, tracefs = true) => source({ ...USER, paranoid }, tracefs);
    expect([user(-1), user(-1, false), user(0), user(1), user(2), user(3)]).toEqual(['sched_switch', 'context-switches', 'context-switches', 'context-switches', 'switches', 'switches']);
    expect(offCpuSource(ROOT, { ...TOOL.features, switchEvents: false }, true)).toBeNull();
  });
  test('what is said of waiting time', () => {
    const said = (system: SystemFacts, tracefs = false) => offCpuVerdict(perfVerdict(ATTACH, MINE, system, TOOL), system, TOOL, tracefs);
    expect(said(ROOT, true)).toMatchObject({ lane: 'off-cpu', state: 'ready', text: 'Exact switches with stacks, from perf sched_switch.' });
    expect(said({ ...USER, paranoid: 1 })).toMatchObject({ state: 'ready', text: 'Exact switches with stacks, from perf context-switches.', command: '' });
    expect(said({ ...USER, paranoid: 1, kptrRestrict: 1 })).toMatchObject({ state: 'partly', text: 'Exact switches with stacks; reasons have no names (kptr_restrict is 1).', command: 'sudo sysctl -w kernel.kptr_restrict=0' });
    expect(said(USER)).toMatchObject({ state: 'partly', text: 'How long threads wait, exact, but without stacks (perf_event_paranoid is 2).', command: 'sudo sysctl -w kernel.perf_event_paranoid=1' });
    expect(said({ ...USER, paranoid: 4 })).toMatchObject({ lane: 'off-cpu', state: 'fix' });
    expect(said({ ...USER, paranoid: null })).toMatchObject({ lane: 'off-cpu', state: 'no' });
  });
  test('options of an older perf are left out', () => {
    expect(featuresOf('5.10.2', '--call-graph <x>\n --control <x>\n --switch-events')).toEqual({ control: true, ping: false, buildIdMmap: false, noBpfEvent: false, switchEvents: true });
    expect(featuresOf('5.4', '--call-graph <x>')).toMatchObject({ control: false, ping: false });
    expect(featuresOf('6.8', '')).toEqual(TOOL.features);
  });
  test('buffers and stacks', () => {
    expect(pagesFor({ ...ROOT, cpus: 2 })).toBe(2048);
    expect(pagesFor({ ...ROOT, cpus: 256 })).toBe(64);
    expect(pagesFor(USER)).toBe(64);
    expect(stackSizeFor([{ python: true, torch: false }])).toBe(8192);
    expect(stackSizeFor([{ python: true, torch: true }])).toBe(16384);
    expect(stackSizeFor([{ python: false, torch: false }])).toBe(16384);
  });
  test('within the limit of open files', () => {
    const load = (pid: number, threads: number) => ({ pid, tids: Array.from({ length: threads }, (_, i) => pid + i) });
    expect(fit([load(10, 5), load(100, 7)], { cpus: 8, files: 1e6 })).toEqual({ aim: { pids: [10, 100], tids: [] }, left: 0, files: 96 });
    expect(fit([load(10, 5), load(100, 3000)], { cpus: 8, files: 1e6 })).toMatchObject({ aim: { pids: [10], tids: [] }, left: 3000 });
    const cut = fit([load(10, 3000)], { cpus: 8, files: 1e6 });
    expect(cut.aim.tids).toHaveLength(2500);
    expect(cut.left).toBe(500);
    expect(fit([load(10, 3000)], { cpus: 8, files: 1e6 }, 2).aim.tids).toHaveLength(1250);
    expect(() => fit([load(10, 1)], { cpus: 128, files: 256 })).toThrow(/open files/);
  });
  test('what perf says becomes what a person can use', () => {
    const fail = (output: string, code: number | null, signal: number | null = null, system = USER) => perfFailure(output, code, signal, [42], system);
    expect(fail("Couldn't create thread/CPU maps: No such process\r\n", 244)).toMatchObject({ kind: 'vanished', error: { message: 'Process 42 has ended.' } });
    expect(fail('Error:\nAccess to performance monitoring and observability operations is limited.\nConsider adjusting /proc/sys/kernel/perf_event_paranoid', 255).error).toMatchObject({
      message: 'perf may not look at process 42 (perf_event_paranoid is 2).', command: 'sudo sysctl -w kernel.perf_event_paranoid=1',
    });
    expect(fail('Permission error mapping pages.\nConsider increasing /proc/sys/kernel/perf_event_mlock_kb', 255).kind).toBe('memory');
    expect(fail('Error: unknown option `buildid-mmap\'\n Usage: perf record', 129)).toMatchObject({ kind: 'option', option: 'buildid-mmap' });
    expect(fail('Too many events are opened.\nProbably the maximum number of open file descriptors has been reached.', 255).kind).toBe('files');
    const refused = 'perf_event_open(..., PERF_FLAG_FD_CLOEXEC) failed with unexpected error 1 (Operation not permitted)\nError:\nkernel does not support recording context switch events\n\n Usage: perf record';
    expect(fail(refused, 234, null, { ...ROOT, container: 'docker', seccomp: true })).toMatchObject({ kind: 'seccomp', error: { message: "This container's seccomp profile refuses perf_event_open.", command: expect.stringContaining('--cap-add PERFMON') as string } });
    expect(fail('Error:\nkernel does not support recording context switch events\n', 234, null, { ...ROOT, seccomp: true })).toMatchObject({ kind: 'seccomp' });
    expect(fail('Error:\nkernel does not support recording context switch events\n', 234, null, ROOT)).toMatchObject({ kind: 'option', option: 'switch-events' });
    expect(fail('', null, 9).error.message).toContain('SIGKILL');
    expect(fail('[ perf record: Woken up 1 times ]\nsomething odd', 255).error.message).toBe('perf ended with exit code 255: something odd');
  });
});

describe('finding tools', () => {
  let home = '';
  const path = process.env.PATH;
  beforeAll(() => { home = mkdtempSync(join(tmpdir(), 'flamebench-tools-')); });
  afterAll(() => {
    process.env.PATH = path;
    rmSync(home, { recursive: true, force: true });
  });
  const tool = (folder: string, text = 'echo tool 1.2.3'): string => {
    mkdirSync(join(home, folder), { recursive: true });
    const at = join(home, folder, 'some-tool');
    writeFileSync(at, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    return at;
  };

  test('the real program is found behind a shim, a shim only when nothing else is there', async () => {
    process.env.PATH = `${home}/shims:${home}/bin`;
    expect(findTool('some-tool')).toBeNull();
    const shim = tool('shims');
    expect(findTool('some-tool')).toBe(shim);
    const real = tool('bin');
    expect(findTool('some-tool')).toBe(real);
    const nearer = tool('venv/bin');
    expect(findTool('some-tool', [join(home, 'venv/bin')])).toBe(nearer);
    expect(await versionOf(real)).toBe('1.2.3');
    expect(await versionOf(join(home, 'missing'))).toBe('');
  });
});

test('checks of this machine answer and never throw', async () => {
  for (const profiler of PROFILERS) {
    for (const target of [ATTACH, { kind: 'attach', processes: [{ pid: process.pid, start: 0 }], children: false }, { kind: 'attach', processes: [], children: true }, { kind: 'launch', argv: ['true'], directory: '/', environment: {} }] as const) {
      const checks = await profiler.check(target);
      expect(checks.length).toBeGreaterThan(0);
      for (const check of checks) {
        expect(check.text.trim()).not.toBe('');
        expect(check.profiler).toBe(profiler.id);
        if (check.state === 'fix') expect(check.command.length + check.text.length).toBeGreaterThan(10);
      }
    }
  }
});
