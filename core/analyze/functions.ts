import type { FunctionId } from '#core/model/ids';
import type { CallTree } from './call-tree.ts';

/**
 * What a function takes in a tree. Weights in the lane's unit; recursion is counted once. Of held memory these are net numbers:
 * a function that freed more than it allocated has less than 0.
 */
export interface FunctionRow {
  readonly fn: FunctionId;
  readonly self: number;
  readonly total: number;
  readonly selfSamples: number;
  readonly samples: number;
  /** In how many boxes it stands. */
  readonly boxes: number;
}

/** All functions that have weight in the tree, in no order. */
export function functionsTable(tree: CallTree): FunctionRow[] {
  const size = tree.profile.functions.length;
  const self = new Float64Array(size);
  const total = new Float64Array(size);
  const selfSamples = new Float64Array(size);
  const samples = new Float64Array(size);
  const boxes = new Int32Array(size);
  const fns = tree.functions();
  walk(tree, (node, outermost) => {
    const fn = fns[node];
    boxes[fn]++;
    if (outermost) {
      total[fn] += tree.netOf(node);
      samples[fn] += tree.netSamplesOf(node);
    }
    // Leaves first, a function's own weight is what its roots carry.
    if (!tree.inverted) {
      self[fn] += tree.netSelf(node);
      selfSamples[fn] += tree.netSelfSamples(node);
    } else if (tree.parent(node) < 0) {
      self[fn] += tree.netOf(node);
      selfSamples[fn] += tree.netSamplesOf(node);
    }
  });
  const rows: FunctionRow[] = [];
  for (let fn = 0; fn < size; fn++) {
    if (boxes[fn] === 0) continue;
    rows.push({ fn: fn as FunctionId, self: self[fn], total: total[fn], selfSamples: selfSamples[fn], samples: samples[fn], boxes: boxes[fn] });
  }
  return rows;
}

/** What one function takes, as `functionsTable` says it; null where it has no weight. One look over the nodes. */
export function functionRow(tree: CallTree, fn: number): FunctionRow | null {
  const fns = tree.functions();
  const parents = tree.parents();
  const totals = tree.totals();
  const nets = tree.nets();
  const row = { fn: fn as FunctionId, self: 0, total: 0, selfSamples: 0, samples: 0, boxes: 0 };
  for (let node = 0; node < fns.length; node++) {
    if (fns[node] !== fn || !(totals[node] > 0 || nets[node] < 0)) continue;
    let outermost = true;
    for (let at = parents[node]; outermost && at >= 0; at = parents[at]) if (fns[at] === fn) outermost = false;
    row.boxes++;
    if (outermost) {
      row.total += nets[node];
      row.samples += tree.netSamplesOf(node);
    }
    if (!tree.inverted) {
      row.self += tree.netSelf(node);
      row.selfSamples += tree.netSelfSamples(node);
    } else if (parents[node] < 0) {
      row.self += nets[node];
      row.selfSamples += tree.netSamplesOf(node);
    }
  }
  return row.boxes === 0 ? null : row;
}

/** A caller or callee of a function, with the weight of the samples in which the one called the other. */
export interface Neighbour {
  readonly fn: FunctionId;
  readonly total: number;
  readonly samples: number;
}

/**
 * Who called a function and whom it called, heaviest first. A sample in which a function called another more than once
 * counts once. Callers are those of the outermost call, so that their totals sum to the function's own where it has a caller.
 */
export function neighboursOf(tree: CallTree, fn: FunctionId): { callers: Neighbour[]; callees: Neighbour[] } {
  const fns = tree.functions();
  const parents = tree.parents();
  const above = new Map<number, { total: number; samples: number }>();
  const below = new Map<number, { total: number; samples: number }>();
  const add = (to: Map<number, { total: number; samples: number }>, who: number, node: number): void => {
    const row = to.get(who) ?? { total: 0, samples: 0 };
    row.total += tree.netOf(node);
    row.samples += tree.netSamplesOf(node);
    to.set(who, row);
  };
  // By function: how many of its boxes that were called by `fn` are open on the way down.
  const open = new Int32Array(tree.profile.functions.length);
  walk(
    tree,
    (node, outermost) => {
      const parent = parents[node];
      if (fns[node] === fn && outermost && parent >= 0) add(above, fns[parent], node);
      if (parent >= 0 && fns[parent] === fn && open[fns[node]]++ === 0) add(below, fns[node], node);
    },
    (node) => {
      const parent = parents[node];
      if (parent >= 0 && fns[parent] === fn) open[fns[node]]--;
    },
  );
  const sorted = (from: Map<number, { total: number; samples: number }>): Neighbour[] =>
    [...from].map(([who, row]) => ({ fn: who as FunctionId, ...row })).sort((a, b) => b.total - a.total || a.fn - b.fn);
  return tree.inverted ? { callers: sorted(below), callees: sorted(above) } : { callers: sorted(above), callees: sorted(below) };
}

/**
 * Visits every node with weight, callers first; `outermost` is false where the same function stands above. `leave` is called
 * when a node's callees are done.
 */
function walk(tree: CallTree, enter: (node: number, outermost: boolean) => void, leave?: (node: number) => void): void {
  const totals = tree.totals();
  const nets = tree.nets();
  const fns = tree.functions();
  const active = new Int32Array(tree.profile.functions.length);
  const todo: number[] = [...tree.children(-1)].reverse();
  // A node is left when its complement comes up again.
  for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
    if (node < 0) {
      active[fns[~node]]--;
      leave?.(~node);
      continue;
    }
    // What gained, and what lost: below a node of neither there is nothing.
    if (!(totals[node] > 0 || nets[node] < 0)) continue;
    enter(node, active[fns[node]]++ === 0);
    todo.push(~node);
    for (const child of tree.children(node)) todo.push(child);
  }
}
