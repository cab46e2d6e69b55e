import { Float64Column, Int32Column } from '#core/model/column';
import type { Lane } from '#core/model/lane';
import { sortRows } from './order.ts';

/** Rows of a lane that come in any order: kept, sorted by time, then pushed at once. */
export class RowBuffer {
  readonly #time = new Float64Column();
  readonly #duration = new Float64Column();
  readonly #thread = new Int32Column();
  readonly #stack = new Int32Column();
  /** Where it differs from the duration; otherwise empty. */
  readonly #weight: Float64Column | null;
  readonly #count: Int32Column | null;

  /** `weights`: rows have a weight of their own, else it is their duration. `counts`: and a count that is not 1. */
  constructor(weights: boolean, counts: boolean) {
    this.#weight = weights ? new Float64Column() : null;
    this.#count = counts ? new Int32Column() : null;
  }

  get length(): number {
    return this.#time.length;
  }

  push(time: number, duration: number, thread: number, stack: number, weight = duration, count = 1): void {
    this.#time.push(time);
    this.#duration.push(duration);
    this.#thread.push(thread);
    this.#stack.push(stack);
    this.#weight?.push(weight);
    this.#count?.push(count);
  }

  /** Hands the rows to the lane, in order of time, `shift` ns later. Rows of one time keep their order. */
  flush(lane: Lane, shift: number): void {
    const rows = new Int32Array(this.length);
    for (let i = 0; i < rows.length; i++) rows[i] = i;
    const time = this.#time.view();
    sortRows(rows, time);
    const duration = this.#duration.view();
    const thread = this.#thread.view();
    const stack = this.#stack.view();
    const weight = this.#weight?.view() ?? duration;
    const count = this.#count?.view();
    for (const row of rows) lane.push(time[row] + shift, thread[row], stack[row], weight[row], count === undefined ? 1 : count[row], duration[row]);
  }
}
