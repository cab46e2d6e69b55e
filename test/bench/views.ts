// Trees, layout and deltas on generated profiles: no file, no process.
import { CallTree } from '#core/analyze/call-tree';
import { emptyBoxes, layout } from '#core/analyze/layout';
import { EVERYTHING } from '#core/analyze/view';
import { applyDelta, startCursor, takeDelta } from '#core/model/delta';
import { NO_STACK, ns } from '#core/model/ids';
import type { StackId } from '#core/model/ids';
import type { Lane } from '#core/model/lane';
import { Profile } from '#core/model/profile';
import type { Figure } from './report.ts';
import { median, ms, quantile, timed } from './report.ts';

/** A repeatable random number in [0, 1). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 0x1_0000_0000;
  };
}

/** 40,000 stacks of depth 12 to 28 over 3,000 functions, most of them below few callers, as real programs are. */
function stacks(profile: Profile, wanted: number): StackId[] {
  const next = random(7);
  const functions = Array.from({ length: 3000 }, (_, i) => profile.functions.intern({ name: `function_${i}`, library: `lib${i % 40}.so`, kind: 'native' }));
  const made: StackId[] = [];
  while (made.length < wanted) {
    let stack: StackId = NO_STACK;
    const depth = 12 + Math.floor(next() * 16);
    for (let level = 0; level < depth; level++) {
      const pick = level < 8 ? Math.floor(next() ** 3 * 6) + level * 7 : Math.floor(next() * 3000);
      stack = profile.stacks.intern(stack, profile.frames.source(functions[pick]));
    }
    made.push(stack);
  }
  return made;
}

function fill(lane: Lane, from: readonly StackId[], rows: number, next: () => number, start: number): void {
  for (let i = 0; i < rows; i++) lane.push(start + i * 1e5, i % 32, from[Math.floor(next() ** 2 * from.length)], 1e7);
}

const VIEWPORT = { width: 1400, from: 0, to: 1, root: -1, order: 'alphabetical', minWidth: 1.5, firstRow: 0, rows: 60 } as const;

export async function views(): Promise<Figure[]> {
  const figures: Figure[] = [];
  const profile = new Profile();
  const all = stacks(profile, 40_000);
  const next = random(11);
  const lanes = (['cpu', 'off-cpu', 'memory', 'cuda'] as const).map((kind) => profile.lanes[profile.addLane({ kind, unit: 'ns', name: kind })]);
  for (const lane of lanes) fill(lane, all, 1_000_000, next, 0);

  const boxes = emptyBoxes();
  const build = await timed(3, () => { layout(new CallTree(profile, lanes[0], EVERYTHING, false), VIEWPORT, boxes); });
  figures.push({ what: `build a tree of 1 M samples, ${profile.stacks.length} stack rows, and lay it out`, value: ms(median(build)), aim: '' });

  // The window shows all four before a range is dragged in them.
  for (const lane of lanes) new CallTree(profile, lane, EVERYTHING, false).release();
  const ranges = await timed(30, (run) => {
    for (const lane of lanes) {
      const tree = new CallTree(profile, lane, { ...EVERYTHING, ranges: [[run * 1e9, 5e10 + run * 1e9]] }, false);
      layout(tree, VIEWPORT, boxes);
      tree.release();
    }
  });
  figures.push({ what: 'four lanes of 1 M samples, another half as the range, all redrawn', value: `${ms(median(ranges))} (p99 ${ms(quantile(ranges, 0.99))})`, aim: '50 ms' });

  // A live tick: rows arrive, go over the wire, are taken into the page's tree, are laid out.
  const page = new Profile();
  let cursor = startCursor();
  for (let complete = false; !complete;) {
    const delta = takeDelta(profile, cursor);
    applyDelta(page, delta.bytes);
    ({ cursor, complete } = delta);
  }
  const tree = new CallTree(page, page.lanes[0], EVERYTHING, false);
  tree.update();
  let bytes = 0;
  const tick = await timed(40, (run) => {
    fill(lanes[0], all, 3200, next, 1e11 + run * 3.2e8);
    const delta = takeDelta(profile, cursor);
    applyDelta(page, delta.bytes);
    cursor = delta.cursor;
    bytes = delta.bytes.length;
    tree.update();
    layout(tree, VIEWPORT, boxes);
  });
  figures.push({ what: 'a live tick of 3,200 samples: delta, apply, tree, layout', value: `${ms(median(tick))} (p99 ${ms(quantile(tick, 0.99))})`, aim: '8 ms with drawing' });
  figures.push({ what: 'bytes of that tick', value: `${(bytes / 1000).toFixed(0)} kB`, aim: '' });
  figures.push({ what: 'rows kept in memory a lane', value: `${(lanes[0].chunks.reduce((sum, chunk) => sum + chunk.time.length * 12, 0) / lanes[0].rows).toFixed(1)} bytes a row`, aim: '12' });
  page.reach(ns(0));
  return figures;
}
