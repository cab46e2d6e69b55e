import type { FunctionId } from '#core/model/ids';
import type { CallTree } from './call-tree.ts';

/** What of a tree is to be drawn where. */
export interface Viewport {
  /** Pixels (or any unit: boxes come in the same). */
  width: number;
  /** The part of the zoom root's width that is seen, as fractions of it: 0 and 1 show all. */
  from: number;
  to: number;
  /** Zoomed node, -1 for everything. Its callers are drawn at full width above it. */
  root: number;
  order: 'alphabetical' | 'left-heavy';
  /** Narrower boxes fold with their neighbours; 1.5 on the screen. */
  minWidth: number;
  /** Rows firstRow to firstRow + rows are given; row 0 is the roots' row. */
  firstRow: number;
  rows: number;
}

/** Boxes by row, left to right in a row. Columns are longer than `count` where they are used again. */
export interface Boxes {
  count: number;
  /** Node of the tree; -1 for a box that stands for folded ones. */
  node: Int32Array<ArrayBuffer>;
  /** Left edge and width in the viewport's unit, cut to the viewport. */
  x: Float32Array<ArrayBuffer>;
  width: Float32Array<ArrayBuffer>;
  row: Int32Array<ArrayBuffer>;
  /** How many sibling nodes are folded into the box; 0 for a box of its own. */
  folded: Int32Array<ArrayBuffer>;
  /** Weight, in the lane's unit. */
  value: Float64Array<ArrayBuffer>;
  /** The caller's node of the box: what folded ones have in common. -1 at the roots. */
  parent: Int32Array<ArrayBuffer>;
  /** Deepest row that has a box, whether it was asked for or not; -1 where nothing is. */
  maxRow: number;
}

export function emptyBoxes(capacity = 1024): Boxes {
  return {
    count: 0, node: new Int32Array(capacity), x: new Float32Array(capacity), width: new Float32Array(capacity), row: new Int32Array(capacity),
    folded: new Int32Array(capacity), value: new Float64Array(capacity), parent: new Int32Array(capacity), maxRow: -1,
  };
}

/** The level above the one that is being laid out: nodes that were drawn and where each begins, in weight from the zoom root's left edge. */
interface Level {
  nodes: number[];
  starts: number[];
}

/**
 * Lays out a tree level by level; only what is wide enough is visited. `into` is filled and returned when given, so that a
 * picture drawn again and again makes no garbage.
 */
