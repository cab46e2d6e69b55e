// What our helper inside a Python writes (resources/python/sitecustomize.py), joined with the kernel's account of each thread, to rows.
//
// The stream is lines of text in chunks of at most 4,000 bytes, from any number of processes:
//   p PID                     a chunk of this process begins
//   r NS HZ TID VERSION       all that was said before is forgotten; monotonic ns, rate, the helper's own thread, version of Python
//   o TID                     the helper's own thread is another one now: it ends for each fork
//   f LINE NAME \t FILE       a frame; its number is the count of those before it
//   s PARENT FRAME            a stack: its caller's number (-1 for none) and its frame; numbered like frames
//   t US                      a look at all threads, so many us after the last one
//   c TID STACK               a thread that changed: its stack now, -1 without a frame, -2 when it has ended. A TID below 1 is a thread without a number
//   n TID NAME                a thread's name
//   h HZ                      the helper lowered its rate by itself
//   e COUNT NAME, d COUNT     errors that it swallowed; chunks that it could not write
//   q                         the process ends
//
// A look says where a thread is, not what it does there: sys._current_frames() shows a thread that sleeps like one that runs. The kernel's account
// (/proc/PID/task/TID/schedstat: ns on a CPU, ns runnable) gives the exact time between two looks; the stack of the later look gets it. What is left of
// the time is waiting. A thread that waited for nine tenths of the time between two looks was asleep when it was looked at: its time goes to the next
// look that finds it at work.
import type { FrameId, LaneId, StackId, ThreadId } from '#core/model/ids';
import { NO_STACK, ns } from '#core/model/ids';
import type { LaneKind } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import { FUNCTION_OWN } from '#core/model/tables';
import { ThreadClock } from './thread-clock.ts';
import { pythonFile } from './py-spy/python-files.ts';
import { ThreadRows } from './py-spy/thread-rows.ts';

/** One hand-over, as main makes it (see WindowFacts in main/profilers/profiler.ts). Monotonic ns. */
export interface HelperWindow {
  readonly start: number;
  readonly end: number;
  /** Readings by thread: monotonic ns, ns on a CPU, and so on; `runnable`: ns it waited for a CPU, one for each reading. */
  /** Lanes that are switched on; absent: both. */
  readonly lanes?: readonly LaneKind[];
  readonly onCpu?: readonly { readonly tid: number; readonly pid?: number; readonly points: readonly number[]; readonly runnable?: readonly number[] }[];
}

export interface HelperOptions {
  /** Monotonic ns of time 0. */
  readonly zeroAt: number;
  /** Directory of the target, for own code; '' = unknown. */
  readonly directory: string;
  readonly source: string;
}

/** A thread that ran for less than this share of the time that it ran or waited was asleep. */
const ASLEEP = 0.1;
/** Waits in one stack are one row up to this length, ns: a live picture grows with them. */
const LONGEST_WAIT = 500e6;
/** Looks further apart than this say nothing of the time between, ns. */
const LONGEST_STEP = 2e9;
/** Time on a CPU of a thread that no look found, shown when it is at least this much, ns. */
const LEAST_UNSEEN = 1e6;
/** What the helper saw comes at most this much later, ns. */
const LATE = 400e6;
/** A thread's first readings may come this much after the first look at it, ns. */
const MOST_LATE = 1.5e9;
const GONE = -2;

interface Thread {
  readonly pid: number;
  readonly tid: number;
  name: string;
  row: ThreadId | null;
  stack: StackId;
  /** Time on a CPU that waits for a look that finds it at work, ns. */
  carried: number;
  carriedStack: StackId;
  /** A wait that goes on: since when, how much of it was waiting. */
  waitFrom: number;
  waitTo: number;
  waited: number;
  /** Time without a CPU that was booked late, and read as waiting meanwhile, ns. */
  late: number;
  waitStack: StackId;
}

interface Process {
  readonly pid: number;
  frames: FrameId[];
  stacks: StackId[];
  /** Monotonic ns of the last look; 0 before the first one. */
  at: number;
  threads: Map<number, Thread>;
}

/** A look at one thread that waits for the account to reach it. */
interface Look {
  readonly thread: Thread;
  readonly from: number;
  readonly to: number;
  readonly stack: StackId;
}

