// Rows of whole chunks summed, in blocks of 1, 2, 4, 8 ... chunks: a range over millions of rows then costs a few sums and the
// rows of the two chunks at its edges, which is what lets a range be dragged.
//
//     rows of a chunk -> sums by stack (once for a lane) -> sums by node, in their order (once for a shape) -> blocks, by merging
import type { Chunk, Lane } from '#core/model/lane';
import { CHUNK_ROWS } from '#core/model/lane';

/** What the rows of a chunk come to, by stack: a few thousand entries instead of 65,536 rows. */
interface StackSums {
  /** Stack rows, -1 for rows without a stack. */
  readonly stacks: Int32Array;
  readonly weights: Float64Array;
  readonly counts: Float64Array;
}

/** Sums of whole chunks by node of a shape, in the order of nodes: adding them walks memory once, from front to back. */
export interface NodeSums {
  /** Chunks that they stand for. */
  readonly chunks: number;
  readonly nodes: Int32Array;
  readonly weights: Float64Array;
  readonly counts: Float64Array;
  readonly total: number;
  readonly samples: number;
  /** Weight without a node. */
  readonly outside: number;
}

/** Blocks of one lane for one shape. `nodeOf` gives a stack's node, negative where it has none. */
export class NodeBlocks {
  readonly #lane: Lane;
  readonly #merged: boolean;
  readonly #nodeOf: (stack: number) => number;
  #thinnings: number;
  /** By level, by number of the block: sums of 2^level chunks. Closed chunks change only when the lane is thinned. */
  #levels: NodeSums[][] = [];

  constructor(lane: Lane, merged: boolean, nodeOf: (stack: number) => number) {
    this.#lane = lane;
    this.#merged = merged;
    this.#nodeOf = nodeOf;
    this.#thinnings = lane.thinnings;
  }

  /**
   * Sums of the largest block that begins at chunk `first` and ends before `end`; `end` is at most the number of closed chunks,
   * for derived stacks of those whose rows all have one.
   */
  from(first: number, end: number): NodeSums {
    if (this.#thinnings !== this.#lane.thinnings) {
      this.#thinnings = this.#lane.thinnings;
      this.#levels = [];
    }
    let level = 0;
    while (first % 2 ** (level + 1) === 0 && first + 2 ** (level + 1) <= end) level++;
    return this.#block(level, first / 2 ** level);
  }

