// Merged stacks laid beside what a program logged of itself (test/programs/own_stack.py).
import { NO_STACK } from '#core/model/ids';
import type { FunctionId, StackId } from '#core/model/ids';
import type { Lane } from '#core/model/lane';
import type { Profile } from '#core/model/profile';

/** By thread id: when a function was entered (its name) or the innermost one left (null). Monotonic ns. */
export type Log = Readonly<Record<string, readonly (readonly [number, string | null])[]>>;

export interface Agreement {
  /** Samples in the threads of the log, at a moment when it says what they were in. */
  samples: number;
  /** The same stack; a part of it, nothing else; something that is not true; none. */
  full: number;
  partly: number;
  wrong: number;
  unmerged: number;
  /** Of those that are wrong, and those in part: how often what was said for what. */
  readonly examples: Map<string, number>;
}

/** Moments this near to a change are left out, ns: the program's clock and perf's are read at different instructions. */
const NEAR = 60e3;

/** Stacks of the log at a moment; null near a change. */
class Told {
  readonly #times: number[] = [];
  readonly #stacks: string[][] = [];

  constructor(events: readonly (readonly [number, string | null])[]) {
    let stack: string[] = [];
    for (const [time, name] of events) {
      stack = name === null ? stack.slice(0, -1) : [...stack, name];
      this.#times.push(time);
      this.#stacks.push(stack);
    }
  }

  /** What it was in over [from, to], null where that changed or is not known. */
  over(from: number, to: number): readonly string[] | null {
    let low = 0;
    let high = this.#times.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#times[middle] <= from) low = middle + 1;
      else high = middle;
    }
    if (low === 0 || low >= this.#times.length) return null;
    return from - this.#times[low - 1] < NEAR || this.#times[low] - to < NEAR ? null : this.#stacks[low - 1];
  }
}

/** `zeroAt`: monotonic ns of the recording's time 0. `file`: the program's. */
export function agreement(profile: Profile, lane: Lane, log: Log, zeroAt: number, file: string): Agreement {
  const result: Agreement = { samples: 0, full: 0, partly: 0, wrong: 0, unmerged: 0, examples: new Map() };
  const told = new Map(Object.entries(log).map(([tid, events]) => [Number(tid), new Told(events)]));
  for (const chunk of lane.chunks) {
    for (let row = 0; row < chunk.rows; row++) {
      const count = chunk.count.get(row);
      const truth = told.get(profile.threads.tid.get(chunk.thread[row]));
      if (count === 0 || truth === undefined || chunk.stack[row] === NO_STACK) continue;
      const at = chunk.timeAt(row) + zeroAt;
      const stack = truth.over(at, at + (lane.intervals ? chunk.duration.get(row) : 0));
      if (stack === null) continue;
      result.samples += count;
      const merged = (chunk.merged?.[row] ?? chunk.stack[row]) as StackId;
      const frames = profile.stacks.framesOf(merged).map((frame) => profile.frames.functionOf(frame));
      if (!frames.some((fn) => profile.functions.kindOf(fn) === 'python') || frames.some((fn) => profile.functions.kindOf(fn) === 'interpreter')) {
        result.unmerged += count;
        continue;
      }
      const own = frames.filter((fn) => isOf(profile, fn, file)).map((fn) => profile.functions.nameOf(fn));
      const kind = own.join(';') === stack.join(';') ? 'full' : isPart(own, stack) ? 'partly' : 'wrong';
      result[kind] += count;
      if (kind !== 'full') {
        const example = `${kind}: ${own.join(';')} | ${stack.join(';')} | ${frames.slice(-3).map((fn) => profile.functions.nameOf(fn)).join(';')}`;
        result.examples.set(example, (result.examples.get(example) ?? 0) + count);
      }
    }
  }
  return result;
}

function isOf(profile: Profile, fn: FunctionId, file: string): boolean {
  return profile.functions.kindOf(fn) === 'python' && profile.strings.values[profile.functions.file.get(fn)] === file;
}

/** Whether all of a part are in the whole, in this order. */
function isPart(part: readonly string[], whole: readonly string[]): boolean {
  let next = 0;
  for (const name of whole) if (name === part[next]) next++;
  return next === part.length;
}

export function agreementText({ samples, full, partly, wrong, unmerged }: Agreement): string {
  const share = (count: number) => `${((100 * count) / Math.max(1, samples)).toFixed(1)} %`;
  return `${samples} samples: ${share(full)} whole, ${share(partly)} in part, ${share(wrong)} wrong, ${share(unmerged)} not merged`;
}
