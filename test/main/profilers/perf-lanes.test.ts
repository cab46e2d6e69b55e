// Lanes switched and the rate changed while perf records: what is in the rows afterwards.
import { afterEach, expect, test } from 'vitest';
import type { LaneKind } from '#core/model/lane';
import { Profile } from '#core/model/profile';
import type { Lane } from '#core/model/lane';
import { ns } from '#core/model/ids';
import { NO_SOURCES } from '#core/native/sources';
import { PerfDecoder } from '#core/read/perf/decoder';
import { PerfShared } from '#core/read/perf/threads';
import { findTool } from '../../../main/profilers/find-tool.ts';
import { perf } from '../../../main/profilers/perf.ts';
import { findPerf } from '../../../main/profilers/perf-tool.ts';
import { tracefsReadable } from '../../../main/profilers/system.ts';
import { readContext } from '../../../main/record/read-context.ts';
import { PlainRun, endTargets, startTarget, wait } from '../../support/plain-run.ts';

const python = findTool('python3') ?? '/usr/bin/python3';
const tool = await findPerf();
const missing = !tool.found || process.geteuid?.() !== 0;
if (missing) console.log(tool.found ? 'skipped: these tests need root' : `skipped: perf does not run here: ${tool.said}`);

/** Runs 4 ms, sleeps 6 ms, and touches 100 new pages, over and over. */
const HALF = `
import time, mmap
print('ready', flush=True)
while True:
    end = time.monotonic() + 0.004
    while time.monotonic() < end: pass
    time.sleep(0.006)
    memory = mmap.mmap(-1, 409600)
    for page in range(100): memory[page * 4096] = 1
    memory.close()
`;
const BUSY = `
print('ready', flush=True)
while True: sum(range(1000))
`;

const runs: PlainRun[] = [];
afterEach(() => {
  endTargets();
  for (const run of runs.splice(0)) run.remove();
});

async function start(source: string, lanes: readonly LaneKind[]): Promise<{ run: PlainRun; running: Awaited<ReturnType<typeof perf.start>>; pid: number }> {
  const { pid } = await startTarget(python, ['-c', source]);
  const run = new PlainRun([pid], { lanes });
  runs.push(run);
  return { run, running: await perf.start(run), pid };
}

/** What the decoder thread makes of a run's streams and marks. */
function decoded(run: PlainRun): Profile {
  const profile = new Profile();
  for (const mark of run.marks) profile.marks.add({ ...mark, start: ns(mark.start - run.zeroAt), end: ns(mark.end - run.zeroAt) });
  const shared = new PerfShared(profile, { sources: NO_SOURCES, directory: '' });
  for (const { facts, chunks } of run.streams) {
    if (facts.decoder !== 'perf') continue;
    const decoder = new PerfDecoder(profile, {
      zeroAt: run.zeroAt, stacks: facts.stacks, rateHz: facts.rateHz, directory: '', source: facts.source, live: false, sources: NO_SOURCES, context: readContext('test'), shared,
      ...(facts.from === undefined ? {} : { from: facts.from }), ...(facts.offCpu === undefined ? {} : { offCpu: facts.offCpu }),
      ...(facts.faults === undefined ? {} : { faults: facts.faults }), ...(facts.memory === undefined ? {} : { memory: facts.memory }),
    });
    for (const chunk of chunks) decoder.push(chunk);
    decoder.end();
  }
  return profile;
}

const SECOND = 1e9;

/** Weight of a lane's rows in [from, to), intervals by their overlap; in seconds for lanes of time. */
function within(lane: Lane | null, from: number, to: number): number {
  let sum = 0;
  for (const chunk of lane?.chunks ?? []) {
    for (let row = 0; row < chunk.rows; row++) {
      const time = chunk.timeAt(row);
      const length = chunk.duration.get(row);
      if (length === 0) sum += time >= from && time < to ? chunk.weight.get(row) : 0;
      else sum += chunk.weight.get(row) * Math.max(0, Math.min(to, time + length) - Math.max(from, time)) / length;
    }
  }
  return lane?.unit === 'ns' ? sum / SECOND : sum;
}

const gapsOf = (run: PlainRun) => run.marks.filter(({ kind }) => kind === 'gap').map(({ start, end, text }) => ({ start: start - run.zeroAt, end: end - run.zeroAt, text }));

