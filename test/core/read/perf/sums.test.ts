// Of every thread, over any second: time on a CPU, blocked and ready without a CPU are together the second. From the lanes' rows.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Lane } from '#core/model/lane';
import { WHY_NOT, folder, watch } from './live.ts';

const MS = 1e6;
const SECOND = 1e9;

// More threads that could run than most machines have CPUs, one that sleeps, one that does both a thousand times a second.
const PROGRAM = `
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec * 1e-9; }
static void spin(double seconds) { double end = now() + seconds; while (now() < end); }
static void *busy(void *a) { for (;;) spin(0.1); return a; }
static void *sleeper(void *a) { for (;;) usleep(30000); return a; }
static void *both(void *a) { for (;;) { spin(0.0004); usleep(500); } return a; }
int main(void) {
  pthread_t t;
  for (int i = 0; i < 3; i++) pthread_create(&t, 0, busy, 0);
  pthread_create(&t, 0, sleeper, 0);
  pthread_create(&t, 0, both, 0);
  usleep(50000); puts("ready"); fflush(stdout);
  for (;;) { spin(0.02); usleep(20000); }
}`;

/** Weight of one thread's rows in [from, to): intervals by their overlap, a sample by the CPU time up to it. */
function within(lane: Lane | null, thread: number, from: number, to: number): number {
  let sum = 0;
  for (const chunk of lane?.chunks ?? []) {
    for (let row = 0; row < chunk.rows; row++) {
      if (chunk.thread[row] !== thread) continue;
      const time = chunk.timeAt(row);
      const length = chunk.duration.get(row);
      const weight = chunk.weight.get(row);
      if (length > 0) sum += weight * Math.max(0, Math.min(to, time + length) - Math.max(from, time)) / length;
      else if (time >= from && time < to) sum += weight;
    }
  }
  return sum;
}

test.skipIf(WHY_NOT !== '').each([
  ['stacks of switches', ['-e', 'context-switches/period=1,call-graph=dwarf,stack-size=1024/'], {}],
  ['switch records alone', [], { offCpu: 'perf switch records, without stacks' }],
])('%s: on CPU + blocked + ready = wall', async (name, event, more) => {
  const path = join(folder, 'sums');
  writeFileSync(`${path}.c`, PROGRAM);
  execFileSync('gcc', ['-O2', '-o', path, `${path}.c`, '-lpthread']);
  // At 999 Hz an edge of a range cuts 1 ms at most; at 99 Hz it would be 10.
  const { profile, decoder } = await watch([path], ['--call-graph', 'dwarf,1024', '-e', 'cpu-clock/freq=999/', ...event, '--switch-events'], 2.6, {}, more);
  expect(decoder.stats.lost).toBe(0);
  const lanes = [profile.lane('cpu'), profile.lanes.find((lane) => lane.kind === 'off-cpu' && lane.name !== 'preempted') ?? null, profile.lane('off-cpu', 'preempted')];
  const rows = Array.from({ length: profile.threads.length }, (_, row) => row).filter((row) => profile.threads.onCpu.get(row) >= 0);
  expect(rows).toHaveLength(6);
  const end = profile.info.durationNs;
  const offs: number[] = [];
  let worst = 0;
  let told = '';
  for (const thread of rows) {
    let first = Infinity;
    for (const lane of lanes) for (const chunk of lane?.chunks ?? []) for (let row = 0; row < chunk.rows; row++) if (chunk.thread[row] === thread) first = Math.min(first, chunk.timeAt(row));
    // From its first row on: a wait that had begun before is known by its length alone, and has no row.
    for (let from = first + 50 * MS; from + SECOND < end - 50 * MS; from += 130 * MS) {
      const parts = lanes.map((lane) => within(lane, thread, from, from + SECOND));
      const off = Math.abs(parts.reduce((sum, part) => sum + part, 0) / SECOND - 1);
      offs.push(off);
      if (off <= worst) continue;
      worst = off;
      told = `thread ${thread}, from ${(from / MS).toFixed(0)} ms: ${parts.map((part) => (part / MS).toFixed(1)).join(' + ')} ms`;
    }
  }
  offs.sort((a, b) => a - b);
  const most = offs[Math.floor(offs.length * 0.95)];
  console.log(`${name}: ${offs.length} seconds, 95 % of them within ${(most * 100).toFixed(3)} %, at worst ${(worst * 100).toFixed(3)} % off (${told})`);
  // Waits under 1 ms are summed over 100 ms, taken as even in it: of a thread that makes a thousand a second and got no CPU
  // for a part of it a range's edge may cut more.
  expect(most).toBeLessThan(0.005);
  expect(worst).toBeLessThan(0.02);
}, 30_000);
