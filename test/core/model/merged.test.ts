// The column of merged stacks beside a lane's rows: kept through thinning, sent with its own cursor, read by trees.
import { describe, expect, test } from 'vitest';
import { CallTree } from '#core/analyze/call-tree';
import { EVERYTHING } from '#core/analyze/view';
import type { Cursor } from '#core/model/delta';
import { DELTA_VERSION, applyDelta, startCursor, takeDelta } from '#core/model/delta';
import { NO_STACK } from '#core/model/ids';
import type { Lane } from '#core/model/lane';
import { Profile } from '#core/model/profile';

const STACKS = 40;

/** A lane of perf over `STACKS` native stacks; stack i + STACKS is the merged one of stack i. */
function perfLane(limit?: number): { profile: Profile; lane: Lane } {
  const profile = new Profile();
  const lane = profile.lanes[profile.addLane({ kind: 'cpu', unit: 'ns', name: 'cpu-clock' }, limit)];
  for (let i = 0; i < STACKS * 2; i++) profile.stacks.intern(NO_STACK, profile.frames.source(profile.functions.intern({ name: `f${i}`, kind: i < STACKS ? 'native' : 'python' })));
  return { profile, lane };
}

/** A row and, `trail` rows behind it, a merged stack. */
function grow(lane: Lane, row: number, trail: number): void {
  lane.push(row * 1000, 0, row % STACKS, 1 + (row % 2));
  while (lane.rows - lane.mergedRows > trail) {
    const { chunk, row: at } = lane.nextMerged();
    lane.pushMerged(chunk.stack[at] + STACKS, chunk.stack[at] % 4 !== 0);
  }
}

function follow(from: Profile, to: Profile, cursor: Cursor, limit = 1_000_000): Cursor {
  for (let rounds = 0; ; rounds++) {
    expect(rounds).toBeLessThan(100_000);
    const delta = takeDelta(from, cursor, limit);
    applyDelta(to, delta.bytes.slice());
    cursor = delta.cursor;
    if (delta.complete) return cursor;
  }
}

/** Rows with their merged stacks, by chunk. */
const column = (lane: Lane) => [lane.rows, lane.mergedRows, lane.pythonMerged, lane.pythonUnmerged,
  lane.chunks.map((chunk) => [[...chunk.stack.subarray(0, chunk.rows)], [...(chunk.merged ?? []).slice(0, chunk.mergedRows)]])];

/** Every merged stack belongs to its row. */
function fits(lane: Lane): boolean {
  return lane.chunks.every((chunk) => chunk.merged === null || chunk.merged.subarray(0, chunk.mergedRows).every((stack, row) => stack === chunk.stack[row] + STACKS));
}

describe('the derived column', () => {
  test('trails behind the rows and counts samples by what was found', () => {
    const { lane } = perfLane();
    for (let row = 0; row < 1000; row++) grow(lane, row, 300);
    expect([lane.mergedRows, lane.pythonMerged + lane.pythonUnmerged, lane.pythonUnmerged]).toEqual([700, 700, 175]);
    lane.pushMerged(3, null);
    expect(lane.pythonMerged + lane.pythonUnmerged).toBe(700);
    expect(() => { lane.fillMerged(); lane.pushMerged(1, null); }).toThrow(/broken invariant|derived stack/);
    lane.clear();
    expect([lane.mergedRows, lane.pythonMerged, lane.pythonUnmerged]).toEqual([0, 0, 0]);
  });

  test('stays with its rows through every thinning', () => {
    const { lane } = perfLane(200_000);
    for (let row = 0; row < 450_000; row++) {
      grow(lane, row, 5000);
      if (row % 50_000 === 0) expect(fits(lane)).toBe(true);
    }
    expect(lane.thinnings).toBeGreaterThan(1);
    expect(lane.rows - lane.mergedRows).toBe(5000);
    expect(fits(lane)).toBe(true);
    expect(lane.pythonMerged + lane.pythonUnmerged).toBe(445_000);
  });

  test('also where it lies far behind them', () => {
    const { lane } = perfLane(200_000);
    for (let row = 0; row < 260_000; row++) grow(lane, row, 180_000);
    expect(lane.thinnings).toBeGreaterThan(0);
    expect(fits(lane)).toBe(true);
    while (lane.mergedRows < lane.rows) { const { chunk, row } = lane.nextMerged(); lane.pushMerged(chunk.stack[row] + STACKS, true); }
    expect(fits(lane)).toBe(true);
  });
});

