// Which lanes of perf are on, what fills each of them here, and the marks that tell when one was not recorded.
import { UserError } from '#core/errors';
import type { LaneKind } from '#core/model/lane';
import { laneOff, laneOn } from '#core/read/perf/lane-marks';
import type { PerfPlan } from './perf-plan.ts';
import { eventsOf } from './perf-plan.ts';
import type { Run } from './profiler.ts';

const KINDS: readonly LaneKind[] = ['cpu', 'off-cpu', 'memory', 'faults'];

/** What can fill a lane where it is wanted. */
type Sources = Pick<PerfPlan, 'offCpu' | 'growth' | 'faults'>;

export class PerfLanes {
  #run: Run;
  #sources: Sources;
  /** Lanes that are on. */
  #on: Set<LaneKind>;
  /** Since when a lane is off that was on, or could have been: monotonic ns. */
  #offSince = new Map<LaneKind, number>();
  #began: number;

  constructor(run: Run, sources: Sources) {
    this.#run = run;
    this.#sources = sources;
    this.#on = new Set(KINDS.filter((kind) => run.options.lanes.includes(kind)));
    this.#began = run.now();
  }

  /** A plan with what the lanes need that are on. */
  plan(base: PerfPlan, on: ReadonlySet<LaneKind> = this.#on): PerfPlan {
    const { offCpu, growth, faults } = this.#sources;
    return {
      ...base, cpu: on.has('cpu'), offCpu: on.has('off-cpu') ? offCpu : 'none', faults: faults && (on.has('memory') || on.has('faults')),
      growth: on.has('memory') ? growth : 'none',
    };
  }

  /** What the kernel or perf refused will not be tried again. */
  adapt(plan: PerfPlan, change: Partial<Sources>): PerfPlan {
    this.#sources = { ...this.#sources, ...change };
    return { ...plan, ...change };
  }

  differs(kind: LaneKind, on: boolean): boolean {
    if (!KINDS.includes(kind)) throw new UserError('perf-lane', `perf has no lane ${kind}.`);
    return this.#on.has(kind) !== on;
  }

  /** The plan after a lane was switched. Throws UserError where nothing can fill it. */
  planWith(base: PerfPlan, kind: LaneKind, on: boolean): PerfPlan {
    const { offCpu, growth, faults } = this.#sources;
    if (on && kind === 'off-cpu' && offCpu === 'none') throw new UserError('perf-switches', 'perf cannot tell when threads wait here.', { hint: 'Install a newer perf.' });
    if (on && ((kind === 'faults' && !faults) || (kind === 'memory' && !faults && growth === 'none'))) throw new UserError('perf-memory', 'perf may not count page faults here.');
    const lanes = new Set(this.#on);
    if (on) lanes.add(kind);
    else lanes.delete(kind);
    return this.plan(base, lanes);
  }

  /**
   * Whether a perf that was started for one plan can do another one by switching events: it has them all, and its first one,
   * which carries the records of switches, stays on.
   */
  opened(started: PerfPlan, wanted: PerfPlan): boolean {
    const has = eventsOf(started).map(({ name }) => name);
    const needs = eventsOf(wanted).map(({ name }) => name);
    // A lane of switch records has no event of its own: its decoder was told of it, or was not.
    if (wanted.offCpu !== 'none' && started.offCpu === 'none') return false;
    return needs.every((name) => has.includes(name)) && needs.includes(has[0]);
  }

  /** A lane went or came at this moment, monotonic ns. */
  set(kind: LaneKind, on: boolean, at: number): void {
    if (on) {
      this.#on.add(kind);
      this.#run.mark(laneOn(kind, this.#offSince.get(kind) ?? this.#began, at));
      this.#offSince.delete(kind);
    } else {
      this.#on.delete(kind);
      this.#offSince.set(kind, at);
      this.#run.mark(laneOff(kind, at));
    }
  }

  /** The recording ends: lanes that are off now have a gap to its end. */
  close(at: number): void {
    for (const [kind, since] of this.#offSince) this.#run.mark(laneOn(kind, since, at));
    this.#offSince.clear();
  }
}
