// Lanes of a live recording: judged one by one, told truly, switched, and what they cost the target.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LaneKind } from '#core/model/lane';
import type { LaneStatus, RecordOptions, Target } from '#core/protocol/api';
import { FIRST_OPTIONS } from '#core/protocol/api';
import type { Profiler } from '../../../main/profilers/profiler.ts';
import { chooseProfilers, starters } from '../../../main/record/choose.ts';
import { CostMeter, laneCost } from '../../../main/record/cost.ts';
import type { ProcessLoad } from '../../../main/record/depth.ts';
import { depthOf, isOverBudget, lightText, sizeOf, smallText } from '../../../main/record/depth.ts';
import type { Recording } from '../../../main/record/recording.ts';
import { startRecording } from '../../../main/record/start.ts';
import { fakeProfiler } from '../../support/fake-profiler.ts';

const FOUR: readonly LaneKind[] = ['cpu', 'off-cpu', 'memory', 'cuda'];
const LAUNCH: Target = { kind: 'launch', argv: ['true'], directory: '', environment: {} };
const options = (change: Partial<RecordOptions> = {}): RecordOptions => ({ ...FIRST_OPTIONS, lanes: FOUR, ...change });

describe('which profilers start, and for what', () => {
  const chosen = async (profilers: readonly Profiler[], change: Partial<RecordOptions> = {}) => {
    const choice = await chooseProfilers(profilers, LAUNCH, options(change));
    return { starts: starters(choice).map(({ profiler, lanes }) => `${profiler.id}: ${lanes.join(',')}`), notices: choice.notices.map(({ text }) => text), none: choice.none?.message ?? null };
  };
  const perf = fakeProfiler({ id: 'perf', lanes: ['cpu', 'off-cpu', 'memory'], states: { memory: 'fix' } }).profiler;
  const cuda = fakeProfiler({ id: 'cuda', lanes: ['cuda'], states: { cuda: 'no' }, texts: { cuda: 'There is no GPU.' } }).profiler;

  test('a lane that does not work is not asked of its profiler, and stops nobody', async () => {
    expect(await chosen([perf, cuda])).toEqual({ starts: ['perf: cpu,off-cpu'], notices: ['perf on memory'], none: null });
  });
  test('what cannot be here is no news, unless it was all that was wanted', async () => {
    expect((await chosen([perf, cuda])).notices).not.toContain('There is no GPU.');
    expect(await chosen([perf, cuda], { lanes: ['cuda'] })).toMatchObject({ starts: [], none: 'There is no GPU.' });
    expect((await chosen([perf, cuda], { profilers: ['perf', 'cuda'] })).notices).toContain('There is no GPU.');
  });
  test('page faults are a part of memory', async () => {
    const faults = fakeProfiler({ id: 'perf', lanes: ['memory', 'faults'] }).profiler;
    expect((await chosen([faults], { lanes: ['memory'] })).starts).toEqual(['perf: memory,faults']);
  });
  test('one that stands in for others starts where none of them works, or by name', async () => {
    const helper = fakeProfiler({ id: 'helper', lanes: ['cpu'], states: { cpu: 'partly' }, more: { insteadOf: ['perf', 'py-spy'] } }).profiler;
    expect((await chosen([perf, helper])).starts).toEqual(['perf: cpu,off-cpu']);
    expect((await chosen([perf, helper], { profilers: ['helper'] })).starts).toEqual(['helper: cpu']);
    const without = fakeProfiler({ id: 'perf', lanes: ['cpu', 'off-cpu'], states: { cpu: 'fix', 'off-cpu': 'fix' }, texts: { cpu: 'perf is missing', 'off-cpu': 'perf is missing' } }).profiler;
    expect(await chosen([without, helper])).toEqual({ starts: ['helper: cpu'], notices: ['perf is missing', 'helper on cpu'], none: null });
  });
  test('every allocation only when it was asked for; a risk only when it was accepted', async () => {
    const heap = fakeProfiler({ id: 'heap', lanes: ['memory'], more: { full: true } }).profiler;
    expect((await chosen([perf, heap])).starts).toEqual(['perf: cpu,off-cpu']);
    expect((await chosen([perf, heap], { memory: 'full' })).starts).toEqual(['perf: cpu,off-cpu', 'heap: memory']);
    const risky = fakeProfiler({ id: 'risky', lanes: ['memory'], more: { risk: () => 'It may stop the program.' } }).profiler;
    expect((await chosen([perf, risky])).starts).toEqual(['perf: cpu,off-cpu']);
    expect((await chosen([perf, risky], { risks: ['risky'] })).starts).toEqual(['perf: cpu,off-cpu', 'risky: memory']);
    expect((await chosen([risky], { profilers: ['risky'] })).notices).toEqual(['risky was not started: It may stop the program.']);
  });
});