export function layout(tree: CallTree, viewport: Viewport, into: Boxes = emptyBoxes()): Boxes {
  into.count = 0;
  into.maxRow = -1;
  const totals = tree.totals();
  const root = viewport.root < tree.length ? viewport.root : -1;
  const whole = root < 0 ? tree.total : totals[root];
  const span = viewport.to - viewport.from;
  if (!(whole > 0) || !(span > 0) || !(viewport.width > 0)) return into;

  // x = (weight - left) * scale
  const scale = viewport.width / (whole * span);
  const left = whole * viewport.from;
  const compare = comparison(tree, viewport.order);
  const endRow = viewport.firstRow + viewport.rows;

  const emit = (row: number, node: number, parent: number, start: number, value: number, folded: number): void => {
    if (row > into.maxRow) into.maxRow = row;
    if (row < viewport.firstRow || row >= endRow) return;
    const x = Math.max(0, (start - left) * scale);
    const end = Math.min(viewport.width, (start + value - left) * scale);
    if (into.count === into.node.length) enlarge(into);
    const at = into.count++;
    into.node[at] = node;
    into.parent[at] = parent;
    into.x[at] = x;
    into.width[at] = Math.max(0, end - x);
    into.row[at] = row;
    into.folded[at] = folded;
    into.value[at] = value;
  };

  let row = 0;
  if (root >= 0) {
    const path: number[] = [];
    for (let at = root; at >= 0; at = tree.parent(at)) path.push(at);
    for (row = 0; row < path.length; row++) {
      const node = path[path.length - 1 - row];
      // A caller's own weight is more than what is seen; its box is the whole width.
      if (row > into.maxRow) into.maxRow = row;
      if (row < viewport.firstRow || row >= endRow) continue;
      if (into.count === into.node.length) enlarge(into);
      const at = into.count++;
      into.node[at] = node;
      into.parent[at] = tree.parent(node);
      into.x[at] = 0;
      into.width[at] = viewport.width;
      into.row[at] = row;
      into.folded[at] = 0;
      into.value[at] = totals[node];
    }
  }

  let above: Level = { nodes: [root], starts: [0] };
  let below: Level = { nodes: [], starts: [] };
  for (; above.nodes.length > 0; row++) {
    for (let i = 0; i < above.nodes.length; i++) {
      const parent = above.nodes[i];
      let start = above.starts[i];
      // Neighbours too narrow to draw, gathered until a wide one follows.
      let foldStart = start;
      let foldValue = 0;
      let foldCount = 0;
      const fold = (): void => {
        if (foldCount > 0 && (foldStart + foldValue - left) * scale > 0 && (foldStart - left) * scale < viewport.width) {
          emit(row, -1, parent, foldStart, foldValue, foldCount);
        }
        foldCount = 0;
        foldValue = 0;
      };
      for (const node of ordered(tree, parent, totals, compare)) {
        const value = totals[node];
        if (value * scale < viewport.minWidth) {
          if (foldCount === 0) foldStart = start;
          foldCount++;
          foldValue += value;
        } else {
          fold();
          const x = (start - left) * scale;
          if (x < viewport.width && x + value * scale > 0) {
            emit(row, node, parent, start, value, 0);
            below.nodes.push(node);
            below.starts.push(start);
          }
        }
        start += value;
      }
      fold();
    }
    const done = above;
    above = below;
    below = done;
    below.nodes.length = below.starts.length = 0;
  }
  return into;
}

/** The box at a point, -1 where there is none. `x` in the viewport's unit. */
export function boxAt(boxes: Boxes, x: number, row: number): number {
  let low = 0;
  let high = boxes.count;
  // First box that is in a later row, or in this row and ends after x.
  while (low < high) {
    const middle = (low + high) >>> 1;
    const before = boxes.row[middle] < row || (boxes.row[middle] === row && boxes.x[middle] + boxes.width[middle] <= x);
    if (before) low = middle + 1;
    else high = middle;
  }
  return low < boxes.count && boxes.row[low] === row && boxes.x[low] <= x ? low : -1;
}

/** Index of a node's box, -1 where it is not drawn. */
export function boxOf(boxes: Boxes, node: number): number {
  if (node < 0) return -1;
  const at = boxes.node.indexOf(node);
  return at >= 0 && at < boxes.count ? at : -1;
}

/** Where a node lies in the viewport, drawn or not, in the viewport's unit and not cut to it; null outside of the zoom root. */
export function placeOf(tree: CallTree, viewport: Viewport, node: number): { x: number; width: number; row: number } | null {
  const totals = tree.totals();
  const root = viewport.root < tree.length ? viewport.root : -1;
  const whole = root < 0 ? tree.total : totals[root];
  if (!(whole > 0) || node < 0 || node >= tree.length || totals[node] <= 0) return null;
  for (let at = root; at >= 0; at = tree.parent(at)) if (at === node) return { x: 0, width: viewport.width, row: tree.depth(node) };
  const compare = comparison(tree, viewport.order);
  let start = 0;
  let at = node;
  for (; at >= 0 && at !== root; at = tree.parent(at)) {
    for (const sibling of ordered(tree, tree.parent(at), totals, compare)) {
      if (sibling === at) break;
      start += totals[sibling];
    }
  }
  if (at !== root) return null;
  const scale = viewport.width / (whole * (viewport.to - viewport.from));
  return { x: (start - whole * viewport.from) * scale, width: totals[node] * scale, row: tree.depth(node) };
}