/** Turns windows of the helper into rows of the lanes `cpu` named `python` (ns) and `off-cpu` named `proc` (ns, intervals). */
export class PythonHelperDecoder {
  readonly #profile: Profile;
  readonly #options: HelperOptions;
  readonly #rows: ThreadRows;
  readonly #processes = new Map<number, Process>();
  readonly #clocks = new Map<number, ThreadClock>();
  readonly #pidOf = new Map<number, number>();
  /** Threads that were ever looked at, by tid, and the helper's own. */
  readonly #seen = new Set<number>();
  readonly #own = new Set<number>();
  /** Threads that no look found and whose time was told. */
  readonly #unseenTids = new Set<number>();
  #looks: Look[] = [];
  #now: Process | null = null;
  #rest = new Uint8Array(0);
  #text = new TextDecoder();
  #cpu: LaneId | null = null;
  #waiting: LaneId | null = null;
  #unseen: StackId | null = null;
  /** End of what the account covers, monotonic ns. */
  #covered = 0;
  #wantsCpu = true;
  #wantsWaits = true;

  constructor(profile: Profile, options: HelperOptions) {
    this.#profile = profile;
    this.#options = options;
    this.#rows = new ThreadRows(profile);
  }

  /** One hand-over: readings, and the bytes that came meanwhile, cut anywhere. Nothing is thrown for what is in them. */
  window(window: HelperWindow, bytes: Uint8Array): void {
    for (const { tid, pid, points, runnable } of window.onCpu ?? []) {
      let clock = this.#clocks.get(tid);
      if (clock === undefined) {
        clock = new ThreadClock();
        this.#clocks.set(tid, clock);
      }
      if (pid !== undefined) this.#pidOf.set(tid, pid);
      clock.add(points, runnable ?? []);
    }
    this.#wantsCpu = window.lanes?.includes('cpu') ?? true;
    this.#wantsWaits = window.lanes?.includes('off-cpu') ?? true;
    if (Number.isFinite(window.end) && window.end > this.#covered) this.#covered = window.end;
    this.#take(bytes);
    this.#settle(false);
    this.#addUnseen();
    this.#profile.reach(ns(Math.max(0, window.end - this.#options.zeroAt)));
  }

  /** No more windows: what waits is told as it is. */
  end(): void {
    if (this.#rest.length > 0) this.#profile.skip('lines of the Python helper that were cut off');
    this.#rest = new Uint8Array(0);
    this.#settle(true);
    for (const process of this.#processes.values()) for (const thread of process.threads.values()) this.#finish(thread);
    this.#processes.clear();
  }

  #take(bytes: Uint8Array): void {
    let all = bytes;
    if (this.#rest.length > 0) {
      all = new Uint8Array(this.#rest.length + bytes.length);
      all.set(this.#rest);
      all.set(bytes, this.#rest.length);
    }
    const last = all.lastIndexOf(10);
    this.#rest = all.slice(last + 1);
    if (last < 0) return;
    for (const line of this.#text.decode(all.subarray(0, last)).split('\n')) {
      if (!this.#line(line)) this.#profile.skip('lines of the Python helper that could not be read');
    }
  }

  /** Returns whether the line could be read. */
  #line(line: string): boolean {
    const rest = line.slice(2);
    if (line.startsWith('p ')) {
      const pid = whole(rest);
      this.#now = pid > 0 ? this.#process(pid) : null;
      return this.#now !== null;
    }
    const process = this.#now;
    if (process === null) return false;
    switch (line[0]) {
      case 'r': return this.#begin(process, rest.split(' '));
      case 'o': return this.#addOwn(whole(rest));
      case 'f': return this.#frame(process, rest);
      case 's': {
        const [parent, frame] = rest.split(' ').map(whole);
        if (!(parent >= -1) || parent >= process.stacks.length || process.frames[frame] === undefined) return false;
        process.stacks.push(this.#profile.stacks.intern(parent < 0 ? NO_STACK : process.stacks[parent], process.frames[frame]));
        return true;
      }
      case 't': return this.#look(process, whole(rest));
      case 'c': {
        const [tid, stack] = rest.split(' ').map(whole);
        return this.#change(process, tid, stack);
      }
      case 'n': {
        const space = rest.indexOf(' ');
        const tid = whole(rest.slice(0, space));
        if (space < 0 || !Number.isInteger(tid)) return false;
        const thread = this.#thread(process, tid);
        thread.name = rest.slice(space + 1);
        return true;
      }
      case 'h':
        this.#profile.marks.add({ kind: 'note', start: this.#time(process.at), end: this.#time(process.at), text: `the helper in process ${process.pid} looks ${rest} times a second from here on: more would cost the program too much` });
        return true;
      case 'e': {
        const [count, ...what] = rest.split(' ');
        if (!(whole(count) > 0)) return false;
        this.#profile.skip(`looks of the Python helper that failed (${what.join(' ')})`, whole(count));
        return true;
      }
      case 'd':
        if (!(whole(rest) > 0)) return false;
        this.#profile.skip('writes of the Python helper that found no room', whole(rest));
        return true;
      case 'q':
        return rest === '';
      default:
        return false;
    }
  }

  #process(pid: number): Process {
    let process = this.#processes.get(pid);
    if (process === undefined) {
      process = { pid, frames: [], stacks: [], at: 0, threads: new Map() };
      this.#processes.set(pid, process);
    }
    return process;
  }

  #begin(process: Process, [at, , own]: readonly string[]): boolean {
    const time = whole(at);
    if (!(time > 0)) return false;
    process.frames = [];
    process.stacks = [];
    for (const thread of process.threads.values()) thread.stack = NO_STACK;
    // After a loss the time since the last look is nobody's: it is not known where anything was.
    process.at = time;
    this.#addOwn(whole(own));
    return true;
  }

  #addOwn(tid: number): boolean {
    if (!(tid > 0)) return false;
    this.#own.add(tid);
    this.#seen.add(tid);
    return true;
  }

  #frame(process: Process, text: string): boolean {
    const space = text.indexOf(' ');
    const tab = text.indexOf('\t');
    const line = whole(text.slice(0, space));
    if (space < 0 || tab < space || !(line >= 0)) return false;
    const file = text.slice(tab + 1);
    const { library, own } = pythonFile(file, this.#options.directory);
    const fn = this.#profile.functions.intern({ name: text.slice(space + 1, tab), file, library, kind: 'python', flags: own ? FUNCTION_OWN : 0 });
    process.frames.push(this.#profile.frames.source(fn, line));
    return true;
  }

  /** A look at all threads of a process, so far where they were; the lines that follow say which ones changed. */
  #look(process: Process, us: number): boolean {
    if (!(us >= 0) || us > 3600e6) return false;
    this.#pending(process);
    process.at += us * 1000;
    return true;
  }

  #change(process: Process, tid: number, stack: number): boolean {
    if (!Number.isInteger(tid) || !(stack >= GONE) || stack >= process.stacks.length) return false;
    const thread = this.#thread(process, tid);
    if (stack === GONE) {
      thread.stack = NO_STACK;
      return true;
    }
    thread.stack = stack < 0 ? NO_STACK : process.stacks[stack];
    return true;
  }

  #thread(process: Process, tid: number): Thread {
    let thread = process.threads.get(tid);
    if (thread === undefined) {
      thread = { pid: process.pid, tid, name: '', row: null, stack: NO_STACK, carried: 0, carriedStack: NO_STACK, waitFrom: 0, waitTo: 0, waited: 0, late: 0, waitStack: NO_STACK };
      process.threads.set(tid, thread);
      if (tid > 0) this.#seen.add(tid);
    }
    return thread;
  }

  /** The look before is complete: its threads have the stacks that they had then. */
  #pending(process: Process): void {
    if (process.at === 0) return;
    for (const thread of process.threads.values()) {
      const last = this.#lastLook.get(thread) ?? process.at;
      this.#lastLook.set(thread, process.at);
      if (thread.stack === NO_STACK) {
        if (thread.waitTo > thread.waitFrom) this.#looks.push({ thread, from: process.at, to: process.at, stack: NO_STACK });
        continue;
      }
      if (thread.tid <= 0) this.#profile.skip('looks at threads whose number Python does not tell');
      else if (process.at > last && process.at - last <= LONGEST_STEP) this.#looks.push({ thread, from: last, to: process.at, stack: thread.stack });
    }
  }

