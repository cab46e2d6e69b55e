// Windows of V8's own profilers, taken over the inspector, to samples. A window is the profiler's answer as it came:
// `{"profile":{...}}`, one thread, one span of time.
//
// CPU. V8 looks at a thread at every interval of the clock, whether it runs or not: a thread that blocks in a call reads as busy, one that
// waits for events as `(idle)`. So the kernel's account of the thread (readings of schedstat) says how much time there was to share out, slice
// by slice, and the samples that are not idle say over which stacks. Without an account a sample counts as the time until the next one.
//
// Memory. V8 has one sampling heap profiler for each thread, in one of two ways. `held`: samples of objects that are collected are dropped, so
// what grows and shrinks from window to window is what is held; the numbers of the samples (in order of allocation) also tell how many were
// taken and dropped in between, though no longer where. `allocated`: samples stay, each window is what was allocated in it.
import type { LaneId, StackId, ThreadId } from '#core/model/ids';
import { NO_STACK, ns } from '#core/model/ids';
import type { Lane } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import type { Json } from '../json.ts';
import { isObject } from '../json.ts';
import { ThreadRows } from '../py-spy/thread-rows.ts';
import { V8Frames } from './call-frame.ts';
import { readCpuProfile } from './cpu-profile.ts';
import { readHeapProfile } from './heap-profile.ts';
import { idleWords } from './words.ts';

/** What a stream of windows holds. */
export type V8What = 'cpu' | 'held' | 'allocated';

/** Facts of a window, as main hands them over (see WindowFacts in main/profilers/profiler.ts). Monotonic ns. */
export interface V8Window {
  readonly start: number;
  readonly end: number;
  /** One thread; `own` names the run of a profiler: another one begins from nothing. */
  readonly threads: readonly { readonly own: string; readonly tid: number; readonly name: string; readonly pid: number; /** Name of the program. */ readonly process?: string }[];
  /** Readings of time on a CPU by thread: monotonic ns, ns on CPU, and so on. */
  readonly onCpu?: readonly { readonly tid: number; readonly points: readonly number[] }[];
}

export interface V8Options {
  readonly what: V8What;
  /** Monotonic ns of time 0. */
  readonly zeroAt: number;
  /** Directory of the target, for own code; '' = unknown. */
  readonly directory: string;
  /** How it was taken, for the lane's header. */
  readonly source: string;
  /** Bytes between two samples of the heap; 0 for CPU. */
  readonly interval: number;
}

/** CPU time is shared out within slices of about this length, ns: long enough for some samples. */
const SLICE = 100e6;
/** V8's clock is ours; a window that says otherwise by more than this was taken on another one, ns. */
const CLOCK = 50e6;
/** Changes of what is held below this are noise of rounding, bytes. */
const LEAST = 0.5;

/** What is known of one thread's profiler between windows. */
interface Held {
  /** Bytes by stack as of the last window. */
  bytes: Map<StackId, number>;
  /** Largest sample number so far. */
  ordinal: number;
  /** Bytes and number of all samples that were ever seen. */
  seen: number;
  samples: number;
  row: ThreadId;
}

export class V8Decoder {
  readonly #profile: Profile;
  readonly #options: V8Options;
  readonly #rows: ThreadRows;
  readonly #frames: V8Frames;
  readonly #lanes = new Map<string, LaneId>();
  readonly #held = new Map<string, Held>();
  /** Which profiler a thread's held bytes come from. */
  readonly #current = new Map<string, string>();
  /** CPU time of a thread that no sample could take yet, ns. */
  readonly #carried = new Map<ThreadId, number>();
  readonly #idle = new Map<ThreadId, { idle: number; of: number; pid: number }>();
  #unseen: StackId = NO_STACK;

  constructor(profile: Profile, options: V8Options) {
    this.#profile = profile;
    this.#options = options;
    this.#rows = new ThreadRows(profile);
    this.#frames = new V8Frames(profile, options.directory);
  }