describe('a live recording', () => {
  let home: string;
  let target: ChildProcess;
  const recordings: Recording[] = [];
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'fb-lanes-'));
    target = spawn(process.execPath, ['-e', 'for (;;) Math.sqrt(Math.random());'], { stdio: 'ignore' });
  });
  afterEach(async () => {
    for (const recording of recordings.splice(0)) await recording.dispose();
    target.kill('SIGKILL');
    rmSync(home, { recursive: true, force: true });
  });

  async function start(profilers: readonly Profiler[], change: Partial<RecordOptions> = {}): Promise<Recording> {
    const recording = await startRecording({
      target: { kind: 'attach', processes: [{ pid: target.pid ?? 0, start: 0 }], children: false }, options: options(change), terminal: 'pty', home, profilers,
    });
    recordings.push(recording);
    await expect.poll(() => recording.status().phase).toBe('recording');
    return recording;
  }
  const told = (recording: Recording) => recording.status().lanes.map(({ kind, state, switchable, profilers, text }) => `${kind} ${state}${switchable ? '*' : ''} ${profilers.join('+')}${text === '' ? '' : `: ${text}`}`);
  const lane = (recording: Recording, kind: LaneKind): LaneStatus | undefined => recording.status().lanes.find((one) => one.kind === kind);

  test('one status a lane: what fills it, what it lacks, whether it can be switched', async () => {
    const both = fakeProfiler({ id: 'both', lanes: ['cpu', 'off-cpu'], states: { 'off-cpu': 'partly' }, texts: { 'off-cpu': 'without stacks' }, switches: true });
    const one = fakeProfiler({ id: 'one', lanes: ['cpu'] });
    const heap = fakeProfiler({ id: 'heap', lanes: ['memory'], fails: 'the heap is closed' });
    const cuda = fakeProfiler({ id: 'cuda', lanes: ['cuda'], states: { cuda: 'no' }, texts: { cuda: 'There is no GPU.' } });
    const recording = await start([both.profiler, one.profiler, heap.profiler, cuda.profiler]);
    await expect.poll(() => lane(recording, 'memory')?.state).toBe('failed');
    expect(told(recording)).toEqual(['cpu on* both+one', 'off-cpu on* both: without stacks', 'memory failed* heap: the heap is closed', 'cuda none : There is no GPU.']);
    await expect.poll(() => recording.status().samples).toBeGreaterThan(0);
    await recording.stop();
    // A lane that could not start is no error of the others; what they did is still told.
    expect((await recording.done).error).toBe('');
    expect(told(recording)).toEqual(['cpu on both+one', 'off-cpu on both: without stacks', 'memory failed heap: the heap is closed', 'cuda none : There is no GPU.']);
    expect(recording.status().notices.map(({ id }) => id)).toContain('failed-heap');
  });

  test('switched off and on: by the profiler, or by a pause of one that has this lane alone', async () => {
    const both = fakeProfiler({ id: 'both', lanes: ['cpu', 'off-cpu'], switches: true });
    const one = fakeProfiler({ id: 'one', lanes: ['cpu'] });
    const recording = await start([both.profiler, one.profiler], { lanes: ['cpu', 'off-cpu'] });
    await recording.setLane('cpu', false);
    expect(lane(recording, 'cpu')).toMatchObject({ state: 'off', text: 'Switched off.', switchable: true });
    expect(lane(recording, 'off-cpu')?.state).toBe('on');
    // A pause of all leaves what rests resting.
    await recording.pause(true);
    await recording.pause(false);
    await recording.setLane('cpu', true);
    expect(lane(recording, 'cpu')?.state).toBe('on');
    expect(both.calls).toEqual(['start cpu,off-cpu', 'off cpu', 'pause', 'resume', 'on cpu']);
    expect(one.calls).toEqual(['start cpu', 'pause', 'resume']);
    await expect(recording.setLane('cuda', true)).rejects.toThrow(/Nothing here records CUDA/);
    await expect(recording.setLane('cuda', false)).rejects.toThrow(/not being recorded/);
  });

  test('a lane of which a part would go on is not switched off', async () => {
    const perf = fakeProfiler({ id: 'perf', lanes: ['cpu', 'memory'], switches: true });
    const heap = fakeProfiler({ id: 'heap', lanes: ['memory'], goesOn: true });
    const recording = await start([perf.profiler, heap.profiler], { lanes: ['cpu', 'memory'] });
    await expect.poll(() => lane(recording, 'memory')?.profilers).toEqual(['perf', 'heap']);
    expect(lane(recording, 'memory')).toMatchObject({ state: 'on', switchable: false });
    await expect(recording.setLane('memory', false)).rejects.toThrow('the lane memory cannot be switched off: heap takes it from its start to its end');
    expect(lane(recording, 'memory')?.state).toBe('on');
    expect([perf.calls, heap.calls]).toEqual([['start cpu,memory'], ['start memory']]);
    await recording.setLane('cpu', false);
    expect(lane(recording, 'cpu')?.state).toBe('off');
  });

  test('page faults come and go with memory', async () => {
    const perf = fakeProfiler({ id: 'perf', lanes: ['cpu', 'memory', 'faults'], switches: true });
    const recording = await start([perf.profiler], { lanes: ['cpu', 'memory'] });
    await recording.setLane('memory', false);
    await recording.setLane('memory', true);
    expect(perf.calls).toEqual(['start cpu,memory,faults', 'off memory', 'off faults', 'on memory', 'on faults']);
    expect(lane(recording, 'faults')?.state).toBe('on');
  });

  test('a lane that nobody fills starts the profiler that could', async () => {
    const cpu = fakeProfiler({ id: 'cpu', lanes: ['cpu'] });
    const waits = fakeProfiler({ id: 'waits', lanes: ['off-cpu', 'cpu'], switches: true });
    const cannot = fakeProfiler({ id: 'cannot', lanes: ['cuda'], fails: 'the driver is missing' });
    const recording = await start([cpu.profiler, waits.profiler, cannot.profiler], { lanes: ['cpu'], profilers: [] });
    await recording.setLane('cpu', false);
    expect(waits.calls).toEqual(['start cpu', 'off cpu']);
    await recording.setLane('off-cpu', true);
    // It runs already: it is asked.
    expect(waits.calls).toEqual(['start cpu', 'off cpu', 'on off-cpu']);
    expect(lane(recording, 'off-cpu')).toMatchObject({ state: 'on', profilers: ['waits'] });
    expect(lane(recording, 'cuda')).toMatchObject({ state: 'off', text: 'Not asked for.', switchable: true });
    await expect(recording.setLane('cuda', true)).rejects.toThrow('the driver is missing');
    expect(lane(recording, 'cuda')).toMatchObject({ state: 'failed', text: 'the driver is missing' });
    expect(recording.status().phase).toBe('recording');
  });

  test('a profiler that was not needed starts when its lane is switched on', async () => {
    const cpu = fakeProfiler({ id: 'cpu', lanes: ['cpu'] });
    const waits = fakeProfiler({ id: 'waits', lanes: ['off-cpu'] });
    const recording = await start([cpu.profiler, waits.profiler], { lanes: ['cpu'] });
    expect(waits.calls).toEqual([]);
    await recording.setLane('off-cpu', true);
    expect(waits.calls).toEqual(['start off-cpu']);
    expect(lane(recording, 'off-cpu')).toMatchObject({ state: 'on', profilers: ['waits'], switchable: true });
    await recording.setLane('off-cpu', false);
    expect(waits.calls).toEqual(['start off-cpu', 'pause']);
  });

  test('one that dies fails its lane and leaves the others', async () => {
    const cpu = fakeProfiler({ id: 'cpu', lanes: ['cpu'] });
    const waits = fakeProfiler({ id: 'waits', lanes: ['off-cpu'], dies: { after: 300, error: 'waits was killed' } });
    const recording = await start([cpu.profiler, waits.profiler], { lanes: ['cpu', 'off-cpu'] });
    await expect.poll(() => lane(recording, 'off-cpu')?.state).toBe('failed');
    expect(lane(recording, 'off-cpu')).toMatchObject({ text: 'waits was killed', switchable: true });
    expect(recording.status().phase).toBe('recording');
    // It is started again under a name of its own, into the same lane.
    await recording.setLane('off-cpu', true);
    expect(waits.calls).toEqual(['start off-cpu', 'start off-cpu']);
  });

  test('a cost beyond the limit lowers the rate, step by step, and says so with numbers', async () => {
    const fake = fakeProfiler({ id: 'fake', lanes: ['cpu'], rates: true });
    const recording = await start([fake.profiler], { lanes: ['cpu'], rate: 40, mostCost: 0.001 });
    const notice = (id: string) => recording.status().notices.find((one) => one.id === id)?.text ?? '';
    await expect.poll(() => notice('cost'), { timeout: 20_000 }).toMatch(/^Sampling cost \d+\.\d % of the target; the rate was lowered from 40 to 20 Hz\.$/);
    expect(recording.status().rate).toBe(20);
    expect(recording.status().targetCost).toBeGreaterThan(0);
    await expect.poll(() => fake.calls, { timeout: 20_000 }).toContain('rate 10');
    expect(recording.status().rate).toBe(10);
    expect(notice('cost')).toMatch(/lowered from 40 to 10 Hz/);
  }, 40_000);
});

