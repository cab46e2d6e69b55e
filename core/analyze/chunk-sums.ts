// Rows summed by stack, in blocks of 1, 2, 4, 8 ... sixteenths of a chunk: a range over millions of rows then costs a few
// sums and the rows of the two sixteenths at its edges, which is what lets a range be dragged.
import type { Chunk, Lane } from '#core/model/lane';
import { CHUNK_ROWS } from '#core/model/lane';

/** Parts of a closed chunk that are summed apart. */
export const PARTS = 16;
const PART_ROWS = CHUNK_ROWS / PARTS;
/** Level of a whole chunk: it is summed from its rows, not from its parts, which are made only where a range ends. */
const WHOLE = Math.log2(PARTS);

/** What some rows come to, by stack: a few thousand entries instead of 65,536 rows. */
export interface ChunkSums {
  /** Parts that they stand for. */
  readonly parts: number;
  /** Stack rows, -1 for rows without a stack. */
  readonly stacks: Int32Array;
  readonly weights: Float64Array;
  readonly counts: Float64Array;
}

/** Sums of whole chunks by node of a shape, in the order of nodes: adding them walks memory once, from front to back. */
export interface NodeSums {
  readonly nodes: Int32Array;
  readonly weights: Float64Array;
  readonly counts: Float64Array;
  readonly total: number;
  readonly samples: number;
  /** Weight without a node. */
  readonly outside: number;
}

/** More than a block has entries (a lane has at most 20 M rows); with 2^28 nodes it fits a double's 53 bits. */
const ENTRIES = 2 ** 25;

/** The sums of a block by node; `nodeOf` gives a stack's node, negative where it has none. */
export function byNode(sums: ChunkSums, nodeOf: (stack: number) => number): NodeSums {
  const { stacks, weights, counts } = sums;
  const to = new Int32Array(stacks.length);
  // Node and entry in one number, so that the numbers sort as such.
  const order = new Float64Array(stacks.length);
  let placed = 0;
  let total = 0;
  let samples = 0;
  let outside = 0;
  for (let i = 0; i < stacks.length; i++) {
    to[i] = stacks[i] < 0 ? -1 : nodeOf(stacks[i]);
    if (to[i] < 0) {
      outside += weights[i];
      continue;
    }
    total += weights[i];
    samples += counts[i];
    order[placed++] = to[i] * ENTRIES + i;
  }
  const sorted = order.subarray(0, placed).sort();
  const nodes = new Int32Array(placed);
  const weightOf = new Float64Array(placed);
  const countOf = new Float64Array(placed);
  let entries = 0;
  for (const key of sorted) {
    const i = key % ENTRIES;
    // Stacks that differ in addresses alone end in one node.
    if (entries === 0 || nodes[entries - 1] !== to[i]) nodes[entries++] = to[i];
    weightOf[entries - 1] += weights[i];
    countOf[entries - 1] += counts[i];
  }
  return { nodes: nodes.slice(0, entries), weights: weightOf.slice(0, entries), counts: countOf.slice(0, entries), total, samples, outside };
}

/** By level, by number of the block: sums of 2^level parts. Closed chunks change only when the lane is thinned. */
interface Sums {
  readonly thinnings: number;
  readonly levels: ChunkSums[][];
}
const own = new WeakMap<Lane, Sums>();
/** The same by the derived stacks. */
const derived = new WeakMap<Lane, Sums>();

/** Rows of a part of a chunk: [from, to), empty behind the rows of a chunk that closed early. */
export function rowsOfPart(chunk: Chunk, part: number): readonly [number, number] {
  return [Math.min(chunk.rows, part * PART_ROWS), Math.min(chunk.rows, (part + 1) * PART_ROWS)];
}

const bounds = new WeakMap<Chunk, Float64Array>();

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

/**
 * Sums of the largest block that begins at part `first` (chunk * PARTS + part) and ends before `end`; it lies in closed chunks,
 * with `merged` in those whose rows all have a derived stack.
 */
export function sumsFrom(lane: Lane, first: number, end: number, merged: boolean): ChunkSums {
  let level = 0;
  while (first % 2 ** (level + 1) === 0 && first + 2 ** (level + 1) <= end) level++;
  const known = merged ? derived : own;
  let sums = known.get(lane);
  if (sums === undefined || sums.thinnings !== lane.thinnings) known.set(lane, (sums = { thinnings: lane.thinnings, levels: [] }));
  return block(lane, sums, level, first / 2 ** level, merged);
}

function block(lane: Lane, sums: Sums, level: number, index: number, merged: boolean): ChunkSums {
  const blocks = (sums.levels[level] ??= []);
  return (blocks[index] ??= level === 0 ? summed(lane.chunks[Math.floor(index / PARTS)], rowsOfPart(lane.chunks[Math.floor(index / PARTS)], index % PARTS), merged)
    : level === WHOLE ? { ...summed(lane.chunks[index], [0, lane.chunks[index].rows], merged), parts: PARTS }
    : both(block(lane, sums, level - 1, index * 2, merged), block(lane, sums, level - 1, index * 2 + 1, merged)));
}

// By stack + 1: its entry + 1 in the sums that are being made. Cleared after each by its own stacks.
let entryOf = new Int32Array(1024);

function summed(chunk: Chunk, [from, to]: readonly [number, number], merged: boolean): ChunkSums {
  const { weight, count } = chunk;
  const stack = merged ? chunk.merged ?? chunk.stack : chunk.stack;
  return gather(1, to - from, (i) => stack[from + i], (i) => weight.get(from + i), (i) => count.get(from + i));
}

function both(a: ChunkSums, b: ChunkSums): ChunkSums {
  const half = a.stacks.length;
  return gather(
    a.parts + b.parts, half + b.stacks.length,
    (i) => (i < half ? a.stacks[i] : b.stacks[i - half]), (i) => (i < half ? a.weights[i] : b.weights[i - half]), (i) => (i < half ? a.counts[i] : b.counts[i - half]),
  );
}

function gather(parts: number, length: number, stackOf: (i: number) => number, weightOf: (i: number) => number, countOf: (i: number) => number): ChunkSums {
  const stacks = new Int32Array(length);
  const weights = new Float64Array(length);
  const counts = new Float64Array(length);
  let entries = 0;
  for (let i = 0; i < length; i++) {
    const key = stackOf(i) + 1;
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
    weights[entry] += weightOf(i);
    counts[entry] += countOf(i);
  }
  for (let entry = 0; entry < entries; entry++) entryOf[stacks[entry] + 1] = 0;
  return { parts, stacks: stacks.slice(0, entries), weights: weights.slice(0, entries), counts: counts.slice(0, entries) };
}
