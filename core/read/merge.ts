// Python and native stacks of one thread as one stack: what its author would draw. perf sees native frames only, py-spy
// Python frames only; of a moment that both saw,
//
//     native    main  Py_RunMain  _PyEval_EvalFrameDefault  builtin_sorted  _PyEval_EvalFrameDefault  zlib_compress  deflate
//     Python                      <module>                                  pack
//     merged    main  Py_RunMain  <module>                                  pack                      zlib_compress  deflate
//
// the frames on the root side of the first evaluation frame (left out where they are only the interpreter's own start, as
// `_start ... Py_RunMain` in libpython and libc), all Python frames, the frames on the leaf side of the last one.
// What fits together is told by two things. The native stack names Python functions itself where it can (python-code.ts, and
// the trampolines of `-X perf`): of each evaluation frame the one that called on, so that of the Python stacks seen near that
// moment, or else at any other, only those can be meant that have these functions in this order. Time says the rest: py-spy's
// edges come late, by a time that nobody knows (it samples at random moments), so near an edge two stacks may be meant. Where
// more than one may be, the callers that all of them share are taken, then what the native stack names: in part, never wrong.
// The result is a column beside a lane's rows (Lane.pushMerged); rows themselves are never rewritten. Rows get theirs in
// order: one that waits for py-spy's window, or for names, holds back those behind it.
import type { FrameId, StackId } from '#core/model/ids';
import { NO_STACK } from '#core/model/ids';
import type { Lane, LaneKind } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import { CallEvidence } from './call-evidence.ts';
import type { Run, Shape } from './python-shapes.ts';
import { CallTimes, PythonShapes, common, fits, reach } from './python-shapes.ts';
import type { Seam } from './seams.ts';
import { Seams } from './seams.ts';
import { PythonSpans } from './python-spans.ts';

/** What py-spy saw of threads, as its windows are read. Times in ns of the profile. */
export interface PythonSink {
  /**
   * One stack of a thread over [from, to). The spans of a thread come in order of time. `seen`: when it was last looked at and
   * had it; absent: nobody knows, once at least.
   */
  span(pid: number, tid: number, from: number, to: number, stack: StackId, seen?: number): void;
  /** All that runs Python in a process was looked at up to here. */
  covered(pid: number, until: number): void;
}

/** Two Python stacks of the same thread at most this far from a moment say something of it, ns. */
const WITHIN = 15e6;
/** A change is seen when py-spy next looks: so much later on average, ns, and hardly ever more than so much. */
const LAG = 10e6;
const LATE = 40e6;
/** Its clock begins a few ms before the moment that we take for its start, ns. */
const EARLY = 8e6;
/** Clocks are read at different instructions, ns. */
const SLACK = 1e6;
/** Callers that a thread had this long before and after a moment it had then, ns: of those that come and go faster both are seen. */
const STEADY = 70e6;
/** The same where it is known that they come and go fast, ns. */
const LONG = 300e6;
/** How far away a stack is looked for that fits what the native one says, ns: functions that are short are seen seldom. */
const AROUND = 100e6;
/** A row waits for its window until the lane is this much further, ns; and when the lane stands still, this long by the clock, ms. */
const PATIENCE = 3e9;
const PATIENCE_MS = 4000;
/** Where no source of Python stacks was heard of. */
const UNEXPECTED_MS = 500;
/** A process that no window told of for this long is not waited for any more, ns. */
const GIVEN_UP = 5e9;
/** While decoding is behind, windows are behind too: patience is this many times as long. */
const BEHIND = 10;
/** Spans are kept for rows that come this much late, ns; where no lane needs them yet, for longer. */
const KEPT = 10e9;
const KEPT_ALONE = 60e9;
const MOST_MAPPED = 50_000;
const NO_SPANS = new PythonSpans();
const MOST_JOINED = 200_000;
/** What a moment teaches at which two Python functions could have called. */
const DOUBTFUL = 0.1;