test.skipIf(missing)('waiting is switched off and on in the same perf: nothing in the gap, all of it around', async () => {
  const { run, running } = await start(HALF, ['cpu', 'off-cpu']);
  await wait(500);
  await running.setLane?.('off-cpu', false);
  await wait(500);
  await running.setLane?.('off-cpu', true);
  await wait(500);
  await running.stop();
  expect(run.streams).toHaveLength(1);
  expect(run.notices).toEqual([]);
  const [gap] = gapsOf(run);
  expect(gap.text).toBe('Waiting was switched off');
  expect(run.marks.map(({ kind }) => kind)).toEqual(['note', 'gap']);
  const profile = decoded(run);
  const waits = profile.lane('off-cpu');
  expect(within(waits, gap.start, gap.end)).toBe(0);
  for (const [from, to] of [[gap.start - 0.4 * SECOND, gap.start], [gap.end + 0.05 * SECOND, gap.end + 0.45 * SECOND]]) {
    const share = within(waits, from, to) / ((to - from) / SECOND);
    expect(share).toBeGreaterThan(0.05);
    expect(share).toBeLessThanOrEqual(1);
  }
  // CPU went on, with what it is worth.
  const cpu = profile.lane('cpu');
  expect(within(cpu, gap.start, gap.end)).toBeGreaterThan(0);
  const exact = profile.threads.onCpu.view().reduce((sum, one) => sum + Math.max(0, one), 0) / SECOND;
  expect((cpu?.total ?? 0) / SECOND).toBeCloseTo(exact, 3);
}, 20_000);

test.skipIf(missing)('CPU is switched off and on by another perf: its time is in no row, waiting goes on', async () => {
  const { run, running } = await start(HALF, ['cpu', 'off-cpu']);
  await wait(300);
  await running.setLane?.('cpu', false);
  await wait(400);
  await running.setLane?.('cpu', true);
  await wait(500);
  await running.stop();
  expect(run.streams.length).toBe(3);
  const [gap] = gapsOf(run).filter(({ text }) => text === 'CPU was switched off');
  const profile = decoded(run);
  const cpu = profile.lane('cpu');
  const edge = 0.03 * SECOND;
  expect(within(cpu, gap.start + edge, gap.end - edge)).toBe(0);
  expect(within(cpu, 0, gap.start)).toBeGreaterThan(0);
  expect(within(cpu, gap.end, Infinity)).toBeGreaterThan(0);
  // No row carries time of the gap.
  for (const chunk of cpu?.chunks ?? []) for (let row = 0; row < chunk.rows; row++) expect(chunk.weight.get(row)).toBeLessThan(0.1 * SECOND);
  const length = (gap.end - gap.start) / SECOND;
  console.log(`CPU off for ${length.toFixed(2)} s: waiting ${within(profile.lane('off-cpu'), gap.start, gap.end).toFixed(2)} s of it`);
  expect(within(profile.lane('off-cpu'), gap.start, gap.end) / length).toBeGreaterThan(0.02);
}, 30_000);

test.skipIf(missing)('memory is switched on while CPU records, and off again', async () => {
  const { run, running } = await start(HALF, ['cpu']);
  await wait(200);
  await running.setLane?.('memory', true);
  await wait(600);
  await running.setLane?.('memory', false);
  const off = run.now() - run.zeroAt;
  await wait(300);
  await running.stop();
  // On: another perf. Off: its events are switched.
  expect(run.streams.length).toBe(2);
  const profile = decoded(run);
  const faults = profile.lane('faults', 'page-faults');
  console.log(`memory by hand-over: ${faults?.total} faults, ${profile.lane('memory')?.total} bytes, ${[...profile.skipped].map((one) => one.join(' ')).join('; ')}`);
  expect(faults?.total).toBeGreaterThan(300);
  expect(within(faults, off, Infinity)).toBe(0);
  const [, last] = gapsOf(run);
  expect(gapsOf(run).map(({ text }) => text)).toEqual(['Memory was switched off', 'Memory was switched off']);
  expect(last.end - last.start).toBeGreaterThan(0.2 * SECOND);
  const second = run.streams[1].facts;
  expect(second).toMatchObject({ faults: 'perf page-faults, every 64th, copied stacks of 5 KB' });
  if (tracefsReadable()) {
    expect(second).toMatchObject({ memory: 'perf mmap and brk, copied stacks of 4 KB' });
    const allocated = profile.lane('memory', 'perf mmap');
    expect((allocated?.total ?? 0) / (allocated?.samples ?? 1)).toBeGreaterThan(300_000);
    expect(profile.lane('memory', 'perf mmap held')?.total).toBeLessThan(2e6);
  } else console.log('without tracefs: page faults only');
  await expect(running.setLane?.('cuda', true)).rejects.toThrow(/no lane/);
}, 30_000);

