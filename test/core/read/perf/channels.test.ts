// Waits where perf may tell of switches without stacks: the reason of each that is long enough comes from /proc.
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import type { StackId } from '#core/model/ids';
import { waitChannel } from '../../../../main/native/wait-channel.ts';
import { WHY_NOT, watch } from './live.ts';

const PYTHON = '/usr/bin/python3';
const PROGRAM = `
import os, select, subprocess, sys, threading, time
lock = threading.Lock()
def hold():
    while True:
        with lock: time.sleep(0.3)
        time.sleep(0.01)
def locked():
    while True:
        with lock: pass
        time.sleep(0.02)
def reads():
    r, w = os.pipe()
    while True: select.select([r], [], [], 0.4)
def child():
    while True: subprocess.run(['sleep', '0.4'])
for work in (hold, locked, reads, child): threading.Thread(target=work, daemon=True, name=work.__name__).start()
time.sleep(0.1)
print('ready', flush=True)
while True: time.sleep(0.25)
`;

const why = WHY_NOT !== '' ? WHY_NOT : spawnSync(PYTHON, ['--version']).status === 0 ? '' : `no ${PYTHON}`;
if (why !== '') console.log(`skipped: reasons from /proc, ${why}`);

test.skipIf(why !== '')('reasons of long waits without stacks', async () => {
  const { profile } = await watch([PYTHON, '-c', PROGRAM], ['--call-graph', 'dwarf,4096', '-e', 'cpu-clock/freq=99/u', '--switch-events'], 2.5, {}, { offCpu: 'perf switch records, without stacks', waitChannel });
  const lane = profile.lane('off-cpu', 'switches');
  expect(lane?.source).toBe('perf switch records, without stacks');
  const byTip = new Map<string, number>();
  let long = 0;
  let told = 0;
  for (const chunk of lane?.chunks ?? []) {
    for (let row = 0; row < chunk.rows; row++) {
      const frames = profile.stacks.framesOf(chunk.stack[row] as StackId).map((frame) => profile.functions.nameOf(profile.frames.functionOf(frame)));
      // Threads that slept before the recording began stand under a box that says so.
      expect(frames.length).toBe(frames[0] === '[already waiting]' ? 2 : 1);
      const tip = frames[frames.length - 1];
      byTip.set(tip, (byTip.get(tip) ?? 0) + chunk.weight.get(row) / 1e6);
      if (chunk.duration.get(row) < 200e6) continue;
      long++;
      if (tip !== '[waiting]') told++;
    }
  }
  console.log(`${told} of ${long} waits over 200 ms have a reason:`, [...byTip].map(([tip, ms]) => `${tip} ${ms.toFixed(0)} ms`).join(', '));
  expect(long).toBeGreaterThan(10);
  expect(told).toBeGreaterThan(long * 0.8);
  const reasons = [...byTip.keys()].map((tip) => tip.split(':')[0]);
  for (const reason of ['lock', 'sleep', 'pipe, socket']) expect(reasons).toContain(reason);
});

const IDLE = `
import threading, time
gate = threading.Event()
for i in range(4): threading.Thread(target=gate.wait, daemon=True, name=f'idle-{i}').start()
time.sleep(0.1)
print('ready', flush=True)
while True: time.sleep(0.01)
`;

test.skipIf(why !== '')('threads that sleep from before the recording to its end: their time counts, with the reason', async () => {
  const { profile } = await watch([PYTHON, '-c', IDLE], ['--call-graph', 'dwarf,4096', '-e', 'cpu-clock/freq=99/', '-e', 'context-switches/period=1,call-graph=dwarf,stack-size=4096/', '--switch-events'], 1.2, {}, { offCpu: 'perf context-switches', waitChannel });
  const lane = profile.lane('off-cpu', 'context-switches');
  const sums = new Map<number, number>();
  const tips = new Set<string>();
  for (const chunk of lane?.chunks ?? []) {
    for (let row = 0; row < chunk.rows; row++) {
      const frames = profile.stacks.framesOf(chunk.stack[row] as StackId).map((frame) => profile.functions.nameOf(profile.frames.functionOf(frame)));
      if (frames[0] !== '[already waiting]') continue;
      tips.add(frames[1]);
      sums.set(chunk.thread[row], (sums.get(chunk.thread[row]) ?? 0) + chunk.weight.get(row));
    }
  }
  const idle = Array.from({ length: profile.threads.length }, (_, row) => row).filter((row) => (sums.get(row) ?? 0) > 0.8e9);
  console.log(`${idle.length} threads slept all the time: ${idle.map((row) => ((sums.get(row) ?? 0) / 1e6).toFixed(0)).join(', ')} ms of ${(profile.info.durationNs / 1e6).toFixed(0)}`);
  expect(idle).toHaveLength(4);
  expect([...tips].filter((tip) => tip.startsWith('lock: futex'))).toHaveLength(1);
  for (const row of idle) expect(Math.abs((sums.get(row) ?? 0) - profile.threads.blocked.get(row))).toBeLessThan(1e6);
});
