// Python stacks as lists of functions: what two of them have in common, and whether one fits what a native stack says.
import type { StackId } from '#core/model/ids';
import type { Profile } from '#core/model/profile';

/** A stack without its lines. */
export interface Shape {
  /** Functions (as PythonFunctions numbers them), root first. */
  readonly functions: readonly number[];
  readonly id: number;
}

/** Functions of one name and file are one here, whoever told of them. */
export class PythonFunctions {
  readonly #profile: Profile;
  readonly #of: number[] = [];
  readonly #first = new Map<number, number>();

  constructor(profile: Profile) {
    this.#profile = profile;
  }

  /** The row that stands for all of a function's rows. */
  of(fn: number): number {
    const known = this.#of[fn];
    if (known !== undefined) return known;
    const { functions } = this.#profile;
    const key = functions.name.get(fn) * 0x400_0000 + functions.file.get(fn);
    const first = this.#first.get(key) ?? fn;
    this.#first.set(key, first);
    return (this.#of[fn] = first);
  }
}

const MOST_STACKS = 200_000;
/** Shapes that are kept for one innermost function of a process: those seen last. */
const MOST_KNOWN = 48;
const WELL_KNOWN = 12;

/** Shapes of stacks, and those that were seen in each process by their innermost function. */
export class PythonShapes {
  readonly #profile: Profile;
  readonly functions: PythonFunctions;
  #ofStack = new Map<StackId, Shape>();
  readonly #shapes = new Map<string, Shape>();
  /** By pid, then by function row: a stack of each shape, the newest last. */
  readonly #seen = new Map<number, Map<number, Map<number, StackId>>>();
  /** By innermost function: how often it was seen. */
  readonly #sightings = new Map<number, number>();

  constructor(profile: Profile) {
    this.#profile = profile;
    this.functions = new PythonFunctions(profile);
  }

  of(stack: StackId): Shape {
    const known = this.#ofStack.get(stack);
    if (known !== undefined) return known;
    const { stacks, frames } = this.#profile;
    const functions: number[] = [];
    for (let at: number = stack; at >= 0; at = stacks.prefix.get(at)) functions.push(this.functions.of(frames.function.get(stacks.frame.get(at))));
    functions.reverse();
    const key = functions.join(' ');
    let shape = this.#shapes.get(key);
    if (shape === undefined) this.#shapes.set(key, (shape = { functions, id: this.#shapes.size }));
    if (this.#ofStack.size >= MOST_STACKS) this.#ofStack.clear();
    this.#ofStack.set(stack, shape);
    return shape;
  }

  /** A process has had this stack. */
  saw(pid: number, stack: StackId): void {
    const { functions, id } = this.of(stack);
    const leaf = functions[functions.length - 1];
    if (leaf === undefined) return;
    this.#sightings.set(leaf, (this.#sightings.get(leaf) ?? 0) + 1);
    let leaves = this.#seen.get(pid);
    if (leaves === undefined) this.#seen.set(pid, (leaves = new Map()));
    let stacks = leaves.get(leaf);
    if (stacks === undefined) leaves.set(leaf, (stacks = new Map()));
    stacks.delete(id);
    stacks.set(id, stack);
    if (stacks.size > MOST_KNOWN) for (const [oldest] of stacks) {
      stacks.delete(oldest);
      break;
    }
  }

  /** Whether a function was seen often enough to have shown all that call it. */
  wellKnown(leaf: number): boolean {
    return (this.#sightings.get(leaf) ?? 0) >= WELL_KNOWN;
  }

  /** One stack of each shape that the process has had with this innermost function. */
  seenWith(pid: number, leaf: number): Iterable<StackId> {
    return this.#seen.get(pid)?.get(leaf)?.values() ?? [];
  }
}

/** A call that was seen for no longer than this may have had others like it that nobody saw, ns. */
const SHORT = 15e6;
/** A thread that nobody looked at for this long had other calls meanwhile, ns. */
const GAP = 30e6;
const ENOUGH_RUNS = 4;
const FEW_SHORT = 0.15;

/** The last stack of a thread, and since when each of its calls was seen. */
export interface Run {
  functions: readonly number[];
  readonly since: number[];
  end: number;
}

/** How long calls last, by caller: whether time can tell which one a moment belongs to. */
export class CallTimes {
  readonly #counts = new Map<number, { runs: number; short: number }>();

  /** A thread had a stack over [from, to), ns, after `run`. */
  tell(run: Run, { functions }: Shape, from: number, to: number): void {
    let same = 0;
    if (from - run.end <= GAP) {
      while (same < functions.length && functions[same] === run.functions[same]) same++;
      if (same < run.functions.length && run.since[same] > 0) {
        const caller = run.functions[same - 1] ?? -1;
        let count = this.#counts.get(caller);
        if (count === undefined) this.#counts.set(caller, (count = { runs: 0, short: 0 }));
        count.runs++;
        if (from - run.since[same] < SHORT) count.short++;
      }
    }
    for (let at = same; at < functions.length; at++) run.since[at] = from;
    run.functions = functions;
    run.end = to;
  }

  /** Whether what a function calls lasts long enough each time to be seen. */
  slow(caller: number): boolean {
    const count = this.#counts.get(caller);
    return count !== undefined && count.runs >= ENOUGH_RUNS && count.short <= count.runs * FEW_SHORT;
  }
}

/**
 * Whether a stack can have called as the native stack shows: all `called` functions are in it in this order, and where `whole`
 * the last of them is its innermost.
 */
export function fits({ functions }: Shape, called: readonly number[], whole: boolean): boolean {
  let at = functions.length - 1;
  let next = called.length - 1;
  if (whole && next >= 0 && functions[at] !== called[next]) return false;
  for (; at >= 0 && next >= 0; at--) if (functions[at] === called[next]) next--;
  return next < 0;
}

/** How many of the `called` functions a stack has, from the root on, and how many of its frames that takes. */
export function reach({ functions }: Shape, called: readonly number[]): { readonly called: number; readonly frames: number } {
  let next = 0;
  let frames = 0;
  for (let at = 0; at < functions.length && next < called.length; at++) {
    if (functions[at] !== called[next]) continue;
    next++;
    frames = at + 1;
  }
  return { called: next, frames };
}

/** How many frames from the root on all of them have in common. */
export function common(shapes: readonly Shape[]): number {
  const [first, ...others] = shapes;
  if (first === undefined) return 0;
  let length = first.functions.length;
  for (const { functions } of others) {
    length = Math.min(length, functions.length);
    for (let at = 0; at < length; at++) if (functions[at] !== first.functions[at]) length = at;
  }
  return length;
}
