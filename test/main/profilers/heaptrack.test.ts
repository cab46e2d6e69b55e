// heaptrack on real programs with a known truth, and what happens to a program when whoever reads it goes.
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CallTree } from '#core/analyze/call-tree';
import { functionsTable } from '#core/analyze/functions';
import { peakOf } from '#core/analyze/memory';
import { resolve } from '#core/analyze/resolve';
import type { Moment, TimeRanges } from '#core/analyze/view';
import { EVERYTHING } from '#core/analyze/view';
import type { Lane } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import { FIRST_OPTIONS } from '#core/protocol/api';
import { openRecording } from '../../../main/library/open.ts';
import { findTool } from '../../../main/profilers/find-tool.ts';
import { loadProfile } from '../../../main/record/load.ts';
import { startRecording } from '../../../main/record/start.ts';
import { buildProgram } from '../../support/build-program.ts';
import { Host, runs } from '../record/helpers.ts';

const leak = findTool('cc') === null ? null : buildProgram('leak');
const missing = ['heaptrack', 'cc'].filter((tool) => findTool(tool) === null);
if (missing.length > 0) console.log(`skipped: heaptrack on real programs, because ${missing.join(' and ')} is not installed`);

let home: string;
const children: ChildProcess[] = [];
const hosts: Host[] = [];
beforeEach(() => { home = mkdtempSync(join(tmpdir(), 'fb-heap-')); });
afterEach(() => {
  for (const host of hosts.splice(0)) host.child.kill('SIGKILL');
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(home, { recursive: true, force: true });
});

const OPTIONS = { profilers: ['heaptrack'], lanes: ['memory'], memory: 'full' } as const;

function host(args: readonly string[], options: object = {}): Host {
  const made = new Host([home, ...args], { HOST_OPTIONS: JSON.stringify({ ...OPTIONS, ...options }) });
  hosts.push(made);
  return made;
}

/** Records a command to its end. */
async function record(argv: readonly string[], options: object = {}): Promise<{ profile: Profile; folder: string; notices: readonly { id: string; text: string }[] }> {
  const app = host(['launch', ...argv], options);
  const { end, notices = [] } = await app.until((report) => report.end !== undefined);
  await app.exited;
  expect(end).toMatchObject({ error: '', exitCode: 0 });
  const folder = app.reports[0].folder ?? '';
  return { profile: await openRecording(folder), folder, notices };
}

function laneOf(profile: Profile, name: string): Lane {
  const lane = profile.lane('memory', name);
  if (lane === null) throw new Error(`there is no lane ${name}`);
  return lane;
}

/** Weight and samples by function of the program itself. */
function table(profile: Profile, lane: Lane, ranges: TimeRanges = null, moment?: Moment): Record<string, [number, number]> {
  const selection = resolve(profile, lane, { ...EVERYTHING, ranges, ...(moment === undefined ? {} : { moment }) });
  const rows = functionsTable(new CallTree(profile, lane, selection, false));
  return Object.fromEntries(rows.filter(({ fn }) => /^(leak|temporary)$/.test(profile.functions.libraryOf(fn)) && profile.functions.nameOf(fn) !== '_start')
    .map((row) => [profile.functions.nameOf(row.fn), [row.total, row.samples]]));
}

