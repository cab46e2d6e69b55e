// Brings records into the order of time. perf reads the ring buffers of the CPUs one after another, so time jumps back inside
// a round; a record is never older than the newest of the round before the last. At the end of a round everything up to the
// newest time of the round before is therefore complete (perf does the same: tools/perf/util/ordered-events.c).
import type { Block } from './framer.ts';

export type RecordHandler = (block: Block, at: number, event: number, time: number) => void;

/** Records that wait for their turn: columns, no object for each. */
export class RoundQueue {
  #times = new Float64Array(1024);
  #ats = new Int32Array(1024);
  #events = new Int32Array(1024);
  #blocks: Block[] = [];
  #length = 0;
  #newest = -Infinity;
  #limit = -Infinity;
  #order = new Int32Array(1024);
  #spare = new Int32Array(1024);
  #runs = new Int32Array(64);
  #runCount = 0;
  /** Records older than one that had been handed on already. */
  late = 0;
  #handed = -Infinity;

  get length(): number {
    return this.#length;
  }

  push(block: Block, at: number, event: number, time: number): void {
    const row = this.#length++;
    if (row === this.#times.length) this.#grow();
    this.#times[row] = time;
    this.#ats[row] = at;
    this.#events[row] = event;
    this.#blocks[row] = block;
    if (time > this.#newest) this.#newest = time;
    if (time < this.#handed) this.late++;
  }

  /** A round ended: hands on, in order, everything up to the newest time of the round before. */
  endRound(handle: RecordHandler): void {
    this.#flush(this.#limit, handle);
    this.#limit = this.#newest;
  }

  /** A round ended while nothing may be handed on yet: only remembers how far it went. */
  passRound(): void {
    this.#limit = this.#newest;
  }

  /** Hands on everything. */
  drain(handle: RecordHandler): void {
    this.#flush(Infinity, handle);
  }

  // Each step is a function of its own: one with several long loops is compiled in the middle of the first, for code that
  // never ran, and thrown away again at the next, round after round.
  #flush(limit: number, handle: RecordHandler): void {
    const length = this.#length;
    const count = this.#select(limit, length);
    if (count === 0) return;
    this.#handOn(this.#merge(this.#order, count, this.#runCount), count, handle);
    this.#keepAfter(limit, length);
  }

  /** Rows up to `limit` into `#order`, with the starts of the ascending runs. */
  #select(limit: number, length: number): number {
    const times = this.#times;
    const order = this.#order;
    let count = 0;
    let runs = 0;
    let last = -Infinity;
    for (let row = 0; row < length; row++) {
      const time = times[row];
      if (!(time <= limit)) continue;
      if (time < last || count === 0) {
        if (runs + 1 >= this.#runs.length) this.#runs = grown(this.#runs, this.#runs.length * 2);
        this.#runs[runs++] = count;
      }
      last = time;
      order[count++] = row;
    }
    this.#runCount = runs;
    return count;
  }

  #handOn(order: Int32Array<ArrayBuffer>, count: number, handle: RecordHandler): void {
    const times = this.#times;
    for (let i = 0; i < count; i++) {
      const row = order[i];
      if (times[row] > this.#handed) this.#handed = times[row];
      handle(this.#blocks[row], this.#ats[row], this.#events[row], times[row]);
    }
  }

  // Each CPU's records are in order already, so there are few runs: merging neighbours is n log(runs), and stable.
  #merge(first: Int32Array<ArrayBuffer>, count: number, runCount: number): Int32Array<ArrayBuffer> {
    const times = this.#times;
    const starts = this.#runs;
    let from = first;
    let to = this.#spare;
    let runs = runCount;
    while (runs > 1) {
      let kept = 0;
      for (let run = 0; run < runs; run += 2) {
        const start = starts[run];
        const middle = run + 1 < runs ? starts[run + 1] : count;
        const end = run + 2 < runs ? starts[run + 2] : count;
        starts[kept++] = start;
        mergeTwo(times, from, to, start, middle, end);
      }
      runs = kept;
      const swap = from;
      from = to;
      to = swap;
    }
    this.#spare = to;
    this.#order = from;
    return from;
  }

  #keepAfter(limit: number, length: number): void {
    let kept = 0;
    for (let row = 0; row < length; row++) {
      if (this.#times[row] <= limit) continue;
      this.#times[kept] = this.#times[row];
      this.#ats[kept] = this.#ats[row];
      this.#events[kept] = this.#events[row];
      this.#blocks[kept] = this.#blocks[row];
      kept++;
    }
    this.#length = kept;
    this.#blocks.length = kept;
  }

  #grow(): void {
    const size = this.#times.length * 2;
    const times = new Float64Array(size);
    times.set(this.#times);
    this.#times = times;
    this.#ats = grown(this.#ats, size);
    this.#events = grown(this.#events, size);
    this.#order = grown(this.#order, size);
    this.#spare = grown(this.#spare, size);
  }
}

/** Merges the neighbours [start, middle) and [middle, end) of `from` into the same place of `to`. */
function mergeTwo(times: Float64Array, from: Int32Array, to: Int32Array, start: number, middle: number, end: number): void {
  let a = start;
  let b = middle;
  let out = start;
  while (a < middle && b < end) to[out++] = times[from[b]] < times[from[a]] ? from[b++] : from[a++];
  while (a < middle) to[out++] = from[a++];
  while (b < end) to[out++] = from[b++];
}

function grown(column: Int32Array<ArrayBuffer>, size: number): Int32Array<ArrayBuffer> {
  const bigger = new Int32Array(size);
  bigger.set(column);
  return bigger;
}
