import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CallTree } from '#core/analyze/call-tree';
import { functionRow, functionsTable, neighboursOf } from '#core/analyze/functions';
import { layout } from '#core/analyze/layout';
import { countsAgain, heldAt, isHeld, measureOf, memoryMeasures, momentRanges, peakOf, upTo } from '#core/analyze/memory';
import { resolve } from '#core/analyze/resolve';
import { search } from '#core/analyze/search';
import { EVERYTHING, FIRST_VIEW } from '#core/analyze/view';
import type { Selection } from '#core/analyze/view';
import { countText, laneQuantity, usualLane } from '#core/analyze/words';
import type { FunctionId, StackId, ThreadId } from '#core/model/ids';
import { NO_THREAD } from '#core/model/ids';
import type { Lane } from '#core/model/lane';
import { Profile } from '#core/model/profile';
import { foldedLines } from '#core/write/folded';
import { speedscopeJson } from '#core/write/speedscope';
import { functionOf, picture, stacks, treeText } from '../../support/stacks.ts';

/** A lane of gains and losses: `time main;leaf +3`, one a line. */
function held(text: string, limit?: number): { profile: Profile; lane: Lane } {
  const { profile } = stacks('');
  const lane = profile.lanes[profile.addLane({ kind: 'memory', unit: 'bytes', name: 'heaptrack held' }, limit)];
  for (const line of text.trim().split('\n')) {
    const [time, path, gain] = line.trim().split(/\s+/);
    const stack = profile.stacks.internAll(path.split(';').map((name) => profile.frames.source(functionOf(profile, name))));
    lane.push(Number(time), NO_THREAD, stack, Number(gain), Math.sign(Number(gain)));
  }
  return { profile, lane };
}

const PROGRAM = `
  10 main;load;buffer +100
  10 main;cache +20
  20 main;load;parse +5
  30 main;load;buffer -100
  30 main;leak +7
  40 main;cache +30
  50 main;load;parse -5
`;

describe('measures', () => {
  test('a source has what its lanes have', () => {
    const profile = new Profile();
    for (const name of ['perf mmap', 'heaptrack', 'heaptrack held', 'heaptrack temporary', 'heaptrack allocations']) profile.addLane({ kind: 'memory', unit: 'bytes', name });
    const [mmap, allocated, heldLane] = profile.lanes;
    expect(memoryMeasures(profile, mmap).map(({ title }) => title)).toEqual(['Allocated']);
    const six = memoryMeasures(profile, heldLane);
    expect(six.map(({ title, lane, moment }) => `${title}: ${lane.name}${moment === undefined ? '' : ` ${moment}`}`)).toEqual([
      'Allocated: heaptrack', 'Grew: heaptrack held grown', 'Held at the end: heaptrack held held', 'Held at peak: heaptrack held peak',
      'Temporary: heaptrack temporary', 'Allocations: heaptrack allocations',
    ]);
    expect(measureOf(profile, heldLane)?.key).toBe('held');
    expect(measureOf(profile, heldLane, 'peak')?.key).toBe('peak');
    expect(measureOf(profile, allocated, 'peak')?.key).toBe('allocated');
    expect(profile.lanes.map(isHeld)).toEqual([false, false, true, false, false]);
    expect(profile.lanes.map((lane) => countsAgain(lane, profile.lanes))).toEqual([false, false, true, true, true]);
    expect(countsAgain({ kind: 'memory', name: 'v8 heap held' }, profile.lanes)).toBe(false);
  });

  test('every allocation is shown before what the kernel sees, and its numbers are exact', () => {
    const { profile } = stacks('');
    for (const name of ['perf mmap', 'heaptrack', 'heaptrack held']) profile.lanes[profile.addLane({ kind: 'memory', unit: 'bytes', name })].push(0, -1, profile.stacks.internAll([profile.frames.source(functionOf(profile, 'f'))]), 5, 2);
    const [, , heaptrack, heldLane] = profile.lanes;
    expect(usualLane(profile, 'memory')).toBe(heaptrack);
    expect(countText(new CallTree(profile, heaptrack, EVERYTHING, false))).toBe('2 allocations, exact');
    expect(countText(new CallTree(profile, heldLane, EVERYTHING, false))).toBe('2 blocks, exact');
    expect([laneQuantity(heaptrack), laneQuantity(heldLane, 'peak'), laneQuantity(heldLane, 'grown')]).toEqual(['allocated memory', 'memory held at the peak', 'memory growth']);
  });
});

