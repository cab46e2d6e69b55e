// py-spy windows to samples.
//
// py-spy writes its chrometrace only at the end and writes only changes, so a window is a list of spans, not of samples.
// Spans become samples on one grid of the rate's period for the whole recording: rows stay at rate x threads, and windows
// that overlap or follow each other never count twice.
//
// A thread that py-spy finds idle is left out of its trace without `--idle`, but its last stack stays open until it is
// seen again: a thread that is busy for 0.1 s in every 0.4 s then reads as 88 % busy (measured: 3.50 s for 1.0 s). So
// windows are always taken with `--idle`, and the kernel's account of each thread says how many samples of a slice of
// time were on a CPU. Error diffusion turns that share into whole samples: a thread's rows times the period are its CPU
// time to within one period.
import type { FrameId, LaneId, StackId, ThreadId } from '#core/model/ids';
import { NO_STACK, ns } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import { FUNCTION_OWN } from '#core/model/tables';
import type { PythonSink } from '../merge.ts';
import { OnCpu } from './on-cpu.ts';
import { pythonFile } from './python-files.ts';
import { readRaw } from './raw-window.ts';
import { ThreadRows } from './thread-rows.ts';
import type { Trace, TraceFrame, TraceThread } from './trace.ts';
import { readTrace } from './trace.ts';

/** Facts of a window, as main hands them over (see WindowFacts in main/profilers/profiler.ts). Monotonic ns. */
export interface PySpyWindow {
  readonly start: number;
  readonly end: number;
  readonly threads: readonly { readonly own: string; readonly tid: number; readonly name: string; readonly pid: number }[];
  /** Readings of time on a CPU by thread: monotonic ns, ns on CPU, and so on. */
  readonly onCpu?: readonly { readonly tid: number; readonly points: readonly number[] }[];
  /** Idle samples are wanted too, each under a leaf `[idle]`. */
  readonly idle?: boolean;
  /** perf looks at the same process: its rows of processes and threads come first. */
  readonly beside?: boolean;
}

export interface PySpyOptions {
  /** Monotonic ns of time 0. */
  readonly zeroAt: number;
  /** Directory of the target, for own code; '' = unknown. */
  readonly directory: string;
  readonly source: string;
  readonly rateHz: number;
  /** Gets all spans, idle ones too, to be merged with native stacks. Not where only holders of the lock are asked for: when is not known then. */
  readonly sink?: PythonSink;
}

/** Gaps up to this length are bridged: the last stack is held. ns. */
const JOIN_WITHIN = 60e6;

/** A window may end this much after it was told to, ns: py-spy writes its file then. */
const SLACK = 1e9;
/** No window is longer, ns; a damaged file could claim anything. */
const LONGEST = 600e9;

/** Windows that wait for perf's rows of their process, at most: perf's decoder may be reading large files first. */
const MOST_WAITING = 3;

/** A thread over all windows. */
interface Watched {
  readonly pid: number;
  readonly tid: number;
  readonly own: string;
  name: string;
  /** Its row in this window; null until it has a sample, so that a thread that never runs makes no row. */
  row: ThreadId | null;
  /** Samples owed to it by its CPU time, between -1 and 2. */
  owed: number;
  share: OnCpu | null;
}

/** Where a process stands between two windows. */
interface Held {
  /** End of what is covered, ns since time 0. */
  until: number;
  /** Last stack of each thread, for bridging. */
  readonly stacks: Map<Watched, StackId>;
}

/** Turns windows of py-spy into rows of the lane `cpu` named `py-spy` (unit ns, one row a sample). */
export class PySpyDecoder {
  #profile: Profile;
  #options: PySpyOptions;
  #period: number;
  #lane: LaneId | null = null;
  #rows: ThreadRows;
  #held = new Map<number, Held>();
  #threads = new Map<string, Watched>();
  #waiting: { window: PySpyWindow; bytes: Uint8Array }[] = [];
  #frames = new Map<string, FrameId>();
  #idleFrame: FrameId | null = null;

  constructor(profile: Profile, options: PySpyOptions) {
    this.#profile = profile;
    this.#options = options;
    this.#period = 1e9 / Math.max(1, options.rateHz);
    this.#rows = new ThreadRows(profile);
  }

  /**
   * One window's file: chrometrace (`[...]`) or, where only the lock's holders are asked for, `raw` lines. A window that
   * cannot be read is counted in profile.skipped; nothing is thrown for what is in it.
   */
  window(window: PySpyWindow, bytes: Uint8Array): void {
    if (window.beside === true && this.#waiting.length < MOST_WAITING && !this.#rows.has(window.threads[0]?.pid ?? -1)) {
      this.#waiting.push({ window, bytes: bytes.slice() });
      return;
    }
    this.#release();
    this.#read(window, bytes);
  }

  /** No more windows. */
  end(): void {
    this.#release();
    this.#held.clear();
    this.#threads.clear();
  }

