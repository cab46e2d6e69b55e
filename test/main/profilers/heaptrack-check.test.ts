// What is said of heaptrack before anything starts, from facts of any machine.
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Target } from '#core/protocol/api';
import { FIRST_OPTIONS } from '#core/protocol/api';
import { mayStart } from '../../../main/profilers/checks.ts';
import type { HeaptrackTarget } from '../../../main/profilers/heaptrack-check.ts';
import { checkHeaptrack, heaptrackRisk, heaptrackVerdict } from '../../../main/profilers/heaptrack-check.ts';
import { programOf } from '../../../main/profilers/heaptrack-program.ts';
import type { HeaptrackTool } from '../../../main/profilers/heaptrack-tool.ts';
import { findHeaptrack } from '../../../main/profilers/heaptrack-tool.ts';
import { heaptrack } from '../../../main/profilers/heaptrack.ts';
import type { SystemFacts } from '../../../main/profilers/system.ts';
import { PlainRun } from '../../support/plain-run.ts';
import { buildProgram } from '../../support/build-program.ts';

const TOOL: HeaptrackTool = { version: '1.4.0', interpret: '/i', preload: '/p.so', inject: '/j.so' };
const USER: SystemFacts = {
  root: false, paranoid: 2, kptrRestrict: 0, ptraceScope: 0, capabilities: 0n, container: '', seccomp: false, distribution: 'debian', kernel: '6.1', cpus: 2, files: 1024, pipx: false,
};
const LAUNCH: Target = { kind: 'launch', argv: ['/opt/train'], directory: '', environment: {} };
const ATTACH: Target = { kind: 'attach', processes: [{ pid: 7, start: 1 }], children: false };
const RUNNING: HeaptrackTarget = { pid: 7, ended: false, mine: true, python: false, system: false, gdb: true };

