// Memory lanes and what can be asked of them. A source (heaptrack, V8's heap profiler, perf's mmap) fills up to four lanes,
// told apart by their names: `X` what was allocated, `X held` gains and losses, `X temporary` and `X allocations` counts.
import type { Chunk, Lane } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import { threadMask } from './thread-mask.ts';
import type { Moment, Selection, TimeRanges } from './view.ts';

const HELD = ' held';
const TEMPORARY = ' temporary';
const ALLOCATIONS = ' allocations';

/** Whether a lane's rows are gains and losses: signed bytes, whose sum from the start to a moment is what was held then. */
export function isHeld(lane: Pick<Lane, 'kind' | 'name'>): boolean {
  return isMemory(lane) && lane.name.endsWith(HELD);
}

/** What a memory lane has in its rows, by its name. */
export function memoryPart(lane: Pick<Lane, 'name'>): 'allocated' | 'held' | 'temporary' | 'allocations' {
  if (lane.name.endsWith(HELD)) return 'held';
  if (lane.name.endsWith(TEMPORARY)) return 'temporary';
  return lane.name.endsWith(ALLOCATIONS) ? 'allocations' : 'allocated';
}

/** The source of a memory lane: `heaptrack` of `heaptrack held`. */
export function memorySource(lane: Pick<Lane, 'name'>): string {
  const ending = [HELD, TEMPORARY, ALLOCATIONS].find((one) => lane.name.endsWith(one)) ?? '';
  return lane.name.slice(0, lane.name.length - ending.length);
}

/** Whether a memory lane counts events that another lane of its source has already: its samples are no further ones. */
export function countsAgain(lane: Pick<Lane, 'kind' | 'name'>, lanes: readonly Pick<Lane, 'kind' | 'name'>[]): boolean {
  if (!isMemory(lane) || memoryPart(lane) === 'allocated') return false;
  const source = memorySource(lane);
  return lanes.some((other) => other.kind === lane.kind && other.name === source);
}

function isMemory(lane: Pick<Lane, 'kind'>): boolean {
  return lane.kind === 'memory' || lane.kind === 'gpu-memory';
}

/** One thing that a source can show: a lane, and of a lane of held memory what a range means. */
export interface MemoryMeasure {
  readonly key: 'allocated' | 'grown' | 'held' | 'peak' | 'temporary' | 'allocations';
  /** For a button or a menu: `Held at peak`. */
  readonly title: string;
  /** One sentence: what the width of a box is. */
  readonly text: string;
  readonly lane: Lane;
  /** Only of a lane of held memory. */
  readonly moment?: Moment;
}

/** What the source of a memory lane can show, in the order of a menu; a part that the source does not fill is left out. */
export function memoryMeasures(profile: Profile, lane: Lane): MemoryMeasure[] {
  if (!isMemory(lane)) return [];
  const source = memorySource(lane);
  const part = (name: string): Lane | null => profile.lane(lane.kind, name);
  const measures: MemoryMeasure[] = [];
  const allocated = part(source);
  const held = part(source + HELD);
  const temporary = part(source + TEMPORARY);
  const allocations = part(source + ALLOCATIONS);
  if (allocated !== null) measures.push({ key: 'allocated', title: 'Allocated', text: 'Bytes allocated in the range, freed since or not.', lane: allocated });
  if (held !== null) {
    measures.push(
      { key: 'grown', title: 'Grew', text: 'Bytes allocated in the range less bytes freed in it, where that is a growth.', lane: held, moment: 'grown' },
      { key: 'held', title: 'Held at the end', text: 'Bytes allocated before the end of the range and not freed by then.', lane: held, moment: 'held' },
      { key: 'peak', title: 'Held at peak', text: 'Bytes held at the moment of the range when most were held.', lane: held, moment: 'peak' },
    );
  }
  if (temporary !== null) measures.push({ key: 'temporary', title: 'Temporary', text: 'Allocations that were freed before the next allocation was made.', lane: temporary });
  if (allocations !== null) measures.push({ key: 'allocations', title: 'Allocations', text: 'Calls that allocated memory in the range.', lane: allocations });
  return measures;
}

