// What a recording costs and what its target does, from /proc, four times a second.
import type { Watched } from '../profilers/profiler.ts';
import { isAlive } from '../processes/identity.ts';
import { TICKS_PER_SECOND, statOf } from '../processes/proc.ts';
import { withDescendants } from '../processes/tree.ts';

const NS_PER_TICK = 1e9 / TICKS_PER_SECOND;
/** New children are looked for this often: it reads /proc once for every process of the machine. */
const TREE_MS = 1000;

export interface TargetReading {
  /** Monotonic ns. */
  readonly at: number;
  /** Cores in use since the last reading; null at the first one. */
  readonly cores: number | null;
  /** CPU time of all processes that were seen, ns. */
  readonly cpuNs: number;
  readonly rss: number;
  readonly alive: boolean;
}

/** The target: its processes and, where asked, their children, as they come and go. */
export class TargetMeter {
  readonly #children: boolean;
  #known = new Map<number, { start: number; ticks: number }>();
  #cpuNs = 0;
  #last: { at: number; cpuNs: number } | null = null;
  #treeAt = 0;

  constructor(watched: readonly Watched[], children: boolean) {
    this.#children = children;
    for (const { pid, start } of watched) this.#known.set(pid, { start, ticks: statOf(pid)?.ticks ?? 0 });
  }

  read(now: number): TargetReading {
    if (this.#children && Date.now() - this.#treeAt > TREE_MS) {
      this.#treeAt = Date.now();
      for (const pid of withDescendants([...this.#known.keys()])) {
        if (this.#known.has(pid)) continue;
        const stat = statOf(pid);
        if (stat !== null) this.#known.set(pid, { start: stat.start, ticks: stat.ticks });
      }
    }
    let rss = 0;
    for (const [pid, seen] of this.#known) {
      const stat = statOf(pid);
      if (stat === null || stat.start !== seen.start || !isAlive({ pid, start: seen.start })) {
        this.#known.delete(pid);
        continue;
      }
      this.#cpuNs += Math.max(0, stat.ticks - seen.ticks) * NS_PER_TICK;
      seen.ticks = stat.ticks;
      rss += stat.rss;
    }
    const before = this.#last;
    this.#last = { at: now, cpuNs: this.#cpuNs };
    const cores = before === null || now <= before.at ? null : (this.#cpuNs - before.cpuNs) / (now - before.at);
    return { at: now, cores, cpuNs: this.#cpuNs, rss, alive: this.#known.size > 0 };
  }
}

/** CPU use of this whole process, all threads, in percent of one core since the last call. */
export class OwnMeter {
  #cpu = process.cpuUsage();
  #at = performance.now();

  percent(): number {
    const used = process.cpuUsage(this.#cpu);
    const now = performance.now();
    const elapsed = Math.max(1, now - this.#at);
    this.#cpu = process.cpuUsage();
    this.#at = now;
    return ((used.user + used.system) / 1000 / elapsed) * 100;
  }
}

/** CPU use of the profilers' processes, which are ours: their first look counts all that they have used. Smoothed over about two seconds. */
export class ProfilerMeter {
  readonly #ticks = new Map<number, number>();
  #at = 0;
  #percent: number | null = null;

  read(pids: Iterable<number>, now: number): number | null {
    let used = 0;
    const seen = new Set<number>();
    for (const pid of pids) {
      const stat = statOf(pid);
      if (stat === null) continue;
      seen.add(pid);
      // py-spy's windows come and go under one shell: their time is the shell's once it has waited for them.
      const ticks = stat.ticks + stat.reapedTicks;
      used += Math.max(0, ticks - (this.#ticks.get(pid) ?? 0));
      this.#ticks.set(pid, ticks);
    }
    for (const pid of this.#ticks.keys()) if (!seen.has(pid)) this.#ticks.delete(pid);
    const elapsed = now - this.#at;
    if (this.#at !== 0 && elapsed > 0) {
      const percent = (used * NS_PER_TICK / elapsed) * 100;
      const share = Math.min(1, elapsed / 2e9);
      this.#percent = this.#percent === null ? percent : this.#percent * (1 - share) + percent * share;
    }
    this.#at = now;
    return this.#percent;
  }
}
