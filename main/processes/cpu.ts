import { TICKS_PER_SECOND, statOf } from './proc.ts';

const NS_PER_TICK = 1e9 / TICKS_PER_SECOND;

/** CPU time of a process, all its threads, in ns (steps of 10 ms); null when it is gone. */
export function cpuTimeOf(pid: number): number | null {
  const stat = statOf(pid);
  return stat === null ? null : stat.ticks * NS_PER_TICK;
}

/**
 * How much of a core a set of processes takes between two looks. Children that ended count with the process that waited
 * for them: py-spy runs as a new child of one shell for each window.
 */
export class CpuMeter {
  #last = new Map<number, number>();
  #at = 0;

  /**
   * Percent of one core since the last call, at `now` (monotonic ns); null at the first call and after less than 100 ms,
   * because CPU times come in steps of 10 ms. Processes that came or went since count only from their next look.
   */
  percent(pids: Iterable<number>, now: number): number | null {
    const elapsed = now - this.#at;
    if (this.#at !== 0 && elapsed < 1e8) return null;
    const times = new Map<number, number>();
    let used = 0;
    for (const pid of pids) {
      const stat = statOf(pid);
      if (stat === null) continue;
      const time = (stat.ticks + stat.reapedTicks) * NS_PER_TICK;
      times.set(pid, time);
      const before = this.#last.get(pid);
      if (before !== undefined && time >= before) used += time - before;
    }
    const first = this.#at === 0;
    this.#last = times;
    this.#at = now;
    return first ? null : (used / elapsed) * 100;
  }
}
