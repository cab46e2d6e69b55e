// Memory that a process mapped, by address: who mapped each part.
import type { StackId } from '#core/model/ids';

/** Told of each part that goes: its bytes, and who mapped it. */
export type Released = (bytes: number, thread: number, stack: StackId) => void;

/** Ranges that may be known of one process; the kernel's own limit of mappings is 65,530. */
const MOST_RANGES = 200_000;

/** Ranges [start, end) that do not overlap, in order of address. */
export class OwnedRanges {
  #starts: number[] = [];
  #ends: number[] = [];
  #threads: number[] = [];
  #stacks: StackId[] = [];

  get length(): number {
    return this.#starts.length;
  }

  /** Takes a range that overlaps none that is known. False when there are too many. */
  add(start: number, end: number, thread: number, stack: StackId): boolean {
    if (end <= start) return true;
    const at = this.#after(start);
    // The heap grows by pieces of one place in the program.
    if (at > 0 && this.#ends[at - 1] === start && this.#threads[at - 1] === thread && this.#stacks[at - 1] === stack) {
      this.#ends[at - 1] = end;
      return true;
    }
    if (this.#starts.length >= MOST_RANGES) return false;
    this.#starts.splice(at, 0, start);
    this.#ends.splice(at, 0, end);
    this.#threads.splice(at, 0, thread);
    this.#stacks.splice(at, 0, stack);
    return true;
  }

  /** Takes out what lies in [start, end), and tells of each part. */
  remove(start: number, end: number, released: Released): void {
    let at = this.#after(start);
    if (at > 0 && this.#ends[at - 1] > start) at--;
    while (at < this.#starts.length && this.#starts[at] < end) {
      const from = this.#starts[at];
      const to = this.#ends[at];
      const thread = this.#threads[at];
      const stack = this.#stacks[at];
      released(Math.min(end, to) - Math.max(start, from), thread, stack);
      if (from < start) {
        this.#ends[at] = start;
        at++;
        if (to <= end) continue;
        this.#starts.splice(at, 0, end);
        this.#ends.splice(at, 0, to);
        this.#threads.splice(at, 0, thread);
        this.#stacks.splice(at, 0, stack);
        return;
      }
      if (to > end) {
        this.#starts[at] = end;
        return;
      }
      let last = at + 1;
      // Whole ranges go in one step.
      while (last < this.#starts.length && this.#ends[last] <= end) {
        released(this.#ends[last] - this.#starts[last], this.#threads[last], this.#stacks[last]);
        last++;
      }
      this.#starts.splice(at, last - at);
      this.#ends.splice(at, last - at);
      this.#threads.splice(at, last - at);
      this.#stacks.splice(at, last - at);
    }
  }

  /** Moves what lies in [start, end) so that `start` comes to `to`. What lies there must have been taken out before. */
  move(start: number, end: number, to: number): void {
    const parts: [number, number, number, StackId][] = [];
    let at = this.#after(start);
    if (at > 0 && this.#ends[at - 1] > start) at--;
    for (let i = at; i < this.#starts.length && this.#starts[i] < end; i++) {
      parts.push([Math.max(start, this.#starts[i]), Math.min(end, this.#ends[i]), this.#threads[i], this.#stacks[i]]);
    }
    this.remove(start, end, () => undefined);
    for (const [from, until, thread, stack] of parts) this.add(from - start + to, until - start + to, thread, stack);
  }

  /** Index of the first range that begins after `address`. */
  #after(address: number): number {
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#starts[middle] <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
