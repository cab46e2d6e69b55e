import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CallTree } from '#core/analyze/call-tree';
import { functionsTable, neighboursOf } from '#core/analyze/functions';
import type { Selection, Transform } from '#core/analyze/view';
import { EVERYTHING } from '#core/analyze/view';
import { addStacks, stacks, treeText } from '../../support/stacks.ts';

interface Row { time: number; duration: number; thread: number; path: string[]; weight: number }
const row: fc.Arbitrary<Row> = fc.record({
  time: fc.integer({ min: 0, max: 100 }), duration: fc.integer({ min: 0, max: 20 }), thread: fc.integer({ min: 0, max: 2 }),
  path: fc.array(fc.constantFrom('a', 'b', 'c #lib', 'd #lib', 'e !', 'f > g'), { minLength: 1, maxLength: 7 }), weight: fc.integer({ min: 1, max: 50 }),
});
const rows = fc.array(row, { minLength: 1, maxLength: 40 });
const text = (from: readonly Row[]): string => from.map((r) => `${r.time}+${r.duration} t${r.thread} | ${r.path.join(';')} ${r.weight}`).join('\n');
const named = (name: string, library = ''): { name: string; file: string; library: string } => ({ name, file: '', library });
const transform: fc.Arbitrary<Transform> = fc.oneof(
  fc.constantFrom<Transform>({ kind: 'my-code' }, { kind: 'collapse-library', library: 'lib' }),
  fc.tuple(fc.constantFrom('focus', 'merge', 'drop', 'collapse-recursion'), fc.constantFrom(named('a'), named('b'), named('c', 'lib'), named('g')))
    .map(([kind, fn]) => ({ kind, fn }) as Transform),
);
const transforms = fc.array(transform, { maxLength: 3 });

function built(from: readonly Row[], selection: Partial<Selection> = {}, inverted = false, intervals = false): CallTree {
  const { profile, lane } = stacks(text(from), { intervals });
  return new CallTree(profile, lane, { ...EVERYTHING, ...selection }, inverted);
}

function sumOfSelves(tree: CallTree): number {
  let sum = 0;
  for (let node = 0; node < tree.length; node++) sum += tree.self(node);
  return sum;
}

