// `flamebench record --lanes cpu,off-cpu` on programs that time their own waits, checked by `top --lane off-cpu`.
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CallTree } from '#core/analyze/call-tree';
import { EVERYTHING } from '#core/analyze/view';
import type { Profile } from '#core/model/profile';
import { openRecording } from '../../../main/library/open.ts';
import { findTool } from '../../../main/profilers/find-tool.ts';
import { buildProgram } from '../../support/build-program.ts';
import { flamebench, inside, scratch } from './run.ts';

const here = scratch();
afterAll(() => here.remove());
const env = { FLAMEBENCH_HOME: here.file('home') };
const programs = new URL('../../programs/', import.meta.url).pathname;

interface Check { readonly profiler: string; readonly lane: string; readonly state: string; readonly text: string }
let check: Check | undefined;
beforeAll(async () => {
  const { out } = await inside(['doctor', '--json']);
  check = (JSON.parse(out) as { checks: Check[] }).checks.find((one) => one.lane === 'off-cpu');
});

function lacks(what: string): boolean {
  const missing = check?.state !== 'ready';
  if (missing) console.log(`skipped: ${what}, perf says of waiting time: ${check?.text ?? 'nothing'}`);
  return missing;
}

async function record(name: string, command: readonly string[], ...more: readonly string[]): Promise<{ file: string; out: string }> {
  const file = here.file(`${name}.flamebench`);
  const { code, out, err } = await flamebench(['record', '--lanes', 'cpu,off-cpu', ...more, '-o', file, '--', ...command], { env });
  expect([code, err]).toEqual([0, expect.any(String)]);
  return { file, out };
}

/** Waiting time in ns below a function, by the reason at the tip: `{ sleep: 1e9 }`. */
function reasonsUnder(profile: Profile, name: string): Record<string, number> {
  const lane = profile.lane('off-cpu');
  if (lane === null) throw new Error('no lane of waiting time');
  const tree = new CallTree(profile, lane, EVERYTHING, false);
  const sums: Record<string, number> = {};
  for (let node = 0; node < tree.length; node++) {
    if (!(tree.self(node) > 0) || !tree.pathOf(node).some((one) => one.name === name)) continue;
    const reason = tree.refOf(node).name.split(': ')[0];
    sums[reason] = (sums[reason] ?? 0) + tree.self(node);
  }
  return sums;
}

function expectClose(what: string, ours: number, truth: number): void {
  console.log(`${what}: ${(ours / 1e6).toFixed(1)} ms, the program says ${(truth / 1e6).toFixed(1)} ms (${((ours / truth - 1) * 100).toFixed(2)} %)`);
  expect(Math.abs(ours / truth - 1)).toBeLessThan(0.02);
}

describe.skipIf(spawnSync('cc', ['--version']).status !== 0)('a native program', () => {
  test('400 sleeps and 40 waits for a lock', async () => {
    if (lacks('waits.c')) return;
    const { file, out } = await record('native', [buildProgram('waits', ['-O1', '-g']) ?? ''], '--profiler', 'perf');
    const truth = /sleeps (\d+) locks (\d+)/.exec(out);
    const profile = await openRecording(file);
    const sleeps = (reasonsUnder(profile, 'short_sleeps')['sleep'] ?? 0) + (reasonsUnder(profile, 'long_sleeps')['sleep'] ?? 0);
    expectClose('sleeps', sleeps, Number(truth?.[1]));
    expectClose('locks', reasonsUnder(profile, 'lock_waits')['lock'] ?? 0, Number(truth?.[2]));
    // The tables of the file say the same to everybody.
    const top = JSON.parse((await inside(['top', file, '--lane', 'off-cpu', '--json'])).out) as { rows: { function: string; self: number }[] };
    expect(top.rows[0].function).toBe('sleep: hrtimer_nanosleep');
    expect((await inside(['info', file])).out).toMatch(/lane +cpu \(.*\n(?:.*\n)*lane +off-cpu \((context-switches|sched:sched_switch)\): \d+ waits/);
    const folded = (await inside(['convert', file, '--lane', 'off-cpu', '-o', '-', '--format', 'folded'])).out;
    expect(folded).toMatch(/main;(.*;)?lock_waits;.*;lock: futex\w* \d+/);
    // What the threads' clocks say is blocked is in the lane, all of it.
    const blocked = profile.threads.blocked.view().reduce((sum, one) => sum + one, 0);
    expect(Math.abs((profile.lane('off-cpu')?.total ?? 0) / blocked - 1)).toBeLessThan(0.005);
  });
});

describe.skipIf(findTool('python3') === null)('a Python program', () => {
  test('sleeps, a lock and a pipe: what it says itself', async () => {
    if (lacks('waits.py')) return;
    const { file, out } = await record('python', ['python3', `${programs}waits.py`], '--profiler', 'perf');
    const truth = JSON.parse(out) as { sleeping: number; locking: number; reading: number };
    const profile = await openRecording(file);
    // Of the native stacks, what only the main thread does.
    const read = reasonsUnder(profile, 'os_read');
    const lane = profile.lane('off-cpu');
    expect(lane?.total).toBeGreaterThan(truth.sleeping + truth.locking + truth.reading);
    expectClose('pipe', Object.values(read).reduce((sum, one) => sum + one, 0), truth.reading);
    expect(Object.keys(read)).toContain('pipe, socket');
  });

  test.skipIf(findTool('py-spy') === null)('with py-spy beside it, waits are below the Python function that waits', async () => {
    if (lacks('waits.py with py-spy')) return;
    const { file, out } = await record('merged', ['python3', `${programs}waits.py`]);
    const truth = JSON.parse(out) as { sleeping: number; locking: number; reading: number };
    const profile = await openRecording(file);
    const lane = profile.lane('off-cpu');
    console.log(`${lane?.pythonMerged} of ${(lane?.pythonMerged ?? 0) + (lane?.pythonUnmerged ?? 0)} waits in Python were merged`);
    // py-spy sees a change up to 10 ms late, and its first window begins after the program does.
    for (const name of ['sleeping', 'reading'] as const) {
      const ours = Object.values(reasonsUnder(profile, name)).reduce((sum, one) => sum + one, 0);
      console.log(`${name}: ${(ours / 1e6).toFixed(1)} ms, the program says ${(truth[name] / 1e6).toFixed(1)} ms`);
      expect(Math.abs(ours / truth[name] - 1)).toBeLessThan(0.25);
    }
  });
});
