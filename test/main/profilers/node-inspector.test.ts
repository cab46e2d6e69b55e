import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import type { ThreadId } from '#core/model/ids';
import { Profile } from '#core/model/profile';
import type { RecordOptions } from '#core/protocol/api';
import { V8Decoder } from '#core/read/v8/decoder';
import { startOf } from '../../../main/processes/identity.ts';
import { handlesSignal } from '../../../main/profilers/node-signals.ts';
import { nodeInspector } from '../../../main/profilers/node-inspector.ts';
import { inspectorPlaces, listenersOf, signalState } from '../../../main/profilers/node-process.ts';
import { PlainRun, endTargets, startTarget, wait } from '../../support/plain-run.ts';

const programs = new URL('../../programs/', import.meta.url).pathname;
/** The Node of this project, and another version where the machine has one. */
const NODES = [process.execPath, ...['/usr/bin/node'].filter((path) => existsSync(path))];
if (NODES.length === 1) console.log('skipped: no second Node at /usr/bin/node');
const RISK = { risks: ['node-inspector'] };

const runs: PlainRun[] = [];
const children: ChildProcess[] = [];
afterEach(() => {
  endTargets();
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const run of runs.splice(0)) run.remove();
});

function newRun(pids: readonly number[], options: Partial<RecordOptions>, more: { children?: boolean } = {}): PlainRun {
  const run = new PlainRun(pids, options, { directory: programs.slice(0, -1), ...more });
  runs.push(run);
  return run;
}

/** All streams of a run, decoded as a recording does. */
function decode(run: PlainRun): Profile {
  const profile = new Profile();
  for (const { facts, windows } of run.windowStreams) {
    if (facts.decoder !== 'v8') throw new Error('another stream');
    const decoder = new V8Decoder(profile, { what: facts.what, zeroAt: run.zeroAt, directory: facts.directory, source: facts.source, interval: facts.interval });
    for (const { window, bytes } of windows) decoder.window(JSON.parse(JSON.stringify(window)), bytes);
    decoder.end();
  }
  return profile;
}

/** Weight by function, each row counted once for each function on its stack; of one thread where one is named. */
function totals(profile: Profile, name: string, thread?: RegExp): Map<string, number> {
  const sums = new Map<string, number>();
  for (const chunk of profile.lanes.find((lane) => lane.name === name)?.chunks ?? []) {
    for (let row = 0; row < chunk.rows; row++) {
      if (thread !== undefined && !thread.test(profile.threads.nameOf(chunk.thread[row] as ThreadId))) continue;
      const names = new Set<string>();
      for (let at = chunk.stack[row]; at >= 0; at = profile.stacks.prefix.get(at)) names.add(profile.functions.nameOf(profile.frames.functionOf(profile.stacks.frame.get(at) as never)));
      for (const fn of [...names, '*']) sums.set(fn, (sums.get(fn) ?? 0) + chunk.weight.get(row));
    }
  }
  return sums;
}