/** Totals as heaptrack_print says them of the same bytes; numbers with a unit are rounded to 10 of a thousand. */
function printed(folder: string): Record<string, string> {
  const text = execFileSync('heaptrack_print', ['-f', join(folder, 'streams', 'heaptrack.zst'), '-p0', '-a0', '-T0', '-l0'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return Object.fromEntries([...text.matchAll(/^([a-zA-Z ()]+): ([\d.]+[KMG]?B?)/gm)].map(([, what, value]) => [what, value]));
}

/** `1.17M` of 1 172 704, as heaptrack_print writes bytes. */
function rounded(bytes: number): string {
  const power = Math.min(3, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  return power === 0 ? `${bytes}B` : `${(bytes / 1000 ** power).toFixed(2)}${' KMG'[power]}`;
}

function expectPrinted(profile: Profile, folder: string): void {
  const said = printed(folder);
  const held = laneOf(profile, 'heaptrack held');
  expect(String(laneOf(profile, 'heaptrack').samples)).toBe(said['calls to allocation functions']);
  expect(String(laneOf(profile, 'heaptrack allocations').total)).toBe(said['calls to allocation functions']);
  expect(String(laneOf(profile, 'heaptrack temporary').total)).toBe(said['temporary memory allocations']);
  expect(rounded(peakOf(profile, held, null).bytes)).toBe(said['peak heap memory consumption']);
  // heaptrack_print leaves known leaks of libraries out of its first number.
  if (said['suppressed leaks'] === undefined) expect(rounded(held.total)).toBe(said['total memory leaked']);
}

/** Time of the first and last row whose stack goes through a function, with weights of one sign. */
function span(profile: Profile, lane: Lane, fn: string, sign: number): [number, number] {
  const times: number[] = [];
  for (const chunk of lane.chunks) {
    for (let row = 0; row < chunk.rows; row++) {
      const names = profile.stacks.framesOf(chunk.stack[row] as never).map((frame) => profile.functions.nameOf(profile.frames.functionOf(frame)));
      if (names.includes(fn) && Math.sign(chunk.weight.get(row)) === sign) times.push(chunk.timeAt(row));
    }
  }
  return [Math.min(...times), Math.max(...times)];
}

test.skipIf(leak === null || missing.length > 0)('a leak with a known truth: allocated, held, peak, and what a range grew by', async () => {
  const { profile, folder } = await record([leak ?? '']);
  const [allocated, held] = [laneOf(profile, 'heaptrack'), laneOf(profile, 'heaptrack held')];
  expect(table(profile, allocated)).toEqual({ main: [1_100_000, 150], load: [1_000_000, 100], grow: [100_000, 50], take: [1_100_000, 150] });
  expect(table(profile, held, null, 'held')).toEqual({ main: [100_000, 50], grow: [100_000, 50], take: [100_000, 50] });
  expect(table(profile, held, null, 'peak')).toEqual({ main: [1_100_000, 150], load: [1_000_000, 100], grow: [100_000, 50], take: [1_100_000, 150] });
  expectPrinted(profile, folder);

  // Phases: what a range allocated, what grew in it, what was held at its end.
  const [loaded] = span(profile, held, 'load', 1);
  const [dropped] = span(profile, held, 'load', -1);
  const growing = [[loaded + 1, dropped]] as const;
  expect(table(profile, allocated, growing)).toEqual({ main: [100_000, 50], grow: [100_000, 50], take: [100_000, 50] });
  expect(table(profile, held, growing, 'grown')).toEqual({ main: [100_000, 50], grow: [100_000, 50], take: [100_000, 50] });
  expect(table(profile, held, growing, 'held').main).toEqual([1_100_000, 150]);
  const dropping = [[dropped, dropped + 1e6]] as const;
  expect(table(profile, held, dropping, 'grown')).toEqual({ main: [-1_000_000, -100], load: [-1_000_000, -100], take: [-1_000_000, -100] });
  expect(table(profile, allocated, dropping)).toEqual({});
  // Its own clock fits the recording's: 300 ms of nothing before growing, 300 ms of growing.
  const grown = span(profile, held, 'grow', 1);
  expect(grown[0] - loaded).toBeGreaterThan(0.2e9);
  expect(grown[1] - grown[0]).toBeGreaterThan(0.2e9);
  expect(profile.info.durationNs - dropped).toBeGreaterThan(0.2e9);
  expect(loaded).toBeGreaterThan(0);
  // All of it is the program's own process.
  expect(profile.processes.nameOf(profile.threads.process.get(held.chunks[0].thread[0]) as never)).toBe('leak');
  expect(readdirSync(folder)).not.toContain('scratch');

  // Its raw bytes, read again.
  const again = loadProfile({ kind: 'decode', path: folder }, () => undefined);
  await again.run();
  expect(table(again.profile, laneOf(again.profile, 'heaptrack'))).toEqual(table(profile, allocated));
  expect(span(again.profile, laneOf(again.profile, 'heaptrack held'), 'grow', 1)[0]).toBeCloseTo(grown[0], -4);
});

test.skipIf(leak === null || missing.length > 0)('temporary allocations with a known truth', async () => {
  const { profile, folder } = await record([buildProgram('temporary') ?? '']);
  expect(table(profile, laneOf(profile, 'heaptrack temporary'))).toMatchObject({ scratch: [20_000, 20_000], resized: [2000, 2000] });
  expect(table(profile, laneOf(profile, 'heaptrack temporary')).pairs).toBeUndefined();
  expect(table(profile, laneOf(profile, 'heaptrack allocations'))).toEqual({ main: [32_000, 32_000], scratch: [20_000, 20_000], pairs: [10_000, 10_000], resized: [2000, 2000] });
  expect(table(profile, laneOf(profile, 'heaptrack')).main).toEqual([20_000 * 64 + 10_000 * 100 + 1000 * 48, 32_000]);
  expectPrinted(profile, folder);
});

const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : null;
test.skipIf(python === null || missing.length > 0)('a Python program, beside perf: one clock, one function in both lanes', async () => {
  const script = join(home, 'blocks.py');
  writeFileSync(script, 'import time\nkept = [bytearray(1_000_000) for _ in range(20)]\nend = time.time() + 0.5\nwhile time.time() < end:\n    [str(i) for i in range(500)]\ndel kept\n');
  const perf = findTool('perf') !== null;
  if (!perf) console.log('perf is not installed: heaptrack alone');
  const { profile, folder } = await record([python ?? '', script], perf ? { profilers: ['perf', 'heaptrack'], lanes: ['cpu', 'memory'] } : {});
  expectPrinted(profile, folder);
  const held = laneOf(profile, 'heaptrack held');
  const peak = peakOf(profile, held, null);
  expect(peak.bytes).toBeGreaterThan(20e6);
  expect(peak.bytes).toBeLessThan(40e6);
  expect(held.total).toBeLessThan(10e6);
  if (perf) {
    // The list of strings allocates by the interpreter's functions, which perf has seen at work: the same row of the function table.
    const both = (lane: Lane | null): Set<number> => new Set(lane === null ? [] : functionsTable(new CallTree(profile, lane, EVERYTHING, false)).map((row) => row.fn));
    const [cpu, memory] = [both(profile.lane('cpu')), both(laneOf(profile, 'heaptrack'))];
    const shared = [...cpu].filter((fn) => memory.has(fn)).map((fn) => profile.functions.nameOf(fn as never));
    expect(shared).toContain('_PyEval_EvalFrameDefault');
    expect(peak.time).toBeLessThan(profile.info.durationNs);
  }
});

describe.skipIf(leak === null || missing.length > 0)('whoever reads goes, and the program does not notice', () => {
  // With an argument it allocates a block for each byte of its input, until that ends.
  const BYTES = 'x'.repeat(1000);

  test('a stop while it runs on', async () => {
    const recording = await startRecording({ target: { kind: 'launch', argv: [leak ?? '', 'more'], directory: '', environment: {} }, options: { ...FIRST_OPTIONS, ...OPTIONS }, terminal: 'pty', home });
    const terminal = recording.terminals[0];
    await until(() => terminal.output.includes('stay'));
    for (let i = 0; i < 4; i++) terminal.write(`${'x'.repeat(500)}\n`);
    await until(() => recording.status().samples > 1000);
    await recording.stop();
    expect(recording.status().notices.map(({ id }) => id)).toContain('heaptrack-stays');
    expect(recording.status().phase).toBe('done');
    const profile = await openRecording(recording.folder);
    expect(laneOf(profile, 'heaptrack').samples).toBeGreaterThan(1000);
    // Far more than any pipe holds.
    for (let i = 0; i < 40; i++) terminal.write(`${'x'.repeat(500)}\n`);
    terminal.write('\x04');
    const end = await terminal.done;
    expect(end).toEqual({ code: 0, signal: null });
    await recording.dispose();
  });

  test('kill -9 of our process', async () => {
    const cli = fileURLToPath(new URL('../../../main/cli/bin.ts', import.meta.url));
    // An input that does not end when we do.
    const input = join(home, 'input');
    execFileSync('mkfifo', [input]);
    const writer = openSync(input, 'r+');
    const app = spawn('sh', ['-c', 'exec "$@" <"$INPUT"', 'sh', process.execPath, cli, 'record', '--profiler', 'heaptrack', '--lanes', 'memory', '--memory', 'full', '--', leak ?? '', 'more'], {
      stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, FLAMEBENCH_HOME: home, INPUT: input },
    });
    children.push(app);
    let output = '';
    app.stdout.on('data', (piece: Buffer) => { output += piece.toString(); });
    await until(() => output.includes('stay'));
    const pid = targetOf(app.pid ?? 0);
    expect(runs(pid)).toBe(true);
    app.kill('SIGKILL');
    await until(() => app.signalCode !== null);
    expect(runs(pid)).toBe(true);
    for (let i = 0; i < 20; i++) writeSync(writer, BYTES);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(runs(pid)).toBe(true);
    const relays = readersOf(home);
    expect(relays.length).toBeGreaterThan(0);
    closeSync(writer);
    await until(() => !runs(pid));
    // Interpreter and relay end by themselves.
    await until(() => relays.every((relay) => !runs(relay)));
  });

  test('a program that has no reader is not looked into, and does not wait for one', async () => {
    const { heaptrack } = await import('../../../main/profilers/heaptrack.ts');
    const { before } = (await heaptrack.launch?.({ ...FIRST_OPTIONS, ...OPTIONS }, home, {})) ?? { before: [] };
    const said = execFileSync(before[0], [...before.slice(1), 'sh', '-c', 'echo "$0 ${LD_PRELOAD-none}"', 'a b'], { encoding: 'utf8' });
    expect(said).toBe('a b none\n');
  });

  test('what stands before an interpreter is looked through', async () => {
    const { heaptrack } = await import('../../../main/profilers/heaptrack.ts');
    const { before } = (await heaptrack.launch?.({ ...FIRST_OPTIONS, ...OPTIONS }, home, {})) ?? { before: [] };
    const file = (path: string, text: string): string => {
      mkdirSync(join(home, path, '..'), { recursive: true });
      writeFileSync(join(home, path), text, { mode: 0o755 });
      return join(home, path);
    };
    file('heaptrack/ready', '');
    file('env/real/tool', '#!/bin/sh\necho "$0 $1 $LD_PRELOAD ${PATH%%:*}"\n');
    file('env/shims/tool', '#!/bin/sh\necho "the shim"\n');
    file('env/bin/pyenv', `#!/bin/sh\n[ "$1 $2" = "which tool" ] && echo ${join(home, 'env/real/tool')}\n`);
    const script = file('with space/script', '#!/usr/bin/env tool\n');
    // A library that is not there is passed over, with a word on standard error.
    const run = (...argv: string[]): string => execFileSync(before[0], [...before.slice(1, 5), '/none.so', before[6], ...argv], {
      encoding: 'utf8', env: { ...process.env, PATH: `${join(home, 'env/shims')}:${process.env['PATH'] ?? ''}`, LD_PRELOAD: '/theirs.so' }, stdio: ['ignore', 'pipe', 'ignore'],
    });
    const real = join(home, 'env/real/tool');
    expect(run('tool', 'x')).toBe(`${real} x /none.so:/theirs.so ${join(home, 'env/real')}\n`);
    expect(run(script)).toBe(`${real} ${script} /none.so:/theirs.so ${join(home, 'env/real')}\n`);
    expect(run('echo', '$HOME', 'a  b')).toBe('$HOME a  b\n');
    rmSync(join(home, 'env/bin/pyenv'));
    expect(run('tool')).toBe('the shim\n');
  });
});

test.skipIf(leak === null || missing.length > 0 || findTool('gdb') === null)('attached by gdb where the risk was accepted: totals begin there, and the program lives', async () => {
  const target = spawn(leak ?? '', ['more'], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(target);
  let output = '';
  target.stdout.on('data', (piece: Buffer) => { output += piece.toString(); });
  await until(() => output.includes('stay'));
  const refused = host(['attach', String(target.pid)]);
  await refused.exited;
  expect(refused.reports).toEqual([]);

  const app = host(['attach', String(target.pid)], { risks: ['heaptrack'] });
  const { folder = '' } = await app.until((report) => report.folder !== undefined);
  // The program opens its file when gdb has loaded heaptrack; when gdb has gone too, a byte of input is a block of its size.
  await until(() => existsSync(join(folder, 'scratch', 'heaptrack', 'opened')));
  await until(() => (app.reports.at(-1)?.children?.length ?? 1) === 0);
  target.stdin.write('d'.repeat(1000));
  await new Promise((resolve) => setTimeout(resolve, 300));
  app.child.kill('SIGINT');
  const { end, notices } = await app.until((report) => report.end !== undefined);
  expect(notices?.map(({ id }) => id) ?? []).not.toContain('heaptrack-stop');
  expect(end?.error).toBe('');
  const profile = await openRecording(folder);
  expect(table(profile, laneOf(profile, 'heaptrack')).take).toEqual([100_000, 1000]);
  expect(profile.info.notes.join()).toMatch(/attached to a running program/);
  target.stdin.write('d'.repeat(1000));
  target.stdin.end();
  await until(() => target.exitCode !== null || target.signalCode !== null);
  expect(target.exitCode).toBe(0);
});

async function until(fits: () => boolean, ms = 10_000): Promise<void> {
  const end = Date.now() + ms;
  while (!fits()) {
    if (Date.now() > end) throw new Error('it did not come to that');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The child of a process that is no thread of Node: the launched program. */
function targetOf(pid: number): number {
  const found = execFileSync('ps', ['--ppid', String(pid), '-o', 'pid=,comm='], { encoding: 'utf8' }).split('\n').find((line) => /\bleak$/.test(line.trim()));
  return Number(found?.trim().split(' ')[0] ?? 0);
}

/** Processes whose environment names this test's folder as the one where program and relay meet. */
function readersOf(folder: string): number[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`STATE=${folder}`);
    } catch {
      return false;
    }
  });
}
