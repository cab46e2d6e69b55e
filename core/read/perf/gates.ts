// Which lanes are recorded at a moment. A lane that is off has no rows of that time, and the exact time that threads spent
// meanwhile goes to no later row:
//
//     cpu      ===s====s===|  off  |====s====      s sample; its weight reaches back to the sample before it, or to where
//                          rest    dropped         the lane came back; what had no sample when it went is a row then
import type { Profile } from '#core/model/profile';
import { MARK_KINDS } from '#core/model/profile';
import type { LaneKind } from '#core/model/lane';
import { laneChange } from './lane-marks.ts';
import type { LaneChange } from './lane-marks.ts';

/** Carries a change out. */
export interface GateKeeper {
  cpu(on: boolean, time: number): void;
  /** Calls that get or give back memory were not seen for a while. */
  memory(): void;
  /** All of perf: nothing is known of threads from here on; or they are watched again. */
  all(on: boolean, time: number): void;
}

export class LaneGates {
  /** Times at which waiting time was off: [from, to), in order; `to` is Infinity while it is. */
  readonly offCpuGaps: [number, number][] = [];
  /** Time of the next change that waits for its turn. */
  next = Infinity;
  #profile: Profile;
  #keeper: GateKeeper;
  #on: Record<Gate, boolean> = { cpu: true, 'off-cpu': true, memory: true, all: true };
  #waiting: LaneChange[] = [];
  #marks = 0;
  #streams = 0;

  constructor(profile: Profile, keeper: GateKeeper) {
    this.#profile = profile;
    this.#keeper = keeper;
  }

  /** Whether on-CPU time makes rows now. */
  get cpu(): boolean {
    return this.#on.cpu;
  }

  /** Reads marks that came since. */
  look(): void {
    const { marks } = this.#profile;
    for (; this.#marks < marks.length; this.#marks++) {
      const row = this.#marks;
      const change = laneChange(MARK_KINDS[marks.kind.get(row)], marks.value.get(row), marks.start.get(row), marks.end.get(row));
      if (change !== null) this.#wait(change);
    }
  }

  /** A stream takes over at `time` that records these lanes. The first one says what there is from the beginning. */
  stream(cpu: boolean, offCpu: boolean, time: number): void {
    const from = this.#streams++ === 0 ? -Infinity : time;
    this.#change({ kind: 'cpu', on: cpu, time: from });
    this.#change({ kind: 'off-cpu', on: offCpu, time: from });
  }

  /** Carries out what was to happen up to `time`. */
  pass(time: number): void {
    while (this.#waiting.length > 0 && this.#waiting[0].time <= time) {
      const change = this.#waiting.shift();
      if (change !== undefined) this.#change(change);
    }
    this.next = this.#waiting.length > 0 ? this.#waiting[0].time : Infinity;
  }

  #wait(change: LaneChange): void {
    let at = this.#waiting.length;
    while (at > 0 && this.#waiting[at - 1].time > change.time) at--;
    this.#waiting.splice(at, 0, change);
    this.next = this.#waiting[0].time;
  }

  #change({ kind, on, time }: LaneChange): void {
    const which = gateOf(kind);
    if (which === null || this.#on[which] === on) return;
    this.#on[which] = on;
    if (which === 'cpu') this.#keeper.cpu(on, time);
    else if (which === 'all') this.#keeper.all(on, time);
    else if (which === 'memory') {
      if (on) this.#keeper.memory();
    }
    else if (!on) this.offCpuGaps.push([time, Infinity]);
    else {
      const gap = this.offCpuGaps.at(-1);
      if (gap !== undefined) gap[1] = Math.max(gap[0], time);
    }
  }
}

type Gate = 'cpu' | 'off-cpu' | 'memory' | 'all';

// Page faults need no gate: no row of theirs reaches back.
function gateOf(kind: LaneKind | null): Gate | null {
  return kind === null ? 'all' : kind === 'cpu' || kind === 'off-cpu' || kind === 'memory' ? kind : null;
}