  /** Takes one window. What cannot be read is counted. */
  window(window: V8Window, bytes: Uint8Array): void {
    const thread = window.threads.at(0);
    const value = parse(bytes);
    if (thread === undefined || value === null) {
      this.#profile.skip('windows of V8 that could not be read');
      return;
    }
    if (thread.process !== undefined && !this.#rows.has(thread.pid)) this.#profile.processes.add({ pid: thread.pid, name: thread.process });
    const row = this.#rows.row(thread.pid, thread.tid, thread.own, thread.name);
    if (this.#options.what === 'cpu') this.#cpu(window, value, row, thread.tid, thread.pid);
    else this.#heap(window, value, row, `${thread.pid}:${thread.tid}:${thread.tid === 0 ? thread.name : ''}`, thread.own);
    this.#profile.reach(ns(Math.max(0, window.end - this.#options.zeroAt)));
  }

  /** No more windows: says what is in no lane. */
  end(): void {
    for (const [row, { idle, of, pid }] of this.#idle) {
      if (idle > 0) this.#profile.info.notes.push(idleWords(`V8 in ${this.#profile.threads.nameOf(row)} of process ${pid}`, idle, of));
    }
    if (this.#idle.size > 0) this.#profile.touch();
    this.#idle.clear();
  }

  #cpu(window: V8Window, value: Json, row: ThreadId, tid: number, pid: number): void {
    const read = readCpuProfile(value, this.#profile, this.#frames);
    // A window in which the thread was never looked at: it was shorter than the interval.
    if (read === null) return;
    const { zeroAt } = this.#options;
    let shift = -zeroAt;
    if (read.start * 1000 < window.start - CLOCK || read.end * 1000 > window.end + CLOCK) {
      shift = window.end - read.end * 1000 - zeroAt;
      this.#profile.skip('windows of V8 on another clock (placed by when they came)');
    }
    let told = this.#idle.get(row);
    if (told === undefined) this.#idle.set(row, (told = { idle: 0, of: 0, pid }));
    told.of += (read.end - read.start) * 1000;
    const count = read.stacks.length;
    const busy = new Float64Array(count);
    for (let i = 0; i < count; i++) {
      if (read.idle[i] === 0) busy[i] = read.lasts[i] * 1000;
      else told.idle += read.lasts[i] * 1000;
    }
    const points = window.onCpu?.find((account) => account.tid === tid)?.points;
    if (points !== undefined && points.length >= 4 && points[points.length - 1] > 0) {
      const from = read.start * 1000 + shift + zeroAt;
      const left = shareOut(points, from, read.end * 1000 + shift + zeroAt, read.times, shift + zeroAt, busy, this.#carried.get(row) ?? 0);
      this.#carried.set(row, left);
    }
    const lane = this.#lane('cpu', 'v8');
    for (let i = 0; i < count; i++) {
      if (busy[i] > 0) lane.push(Math.max(0, read.times[i] * 1000 + shift), row, read.stacks[i], busy[i]);
    }
  }

  #heap(window: V8Window, value: Json, row: ThreadId, thread: string, own: string): void {
    const read = readHeapProfile(value, this.#profile, this.#frames);
    if (read === null) {
      this.#profile.skip('windows of V8 that could not be read');
      return;
    }
    const { zeroAt, interval } = this.#options;
    const middle = Math.max(0, (window.start + window.end) / 2 - zeroAt);
    const allocated = this.#lane('memory', 'v8 heap');
    if (this.#options.what === 'allocated') {
      this.#sums(read.stacks, read.bytes, read.counts, (stack, bytes, count) => allocated.push(middle, row, stack, bytes, count));
      return;
    }
    const end = Math.max(0, window.end - zeroAt);
    const lane = this.#lane('memory', 'v8 heap held');
    const key = `${thread}:${own}`;
    let held = this.#held.get(key);
    if (held === undefined) {
      this.#forget(thread, key, lane, Math.max(0, window.start - zeroAt));
      held = { bytes: new Map(), ordinal: 0, seen: 0, samples: 0, row };
      this.#held.set(key, held);
    }
    const now = new Map<StackId, number>();
    const fresh = { stacks: [] as StackId[], bytes: [] as number[] };
    const before = held.ordinal;
    for (let i = 0; i < read.stacks.length; i++) {
      const bytes = read.bytes[i];
      if (bytes === 0) continue;
      now.set(read.stacks[i], (now.get(read.stacks[i]) ?? 0) + bytes);
      if (read.ordinals[i] <= before) continue;
      fresh.stacks.push(read.stacks[i]);
      fresh.bytes.push(bytes);
      if (read.ordinals[i] > held.ordinal) held.ordinal = read.ordinals[i];
    }
    this.#sums(fresh.stacks, fresh.bytes, null, (stack, bytes, count) => allocated.push(middle, row, stack, bytes, count));
    // Samples that were taken and dropped since the last window count as those that were seen do on average. One stands for an interval at
    // least, for more where objects are larger than that.
    for (const bytes of fresh.bytes) held.seen += bytes;
    held.samples += fresh.bytes.length;
    const dropped = held.ordinal - before - fresh.stacks.length;
    if (dropped > 0) allocated.push(middle, row, this.#unseenStack(), dropped * Math.max(interval, held.samples === 0 ? 0 : held.seen / held.samples), dropped);
    for (const [stack, bytes] of now) {
      const change = bytes - (held.bytes.get(stack) ?? 0);
      if (Math.abs(change) >= LEAST) lane.push(end, row, stack, change);
    }
    for (const [stack, bytes] of held.bytes) if (!now.has(stack)) lane.push(end, row, stack, -bytes);
    held.bytes = now;
  }

  /** A profiler that was started anew knows nothing of what an earlier one saw: that is taken back. */
  #forget(thread: string, key: string, lane: Lane, at: number): void {
    const old = this.#held.get(this.#current.get(thread) ?? '');
    if (old !== undefined) for (const [stack, bytes] of old.bytes) lane.push(at, old.row, stack, -bytes);
    this.#held.delete(this.#current.get(thread) ?? '');
    this.#current.set(thread, key);
  }

  #sums(stacks: readonly StackId[], bytes: ArrayLike<number>, counts: Int32Array | null, add: (stack: StackId, bytes: number, count: number) => void): void {
    const sums = new Map<StackId, { bytes: number; count: number }>();
    for (let i = 0; i < stacks.length; i++) {
      if (bytes[i] === 0) continue;
      const sum = sums.get(stacks[i]);
      const count = counts === null ? 1 : Math.max(1, counts[i]);
      if (sum === undefined) sums.set(stacks[i], { bytes: bytes[i], count });
      else {
        sum.bytes += bytes[i];
        sum.count += count;
      }
    }
    for (const [stack, sum] of sums) add(stack, sum.bytes, sum.count);
  }

  #unseenStack(): StackId {
    if (this.#unseen === NO_STACK) {
      const fn = this.#profile.functions.intern({ name: '[collected before it was seen]', kind: 'marker' });
      this.#unseen = this.#profile.stacks.intern(NO_STACK, this.#profile.frames.source(fn));
    }
    return this.#unseen;
  }

  #lane(kind: 'cpu' | 'memory', name: string): Lane {
    let id = this.#lanes.get(name);
    if (id === undefined) {
      // Another stream of the same recording may have made it: the lane was switched off and on.
      const there = this.#profile.lanes.findIndex((lane) => lane.kind === kind && lane.name === name);
      id = there >= 0 ? (there as LaneId) : this.#profile.addLane({ kind, unit: kind === 'cpu' ? 'ns' : 'bytes', name, source: this.#options.source });
      this.#lanes.set(name, id);
    }
    return this.#profile.lanes[id];
  }
}

/**
 * Scales how long samples lasted so that they sum to the thread's CPU time, slice by slice. `points`: monotonic ns, ns on CPU, and so on.
 * `times` are V8's microseconds, `shift` makes them monotonic ns once they are ns. Returns CPU time that no sample could take (ns).
 */
export function shareOut(points: readonly number[], from: number, to: number, times: Float64Array, shift: number, busy: Float64Array, carried: number): number {
  let left = carried;
  let sample = 0;
  let at = from;
  let cpu = cpuAt(points, at);
  while (at < to) {
    const end = to - at < SLICE * 1.5 ? to : at + SLICE;
    const upTo = cpuAt(points, end);
    const first = sample;
    let sum = 0;
    while (sample < busy.length && (end === to || times[sample] * 1000 + shift < end)) sum += busy[sample++];
    left += Math.max(0, upTo - cpu);
    if (sum > 0) {
      const factor = left / sum;
      for (let i = first; i < sample; i++) busy[i] *= factor;
      left = 0;
    }
    at = end;
    cpu = upTo;
  }
  return left;
}

/** CPU time at a moment, between the readings beside it; beyond them what the nearest one says. */
function cpuAt(points: readonly number[], at: number): number {
  const last = points.length - 2;
  if (at <= points[0]) return points[1];
  if (at >= points[last]) return points[last + 1];
  let low = 0;
  let high = last / 2;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (points[middle * 2] <= at) low = middle;
    else high = middle;
  }
  const [t0, c0, t1, c1] = [points[low * 2], points[low * 2 + 1], points[high * 2], points[high * 2 + 1]];
  return t1 <= t0 ? c1 : c0 + ((c1 - c0) * (at - t0)) / (t1 - t0);
}

function parse(bytes: Uint8Array): Json | null {
  try {
    const value = JSON.parse(new TextDecoder('utf-8').decode(bytes)) as Json;
    return isObject(value) && value['profile'] !== undefined ? value['profile'] : value;
  } catch {
    return null;
  }
}
