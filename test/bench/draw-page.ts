// Runs in Chromium (draw.ts puts it there): a live profile of 6,600 boxes, laid out and drawn as the flame view does.
import { CallTree } from '#core/analyze/call-tree';
import { emptyBoxes, layout } from '#core/analyze/layout';
import { EVERYTHING } from '#core/analyze/view';
import { NO_STACK } from '#core/model/ids';
import { Profile } from '#core/model/profile';
import { drawFlame } from '../../renderer/views/flame/draw.ts';
import { BoxInk, readInk } from '../../renderer/views/flame/ink.ts';

const COLUMNS = 120;
const ROWS = 55;

export interface DrawFigures {
  readonly boxes: number;
  /** ms, one a tick. */
  readonly ticks: readonly number[];
  /** Ticks without a sample on which the tree said that it changed. */
  readonly idleChanges: number;
  /** Bytes of the heap after the first and after the last quarter. */
  readonly heap: readonly [number, number];
}

/** Each tick brings 320 samples; a tenth as many without any follow. */
export function measure(ticks: number): DrawFigures {
  const profile = new Profile();
  const lane = profile.lanes[profile.addLane({ kind: 'cpu', unit: 'ns', name: 'cpu' })];
  const leaves = Array.from({ length: COLUMNS }, (_, column) => {
    let stack = NO_STACK;
    for (let row = 0; row < ROWS; row++) {
      stack = profile.stacks.intern(stack, profile.frames.source(profile.functions.intern({ name: `function_${column}_${row}`, library: `lib${column % 40}.so`, kind: 'native' })));
    }
    return stack;
  });
  const canvas = document.createElement('canvas');
  Object.assign(canvas, { width: 1440, height: 1020 });
  document.body.append(canvas);
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('no canvas');
  const ink = new BoxInk(profile, readInk(canvas), false);
  const tree = new CallTree(profile, lane, EVERYTHING, false);
  const boxes = emptyBoxes();
  const heap = (): number => {
    const { gc, performance: { memory } } = globalThis as unknown as { gc?: () => void; performance: { memory: { usedJSHeapSize: number } } };
    gc?.();
    return memory.usedJSHeapSize;
  };
  const times: number[] = [];
  let first = 0;
  for (let tick = 0; tick < ticks; tick++) {
    for (let i = 0; i < 320; i++) lane.push(tick * 1e8 + i * 3e5, 0, leaves[(tick * 7 + i) % COLUMNS], 1e7);
    const began = performance.now();
    tree.update();
    layout(tree, { width: 1440, from: 0, to: 1, root: -1, order: 'alphabetical', minWidth: 1.5, firstRow: 0, rows: ROWS }, boxes);
    drawFlame(context, {
      tree, boxes, pitch: 18, width: 1440, height: 1020, ratio: 1, flipped: false, scroll: 0, hovered: -1, selected: -1, linked: -1,
      matches: null, zoomDepth: -1, matchStrip: null, chosenStrip: null, placeOf: () => 'file.c:12',
      nameOf: (node) => profile.functions.nameOf(tree.fn(node)),
    }, ink);
    // Reading a pixel back waits for the drawing.
    if (tick % 2 === 0) context.getImageData(0, 0, 1, 1);
    times.push(performance.now() - began);
    if (tick === Math.floor(ticks / 4)) first = heap();
  }
  let idleChanges = 0;
  for (let tick = 0; tick < ticks / 10; tick++) if (tree.update()) idleChanges++;
  return { boxes: boxes.count, ticks: times, idleChanges, heap: [first, heap()] };
}

Object.assign(globalThis, { measure });