describe('deltas', () => {
  test.each([700, 20_000, 1_000_000])('of at most %i bytes bring it, and nothing twice', (limit) => {
    const { profile, lane } = perfLane();
    const to = new Profile();
    let cursor = startCursor();
    for (let row = 0; row < 4000; row++) {
      grow(lane, row, 300);
      if (row % 170 === 0) cursor = follow(profile, to, cursor, limit);
    }
    cursor = follow(profile, to, cursor, limit);
    expect(column(to.lanes[0])).toEqual(column(lane));
    expect(takeDelta(profile, cursor).empty).toBe(true);
    lane.pushMerged(STACKS, true);
    const next = takeDelta(profile, cursor);
    expect([next.empty, next.bytes.length - takeDelta(profile, next.cursor).bytes.length < 50]).toEqual([false, true]);
    follow(profile, to, cursor);
    expect(to.lanes[0].mergedRows).toBe(lane.mergedRows);
    const late = new Profile();
    follow(profile, late, startCursor(), limit);
    expect(column(late.lanes[0])).toEqual(column(lane));
  });

  test.each([0, 3000, 150_000])('a reader keeps it through thinnings, with stacks that trail by %i rows', (trail) => {
    const { profile, lane } = perfLane(200_000);
    const twin = perfLane(200_000).profile;
    const late = perfLane(200_000).profile;
    const seen = { ...takeDelta(perfLane(200_000).profile, startCursor()).cursor, info: -1 };
    let cursor: Cursor = seen;
    let lateCursor: Cursor = seen;
    for (let row = 0; row < 430_000; row++) {
      grow(lane, row, trail);
      if (row % 9000 === 0) cursor = follow(profile, twin, cursor);
      if (row === 10 || row === 300_000) lateCursor = follow(profile, late, lateCursor);
    }
    follow(profile, twin, cursor);
    follow(profile, late, lateCursor);
    expect(lane.thinnings).toBeGreaterThan(1);
    for (const reader of [twin, late]) {
      expect(fits(reader.lanes[0])).toBe(true);
      expect([reader.lanes[0].rows, reader.lanes[0].mergedRows]).toEqual([lane.rows, lane.mergedRows]);
      expect([reader.lanes[0].pythonMerged, reader.lanes[0].pythonUnmerged]).toEqual([lane.pythonMerged, lane.pythonUnmerged]);
    }
  });

  test('those of version 1, which had none, are read', () => {
    const { profile, lane } = perfLane();
    for (let row = 0; row < 100; row++) lane.push(row * 1000, 0, row % STACKS, 1);
    const now = takeDelta(profile, startCursor()).bytes.slice();
    expect(now[0]).toBe(DELTA_VERSION);
    // Before the open intervals (none: a u32) version 2 has one byte a lane.
    const before = new Uint8Array([...now.subarray(0, now.length - 5), ...now.subarray(now.length - 4)]);
    before[0] = 1;
    const to = new Profile();
    applyDelta(to, before);
    expect(column(to.lanes[0])).toEqual(column(lane));
  });
});

describe('trees of merged stacks', () => {
  test('over many chunks, whole and in ranges, live and built at once', () => {
    const { profile, lane } = perfLane();
    const live = new CallTree(profile, lane, { ...EVERYTHING, stacks: 'merged' }, false);
    const ranges = [[10e6, 180e6]] as const;
    const part = new CallTree(profile, lane, { ...EVERYTHING, ranges }, false);
    for (let row = 0; row < 250_000; row++) {
      grow(lane, row, 4000);
      if (row % 30_000 === 0) { live.update(); part.update(); }
    }
    live.update();
    part.update();
    const expected = (from: number, to: number, first: number) => {
      const sums = new Map<string, number>();
      for (let row = from; row < to; row++) {
        const name = `f${(row % STACKS) + first}`;
        sums.set(name, (sums.get(name) ?? 0) + 1 + (row % 2));
      }
      return sums;
    };
    const sums = (tree: CallTree) => new Map(Array.from({ length: tree.length }, (_, node) => [tree.refOf(node).name, tree.self(node)] as const).filter(([, self]) => self > 0));
    const sorted = (map: Map<string, number>) => [...map].sort();
    expect(sorted(sums(live))).toEqual(sorted(expected(0, 246_000, STACKS)));
    expect(sorted(sums(new CallTree(profile, lane, EVERYTHING, false)))).toEqual(sorted(expected(0, 246_000, STACKS)));
    expect(sorted(sums(part))).toEqual(sorted(expected(10_000, 180_000, STACKS)));
    expect(sorted(sums(new CallTree(profile, lane, { ...EVERYTHING, ranges, stacks: 'own' }, false)))).toEqual(sorted(expected(10_000, 180_000, 0)));
    expect(sorted(sums(new CallTree(profile, lane, { ...EVERYTHING, stacks: 'own' }, false)))).toEqual(sorted(expected(0, 250_000, 0)));
  });

  test('a tree that began before the first merged stack goes over to them', () => {
    const { profile, lane } = perfLane();
    for (let row = 0; row < 10; row++) lane.push(row * 1000, 0, row, 1);
    const tree = new CallTree(profile, lane, EVERYTHING, false);
    expect([tree.merged, tree.total]).toEqual([false, 10]);
    for (let row = 0; row < 4; row++) lane.pushMerged(row + STACKS, true);
    expect(tree.update()).toBe(true);
    expect([tree.merged, tree.total]).toEqual([true, 4]);
    lane.fillMerged();
    tree.update();
    expect(tree.total).toBe(10);
  });
});
