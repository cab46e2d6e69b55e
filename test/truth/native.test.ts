// Native programs that know how long they wait and run, and for what: each is recorded, and its lanes are laid beside what it says.
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildProgram } from '../support/build-program.ts';
import { accountOf, apart, here, laneOf, missing, noCompiler, ofThread, record, sum, tipsUnder, truthOf, under } from './recorded.ts';

afterAll(() => here.remove());
let lacking = '';
beforeAll(async () => { lacking = noCompiler || await missing('off-cpu'); });

function skips(what: string): boolean {
  if (lacking !== '') console.log(`skipped: ${what}, ${lacking}`);
  return lacking !== '';
}

const program = (name: string): string => buildProgram(name, ['-O1', '-g']) ?? '';
const perf = ['--profiler', 'perf'];

describe('waits', () => {
  test('a lock convoy: the wait for the lock, by thread', async () => {
    if (skips('lock_convoy.c')) return;
    const { profile, out } = await record('convoy', [program('lock_convoy')], ...perf);
    const truth = truthOf<{ lock: number; cpu: Record<string, number> }>(out);
    const tips = tipsUnder(profile, laneOf(profile, 'off-cpu'), 'take');
    // What was told to run and had no CPU yet is waited as well, by the program's clock: not for the lock.
    const queued = under(profile, laneOf(profile, 'off-cpu', 'preempted'), 'take');
    expect(apart('lock', sum(Object.values(tips)) + queued, truth.lock)).toBeLessThan(0.03);
    expect((tips['lock'] ?? 0) / sum(Object.values(tips))).toBeGreaterThan(0.99);
    for (const [tid, cpu] of Object.entries(truth.cpu)) {
      const { onCpu, row } = accountOf(profile, Number(tid));
      expect(apart(`CPU of thread ${tid}`, onCpu, cpu)).toBeLessThan(0.05);
      expect(Math.abs(ofThread(laneOf(profile, 'cpu'), row).weight - onCpu)).toBeLessThan(0.01 * onCpu + 2e6);
    }
  }, 30_000);

  test('a file flushed and read past the cache: the disk', async () => {
    if (skips('disk_writes.c')) return;
    const { profile, out } = await record('disk', [program('disk_writes'), here.file('disk.tmp')], ...perf);
    expect(existsSync(here.file('disk.tmp'))).toBe(false);
    const truth = truthOf<{ flush: number; fetch: number }>(out);
    for (const name of ['flush', 'fetch'] as const) {
      if (truth[name] < 20e6) {
        console.log(`skipped: ${name} waits ${(truth[name] / 1e6).toFixed(1)} ms here, too little to be measured`);
        continue;
      }
      const tips = tipsUnder(profile, laneOf(profile, 'off-cpu'), name);
      const queued = under(profile, laneOf(profile, 'off-cpu', 'preempted'), name);
      expect(apart(name, sum(Object.values(tips)) + queued, truth[name])).toBeLessThan(0.06);
      expect((tips['disk'] ?? 0) / sum(Object.values(tips))).toBeGreaterThan(0.9);
    }
  }, 30_000);

  test('a pipe between two processes', async () => {
    if (skips('ping_pong.c')) return;
    const { profile, out } = await record('ping', [program('ping_pong')], ...perf);
    const truth = truthOf<{ read: number; child: number; childCpu: number }>(out);
    const tips = tipsUnder(profile, laneOf(profile, 'off-cpu'), 'serve_ping');
    const queued = under(profile, laneOf(profile, 'off-cpu', 'preempted'), 'serve_ping');
    expect(apart('read', sum(Object.values(tips)) + queued, truth.read)).toBeLessThan(0.03);
    expect((tips['pipe, socket'] ?? 0) / sum(Object.values(tips))).toBeGreaterThan(0.99);
    expect(apart('the child\'s CPU', accountOf(profile, truth.child).onCpu, truth.childCpu)).toBeLessThan(0.05);
    expect(under(profile, laneOf(profile, 'cpu'), 'serve_pong')).toBeGreaterThan(0.95 * truth.childCpu);
  }, 30_000);

  test('a pool of threads that wait for tasks', async () => {
    if (skips('thread_pool.c')) return;
    const { profile, out } = await record('pool', [program('thread_pool')], ...perf);
    const waits = laneOf(profile, 'off-cpu');
    const queues = laneOf(profile, 'off-cpu', 'preempted');
    for (const { tid, cpu, waited } of truthOf<{ workers: { tid: number; cpu: number; waited: number }[] }>(out).workers) {
      const { onCpu, row } = accountOf(profile, tid);
      expect(profile.threads.nameOf(row as never)).toMatch(/^pool-\d$/);
      expect(apart(`CPU of ${tid}`, onCpu, cpu)).toBeLessThan(0.05);
      // What it waited between tasks while it ran one belongs to the task: only waits are compared.
      const ours = ofThread(waits, row).weight;
      expect(apart(`waiting of ${tid}`, ours, waited)).toBeLessThan(0.03 + ofThread(queues, row).weight / waited);
    }
    const tips = tipsUnder(profile, waits, 'next_task');
    expect((tips['lock'] ?? 0) / sum(Object.values(tips))).toBeGreaterThan(0.99);
  }, 30_000);

  test('more busy threads than CPUs: preempted, not blocked, and all of it is the wall', async () => {
    if (skips('crowd.c')) return;
    const { profile, out } = await record('crowd', [program('crowd'), '1.5'], ...perf);
    const { threads } = truthOf<{ threads: { tid: number; wall: number; cpu: number; queued: number }[] }>(out);
    let queued = 0;
    for (const thread of threads) {
      const account = accountOf(profile, thread.tid);
      // A thread begins a moment before it looks at its clock, and ends one after.
      expect(Math.abs(account.onCpu + account.blocked + account.queued - thread.wall)).toBeLessThan(0.005 * thread.wall + 25e6);
      expect(Math.abs(account.onCpu - thread.cpu)).toBeLessThan(0.05 * thread.cpu + 10e6);
      expect(account.blocked).toBeLessThan(0.05 * thread.wall);
      queued += account.queued;
      // Sampled CPU time within three standard deviations of the exact one.
      const { samples } = ofThread(laneOf(profile, 'cpu'), account.row);
      const expected = thread.cpu / 1e9 * 99;
      expect(Math.abs(samples - expected)).toBeLessThan(3 * Math.sqrt(expected) + 2);
    }
    const truth = sum(threads.map((thread) => thread.wall - thread.cpu));
    expect(apart('without a CPU', queued, truth)).toBeLessThan(0.05);
    expect(apart('preempted lane', laneOf(profile, 'off-cpu', 'preempted').total, truth)).toBeLessThan(0.05);
    expect(under(profile, laneOf(profile, 'off-cpu'), 'never_wait')).toBeLessThan(0.05 * truth);
  }, 30_000);
});

