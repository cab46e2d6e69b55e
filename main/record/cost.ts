// What profiling costs its target, estimated from what was taken: CPU time an event, measured on this machine with events switched on and off every
// half second. It is an estimate: the true cost lies in the kernel's interrupts and cannot be told from the target's own work while it runs.
import { memoryPart } from '#core/analyze/memory';
import type { LaneKind } from '#core/model/lane';

/** One lane as the cost sees it. */
export interface CostLane {
  readonly kind: LaneKind;
  readonly name: string;
  /** Events that were taken: samples, switches, allocations. */
  readonly samples: number;
  /** Rows: fewer than samples where events are summed, or where one sample stands for many events. */
  readonly rows: number;
}

export type StackWay = 'fp' | 'dwarf' | 'none';

/** A sample of a clock, ns. */
const SAMPLE_NS = { dwarf: 27_000, fp: 14_000, none: 10_000 } as const;
/** A switch out of the CPU with its stack (4 KB where copied) and both SWITCH records; without stacks the records alone. */
const SWITCH_NS = { dwarf: 12_000, fp: 5900, none: 1200 } as const;
/** A page fault that is sampled, or an mmap with its way back. */
const FAULT_NS = { dwarf: 11_000, fp: 6300, none: 2300 } as const;
const MMAP_NS = { dwarf: 20_000, fp: 13_000, none: 8900 } as const;
/** An allocation and its free under heaptrack. */
const HEAPTRACK_NS = 400;
/** A py-spy sample without stopping the target: 1 % of it at 100 Hz. */
const PY_SPY_NS = 100_000;
/** One turn of our own thread in a Python, which holds the interpreter's lock meanwhile, for one thread. */
const HELPER_NS = 30_000;
/** A sample of V8's own profilers: a signal, a walk, a write. */
const V8_NS = 20_000;

/** CPU time that a lane's events took from the target, ns. `stacks`: how perf takes them; `waits`: how it takes those of switches. */
export function laneCost(lane: CostLane, stacks: StackWay, waits: StackWay): number {
  switch (lane.kind) {
    case 'cpu':
      if (lane.name === 'py-spy') return lane.samples * PY_SPY_NS;
      if (lane.name === 'python') return lane.samples * HELPER_NS;
      return lane.samples * (/v8|inspector/i.test(lane.name) ? V8_NS : SAMPLE_NS[stacks]);
    // Readings of /proc cost the reader, not the target.
    case 'off-cpu': return lane.name === 'proc' ? 0 : lane.samples * SWITCH_NS[waits];
    case 'faults': return lane.rows * FAULT_NS[stacks];
    case 'memory': return memoryCost(lane, stacks);
    // The GPU's own records are made by the driver beside the target.
    case 'cuda': case 'gpu-idle': case 'gpu-memory': case 'other': return 0;
  }
}

function memoryCost(lane: CostLane, stacks: StackWay): number {
  // What is held, what was temporary and the calls are the same allocations counted another way.
  if (memoryPart(lane) !== 'allocated') return 0;
  if (/heaptrack/i.test(lane.name)) return lane.samples * HEAPTRACK_NS;
  if (/mmap|brk/i.test(lane.name)) return lane.rows * MMAP_NS[stacks];
  return lane.rows * V8_NS;
}

/** How far back "now" reaches, ns. */
const RECENT_NS = 3e9;
/** The cost must be too high for this long before the rate is lowered, ns. */
const PATIENCE_NS = 3e9;
/** Less CPU time than this says nothing yet, ns. */
const LEAST_CPU_NS = 1e8;

interface Reading {
  readonly at: number;
  readonly cpu: number;
  readonly costs: ReadonlyMap<string, number>;
  readonly cost: number;
}

/** The cost over time: of all, and of the last seconds. */
export class CostMeter {
  #readings: Reading[] = [];
  #overSince = 0;

  /** Takes a reading. `at` monotonic ns; `cpuNs` CPU time of the target so far. */
  add(at: number, lanes: readonly CostLane[], stacks: StackWay, waits: StackWay, cpuNs: number): void {
    const costs = new Map<string, number>();
    let cost = 0;
    for (const lane of lanes) {
      const one = laneCost(lane, stacks, waits);
      cost += one;
      costs.set(lane.kind, (costs.get(lane.kind) ?? 0) + one);
    }
    this.#readings.push({ at, cpu: cpuNs, cost, costs });
    while (this.#readings.length > 2 && this.#readings[1].at <= at - RECENT_NS) this.#readings.shift();
  }

  /** Share of the target's CPU time so far, percent; null while there is too little to tell. */
  get total(): number | null {
    const last = this.#readings.at(-1);
    return last === undefined || last.cpu < LEAST_CPU_NS ? null : (last.cost / last.cpu) * 100;
  }

  /** The same of the last seconds, with the lane that costs most. */
  get recent(): { readonly percent: number; /** What samples at a rate are of it. */ readonly sampledPercent: number; readonly most: LaneKind; readonly mostPercent: number } | null {
    const last = this.#readings.at(-1);
    const first = this.#readings.at(0);
    if (last === undefined || first === undefined) return null;
    const cpu = last.cpu - first.cpu;
    if (last.at - first.at < RECENT_NS * 0.6 || cpu < LEAST_CPU_NS) return null;
    let most: LaneKind = 'cpu';
    let mostCost = 0;
    for (const [kind, cost] of last.costs) {
      const one = cost - (first.costs.get(kind) ?? 0);
      if (one <= mostCost) continue;
      most = kind as LaneKind;
      mostCost = one;
    }
    const sampled = (last.costs.get('cpu') ?? 0) - (first.costs.get('cpu') ?? 0);
    return { percent: ((last.cost - first.cost) / cpu) * 100, sampledPercent: (sampled / cpu) * 100, most, mostPercent: (mostCost / cpu) * 100 };
  }

  /** Whether the recent cost has been above `percent` for three seconds; counts anew after `forget`. */
  over(percent: number): boolean {
    const last = this.#readings.at(-1);
    const { recent } = this;
    if (last === undefined || recent === null || percent <= 0 || recent.percent <= percent) {
      this.#overSince = 0;
      return false;
    }
    this.#overSince ||= last.at;
    return last.at - this.#overSince >= PATIENCE_NS;
  }

  /** Something was changed: what was before it says nothing of what comes. */
  forget(): void {
    this.#overSince = 0;
    this.#readings = this.#readings.slice(-1);
  }
}
