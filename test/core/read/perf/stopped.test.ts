// A thread that py-spy stops to look at it does not wait: beside perf, with py-spy at its most blocking.
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { StackId } from '#core/model/ids';
import type { Lane } from '#core/model/lane';
import { Profile } from '#core/model/profile';
import { PerfDecoder } from '#core/read/perf/decoder';
import { findTool } from '../../../../main/profilers/find-tool.ts';
import { TRACEPOINTS, WHY_NOT, folder, now, options, record, sleep } from './live.ts';

const PYTHON = '/usr/bin/python3';
// One thread never waits; the other sleeps nine tenths of its time, and says how long in all.
const PROGRAM = `
import sys, threading, time
def sleeps():
    spent, began = 0, time.monotonic_ns()
    while True:
        before = time.monotonic_ns()
        time.sleep(0.02)
        spent += time.monotonic_ns() - before
        if time.monotonic_ns() - began > 200_000_000:
            print(spent, time.monotonic_ns() - began, flush=True)
            spent, began = 0, time.monotonic_ns()
def busy():
    while True: sum(range(500))
threading.Thread(target=sleeps, daemon=True, name='sleeps').start()
print('ready', flush=True)
busy()
`;

const pySpy = findTool('py-spy');
const why = WHY_NOT !== '' ? WHY_NOT : process.getuid?.() !== 0 ? 'it needs root' : pySpy === null ? 'there is no py-spy' : spawnSync(PYTHON, ['--version']).status !== 0 ? `no ${PYTHON}` : '';
if (why !== '') console.log(`skipped: py-spy beside perf, ${why}`);

function tips(profile: Profile, lane: Lane | null, tid: number): Map<string, number> {
  const sums = new Map<string, number>();
  for (const chunk of lane?.chunks ?? []) {
    for (let row = 0; row < chunk.rows; row++) {
      if (profile.threads.tid.get(chunk.thread[row]) !== tid) continue;
      const leaf = profile.stacks.frame.get(chunk.stack[row] as StackId);
      const tip = profile.functions.nameOf(profile.frames.functionOf(leaf as never));
      sums.set(tip, (sums.get(tip) ?? 0) + chunk.weight.get(row) / 1e6);
    }
  }
  return sums;
}

const EVENTS: readonly (readonly [string, string])[] = [
  ['context-switches', 'context-switches/period=1,call-graph=dwarf,stack-size=4096/'],
  ...(TRACEPOINTS === null ? [] : [['sched_switch', 'sched:sched_switch/call-graph=dwarf,stack-size=4096/'] as const]),
];

test.skipIf(why !== '').each(EVENTS)('stopped by a profiler is a reason of its own, by %s', async (name, event) => {
  const target = spawn(PYTHON, ['-c', PROGRAM], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await new Promise((resolve) => target.stdout.once('data', resolve));
    const pid = target.pid ?? 0;
    const profile = new Profile();
    const recording = record(pid, ['--call-graph', 'dwarf,8192', '-e', 'cpu-clock/freq=99/', '-e', event, '--switch-events'], (ready) => new PerfDecoder(profile, options(now(), ready)));
    await recording.ready;
    const spy = spawn(pySpy ?? '', ['record', '-d', '1', '-r', '200', '-f', 'raw', '-o', join(folder, `spy-${name}`), '-p', String(pid)], { stdio: 'ignore' });
    const spied = new Promise((resolve) => spy.on('exit', resolve));
    await spied;
    await sleep(200);
    recording.stop();
    await recording.ended;
    const waits = profile.lane('off-cpu');
    const others = profile.lane('off-cpu', 'preempted');
    const waited = tips(profile, waits, pid);
    const stopped = tips(profile, others, pid).get('[stopped by a profiler]') ?? 0;
    const total = [...waited].filter(([tip]) => !tip.startsWith('lock')).reduce((sum, [, ms]) => sum + ms, 0);
    console.log(`${name}: stopped ${stopped.toFixed(0)} ms; taken for waiting`, [...waited].map(([tip, ms]) => `${tip} ${ms.toFixed(1)} ms`).join(', ') || 'nothing');
    expect(stopped).toBeGreaterThan(10);
    // What is left is the interpreter's lock.
    expect(total).toBeLessThan(Math.max(5, stopped * 0.05));
    for (const tip of waited.keys()) expect(tip).not.toContain('stop');
  } finally {
    target.kill('SIGKILL');
  }
}, 30_000);
