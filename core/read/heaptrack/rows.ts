// Allocations summed to rows of (50 ms, stack). Lanes: `heaptrack` (bytes; count = allocations), `heaptrack held` (gains and
// losses in bytes; count = allocations less frees: blocks that are held), `heaptrack temporary` and `heaptrack allocations`.
//
// What is held has its peak between two events, not at the end of 50 ms. So gains and losses are summed in two parts: up to
// the largest sum of the 50 ms, and since. Where that sum is a new peak, or stands out from what lies around it, the first
// part becomes rows of its own at the time of the peak:
//
//     bytes held        ╭╮
//                   ╭╮╭─╯╰╮         rows "up to" at the time of the peak, rows "since" after it:
//                 ──╯╰╯   ╰───      sums of rows to the peak's time are the peak, stack by stack
//                 |   50 ms   |
import type { StackId, ThreadId } from '#core/model/ids';
import { NO_THREAD, ns } from '#core/model/ids';
import { Int32Column } from '#core/model/column';
import type { Lane } from '#core/model/lane';
import type { Profile } from '#core/model/profile';

const BUCKET_NS = 50e6;
/** After so many rows of a lane the spans double: twelve hours then stay below what a lane holds, and no row is thinned. */
const ROWS_A_SPAN = 1_000_000;
/** A sum within a span gets rows of its own where it is a new peak or rises above both ends by this part of the peak. */
const STANDS_OUT = 1 / 64;
/** heaptrack's time has milliseconds: what comes after the peak is put between two of them. */
const AFTER_NS = 0.5e6;

/** Sums by place with a list of the places that were touched. */
class Sums {
  bytes = new Float64Array(256);
  blocks = new Float64Array(256);
  readonly touched = new Int32Column();
  #is = new Uint8Array(256);

  add(place: number, bytes: number, blocks: number): void {
    if (this.#is[place] === 0) {
      this.#is[place] = 1;
      this.touched.push(place);
    }
    this.bytes[place] += bytes;
    this.blocks[place] += blocks;
  }

  room(places: number): void {
    if (places <= this.bytes.length) return;
    const size = Math.max(places, this.bytes.length * 2);
    const longer = (from: Float64Array): Float64Array<ArrayBuffer> => {
      const to = new Float64Array(size);
      to.set(from);
      return to;
    };
    this.bytes = longer(this.bytes);
    this.blocks = longer(this.blocks);
    const is = new Uint8Array(size);
    is.set(this.#is);
    this.#is = is;
  }

  /** Gives every touched place and begins anew. */
  drain(take: (place: number, bytes: number, blocks: number) => void): void {
    const touched = this.touched.view();
    for (const place of touched) {
      take(place, this.bytes[place], this.blocks[place]);
      this.bytes[place] = this.blocks[place] = this.#is[place] = 0;
    }
    this.touched.length = 0;
  }
}

export class AllocationRows {
  /** ns of heaptrack's own clock. */
  now = 0;
  readonly #profile: Profile;
  readonly #rowsASpan: number;
  #lanes: { readonly allocated: Lane; readonly held: Lane; readonly temporary: Lane; readonly allocations: Lane } | null = null;
  /** Thread row of the rows. */
  thread: ThreadId = NO_THREAD;
  #startedAt = 0;
  /** By place: its stack. Traces with the same stack are one place. */
  readonly #stacks = new Int32Column();
  #placeOf = new Int32Array(256).fill(-1);
  /** Allocated: bytes and calls. */
  readonly #all = new Sums();
  /** Freed at once: calls. */
  readonly #temporary = new Sums();
  /** Gains and losses up to the largest sum of the span, and since. */
  readonly #before = new Sums();
  readonly #since = new Sums();
  #span = BUCKET_NS;
  #spanEnd = BUCKET_NS;
  #held = 0;
  #peak = 0;
  #spanStart = 0;
  #spanPeak = 0;
  #spanPeakTime = 0;
  /** The sum is at the span's largest, and `since` has not been added to `before` yet. */
  #atPeak = false;

  /** `rowsASpan`: after so many rows of a lane the spans double. */
  constructor(profile: Profile, rowsASpan = ROWS_A_SPAN) {
    this.#profile = profile;
    this.#rowsASpan = rowsASpan;
  }

  /** Allocations so far. */
  get samples(): number {
    return this.#lanes?.allocated.samples ?? 0;
  }

