// Waiting time beside bpftrace's own reckoning in the same run: waits of more than 1 ms, within 2 %.
import { spawn, spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import type { Lane } from '#core/model/lane';
import { Profile } from '#core/model/profile';
import { PerfDecoder } from '#core/read/perf/decoder';
import { buildProgram } from '../../../support/build-program.ts';
import { TRACEPOINTS, WHY_NOT, now, options, record, startStopped } from './live.ts';

const MS = 1e6;

/** Sums by thread what it was off its CPU for and did not just lose it, above 1 ms; the thread that leaves is the current one. */
const SCRIPT = (pid: number) => `
tracepoint:sched:sched_switch {
  if (pid == ${pid} && args->prev_state != 0) { @out[tid] = nsecs; }
  if (@out[args->next_pid]) {
    $length = nsecs - @out[args->next_pid];
    if ($length > 1000000) { @sum[args->next_pid] = sum($length); @count[args->next_pid] = count(); }
    delete(@out[args->next_pid]);
  }
}
END { clear(@out); }
`;

function missing(): string {
  if (WHY_NOT !== '') return WHY_NOT;
  if (TRACEPOINTS === null) return 'tracefs cannot be read';
  if (process.getuid?.() !== 0) return 'bpftrace needs root';
  if (spawnSync('bpftrace', ['--version']).status !== 0) return 'bpftrace is not here';
  if (spawnSync('cc', ['--version']).status !== 0) return 'no C compiler';
  const probe = [...(TRACEPOINTS ?? []), 'bpftrace', '-e', 'BEGIN { exit(); }'];
  const tried = spawnSync(probe[0], probe.slice(1), { encoding: 'utf8', timeout: 20_000 });
  return tried.status === 0 ? '' : `bpftrace does not run here: ${(tried.stderr ?? '').trim().split('\n').at(-1)}`;
}
const why = missing();
if (why !== '') console.log(`skipped: waiting time beside bpftrace, ${why}`);

function sumsOf(profile: Profile, lane: Lane | null): Map<number, { sum: number; count: number }> {
  const sums = new Map<number, { sum: number; count: number }>();
  for (const chunk of lane?.chunks ?? []) {
    for (let row = 0; row < chunk.rows; row++) {
      if (chunk.count.get(row) !== 1 || chunk.duration.get(row) <= MS) continue;
      const tid = profile.threads.tid.get(chunk.thread[row]);
      const sum = sums.get(tid) ?? { sum: 0, count: 0 };
      sum.sum += chunk.weight.get(row);
      sum.count++;
      sums.set(tid, sum);
    }
  }
  return sums;
}

test.skipIf(why !== '').each([
  ['sched_switch', ['-e', 'sched:sched_switch/call-graph=dwarf,stack-size=4096/']],
  ['context-switches', ['-e', 'context-switches/period=1,call-graph=dwarf,stack-size=4096/']],
])('%s beside bpftrace', async (name, event) => {
  const program = buildProgram('waits') ?? '';
  const target = startStopped([program]);
  const pid = target.pid ?? 0;
  const words = [...(TRACEPOINTS ?? []), 'bpftrace', '-e', SCRIPT(pid)];
  const reference = spawn(words[0], words.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  reference.stdout.on('data', (chunk: Buffer) => { said += chunk.toString(); });
  const profile = new Profile();
  let printed = '';
  target.stdout?.on('data', (chunk: Buffer) => { printed += chunk.toString(); });
  try {
    await new Promise<void>((resolve, reject) => {
      reference.stdout.on('data', () => { if (said.includes('Attaching')) resolve(); });
      reference.once('exit', (code) => { reject(new Error(`bpftrace ended with ${code}`)); });
    });
    const recording = record(pid, ['--call-graph', 'dwarf,8192', '-e', 'cpu-clock/freq=99/', ...event, '--switch-events'], (ready) => new PerfDecoder(profile, options(now(), ready)));
    await recording.ready;
    // bpftrace says that it attaches before it has.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const ended = new Promise((resolve) => target.on('exit', resolve));
    process.kill(pid, 'SIGCONT');
    await ended;
    await recording.ended;
    const done = new Promise((resolve) => reference.on('close', resolve));
    // unshare and sh pass on to bpftrace what they were started as: the same process.
    reference.kill('SIGINT');
    await done;
  } finally {
    target.kill('SIGKILL');
    reference.kill('SIGKILL');
  }
  const ours = sumsOf(profile, profile.lane('off-cpu'));
  const theirs = new Map<number, { sum: number; count: number }>();
  for (const [, which, tid, value] of said.matchAll(/@(sum|count)\[(\d+)\]: (\d+)/g)) {
    const entry = theirs.get(Number(tid)) ?? { sum: 0, count: 0 };
    if (which === 'sum') entry.sum = Number(value);
    else entry.count = Number(value);
    theirs.set(Number(tid), entry);
  }
  const threads = [...ours.keys()].filter((tid) => theirs.has(tid));
  const total = (sums: Map<number, { sum: number; count: number }>, field: 'sum' | 'count') => threads.reduce((sum, tid) => sum + (sums.get(tid)?.[field] ?? 0), 0);
  console.log(`${name}: ${(total(ours, 'sum') / MS).toFixed(1)} ms in ${total(ours, 'count')} waits, bpftrace ${(total(theirs, 'sum') / MS).toFixed(1)} ms in ${total(theirs, 'count')}; the program itself: ${printed.trim()}`);
  expect(threads.length).toBe(2);
  expect(total(theirs, 'sum')).toBeGreaterThan(1000 * MS);
  expect(Math.abs(total(ours, 'sum') / total(theirs, 'sum') - 1)).toBeLessThan(0.02);
}, 40_000);
