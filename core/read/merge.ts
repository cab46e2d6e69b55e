// Python and native stacks of one thread as one stack: what its author would draw. perf sees native frames only, py-spy
// Python frames only; of a moment that both saw,
//
//     native    main  Py_RunMain  _PyEval_EvalFrameDefault  builtin_sorted  _PyEval_EvalFrameDefault  zlib_compress  deflate
//     Python                      <module>                                  pack
//     merged    main  Py_RunMain  <module>                                  pack                      zlib_compress  deflate
//
// the frames on the root side of the first evaluation frame (left out where they are only the interpreter's own start, as
// `_start ... Py_RunMain` in libpython and libc), all Python frames, the frames on the leaf side of the last one.
// The result is a column beside a lane's rows (Lane.pushMerged); rows themselves are never rewritten. Rows get theirs in
// order: one that waits for py-spy's window, or for names, holds back those behind it.
import { RowIndex } from '#core/model/column';
import type { FrameId, FunctionId, StackId } from '#core/model/ids';
import { NO_STACK } from '#core/model/ids';
import type { Lane, LaneKind } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import { FUNCTION_UNNAMED } from '#core/model/tables';
import { CallEvidence } from './call-evidence.ts';
import { PythonSpans } from './python-spans.ts';

/** What py-spy saw of threads, as its windows are read. Times in ns of the profile. */
export interface PythonSink {
  /** One stack of a thread over [from, to). The spans of a thread come in order of time. */
  span(pid: number, tid: number, from: number, to: number, stack: StackId): void;
  /** All that runs Python in a process was looked at up to here. */
  covered(pid: number, until: number): void;
}

/** A Python stack belongs to a native one of the same thread up to this far away, ns. */
const WITHIN = 15e6;
/**
 * How much later than perf's the times of py-spy are, ns: it sees a change when it next looks, half a period later on average,
 * and its clock begins a few ms before the moment that we take for its start. Of shifts from 0 to 30 ms this one left the
 * fewest stacks wrong on a program whose native functions say which Python function must have called them.
 */
const LAG = 10e6;
/** How far away one is looked for that is known to call what the native stack shows, ns: edges were measured up to 39 ms off. */
const AROUND = 30e6;
/** A row waits for its window until the lane is this much further, ns; and when the lane stands still, this long by the clock, ms. */
const PATIENCE = 3e9;
const PATIENCE_MS = 4000;
/** A process that no window told of for this long is not waited for any more, ns. */
const GIVEN_UP = 5e9;
/** While decoding is behind, windows are behind too: patience is this many times as long. */
const BEHIND = 10;
/** A function without a name may still get one for this long, ms. */
const NAMES_MS = 2000;
/** Spans are kept for rows that come this much late, ns; where no lane needs them yet, for longer. */
const KEPT = 10e9;
const KEPT_ALONE = 60e9;
const MOST_SEAMS = 50_000;
/** What a moment teaches at which two Python functions could have called. */
const DOUBTFUL = 0.1;

/** Lanes of perf that have stacks of the program. */
const KINDS: ReadonlySet<LaneKind> = new Set<LaneKind>(['cpu', 'off-cpu', 'faults']);
const EVALUATION = /^(?:_PyEval_EvalFrame|PyEval_EvalFrame|_PyEval_Vector|PyEval_EvalCode|_PyEval_EvalCode|_TAIL_CALL_)/;

const PASSES_ON = /^(?:_?PyObject_(?:Vectorcall|Call|MakeTpCall)|_PyVectorcall|_?PyCFunction|cfunction_|method_vectorcall|method_descriptor|object_vacall|slot_tp_call|type_call|vectorcall_|PyVectorcall)/;

/** Libraries whose frames alone above Python are no caller of the program's: `_start`, `Py_RunMain`, `start_thread`. */
const INTERPRETER_START = /^(?:(?:lib)?python[\d.]*(?:\.so[\d.]*)?|libc[.-].*|libpthread.*|ld-.*)$/;

/** What a function is to a seam. */
const UNSEEN = 0;
const OTHER = 1;
const EVALUATES = 2;
const CUT = 3;
const UNNAMED = 4;

/** Where Python goes into a native stack. */
interface Seam {
  /** True where there is an evaluation frame. */
  readonly python: boolean;
  /** The stack's root was not reached: what is above is not known. */
  readonly cut: boolean;
  /** Stack of the frames above the first evaluation frame. */
  readonly root: StackId;
  /** Frames below the last one, root first. Without an evaluation frame: the whole stack. */
  readonly leaf: readonly FrameId[];
  /** Function row of the native function that Python called, -1 where it called none. */
  readonly callee: number;
}