describe('what profiling costs', () => {
  const S = 1e9;
  const cpu = (samples: number) => [{ kind: 'cpu' as const, name: 'cycles', samples, rows: samples }];

  test('by event: samples, switches, faults, allocations', () => {
    const ns = (kind: LaneKind, name: string, samples: number, rows = samples) => laneCost({ kind, name, samples, rows }, 'dwarf', 'dwarf');
    expect([ns('cpu', 'cycles', 100), ns('cpu', 'py-spy', 100), ns('off-cpu', 'sched_switch', 100), ns('off-cpu', 'proc', 100)]).toEqual([2_700_000, 10_000_000, 1_200_000, 0]);
    expect([ns('faults', 'page-faults', 6400, 100), ns('memory', 'heaptrack', 1e6), ns('memory', 'heaptrack held', 1e6), ns('cuda', 'x', 5)]).toEqual([1_100_000, 4e8, 0, 0]);
    expect(laneCost({ kind: 'off-cpu', name: 'switches', samples: 100, rows: 2 }, 'dwarf', 'none')).toBe(120_000);
  });
  test('of all the time, and of the last seconds', () => {
    const meter = new CostMeter();
    for (let s = 0; s <= 10; s++) meter.add(s * S, cpu(s * 100), 'dwarf', 'none', s * S);
    expect(meter.total).toBeCloseTo(0.27);
    for (let s = 11; s <= 20; s++) meter.add(s * S, cpu(1000 + (s - 10) * 3000), 'dwarf', 'none', s * S);
    expect(meter.recent?.percent).toBeCloseTo(8.1);
    expect(meter.recent?.sampledPercent).toBeCloseTo(8.1);
    meter.add(21 * S, [...cpu(34_000), { kind: 'off-cpu', name: 'sched_switch', samples: 90_000, rows: 10 }], 'dwarf', 'dwarf', 21 * S);
    expect(meter.recent).toMatchObject({ most: 'off-cpu', percent: expect.closeTo(44.1), sampledPercent: expect.closeTo(8.1), mostPercent: expect.closeTo(36) });
  });
  test('it must last for three seconds; after a change it counts anew', () => {
    const meter = new CostMeter();
    const over: boolean[] = [];
    for (let s = 0; s <= 7; s++) {
      meter.add(s * S, cpu(s * 3000), 'dwarf', 'none', s * S);
      over.push(meter.over(5));
    }
    expect(over).toEqual([false, false, false, false, false, true, true, true]);
    meter.forget();
    expect(meter.over(5)).toBe(false);
    expect(new CostMeter().over(5)).toBe(false);
  });
  test('a target that does nothing has no cost that could be told', () => {
    const meter = new CostMeter();
    for (let s = 0; s <= 9; s++) meter.add(s * S, cpu(s), 'dwarf', 'none', s * 1e6);
    expect([meter.total, meter.recent, meter.over(5)]).toEqual([null, null, false]);
  });
});

