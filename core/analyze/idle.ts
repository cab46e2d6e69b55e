// Threads that only wait: a parked pool, an accept loop, a launcher. In a picture of waiting time each is as wide as the whole range,
// and what is worth looking at has no room beside them.
import type { Lane } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import { overlap } from './ranges.ts';
import { ThreadSums } from './thread-sums.ts';
import type { TimeRanges } from './view.ts';
import { PYTHON_LANE, isNotWaiting } from './words.ts';

/** A thread that was on a CPU for less than this part of a range is idle in it. */
const LITTLE = 0.001;

/** What a thread did in a range, ns. */
export interface ThreadTimes {
  /** Length of the range. */
  readonly length: number;
  /** Time on a CPU; null where no lane tells. */
  readonly cpu: ((thread: number) => number) | null;
  readonly waited: (thread: number) => number;
}

/**
 * Thread rows that are left out of waiting time, ascending: they waited, and were on a CPU for less than 0.1 % of the range (where no lane
 * tells CPU time: waited for all but that). The main thread of a process with another busy thread is never idle: its wait is what people
 * look for. Nothing is left out where nothing else waited. `busy`: threads that were busy before and stay so; those that are now are added.
 */
export function idleThreads(profile: Profile, { length, cpu, waited }: ThreadTimes, busy: Set<number> = new Set()): number[] {
  if (!(length > 0)) return [];
  const { threads, processes } = profile;
  const lively = new Set<number>();
  for (let row = 0; row < threads.length; row++) {
    if (!busy.has(row) && !(cpu === null ? waited(row) < length * (1 - LITTLE) : cpu(row) >= length * LITTLE)) continue;
    busy.add(row);
    lively.add(threads.process.get(row));
  }
  const idle: number[] = [];
  let others = false;
  for (let row = 0; row < threads.length; row++) {
    if (!(waited(row) > 0)) continue;
    const process = threads.process.get(row);
    const main = process >= 0 && threads.tid.get(row) === processes.pid.get(process);
    if (busy.has(row) || (main && lively.has(process))) others = true;
    else idle.push(row);
  }
  return others ? idle : [];
}

/** The lane that says when threads were on a CPU: the one of what saw them wait, before a Python profiler's. null where none does. */
export function cpuLaneOf(profile: Profile): Lane | null {
  const lanes = profile.lanes.filter((lane) => lane.kind === 'cpu' && lane.unit === 'ns' && lane.rows > 0);
  return lanes.find((lane) => lane.name !== PYTHON_LANE) ?? lanes[0] ?? null;
}

/** Idle threads of a profile that may still grow: rows are taken once, as they come. */
export class IdleThreads {
  #cpu: ThreadSums | null = null;
  #waits: ThreadSums | null = null;
  /** Threads that were busy in this range. */
  #busy = new Set<number>();
  #range = '';
  #idle: readonly number[] = [];

  /**
   * Rows that only waited in the ranges; the same array as long as it has the same rows. `moves`: the ranges go on with the recording, and a
   * thread that was busy once stays so.
   */
  of(profile: Profile, ranges: TimeRanges, moves: boolean): readonly number[] {
    const off = profile.lanes.find((lane) => lane.kind === 'off-cpu' && !isNotWaiting(lane) && lane.intervals && (lane.rows > 0 || profile.open.length > 0));
    if (off === undefined) return this.#keep([]);
    const range = moves ? 'moves' : JSON.stringify(ranges);
    if (range !== this.#range || (this.#waits !== null && this.#waits.profile !== profile)) {
      this.#range = range;
      this.#busy = new Set();
    }
    const cpu = cpuLaneOf(profile);
    this.#waits = sumsOf(this.#waits, profile, off, ranges);
    this.#cpu = cpu === null ? null : sumsOf(this.#cpu, profile, cpu, ranges);
    const [waits, onCpu] = [this.#waits, this.#cpu];
    return this.#keep(idleThreads(profile, {
      length: overlap(ranges, 0, profile.info.durationNs), waited: (row) => waits.of(row), cpu: onCpu === null ? null : (row) => onCpu.of(row),
    }, this.#busy));
  }

  #keep(idle: readonly number[]): readonly number[] {
    if (idle.length !== this.#idle.length || idle.some((row, i) => row !== this.#idle[i])) this.#idle = idle;
    return this.#idle;
  }
}

function sumsOf(known: ThreadSums | null, profile: Profile, lane: Lane, ranges: TimeRanges): ThreadSums {
  if (known === null || known.profile !== profile || known.lane !== lane || !sameRanges(known.ranges, ranges)) return new ThreadSums(profile, lane, ranges);
  known.update();
  return known;
}

function sameRanges(a: TimeRanges, b: TimeRanges): boolean {
  if (a === null || b === null) return a === b;
  return a.length === b.length && a.every(([start, end], i) => start === b[i][0] && end === b[i][1]);
}