describe('the moment when most was held', () => {
  const { profile, lane } = held(PROGRAM);
  test('of all time, of a range, of several', () => {
    expect(peakOf(profile, lane, null)).toEqual({ time: 20, bytes: 125 });
    expect(peakOf(profile, lane, [[25, 45]])).toEqual({ time: 25, bytes: 125 });
    expect(peakOf(profile, lane, [[30, 45]])).toEqual({ time: 40, bytes: 62 });
    expect(peakOf(profile, lane, [[0, 15], [35, 60]])).toEqual({ time: 10, bytes: 120 });
    // Between rows nothing changes; before the first there is nothing.
    expect(peakOf(profile, lane, [[55, 58]])).toEqual({ time: 55, bytes: 57 });
    expect(peakOf(profile, lane, [[0, 5]])).toEqual({ time: 0, bytes: 0 });
    expect(peakOf(profile, lane, [])).toEqual({ time: 0, bytes: 0 });
    expect(peakOf(new Profile(), profile.lanes[0], null)).toEqual({ time: 0, bytes: 0 });
  });
  test('held at a moment, that moment included', () => {
    expect([0, 9, 10, 29, 30, 45, 100].map((time) => heldAt(profile, lane, time))).toEqual([0, 0, 120, 125, 32, 62, 57]);
  });
  test('rows that come late, and live', () => {
    const late = held('10 a +10\n30 a -4');
    expect(peakOf(late.profile, late.lane, null)).toEqual({ time: 10, bytes: 10 });
    late.lane.push(5, NO_THREAD, 0, 3);
    late.lane.push(20, NO_THREAD, 0, 1);
    expect(peakOf(late.profile, late.lane, null)).toEqual({ time: 20, bytes: 14 });
    late.lane.push(30, NO_THREAD, 0, 90);
    expect(peakOf(late.profile, late.lane, null)).toEqual({ time: 30, bytes: 100 });
  });
  test('many rows out of order, near and far', () => {
    const many = held('0 a 0');
    let seed = 7;
    const next = (most: number): number => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % most;
    const gains = new Map<number, number>();
    for (let i = 0; i < 6000; i++) {
      const time = i % 500 === 499 ? next(i) : Math.max(0, i - next(300));
      const gain = next(2001) - 1000;
      gains.set(time, (gains.get(time) ?? 0) + gain);
      many.lane.push(time, NO_THREAD, 0, gain);
      if (i % 97 === 0) peakOf(many.profile, many.lane, null);
    }
    let [sum, most] = [0, 0];
    for (let time = 0; time < 6000; time++) most = Math.max(most, (sum += gains.get(time) ?? 0));
    expect(peakOf(many.profile, many.lane, null).bytes).toBe(most);
  });
  test('of some threads alone', () => {
    const two = held('10 a +10');
    const process = two.profile.processes.add({ pid: 7, name: 'p' });
    const thread = two.profile.threads.add({ process, tid: 8, name: 't' });
    two.lane.push(20, thread, 0, 4);
    expect(peakOf(two.profile, two.lane, null)).toEqual({ time: 20, bytes: 14 });
    expect(peakOf(two.profile, two.lane, null, { threads: [thread], processes: null })).toEqual({ time: 20, bytes: 4 });
    expect(peakOf(two.profile, two.lane, null, { threads: null, processes: [process] })).toEqual({ time: 20, bytes: 4 });
    const later = two.profile.threads.add({ process, tid: 9, name: 'u' });
    two.lane.push(30, later, 0, 5);
    expect(peakOf(two.profile, two.lane, null, { threads: null, processes: [process] })).toEqual({ time: 30, bytes: 9 });
  });
  test('equals the plain sum, whatever the order of rows', () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(30), fc.integer({ min: -50, max: 50 })), { maxLength: 60 }), fc.nat(30), fc.nat(30), (rows, a, b) => {
      const { profile: some, lane: one } = held('0 a 0');
      for (const [time, gain] of rows) {
        one.push(time, NO_THREAD, 0, gain);
        peakOf(some, one, null);
      }
      const sum = (time: number): number => rows.reduce((total, [at, gain]) => total + (at <= time ? gain : 0), 0);
      const [start, end] = [Math.min(a, b), Math.max(a, b) + 1];
      let most = -Infinity;
      for (let time = start; time < end; time++) most = Math.max(most, sum(time));
      const peak = peakOf(some, one, [[start, end]]);
      expect(peak.bytes).toBe(most);
      expect(sum(peak.time)).toBe(most);
    }), { numRuns: 60 });
  });
});