/** The measure that a lane with this moment is; null for a lane that is no memory. */
export function measureOf(profile: Profile, lane: Lane, moment?: Moment): MemoryMeasure | null {
  const same = memoryMeasures(profile, lane).filter((measure) => measure.lane === lane);
  return same.find((measure) => measure.moment === moment) ?? same.find((measure) => measure.moment === 'held') ?? same[0] ?? null;
}

/** A moment of a lane of held memory. */
export interface HeldMoment {
  /** ns since the recording began. */
  readonly time: number;
  readonly bytes: number;
}

type Who = Pick<Selection, 'threads' | 'processes'>;
const ALL: Who = { threads: null, processes: null };

/**
 * The moment within the ranges (null: at any time) when most bytes were held, counted from the start of the recording; the
 * earliest of several. What was held when a range begins counts too. `who` takes only rows of these threads and processes.
 * Summing the lane's rows up to and with `time` gives `bytes` by stack: `upTo(time)`.
 */
export function peakOf(profile: Profile, lane: Lane, ranges: TimeRanges, who: Who = ALL): HeldMoment {
  const { times, sums, length } = momentsOf(profile, lane, who);
  let time = 0;
  let bytes = -Infinity;
  const take = (at: number, sum: number): void => {
    if (sum > bytes) [time, bytes] = [at, sum];
  };
  for (const [start, end] of ranges ?? [[-Infinity, Infinity]]) {
    let i = firstAfter(times, length, start);
    // Before its first row there is what came before; of all time that is nothing, at time 0.
    if (i === length || times[i] > start) take(Math.max(0, start), i > 0 ? sums[i - 1] : 0);
    for (; i < length && times[i] < end; i++) take(times[i], sums[i]);
  }
  return bytes === -Infinity ? { time: 0, bytes: 0 } : { time, bytes };
}

/** Bytes held at a moment, rows at that moment included. */
export function heldAt(profile: Profile, lane: Lane, time: number, who: Who = ALL): number {
  const { times, sums, length } = momentsOf(profile, lane, who);
  const i = firstAfter(times, length, time + 1);
  return i > 0 ? sums[i - 1] : 0;
}

/** The range from the start up to and with a moment: what is held at it is the sum over this range. */
export function upTo(time: number): TimeRanges {
  return [[-Infinity, time + 1]];
}

/**
 * What ranges mean for a lane of held memory: `grown` the ranges themselves, `held` all up to their end, `peak` all up to the
 * moment in them when most was held.
 */
export function momentRanges(profile: Profile, lane: Lane, moment: Moment, ranges: TimeRanges, who: Who = ALL): TimeRanges {
  if (moment === 'grown') return ranges;
  if (moment === 'peak') return upTo(peakOf(profile, lane, ranges, who).time);
  return ranges === null || ranges.length === 0 ? ranges : [[-Infinity, ranges[ranges.length - 1][1]]];
}

/** Distinct times of a lane's rows, ascending, and the sum of all weights up to and with each. */
interface Moments {
  readonly times: Float64Array;
  readonly sums: Float64Array;
  readonly length: number;
}

/** How many choices of threads and processes a lane keeps in readiness. */
const KEPT = 4;
const known = new WeakMap<Lane, Map<string, Ledger>>();

function momentsOf(profile: Profile, lane: Lane, who: Who): Moments {
  let ledgers = known.get(lane);
  if (ledgers === undefined) known.set(lane, (ledgers = new Map()));
  const key = JSON.stringify([who.threads, who.processes]);
  let ledger = ledgers.get(key);
  if (ledger === undefined) {
    ledger = new Ledger();
    if (ledgers.size >= KEPT) ledgers.delete(ledgers.keys().next().value ?? '');
  } else {
    ledgers.delete(key);
  }
  ledgers.set(key, ledger);
  return ledger.update(profile, lane, who);
}

/** How many moments back a late row is put in its place; one that comes later still has all of them sorted. */
const NEAR = 1024;