  readonly #lastLook = new WeakMap<Thread, number>();

  /** Looks that the account reaches become rows; all of them where nothing more comes. */
  #settle(all: boolean): void {
    if (all) for (const process of this.#processes.values()) this.#pending(process);
    let kept = 0;
    for (const look of this.#looks) {
      const reached = look.to <= this.#covered && (this.#clocks.get(look.thread.tid)?.known === true || look.to < this.#covered - MOST_LATE);
      if (!all && !reached) this.#looks[kept++] = look;
      else this.#row(look);
    }
    this.#looks.length = kept;
  }

  #row({ thread, from, to, stack }: Look): void {
    if (stack === NO_STACK) {
      this.#endWait(thread);
      return;
    }
    const clock = this.#clocks.get(thread.tid);
    if (clock === undefined || !clock.known) {
      this.#profile.skip('looks at threads that the kernel keeps no account of');
      return;
    }
    const step = to - from;
    const cpu = Math.min(step, Math.max(0, clock.cpuAt(to) - clock.cpuAt(from)));
    // The kernel books the time without a CPU when it ends: what is more than this step holds belongs to the ones before it.
    const booked = Math.max(0, clock.runnableAt(to) - clock.runnableAt(from)) + thread.late;
    const runnable = Math.min(step - cpu, booked);
    const waited = step - cpu - runnable;
    thread.late = booked - runnable;
    const taken = Math.min(thread.late, thread.waited);
    thread.waited -= taken;
    thread.late -= taken;
    thread.carried += cpu;
    thread.carriedStack = stack;
    if (thread.carried > 0 && cpu > 0 && cpu >= (cpu + waited) * ASLEEP) {
      if (this.#wantsCpu) this.#profile.lanes[this.#cpuLane()].push(this.#time(to), this.#rowOf(thread), stack, thread.carried);
      thread.carried = 0;
    }
    this.#wait(thread, from, to, stack, waited);
  }

