/**
 * The kernel's account of one thread: time on a CPU, and time that it was runnable and had none, at moments that were read
 * (/proc/PID/task/TID/schedstat). Times are monotonic ns.
 */
export class ThreadClock {
  #time: number[] = [];
  #cpu: number[] = [];
  #runnable: number[] = [];
  /** Where the last question was answered: the next one is near it. */
  #at = 0;
  #taken: number | null = null;
  #told = -1;
  /** First readings, kept when the rest is forgotten. */
  #first: { time: number; cpu: number; runnable: number } | null = null;

  /** Adds readings: `points` is time, ns on a CPU, and so on; `runnable` one for each. Those that are known already, or go back, are left out. */
  add(points: readonly number[], runnable: readonly number[]): void {
    for (let i = 0; i + 1 < points.length; i += 2) {
      const time = points[i];
      const last = this.#time.length - 1;
      if (!Number.isFinite(time) || !Number.isFinite(points[i + 1]) || (last >= 0 && time <= this.#time[last])) continue;
      this.#time.push(time);
      // The kernel's own numbers never fall; a damaged stream's may.
      this.#cpu.push(Math.max(points[i + 1], this.#cpu[last] ?? 0));
      this.#runnable.push(Math.max(runnable[i / 2] ?? 0, this.#runnable[last] ?? 0));
      this.#first ??= { time, cpu: points[i + 1], runnable: runnable[i / 2] ?? 0 };
    }
    this.#forget();
  }

  /** Whether there are two readings, so that something can be told. */
  get known(): boolean {
    return this.#time.length >= 2;
  }

  /** Whether readings came since `times` was asked. */
  get grown(): boolean {
    return this.#time.length > 0 && this.#time[this.#time.length - 1] > this.#told;
  }

  /** Time on a CPU at a moment, between two readings in proportion; before the first and after the last one it stands still. */
  cpuAt(time: number): number {
    return this.#between(this.#cpu, time);
  }

  runnableAt(time: number): number {
    return this.#between(this.#runnable, time);
  }

  /** Time on a CPU since the last call up to a moment, where it is at least `least`; else 0, and it waits for the next call. */
  takeCpu(upTo: number, least: number): number {
    if (this.#first === null || upTo <= this.#first.time) return 0;
    this.#taken ??= this.#first.cpu;
    const now = this.cpuAt(upTo);
    const used = now - this.#taken;
    if (used < least) return 0;
    this.#taken = now;
    return used;
  }

  /** All of it since the first reading, ns. */
  times(): { onCpu: number; runnable: number; blocked: number } {
    const last = this.#time.length - 1;
    const first = this.#first;
    if (first === null || last < 0) return { onCpu: -1, runnable: -1, blocked: -1 };
    this.#told = this.#time[last];
    const onCpu = this.#cpu[last] - first.cpu;
    const runnable = this.#runnable[last] - first.runnable;
    return { onCpu, runnable, blocked: Math.max(0, this.#time[last] - first.time - onCpu - runnable) };
  }

  #between(column: readonly number[], time: number): number {
    const times = this.#time;
    if (times.length === 0) return 0;
    let at = this.#at;
    if (!(at < times.length && times[at] <= time && (at + 1 >= times.length || times[at + 1] > time))) {
      let low = 0;
      let high = times.length - 1;
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (times[middle] <= time) low = middle;
        else high = middle - 1;
      }
      this.#at = at = low;
    }
    if (time <= times[at] || at + 1 >= times.length) return column[at];
    return column[at] + (column[at + 1] - column[at]) * ((time - times[at]) / (times[at + 1] - times[at]));
  }

  // Readings older than any question.
  #forget(): void {
    if (this.#time.length < 2000) return;
    const keep = 1000;
    const drop = this.#time.length - keep;
    this.#time = this.#time.slice(drop);
    this.#cpu = this.#cpu.slice(drop);
    this.#runnable = this.#runnable.slice(drop);
    this.#at = 0;
  }
}
