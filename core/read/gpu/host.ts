// What a host's threads did, as intervals: Python functions, operators, annotations, calls of the CUDA API. From them: the stack at
// the begin of each, the stack at a moment, and stretches of time with one stack.
//
//     python    train.py ---------------------------
//                  __enter__ ---   step -----   __exit__ ---
//     annotated           "## step ##" --------------            begins in one Python function, ends in another
//     operator                          aten::mm --
//     stack at the operator: train.py, "## step ##", step, aten::mm
//
// Python functions that name their caller form one chain; everything else nests by time. Both are one list in order of their begins: a
// chain alone would give the functions around an annotation a wrong caller.
import { Float64Column, Int32Column } from '#core/model/column';
import type { FrameId, StackId } from '#core/model/ids';
import { NO_STACK } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import { grouped, sortEqual, sortRows } from './order.ts';

/** What an interval is. The order is the order of intervals that begin and end together, the outer first. */
export const SLICE_KINDS = ['annotation', 'python', 'op', 'call'] as const;
export type SliceKind = (typeof SLICE_KINDS)[number];
/** No stack of its own that an entry stands on. */
const NONE = -2;

export const ANNOTATION = 0, PYTHON = 1, OP = 2, CALL = 3;

/** Intervals of all threads, in any order. Times in whole ns. */
export class HostSlices {
  /** A number of the thread, from 0, that its owner gives. */
  readonly thread = new Int32Column(1024);
  readonly start = new Float64Column(1024);
  readonly duration = new Float64Column(1024);
  readonly frame = new Int32Column(1024);
  readonly kind = new Int32Column(1024);
  /** Python: id of the call, -1 unknown. Others: any number that orders those that begin together. */
  readonly id = new Float64Column(1024);
  /** Python: id of the caller, -1 none. */
  readonly parent = new Float64Column(1024);
  /** Set by `sweep`: the stack with the interval at its tip. */
  stack = new Int32Array(0);

  get length(): number {
    return this.thread.length;
  }

  push(thread: number, start: number, duration: number, frame: FrameId, kind: number, id: number, parent: number): number {
    this.start.push(start);
    this.duration.push(duration);
    this.frame.push(frame);
    this.kind.push(kind);
    this.id.push(id);
    this.parent.push(parent);
    return this.thread.push(thread);
  }

  end(row: number): number {
    return this.start.get(row) + this.duration.get(row);
  }
}

/** Moments of threads whose stack is wanted. */
export class HostMoments {
  readonly thread = new Int32Column();
  readonly time = new Float64Column();
  /** Set by `sweep`. */
  stack = new Int32Array(0);

  get length(): number {
    return this.thread.length;
  }

  push(thread: number, time: number): number {
    this.time.push(time);
    return this.thread.push(thread);
  }
}

export interface SweepOptions {
  readonly profile: Profile;
  readonly slices: HostSlices;
  readonly moments: HostMoments;
  /** How many threads there are. */
  readonly threads: number;
  /** How far ends may be apart by rounding, ns. */
  readonly tolerance: number;
  /** Threads whose turn comes after the others: their stacks begin with stacks of others. */
  readonly late: ReadonlySet<number>;
  /** The stack that a slice has below it instead of its thread's, or null. */
  readonly below: (slice: number) => StackId | null;
  /** Frames between an operator and what lies around it, root first, or null. Asked where no other operator is open. */
  readonly callers: ((slice: number) => readonly FrameId[] | null) | null;
  /** A stretch [from, to) of a thread with one stack, in order of time, without holes: NO_STACK where nothing is open. From -Infinity to Infinity. */
  readonly stretch: (thread: number, from: number, to: number, stack: StackId) => void;
}