/** Sums by moment, kept up while rows come. Rows come nearly in order; one that comes late is put in its place. */
class Ledger implements Moments {
  times = new Float64Array(256);
  sums = new Float64Array(256);
  length = 0;
  /** What was gained at each moment. */
  #gains = new Float64Array(256);
  #chunk = 0;
  #row = 0;
  #thinnings = 0;
  #threads = 0;
  /** First moment whose sum is not right any more. */
  #stale = 0;
  #sorted = true;

  update(profile: Profile, lane: Lane, who: Who): this {
    // A process chosen before its threads were known has more rows now than were taken.
    if (lane.thinnings !== this.#thinnings || (who.processes !== null && profile.threads.length !== this.#threads)) {
      this.length = this.#chunk = this.#row = this.#stale = 0;
      this.#sorted = true;
    }
    this.#thinnings = lane.thinnings;
    this.#threads = profile.threads.length;
    const mask = threadMask(profile, who);
    for (; this.#chunk < lane.chunks.length; this.#chunk++, this.#row = 0) {
      const chunk = lane.chunks[this.#chunk];
      this.#take(chunk, mask);
      this.#row = chunk.rows;
      if (this.#chunk === lane.chunks.length - 1) break;
    }
    if (!this.#sorted) this.#sort();
    for (let i = this.#stale; i < this.length; i++) this.sums[i] = (i > 0 ? this.sums[i - 1] : 0) + this.#gains[i];
    this.#stale = this.length;
    return this;
  }

  #take(chunk: Chunk, mask: Uint8Array | null): void {
    for (let row = this.#row; row < chunk.rows; row++) {
      if (mask !== null && (chunk.thread[row] < 0 || mask[chunk.thread[row]] !== 1)) continue;
      const time = chunk.timeAt(row);
      const weight = chunk.weight.get(row);
      const last = this.length - 1;
      if (last >= 0 && this.times[last] === time) {
        this.#gains[last] += weight;
        this.#stale = Math.min(this.#stale, last);
        continue;
      }
      if (last >= 0 && time < this.times[last] && this.#insert(time, weight)) continue;
      if (last >= 0 && time < this.times[last]) this.#sorted = false;
      if (this.length === this.times.length) this.#grow();
      this.times[this.length] = time;
      this.#gains[this.length++] = weight;
    }
  }

  /** A row that comes a little late: put in its place. Returns false where that is too far back, or not known. */
  #insert(time: number, weight: number): boolean {
    const { times } = this;
    const from = Math.max(0, this.length - NEAR);
    if (!this.#sorted || (from > 0 && time < times[from])) return false;
    let at = this.length;
    while (at > from && times[at - 1] >= time) at--;
    this.#stale = Math.min(this.#stale, at);
    if (times[at] === time) {
      this.#gains[at] += weight;
      return true;
    }
    if (this.length === times.length) this.#grow();
    this.times.copyWithin(at + 1, at, this.length);
    this.#gains.copyWithin(at + 1, at, this.length);
    this.times[at] = time;
    this.#gains[at] = weight;
    this.length++;
    return true;
  }

  #sort(): void {
    const order = Array.from({ length: this.length }, (_, i) => i).sort((a, b) => this.times[a] - this.times[b] || a - b);
    const times = this.times.slice(0, this.length);
    const gains = this.#gains.slice(0, this.length);
    this.length = 0;
    for (const i of order) {
      if (this.length > 0 && this.times[this.length - 1] === times[i]) {
        this.#gains[this.length - 1] += gains[i];
      } else {
        this.times[this.length] = times[i];
        this.#gains[this.length++] = gains[i];
      }
    }
    this.#sorted = true;
    this.#stale = 0;
  }

  #grow(): void {
    const longer = (from: Float64Array): Float64Array<ArrayBuffer> => {
      const to = new Float64Array(from.length * 2);
      to.set(from);
      return to;
    };
    this.times = longer(this.times);
    this.sums = longer(this.sums);
    this.#gains = longer(this.#gains);
  }
}

/** Index of the first time that is at `time` or later. */
function firstAfter(times: Float64Array, length: number, time: number): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (times[middle] < time) low = middle + 1;
    else high = middle;
  }
  return low;
}