describe('depth follows size', () => {
  const load = (pid: number, change: Partial<ProcessLoad> = {}): ProcessLoad => ({ pid, start: 1, ppid: 1, rank: null, launcher: false, threads: 4, cores: 0.5, switches: 10, ...change });
  const all = { lanes: FOUR, rate: 99, stacks: 'auto' } as const;

  test('a small target is recorded in full', () => {
    const loads = [load(10), load(11, { ppid: 10 })];
    expect(depthOf(loads, all)).toMatchObject({ full: loads, light: [] });
  });
  test('over budget one rank and its busiest worker, neither the launcher nor the other ranks', () => {
    const loads = [load(5, { launcher: true, threads: 1 })];
    for (let rank = 0; rank < 8; rank++) {
      loads.push(load(100 + rank, { ppid: 5, rank, threads: 3000 }));
      for (let w = 0; w < 4; w++) loads.push(load(200 + rank * 10 + w, { ppid: 100 + rank, rank, threads: 40, cores: w / 10 }));
    }
    const depth = depthOf(loads, all);
    expect(isOverBudget(depth.whole)).toBe(true);
    expect(depth.full.map(({ pid }) => pid)).toEqual([100, 203]);
    expect(depth.light).toHaveLength(loads.length - 2);
    const text = lightText(depth, true);
    expect(text).toMatch(/^All 41 processes in full would take [\d\u2009]+ perf files, [\d.]+ MB a second/);
    expect(text).toContain('Rank 0 and its busiest worker (3 040 threads) are recorded in full. The other 39 processes are recorded lightly: Python stacks 20 times a second, and CPU and memory over time.');
    expect(lightText(depth, false)).toContain('lightly: CPU and memory over time.');
  });
  test('without ranks the busiest tree; a single process is never light', () => {
    const loads = [load(10, { threads: 9000, cores: 0.1 }), load(20, { threads: 9000 }), load(21, { ppid: 20, cores: 0.7 })];
    expect(depthOf(loads, all).full.map(({ pid }) => pid)).toEqual([20, 21]);
    expect(depthOf([load(10, { threads: 90_000 })], all).light).toEqual([]);
  });
  test('smaller stacks before light detail, where bytes alone are over budget', () => {
    const loads = [load(10, { threads: 15, switches: 1400, cores: 1 }), load(11, { ppid: 10, threads: 15, switches: 1400 }), load(12, { ppid: 10, threads: 15, switches: 1400 })];
    const waits = { ...all, lanes: ['cpu', 'off-cpu'] as const };
    const depth = depthOf(loads, waits);
    expect([depth.full.length, depth.light.length, depth.small, isOverBudget(depth.whole)]).toEqual([3, 0, true, true]);
    expect(smallText(depth)).toMatch(/^2 KB of stack are copied with each wait instead of 4: that would take [\d.]+ MB a second, 2\.\d GB of disk an hour\./);
    // Too many files, or too much of everything: light.
    expect(depthOf(loads.map((one) => ({ ...one, threads: 9000 })), waits)).toMatchObject({ small: false, light: [{ pid: 12 }] });
    expect(depthOf(loads.map((one) => ({ ...one, switches: 40_000 })), waits)).toMatchObject({ small: false, full: [{ pid: 10 }, { pid: 11 }] });
    expect(depthOf([load(10, { switches: 5000 })], waits)).toMatchObject({ small: true, light: [] });
  });
  test('bytes by what is sampled and how often it switches', () => {
    const size = sizeOf([load(1, { threads: 2, switches: 1000 })], { ...all, lanes: ['cpu', 'off-cpu'] }, 1);
    expect(size.bytes).toBe(99 * 16_900 + 1000 * 4600);
    expect(sizeOf([load(1, { switches: 1000 })], { ...all, lanes: ['cpu'] }, 1).bytes).toBe(99 * 16_900);
  });
});