  /** Makes the lanes. `source` is what they say of themselves, `startedAt` ns from time 0 to heaptrack's. */
  begin(source: string, startedAt: number): void {
    const lane = (name: string, unit: 'bytes' | 'count'): Lane => this.#profile.lanes[this.#profile.addLane({ kind: 'memory', unit, name, source })];
    this.#lanes = { allocated: lane('heaptrack', 'bytes'), held: lane('heaptrack held', 'bytes'), temporary: lane('heaptrack temporary', 'count'), allocations: lane('heaptrack allocations', 'count') };
    this.#startedAt = startedAt;
  }

  /** The place of a stack, for `allocated` and `freed`. */
  place(stack: StackId): number {
    if (stack >= this.#placeOf.length) {
      const bigger = new Int32Array(Math.max(stack + 1, this.#placeOf.length * 2)).fill(-1);
      bigger.set(this.#placeOf);
      this.#placeOf = bigger;
    }
    if (this.#placeOf[stack] < 0) {
      this.#placeOf[stack] = this.#stacks.push(stack);
      for (const sums of [this.#all, this.#temporary, this.#before, this.#since]) sums.room(this.#stacks.length);
    }
    return this.#placeOf[stack];
  }

  allocated(place: number, bytes: number): void {
    this.#all.add(place, bytes, 1);
    this.#since.add(place, bytes, 1);
    this.#held += bytes;
    if (this.#held > this.#spanPeak) {
      this.#spanPeak = this.#held;
      this.#spanPeakTime = this.now;
      this.#atPeak = true;
    }
  }

  /** `temporary`: nothing was allocated since. */
  freed(place: number, bytes: number, temporary: boolean): void {
    if (this.#atPeak) this.#keepPeak();
    if (temporary) this.#temporary.add(place, 0, 1);
    this.#since.add(place, -bytes, -1);
    this.#held -= bytes;
  }

  /** heaptrack's clock, ns. A clock that goes back stands still. */
  time(now: number): void {
    if (now <= this.now) return;
    if (now >= this.#spanEnd) {
      this.#flush();
      this.#spanEnd = (Math.floor(now / this.#span) + 1) * this.#span;
    }
    this.now = now;
  }

  /** Counting begins anew: of what came before, nothing is held. */
  restart(): void {
    for (const sums of [this.#all, this.#temporary, this.#before, this.#since]) sums.drain(() => undefined);
    this.#held = this.#peak = this.#spanPeak = this.#spanStart = 0;
    this.#atPeak = false;
  }

  end(): void {
    this.#flush();
  }

  #keepPeak(): void {
    this.#since.drain((place, bytes, blocks) => this.#before.add(place, bytes, blocks));
    this.#atPeak = false;
  }

  #flush(): void {
    const lanes = this.#lanes;
    if (lanes === null) return;
    if (this.#atPeak) this.#keepPeak();
    const { thread } = this;
    // The end of the span's events: nothing is shown before it happened.
    const time = this.#startedAt + this.now;
    const push = (lane: Lane, at: number, place: number, weight: number, count: number): void => lane.push(at, thread, this.#stacks.get(place), weight, count);
    this.#all.drain((place, bytes, calls) => {
      push(lanes.allocated, time, place, bytes, calls);
      push(lanes.allocations, time, place, calls, calls);
    });
    this.#temporary.drain((place, _bytes, calls) => push(lanes.temporary, time, place, calls, calls));

    const above = this.#spanPeak - Math.max(this.#spanStart, this.#held);
    const apart = this.#spanPeak > this.#peak || above > this.#peak * STANDS_OUT;
    let after = time;
    if (apart && this.#since.touched.length > 0) {
      const at = this.#startedAt + this.#spanPeakTime;
      this.#before.drain((place, bytes, blocks) => gain(place, at, bytes, blocks));
      after = Math.max(time, at + AFTER_NS);
    } else {
      this.#since.drain((place, bytes, blocks) => this.#before.add(place, bytes, blocks));
      this.#before.drain((place, bytes, blocks) => gain(place, time, bytes, blocks));
    }
    this.#since.drain((place, bytes, blocks) => gain(place, after, bytes, blocks));
    function gain(place: number, at: number, bytes: number, blocks: number): void {
      // What was freed within the span it was allocated in has not changed what is held.
      if (lanes !== null && (bytes !== 0 || blocks !== 0)) push(lanes.held, at, place, bytes, blocks);
    }
    this.#profile.reach(ns(after));
    this.#peak = Math.max(this.#peak, this.#spanPeak);
    this.#spanStart = this.#spanPeak = this.#held;
    this.#spanPeakTime = this.now;
    this.#span = BUCKET_NS * 2 ** Math.floor(Math.max(lanes.held.rows, lanes.allocated.rows) / this.#rowsASpan);
  }
}
