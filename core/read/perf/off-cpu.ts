// The lane of waiting time: each interval from a switch out of the CPU to the switch back in, with the stack that left.
//
//     sample of the switch   SWITCH out                     SWITCH in
//            v                   v                              v
//     =======#===================|______________________________|=========
//            '-- its stack       '---------- one row -----------'
//
// Intervals under 1 ms are summed by (100 ms, thread, stack). What is not waiting (preempted, stopped by a profiler) has a lane
// of its own. The box at the tip tells the reason; names of kernel functions come late, so its frame is patched when they do.
import type { FrameId, LaneId, StackId, StringId } from '#core/model/ids';
import { NO_STACK, ns } from '#core/model/ids';
import type { Lane } from '#core/model/lane';
import { FUNCTION_UNNAMED } from '#core/model/tables';
import type { OpenInterval, Profile } from '#core/model/profile';
import { BEFORE, PREEMPTED, STOPPED, WAITING, isGpuLibrary, tipOf, tipOfChannel } from './reasons.ts';
import type { PerfThread } from './threads.ts';

/** Shorter intervals are summed, ns. */
const SHORT = 1e6;
/** Over this time, ns. */
const FOLD = 100e6;
/** A wait that goes on for so long is shown before it ends, ns. */
const SHOWN_OPEN = 10e6;
/** User frames from the leaf on in which a GPU's driver is looked for. */
const GPU_FRAMES = 12;
const MOST_TIPPED = 300_000;
/** Names of the kernel's functions come within a fraction of a second, or not at all, ns; and intervals that wait for them at most. */
const DECIDES = 1e9;
const MOST_UNDECIDED = 50_000;
/** Threads that are asked about in one go, at some us each. */
const MOST_ASKED = 256;
/** Answers that are kept of a thread: records trail by two pings, a tenth of a second. */
const MOST_ANSWERS = 8;

/** Name of the lane of what is not waiting: preempted, or stopped by a profiler. */
export const NOT_WAITING_LANE = 'preempted';

/** How it is said that there are no stacks. */
export const WITHOUT_STACKS = 'perf switch records, without stacks; reasons of longer waits from /proc';

/** No switch out is known. */
export const NOT_OUT = -2;

/** It was there when watching began, and no record has told yet what it did: it may wait since before. */
export const BEFORE_OUT = -4;

/** The switch out is known, the way back was lost and will not come. */
export const LOST_OUT = -3;

/** How a thread left its CPU. */
export const BLOCKED = 0;
export const WAS_PREEMPTED = 1;
export const WAS_STOPPED = 2;

/** A tip whose kernel functions have no names yet. */
interface Unnamed {
  readonly frame: FrameId;
  readonly kernel: readonly FrameId[];
  readonly gpu: boolean;
}

/** An interval that may have been a stop. */
interface Undecided {
  readonly thread: number;
  readonly stack: StackId;
  readonly start: number;
  readonly end: number;
}

/** Short intervals of one thread and stack. */
interface Fold {
  readonly lane: Lane;
  readonly thread: number;
  readonly stack: StackId;
  start: number;
  end: number;
  weight: number;
  count: number;
}

export class OffCpu {
  readonly lane: Lane;
  readonly #id: LaneId;
  readonly #profile: Profile;
  readonly #source: string;
  /** Made when there is something in it. */
  #others: Lane | null = null;
  /** By stack as it was sampled: with its tip. */
  #tipped = [new Map<StackId, StackId>(), new Map<StackId, StackId>(), new Map<StackId, StackId>()];
  /** Frames of tips by the kernel frames that they were told from. */
  #tips = new Map<string, FrameId>();
  #unnamed: Unnamed[] = [];
  #nameless = new Set<FrameId>();
  #undecided: Undecided[] = [];
  #libraries = new Map<StringId, boolean>();
  #kernel: StringId;
  #folds = new Map<number, Fold>();
  /** End of the 100 ms that `#folds` are of. */
  #foldEnd = -Infinity;
  #wasOpen = false;
  #gaps: readonly (readonly [number, number])[];
  #channels = new Map<string, StackId>();
  #asked = 0;