/** Lanes of perf that have stacks of the program. Of memory those of `mmap` and `brk`: heaps have no rows by moment. */
const KINDS: ReadonlySet<LaneKind> = new Set<LaneKind>(['cpu', 'off-cpu', 'faults']);
const MAPPED = /^perf mmap/;
/** The lane whose rows have the stack of an earlier moment: what was mapped then and goes now. */
const HELD = / held$/;
/** A Python stack for a native one: a whole one, or the first frames of one that are certain. */
interface Found {
  readonly stack: StackId;
  readonly frames: number;
}

interface ProcessState {
  /** ns up to which its windows are known; -1 before the first. */
  until: number;
  /** Time of its first row that waited for a window; NaN before. */
  asked: number;
}

interface ThreadState {
  readonly process: ProcessState;
  readonly pid: number;
  readonly spans: PythonSpans | null;
  /** Root of its last stack that reached one. */
  root: StackId;
}

/** The row of a lane that waits, and since when (ms). */
interface Waiting {
  row: number;
  since: number;
}

export class Merger implements PythonSink {
  readonly #profile: Profile;
  readonly #spans = new Map<string, PythonSpans>();
  readonly #processes = new Map<number, ProcessState>();
  /** By row of the thread table; made anew when py-spy tells of a further thread. */
  #threads: (ThreadState | undefined)[] = [];
  readonly #waiting = new Map<Lane, Waiting>();
  readonly #seams: Seams;
  /** By native stack that names all itself. */
  readonly #complete = new Map<StackId, StackId>();
  /** By native stack and Python stack. */
  readonly #joined = new Map<number, StackId>();
  /** Of lanes that count what was mapped: by native stack, what it became when it was mapped. */
  readonly #mapped = new Map<StackId, StackId>();
  readonly #shapes: PythonShapes;
  readonly #times = new CallTimes();
  readonly #runs = new Map<string, Run>();
  readonly #evidence = new CallEvidence();
  #covered = 0;
  #ended = false;
  #expected = false;

  constructor(profile: Profile) {
    this.#profile = profile;
    this.#shapes = new PythonShapes(profile);
    this.#seams = new Seams(profile, this.#shapes.functions);
  }

  span(pid: number, tid: number, from: number, to: number, stack: StackId, seen = -Infinity): void {
    if (tid <= 0 || !(to > from)) return;
    const key = `${pid} ${tid}`;
    let spans = this.#spans.get(key);
    if (spans === undefined) {
      this.#spans.set(key, (spans = new PythonSpans()));
      this.#threads = this.#threads.map((state) => (state?.spans === null ? undefined : state));
    }
    spans.add(from, to, stack, Math.max(seen, from, to - LATE));
    this.#shapes.saw(pid, stack);
    let run = this.#runs.get(key);
    if (run === undefined) this.#runs.set(key, (run = { functions: [], since: [], end: -Infinity }));
    this.#times.tell(run, this.#shapes.of(stack), from, to);
  }

  covered(pid: number, until: number): void {
    const process = this.#process(pid);
    process.until = Math.max(process.until, until);
    this.#covered = Math.max(this.#covered, until);
  }

  /** Windows of Python stacks are on their way: what waits for them waits. Until then nothing waits long. */
  expect(): void {
    this.#expected = true;
    this.#ended = false;
  }

  /** All names that could be found now were looked for: a function that had none before has none. */
  named(): void {
    this.#seams.looked();
  }

  /** No more windows will come: nothing waits for one. */
  end(): void {
    this.#ended = true;
  }

