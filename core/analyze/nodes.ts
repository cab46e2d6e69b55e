import { Int32Column, RowIndex, hash2 } from '#core/model/column';

/** A node table's "no caller". */
export const ROOT = -1;
/** Where a sample goes that a transform took out of the picture. */
export const GONE = -2;
/** Not looked at yet. */
export const UNSEEN = -3;

/** Nodes of a tree that merges by (parent, function). A parent always has the smaller number. */
export class NodeTable {
  readonly parent = new Int32Column(256);
  readonly fn = new Int32Column(256);
  /** A source line that was seen in the function here, 0 where none is known. */
  readonly line = new Int32Column(256);
  readonly depth = new Int32Column(256);
  #index = new RowIndex();
  /** Children by parent + 1: where its part of the list begins. Made for `#linked` nodes. */
  #childStart = new Int32Array(2);
  #childList = new Int32Array(0);
  #linked = 0;

  get length(): number {
    return this.parent.length;
  }

  /** The child of `parent` (ROOT for a root) that is `fn`, made if new. */
  child(parent: number, fn: number, line: number): number {
    const hash = hash2(parent, fn);
    const index = this.#index;
    for (let slot = index.first(hash); ; slot = index.next(slot)) {
      const row = index.row(slot);
      if (row < 0) {
        index.put(slot, hash, this.length);
        this.fn.push(fn);
        this.line.push(line);
        this.depth.push(parent < 0 ? 0 : this.depth.get(parent) + 1);
        return (this.parent.push(parent), this.length - 1);
      }
      if (this.parent.get(row) === parent && this.fn.get(row) === fn) {
        if (line > 0 && this.line.get(row) === 0) this.line.set(row, line);
        return row;
      }
    }
  }

  /** Children of a node (ROOT gives the roots) among the first `length` nodes, in the order in which they were made. */
  children(node: number, length: number): Int32Array {
    if (this.#linked !== this.length) this.#link();
    const start = this.#childStart[node + 1];
    let end = this.#childStart[node + 2];
    // Another tree of the same shape has made nodes that the asking one does not know yet: they are the last.
    while (end > start && this.#childList[end - 1] >= length) end--;
    return this.#childList.subarray(start, end);
  }

  // A counting sort by parent, which keeps the order of numbers.
  #link(): void {
    const length = this.length;
    const parent = this.parent.view();
    const start = new Int32Array(length + 2);
    for (let node = 0; node < length; node++) start[parent[node] + 2]++;
    for (let i = 1; i < length + 2; i++) start[i] += start[i - 1];
    const list = new Int32Array(length);
    const next = start.slice();
    for (let node = 0; node < length; node++) list[next[parent[node] + 1]++] = node;
    this.#childStart = start;
    this.#childList = list;
    this.#linked = length;
  }
}

/**
 * From the items of one tree (stacks, or nodes) to the nodes of another, one item after its caller. Only items that are
 * asked for, and their callers, are looked at.
 */
export class Mapping {
  readonly #parents: Int32Column;
  readonly #start: number;
  readonly #step: (item: number, up: number) => number;
  #pending = new Int32Array(64);
  to = new Int32Array(0);

  /**
   * `start` is what an item without a caller finds above itself; `step` gives the node of an item whose caller went to
   * the node `up` (a node, ROOT or GONE).
   */
  constructor(parents: Int32Column, start: number, step: (item: number, up: number) => number) {
    this.#parents = parents;
    this.#start = start;
    this.#step = step;
  }

  /** Makes `to` long enough for every item that exists now. */
  grow(): void {
    this.to = grown(this.to, this.#parents.length);
  }

  /** The node of an item. */
  of(item: number): number {
    if (item >= this.to.length) this.grow();
    const to = this.to;
    let at = item;
    let pending = 0;
    while (at >= 0 && to[at] === UNSEEN) {
      if (pending === this.#pending.length) {
        const more = new Int32Array(pending * 2);
        more.set(this.#pending);
        this.#pending = more;
      }
      this.#pending[pending++] = at;
      at = this.#parents.get(at);
    }
    let node = at < 0 ? this.#start : to[at];
    while (pending > 0) {
      const next = this.#pending[--pending];
      node = this.#step(next, node);
      to[next] = node;
    }
    return node;
  }
}

/** `array` with room for `length` entries, new ones UNSEEN; doubles, so that growing row by row stays linear. */
export function grown(array: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  if (length <= array.length) return array;
  const more = new Int32Array(Math.max(length, array.length * 2, 1024));
  more.set(array);
  more.fill(UNSEEN, array.length);
  return more;
}
