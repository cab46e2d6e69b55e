import { ensure } from '#core/errors';
import type { Nanoseconds, StackId, ThreadId } from './ids.ts';

/** Kinds of lane. The order is the wire format: only append. */
export const LANE_KINDS = ['cpu', 'off-cpu', 'memory', 'cuda', 'gpu-idle', 'gpu-memory', 'faults', 'other'] as const;
export type LaneKind = (typeof LANE_KINDS)[number];

export const UNITS = ['ns', 'bytes', 'count'] as const;
export type Unit = (typeof UNITS)[number];

export interface LaneFacts {
  readonly kind: LaneKind;
  readonly unit: Unit;
  /** Which event or profiler: `cpu-clock`, `py-spy`; tells two lanes of a kind apart. */
  readonly name: string;
  /** How it was taken, for the pane header: `perf 99 Hz, copied stacks`. */
  readonly source?: string;
  /** True where a row is an interval [time, time + duration) and a range takes the overlap. */
  readonly intervals?: boolean;
}

export interface SampleRow {
  readonly time: Nanoseconds;
  readonly thread: ThreadId;
  readonly stack: StackId;
  readonly weight: number;
  /** How many samples (or events) the row stands for; 0 for time that was shared out without a sample. Default 1. */
  readonly count?: number;
  readonly duration?: Nanoseconds;
}

export const CHUNK_ROWS = 65_536;
/** Rows that a lane holds at most; then its older half is thinned. */
export const LANE_ROWS = 20_000_000;
const TICKS = 0x1_0000_0000;

/**
 * A column that costs nothing while every row holds the same value.
 * Constant weights (py-spy) and counts of 1 are the common case.
 */
class SparingColumn {
  constant = 0;
  array: Float64Array<ArrayBuffer> | null = null;

  set(row: number, value: number, capacity: number): void {
    if (row === 0 && this.array === null) this.constant = value;
    if (this.array === null) {
      if (value === this.constant) return;
      this.array = new Float64Array(capacity).fill(this.constant, 0, row);
    } else if (this.array.length < capacity) {
      const bigger = new Float64Array(capacity);
      bigger.set(this.array);
      this.array = bigger;
    }
    this.array[row] = value;
  }

  get(row: number): number {
    return this.array === null ? this.constant : this.array[row];
  }
}

/**
 * Up to 65,536 rows in order of arrival. Times are whole ticks after `base`: 12 bytes a row where weights are constant.
 * `least` and `greatest` bound the times (with durations), so that a range skips whole chunks.
 */
export class Chunk {
  readonly base: number;
  /** Nanoseconds a tick; a power of two, 1 unless the rows of a lane lie far apart. */
  readonly tick: number;
  rows = 0;
  least = Infinity;
  greatest = -Infinity;
  time = new Uint32Array(256);
  thread = new Int32Array(256);
  stack = new Int32Array(256);
  /** Derived stacks of the first `mergedRows` rows; null where none was derived. */
  merged: Int32Array<ArrayBuffer> | null = null;
  mergedRows = 0;
  readonly weight = new SparingColumn();
  readonly count = new SparingColumn();
  readonly duration = new SparingColumn();

  constructor(base: number, tick: number) {
    this.base = base;
    this.tick = tick;
  }

  /** Whether a row at this time can still be stored here. */
  takes(time: number): boolean {
    const ticks = Math.round((time - this.base) / this.tick);
    return this.rows < CHUNK_ROWS && ticks >= 0 && ticks < TICKS;
  }