  /**
   * Derives the stacks of all rows that need not wait. `nowMs` is any clock that runs on; `behind` says that bytes wait
   * undecoded, so that windows may be late for no fault of theirs.
   */
  step(nowMs: number, behind = false): void {
    for (const lane of this.#profile.lanes) if (this.#takes(lane)) this.#lane(lane, nowMs, behind ? BEHIND : 1);
    this.#open(nowMs);
    this.#forget();
  }

  /** Intervals that go on are sent whole each time and have one stack: the merged one, as far as it is known by now. */
  #open(nowMs: number): void {
    const { open, lanes } = this.#profile;
    if (open.length === 0) return;
    this.#profile.open = open.map((one) => {
      const lane = lanes[one.lane];
      const seam = lane === undefined || one.stack < 0 || one.thread < 0 || !this.#takes(lane) ? null : this.#seams.of(one.stack, nowMs);
      if (seam === null || !seam.python) return one;
      const thread = this.#thread(one.thread);
      if (seam.complete) return { ...one, stack: this.#named(one.stack, thread.pid, seam) };
      // What was seen since it began is what waits.
      const python = thread.process.until > one.since ? this.#find(thread.spans ?? NO_SPANS, thread.pid, one.since, thread.process.until, seam) : null;
      return python === null || (python.frames === 0 && seam.named.length === 0) ? one : { ...one, stack: this.#join(one.stack, seam, thread, python) };
    });
  }

  /** The recording is over: every row gets its stack. */
  finish(): void {
    this.#ended = true;
    for (const lane of this.#profile.lanes) if (this.#takes(lane)) this.#lane(lane, Infinity, 1);
    this.#spans.clear();
    this.#threads = [];
  }

  // py-spy's own lane has nothing native.
  #takes(lane: Lane): boolean {
    return (KINDS.has(lane.kind) && lane.name !== 'py-spy') || (lane.kind === 'memory' && MAPPED.test(lane.name));
  }

  #lane(lane: Lane, nowMs: number, patience: number): void {
    const last = lane.chunks.at(-1);
    if (last === undefined || lane.mergedRows === lane.rows) return;
    const newest = last.greatest;
    while (lane.mergedRows < lane.rows) {
      const { chunk, row } = lane.nextMerged();
      const stack = chunk.stack[row] as StackId;
      const threadRow = chunk.thread[row];
      if (stack < 0 || threadRow < 0) {
        lane.pushMerged(stack, null);
        continue;
      }
      const seam = this.#seams.of(stack, nowMs);
      if (seam === null) return;
      if (!seam.python && !seam.cut) {
        lane.pushMerged(stack, null);
        continue;
      }
      const before = HELD.test(lane.name) && chunk.weight.get(row) < 0 ? this.#mapped.get(stack) : undefined;
      if (before !== undefined) {
        lane.pushMerged(before, null);
        continue;
      }
      const thread = this.#thread(threadRow);
      if (seam.complete) {
        thread.root = seam.root;
        lane.pushMerged(this.#named(stack, thread.pid, seam), true);
        continue;
      }
      const from = chunk.timeAt(row);
      const to = from + (lane.intervals ? chunk.duration.get(row) : 0);
      if (thread.process.until < to + LATE + EARLY && !this.#tooLate(lane, thread.process, to, newest, nowMs, patience)) return;
      const python = this.#find(thread.spans ?? NO_SPANS, thread.pid, from, to, seam);
      if (python === null || (python.frames === 0 && seam.named.length === 0)) {
        lane.pushMerged(stack, seam.python ? false : null);
        continue;
      }
      if (seam.python && !seam.cut) thread.root = seam.root;
      const whole = python.frames === this.#shapes.of(python.stack).functions.length;
      const merged = this.#join(stack, seam, thread, python);
      if (lane.kind === 'memory') {
        if (this.#mapped.size >= MOST_MAPPED) this.#mapped.clear();
        this.#mapped.set(stack, merged);
      }
      lane.pushMerged(merged, whole ? true : 'partly');
    }
    this.#waiting.delete(lane);
  }

  /** The Python stack of a moment or an interval, null where there is none. */
  #find(spans: PythonSpans, pid: number, from: number, to: number, seam: Seam): Found | null {
    // Of an interval its middle is farthest from the edges of other stacks.
    const nearest = spans.find((from + to) / 2 + LAG, Math.max(WITHIN, (to - from) / 2));
    const inside = nearest < 0 ? NO_STACK : seenInside(spans, nearest, from, to);
    const meant = inside !== NO_STACK ? [inside] : nearest < 0 ? [] : this.#meant(spans, nearest, from, to);
    if (seam.whole) return this.#byNames(spans, nearest, meant, pid, from, to, seam);
    if (nearest < 0) return null;
    // Nothing says which: what the thread had for long enough before and after it had then.
    if (inside === NO_STACK) meant.push(...this.#steady(spans, nearest, from, to));
    return seam.python ? this.#byTime(meant, seam) : this.#shared(meant);
  }

  /** The stacks of a thread some time before and after. */
  #steady(spans: PythonSpans, nearest: number, from: number, to: number, within = STEADY): StackId[] {
    const [first, end] = spans.around(nearest, (from + to) / 2 + LAG, within + (to - from) / 2);
    return Array.from({ length: end - first }, (_, i) => spans.stackOf(first + i));
  }

  /** The stacks that time leaves for a moment or an interval, the likeliest first. */
  #meant(spans: PythonSpans, nearest: number, from: number, to: number): StackId[] {
    const middle = (from + to) / 2;
    const meant = [spans.stackOf(nearest)];
    // One may be meant from when the one before was last seen until the next one is.
    let first = nearest;
    while (spans.away(first - 1, middle - EARLY) < Infinity && spans.startOf(first) > middle - EARLY) first--;
    for (let span = first; span <= nearest || (spans.away(span, middle) < Infinity && spans.seenOf(span - 1) <= middle + SLACK); span++) {
      if (span !== nearest) meant.push(spans.stackOf(span));
    }
    return meant;
  }