describe('a picture of held memory', () => {
  const tree = (text: string, selection: Partial<Selection>, inverted = false): CallTree => {
    const { profile, lane } = held(text);
    return new CallTree(profile, lane, resolve(profile, lane, { ...EVERYTHING, ...selection }), inverted);
  };
  test('what was held at the end, at a moment, at the peak', () => {
    expect(treeText(tree(PROGRAM, {}))).toBe(picture(`
      main 57
        cache 50 (50)
        leak 7 (7)
    `));
    expect(treeText(tree(PROGRAM, { moment: 'held', ranges: [[12, 25]] }))).toBe(picture(`
      main 125
        cache 20 (20)
        load 105
          buffer 100 (100)
          parse 5 (5)
    `));
    const peak = tree(PROGRAM, { moment: 'peak' });
    expect([peak.total, peak.net]).toEqual([125, 125]);
  });
  test('growth: what lost is not drawn and takes nothing away, its number stands in the table', () => {
    const grown = tree(PROGRAM, { moment: 'grown', ranges: [[25, 45]] });
    expect(treeText(grown)).toBe(picture(`
      main 37
        cache 30 (30)
        leak 7 (7)
    `));
    expect([grown.total, grown.net, grown.samples]).toEqual([37, -63, 2]);
    const name = (fn: FunctionId): string => grown.profile.functions.nameOf(fn);
    const table = functionsTable(grown).map((row) => `${name(row.fn)} ${row.total} (${row.self}) ${row.samples}`).sort();
    expect(table).toEqual(['buffer -100 (-100) -1', 'cache 30 (30) 1', 'leak 7 (7) 1', 'load -100 (0) -1', 'main -63 (0) 1']);
    for (const row of functionsTable(grown)) expect(functionRow(grown, row.fn)).toEqual(row);
    expect(neighboursOf(grown, functionOf(grown.profile, 'main')).callees.map(({ fn, total }) => `${name(fn)} ${total}`)).toEqual(['cache 30', 'leak 7', 'load -100']);
    expect(search(grown, 'leak').share).toBeCloseTo(7 / 37);
  });
  test('boxes fill the width, and none hangs over its caller', () => {
    const viewport = { width: 740, from: 0, to: 1, root: -1, order: 'left-heavy', minWidth: 1, firstRow: 0, rows: 9 } as const;
    for (const inverted of [false, true]) {
      const grown = tree(PROGRAM, { moment: 'grown', ranges: [[25, 45]] }, inverted);
      const boxes = layout(grown, viewport);
      const row = (at: number): number => [...boxes.width.subarray(0, boxes.count)].filter((_, i) => boxes.row[i] === at).reduce((a, b) => a + b, 0);
      expect([row(0), row(1)]).toEqual([740, 740]);
    }
  });
  test('a program that only shrank has an empty picture and a full table', () => {
    const shrunk = tree('10 main;a +5\n20 main;a -5', { moment: 'grown', ranges: [[15, 25]] });
    expect([shrunk.total, shrunk.net, treeText(shrunk)]).toEqual([0, -5, '']);
    expect(functionsTable(shrunk).map((row) => row.total)).toEqual([-5, -5]);
  });
  test('exports have no weight below 0', () => {
    const { profile, lane } = held(PROGRAM);
    const view = { ...FIRST_VIEW, lane: { kind: lane.kind, name: lane.name }, selection: { ...EVERYTHING, moment: 'grown' as const, ranges: [[25, 45]] as const } };
    const text = (bytes: Iterable<Uint8Array>): string => Buffer.concat([...bytes]).toString();
    expect(text(foldedLines(profile, view))).toBe('main;cache 30\nmain;leak 7\n');
    const { profiles } = JSON.parse(text(speedscopeJson(profile, view))) as { profiles: { weights: number[]; endValue: number }[] };
    expect(profiles.map(({ weights, endValue }) => [weights, endValue])).toEqual([[[7, 30], 37]]);
  });
  test('leaves first, a function that lost is in the table too', () => {
    const grown = tree(PROGRAM, { moment: 'grown', ranges: [[25, 45]] }, true);
    const rows = functionsTable(grown).map((row) => `${grown.profile.functions.nameOf(row.fn)} ${row.total} (${row.self})`).sort();
    expect(rows).toEqual(['buffer -100 (-100)', 'cache 30 (30)', 'leak 7 (7)', 'load -100 (0)', 'main -63 (0)']);
  });
  test('gains are never less than the net, in whatever tree and range, and live rows are the same as all at once', () => {
    const row = fc.tuple(fc.nat(40), fc.constantFrom('a', 'a;b', 'a;c', 'a;b;d', 'e'), fc.integer({ min: -9, max: 9 }));
    fc.assert(fc.property(fc.array(row, { minLength: 1, maxLength: 40 }), fc.nat(40), fc.boolean(), (rows, start, inverted) => {
      const { profile, lane } = held(rows.map(([time, path, gain]) => `${time} ${path} ${gain}`).slice(0, 1).join('\n'));
      const selection = { ...EVERYTHING, ranges: [[start, 100]] as const, moment: 'grown' as const };
      const live = new CallTree(profile, lane, selection, inverted);
      for (const [time, path, gain] of rows.slice(1)) {
        const stack: StackId = profile.stacks.internAll(path.split(';').map((one) => profile.frames.source(functionOf(profile, one))));
        lane.push(time, -1 as ThreadId, stack, gain, Math.sign(gain));
        live.update();
        expect(live.total).toBeGreaterThanOrEqual(live.net);
      }
      const whole = new CallTree(profile, lane, selection, inverted);
      expect(treeText(live)).toBe(treeText(whole));
      const roots = [...whole.children(-1)];
      expect(roots.reduce((sum, node) => sum + whole.totalOf(node), 0)).toBe(whole.total);
      expect(roots.reduce((sum, node) => sum + whole.netOf(node), 0)).toBe(whole.net);
      for (let node = 0; node < whole.length; node++) {
        const children = [...whole.children(node)].reduce((sum, child) => sum + whole.totalOf(child), 0);
        expect(whole.totalOf(node)).toBe(whole.self(node) + children);
        expect(whole.totalOf(node)).toBeGreaterThanOrEqual(Math.max(0, whole.netOf(node)));
      }
    }), { numRuns: 60 });
  });
});

test('ranges of a moment', () => {
  const { profile, lane } = held(PROGRAM);
  expect(momentRanges(profile, lane, 'grown', [[1, 2]])).toEqual([[1, 2]]);
  expect(momentRanges(profile, lane, 'held', [[1, 2], [5, 6]])).toEqual([[-Infinity, 6]]);
  expect(momentRanges(profile, lane, 'held', null)).toBeNull();
  expect(momentRanges(profile, lane, 'peak', null)).toEqual(upTo(20));
});
