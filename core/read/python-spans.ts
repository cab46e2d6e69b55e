import type { StackId } from '#core/model/ids';
import { NO_STACK } from '#core/model/ids';

/** Python stacks of one thread over time, oldest first, without overlaps. Times in ns. */
export class PythonSpans {
  #starts = new Float64Array(64);
  #ends = new Float64Array(64);
  #stacks = new Int32Array(64);
  /** When each was last seen. */
  #seen = new Float64Array(64);
  /** Spans before `#from` were forgotten. */
  #from = 0;
  #length = 0;
  /** The span that was found last: questions come nearly in order. */
  #at = 0;

  get length(): number {
    return this.#length - this.#from;
  }

  /**
   * Takes [from, to) with its stack; what lies before the end of the last span is left out. `seen`: when the thread was last
   * looked at and had it. What it had from then to `to` nobody knows.
   */
  add(from: number, to: number, stack: StackId, seen: number): void {
    const last = this.#length - 1;
    const start = last >= this.#from ? Math.max(from, this.#ends[last]) : from;
    if (!(to > start)) return;
    if (last >= this.#from && this.#stacks[last] === stack && this.#ends[last] === start) {
      this.#ends[last] = to;
      this.#seen[last] = seen;
      return;
    }
    if (this.#length === this.#starts.length) this.#room();
    this.#starts[this.#length] = start;
    this.#ends[this.#length] = to;
    this.#seen[this.#length] = seen;
    this.#stacks[this.#length++] = stack;
  }

  /** The span at a time, or the nearest one at most `within` ns away; -1 where there is none. Valid until the next `add`. */
  find(time: number, within: number): number {
    // `at` becomes the last span that starts at or before the time.
    let at = this.#at;
    if (at < this.#from || at >= this.#length || this.#starts[at] > time || (at + 1 < this.#length && this.#starts[at + 1] <= time)) {
      let low = this.#from;
      let high = this.#length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (this.#starts[middle] <= time) low = middle + 1;
        else high = middle;
      }
      at = low - 1;
    }
    if (at >= this.#from) this.#at = at;
    const away = this.away(at, time);
    const next = this.away(at + 1, time);
    if (Math.min(away, next) > within) return -1;
    return away <= next ? at : at + 1;
  }

  /** The stack of a span that `find` gave, NO_STACK where that is -1. */
  stackOf(span: number): StackId {
    return (span < 0 ? NO_STACK : this.#stacks[span]) as StackId;
  }

  /** Until when a span was surely there, ns; -Infinity where there is no such span. */
  seenOf(span: number): number {
    return span < this.#from || span >= this.#length ? -Infinity : this.#seen[span];
  }

  /** When a span begins, ns; -Infinity where there is no such span. */
  startOf(span: number): number {
    return span < this.#from || span >= this.#length ? -Infinity : this.#starts[span];
  }

  /** The spans at most `within` ns from a time, as [first, end): those beside a span that `find` gave. */
  around(span: number, time: number, within: number): readonly [number, number] {
    let first = span;
    let end = span + 1;
    while (this.away(first - 1, time) <= within) first--;
    while (this.away(end, time) <= within) end++;
    return [first, end];
  }

  /** How far a span is from a time, ns; Infinity where there is no such span. */
  away(span: number, time: number): number {
    if (span < this.#from || span >= this.#length) return Infinity;
    return time < this.#starts[span] ? this.#starts[span] - time : time >= this.#ends[span] ? time - this.#ends[span] : 0;
  }

  /** Lets go of the spans that ended before `time`. */
  forget(time: number): void {
    while (this.#from < this.#length && this.#ends[this.#from] < time) this.#from++;
  }

  // What was forgotten makes room first.
  #room(): void {
    const kept = this.length;
    const size = kept * 2 > this.#starts.length ? this.#starts.length * 2 : this.#starts.length;
    const moved = <A extends Float64Array | Int32Array>(into: A, from: A): A => {
      into.set(from.subarray(this.#from, this.#length));
      return into;
    };
    this.#starts = moved(new Float64Array(size), this.#starts);
    this.#ends = moved(new Float64Array(size), this.#ends);
    this.#seen = moved(new Float64Array(size), this.#seen);
    this.#stacks = moved(new Int32Array(size), this.#stacks);
    this.#from = 0;
    this.#length = kept;
    this.#at = 0;
  }
}