describe('a call tree', () => {
  test('its totals are sums of selves, and its roots hold everything', () => {
    fc.assert(fc.property(rows, transforms, fc.boolean(), (from, steps, inverted) => {
      const tree = built(from, { transforms: steps }, inverted);
      for (let node = 0; node < tree.length; node++) {
        const below = [...tree.children(node)].reduce((sum, child) => sum + tree.totalOf(child), 0);
        expect(tree.totalOf(node)).toBeCloseTo(tree.self(node) + below, 6);
        expect(tree.parent(node)).toBeLessThan(node);
      }
      expect(sumOfSelves(tree)).toBeCloseTo(tree.total, 6);
      expect([...tree.children(-1)].reduce((sum, root) => sum + tree.totalOf(root), 0)).toBeCloseTo(tree.total, 6);
      expect(tree.total + tree.outside).toBeCloseTo(from.reduce((sum, r) => sum + r.weight, 0), 6);
    }));
  });

  test('a range is the tree of the rows in it', () => {
    fc.assert(fc.property(rows, transforms, fc.boolean(), fc.integer({ min: 0, max: 100 }), fc.integer({ min: 1, max: 60 }), (from, steps, inverted, start, length) => {
      const end = start + length;
      const kept = from.filter((r) => r.time >= start && r.time < end);
      expect(treeText(built(from, { ranges: [[start, end]], transforms: steps }, inverted))).toBe(treeText(built(kept, { transforms: steps }, inverted)));
    }));
  });

  test('a tree that is given back lends its memory and nothing else', () => {
    fc.assert(fc.property(rows, transforms, fc.integer({ min: 0, max: 100 }), fc.integer({ min: 1, max: 60 }), (from, steps, start, length) => {
      const { profile, lane } = stacks(text(from));
      const selection: Selection = { ...EVERYTHING, ranges: [[start, start + length]], transforms: steps };
      const before = treeText(new CallTree(profile, lane, selection, false));
      for (const other of [EVERYTHING, { ...EVERYTHING, transforms: steps }]) {
        const gone = new CallTree(profile, lane, other, false);
        gone.totals();
        gone.samplesOf(0);
        gone.release();
        expect([gone.length, gone.total, gone.update()]).toEqual([0, 0, false]);
      }
      expect(treeText(new CallTree(profile, lane, selection, false))).toBe(before);
    }));
  });

  test('over many chunks a range is the tree of the rows in it, and rows added later count', () => {
    // Rows seconds apart fall into chunks of their own, which are summed in blocks. No row lies at the end of a range: chunks
    // whose rows lie far apart round their times.
    const far = (from: readonly Row[]): Row[] => from.map((r) => ({ ...r, time: r.time * 3e9 + 1e9 }));
    fc.assert(fc.property(fc.array(row, { minLength: 20, maxLength: 120 }), transforms, fc.boolean(), fc.integer({ min: 0, max: 80 }), fc.integer({ min: 1, max: 100 }), fc.nat(119),
      (near, steps, inverted, start, length, at) => {
        const from = far(near);
        const range: [number, number] = [start * 3e9, (start + length) * 3e9];
        const kept = from.filter((r) => r.time >= range[0] && r.time < range[1]);
        const expected = treeText(built(kept, { transforms: steps }, inverted));
        const data = stacks(text(from.slice(0, at)));
        const tree = new CallTree(data.profile, data.lane, { ...EVERYTHING, ranges: [range], transforms: steps }, inverted);
        if (at < from.length) addStacks(data, text(from.slice(at)));
        tree.update();
        expect(treeText(tree)).toBe(expected);
        // Again, from sums that are known by now.
        const again = new CallTree(data.profile, data.lane, { ...EVERYTHING, ranges: [range], transforms: steps }, inverted);
        expect(treeText(again)).toBe(expected);
        expect([again.samples, again.total]).toEqual([tree.samples, tree.total]);
        expect(new CallTree(data.profile, data.lane, EVERYTHING, inverted).total).toBe(from.reduce((sum, r) => sum + r.weight, 0));
      }));
  });

  test('threads are the tree of their rows', () => {
    fc.assert(fc.property(rows, (from) => {
      const { profile, lane } = stacks(text(from));
      for (let thread = 0; thread < profile.threads.length; thread++) {
        const name = profile.strings.values[profile.threads.name.get(thread)];
        const tree = new CallTree(profile, lane, { ...EVERYTHING, threads: [thread] }, false);
        expect(treeText(tree)).toBe(treeText(built(from.filter((r) => `t${r.thread}` === name))));
      }
    }));
  });

  test('ranges that part the time share the weight of intervals without loss', () => {
    fc.assert(fc.property(rows, fc.integer({ min: 1, max: 119 }), (from, at) => {
      const first = built(from, { ranges: [[-1, at]] }, false, true).total;
      const second = built(from, { ranges: [[at, 1000]] }, false, true).total;
      const both = built(from, { ranges: [[-1, at], [at, 1000]] }, false, true).total;
      const all = built(from, {}, false, true).total;
      expect(first + second).toBeCloseTo(all, 6);
      expect(both).toBeCloseTo(all, 6);
    }));
  });

  test('leaves first has the same total, and its roots are the functions\' own weights', () => {
    fc.assert(fc.property(rows, (from) => {
      const tree = built(from);
      const turned = built(from, {}, true);
      expect(turned.total).toBe(tree.total);
      expect(turned.samples).toBe(tree.samples);
      const key = (rows: ReturnType<typeof functionsTable>): unknown => rows.map((r) => [r.fn, r.self, r.total, r.samples, r.selfSamples]).sort();
      expect(key(functionsTable(turned))).toEqual(key(functionsTable(tree)));
    }));
  });

  test('growing gives what building at once gives', () => {
    fc.assert(fc.property(rows, rows, transforms, fc.boolean(), fc.boolean(), (before, after, steps, inverted, ranged) => {
      const selection: Selection = { ...EVERYTHING, transforms: steps, ranges: ranged ? [[10, 60], [70, 90]] : null };
      const data = stacks(text(before));
      const grown = new CallTree(data.profile, data.lane, selection, inverted);
      for (const one of after) {
        addStacks(data, text([one]));
        grown.update();
      }
      const atOnce = built([...before, ...after], selection, inverted);
      expect(treeText(grown)).toBe(treeText(atOnce));
      expect(grown.samples).toBe(atOnce.samples);
      expect(grown.total).toBeCloseTo(atOnce.total, 6);
    }));
  });

  test('a function\'s callers sum to its total where it has one, and its callees do not exceed it', () => {
    fc.assert(fc.property(rows, (from) => {
      const tree = built(from);
      for (const row of functionsTable(tree)) {
        const { callers, callees } = neighboursOf(tree, row.fn);
        const asRoot = [...tree.children(-1)].filter((node) => tree.fn(node) === row.fn).reduce((sum, node) => sum + tree.totalOf(node), 0);
        expect(callers.reduce((sum, caller) => sum + caller.total, 0) + asRoot).toBeCloseTo(row.total, 6);
        for (const callee of callees) expect(callee.total).toBeLessThanOrEqual(row.total + 1e-9);
      }
    }));
  });
});
