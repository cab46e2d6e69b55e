// Python threads that the profiler could not name all have tid 0. Calls of two threads at once are no stack: each chain of callers
// goes to a row of its own, chains that do not overlap share one.
import type { HostSlices } from '../gpu/host.ts';
import { PYTHON } from '../gpu/host.ts';

/** So many threads at once are told apart. */
const MOST_ROWS = 256;

/**
 * Moves slices of thread `thread` that belong to a second, third ... thread at the same time to threads that `more(n)` gives (n from 1).
 * Gives how many rows there are now.
 */
export function splitUnplaced(slices: HostSlices, thread: number, more: (n: number) => number): number {
  const parents = new Map<number, number>();
  const rows: number[] = [];
  for (let row = 0; row < slices.length; row++) {
    if (slices.thread.get(row) !== thread || slices.kind.get(row) !== PYTHON || slices.id.get(row) < 0) continue;
    rows.push(row);
    parents.set(slices.id.get(row), slices.parent.get(row));
  }
  if (rows.length === 0) return 1;
  const roots = new Map<number, number>();
  const rootOf = (id: number): number => {
    const path: number[] = [];
    let at = id;
    // A broken file may have a ring of callers: no chain is longer than the number of calls.
    for (let left = parents.size; left > 0 && !roots.has(at); left--) {
      path.push(at);
      const up = parents.get(at);
      if (up === undefined || up < 0 || !parents.has(up)) break;
      at = up;
    }
    const root = roots.get(at) ?? at;
    for (const one of path) roots.set(one, root);
    return root;
  };
  const chains = new Map<number, { start: number; end: number; row: number }>();
  for (const row of rows) {
    const root = rootOf(slices.id.get(row));
    const chain = chains.get(root);
    if (chain === undefined) chains.set(root, { start: slices.start.get(row), end: slices.end(row), row: 0 });
    else {
      chain.start = Math.min(chain.start, slices.start.get(row));
      chain.end = Math.max(chain.end, slices.end(row));
    }
  }
  const free: number[] = [];
  for (const [, chain] of [...chains].sort(([a, x], [b, y]) => x.start - y.start || y.end - x.end || a - b)) {
    let row = free.findIndex((end) => end <= chain.start);
    if (row < 0) row = free.length < MOST_ROWS ? free.push(0) - 1 : MOST_ROWS - 1;
    free[row] = Math.max(free[row], chain.end);
    chain.row = row;
  }
  if (free.length === 1) return 1;
  const numbers = free.map((_, n) => (n === 0 ? thread : more(n)));
  for (const row of rows) {
    const chain = chains.get(rootOf(slices.id.get(row)));
    if (chain !== undefined && chain.row > 0) slices.thread.set(row, numbers[chain.row]);
  }
  return free.length;
}
