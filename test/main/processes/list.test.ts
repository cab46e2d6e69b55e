import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { afterEach, expect, test } from 'vitest';
import type { ProcessRow } from '#core/protocol/api';
import { CpuMeter, cpuTimeOf } from '../../../main/processes/cpu.ts';
import { checkIdentity, isAlive, namespacePid, startOf, threadsOf } from '../../../main/processes/identity.ts';
import { ProcessLister } from '../../../main/processes/list.ts';
import { descendants, pickWorkers, withDescendants } from '../../../main/processes/tree.ts';

const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

async function start(command: string, args: string[], environment: Record<string, string> = {}): Promise<number> {
  const child = spawn(command, args, { env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'inherit'] });
  started.push(child);
  await new Promise((resolve) => child.stdout.once('data', resolve));
  if (child.pid === undefined) throw new Error(`${command} did not start`);
  return child.pid;
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms); });

test('a busy Python rank is listed with version, rank, CPU and owner', async () => {
  const pid = await start('/usr/bin/python3', ['-c', 'print(1, flush=True)\nwhile True: pass'], { RANK: '3', WORLD_SIZE: '8' });
  const lister = new ProcessLister();
  const first = (await lister.list()).find((row) => row.pid === pid);
  expect(first).toMatchObject({ ppid: process.pid, runtime: 'python', name: 'python3 -c', rank: 3, worldSize: 8, launcher: false, mine: true, cpu: null, threads: 1 });
  expect(first?.runtimeVersion).toMatch(/^3\.\d+/);
  expect(first?.user).not.toBe('');
  expect(Math.abs((first?.startedAt ?? 0) - Date.now())).toBeLessThan(30_000);
  await wait(400);
  const second = (await lister.list()).find((row) => row.pid === pid);
  expect(second?.cpu).toBeGreaterThan(5);
  expect(second?.rss).toBeGreaterThan(1 << 20);
});

test('Node and kernel threads are told apart from native programs', async () => {
  const node = await start(process.execPath, ['-e', 'console.log(1); setInterval(() => {}, 1000)']);
  const rows = await new ProcessLister().list();
  expect(rows.find((row) => row.pid === node)).toMatchObject({ runtime: 'node', runtimeVersion: process.versions.node });
  const kernel = rows.find((row) => row.pid === 2);
  if (kernel === undefined) console.log('skipped: no kernel threads are visible in this pid namespace');
  else expect(kernel).toMatchObject({ runtime: 'kernel', name: 'kthreadd', argv: [], mine: false });
});

test('a launcher stands for its workers, and a worker keeps its own children', async () => {
  const worker = 'import os, time\nif os.fork() == 0: time.sleep(60)\nprint("up", flush=True)\ntime.sleep(60)';
  const shell = await start('bash', ['-c', '/usr/bin/python3 -c "$1" & sleep 60 & wait', 'bash', worker]);
  await wait(200);
  const rows = await new ProcessLister().list();
  expect(rows.find((row) => row.pid === shell)).toMatchObject({ name: 'bash', launcher: true });
  expect(descendants(rows, shell).map((row) => row.name).sort()).toEqual(['python3 -c', 'python3 -c', 'sleep']);
  expect(pickWorkers(rows, shell).map((row) => row.name).sort()).toEqual(['python3 -c', 'sleep']);
  expect(withDescendants([shell]).length).toBe(4);
  for (const row of descendants(rows, shell)) process.kill(row.pid, 'SIGKILL');
});

test('workers of torchrun are its ranks', () => {
  const row = (pid: number, ppid: number, name: string, launcher: boolean, rank: number | null): ProcessRow => ({
    pid, ppid, start: 1, startedAt: 0, user: 'u', name, argv: [], runtime: 'python', runtimeVersion: '3.11', rank, worldSize: null, container: '',
    threads: 1, cpu: 0, rss: 0, gpuMemory: null, gpu: null, launcher, mine: true,
  });
  const rows = [
    row(10, 1, 'bash', true, null), row(11, 10, 'torchrun', true, null), row(12, 11, 'train.py', false, 0), row(13, 11, 'train.py', false, 1),
    row(14, 12, 'train.py', false, 0), row(15, 11, 'multiprocessing.resource_tracker', false, null),
  ];
  expect(pickWorkers(rows, 10).map((worker) => worker.pid)).toEqual([12, 13]);
  expect(pickWorkers(rows, 12).map((worker) => worker.pid)).toEqual([12]);
  expect(pickWorkers(rows, 99)).toEqual([]);
});

test('(pid, start) names a process for good, and processes that vanish harm nobody', async () => {
  const pid = await start('/usr/bin/python3', ['-c', 'import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\nprint(1, flush=True)\ntime.sleep(60)']);
  const birth = startOf(pid) ?? 0;
  expect(birth).toBeGreaterThan(0);
  expect(isAlive({ pid, start: birth })).toBe(true);
  expect(isAlive({ pid, start: birth - 1 })).toBe(false);
  expect(() => { checkIdentity({ pid, start: birth - 1 }); }).toThrow(/belongs to another process/);
  expect(threadsOf(pid)).toHaveLength(2);
  expect(namespacePid(process.pid)).toBeGreaterThan(0);
  const meter = new CpuMeter();
  expect(meter.percent([pid], 1e9)).toBeNull();
  expect(meter.percent([pid], 2e9)).toBeLessThan(50);
  const child = started[0];
  child.kill('SIGKILL');
  await new Promise((resolve) => child.once('exit', resolve));
  expect(isAlive({ pid, start: birth })).toBe(false);
  expect(cpuTimeOf(pid)).toBeNull();
  expect(threadsOf(pid)).toEqual([]);
  expect(() => { checkIdentity({ pid, start: birth }); }).toThrow(`Process ${pid} has ended.`);
});
