// Python programs that know what they do: waits with and without py-spy beside perf, merged stacks against a program's own log.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CallTree } from '#core/analyze/call-tree';
import { EVERYTHING } from '#core/analyze/view';
import type { Profile } from '#core/model/profile';
import { findTool } from '../../main/profilers/find-tool.ts';
import type { Log } from './own-stack.ts';
import { agreement, agreementText } from './own-stack.ts';
import { apart, here, laneOf, missing, programs, readText, record, sum, tipsUnder, truthOf } from './recorded.ts';

afterAll(() => here.remove());
const python = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).stdout.trim();
const version = spawnSync(python, ['-c', 'import sys; print(sys.version_info[1])'], { encoding: 'utf8' }).stdout.trim();
let lacking = '';
beforeAll(async () => {
  lacking = !existsSync(python) ? 'no python3' : findTool('py-spy') === null ? 'no py-spy' : await missing('off-cpu');
});

function skips(what: string, more = ''): boolean {
  const why = lacking || more;
  if (why !== '') console.log(`skipped: ${what}, ${why}`);
  return why !== '';
}

/** Share of interpreter samples that were merged, in percent. */
function merged(profile: Profile, kind: 'cpu' | 'off-cpu'): number {
  const lane = laneOf(profile, kind);
  return (100 * lane.pythonMerged) / Math.max(1, lane.pythonMerged + lane.pythonUnmerged);
}

describe('py-spy beside perf', () => {
  test('adds no waiting: the sleeps of a program are the same with it and without it', async () => {
    if (skips('sleeps.py')) return;
    for (const [name, profilers] of [['without', 'perf'], ['with', 'perf,py-spy']] as const) {
      const { profile, out } = await record(`sleeps ${name}`, [python, `${programs}sleeps.py`, '2.5'], '--profiler', profilers);
      const truth = truthOf<{ doze: number; times: number }>(out);
      const lane = laneOf(profile, 'off-cpu');
      const main = sum(Object.entries(tipsUnder(profile, lane, '')).filter(([tip]) => tip === 'sleep').map(([, ns]) => ns));
      // A sleep ends when it is told to run; it runs when a CPU is free: that is beside it, by the program's clock.
      const queued = laneOf(profile, 'off-cpu', 'preempted').total;
      console.log(`${name} py-spy: ${truth.times} sleeps, ${(queued / 1e6).toFixed(1)} ms without a CPU`);
      expect(apart(`sleeps ${name} py-spy`, main, truth.doze)).toBeLessThan(0.01 + 0.5 * queued / truth.doze);
      // Nothing stopped it, and what a profiler stops is not in the lane.
      expect(Object.keys(tipsUnder(profile, lane, '')).filter((tip) => tip.startsWith('[stopped'))).toEqual([]);
    }
  }, 60_000);
});