  push(time: number, thread: number, stack: number, weight: number, count: number, duration: number): void {
    const row = this.rows;
    if (row === this.time.length) {
      const size = Math.min(CHUNK_ROWS, row * 2);
      const times = new Uint32Array(size);
      times.set(this.time);
      this.time = times;
      const threads = new Int32Array(size);
      threads.set(this.thread);
      this.thread = threads;
      const stacks = new Int32Array(size);
      stacks.set(this.stack);
      this.stack = stacks;
    }
    this.time[row] = Math.round((time - this.base) / this.tick);
    this.thread[row] = thread;
    this.stack[row] = stack;
    const capacity = this.time.length;
    this.weight.set(row, weight, capacity);
    this.count.set(row, count, capacity);
    this.duration.set(row, duration, capacity);
    const stored = this.timeAt(row);
    if (stored < this.least) this.least = stored;
    if (stored + duration > this.greatest) this.greatest = stored + duration;
    this.rows = row + 1;
  }

  /** The derived stack of the next row that has none yet. */
  pushMerged(stack: number): void {
    if (this.merged === null || this.mergedRows === this.merged.length) {
      const bigger = new Int32Array(this.stack.length);
      if (this.merged !== null) bigger.set(this.merged);
      this.merged = bigger;
    }
    this.merged[this.mergedRows++] = stack;
  }

  timeAt(row: number): Nanoseconds {
    return (this.base + this.time[row] * this.tick) as Nanoseconds;
  }

  /** Every second row, with the weight and count of the row that goes: sums stay what they were. */
  halved(): Chunk {
    const half = new Chunk(this.base, this.tick);
    for (let row = 0; row < this.rows; row += 2) {
      const pair = row + 1 < this.rows;
      half.push(this.timeAt(row), this.thread[row], this.stack[row], this.weight.get(row) + (pair ? this.weight.get(row + 1) : 0),
        this.count.get(row) + (pair ? this.count.get(row + 1) : 0), this.duration.get(row));
      if (this.merged !== null && row < this.mergedRows) half.pushMerged(this.merged[row]);
    }
    return half;
  }
}

/** What the last thinning did to row numbers: of the first `rows`, `removed` went. */
export interface Thinning {
  readonly rows: number;
  readonly removed: number;
}

/**
 * One sample table with a unit. Rows are in order of arrival and never rewritten, but for one thing: a lane that reaches its
 * limit thins its older half. That happens in `push` at a fixed count, so a reader that took the same rows does the same.
 *
 * A lane may have a derived column beside its stacks: Python + native stacks merged (core/read/merge.ts). It trails behind the
 * rows, in their order: the first `mergedRows` rows have it.
 */
export class Lane {
  readonly kind: LaneKind;
  readonly unit: Unit;
  readonly name: string;
  source: string;
  readonly intervals: boolean;
  readonly chunks: Chunk[] = [];
  readonly limit: number;
  /** How often rows were thinned or cleared: a tree built before has to be built again. */
  thinnings = 0;
  /** How often all rows were dropped: sums over rows begin anew. */
  clears = 0;
  lastThinning: Thinning = { rows: 0, removed: 0 };
  rows = 0;
  /** Sum of all weights, in the lane's unit. */
  total = 0;
  /** Sum of all counts: real samples. */
  samples = 0;
  /** Rows from the first on whose derived stack is final; 0 where the lane has no such column. */
  mergedRows = 0;
  /** Samples in a Python interpreter whose Python stack was found, and those whose was not. */
  pythonMerged = 0;
  pythonUnmerged = 0;
  /** Of those that were found: how many only in part, as far as is certain. */
  pythonPartly = 0;
  /** Chunk of the next row without a derived stack. */
  #mergedChunk = 0;

  constructor(facts: LaneFacts, limit = LANE_ROWS) {
    this.limit = limit;
    this.kind = facts.kind;
    this.unit = facts.unit;
    this.name = facts.name;
    this.source = facts.source ?? '';
    this.intervals = facts.intervals ?? false;
  }

  add(row: SampleRow): void {
    this.push(row.time, row.thread, row.stack, row.weight, row.count ?? 1, row.duration ?? 0);
  }

