// `flamebench record` on programs whose shares are known by construction, checked by `top --json`.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildProgram } from '../../support/build-program.ts';
import { flamebench, inside, scratch } from './run.ts';

const here = scratch();
afterAll(() => here.remove());
const env = { FLAMEBENCH_HOME: here.file('home') };
const programs = new URL('../../programs/', import.meta.url).pathname;
const RATE = '999';

const ready = new Set<string>();
beforeAll(async () => {
  const { out } = await flamebench(['doctor', '--json'], { env });
  for (const { profiler, state } of (JSON.parse(out) as { checks: { profiler: string; state: string }[] }).checks) if (state !== 'blocked') ready.add(profiler);
});

function lacks(what: string, missing: boolean, why: string): boolean {
  if (missing) console.log(`skipped: ${what}, ${why}`);
  return missing;
}

interface Top {
  readonly samples: number;
  readonly total: number;
  readonly rows: readonly { readonly function: string; readonly totalPercent: number; readonly total: number; readonly selfPercent: number }[];
}

async function topOf(file: string, ...more: readonly string[]): Promise<Top> {
  const { out, err, code } = await inside(['top', file, '--by', 'total', '--json', ...more]);
  expect([code, err]).toEqual([0, expect.any(String)]);
  return JSON.parse(out) as Top;
}

const shareOf = (top: Top, name: string) => top.rows.find((row) => row.function === name)?.totalPercent ?? 0;

/** `hot` is to `warm` as 3 to 1, within 5 points, at 1,500 samples or more. */
function expectShares(what: string, top: Top): void {
  console.log(`${what}: ${top.samples} samples, hot ${shareOf(top, 'hot')} %, warm ${shareOf(top, 'warm')} %`);
  expect(top.samples).toBeGreaterThanOrEqual(1500);
  expect(Math.abs(shareOf(top, 'hot') - 75)).toBeLessThan(5);
  expect(Math.abs(shareOf(top, 'warm') - 25)).toBeLessThan(5);
}

/** Attaches for as long as it takes: on a busy machine a target has less of the CPU. */
async function attach(pid: number, file: string, lane: readonly string[], options: readonly string[], seconds: number): Promise<Top> {
  for (let turn = 0, duration = seconds; ; turn++) {
    const { code } = await flamebench(['record', '--pid', String(pid), ...options, '--duration', String(duration), '--force', '-o', file], { env });
    expect(code).toBe(0);
    const top = await topOf(file, ...lane);
    if (top.samples >= 1500 || turn === 1) return top;
    duration = Math.min(30, Math.ceil(duration * 2000 / Math.max(300, top.samples)));
  }
}

const FLAGS = {
  'without frame pointers': ['-O2', '-g', '-fomit-frame-pointer', '-momit-leaf-frame-pointer'],
  'with frame pointers': ['-O2', '-g', '-fno-omit-frame-pointer'],
};
const noCompiler = spawnSync('cc', ['--version']).status !== 0;
if (noCompiler) console.log('skipped: native programs, no C compiler');

