import { numbersIn, readProc } from '../processes/proc.ts';
import { withDescendants } from '../processes/tree.ts';

/** Between two readings of a thread: a sample at 100 Hz falls into every slice two or three times. */
const EVERY_MS = 25;
/** Readings a second, at 10 us each: more threads are read more seldom. */
const MOST_READS = 2500;
const LIST_EVERY_NS = 250e6;
/** Readings older than any window. */
const KEEP_NS = 5e9;

/**
 * Reads the kernel's account of time on a CPU for all threads of processes, again and again, so that samples of a
 * profiler that cannot tell can be told idle from active.
 */
export class CpuAccount {
  #roots: readonly number[];
  #children: boolean;
  #now: () => number;
  #threads: { pid: number; tid: number }[] = [];
  #listedAt = -Infinity;
  /** The listing before the last one: a thread that is new since then began after it. */
  #listedBefore = -Infinity;
  #points = new Map<number, number[]>();
  /** Time that a thread was runnable and had no CPU, one for each pair of points. */
  #runnable = new Map<number, number[]>();
  #pids = new Map<number, number>();
  #timer: NodeJS.Timeout | null = null;

  constructor(roots: readonly number[], children: boolean, now: () => number) {
    this.#roots = roots;
    this.#children = children;
    this.#now = now;
  }

  start(): void {
    if (this.#timer !== null) return;
    const turn = (): void => {
      this.#read();
      const wait = Math.max(EVERY_MS, (this.#threads.length / MOST_READS) * 1000);
      this.#timer = setTimeout(turn, wait);
    };
    turn();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Readings that cover [start, end], monotonic ns, by thread; `runnable` has one value for each pair of `points`. */
  between(start: number, end: number): { tid: number; pid: number; points: number[]; runnable: number[] }[] {
    this.#read();
    const rows: { tid: number; pid: number; points: number[]; runnable: number[] }[] = [];
    for (const [tid, points] of this.#points) {
      let first = 0;
      while (first + 2 < points.length && points[first + 2] <= start) first += 2;
      let last = points.length - 2;
      while (last - 2 > first && points[last - 2] >= end) last -= 2;
      if (last > first) rows.push({ tid, pid: this.#pids.get(tid) ?? 0, points: points.slice(first, last + 2), runnable: this.#runnable.get(tid)?.slice(first / 2, last / 2 + 1) ?? [] });
    }
    return rows;
  }

  #read(): void {
    const now = this.#now();
    if (now - this.#listedAt > LIST_EVERY_NS) {
      this.#listedBefore = this.#listedAt;
      this.#listedAt = now;
      this.#threads = [];
      const pids = this.#children ? withDescendants(this.#roots) : this.#roots;
      for (const pid of pids) {
        for (const tid of numbersIn(`/proc/${pid}/task`)) {
          this.#threads.push({ pid, tid });
          this.#pids.set(tid, pid);
        }
      }
      for (const [tid, points] of this.#points) {
        while (points.length > 2 && points[2] < now - KEEP_NS) {
          points.splice(0, 2);
          this.#runnable.get(tid)?.shift();
        }
        if (points[points.length - 2] < now - KEEP_NS) {
          this.#points.delete(tid);
          this.#runnable.delete(tid);
          this.#pids.delete(tid);
        }
      }
    }
    for (const { pid, tid } of this.#threads) {
      const text = readProc(`/proc/${pid}/task/${tid}/schedstat`);
      if (text === null) continue;
      const time = this.#now();
      const space = text.indexOf(' ');
      const onCpu = Number(text.slice(0, space));
      const runnable = Number(text.slice(space + 1, text.indexOf(' ', space + 1)));
      const points = this.#points.get(tid);
      if (points === undefined) {
        // It began with no time at all, after the listing that lacked it.
        const isNew = Number.isFinite(this.#listedBefore) && now === this.#listedAt && onCpu + runnable <= time - this.#listedBefore;
        this.#points.set(tid, isNew ? [this.#listedBefore, 0, time, onCpu] : [time, onCpu]);
        this.#runnable.set(tid, isNew ? [0, runnable] : [runnable]);
        continue;
      }
      const waits = this.#runnable.get(tid) ?? [];
      const length = points.length;
      // A thread that sleeps keeps two points, however long: the last one moves on.
      if (length >= 4 && points[length - 1] === onCpu && points[length - 3] === onCpu) {
        points[length - 2] = time;
        waits[waits.length - 1] = runnable;
      } else {
        points.push(time, onCpu);
        waits.push(runnable);
      }
    }
  }
}