  /**
   * Where the native stack names Python's innermost function: of all stacks that the process had with it, those that fit, and of
   * these the ones that have most in common with what time leaves.
   */
  #byNames(spans: PythonSpans, nearest: number, meant: readonly StackId[], pid: number, from: number, to: number, seam: Seam): Found | null {
    const whole = (stack: StackId): boolean => fits(this.#shapes.of(stack), seam.called, true);
    const shapes = meant.map((stack) => this.#shapes.of(stack));
    const fitting = new Map<number, StackId>();
    const middle = (from + to) / 2 + LAG;
    const near = nearest >= 0 ? nearest : spans.find(middle, AROUND + (to - from) / 2);
    if (near >= 0) {
      const [first, end] = spans.around(near, middle, AROUND + (to - from) / 2);
      for (let step = 0; near - step >= first || near + step < end; step++) {
        for (const span of step === 0 ? [near] : [near - step, near + step]) {
          if (span < first || span >= end) continue;
          const stack = spans.stackOf(span);
          const { id } = this.#shapes.of(stack);
          if (!fitting.has(id) && whole(stack)) fitting.set(id, stack);
        }
      }
    }
    for (const stack of this.#shapes.seenWith(pid, seam.called[seam.called.length - 1])) {
      const { id } = this.#shapes.of(stack);
      if (!fitting.has(id) && whole(stack)) fitting.set(id, stack);
    }
    if (fitting.size === 0) return near < 0 ? null : this.#callers(meant.length > 0 ? meant : [spans.stackOf(near)], seam);
    const stacks = [...fitting.values()];
    if (meant.length === 0) return this.#shared(stacks);
    // Calls that are short may lie between any two looks: then only what lasted before and after is certain.
    const caller = this.#shapes.of(stacks[0]).functions[common(stacks.map((stack) => this.#shapes.of(stack))) - 1] ?? -1;
    if (!this.#times.slow(caller)) for (const stack of this.#steady(spans, nearest, from, to, LONG)) shapes.push(this.#shapes.of(stack));
    const certain = shapes[0].functions.slice(0, common(shapes));
    const lengths = stacks.map((stack) => common([{ functions: certain, id: -1 }, this.#shapes.of(stack)]));
    const most = Math.max(...lengths);
    // Others may call it that nobody saw yet: so far it is certain only as far as time tells, and it itself.
    if (stacks.length === 1 && most < this.#shapes.of(stacks[0]).functions.length - 1 && !this.#shapes.wellKnown(seam.called[seam.called.length - 1]) && !this.#times.slow(certain[most - 1] ?? -1)) return { stack: stacks[0], frames: most };
    return this.#shared(stacks.filter((_, i) => lengths[i] === most));
  }

  /** Of stacks that do not fit: as far down as they have the functions that the native stack names. */
  #callers(stacks: readonly StackId[], seam: Seam): Found {
    const reached = stacks.map((stack) => reach(this.#shapes.of(stack), seam.called));
    const most = Math.max(...reached.map((one) => one.called));
    const best = stacks.map((stack, i) => ({ stack, ...reached[i] })).filter((one) => one.called === most);
    const frames = Math.min(common(best.map((one) => this.#shapes.of(one.stack))), ...best.map((one) => one.frames));
    return { stack: best[0].stack, frames };
  }

  /** Where it does not: only time tells, and what each function is known to call. */
  #byTime(all: readonly StackId[], seam: Seam): Found {
    const meant = all.filter((stack) => fits(this.#shapes.of(stack), seam.called, false));
    if (meant.length === 0) return this.#callers(all, seam);
    const leaf = this.#leafOf(meant[0]);
    const alone = meant.every((stack) => this.#leafOf(stack) === leaf);
    this.#evidence.learn(leaf, seam.callee, alone ? 1 : DOUBTFUL);
    if (alone) return this.#shared(meant);
    const clear = meant.filter((stack) => meant.every((other) => this.#leafOf(other) === this.#leafOf(stack) || this.#evidence.prefers(this.#leafOf(stack), this.#leafOf(other), seam.callee)));
    return this.#shared(clear.length > 0 ? clear : meant);
  }

  /** The first one, as far as all of them are the same. */
  #shared(stacks: readonly StackId[]): Found {
    const shapes = stacks.map((stack): Shape => this.#shapes.of(stack));
    return { stack: stacks[0], frames: common(shapes) };
  }

  /** Function row of a stack's last frame. */
  #leafOf(stack: StackId): number {
    return this.#profile.frames.function.get(this.#profile.stacks.frame.get(stack));
  }

  /** Whether a row's window is not to be waited for any longer. */
  #tooLate(lane: Lane, process: ProcessState, time: number, newest: number, nowMs: number, patience: number): boolean {
    if (this.#ended || newest - time > PATIENCE * patience) return true;
    if (!(process.asked === process.asked)) process.asked = time;
    if (newest - Math.max(process.until, process.asked) > GIVEN_UP * patience) return true;
    const waiting = this.#waiting.get(lane);
    if (waiting === undefined || waiting.row !== lane.mergedRows) {
      this.#waiting.set(lane, { row: lane.mergedRows, since: nowMs });
      return false;
    }
    return nowMs - waiting.since > (this.#expected ? PATIENCE_MS * patience : UNEXPECTED_MS);
  }

  /** The merged stack where the native one names all Python functions itself. */
  #named(native: StackId, pid: number, seam: Seam): StackId {
    const known = this.#complete.get(native);
    if (known !== undefined) return known;
    const { stacks } = this.#profile;
    // It is a Python stack that the process has had, as those that py-spy saw.
    this.#shapes.saw(pid, stacks.internAll(seam.named));
    let stack = seam.root;
    for (const frame of seam.named) stack = stacks.intern(stack, frame);
    for (const frame of seam.leaf) stack = stacks.intern(stack, frame);
    if (this.#complete.size >= MOST_JOINED) this.#complete.clear();
    this.#complete.set(native, stack);
    return stack;
  }

  #join(native: StackId, seam: Seam, thread: ThreadState, { stack: python, frames: certain }: Found): StackId {
    // A stack that was cut takes the root that this thread's whole stacks have.
    const root = seam.cut ? thread.root : seam.root;
    const all = certain === this.#shapes.of(python).functions.length && !seam.cut;
    const key = native * 0x400_0000 + python;
    const known = all ? this.#joined.get(key) : undefined;
    if (known !== undefined) return known;
    const { stacks, frames } = this.#profile;
    const list = stacks.framesOf(python).slice(0, certain);
    // What the native stack names is exact, its line too: from the leaf side on, as far as there are such frames.
    const missing: FrameId[] = [];
    const { functions } = this.#shapes.of(python);
    const put = (at: number, named: FrameId): void => {
      if (frames.function.get(list[at]) === frames.function.get(named) && frames.line.get(named) > 0) list[at] = named;
    };
    if (certain === functions.length) {
      let next = seam.named.length - 1;
      for (let at = certain - 1; at >= 0 && next >= 0; at--) if (functions[at] === seam.called[next]) put(at, seam.named[next--]);
    } else {
      // Of the callers that are certain, those that it names as well; the rest of what it names comes below them.
      let named = 0;
      for (let at = 0; at < certain && named < seam.named.length; at++) if (functions[at] === seam.called[named]) put(at, seam.named[named++]);
      missing.push(...seam.named.slice(named));
    }
    let stack = root;
    for (const frame of list) stack = stacks.intern(stack, frame);
    for (const frame of missing) stack = stacks.intern(stack, frame);
    for (const frame of seam.leaf) stack = stacks.intern(stack, frame);
    if (all) {
      if (this.#joined.size >= MOST_JOINED) this.#joined.clear();
      this.#joined.set(key, stack);
    }
    return stack;
  }

  #process(pid: number): ProcessState {
    let process = this.#processes.get(pid);
    if (process === undefined) this.#processes.set(pid, (process = { until: -1, asked: NaN }));
    return process;
  }

  #thread(row: number): ThreadState {
    const known = this.#threads[row];
    if (known !== undefined) return known;
    const { threads, processes } = this.#profile;
    const process = threads.process.get(row);
    const pid = process < 0 ? 0 : processes.pid.get(process);
    return this.#threads[row] = { process: this.#process(pid), pid, spans: this.#spans.get(`${pid} ${threads.tid.get(row)}`) ?? null, root: NO_STACK };
  }

  /** Lets go of spans that no row can ask for any more. */
  #forget(): void {
    let before = Infinity;
    for (const lane of this.#profile.lanes) {
      const last = lane.chunks.at(-1);
      if (!this.#takes(lane) || last === undefined) continue;
      const { chunk, row } = lane.mergedRows < lane.rows ? lane.nextMerged() : { chunk: last, row: last.rows - 1 };
      before = Math.min(before, chunk.timeAt(row) - KEPT);
    }
    if (before === Infinity) before = this.#covered - KEPT_ALONE;
    for (const spans of this.#spans.values()) spans.forget(before);
  }
}

/** What was first seen inside an interval is what waited; NO_STACK where nothing was. */
function seenInside(spans: PythonSpans, nearest: number, from: number, to: number): StackId {
  if (to - from <= 2 * EARLY) return NO_STACK;
  // Long enough for the last change before it to have been seen, and the first one after it not yet.
  if (to - from > 2 * LATE && spans.away(nearest, (from + to) / 2 + LAG) === 0) return spans.stackOf(nearest);
  for (let span = nearest; spans.startOf(span) > from + EARLY; span--) if (spans.startOf(span) < to - EARLY) return spans.stackOf(span);
  return NO_STACK;
}