  /** As `add`, without an object: the decoders' inner loop. Times and durations in ns. */
  push(time: number, thread: number, stack: number, weight: number, count = 1, duration = 0): void {
    let chunk = this.chunks[this.chunks.length - 1];
    if (chunk === undefined || !chunk.takes(time)) {
      chunk = this.#newChunk(time, chunk);
    }
    chunk.push(time, thread, stack, weight, count, duration);
    this.rows++;
    this.total += weight;
    this.samples += count;
    if (this.rows >= this.limit) this.#thin();
  }

  /**
   * The derived stack of the next row, in order of rows; -1 for none. `python` says whether the row was in a Python
   * interpreter: true with its Python stack found, 'partly' with a part of it, false without, null where it was not.
   */
  pushMerged(stack: number, python: boolean | 'partly' | null): void {
    const { chunk, row } = this.nextMerged();
    if (python !== null) {
      const count = chunk.count.get(row);
      if (python === false) this.pythonUnmerged += count;
      else this.pythonMerged += count;
      if (python === 'partly') this.pythonPartly += count;
    }
    chunk.pushMerged(stack);
    this.mergedRows++;
  }

  /** Gives every row before the n-th that has no derived stack its own one. */
  fillMerged(rows = this.rows): void {
    while (this.mergedRows < rows) {
      const { chunk, row } = this.nextMerged();
      this.pushMerged(chunk.stack[row], null);
    }
  }

  /** Where the next row without a derived stack is; only while there is one. */
  nextMerged(): { chunk: Chunk; row: number } {
    ensure(this.mergedRows < this.rows, 'a derived stack has a row');
    while (this.chunks[this.#mergedChunk].mergedRows === this.chunks[this.#mergedChunk].rows) this.#mergedChunk++;
    const chunk = this.chunks[this.#mergedChunk];
    return { chunk, row: chunk.mergedRows };
  }

  /** Drops every row: what follows is the whole lane again. */
  clear(): void {
    this.chunks.length = 0;
    this.rows = 0;
    this.total = 0;
    this.samples = 0;
    this.mergedRows = this.pythonMerged = this.pythonUnmerged = this.pythonPartly = this.#mergedChunk = 0;
    this.thinnings++;
    this.clears++;
  }

  /** Chunk index and row in it of the n-th row. */
  locate(row: number): { chunk: number; row: number } {
    let left = row;
    for (let i = 0; i < this.chunks.length; i++) {
      if (left < this.chunks[i].rows) return { chunk: i, row: left };
      left -= this.chunks[i].rows;
    }
    return { chunk: this.chunks.length, row: left };
  }

  // Whole chunks of the older half; the newest stays, so that the next row finds its place.
  #thin(): void {
    let rows = 0;
    let removed = 0;
    for (let i = 0; i < this.chunks.length - 1 && rows + this.chunks[i].rows <= this.rows / 2; i++) {
      const before = this.chunks[i].rows;
      rows += before;
      this.chunks[i] = this.chunks[i].halved();
      removed += before - this.chunks[i].rows;
    }
    this.rows -= removed;
    this.mergedRows = this.chunks.reduce((sum, chunk) => sum + chunk.mergedRows, 0);
    this.#mergedChunk = 0;
    this.thinnings++;
    this.lastThinning = { rows, removed };
  }

  // A chunk that closed early because its rows lie far apart or out of order is followed by one with coarser ticks, so
  // that no input can make a chunk of every row. At 100 rows a second ticks stay at 1 ns. A quarter of a chunk's span
  // (1 s) lies before its first row: room for rows that come late.
  #newChunk(time: number, last: Chunk | undefined): Chunk {
    let tick = last?.tick ?? 1;
    if (last !== undefined && last.rows < 64) tick = Math.min(tick * 16, 2 ** 28);
    const base = Math.floor(time) - (TICKS / 4) * tick;
    const chunk = new Chunk(base, tick);
    this.chunks.push(chunk);
    return chunk;
  }
}