interface ProcessState {
  /** ns up to which its windows are known; -1 before the first. */
  until: number;
  /** Time of its first row that waited for a window; NaN before. */
  asked: number;
}

interface ThreadState {
  readonly process: ProcessState;
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
  /** By function: what it is. */
  #classes = new Uint8Array(1024);
  readonly #unnamed = new Map<number, { readonly since: number; readonly pass: number }>();
  readonly #seams = new Map<StackId, Seam>();
  readonly #joined = new Joined();
  readonly #evidence = new CallEvidence();
  #passes = 0;
  #covered = 0;
  #ended = false;

  constructor(profile: Profile) {
    this.#profile = profile;
  }

  span(pid: number, tid: number, from: number, to: number, stack: StackId): void {
    if (tid <= 0 || !(to > from)) return;
    const key = `${pid} ${tid}`;
    let spans = this.#spans.get(key);
    if (spans === undefined) {
      this.#spans.set(key, (spans = new PythonSpans()));
      this.#threads = this.#threads.map((state) => (state?.spans === null ? undefined : state));
    }
    spans.add(from, to, stack);
  }

  covered(pid: number, until: number): void {
    const process = this.#process(pid);
    process.until = Math.max(process.until, until);
    this.#covered = Math.max(this.#covered, until);
  }

  /** All names that could be found now were looked for: a function that had none before has none. */
  named(): void {
    this.#passes++;
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
    this.#forget();
  }

  /** The recording is over: every row gets its stack. */
  finish(): void {
    this.#ended = true;
    for (const lane of this.#profile.lanes) if (this.#takes(lane)) this.#lane(lane, Infinity, 1);
    this.#spans.clear();
    this.#threads = [];
  }

  // py-spy's own lane has nothing native; heaps and the like have no rows by moment.
  #takes(lane: Lane): boolean {
    return KINDS.has(lane.kind) && lane.name !== 'py-spy';
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
      const seam = this.#seamOf(stack, nowMs);
      if (seam === null) return;
      if (!seam.python && !seam.cut) {
        lane.pushMerged(stack, null);
        continue;
      }
      const thread = this.#thread(threadRow);
      // Of an interval any moment will do: its middle is farthest from the edges of another stack.
      const time = chunk.timeAt(row) + (lane.intervals ? chunk.duration.get(row) / 2 : 0);
      if (thread.process.until < time + AROUND + LAG && !this.#tooLate(lane, thread.process, time, newest, nowMs, patience)) return;
      const python = thread.spans === null ? NO_STACK : this.#pythonAt(thread.spans, time + LAG, seam);
      if (python === NO_STACK) {
        lane.pushMerged(stack, seam.python ? false : null);
        continue;
      }
      if (seam.python && !seam.cut) thread.root = seam.root;
      lane.pushMerged(this.#join(seam, thread, python), true);
    }
    this.#waiting.delete(lane);
  }

  /** The nearest Python stack; of several that are near enough, the one whose function calls what the native stack shows. */
  #pythonAt(spans: PythonSpans, time: number, seam: Seam): StackId {
    const nearest = spans.find(time, WITHIN);
    if (nearest < 0 || !seam.python) return spans.stackOf(nearest);
    const own = this.#leafOf(spans.stackOf(nearest));
    const [first, end] = spans.around(nearest, time, AROUND);
    let best = nearest;
    let leaf = own;
    let alone = true;
    // Outwards from the nearest one on both sides, so that of equals the nearer is taken.
    for (let step = 1; nearest - step >= first || nearest + step < end; step++) {
      for (const span of [nearest - step, nearest + step]) {
        if (span < first || span >= end) continue;
        const other = this.#leafOf(spans.stackOf(span));
        if (other === own) continue;
        if (spans.away(span, time) <= WITHIN) alone = false;
        if (other !== leaf && this.#evidence.prefers(other, leaf, seam.callee)) {
          best = span;
          leaf = other;
        }
      }
    }
    this.#evidence.learn(own, seam.callee, alone ? 1 : DOUBTFUL);
    return spans.stackOf(best);
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
    return nowMs - waiting.since > PATIENCE_MS * patience;
  }

