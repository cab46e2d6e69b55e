// Where Python goes into a native stack: what is above it, what it calls, and the Python functions that the stack names itself.
import type { FrameId, FunctionId, StackId } from '#core/model/ids';
import { NO_STACK } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import { FUNCTION_UNNAMED } from '#core/model/tables';
import { CALLERS_UNKNOWN } from './python-code.ts';
import type { PythonFunctions } from './python-shapes.ts';

/** A function without a name may still get one for this long, ms. */
const NAMES_MS = 2000;
const MOST_SEAMS = 50_000;
const EVALUATION = /^(?:_PyEval_EvalFrame(?!PushAndInit)|PyEval_EvalFrame|_TAIL_CALL_)/;
const PREPARATION = /^_?PyEval_?(?:Vector|EvalCode|EvalFramePushAndInit|FrameClearAndPop)|^(?:_PyEvalFrame|initialize_locals|clear_thread_frame)/;

/** The interpreter's own ways from Python to any native function. */
const PASSES_ON = /^(?:_?PyObject_(?:Fast)?(?:Vectorcall|Call|MakeTpCall)|_?PyVectorcall|_?PyCFunction|cfunction_|method_vectorcall|method_descriptor|classmethoddescr_call|object_vacall|slot_[a-z]+_|type_call|vectorcall_|wrap_[a-z]+$|wrapper_call|binary_(?:i?op)|ternary_(?:i?op)|PyNumber_|_?PyObject_(?:Get|Set)(?:Attr|Item)|_?PyObject_Generic[GS]etAttr|property_descr_get|getset_get|meth_dealloc|do_call_core|PyIter_Next)/;

/** Libraries whose frames alone above Python are no caller of the program's: `_start`, `Py_RunMain`, `start_thread`. */
const INTERPRETER_START = /^(?:(?:lib)?python[\d.]*(?:\.so[\d.]*)?|libc[.-].*|libpthread.*|ld-.*)$/;

/** What a function is to a seam. */
const UNSEEN = 0;
const OTHER = 1;
const EVALUATES = 2;
const CUT = 3;
const UNNAMED = 4;
/** On the way into an evaluation frame or just out of one. */
const PREPARES = 5;
const PYTHON = 6;
/** Stands for Python functions that are not known. */
const GAP = 7;
const NO_CLASS = -1;

/** Where Python goes into a native stack. */
export interface Seam {
  /** True where there is an evaluation frame. */
  readonly python: boolean;
  /** The stack's root was not reached: what is above is not known. */
  readonly cut: boolean;
  /** Stack of the frames above the first evaluation frame. */
  readonly root: StackId;
  /** Python functions that the stack names itself, root first: frames, and their functions (as PythonFunctions numbers them). */
  readonly named: readonly FrameId[];
  readonly called: readonly number[];
  /** The last of them is Python's innermost function. */
  readonly whole: boolean;
  /** They are all Python functions of the stack. */
  readonly complete: boolean;
  /**
   * Frames below the last one, root first, without those that only pass a call on to others. Without an evaluation frame: the
   * whole stack.
   */
  readonly leaf: readonly FrameId[];
  /** Function row of the native function that Python called, -1 where it called none. */
  readonly callee: number;
}

/** The seams of a profile's native stacks. */
export class Seams {
  readonly #profile: Profile;
  readonly #functions: PythonFunctions;
  /** By function: what it is. */
  #classes = new Uint8Array(1024);
  readonly #unnamed = new Map<number, { readonly since: number; readonly pass: number }>();
  readonly #seams = new Map<StackId, Seam>();
  #passes = 0;

  constructor(profile: Profile, functions: PythonFunctions) {
    this.#profile = profile;
    this.#functions = functions;
  }

  /** All names that could be found now were looked for: a function that had none before has none. */
  looked(): void {
    this.#passes++;
  }

  /** Null while a frame of it may still get a name. */
  of(stack: StackId, nowMs: number): Seam | null {
    const known = this.#seams.get(stack);
    if (known !== undefined) return known;
    const { stacks, frames } = this.#profile;
    let first: number = NO_STACK;
    let last: number = NO_STACK;
    let cut = false;
    let named = true;
    const pythons: FrameId[] = [];
    // Whether the innermost evaluation frame's function is named: null until that frame was met.
    let whole: boolean | null = null;
    let complete = true;
    let below = NO_CLASS;
    for (let at: number = stack; at >= 0; at = stacks.prefix.get(at)) {
      const frame = stacks.frame.get(at) as FrameId;
      const fn = frames.function.get(frame);
      const kind = this.#classOf(fn);
      switch (kind) {
        case PYTHON:
          // A trampoline and what its evaluation frame runs are one call.
          if (frames.address.get(frame) >= 0 && below === EVALUATES && pythons.length > 0 && this.#functions.of(fn) === this.#functions.of(frames.function.get(pythons[pythons.length - 1]))) break;
          pythons.push(frame);
          if (below === EVALUATES && frames.address.get(frame) >= 0) {
            // One trampoline a call: it names what the other way did not.
            if (whole === false) whole = true;
          }
          break;
        case EVALUATES:
          whole ??= below === PYTHON || below === GAP;
          if (below !== PYTHON) complete = false;
          break;
        case GAP:
          complete = false;
          break;
        case PREPARES: case OTHER:
          break;
        case CUT:
          cut = true;
          break;
        case UNNAMED:
          named = false;
          if (!this.#settled(fn, nowMs)) return null;
          break;
      }
      if (kind === EVALUATES || kind === PREPARES || kind === PYTHON || kind === GAP) {
        if (last < 0) last = at;
        first = at;
      }
      below = kind;
    }
    pythons.reverse();
    const leaf: FrameId[] = [];
    for (let at: number = stack; at >= 0 && at !== last; at = stacks.prefix.get(at)) leaf.push(stacks.frame.get(at) as FrameId);
    leaf.reverse();
    const called = last < 0 ? 0 : leaf.findIndex((frame) => !this.#passesOn(frames.function.get(frame)));
    const callee = leaf[Math.max(0, called)];
    // In the kernel for itself, or nothing but passing on: that is what it did.
    if (called > 0 && this.#profile.functions.kindOf(frames.functionOf(callee)) !== 'kernel') leaf.splice(0, called);
    const seam: Seam = {
      python: last >= 0, cut, root: this.#rootOf(first < 0 ? NO_STACK : (stacks.prefix.get(first) as StackId)), leaf,
      named: pythons, called: pythons.map((frame) => this.#functions.of(frames.function.get(frame))), whole: whole === true && pythons.length > 0, complete: complete && !cut && whole === true,
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
}

function classOf(profile: Profile, fn: FunctionId): number {
  const { functions } = profile;
  switch (functions.kindOf(fn)) {
    // In a native stack: what an evaluation frame runs, or a trampoline of `python -X perf`, which stands before one.
    case 'python':
      return PYTHON;
    case 'marker': {
      const name = functions.nameOf(fn);
      return name === '[truncated]' || name === '[unwinding lost]' ? CUT : name === CALLERS_UNKNOWN ? GAP : OTHER;
    }
    case 'interpreter': case 'native': case 'unknown': {
      if ((functions.flags.get(fn) & FUNCTION_UNNAMED) !== 0) return UNNAMED;
      const name = functions.nameOf(fn);
      return EVALUATION.test(name) ? EVALUATES : PREPARATION.test(name) ? PREPARES : OTHER;
    }
    case 'kernel': case 'rust': case 'cuda': case 'gpu-copy': case 'javascript': case 'java':
      return OTHER;
  }
}