/**
 * Which pixel columns have a wanted node in any row, drawn or folded: one byte a pixel of the viewport's width, 1 where
 * there is one. `wanted` has one byte a node (as search's `matches`). The zoom root and its callers do not count.
 */
export function stripOf(tree: CallTree, viewport: Viewport, wanted: Uint8Array): Uint8Array {
  const strip = new Uint8Array(Math.max(0, Math.ceil(viewport.width)));
  const totals = tree.totals();
  const root = viewport.root < tree.length ? viewport.root : -1;
  const whole = root < 0 ? tree.total : totals[root];
  if (!(whole > 0)) return strip;
  const parents = tree.parents();
  // 1: the node or one below it is wanted.
  const holds = new Uint8Array(tree.length);
  for (let node = tree.length - 1; node >= 0; node--) {
    if (wanted[node] === 1) holds[node] = 1;
    if (holds[node] === 1 && parents[node] >= 0) holds[parents[node]] = 1;
  }
  const scale = viewport.width / (whole * (viewport.to - viewport.from));
  const left = whole * viewport.from;
  const compare = comparison(tree, viewport.order);
  const nodes = [root];
  const starts = [0];
  for (let node = nodes.pop(), start = starts.pop(); node !== undefined && start !== undefined; node = nodes.pop(), start = starts.pop()) {
    for (const child of ordered(tree, node, totals, compare)) {
      const begin = Math.floor((start - left) * scale);
      const end = Math.max(begin + 1, Math.ceil((start + totals[child] - left) * scale));
      if (holds[child] === 1 && end > 0 && begin < strip.length) {
        if (wanted[child] === 1) strip.fill(1, Math.max(0, begin), end);
        else if (end - begin <= 1) strip[Math.max(0, begin)] = 1;
        else {
          nodes.push(child);
          starts.push(start);
        }
      }
      start += totals[child];
    }
  }
  return strip;
}

/** Children that have weight, in the viewport's order: the neighbours that an arrow key walks. */
export function orderedChildren(tree: CallTree, node: number, order: Viewport['order']): number[] {
  return ordered(tree, node, tree.totals(), comparison(tree, order));
}

function ordered(tree: CallTree, node: number, totals: Float64Array, compare: (a: number, b: number) => number): number[] {
  const children: number[] = [];
  for (const child of tree.children(node)) if (totals[child] > 0) children.push(child);
  if (children.length > 1) children.sort(compare);
  return children;
}

// Names decide between equal totals, never node numbers: another process that opens the same profile draws the same picture.
function comparison(tree: CallTree, order: Viewport['order']): (a: number, b: number) => number {
  const totals = tree.totals();
  const functions = tree.profile.functions;
  const fns = tree.functions();
  const byName = (a: number, b: number): number => {
    const left = fns[a] as FunctionId;
    const right = fns[b] as FunctionId;
    return (
      compareText(functions.nameOf(left), functions.nameOf(right)) || compareText(functions.fileOf(left), functions.fileOf(right)) ||
      compareText(functions.libraryOf(left), functions.libraryOf(right)) || functions.kind.get(left) - functions.kind.get(right) || a - b
    );
  };
  switch (order) {
    case 'alphabetical':
      return byName;
    case 'left-heavy':
      return (a, b) => totals[b] - totals[a] || byName(a, b);
  }
}

// By code unit, so that order does not depend on the language of the machine.
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function enlarge(boxes: Boxes): void {
  const size = Math.max(1024, boxes.node.length * 2);
  const ints = (from: Int32Array): Int32Array<ArrayBuffer> => { const to = new Int32Array(size); to.set(from); return to; };
  const floats = (from: Float32Array): Float32Array<ArrayBuffer> => { const to = new Float32Array(size); to.set(from); return to; };
  boxes.node = ints(boxes.node);
  boxes.parent = ints(boxes.parent);
  boxes.row = ints(boxes.row);
  boxes.folded = ints(boxes.folded);
  boxes.x = floats(boxes.x);
  boxes.width = floats(boxes.width);
  const value = new Float64Array(size);
  value.set(boxes.value);
  boxes.value = value;
}