describe('processes', () => {
  test('a tree of forks: every process, its parent, its CPU time', async () => {
    if (skips('fork_tree.c')) return;
    const { profile, out } = await record('forks', [program('fork_tree')], ...perf);
    const lines = out.trim().split('\n').map((line) => JSON.parse(line) as { pid: number; ppid: number; depth: number; cpu: number });
    expect(lines).toHaveLength(7);
    const { processes } = profile;
    const rowOf = new Map(Array.from({ length: processes.length }, (_, row) => [processes.pid.get(row), row]));
    for (const { pid, ppid, depth, cpu } of lines) {
      const row = rowOf.get(pid);
      if (row === undefined) throw new Error(`no process ${pid}`);
      if (depth > 0) expect(processes.parent.get(row)).toBe(rowOf.get(ppid));
      expect(Math.abs(accountOf(profile, pid).onCpu - cpu)).toBeLessThan(0.05 * cpu + 15e6);
    }
    const cpu = laneOf(profile, 'cpu');
    for (const [depth, name] of ['work_of_root', 'work_of_child', 'work_of_grandchild'].entries()) {
      const truth = sum(lines.filter((line) => line.depth === depth).map((line) => line.cpu));
      expect(Math.abs(100 * (under(profile, cpu, name) - truth) / sum(lines.map((line) => line.cpu)))).toBeLessThan(5);
    }
    const tips = tipsUnder(profile, laneOf(profile, 'off-cpu'), '');
    expect(tips['child'] ?? 0).toBeGreaterThan(0);
  }, 30_000);
});