/** Gives every slice and moment its stack, and tells the stretches of every thread. */
export function sweep(options: SweepOptions): void {
  const { slices, moments, threads } = options;
  slices.stack = new Int32Array(slices.length).fill(NO_STACK);
  moments.stack = new Int32Array(moments.length).fill(NO_STACK);
  const bySlice = grouped(slices.thread.view(), slices.length, threads);
  const byMoment = grouped(moments.thread.view(), moments.length, threads);
  const order = Array.from({ length: threads }, (_, i) => i).sort((a, b) => Number(options.late.has(a)) - Number(options.late.has(b)) || a - b);
  const outer = outerFirst(options.profile, slices);
  const thread = new ThreadSweep(options);
  for (const at of order) {
    const rows = bySlice.rows.subarray(bySlice.starts[at], bySlice.starts[at + 1]);
    const times = byMoment.rows.subarray(byMoment.starts[at], byMoment.starts[at + 1]);
    sortRows(rows, slices.start.view());
    sortEqual(rows, slices.start.view(), outer);
    sortRows(times, moments.time.view());
    thread.run(at, rows, times);
  }
}

/** Of intervals that begin together the longer is outside. */
function outerFirst(profile: Profile, slices: HostSlices): (a: number, b: number) => number {
  const { duration, kind, id, frame } = slices;
  const name = (row: number): string => profile.functions.nameOf(profile.frames.functionOf(frame.get(row) as FrameId));
  return (a, b) => duration.get(b) - duration.get(a) || kind.get(a) - kind.get(b) || id.get(a) - id.get(b) || (name(a) < name(b) ? -1 : name(a) > name(b) ? 1 : 0);
}

class ThreadSweep {
  readonly #options: SweepOptions;
  #thread = 0;
  #now = -Infinity;
  // What is open, in order of begins.
  #depth = 0;
  #end = new Float64Array(256);
  /** The least end up to here. */
  #least = new Float64Array(256);
  #frame = new Int32Array(256);
  #stack = new Int32Array(256);
  /** Id of the Python call; NaN for everything that nests by time. */
  #id = new Float64Array(256);
  #kind = new Int32Array(256);
  /** A stack that it stands on instead of what is below it; NONE = none. */
  #below = new Int32Array(256);

  constructor(options: SweepOptions) {
    this.#options = options;
  }

  run(thread: number, rows: Int32Array, times: Int32Array): void {
    const { slices, moments } = this.#options;
    this.#thread = thread;
    this.#now = -Infinity;
    this.#depth = 0;
    let next = 0;
    for (const row of rows) {
      const start = slices.start.get(row);
      while (next < times.length && moments.time.get(times[next]) < start) this.#moment(times[next++]);
      this.#advance(start, true);
      this.#open(row);
    }
    while (next < times.length) this.#moment(times[next++]);
    this.#advance(Infinity, true);
    this.#tell(Infinity);
  }