describe('a launch', () => {
  test.each([
    ['traced', 'ready', /Every allocation of train.*Not of programs that it starts/],
    ['unknown', 'ready', /Every allocation/],
    ['starter', 'partly', /into train alone.*Launch that program itself/],
    ['static', 'no', /linked statically/],
    ['other-bits', 'no', /64 bits/],
    ['privileged', 'no', /another user's rights/],
  ] as const)('of a program that is %s', (kind, state, text) => {
    const check = heaptrackVerdict(LAUNCH, { kind, name: 'train' }, null, USER, TOOL);
    expect(check).toMatchObject({ profiler: 'heaptrack', lane: 'memory', state, version: 'heaptrack 1.4.0', command: '' });
    expect(check.text).toMatch(text);
  });
  test('of Node: its memory is another profiler’s', () => {
    expect(heaptrackVerdict(LAUNCH, { kind: 'traced', name: 'node' }, null, USER, TOOL)).toMatchObject({ state: 'no', text: expect.stringMatching(/V8's own heap profiler/) as string });
  });
  test('without heaptrack: the one command', () => {
    expect(heaptrackVerdict(LAUNCH, null, null, USER, null)).toMatchObject({ state: 'fix', version: '', command: 'sudo apt-get install -y heaptrack' });
    expect(heaptrackVerdict(LAUNCH, null, null, { ...USER, root: true, distribution: 'fedora' }, null).command).toBe('dnf install -y heaptrack');
  });
});

test('it starts only where memory was asked for in full, or its name was said, and its risk was accepted', () => {
  const light = { ...FIRST_OPTIONS, lanes: ['memory'] as const };
  const full = { ...light, memory: 'full' as const };
  expect([mayStart(heaptrack, LAUNCH, light), mayStart(heaptrack, LAUNCH, full), mayStart(heaptrack, LAUNCH, { ...light, profilers: ['heaptrack'] })]).toEqual([false, true, true]);
  expect([mayStart(heaptrack, ATTACH, full), mayStart(heaptrack, ATTACH, { ...full, risks: ['heaptrack'] })]).toEqual([false, true]);
});

describe('a process that runs', () => {
  const verdict = (running: Partial<HeaptrackTarget>, system: Partial<SystemFacts> = {}, tool: HeaptrackTool | null = TOOL) =>
    heaptrackVerdict(ATTACH, null, { ...RUNNING, ...running }, { ...USER, ...system }, tool);
  test('at a risk', () => {
    expect(verdict({})).toMatchObject({ state: 'partly', text: expect.stringMatching(/at a risk/) as string });
  });
  test.each([
    ['a Python of the distribution', { python: true, system: true }, {}, /never put into a running Python of the distribution: it was killed in 5 of 5/],
    ['one that has ended', { ended: true }, {}, /has ended/],
    ["another user's", { mine: false }, {}, /belongs to another user/],
    ['without gdb', { gdb: false }, {}, /takes gdb/],
    ['where Yama forbids it', {}, { ptraceScope: 1 }, /ptrace_scope is 1/],
  ])('not %s', (_, running, system, text) => {
    expect(verdict(running, system)).toMatchObject({ state: 'no', text: expect.stringMatching(text) as string });
  });
  test('a Python built from source may be tried; its risk is said', () => {
    expect(verdict({ python: true })).toMatchObject({ state: 'partly' });
    expect(heaptrackRisk(LAUNCH)).toBe('');
    expect(heaptrackRisk(ATTACH)).toMatch(/may crash or freeze/);
  });
  test('a running Python of the distribution is refused even where its risk was accepted', async (context) => {
    if (!existsSync('/usr/bin/python3') || (await findHeaptrack()) === null) return context.skip('there is no /usr/bin/python3, or no heaptrack');
    const child = spawn('/usr/bin/python3', ['-c', 'import time; print("up", flush=True); time.sleep(60)'], { stdio: ['ignore', 'pipe', 'ignore'] });
    try {
      await new Promise((up) => child.stdout.once('data', up));
      const run = new PlainRun([child.pid ?? 0], { memory: 'full', risks: ['heaptrack'] });
      await expect(heaptrack.start(run)).rejects.toThrow(/never put into a running Python/);
      expect(run.terminals).toEqual([]);
      expect(child.exitCode).toBeNull();
      expect(heaptrack.risk?.({ kind: 'attach', processes: [{ pid: child.pid ?? 0, start: 0 }], children: false })).toMatch(/killed in 5 of 5/);
      rmSync(run.scratch, { recursive: true, force: true });
    } finally {
      child.kill('SIGKILL');
    }
  });
});

describe('what a command starts', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'fb-program-'));
    for (const [name, text] of [['shim', '#!/bin/sh\nexec python3 "$@"\n'], ['script.py', '#!/usr/bin/env ls\n'], ['flags.py', '#!/usr/bin/env -S ls -l\n'], ['loop', `#!${folder}/loop\n`], ['text', 'hello']]) {
      writeFileSync(join(folder, name), text);
      chmodSync(join(folder, name), 0o755);
    }
  });
  afterAll(() => { rmSync(folder, { recursive: true, force: true }); });
  test('shells and what starts others, scripts by their interpreter', () => {
    const of = (...argv: string[]) => programOf(argv, folder, `${folder}:/usr/bin:/bin`);
    expect(of('sh', '-c', 'x')).toEqual({ kind: 'starter', name: 'sh' });
    expect(of('./shim')).toEqual({ kind: 'starter', name: 'sh' });
    expect(of('shim')).toEqual({ kind: 'starter', name: 'sh' });
    // What env becomes is another program: the library is unloaded by then. So a script's env is looked through, and no other.
    expect(of('script.py')).toEqual({ kind: 'traced', name: 'ls' });
    expect(of('flags.py')).toEqual({ kind: 'starter', name: 'env' });
    expect(of('env', 'ls')).toEqual({ kind: 'starter', name: 'env' });
    expect(of('loop').kind).toBe('unknown');
    expect(of('text')).toEqual({ kind: 'unknown', name: 'text' });
    expect(of('no-such-program').kind).toBe('unknown');
    expect(of().kind).toBe('unknown');
    expect(of('ls').kind).toBe('traced');
  });
  test('a program that is linked statically', (context) => {
    let path: string | null;
    try {
      path = buildProgram('temporary', ['-O1', '-static'], 'temporary-static');
    } catch {
      path = null;
    }
    if (path === null) return context.skip('there is no compiler that links statically');
    expect(programOf([path], '/', '')).toEqual({ kind: 'static', name: 'temporary-static' });
  });
  test('the check looks at the command', async (context) => {
    if ((await findHeaptrack()) === null) return context.skip('heaptrack is not installed');
    expect(await checkHeaptrack({ kind: 'launch', argv: ['./shim'], directory: folder, environment: {} })).toMatchObject([{ state: 'partly', text: expect.stringMatching(/^heaptrack looks into sh alone/) as string }]);
    expect(await checkHeaptrack({ kind: 'attach', processes: [{ pid: 1 << 22, start: 1 }], children: false })).toMatchObject([{ state: 'no' }]);
  });
});