function cpuMs(pid: number, tid = pid): number {
  return Number(readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
}

/** Waits until a process has used so much more CPU time: as many samples, however busy the machine is. */
async function untilCpu(pid: number, ms: number): Promise<void> {
  const from = cpuMs(pid);
  for (let i = 0; i < 400 && cpuMs(pid) - from < ms; i++) await wait(50);
}

async function untilGrown(pid: number): Promise<void> {
  while (signalState(pid) === 'young') await wait(50);
}

describe.each(NODES)('with %s', (node) => {
  test('attach by SIGUSR1: the shares of a known program, its CPU time exact, the inspector closed again', async () => {
    const { pid } = await startTarget(node, [`${programs}busy_node.js`]);
    const run = newRun([pid], { ...RISK, rate: 500 });
    expect(nodeInspector.risk?.(run.target)).toMatch(/SIGUSR1.*every user of this machine/);
    expect((await nodeInspector.check(run.target)).map((check) => [check.lane, check.state])).toEqual([['cpu', 'ready'], ['memory', 'ready']]);
    const running = await nodeInspector.start(run);
    const before = cpuMs(pid);
    expect(listenersOf(pid).map((listener) => listener.host)).toEqual(['127.0.0.1']);
    await untilCpu(pid, 2200);
    const used = cpuMs(pid) - before;
    await running.stop();
    expect(await running.done).toEqual({ error: '' });
    expect(listenersOf(pid)).toEqual([]);
    expect(process.kill(pid, 0)).toBe(true);
    expect(run.windowStreams.every((stream) => stream.closed)).toBe(true);
    const profile = decode(run);
    const sums = totals(profile, 'v8');
    const [hot, warm] = [sums.get('hot') ?? 0, sums.get('warm') ?? 0];
    expect(Math.abs(hot / (hot + warm) - 0.75)).toBeLessThan(0.05);
    expect(profile.lane('cpu')?.samples).toBeGreaterThan(400);
    // Within a window and the time that starting took.
    expect(Math.abs((sums.get('*') ?? 0) / 1e6 / used - 1)).toBeLessThan(0.15);
    expect([...profile.skipped]).toEqual([]);
    const fn = Array.from({ length: profile.functions.length }, (_, i) => i).find((i) => profile.functions.nameOf(i as never) === 'hot');
    expect(profile.functions.fileOf(fn as never)).toBe(`${programs}busy_node.js`);
    expect(profile.functions.isOwn(fn as never)).toBe(true);
    expect(profile.processes.nameOf(0 as never)).toBe('busy_node.js');
  }, 40_000);

  test('idle is no CPU time, and workers are threads of their own', async () => {
    const { pid } = await startTarget(node, [`${programs}worker_node.js`]);
    const run = newRun([pid], { ...RISK, rate: 200 });
    const running = await nodeInspector.start(run);
    const before = cpuMs(pid);
    await wait(1800);
    const used = cpuMs(pid) - before;
    await running.stop();
    const profile = decode(run);
    const main = totals(profile, 'v8', /^(?!worker)/);
    const worker = totals(profile, 'v8', /^worker 1 worker_node\.js$/);
    expect(worker.get('inWorker') ?? 0).toBeGreaterThan((worker.get('*') ?? 0) * 0.8);
    expect(main.get('inMain') ?? 0).toBeGreaterThan(0);
    expect(main.get('inWorker')).toBeUndefined();
    expect(main.get('(idle)')).toBeUndefined();
    expect(Math.abs((main.get('*') ?? 0) / 1e6 / used - 1)).toBeLessThan(0.3);
    expect(profile.info.notes.join()).toMatch(/was idle for [\d.]+ of [\d.]+ s/);
    const tids = Array.from({ length: profile.threads.length }, (_, i) => profile.threads.tid.get(i));
    expect(tids).toContain(pid);
    expect(tids.every((tid) => existsSync(`/proc/${pid}/task/${tid}`))).toBe(true);
  }, 40_000);

  test.each(['light', 'full'] as const)('memory, %s: a program that holds one part of five', async (memory) => {
    const { pid, child } = await startTarget(node, [`${programs}heap_node.js`]);
    const turns: number[] = [];
    child.stdout?.on('data', (text: Buffer) => { for (const match of text.toString().matchAll(/turns (\d+)/g)) turns.push(Number(match[1])); });
    await untilGrown(pid);
    const run = newRun([pid], { ...RISK, lanes: ['memory'], memory });
    const running = await nodeInspector.start(run);
    while (turns.length === 0) await wait(10);
    const from = turns[turns.length - 1];
    while (turns[turns.length - 1] < from + 140) await wait(20);
    await running.stop();
    const made = (turns[turns.length - 1] - from) * 65_536;
    const profile = decode(run);
    const allocated = totals(profile, 'v8 heap');
    // Four arrays of five are dropped. Turns between the last window and the last count are not seen: up to a fifth of them on a busy machine.
    expect((allocated.get('*') ?? 0) / (5 * made)).toBeGreaterThan(0.7);
    expect((allocated.get('*') ?? 0) / (5 * made)).toBeLessThan(1.35);
    if (memory === 'full') {
      expect(profile.lanes.map((lane) => lane.name)).toEqual(['v8 heap']);
      expect(Math.abs((allocated.get('churn') ?? 0) / ((allocated.get('churn') ?? 0) + (allocated.get('leak') ?? 0)) - 0.8)).toBeLessThan(0.05);
    } else {
      const held = totals(profile, 'v8 heap held');
      expect((held.get('leak') ?? 0) / made).toBeGreaterThan(0.7);
      expect((held.get('leak') ?? 0) / made).toBeLessThan(1.35);
      expect(held.get('leak') ?? 0).toBeGreaterThan((held.get('*') ?? 0) * 0.75);
      expect(allocated.get('[collected before it was seen]') ?? 0).toBeGreaterThan(made);
    }
    // Node 20 now and then tells of a sample whose call it has dropped.
    expect([...profile.skipped.values()].reduce((sum, count) => sum + count, 0)).toBeLessThan(4);
    expect(listenersOf(pid)).toEqual([]);
  }, 60_000);

  test('launched: the environment opens it without a word, the last window of a program that ends is kept', async () => {
    const prepared = await nodeInspector.launch?.({ ...newRun([], {}).options }, '', { NODE_OPTIONS: '--no-warnings' });
    expect(prepared?.environment['NODE_OPTIONS']).toBe('--no-warnings --inspect=127.0.0.1:0 --inspect-publish-uid=http');
    let errors = '';
    // Short functions may be inlined before V8 is asked to look, and are part of their caller then.
    const program = 'function spin() { const end = Date.now() + 20; let x = 0; while (Date.now() < end) x++; return x } (function turn() { spin(); if (process.cpuUsage().user < 1e6) setImmediate(turn); else process.exitCode = 7; })();';
    const child = spawn(node, ['-e', program], { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...prepared?.environment } });
    children.push(child);
    child.stderr.on('data', (text: Buffer) => { errors += text.toString(); });
    const exited = new Promise<number | null>((resolve) => { child.once('exit', resolve); });
    const pid = child.pid ?? 0;
    const run = newRun([pid], { rate: 200 });
    Object.assign(run, { target: { kind: 'launch', argv: [node], directory: programs, environment: {} }, watched: [{ pid, start: startOf(pid) ?? 0 }] });
    expect((await nodeInspector.check(run.target)).map((check) => check.state)).toEqual(['ready', 'ready']);
    const running = await nodeInspector.start(run);
    expect(await running.done).toEqual({ error: '' });
    expect(await exited).toBe(7);
    expect(errors).not.toMatch(/listening/);
    const sums = totals(decode(run), 'v8');
    expect(sums.get('turn') ?? 0).toBeGreaterThan((sums.get('*') ?? 0) * 0.5);
    expect((sums.get('turn') ?? 0) / 1e6).toBeGreaterThan(300);
  }, 30_000);

  test('programs that end at any moment of ours end as they would', async () => {
    const prepared = await nodeInspector.launch?.({ ...newRun([], {}).options }, '', {});
    for (const ms of [0, 40, 80, 120, 160, 240]) {
      const child = spawn(node, ['-e', `const end = Date.now() + ${ms}; while (Date.now() < end); process.exitCode = 7;`], { stdio: 'ignore', env: { ...process.env, ...prepared?.environment } });
      children.push(child);
      const exited = new Promise<string>((resolve) => { child.once('exit', (code, signal) => { resolve(`${code} ${signal}`); }); });
      const pid = child.pid ?? 0;
      const run = newRun([pid], { rate: 200, lanes: ['cpu', 'memory'] });
      Object.assign(run, { target: { kind: 'launch', argv: [node], directory: programs, environment: {} }, watched: [{ pid, start: startOf(pid) ?? 0 }] });
      const running = await nodeInspector.start(run);
      expect(await running.done).toEqual({ error: '' });
      expect(await exited).toBe('7 null');
    }
  }, 30_000);

  test('a program that handles SIGUSR1 itself is refused, one that takes no such signal too', async () => {
    const { pid } = await startTarget(node, ['-e', "process.on('SIGUSR1', () => process.exit(9)); console.log('ready'); setInterval(() => {}, 1000)"]);
    await untilGrown(pid);
    expect(handlesSignal(pid, 10)).toBe(true);
    expect(handlesSignal(pid, 12)).toBe(false);
    const run = newRun([pid], RISK);
    expect(nodeInspector.risk?.(run.target)).toBe('');
    const [check] = await nodeInspector.check(run.target);
    expect(check.state).toBe('no');
    expect(check.text).toMatch(/has a handler of its own for SIGUSR1/);
    await expect(nodeInspector.start(run)).rejects.toThrow(/has a handler of its own for SIGUSR1/);
    await wait(100);
    expect(process.kill(pid, 0)).toBe(true);
  }, 20_000);
});