  #moment(at: number): void {
    const { moments } = this.#options;
    // What ends at that moment is open still.
    this.#advance(moments.time.get(at), false);
    moments.stack[at] = this.#top();
  }

  #top(): StackId {
    return (this.#depth > 0 ? this.#stack[this.#depth - 1] : NO_STACK) as StackId;
  }

  #tell(to: number): void {
    if (to > this.#now) {
      this.#options.stretch(this.#thread, this.#now, to, this.#top());
      this.#now = to;
    }
  }

  /** Ends what has ended by a time; `with`: what ends at it too. */
  #advance(time: number, withEnds: boolean): void {
    while (this.#depth > 0) {
      const end = this.#least[this.#depth - 1];
      if (withEnds ? end > time : end >= time) break;
      this.#tell(end);
      let from = this.#depth - 1;
      while (from > 0 && this.#least[from - 1] <= end) from--;
      this.#remove(from, (i) => this.#end[i] <= end);
    }
    if (time !== Infinity) this.#tell(time);
  }

  /** Takes out entries from `from` on; those above them get new stacks. */
  #remove(from: number, which: (i: number) => boolean): void {
    let to = from;
    for (let i = from; i < this.#depth; i++) {
      if (which(i)) continue;
      if (to !== i) {
        this.#end[to] = this.#end[i];
        this.#frame[to] = this.#frame[i];
        this.#id[to] = this.#id[i];
        this.#below[to] = this.#below[i];
        this.#kind[to] = this.#kind[i];
        this.#place(to);
      }
      to++;
    }
    this.#depth = to;
  }

  #place(i: number): void {
    const { stacks } = this.#options.profile;
    const below = this.#below[i] === NONE ? (i > 0 ? this.#stack[i - 1] : NO_STACK) : this.#below[i];
    this.#stack[i] = stacks.intern(below as StackId, this.#frame[i] as FrameId);
    this.#least[i] = i > 0 ? Math.min(this.#least[i - 1], this.#end[i]) : this.#end[i];
  }

  #open(row: number): void {
    const { slices, tolerance } = this.#options;
    let end = slices.end(row);
    const chained = slices.kind.get(row) === PYTHON && slices.id.get(row) >= 0;
    if (chained) {
      const parent = slices.parent.get(row);
      let at = this.#depth - 1;
      if (parent >= 0) while (at >= 0 && this.#id[at] !== parent) at--;
      else at = -1;
      if (at >= 0 || parent < 0) {
        // Calls above the caller have returned, whatever their end says.
        if (this.#hasChained(at + 1)) this.#remove(at + 1, (i) => !Number.isNaN(this.#id[i]));
        if (at >= 0 && end > this.#end[at]) end = this.#end[at];
      } else {
        end = this.#nest(end, tolerance, true);
      }
    } else {
      end = this.#nest(end, tolerance, false);
    }
    if (this.#depth === this.#end.length) this.#grow();
    const i = this.#depth++;
    this.#end[i] = end;
    this.#frame[i] = slices.frame.get(row);
    this.#id[i] = chained ? slices.id.get(row) : NaN;
    this.#kind[i] = slices.kind.get(row);
    this.#below[i] = this.#standsOn(i, row);
    this.#place(i);
    slices.stack[row] = this.#stack[i];
  }

  #standsOn(depth: number, row: number): number {
    const { below, callers, profile } = this.#options;
    const stack = below(row);
    if (stack !== null) {
      // The outermost of the backward operators stands on the forward one, those in it stand on that.
      for (let i = 0; i < depth; i++) if (this.#below[i] !== NONE) return NONE;
      return stack;
    }
    if (callers === null || this.#kind[depth] !== OP) return NONE;
    for (let i = 0; i < depth; i++) if (this.#kind[i] === OP) return NONE;
    const frames = callers(row);
    if (frames === null) return NONE;
    let at = (depth > 0 ? this.#stack[depth - 1] : NO_STACK) as StackId;
    for (const frame of frames) at = profile.stacks.intern(at, frame);
    return at;
  }

  #hasChained(from: number): boolean {
    for (let i = from; i < this.#depth; i++) if (!Number.isNaN(this.#id[i])) return true;
    return false;
  }

  /** By time: what ends before the new one does is none of its callers. The new one's end, cut where rounding made it too late. */
  #nest(end: number, tolerance: number, chained: boolean): number {
    for (let i = this.#depth - 1; i >= 0; i--) {
      if (Number.isNaN(this.#id[i]) === chained) continue;
      if (this.#end[i] + tolerance >= end) return Math.min(end, this.#end[i]);
      this.#remove(i, (at) => at === i);
    }
    return end;
  }

  #grow(): void {
    const size = this.#end.length * 2;
    const float = (from: Float64Array): Float64Array<ArrayBuffer> => {
      const to = new Float64Array(size);
      to.set(from);
      return to;
    };
    const int = (from: Int32Array): Int32Array<ArrayBuffer> => {
      const to = new Int32Array(size);
      to.set(from);
      return to;
    };
    this.#end = float(this.#end);
    this.#least = float(this.#least);
    this.#id = float(this.#id);
    this.#frame = int(this.#frame);
    this.#stack = int(this.#stack);
    this.#below = int(this.#below);
    this.#kind = int(this.#kind);
  }
}
