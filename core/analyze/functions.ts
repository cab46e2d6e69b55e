import type { FunctionId } from '#core/model/ids';
import type { CallTree } from './call-tree.ts';

/** What a function takes in a tree. Weights in the lane's unit; recursion is counted once. */
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
      total[fn] += tree.totalOf(node);
      samples[fn] += tree.samplesOf(node);
    }
    // Leaves first, a function's own weight is what its roots carry.
    if (!tree.inverted) {
      self[fn] += tree.self(node);
      selfSamples[fn] += tree.selfSamples(node);
    } else if (tree.parent(node) < 0) {
      self[fn] += tree.totalOf(node);
      selfSamples[fn] += tree.samplesOf(node);
    }
  });
  const rows: FunctionRow[] = [];
  for (let fn = 0; fn < size; fn++) {
    if (boxes[fn] === 0) continue;
    rows.push({ fn: fn as FunctionId, self: self[fn], total: total[fn], selfSamples: selfSamples[fn], samples: samples[fn], boxes: boxes[fn] });
  }
  return rows;
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
    row.total += tree.totalOf(node);
    row.samples += tree.samplesOf(node);
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
    if (!(totals[node] > 0)) continue;
    enter(node, active[fns[node]]++ === 0);
    todo.push(~node);
    for (const child of tree.children(node)) todo.push(child);
  }
}