test('without the risk accepted nothing is sent', async () => {
  const { pid } = await startTarget(process.execPath, [`${programs}worker_node.js`]);
  await untilGrown(pid);
  const run = newRun([pid], {});
  await expect(nodeInspector.start(run)).rejects.toThrow(/a risk that was not accepted/);
  expect(listenersOf(pid)).toEqual([]);
}, 20_000);

test('a lane switched on and off, a pause, a rate', async () => {
  const { pid } = await startTarget(process.execPath, [`${programs}worker_node.js`]);
  const run = newRun([pid], { ...RISK, lanes: ['memory'] });
  const running = await nodeInspector.start(run);
  expect(run.windowStreams.map((stream) => stream.facts.id)).not.toContain('v8-cpu');
  await running.setLane?.('cpu', true);
  await wait(900);
  const cpu = run.windowStreams.find((stream) => stream.facts.id === 'v8-cpu');
  expect(cpu?.windows.length).toBeGreaterThan(0);
  expect(await running.setRate?.(50)).toBe(50);
  await running.pause();
  const there = cpu?.windows.length ?? 0;
  await wait(800);
  expect(cpu?.windows.length).toBe(there);
  await running.resume();
  await wait(1200);
  expect(cpu?.windows.length).toBeGreaterThan(there);
  await running.setLane?.('cpu', false);
  const last = cpu?.windows.length;
  await wait(800);
  expect(cpu?.windows.length).toBe(last);
  await running.stop();
  expect(listenersOf(pid)).toEqual([]);
}, 40_000);