describe('Python and native stacks together', () => {
  test('perf alone names Python functions: their shares are those of the program', async () => {
    for (const interpreter of new Set([python, '/usr/bin/python3'].filter((path) => existsSync(path)))) {
      const minor = Number(spawnSync(interpreter, ['-c', 'import sys; print(sys.version_info[1])'], { encoding: 'utf8' }).stdout);
      if (skips(`known_shares.py under ${interpreter}`, minor >= 11 ? '' : `Python 3.${minor} keeps its frames elsewhere`)) continue;
      const { profile } = await record('alone', [interpreter, `${programs}known_shares.py`, '2'], '--profiler', 'perf', '--rate', '299');
      const lane = laneOf(profile, 'cpu');
      const [hot, warm] = ['hot', 'warm'].map((name) => sum(Object.values(tipsUnder(profile, lane, name))));
      console.log(`${interpreter}: hot ${((100 * hot) / lane.total).toFixed(1)} %, warm ${((100 * warm) / lane.total).toFixed(1)} % of ${lane.samples} samples, ${lane.pythonMerged} merged, ${lane.pythonUnmerged} not`);
      expect(Math.abs(hot / (hot + warm) - 0.75)).toBeLessThan(0.06);
      expect((hot + warm) / lane.total).toBeGreaterThan(0.5);
      expect(lane.pythonMerged).toBeGreaterThan(0.5 * (lane.pythonMerged + lane.pythonUnmerged));
    }
  }, 60_000);

  test('against a program that logs its own stack', async () => {
    if (skips('own_stack.py', Number(version) >= 11 ? '' : `Python 3.${version} keeps its frames elsewhere`)) return;
    const log = here.file('log.json');
    const program = `${programs}own_stack.py`;
    const { profile, zeroAt } = await record('own', [python, program, '3.5', log]);
    const told = JSON.parse(readText(log)) as Log;
    for (const kind of ['cpu', 'off-cpu'] as const) {
      const found = agreement(profile, laneOf(profile, kind), told, zeroAt, program);
      const wrong = [...found.examples].filter(([text]) => text.startsWith('wrong')).map(([text, count]) => `${count} ${text}`);
      console.log(`${kind}: ${agreementText(found)}`, wrong);
      expect(found.samples).toBeGreaterThan(30);
      // Under 1 %, and what few samples can tell of that.
      expect(found.wrong).toBeLessThanOrEqual(Math.max(3, found.samples * 0.01 + 2 * Math.sqrt(found.samples * 0.01)));
      // What is told whole is told by the stack itself, or by the only stack that fits.
      expect(found.full).toBeGreaterThan(0.04 * found.samples);
      expect(found.full + found.partly).toBeGreaterThan(0.95 * found.samples);
      expect(merged(profile, kind)).toBeGreaterThan(90);
    }
  }, 60_000);

  test('a PyTorch program: its lines, then the operator, then the library\'s kernel', async () => {
    const torch = spawnSync(python, ['-c', 'import torch']).status === 0 ? '' : 'python3 has no torch';
    if (skips('torch_steps.py', torch)) return;
    const { profile } = await record('torch', [python, `${programs}torch_steps.py`, '2']);
    for (const kind of ['cpu', 'off-cpu'] as const) {
      const lane = laneOf(profile, kind);
      console.log(`${kind}: ${lane.pythonMerged} merged, ${lane.pythonPartly} of them in part, ${lane.pythonUnmerged} not`);
      if (lane.pythonMerged + lane.pythonUnmerged > 30) expect(merged(profile, kind)).toBeGreaterThan(80);
    }
    const tree = new CallTree(profile, laneOf(profile, 'cpu'), { ...EVERYTHING, stacks: 'merged' }, false);
    let drawn = 0;
    let operators = 0;
    for (let node = 0; node < tree.length; node++) {
      if (!/THPVariable_(?:conv2d|linear)/.test(tree.refOf(node).name)) continue;
      operators += tree.totalOf(node);
      const path = tree.pathOf(node).map((one) => one.name);
      const at = path.findLastIndex((name) => /^(?:_conv_forward|forward)$/.test(name));
      // Between the module's line and the operator nothing of the interpreter is left.
      if (path.includes('train') && path.includes('_call_impl') && at === path.length - 2) drawn += tree.totalOf(node);
    }
    console.log(`${((100 * drawn) / operators).toFixed(1)} % of the time in conv2d and linear below train, the module's forward, and then nothing but the operator`);
    expect(operators).toBeGreaterThan(0);
    expect(drawn / operators).toBeGreaterThan(0.8);
  }, 120_000);

  test('a loader: the main process waits in __next__, the workers decode', async () => {
    if (skips('loader_wait.py')) return;
    const { profile } = await record('loader', [python, `${programs}loader_wait.py`, '10']);
    const cpu = laneOf(profile, 'cpu');
    const below = (name: string): number => sum(Object.values(tipsUnder(profile, cpu, name)));
    const inNext = sum(Object.values(tipsUnder(profile, laneOf(profile, 'off-cpu'), '__next__')));
    console.log(`${(inNext / 1e6).toFixed(0)} ms of waiting below __next__; CPU: decode ${(below('decode') / 1e6).toFixed(0)} ms, shuffle ${(below('shuffle') / 1e6).toFixed(0)} ms, train_step ${(below('train_step') / 1e6).toFixed(0)} ms`);
    // 10 steps: in each both workers decode for 60 ms and shuffle for 40 ms of CPU time, and the main thread computes for 50 ms.
    expect(inNext).toBeGreaterThan(0.8 * 10 * 0.06e9);
    expect(Math.abs(below('decode') / (below('decode') + below('shuffle')) - 0.6)).toBeLessThan(0.1);
    expect(below('decode') + below('shuffle')).toBeGreaterThan(0.75 * 10 * 2 * 0.1e9);
    expect(below('train_step')).toBeGreaterThan(0.75 * 10 * 0.05e9);
    expect(profile.processes.length).toBeGreaterThanOrEqual(3);
  }, 60_000);
});