  #wait(thread: Thread, from: number, to: number, stack: StackId, waited: number): void {
    if (waited <= (to - from) * 0.02) {
      this.#endWait(thread);
      return;
    }
    if (thread.waitTo !== from || thread.waitStack !== stack || to - thread.waitFrom > LONGEST_WAIT) this.#endWait(thread);
    if (thread.waitTo <= thread.waitFrom) {
      thread.waitFrom = from;
      thread.waitStack = stack;
      thread.waited = 0;
    }
    thread.waitTo = to;
    thread.waited += waited;
  }

  #endWait(thread: Thread): void {
    if (thread.waitTo > thread.waitFrom && thread.waited > 0 && this.#wantsWaits) {
      this.#profile.lanes[this.#waitLane()].push(this.#time(thread.waitFrom), this.#rowOf(thread), thread.waitStack, thread.waited, 1, thread.waitTo - thread.waitFrom);
    }
    thread.waitFrom = thread.waitTo = 0;
    thread.waited = 0;
  }

  #finish(thread: Thread): void {
    this.#endWait(thread);
    if (thread.carried > 0 && this.#wantsCpu) this.#profile.lanes[this.#cpuLane()].push(this.#time(this.#covered), this.#rowOf(thread), thread.carriedStack, thread.carried, 0);
    thread.carried = 0;
  }

  /** Threads that no look found (native ones, programs that are not Python, the time before the first look): their time is told without a stack. */
  #addUnseen(): void {
    for (const [tid, clock] of this.#clocks) {
      const pid = this.#pidOf.get(tid);
      if (pid === undefined || !clock.known) continue;
      if (!this.#seen.has(tid)) {
        const used = clock.takeCpu(this.#covered - LATE, LEAST_UNSEEN);
        if (used > 0) this.#unseenTids.add(tid);
        if (used > 0 && this.#wantsCpu) this.#profile.lanes[this.#cpuLane()].push(this.#time(this.#covered), this.#rows.row(pid, tid, '', ''), this.#unseenStack(), used, 0);
      }
      // A thread that nothing was told of yet may turn out to be the helper's own.
      const told = this.#unseenTids.has(tid) || (this.#seen.has(tid) && !this.#own.has(tid));
      if (told && clock.grown) {
        const times = clock.times();
        this.#profile.threads.setTimes(this.#rows.row(pid, tid, '', ''), times.onCpu, times.runnable, times.blocked);
      }
    }
  }

  #rowOf(thread: Thread): ThreadId {
    thread.row ??= this.#rows.row(thread.pid, thread.tid, '', thread.tid === thread.pid && thread.name === '' ? 'MainThread' : thread.name);
    return thread.row;
  }

  #time(monotonic: number): ReturnType<typeof ns> {
    return ns(Math.max(0, monotonic - this.#options.zeroAt));
  }

  #cpuLane(): LaneId {
    this.#cpu ??= this.#laneOf({ kind: 'cpu', unit: 'ns', name: 'python', source: this.#options.source });
    return this.#cpu;
  }

  #waitLane(): LaneId {
    this.#waiting ??= this.#laneOf({ kind: 'off-cpu', unit: 'ns', name: 'proc', source: `${this.#options.source}, /proc schedstat`, intervals: true });
    return this.#waiting;
  }

  /** A lane that another stream of the recording began goes on. */
  #laneOf(facts: Parameters<Profile['addLane']>[0]): LaneId {
    const at = this.#profile.lanes.findIndex((lane) => lane.kind === facts.kind && lane.name === facts.name);
    return at >= 0 ? at as LaneId : this.#profile.addLane(facts);
  }

  #unseenStack(): StackId {
    this.#unseen ??= this.#profile.stacks.intern(NO_STACK, this.#profile.frames.source(this.#profile.functions.intern({ name: '[not seen from Python]', kind: 'marker' })));
    return this.#unseen;
  }
}

/** A whole number; NaN for anything else. */
function whole(text: string | undefined): number {
  return text !== undefined && /^-?\d{1,16}$/.test(text) ? Number(text) : NaN;
}