test('an inspector that is open already is used, and left open', async () => {
  const { pid } = await startTarget(process.execPath, ['--inspect=127.0.0.1:0', `${programs}busy_node.js`]);
  const run = newRun([pid], {});
  expect(nodeInspector.risk?.(run.target)).toBe('');
  expect((await nodeInspector.check(run.target)).map((check) => check.state)).toEqual(['ready', 'ready']);
  const running = await nodeInspector.start(run);
  await wait(700);
  await running.stop();
  expect(inspectorPlaces(pid)).toHaveLength(1);
  expect(run.windowStreams[0].windows.length).toBeGreaterThan(0);
}, 20_000);

test('two processes share the usual port one after the other', async () => {
  const pids = [await startTarget(process.execPath, [`${programs}worker_node.js`]), await startTarget(process.execPath, [`${programs}worker_node.js`])].map(({ pid }) => pid);
  const run = newRun(pids, RISK);
  const running = await nodeInspector.start(run);
  await wait(800);
  expect(pids.map((pid) => listenersOf(pid).length)).toEqual([1, 1]);
  await running.stop();
  expect(pids.map((pid) => listenersOf(pid))).toEqual([[], []]);
  expect(new Set(run.windowStreams[0].windows.map(({ window }) => window.threads[0].pid))).toEqual(new Set(pids));
}, 30_000);

test('a target that is killed ends it cleanly', async () => {
  const { pid, child } = await startTarget(process.execPath, [`${programs}busy_node.js`]);
  const run = newRun([pid], RISK);
  const running = await nodeInspector.start(run);
  await wait(600);
  child.kill('SIGKILL');
  expect(await running.done).toEqual({ error: '' });
}, 20_000);

test('what is not Node is refused with words', async () => {
  const { pid } = await startTarget('/bin/sh', ['-c', 'echo ready; exec sleep 60']);
  const run = newRun([pid], RISK);
  expect((await nodeInspector.check(run.target))[0]).toMatchObject({ state: 'no', text: `Process ${pid} is not a Node process: V8's profilers are for JavaScript programs.` });
  await expect(nodeInspector.start(run)).rejects.toThrow(/is not a Node process/);
  expect((await nodeInspector.check({ kind: 'launch', argv: ['sleep', '1'], directory: '', environment: {} }))[0].state).toBe('no');
  expect((await nodeInspector.check({ kind: 'launch', argv: ['npm', 'test'], directory: '', environment: {} }))[0].state).toBe('ready');
});