  #release(): void {
    for (const { window, bytes } of this.#waiting.splice(0)) this.#read(window, bytes);
  }

  #read(window: PySpyWindow, bytes: Uint8Array): void {
    const text = new TextDecoder().decode(bytes);
    if (text.trim() === '') {
      this.#profile.skip('empty py-spy windows');
    } else if (text.trimStart().startsWith('[')) {
      this.#trace(window, text);
    } else {
      this.#raw(window, text);
    }
  }

  #trace(window: PySpyWindow, text: string): void {
    const trace = readTrace(text);
    if (trace === null) {
      this.#profile.skip('py-spy windows that could not be read');
      return;
    }
    if (trace.cut) this.#profile.skip('py-spy windows that were cut off');
    if (trace.skipped > 0) this.#profile.skip('py-spy events that do not fit', trace.skipped);
    const zero = window.start - this.#options.zeroAt;
    // py-spy's clock starts a little before our anchor; what lies beyond the window is no time of it.
    const limit = Math.min(window.end + SLACK, window.start + LONGEST) - this.#options.zeroAt;
    if (!(limit > zero)) {
      this.#profile.skip('py-spy windows without a time');
      return;
    }
    const frames = trace.frames.map((frame) => this.#frame(frame));
    const shares = this.#shares(window);
    const before = new Map<number, number>();
    for (const thread of trace.threads) {
      const held = this.#heldOf(thread.pid);
      if (!before.has(thread.pid)) {
        before.set(thread.pid, held.until);
        for (const one of held.stacks.keys()) {
          one.row = null;
          one.share = shares.get(one.tid) ?? null;
        }
        this.#bridge(thread.pid, held, Math.min(limit, zero + trace.start * 1000), window.idle ?? false);
        held.stacks.clear();
      }
      const known = window.threads.find((row) => row.own === thread.own && row.pid === thread.pid);
      const tid = thread.tid || known?.tid || (startsProgram(thread, trace) ? thread.pid : 0);
      const watched = this.#thread(thread.pid, tid, thread.own, thread.name || (known?.name ?? ''));
      watched.share = shares.get(tid) ?? null;
      const from = Math.max(0, held.until);
      let last: StackId = NO_STACK;
      for (const span of thread.spans) {
        const stack = this.#stack(span.frames, frames);
        const leaf = trace.frames[span.frames[span.frames.length - 1]];
        this.#fill(Math.max(from, zero + span.start * 1000), Math.min(limit, zero + span.end * 1000), watched, stack, knownIdle(leaf), window.idle ?? false, zero + span.seen * 1000);
        last = stack;
      }
      if (last !== NO_STACK) held.stacks.set(watched, last);
    }
    const end = Math.min(limit, zero + trace.end * 1000);
    for (const pid of before.keys()) {
      const held = this.#heldOf(pid);
      held.until = Math.max(held.until, end);
      this.#options.sink?.covered(pid, held.until);
    }
    // What it looked at and found nothing in is known as well.
    for (const { pid } of window.threads) if (!before.has(pid)) this.#options.sink?.covered(pid, Math.min(limit, window.end - this.#options.zeroAt));
    if (trace.threads.length > 0) this.#profile.reach(ns(Math.max(0, end)));
  }

  /** Marks the time between two windows of a process, and holds the last stacks over a short one. */
  #bridge(pid: number, held: Held, start: number, keepIdle: boolean): void {
    if (held.until < 0 || start <= held.until) return;
    const joined = start - held.until <= JOIN_WITHIN;
    // Less than a sample fits in: nothing was missed.
    if (start - held.until > this.#period) {
      this.#profile.marks.add({
        kind: 'gap', start: ns(held.until), end: ns(start),
        text: joined ? `py-spy started again; process ${pid} keeps its last stacks` : `py-spy did not look at process ${pid}`,
      });
    }
    if (joined) {
      for (const [thread, stack] of held.stacks) this.#fill(held.until, start, thread, stack, false, keepIdle);
    }
    held.until = start;
  }

  /** Samples of one stack on the grid points of [from, to), ns since time 0. */
  #fill(from: number, to: number, thread: Watched, stack: StackId, idleLeaf: boolean, keepIdle: boolean, seen = from): void {
    const period = this.#period;
    const lane = this.#profile.lanes[this.#laneId()];
    this.#options.sink?.span(thread.pid, thread.tid, from, to, stack, Math.min(to, Math.max(from, seen)));
    for (let k = Math.ceil(from / period); k * period < to; k++) {
      const time = k * period;
      let active = !idleLeaf;
      if (thread.share !== null) {
        thread.owed = Math.min(2, thread.owed + thread.share.at(time + this.#options.zeroAt));
        active = thread.owed >= 0.5;
        if (active) thread.owed -= 1;
      }
      if (!active && !keepIdle) continue;
      thread.row ??= this.#rows.row(thread.pid, thread.tid, thread.own, thread.name);
      lane.push(time, thread.row, active ? stack : this.#profile.stacks.intern(stack, this.#idle()), period);
    }
  }

  /** The thread of (pid, tid), or of (pid, own) where the tid is not known, ready for a new window. */
  #thread(pid: number, tid: number, own: string, name: string): Watched {
    const key = tid === 0 ? `${pid}:${own}` : `${pid} ${tid}`;
    let thread = this.#threads.get(key);
    if (thread === undefined) {
      thread = { pid, tid, own, name, row: null, owed: 0, share: null };
      this.#threads.set(key, thread);
    }
    if (name !== '') thread.name = name;
    thread.row = null;
    return thread;
  }

  #raw(window: PySpyWindow, text: string): void {
    const raw = readRaw(text);
    if (raw.skipped > 0) this.#profile.skip('py-spy lines that do not fit', raw.skipped);
    const start = Math.max(0, window.start - this.#options.zeroAt);
    const end = window.end - this.#options.zeroAt;
    if (raw.threads.length === 0 || end <= start) return;
    const lane = this.#profile.lanes[this.#laneId()];
    const fallback = window.threads[0]?.pid ?? 0;
    for (const thread of raw.threads) {
      const pid = thread.pid || fallback;
      const row = this.#rows.row(pid, thread.tid, thread.own, thread.name);
      const step = (end - start) / thread.samples;
      let sample = 0;
      for (const line of thread.stacks) {
        const stack = this.#stack(line.frames.map((_, i) => i), line.frames.map((frame) => this.#frame(frame)));
        // A window says how often, not when: its samples are spread over it.
        for (let i = 0; i < line.count; i++) lane.push(start + (sample++ + 0.5) * step, row, stack, this.#period);
      }
    }
    this.#profile.reach(ns(end));
  }

  #shares(window: PySpyWindow): Map<number, OnCpu> {
    const shares = new Map<number, OnCpu>();
    for (const row of window.onCpu ?? []) {
      const share = new OnCpu(row.points);
      if (share.known) shares.set(row.tid, share);
    }
    return shares;
  }

  #heldOf(pid: number): Held {
    let held = this.#held.get(pid);
    if (held === undefined) {
      held = { until: -1, stacks: new Map() };
      this.#held.set(pid, held);
    }
    return held;
  }

  #laneId(): LaneId {
    // A second stream of the same recording (other processes, or after a restart) goes on in the same lane.
    const known = this.#profile.lanes.findIndex((lane) => lane.kind === 'cpu' && lane.name === 'py-spy');
    this.#lane ??= known >= 0 ? known as LaneId : this.#profile.addLane({ kind: 'cpu', unit: 'ns', name: 'py-spy', source: this.#options.source });
    return this.#lane;
  }

  #stack(places: readonly number[], frames: readonly FrameId[]): StackId {
    let stack: StackId = NO_STACK;
    for (const place of places) stack = this.#profile.stacks.intern(stack, frames[place]);
    return stack;
  }

  #frame(frame: TraceFrame): FrameId {
    const key = `${frame.line}\0${frame.name}\0${frame.file}`;
    const known = this.#frames.get(key);
    if (known !== undefined) return known;
    const { library, own } = pythonFile(frame.file, this.#options.directory);
    const native = /\.so(\.\d+)*$/.test(frame.file) || /\.(?:c|cc|cpp|cxx|cu|h|hpp|rs)$/.test(frame.file);
    const fn = this.#profile.functions.intern({
      name: frame.name, file: frame.file, library, kind: native ? 'native' : 'python', flags: own ? FUNCTION_OWN : 0,
    });
    const id = this.#profile.frames.source(fn, frame.line);
    this.#frames.set(key, id);
    return id;
  }

  #idle(): FrameId {
    this.#idleFrame ??= this.#profile.frames.source(this.#profile.functions.intern({ name: '[idle]', kind: 'marker' }));
    return this.#idleFrame;
  }
}

/**
 * Whether a thread is its process's first one. Of a Python before 3.9 py-spy does not know the operating system's thread ids;
 * but a program's own module runs in the first thread, whose id is the process's.
 */
function startsProgram(thread: TraceThread, trace: Trace): boolean {
  const root = thread.spans[0]?.frames[0];
  return root !== undefined && trace.frames[root].name === '<module>';
}

/** Functions of the standard library that only wait, for kernels that keep no account of a thread's time. */
const WAITS: ReadonlySet<string> = new Set([
  'wait\0threading.py', '_wait_for_tstate_lock\0threading.py', 'select\0selectors.py', 'poll\0selectors.py', 'accept\0socket.py', 'readinto\0socket.py', 'poll\0popen_fork.py', 'wait\0connection.py', '_poll\0connection.py', 'get\0queue.py', 'wait\0subprocess.py', '_try_wait\0subprocess.py', '_worker\0thread.py',
]);

function knownIdle(leaf: TraceFrame | undefined): boolean {
  return leaf !== undefined && WAITS.has(`${leaf.name}\0${leaf.file.slice(leaf.file.lastIndexOf('/') + 1)}`);
}
