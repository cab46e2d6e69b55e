// Everything that is measured while a recording runs: the target, ourselves, the profilers, and what they cost the target.
import type { ProfileStatus } from '#core/protocol/api';
import type { GpuTracks } from '../profilers/nvidia-smi.ts';
import { startGpuTracks } from '../profilers/nvidia-smi.ts';
import type { StreamFacts, Watched } from '../profilers/profiler.ts';
import type { CostLane, StackWay } from './cost.ts';
import { CostMeter } from './cost.ts';
import type { DecoderHost } from './decoder-host.ts';
import { machineFacts } from './machine.ts';
import type { TargetReading } from './meter.ts';
import { OwnMeter, ProfilerMeter, TargetMeter } from './meter.ts';

/** No profiler is told to take fewer samples a second. */
const LEAST_HZ = 10;
/** Samples must be at least this part of the cost for a lower rate to be of use. */
const LEAST_PART = 0.4;

export interface MetersOptions {
  readonly decoder: () => DecoderHost;
  readonly watched: readonly Watched[];
  readonly children: boolean;
  /** Samples a second that were asked for. */
  readonly rate: number;
  /** Percent of the target's CPU time; 0 = never act. */
  readonly mostCost: number;
  /** Has profilers take fewer; returns what is taken then, null where none can. */
  readonly setRate: (hz: number) => Promise<number | null>;
  readonly notice: (id: string, level: 'info' | 'warn', text: string) => void;
  /** Monotonic ns. */
  readonly now: () => number;
  /** A child of the meters, whose CPU time is a profiler's. */
  readonly child: (pid: number) => void;
}

export class Meters {
  readonly #options: MetersOptions;
  readonly #target: TargetMeter;
  readonly #own = new OwnMeter();
  readonly #profilers = new ProfilerMeter();
  readonly #cost = new CostMeter();
  #tracks: { cpu: number; rss: number } | null = null;
  #gpus: GpuTracks | null = null;
  #ownCpu: number | null = null;
  #profilerCpu: number | null = null;
  #cpuNs = 0;
  #rate: number;
  #firstRate: number;
  #lowering = false;
  /** It was said that nothing more can be done. */
  #helpless = false;

  constructor(options: MetersOptions) {
    this.#options = options;
    this.#target = new TargetMeter(options.watched, options.children);
    this.#rate = this.#firstRate = options.rate;
  }

  /** Makes the target's tracks, and those of the machine's GPUs where it has any. */
  async begin(): Promise<void> {
    const decoder = this.#options.decoder();
    const cpu = await decoder.call('track', { facts: { name: 'cpu', unit: 'cores', scale: machineFacts().cpus } });
    const rss = await decoder.call('track', { facts: { name: 'rss', unit: 'bytes' } });
    this.#tracks = { cpu: cpu.track, rss: rss.track };
    this.#gpus = startGpuTracks({
      now: this.#options.now, cost: this.#options.child,
      track: (facts) => {
        const made = this.#options.decoder().call('track', { facts });
        return { add: (at, value) => void made.then(({ track }) => this.#options.decoder().tell({ t: 'value', track, at, value }), () => undefined) };
      },
    });
  }

  /** Ends what it started. */
  async end(): Promise<void> {
    await this.#gpus?.stop();
    this.#gpus = null;
  }

  /** Samples a second that are taken now. */
  get rate(): number {
    return this.#rate;
  }

  get status(): Pick<ProfileStatus, 'ownCpu' | 'profilerCpu' | 'targetCost' | 'rate'> {
    return { ownCpu: this.#ownCpu, profilerCpu: this.#profilerCpu, targetCost: this.#cost.total, rate: this.#rate };
  }

  /** Reads the target, without a word to anyone. */
  target(now: number): TargetReading {
    return this.#target.read(now);
  }

  /** Four times a second: the target's tracks. `costly`: processes of the profilers. */
  measure(now: number, costly: Iterable<number>): TargetReading {
    const reading = this.#target.read(now);
    this.#cpuNs = reading.cpuNs;
    if (this.#tracks !== null && reading.alive) {
      const decoder = this.#options.decoder();
      if (reading.cores !== null) decoder.tell({ t: 'value', track: this.#tracks.cpu, at: now, value: reading.cores });
      decoder.tell({ t: 'value', track: this.#tracks.rss, at: now, value: reading.rss });
    }
    this.#profilerCpu = this.#profilers.read(costly, now);
    return reading;
  }

  /** Our own use, once a second. */
  measureOwn(): void {
    this.#ownCpu = this.#own.percent();
  }

  /** What was taken until now, once a second; lowers the rate where that costs the target too much for too long. */
  async taken(now: number, lanes: readonly CostLane[], streams: readonly StreamFacts[]): Promise<void> {
    const { stacks, waits } = waysOf(streams);
    this.#cost.add(now, lanes, stacks, waits, this.#cpuNs);
    const { mostCost } = this.#options;
    if (this.#lowering || this.#helpless || !this.#cost.over(mostCost)) return;
    this.#lowering = true;
    try {
      await this.#lower();
    } finally {
      this.#lowering = false;
      this.#cost.forget();
    }
  }

  async #lower(): Promise<void> {
    const { recent } = this.#cost;
    if (recent === null) return;
    const { setRate, notice, mostCost } = this.#options;
    const cost = `${recent.percent.toFixed(1)} %`;
    // Samples at a rate are a part of the cost only: where they are a small one, another rate would take detail and save little.
    const helps = recent.sampledPercent >= recent.percent * LEAST_PART;
    const taken = helps && this.#rate > LEAST_HZ ? await setRate(Math.max(LEAST_HZ, Math.round(this.#rate / 2))) : null;
    if (taken !== null && taken < this.#rate) {
      this.#rate = taken;
      notice('cost', 'warn', `Sampling cost ${cost} of the target; the rate was lowered from ${hertz(this.#firstRate)} to ${hertz(taken)} Hz.${this.#rest(recent)}`);
      return;
    }
    this.#helpless = helps;
    notice('cost-most', 'warn', `Recording costs ${cost} of the target, more than the ${mostCost} % that were set${this.#rate < this.#firstRate ? `, at ${hertz(this.#rate)} Hz` : ''}.${this.#rest(recent) || (helps ? ' No profiler here takes fewer samples.' : ' Fewer lanes cost less.')}`);
  }

  #rest(recent: { readonly most: string; readonly mostPercent: number }): string {
    if (recent.most === 'cpu') return '';
    return ` Most of it (${recent.mostPercent.toFixed(1)} %) is the lane ${recent.most}: switch it off to save that.`;
  }
}

function hertz(rate: number): string {
  return rate >= 10 ? String(Math.round(rate)) : rate.toFixed(1);
}

/** How perf takes stacks of samples and of switches, from its streams. */
function waysOf(streams: readonly StreamFacts[]): { stacks: StackWay; waits: StackWay } {
  let stacks: StackWay = 'dwarf';
  let waits: StackWay = 'none';
  for (const stream of streams) {
    if (stream.decoder !== 'perf') continue;
    stacks = stream.stacks;
    if (stream.offCpu !== undefined && stream.offCpu !== '') waits = /without stacks/.test(stream.offCpu) ? 'none' : stream.stacks;
  }
  return { stacks, waits };
}