  #join(seam: Seam, thread: ThreadState, python: StackId): StackId {
    // A stack that was cut takes the root that this thread's whole stacks have.
    const { stacks } = this.#profile;
    let stack = this.#joined.of(this.#profile, seam.cut ? thread.root : seam.root, python);
    for (const frame of seam.leaf) stack = stacks.intern(stack, frame);
    return stack;
  }

  /** Null while a frame of it may still get a name. */
  #seamOf(stack: StackId, nowMs: number): Seam | null {
    const known = this.#seams.get(stack);
    if (known !== undefined) return known;
    const { stacks, frames } = this.#profile;
    let first: number = NO_STACK;
    let last: number = NO_STACK;
    let cut = false;
    let named = true;
    for (let at: number = stack; at >= 0; at = stacks.prefix.get(at)) {
      const fn = frames.function.get(stacks.frame.get(at));
      switch (this.#classOf(fn)) {
        case EVALUATES:
          if (last < 0) last = at;
          first = at;
          break;
        case CUT:
          cut = true;
          break;
        case UNNAMED:
          named = false;
          if (!this.#settled(fn, nowMs)) return null;
          break;
      }
    }
    const leaf: FrameId[] = [];
    for (let at: number = stack; at >= 0 && at !== last; at = stacks.prefix.get(at)) leaf.push(stacks.frame.get(at) as FrameId);
    leaf.reverse();
    const callee = leaf.find((frame) => !this.#passesOn(frames.function.get(frame))) ?? leaf[0];
    const seam: Seam = {
      python: last >= 0, cut, root: this.#rootOf(first < 0 ? NO_STACK : (stacks.prefix.get(first) as StackId)), leaf,
      callee: callee === undefined ? -1 : frames.function.get(callee),
    };
    // Names may be patched: only what has all of its own stays as it is.
    if (named) {
      if (this.#seams.size >= MOST_SEAMS) this.#seams.clear();
      this.#seams.set(stack, seam);
    }
    return seam;
  }

  /** The frames above Python that say something: none where it is only how the interpreter or the C library starts a program. */
  #rootOf(stack: StackId): StackId {
    const { stacks, frames, functions } = this.#profile;
    for (let at: number = stack; at >= 0; at = stacks.prefix.get(at)) {
      if (!INTERPRETER_START.test(functions.libraryOf(frames.functionOf(stacks.frame.get(at) as FrameId)))) return stack;
    }
    return NO_STACK;
  }

  #classOf(fn: number): number {
    if (fn >= this.#classes.length) {
      const bigger = new Uint8Array(Math.max(fn + 1, this.#classes.length * 2));
      bigger.set(this.#classes);
      this.#classes = bigger;
    }
    return this.#classes[fn] === UNSEEN ? (this.#classes[fn] = classOf(this.#profile, fn as FunctionId)) : this.#classes[fn];
  }

  /** Whether it is the interpreter's way to call any native function. */
  #passesOn(fn: number): boolean {
    return PASSES_ON.test(this.#profile.functions.nameOf(fn as FunctionId));
  }

  #settled(fn: number, nowMs: number): boolean {
    if (nowMs === Infinity) return true;
    const seen = this.#unnamed.get(fn);
    if (seen === undefined) this.#unnamed.set(fn, { since: nowMs, pass: this.#passes });
    return seen !== undefined && (this.#passes > seen.pass || nowMs - seen.since >= NAMES_MS);
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
    return this.#threads[row] = { process: this.#process(pid), spans: this.#spans.get(`${pid} ${threads.tid.get(row)}`) ?? null, root: NO_STACK };
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

function classOf(profile: Profile, fn: FunctionId): number {
  const { functions } = profile;
  switch (functions.kindOf(fn)) {
    case 'interpreter':
    // In a native stack: a trampoline of `python -X perf`, which stands before its evaluation frame.
    case 'python':
      return EVALUATES;
    case 'marker': {
      const name = functions.nameOf(fn);
      return name === '[truncated]' || name === '[unwinding lost]' ? CUT : OTHER;
    }
    case 'native': case 'unknown':
      if ((functions.flags.get(fn) & FUNCTION_UNNAMED) !== 0) return UNNAMED;
      return EVALUATION.test(functions.nameOf(fn)) ? EVALUATES : OTHER;
    case 'kernel': case 'rust': case 'cuda': case 'gpu-copy': case 'javascript': case 'java':
      return OTHER;
  }
}

/** Python stacks on native roots: few pairs, asked for by every row. */
class Joined {
  #index = new RowIndex();
  #keys: number[] = [];
  #stacks: StackId[] = [];

  of(profile: Profile, root: StackId, python: StackId): StackId {
    if (root < 0) return python;
    const hash = Math.imul(root, 0x2c1b3c6d) ^ Math.imul(python, 0x297a2d39);
    for (let slot = this.#index.first(hash); ; slot = this.#index.next(slot)) {
      const row = this.#index.row(slot);
      if (row >= 0) {
        if (this.#keys[row * 2] === root && this.#keys[row * 2 + 1] === python) return this.#stacks[row];
        continue;
      }
      let stack = root;
      for (const frame of profile.stacks.framesOf(python)) stack = profile.stacks.intern(stack, frame);
      this.#index.put(slot, hash, this.#stacks.length);
      this.#keys.push(root, python);
      this.#stacks.push(stack);
      return stack;
    }
  }
}