test.skipIf(missing)('another rate is another perf, and no time is lost or counted twice', async () => {
  const { run, running } = await start(BUSY, ['cpu']);
  await wait(300);
  expect(await running.setRate?.(499)).toBe(499);
  await wait(500);
  await running.stop();
  expect(run.streams.map(({ facts }) => facts.rateHz)).toEqual([99, 499]);
  const cut = run.marks.find(({ kind }) => kind === 'hand-over');
  expect(cut?.text).toContain('499 samples a second');
  const at = (cut?.start ?? 0) - run.zeroAt;
  const profile = decoded(run);
  const cpu = profile.lane('cpu');
  const rows = (from: number, to: number) => {
    let count = 0;
    for (const chunk of cpu?.chunks ?? []) for (let row = 0; row < chunk.rows; row++) if (chunk.timeAt(row) >= from && chunk.timeAt(row) < to) count += chunk.count.get(row);
    return count;
  };
  const before = 0.5 * SECOND;
  const after = Math.min(0.4 * SECOND, profile.info.durationNs - at);
  const rates = [rows(at - before, at) / (within(cpu, at - before, at) || 1), rows(at, at + after) / (within(cpu, at, at + after) || 1)];
  console.log(`samples a second of CPU time: ${rates.map((rate) => rate.toFixed(0)).join(', then ')}`);
  expect(rates[0]).toBeGreaterThan(70);
  expect(rates[0]).toBeLessThan(130);
  expect(rates[1]).toBeGreaterThan(350);
  expect(rates[1]).toBeLessThan(650);
  const exact = profile.threads.onCpu.view().reduce((sum, one) => sum + Math.max(0, one), 0);
  expect((cpu?.total ?? 0) / exact).toBeCloseTo(1, 4);
}, 20_000);

test.skipIf(missing)('a hand-over with every lane: samples of the two perfs are told apart', async () => {
  const { run, running } = await start(HALF, ['cpu', 'off-cpu', 'memory']);
  await wait(600);
  await running.setRate?.(199);
  await wait(600);
  await running.stop();
  expect(run.streams).toHaveLength(2);
  const profile = decoded(run);
  const skipped = [...profile.skipped.keys()];
  console.log(`every lane across a hand-over: ${profile.lanes.map((lane) => `${lane.name} ${lane.samples}`).join(', ')}; skipped: ${skipped.join('; ')}`);
  expect(skipped.filter((what) => what.includes('event that the header does not have') || what.includes('could not be read'))).toEqual([]);
  const at = (run.marks.find(({ kind }) => kind === 'hand-over')?.start ?? 0) - run.zeroAt;
  // While both run each sample comes twice, once to each: it counts once. Each turn of the program sleeps once, for 6 ms at least.
  const waits = profile.lane('off-cpu');
  let turns = 0;
  for (const chunk of waits?.chunks ?? []) for (let row = 0; row < chunk.rows; row++) if (chunk.timeAt(row) >= at - SECOND && chunk.timeAt(row) < at && chunk.duration.get(row) > 5e6) turns++;
  expect(turns).toBeGreaterThan(5);
  for (const lane of profile.lanes.filter(({ name }) => name === 'page-faults' || name === 'perf mmap')) {
    const each = within(lane, at - SECOND, at) / turns;
    console.log(`${lane.name}: ${each.toFixed(0)} in each of ${turns} turns in the last second before the cut`);
    // 100 pages, in a mapping of 400 KB.
    const one = lane.name === 'perf mmap' ? 409_600 : 100;
    expect(each).toBeGreaterThan(one * 0.7);
    expect(each).toBeLessThan(one * 1.6);
  }
}, 20_000);

test.skipIf(missing)('a pause is in no row; lanes that are off stay off after it', async () => {
  const { run, running } = await start(HALF, ['cpu', 'off-cpu', 'faults']);
  await wait(400);
  await running.setLane?.('faults', false);
  await running.pause();
  const paused = run.now() - run.zeroAt;
  await wait(800);
  const resumed = run.now() - run.zeroAt;
  await running.resume();
  await wait(400);
  await running.stop();
  const profile = decoded(run);
  const edge = 0.02 * SECOND;
  for (const lane of profile.lanes) expect([lane.name, within(lane, paused + edge, resumed - edge)]).toEqual([lane.name, 0]);
  expect(within(profile.lane('faults'), resumed, Infinity)).toBe(0);
  expect(within(profile.lane('faults'), 0, paused)).toBeGreaterThan(60);
  expect(within(profile.lane('cpu'), resumed, Infinity)).toBeGreaterThan(0);
  // Nothing of the pause is in what came after it.
  const after = within(profile.lane('cpu'), resumed, Infinity) + within(profile.lane('off-cpu'), resumed, Infinity) + within(profile.lane('off-cpu', 'preempted'), resumed, Infinity);
  expect(after).toBeLessThan((profile.info.durationNs - resumed) / SECOND + 0.02);
}, 20_000);