  /** `gaps`: times at which waiting is not recorded, [from, to) in order; the list may grow. */
  constructor(profile: Profile, name: string, source: string, gaps: readonly (readonly [number, number])[] = []) {
    this.#profile = profile;
    this.#gaps = gaps;
    this.#source = source;
    this.#id = profile.addLane({ kind: 'off-cpu', unit: 'ns', name, source, intervals: true });
    this.lane = profile.lanes[this.#id];
    this.#kernel = profile.strings.intern('[kernel.kallsyms]');
  }

  /** An interval off the CPU that ended. `out`: the stack that left, NO_STACK where none came, NOT_OUT where its beginning is not known. */
  ended(thread: PerfThread, state: 'blocked' | 'waiting', start: number, end: number): void {
    if (thread.out === LOST_OUT) return;
    if (thread.out === NOT_OUT || (thread.out === BEFORE_OUT && this.#before(thread, start, end) === NO_STACK)) {
      // A thread that is new waits for its first CPU: it has no stack.
      if (state === 'blocked') this.#profile.skip('waits that had begun before the recording: their stacks are not known');
      return;
    }
    // A command that waited for its profilers did not wait for anything of its own.
    if (thread.out === BEFORE_OUT && this.#stops(this.#before(thread, start, end))) return;
    let from = start;
    for (const [gap, back] of this.#gaps) {
      if (back <= from) continue;
      if (gap >= end) break;
      if (gap > from) this.#row(thread, state, from, gap);
      from = back;
      if (from >= end) return;
    }
    this.#row(thread, state, from, end);
  }

  #row(thread: PerfThread, state: 'blocked' | 'waiting', start: number, end: number): void {
    const how = state === 'waiting' ? WAS_PREEMPTED : thread.outHow;
    const stack = this.#stackOf(thread, how, start, end);
    // Whether it was stopped by a tracer its tip will say, when the kernel's functions have names.
    if (how === BLOCKED && this.#unnamed.length > 0 && this.#waitsForName(stack)) {
      this.#undecided.push({ thread: thread.row, stack, start, end });
      if (this.#undecided.length > MOST_UNDECIDED) this.#decide(Infinity);
    } else this.#place(how === BLOCKED && !this.#stops(stack), thread.row, stack, start, end);
  }

  #place(waits: boolean, thread: number, stack: StackId, start: number, end: number): void {
    const lane = waits ? this.lane : this.#otherLane();
    const length = end - start;
    if (length >= SHORT) {
      lane.push(start, thread, stack, length, 1, length);
      return;
    }
    if (start >= this.#foldEnd) {
      this.flush();
      this.#foldEnd = (Math.floor(start / FOLD) + 1) * FOLD;
    }
    const key = (thread * 0x4000000 + stack) * 2 + (waits ? 0 : 1);
    const fold = this.#folds.get(key);
    if (fold === undefined) this.#folds.set(key, { lane, thread, stack, start, end, weight: length, count: 1 });
    else {
      fold.start = Math.min(fold.start, start);
      fold.end = Math.max(fold.end, end);
      fold.weight += length;
      fold.count++;
    }
  }

  /** A switch out whose way back was lost, or a way back without one: neither side can be told. */
  broken(): void {
    this.#profile.skip('waits with a lost beginning or end');
  }

  /** Makes rows of the short intervals so far. */
  flush(): void {
    for (const { lane, thread, stack, start, end, weight, count } of this.#folds.values()) lane.push(start, thread, stack, weight, count, end - start);
    this.#folds.clear();
  }

  /** Once in a while: names for tips, the short intervals, and what waits now. `now`: ns up to which the recording was read. */
  tell(threads: Iterable<PerfThread>, now: number): void {
    if (now >= this.#foldEnd) this.flush();
    this.name();
    this.#decide(now - DECIDES);
    const open: OpenInterval[] = [];
    const gap = this.#gaps.at(-1);
    for (const thread of threads) {
      const clock = thread.clock;
      const before = clock?.state === 'unknown' && thread.out === BEFORE_OUT;
      if (clock === null || (clock.state !== 'blocked' && !before) || now - clock.since < SHOWN_OPEN) continue;
      if (before ? this.#before(thread, clock.since, now) === NO_STACK : thread.out < NO_STACK || thread.outHow !== BLOCKED) continue;
      const since = gap === undefined ? clock.since : Math.max(clock.since, gap[1]);
      if (now - since < SHOWN_OPEN) continue;
      const stack = this.#stackOf(thread, BLOCKED, clock.since, Infinity);
      if (!this.#stops(stack)) open.push({ lane: this.#id, thread: thread.row, stack, since: ns(since) });
    }
    const others = this.#profile.open.filter((one) => one.lane !== this.#id);
    if (open.length > 0 || this.#wasOpen) this.#profile.open = [...others, ...open];
    this.#wasOpen = open.length > 0;
  }

  /**
   * Asks where threads wait now, for waits without stacks. Records come later than what they tell of: an answer is kept, and is of
   * the wait that its moment lies in, as the switches tell then. `zero`: time 0 of the profile on the answers' clock. Not `all`: only
   * threads that have waited since before they were watched, once each.
   */
  ask(threads: ReadonlyMap<number, PerfThread>, zero: number, channel: (pid: number, tid: number) => { readonly name: string; readonly at: number }, all: boolean): void {
    let skip = threads.size > MOST_ASKED ? this.#asked % threads.size : 0;
    let left = MOST_ASKED;
    for (const thread of threads.values()) {
      if (skip-- > 0 || thread.tid <= 0 || thread.clock?.state === 'gone') continue;
      if (!all && (thread.out !== BEFORE_OUT || thread.clock?.state !== 'unknown' || thread.channels.length > 0)) continue;
      if (left-- === 0) break;
      const { name, at } = channel(thread.process.pid, thread.tid);
      if (name === '') continue;
      if (thread.channels.length === MOST_ANSWERS) thread.channels.shift();
      thread.channels.push({ name, at: at - zero });
    }
    this.#asked += MOST_ASKED;
  }

  /** The recording ended: nothing is open any more. */
  finish(): void {
    this.flush();
    this.#profile.open = this.#profile.open.filter((one) => one.lane !== this.#id);
  }

  /** No more names will come: what waits for one has none. `ended`: no more intervals either. */
  settle(ended: boolean): void {
    this.#decide(Infinity);
    if (ended) this.flush();
  }

  /** Gives tips their reasons, where the names of the kernel's functions have come. */
  name(): void {
    if (this.#unnamed.length === 0) return;
    this.#unnamed = this.#unnamed.filter(({ frame, kernel, gpu }) => {
      if (this.#isUnnamed(kernel)) return true;
      const fn = this.#profile.functions.intern({ name: this.#tipName(kernel, gpu), kind: 'marker' });
      if (this.#profile.frames.functionOf(frame) !== fn) this.#profile.frames.setFunction(frame, fn);
      this.#nameless.delete(frame);
      return false;
    });
    if (this.#undecided.length > 0) this.#decide(-Infinity);
  }

  /** The lane of what is not waiting. */
  #otherLane(): Lane {
    return this.#others ??= this.#profile.lanes[this.#profile.addLane({ kind: 'off-cpu', unit: 'ns', name: NOT_WAITING_LANE, source: this.#source, intervals: true })];
  }

  /** Whether a blocked thread was stopped by a tracer, as its tip says. */
  #stops(stack: StackId): boolean {
    const { stacks, frames, functions } = this.#profile;
    return functions.nameOf(frames.functionOf(stacks.frame.get(stack) as FrameId)) === STOPPED;
  }

  /** The stack of a wait that had begun before the thread was watched: what /proc said of it; NO_STACK where it said nothing. */
  #before(thread: PerfThread, start: number, end: number): StackId {
    const told = thread.channels.find(({ at }) => at >= start && at <= end);
    return told === undefined ? NO_STACK : this.#channel(told.name, true);
  }

  #stackOf(thread: PerfThread, how: number, start: number, end: number): StackId {
    if (thread.out === BEFORE_OUT) return this.#before(thread, start, end);
    // Without a stack, what /proc said at a moment inside the wait is all that is known of it.
    const told = thread.out === NO_STACK && how === BLOCKED ? thread.channels.find(({ at }) => at >= start && at <= end) : undefined;
    return told === undefined ? this.#withTip(thread.out as StackId, how) : this.#channel(told.name, false);
  }

  #channel(name: string, before: boolean): StackId {
    const { stacks } = this.#profile;
    const key = `${before ? '<' : ''}${name}`;
    let stack = this.#channels.get(key);
    if (stack === undefined) {
      const root = before ? stacks.intern(NO_STACK, this.#marker(BEFORE)) : NO_STACK;
      this.#channels.set(key, (stack = stacks.intern(root, this.#marker(tipOfChannel(name)))));
    }
    return stack;
  }

  #withTip(stack: StackId, how: number): StackId {
    const known = this.#tipped[how].get(stack);
    if (known !== undefined) return known;
    const tipped = this.#profile.stacks.intern(stack, this.#tip(stack, how));
    if (this.#tipped[how].size >= MOST_TIPPED) this.#tipped[how].clear();
    this.#tipped[how].set(stack, tipped);
    return tipped;
  }

  #tip(stack: StackId, how: number): FrameId {
    if (how === WAS_PREEMPTED) return this.#marker(PREEMPTED);
    if (how === WAS_STOPPED) return this.#marker(STOPPED);
    const { stacks, frames } = this.#profile;
    const kernel: FrameId[] = [];
    let gpu = false;
    let user = 0;
    for (let at: number = stack; at >= 0 && user < GPU_FRAMES; at = stacks.prefix.get(at)) {
      const frame = stacks.frame.get(at) as FrameId;
      const library = frames.library.get(frame) as StringId;
      if (library === this.#kernel && user === 0) kernel.push(frame);
      else {
        user++;
        gpu ||= this.#isGpu(library);
      }
    }
    if (kernel.length === 0) return this.#marker(gpu ? 'GPU wait' : WAITING);
    const key = `${gpu ? 'g' : ''}${kernel.join(' ')}`;
    let frame = this.#tips.get(key);
    if (frame === undefined) {
      const unnamed = this.#isUnnamed(kernel);
      const fn = this.#profile.functions.intern({ name: unnamed ? WAITING : this.#tipName(kernel, gpu), kind: 'marker' });
      // Known by a number, as a native frame is by its address: what it means can be patched.
      frame = frames.native(this.#profile.strings.intern('[waiting]'), this.#tips.size, 'given', fn);
      this.#tips.set(key, frame);
      if (unnamed) {
        this.#unnamed.push({ frame, kernel, gpu });
        this.#nameless.add(frame);
      }
    }
    return frame;
  }

  #waitsForName(stack: StackId): boolean {
    return stack >= 0 && this.#nameless.has(this.#profile.stacks.frame.get(stack) as FrameId);
  }

  /** Places intervals whose tips have names, and all that ended before `until`. */
  #decide(until: number): void {
    if (this.#undecided.length === 0) return;
    this.#undecided = this.#undecided.filter(({ thread, stack, start, end }) => {
      if (end > until && this.#waitsForName(stack)) return true;
      this.#place(!this.#stops(stack), thread, stack, start, end);
      return false;
    });
  }

  #tipName(kernel: readonly FrameId[], gpu: boolean): string {
    const { frames, functions } = this.#profile;
    return tipOf(kernel.map((frame) => functions.nameOf(frames.functionOf(frame))), gpu);
  }

  #isUnnamed(kernel: readonly FrameId[]): boolean {
    const { frames, functions } = this.#profile;
    return kernel.some((frame) => (functions.flags.get(frames.functionOf(frame)) & FUNCTION_UNNAMED) !== 0);
  }

  #isGpu(library: StringId): boolean {
    let gpu = this.#libraries.get(library);
    if (gpu === undefined) this.#libraries.set(library, (gpu = isGpuLibrary(this.#profile.strings.get(library))));
    return gpu;
  }

  #marker(name: string): FrameId {
    return this.#profile.frames.source(this.#profile.functions.intern({ name, kind: 'marker' }));
  }
}
