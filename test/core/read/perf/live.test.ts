// A real perf on real programs, through a FIFO as the workbench does it; then perf script on the same bytes.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Profile } from '#core/model/profile';
import { PerfDecoder } from '#core/read/perf/decoder';
import { PerfShared } from '#core/read/perf/threads';
import { LiveSources } from '../../../../main/native/live-sources.ts';
import { WHY_NOT, folder, now, options, record, run, script, sleep } from './live.ts';
import { compare, ourSamples, parseScript } from './reference.ts';

function compile(name: string, source: string): string {
  const path = join(folder, name);
  writeFileSync(`${path}.c`, source);
  execFileSync('gcc', ['-O2', '-g', '-fomit-frame-pointer', '-o', path, `${path}.c`, '-lpthread', '-lm']);
  return path;
}

const BUSY_C = `
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/wait.h>
#define NI __attribute__((noipa))
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec * 1e-9; }
NI double hot_leaf(int n) { double s = 0; for (int i = 1; i < n; i++) s += sqrt(i) * 0.5; return s; }
NI double hot_middle(int n) { double r = hot_leaf(n); __asm__ volatile("" ::: "memory"); return r + 1; }
NI void sleeper(void) { usleep(2000); __asm__ volatile("" ::: "memory"); }
static double until;
static void *busy(void *a) { while (now() < until) hot_middle(20000); return a; }
static void *lazy(void *a) { while (now() < until) sleeper(); return a; }
static void *shortlived(void *a) { double t = now(); while (now() - t < 0.002) hot_middle(2000); return a; }
int main(int c, char **v) {
  pthread_t t[2]; until = now() + (c > 2 ? atof(v[2]) : 1.2);
  if (c > 1 && !strcmp(v[1], "short")) {
    while (now() < until) { pthread_create(t, 0, shortlived, 0); pthread_join(t[0], 0); }
  } else {
    pthread_create(t, 0, busy, 0); pthread_setname_np(t[0], "busy"); pthread_create(t + 1, 0, lazy, 0); pthread_setname_np(t[1], "lazy");
    int child = fork(); if (child == 0) { until = now() + 0.4; busy(0); _exit(0); }
    int gone; waitpid(child, &gone, 0);
    pthread_join(t[0], 0); pthread_join(t[1], 0);
  }
  struct timespec cpu; clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
  printf("%.0f\\n", cpu.tv_sec * 1e9 + cpu.tv_nsec); return 0;
}`;

const EVENTS = ['--call-graph', 'dwarf,16384', '-e', 'cpu-clock', '-F', '499', '--switch-events'];

test.skipIf(WHY_NOT !== '')('C without frame pointers, threads and a fork: perf script\'s stacks are ours or a part of them', async () => {
  const program = compile('busy', BUSY_C);
  const { profile, decoder, bytes } = await run([program], EVENTS);
  const { roots, truncated, lost } = decoder.stats.stacks;
  console.log(`live C: ${decoder.stats.samples} samples, ${roots} of ${roots + truncated + lost} reach a root, ${decoder.stats.lost} lost`);
  const ours = ourSamples(profile).map((one) => ({ ...one, time: one.time + decoder.zeroNs }));
  const reference = parseScript(script(bytes));
  expect(reference.length).toBe(ours.length);
  expect(ours.length).toBeGreaterThan(30);
  const compared = compare(reference, ours, true);
  console.log('against perf script:', { same: compared.same, prefix: compared.prefix, ...compared.depth }, compared.exceptions, compared.examples);
  // A renamed thread's row has its last name; perf prints the name at the time.
  const renamed = compared.exceptions.get('another thread name') ?? 0;
  expect(renamed).toBeLessThan(20);
  expect(compared.same + compared.prefix).toBeGreaterThanOrEqual(reference.length * 0.99);
  expect(compared.depth.perf).toBeGreaterThan(compared.depth.ours * 0.6);
  expect(roots / (roots + truncated + lost)).toBeGreaterThan(0.98);
  const hot = ours.filter((one) => one.frames.some((frame) => frame.name === 'hot_leaf')).length;
  expect(hot / ours.length).toBeGreaterThan(0.8);
});

test.skipIf(WHY_NOT !== '')('a program made of 2 ms threads shows its full CPU time', async () => {
  const program = compile('short', BUSY_C);
  const { profile, printed } = await run([program, 'short'], ['--call-graph', 'dwarf,4096', '-e', 'cpu-clock', '-F', '99', '--switch-events']);
  const total = profile.lane('cpu')?.total ?? 0;
  const truth = Number(printed);
  console.log(`2 ms threads: ${(total / 1e6).toFixed(0)} ms counted, ${(truth / 1e6).toFixed(0)} ms by the program's own clock, ${profile.lane('cpu')?.samples} samples, ${profile.threads.length} threads`, [...profile.skipped]);
  // The program's own clock began with the shell that was its process before perf stood: some ms, more on a busy machine.
  expect(truth - total).toBeLessThan(truth * 0.03 + 20e6);
  // perf's own microseconds at each switch lie inside the intervals: some percent of threads of 2 ms, more under load.
  expect(total).toBeLessThan(truth * 1.1 + 20e6);
  expect(profile.threads.length).toBeGreaterThan(10);
});