  #block(level: number, index: number): NodeSums {
    const blocks = (this.#levels[level] ??= []);
    return (blocks[index] ??= level === 0 ? byNode(sumsOf(this.#lane.chunks[index], this.#merged), this.#nodeOf)
      : both(this.#block(level - 1, index * 2), this.#block(level - 1, index * 2 + 1)));
  }
}

/** More than a chunk has entries; with 2^28 nodes it fits a double's 53 bits. */
const ENTRIES = 2 ** 25;

function byNode(sums: StackSums, nodeOf: (stack: number) => number): NodeSums {
  const { stacks, weights, counts } = sums;
  // Node and entry in one number, so that the numbers sort as such.
  const order = new Float64Array(stacks.length);
  let placed = 0;
  let total = 0;
  let samples = 0;
  let outside = 0;
  for (let i = 0; i < stacks.length; i++) {
    const node = stacks[i] < 0 ? -1 : nodeOf(stacks[i]);
    if (node < 0) {
      outside += weights[i];
      continue;
    }
    total += weights[i];
    samples += counts[i];
    order[placed++] = node * ENTRIES + i;
  }
  const nodes = new Int32Array(placed);
  const weightOf = new Float64Array(placed);
  const countOf = new Float64Array(placed);
  let entries = 0;
  for (const key of order.subarray(0, placed).sort()) {
    const node = Math.floor(key / ENTRIES);
    const i = key - node * ENTRIES;
    // Stacks that differ in addresses alone end in one node.
    if (entries === 0 || nodes[entries - 1] !== node) nodes[entries++] = node;
    weightOf[entries - 1] += weights[i];
    countOf[entries - 1] += counts[i];
  }
  return { chunks: 1, nodes: nodes.slice(0, entries), weights: weightOf.slice(0, entries), counts: countOf.slice(0, entries), total, samples, outside };
}

/** Two blocks as one: both are in the order of nodes. */
function both(a: NodeSums, b: NodeSums): NodeSums {
  const most = a.nodes.length + b.nodes.length;
  const nodes = new Int32Array(most);
  const weights = new Float64Array(most);
  const counts = new Float64Array(most);
  let entries = 0;
  for (let i = 0, j = 0; i < a.nodes.length || j < b.nodes.length; entries++) {
    const left = i < a.nodes.length ? a.nodes[i] : Infinity;
    const right = j < b.nodes.length ? b.nodes[j] : Infinity;
    nodes[entries] = Math.min(left, right);
    if (left <= right) {
      weights[entries] += a.weights[i];
      counts[entries] += a.counts[i++];
    }
    if (right <= left) {
      weights[entries] += b.weights[j];
      counts[entries] += b.counts[j++];
    }
  }
  return {
    chunks: a.chunks + b.chunks, nodes: nodes.slice(0, entries), weights: weights.slice(0, entries), counts: counts.slice(0, entries),
    total: a.total + b.total, samples: a.samples + b.samples, outside: a.outside + b.outside,
  };
}

/** A closed chunk's sums by its own stacks, and by the derived ones. A thinned chunk is another object. */
const own = new WeakMap<Chunk, StackSums>();
const derived = new WeakMap<Chunk, StackSums>();

function sumsOf(chunk: Chunk, merged: boolean): StackSums {
  const known = merged ? derived : own;
  let sums = known.get(chunk);
  if (sums === undefined) known.set(chunk, (sums = summed(chunk, merged)));
  return sums;
}

// By stack + 1: its entry + 1 in the sums that are being made. Cleared after each by its own stacks.
let entryOf = new Int32Array(1024);

function summed(chunk: Chunk, merged: boolean): StackSums {
  const { rows, weight, count } = chunk;
  const stack = merged ? chunk.merged ?? chunk.stack : chunk.stack;
  const stacks = new Int32Array(rows);
  const weights = new Float64Array(rows);
  const counts = new Float64Array(rows);
  let entries = 0;
  for (let row = 0; row < rows; row++) {
    const key = stack[row] + 1;
    if (key >= entryOf.length) {
      const more = new Int32Array(Math.max(key + 1, entryOf.length * 2));
      more.set(entryOf);
      entryOf = more;
    }
    let entry = entryOf[key] - 1;
    if (entry < 0) {
      entry = entries++;
      entryOf[key] = entry + 1;
      stacks[entry] = key - 1;
    }
    weights[entry] += weight.get(row);
    counts[entry] += count.get(row);
  }
  for (let entry = 0; entry < entries; entry++) entryOf[stacks[entry] + 1] = 0;
  return { stacks: stacks.slice(0, entries), weights: weights.slice(0, entries), counts: counts.slice(0, entries) };
}

/** Parts of a closed chunk whose times are bounded apart, so that a range does not look at rows of the others. */
export const PARTS = 16;
const PART_ROWS = CHUNK_ROWS / PARTS;
const bounds = new WeakMap<Chunk, Float64Array>();

/** Rows of a part of a chunk: [from, to), empty behind the rows of a chunk that closed early. */
export function rowsOfPart(chunk: Chunk, part: number): readonly [number, number] {
  return [Math.min(chunk.rows, part * PART_ROWS), Math.min(chunk.rows, (part + 1) * PART_ROWS)];
}

/** Least time and greatest end of the rows of each part of a closed chunk, in pairs; Infinity and -Infinity where there are none. */
export function boundsOfParts(chunk: Chunk): Float64Array {
  let known = bounds.get(chunk);
  if (known === undefined) {
    known = new Float64Array(PARTS * 2);
    for (let part = 0; part < PARTS; part++) {
      let least = Infinity;
      let greatest = -Infinity;
      const [from, to] = rowsOfPart(chunk, part);
      for (let row = from; row < to; row++) {
        const time = chunk.timeAt(row);
        const end = time + chunk.duration.get(row);
        if (time < least) least = time;
        if (end > greatest) greatest = end;
      }
      known[part * 2] = least;
      known[part * 2 + 1] = greatest;
    }
    bounds.set(chunk, known);
  }
  return known;
}