describe.skipIf(noCompiler)('a native program', () => {
  test.each(Object.entries(FLAGS))('%s, launched', async (name, flags) => {
    if (lacks('perf', !ready.has('perf'), 'perf cannot record here')) return;
    const file = here.file(`launch ${name}.flamebench`);
    const program = buildProgram('known_shares', flags, name.replaceAll(' ', '-')) ?? '';
    const { code, out, err } = await flamebench(['record', '--profiler', 'perf', '--rate', RATE, '-o', file, '--', program, '2.2', '7'], { stdin: 'a line\n', env });
    // Exit code, input, output and messages are the program's own.
    expect(code).toBe(7);
    expect(out.replace(/\d+/, 'PID')).toBe('ready PID\nterminal 0 0\nread a line\n');
    expect(err).toMatch(/^done$/m);
    const top = await topOf(file);
    expectShares(name, top);
    expect(shareOf(top, 'main')).toBeGreaterThan(90);
  }, 30_000);

  test('attached to by its pid runs on, untouched', async () => {
    if (lacks('perf', !ready.has('perf'), 'perf cannot record here')) return;
    const file = here.file('attach.flamebench');
    const target = spawn(buildProgram('known_shares', FLAGS['without frame pointers'], 'attached') ?? '', { stdio: ['ignore', 'pipe', 'ignore'] });
    try {
      await new Promise((next) => target.stdout.once('data', next));
      const top = await attach(target.pid ?? 0, file, [], ['--profiler', 'perf', '--rate', RATE], 2.2);
      expect([target.exitCode, target.signalCode]).toEqual([null, null]);
      expectShares('attached', top);
    } finally {
      target.kill('SIGKILL');
    }
  }, 30_000);

  test('keeps its terminal', async () => {
    if (lacks('a terminal', spawnSync('script', ['--version']).status !== 0, 'no script(1)')) return;
    const { BIN } = await import('./run.ts');
    const program = buildProgram('known_shares', FLAGS['with frame pointers'], 'in-terminal') ?? '';
    const made = spawnSync('script', ['-qec', `'${process.execPath}' '${BIN}' record --profiler perf -o '${here.file('tty.flamebench')}' -- '${program}' 0.2`, '/dev/null'], {
      encoding: 'utf8', env: { ...process.env, NODE_NO_WARNINGS: '1', ...env }, timeout: 20_000,
    });
    expect(made.stdout).toContain('terminal 1 1');
    expect(made.status).toBe(0);
  }, 30_000);

  test('made of threads of 2 ms shows all of its CPU time', async () => {
    if (lacks('perf', !ready.has('perf'), 'perf cannot record here')) return;
    const file = here.file('short.flamebench');
    const { code, out, err } = await flamebench(['record', '--profiler', 'perf', '-o', file, '--', buildProgram('short_threads') ?? '', '1.5'], { env });
    expect(code).toBe(0);
    const own = Number(/cpu ([\d.]+)/.exec(out)?.[1]) * 1000;
    const top = await topOf(file);
    console.log(`threads of 2 ms: ${(top.total / 1e6).toFixed(0)} ms recorded, ${own.toFixed(0)} ms by the program's own account, ${shareOf(top, '[too short to sample]')} % too short to sample`);
    // Its own account holds the moment before perf stood: the waiting shell.
    expect(top.total / 1e6).toBeGreaterThan(own * 0.97 - 20);
    expect(top.total / 1e6).toBeLessThan(own * 1.05 + 10);
    // What no sample fell into is said to be so.
    expect(shareOf(top, '[too short to sample]')).toBeGreaterThan(10);
    const { notes } = JSON.parse((await inside(['info', file, '--json'])).out) as { notes: string[] };
    expect(notes.filter((note) => /^\d+ % of the CPU time .* too short to sample/.test(note))).toHaveLength(1);
    expect(err).toContain(`flamebench: ${notes[0]}\n`);
  }, 60_000);
});

const python = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).stdout.trim();
describe.skipIf(lacks('a Python program', !existsSync(python), 'no python3'))('a Python program', () => {
  test('launched: its functions have their shares', async () => {
    if (lacks('py-spy', !ready.has('py-spy'), 'py-spy cannot look here')) return;
    const file = here.file('python.flamebench');
    const { code, out } = await flamebench(['record', '--profiler', 'py-spy', '--rate', '200', '-o', file, '--', python, `${programs}known_shares.py`, '9'], { env });
    expect(code).toBe(0);
    expect(out).toMatch(/^ready \d+\n$/);
    expectShares('py-spy, launched', await topOf(file, '--lane', 'py-spy'));
  }, 60_000);

  test('attached to by perf and py-spy together: its functions have their shares', async () => {
    if (lacks('perf and py-spy', !ready.has('perf') || !ready.has('py-spy'), 'one of them cannot record here')) return;
    const file = here.file('both.flamebench');
    const target = spawn(python, [`${programs}known_shares.py`], { stdio: ['ignore', 'pipe', 'ignore'] });
    try {
      await new Promise((next) => target.stdout.once('data', next));
      const top = await attach(target.pid ?? 0, file, ['--lane', 'py-spy'], ['--rate', '200'], 11);
      expect(target.exitCode).toBe(null);
      expectShares('beside perf, py-spy\'s lane', top);
      const perf = await topOf(file);
      console.log(`perf's lane, merged: hot ${shareOf(perf, 'hot')} %, warm ${shareOf(perf, 'warm')} % of ${perf.samples} samples`);
    } finally {
      target.kill('SIGKILL');
    }
  }, 60_000);
});
