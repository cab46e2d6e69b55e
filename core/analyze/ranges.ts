// A selection's ranges against a chunk's rows.
import type { Chunk } from '#core/model/lane';
import type { TimeRanges } from './view.ts';

/** How much of [start, end) lies in the ranges, ns. */
export function overlap(ranges: TimeRanges, start: number, end: number): number {
  if (ranges === null) return end - start;
  let sum = 0;
  for (let i = firstAfter(ranges, start); i < ranges.length && ranges[i][0] < end; i++) sum += Math.max(0, Math.min(ranges[i][1], end) - Math.max(ranges[i][0], start));
  return sum;
}

/** How much of [least, greatest] the ranges cover. */
export function within(ranges: TimeRanges, least: number, greatest: number): 'all' | 'some' | 'none' {
  if (ranges === null) return 'all';
  const at = firstAfter(ranges, least);
  if (at === ranges.length || ranges[at][0] > greatest) return 'none';
  return ranges[at][0] <= least && greatest < ranges[at][1] ? 'all' : 'some';
}

/** The first range that ends after a time: there can be a hundred thousand of them, and they are sorted. */
function firstAfter(ranges: readonly (readonly [number, number])[], time: number): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ranges[middle][1] <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Which part of a row lies in the ranges: 0 or 1 for a moment, the overlapped share for an interval. */
export class Share {
  readonly #times: Uint32Array;
  readonly #base: number;
  readonly #tick: number;
  readonly #durations: Float64Array | null;
  readonly #oneDuration: number;
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;
  /** The range that the last row met: rows are nearly in order. */
  #at = 0;

  constructor(chunk: Chunk, ranges: readonly (readonly [number, number])[], intervals: boolean) {
    this.#times = chunk.time;
    this.#base = chunk.base;
    this.#tick = chunk.tick;
    this.#durations = intervals ? chunk.duration.array : null;
    this.#oneDuration = intervals ? chunk.duration.constant : 0;
    const first = firstAfter(ranges, chunk.least);
    let last = first;
    while (last < ranges.length && ranges[last][0] <= chunk.greatest) last++;
    const near = ranges.slice(first, last).filter(([start, end]) => end > start);
    this.#starts = Float64Array.from(near, ([start]) => start);
    this.#ends = Float64Array.from(near, ([, end]) => end);
  }

  /** Where one range decides over moments: the first tick in it and the first after it. Otherwise null. */
  ticks(): [number, number] | null {
    if (this.#durations !== null || this.#oneDuration > 0 || this.#starts.length !== 1) return null;
    // A time is base + ticks * tick; so start <= time is ticks >= (start - base) / tick, rounded up.
    return [Math.ceil((this.#starts[0] - this.#base) / this.#tick), Math.ceil((this.#ends[0] - this.#base) / this.#tick)];
  }

  of(row: number): number {
    const starts = this.#starts;
    const ends = this.#ends;
    const time = this.#base + this.#times[row] * this.#tick;
    const duration = this.#durations === null ? this.#oneDuration : this.#durations[row];
    let at = this.#at;
    // `at` becomes the first range that ends after the row begins.
    if (at >= ends.length || ends[at] <= time || (at > 0 && ends[at - 1] > time)) {
      let low = 0;
      let high = ends.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (ends[middle] <= time) low = middle + 1;
        else high = middle;
      }
      at = low;
      this.#at = at;
    }
    if (at >= ends.length) return 0;
    if (duration <= 0) return starts[at] <= time ? 1 : 0;
    const end = time + duration;
    let overlap = 0;
    for (let i = at; i < starts.length && starts[i] < end; i++) overlap += Math.min(end, ends[i]) - Math.max(time, starts[i]);
    return overlap / duration;
  }
}