const PYTHON = '/usr/bin/python3';
if (!existsSync(PYTHON)) console.log(`skipped: a live Python beside perf script, there is no ${PYTHON}`);
test.skipIf(WHY_NOT !== '' || !existsSync(PYTHON))('Python: roots reached, perf script agrees', async () => {
  const path = join(folder, 'busy.py');
  writeFileSync(path, 'import time, threading\ndef work(n):\n  s = 0\n  for i in range(n): s += i * i\n  return s\ndef loop(end):\n  while time.monotonic() < end: work(3000)\nend = time.monotonic() + 1.0\nt = threading.Thread(target=loop, args=(end,)); t.start(); loop(end); t.join()\n');
  const { profile, decoder, bytes } = await run([PYTHON, path], EVENTS);
  const { roots, truncated, lost } = decoder.stats.stacks;
  console.log(`live Python: ${decoder.stats.samples} samples, ${roots} of ${roots + truncated + lost} reach a root, ${decoder.stats.lost} lost`);
  expect(roots / (roots + truncated + lost)).toBeGreaterThan(0.97);
  const ours = ourSamples(profile).map((one) => ({ ...one, time: one.time + decoder.zeroNs }));
  const compared = compare(parseScript(script(bytes)), ours, true);
  console.log('against perf script:', { same: compared.same, prefix: compared.prefix, ...compared.depth }, compared.exceptions, compared.examples);
  expect(compared.same + compared.prefix).toBeGreaterThanOrEqual(compared.samples * 0.98);
  expect(compared.depth.perf).toBeGreaterThan(compared.depth.ours * 0.6);
});

test.skipIf(WHY_NOT !== '')('a hand-over: two perfs, one profile, no time twice and none missing', async () => {
  const program = compile('handover', BUSY_C);
  const target = spawn(program, ['long', '30'], { stdio: ['ignore', 'ignore', 'inherit'] });
  const targetEnd = new Promise((resolve) => target.on('exit', resolve));
  await sleep(50);
  const profile = new Profile();
  const zero = now();
  const sources = new LiveSources();
  const shared = new PerfShared(profile, { sources, directory: folder });
  const exited: number[] = [];
  const first = record(target.pid ?? 0, EVENTS, (ready) => new PerfDecoder(profile, options(zero, ready, { shared, sources, onThreadExit: (_pid, tid) => exited.push(tid) })));
  await first.ready;
  await sleep(300);
  const from = now() + 100e6;
  let second: PerfDecoder | null = null;
  const next = record(target.pid ?? 0, EVENTS, (ready) => (second = new PerfDecoder(profile, options(zero, ready, { shared, sources, from }))));
  await next.ready;
  while (now() < from) await sleep(10);
  // One more ping and round of both.
  await sleep(250);
  first.stop();
  await first.ended;
  await sleep(300);
  target.kill('SIGKILL');
  await targetEnd;
  await next.ended;
  const cut = (second as PerfDecoder | null)?.stats.cut ?? 0;
  // Of every thread: on CPU, waiting and blocked are together the time from the first to the last moment it was seen.
  const threads = profile.threads;
  const main = Array.from({ length: threads.length }, (_, i) => i).find((row) => threads.tid.get(row) === target.pid) ?? -1;
  const whole = threads.onCpu.get(main) + threads.waiting.get(main) + threads.blocked.get(main);
  const lane = profile.lane('cpu');
  console.log(`hand-over: ${lane?.samples} samples, ${cut} cut from the second, busy ${[...threads.onCpu.view()].map((one) => (one / 1e6).toFixed(0)).join(' ')} ms, main thread watched ${(whole / 1e6).toFixed(0)} ms`);
  expect(lane?.total).toBeCloseTo([...threads.onCpu.view()].filter((one) => one > 0).reduce((a, b) => a + b, 0), -1);
  const times = ourSamples(profile).map((one) => `${one.tid} ${one.time}`);
  expect(new Set(times).size).toBe(times.length);
  expect(whole).toBeLessThanOrEqual(profile.info.durationNs);
  // Three threads and a child that was there already, each told of once, and every one watched from the first moment to the last.
  expect(threads.length).toBeLessThanOrEqual(4);
  for (const row of [...threads.tid.view().keys()].filter((one) => threads.onCpu.get(one) >= 0)) {
    // The kill reaches the threads one after another.
    expect(Math.abs(threads.onCpu.get(row) + threads.waiting.get(row) + threads.blocked.get(row) - whole)).toBeLessThan(200e6);
  }
});
