// Code that is made while a program runs has its names from /tmp/perf-PID.map, in every lane.
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { StackId } from '#core/model/ids';
import type { Lane } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import { TRACEPOINTS, WHY_NOT, folder, watch } from './live.ts';

const GRAPH = 'call-graph=dwarf,stack-size=8192';
const EVENTS = [
  '--call-graph', 'dwarf,16384', '-e', 'cpu-clock/freq=299/', '-e', `context-switches/period=1,${GRAPH}/`, '-e', `page-faults/period=16,${GRAPH}/`,
  ...(TRACEPOINTS === null ? [] : ['-e', 'syscalls:sys_enter_mmap/call-graph=no/', '-e', `syscalls:sys_exit_mmap/${GRAPH}/`]), '--switch-events',
];
const LANES = { memory: 'perf mmap and brk', faults: 'perf page-faults' };

const NODE = `
'use strict';
const cell = new Int32Array(new SharedArrayBuffer(4));
function holdsOn() { Atomics.wait(cell, 0, 0, 15); }
function spinsHere(n) { let s = 0; for (let i = 0; i < n; i++) s += Math.sqrt(i); return s; }
function touchesPages(a) { for (let i = 0; i < a.length; i += 512) a[i] = i; return a[0]; }
function mapsMemory() { return new Float64Array(4 << 20); }
for (let i = 0; i < 300; i++) { spinsHere(20000); touchesPages(new Float64Array(1024)); }
for (let i = 0; i < 3; i++) mapsMemory();
console.log('ready');
for (;;) { spinsHere(3000000); holdsOn(); touchesPages(mapsMemory()); }
`;

const PYTHON = `
import mmap, time
def holds_on(): time.sleep(0.015)
def spins_here(n):
    s = 0
    for i in range(n): s += i * i
    return s
def maps_memory(): return mmap.mmap(-1, 4 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
def touches_pages(m):
    for i in range(0, len(m), 4096): m[i] = 1
print('ready', flush=True)
while True:
    spins_here(100000)
    holds_on()
    touches_pages(maps_memory())
`;

/** Rows of a lane under a function whose name has these letters. */
function rowsOf(profile: Profile, lane: Lane | null, name: string): number {
  let found = 0;
  for (const chunk of lane?.chunks ?? []) {
    for (let row = 0; row < chunk.rows; row++) {
      if (profile.stacks.framesOf(chunk.stack[row] as StackId).some((frame) => profile.functions.nameOf(profile.frames.functionOf(frame)).includes(name))) found++;
    }
  }
  return found;
}

function removeMaps(profile: Profile): void {
  for (const pid of profile.processes.pid.view()) if (pid > 0) rmSync(`/tmp/perf-${pid}.map`, { force: true });
}

/** Rows of each lane under the function that makes them, and what is expected of them whatever else the machine does. */
function check(profile: Profile, what: string, names: { cpu: string; wait: string; fault: string; map: string }): void {
  const rows = {
    cpu: rowsOf(profile, profile.lane('cpu'), names.cpu), wait: rowsOf(profile, profile.lane('off-cpu', 'context-switches'), names.wait),
    fault: rowsOf(profile, profile.lane('faults'), names.fault), map: rowsOf(profile, profile.lane('memory', 'perf mmap'), names.map),
  };
  console.log(`${what}: ${Object.entries(rows).map(([lane, count]) => `${lane} ${count}`).join(', ')} rows under their functions`);
  expect(rows.cpu).toBeGreaterThan(0);
  expect(rows.wait).toBeGreaterThan(0);
  expect(rows.fault).toBeGreaterThan(0);
  if (TRACEPOINTS !== null) expect(rows.map).toBeGreaterThan(0);
  removeMaps(profile);
}

test.skipIf(WHY_NOT !== '')('Node with --perf-basic-prof', async () => {
  const path = join(folder, 'maps.js');
  writeFileSync(path, NODE);
  const { profile } = await watch([process.execPath, '--perf-basic-prof', '--interpreted-frames-native-stack', path], EVENTS, 2, {}, LANES);
  check(profile, 'Node', { cpu: 'spinsHere', wait: 'holdsOn', fault: 'touchesPages', map: 'mapsMemory' });
}, 30_000);

const PERF_PYTHON = ['3.12.1', '3.13.1', '3.12.8', '3.13.0'].map((version) => `/root/.pyenv/versions/${version}/bin/python3`).find((path) => existsSync(path)) ?? '';
if (PERF_PYTHON === '') console.log('skipped: python -X perf, there is no Python 3.12');
test.skipIf(WHY_NOT !== '' || PERF_PYTHON === '')('Python with -X perf', async () => {
  const path = join(folder, 'maps.py');
  writeFileSync(path, PYTHON);
  const { profile } = await watch([PERF_PYTHON, '-X', 'perf', path], EVENTS, 2, {}, LANES);
  check(profile, 'Python', { cpu: 'spins_here', wait: 'holds_on', fault: 'touches_pages', map: 'maps_memory' });
}, 30_000);
