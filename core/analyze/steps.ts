// Turns of the training loop: told by marks, else a period found in the main thread's waiting.
//
//     main thread   ###__####_#####__####_#####__####_####      # runs, _ waits
//                      A     b     A     b     A     b          A, b: stacks that wait
//     steps            |-----------|-----------|----------      the stack whose waits begin most regularly
//
// A period is found, never known: a loop that waits for nothing has none, and a timer has one too.
import type { FunctionId, ProcessId, ThreadId } from '#core/model/ids';
import type { Lane } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import { MARK_KINDS } from '#core/model/profile';
import { showsMerged } from './call-tree.ts';
import type { Shape } from './shape.ts';
import { shapeFor } from './shape.ts';
import { EVERYTHING } from './view.ts';
import { isNotWaiting } from './words.ts';

export interface Step {
  readonly start: number;
  readonly end: number;
  /** From 1. */
  readonly number: number;
  /** What the program called it; '' where it was found. */
  readonly text: string;
}

export interface Steps {
  readonly list: readonly Step[];
  /** `marks`: the program told them. `waiting`: a period that was found. */
  readonly from: 'marks' | 'waiting';
  /** Median length, ns. */
  readonly median: number;
  /** Where a found period was found: `python 4711 waits in __next__`; '' of marks. */
  readonly text: string;
}

/** A period has at least so many turns. */
const LEAST_TURNS = 8;
/** And is at least so long, ns. */
const LEAST_PERIOD = 2e6;
/** Of the lengths around them, regular turns differ by at most this part. */
const NEAR = 0.35;
/** How many turns may lie outside of it, and how much those inside vary (standard deviation by mean). */
const MOST_OUTLIERS = 0.15;
const MOST_VARIATION = 0.15;
/** Part of the recording after the first turn that the turns cover. */
const LEAST_COVER = 0.5;
/** Stacks that are looked at: those that wait longest. */
const MOST_STACKS = 12;
const MOST_STARTS = 100_000;
/** Turns of a long recording that are compared. */
const MOST_COMPARED = 2000;
/** Turns to either side that a turn is compared with. */
const AROUND = 4;
/** While live it is looked for again after so much of the recording, ns; where none was found, after a tenth of it. */
const EVERY = 1e9;
const EVERY_PART = 0.1;

const STEP = MARK_KINDS.indexOf('step');

interface Known {
  marks: number;
  marked: Steps | null;
  finder: Finder | null;
}

const known = new WeakMap<Profile, Known>();

/** The steps of a recording so far; null where there are none. The same object as long as they are the same; cheap to call at each tick. */
export function stepsOf(profile: Profile): Steps | null {
  let one = known.get(profile);
  if (one === undefined) known.set(profile, (one = { marks: 0, marked: null, finder: null }));
  if (profile.marks.length !== one.marks) {
    one.marks = profile.marks.length;
    const marked = marksOf(profile);
    if (marked?.list.length !== one.marked?.list.length) one.marked = marked;
  }
  if (one.marked !== null) return one.marked;
  one.finder ??= new Finder(profile);
  return one.finder.find();
}

/** The step at a time; null between steps. */
export function stepAt(steps: Steps, time: number): Step | null {
  const { list } = steps;
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (list[middle].start <= time) low = middle + 1;
    else high = middle;
  }
  const step = list[low - 1] as Step | undefined;
  return step !== undefined && time < step.end ? step : null;
}

function marksOf(profile: Profile): Steps | null {
  const { marks, strings } = profile;
  const rows: number[] = [];
  for (let row = 0; row < marks.length; row++) if (marks.kind.get(row) === STEP) rows.push(row);
  rows.sort((a, b) => marks.start.get(a) - marks.start.get(b));
  const list: Step[] = [];
  for (const row of rows) {
    const start = marks.start.get(row);
    // Two programs at once: one strip has room for one of them.
    if (list.length > 0 && start < list[list.length - 1].end - 1) continue;
    const value = marks.value.get(row);
    list.push({ start, end: marks.end.get(row), number: value > 0 ? value : list.length + 1, text: strings.values[marks.text.get(row)] });
  }
  return list.length === 0 ? null : { list, from: 'marks', median: median(list.map(({ start, end }) => end - start)), text: '' };
}

/** Looks for a period in the waits of one thread. */
class Finder {
  readonly #profile: Profile;
  #lane: Lane | null = null;
  #thread = -1;
  #shape: Shape | null = null;
  #merged = false;
  #thinnings = 0;
  #chunk = 0;
  #row = 0;
  /** By node of the shape: when its waits began, and how long they lasted together. */
  #starts = new Map<number, number[]>();
  #waited = new Map<number, number>();
  #lookedAt = -Infinity;
  /** What there was when it was last looked for. */
  #seen = '';
  #node = -1;
  #answer: Steps | null = null;

  constructor(profile: Profile) {
    this.#profile = profile;
  }

  find(): Steps | null {
    const { info } = this.#profile;
    const wait = this.#answer === null ? Math.max(EVERY, info.durationNs * EVERY_PART) : EVERY;
    if (info.live && info.durationNs < this.#lookedAt + wait) return this.#answer;
    const lane = this.#profile.lanes.find((one) => one.kind === 'off-cpu' && one.intervals && one.rows > 0 && !isNotWaiting(one)) ?? null;
    if (lane === null) return null;
    const seen = `${this.#profile.lanes.indexOf(lane)} ${lane.rows} ${lane.mergedRows} ${lane.thinnings} ${info.durationNs} ${this.#profile.frames.changes.length}`;
    if (seen === this.#seen) return this.#answer;
    this.#seen = seen;
    this.#take(lane);
    this.#lookedAt = info.durationNs;
    const turns = this.#best();
    if (turns === null) this.#answer = null;
    else if (this.#answer === null || this.#answer.list.length !== turns.length - 1 || this.#answer.list[0].start !== turns[0]) this.#answer = this.#steps(turns);
    return this.#answer;
  }

  #take(lane: Lane): void {
    const thread = mainThread(this.#profile, lane, this.#thread);
    const shape = shapeFor(this.#profile, lane, [], false);
    const merged = showsMerged(lane, EVERYTHING);
    if (lane !== this.#lane || thread !== this.#thread || shape !== this.#shape || merged !== this.#merged || lane.thinnings !== this.#thinnings) {
      this.#lane = lane;
      this.#thread = thread;
      this.#shape = shape;
      this.#merged = merged;
      this.#thinnings = lane.thinnings;
      this.#chunk = this.#row = 0;
      this.#node = -1;
      this.#starts.clear();
      this.#waited.clear();
    }
    const { chunks } = lane;
    for (; this.#chunk < chunks.length; this.#chunk++, this.#row = 0) {
      const chunk = chunks[this.#chunk];
      const to = merged ? chunk.mergedRows : chunk.rows;
      const stacks = merged && chunk.merged !== null ? chunk.merged : chunk.stack;
      for (; this.#row < to; this.#row++) {
        const row = this.#row;
        if (chunk.thread[row] !== thread || stacks[row] < 0) continue;
        // Waits that were summed have no beginning.
        const duration = chunk.duration.get(row);
        if (chunk.count.get(row) > 1 && chunk.weight.get(row) < duration) continue;
        const node = shape.place(stacks[row]);
        if (node < 0) continue;
        let starts = this.#starts.get(node);
        if (starts === undefined) this.#starts.set(node, (starts = []));
        if (starts.length < MOST_STARTS) starts.push(chunk.timeAt(row));
        this.#waited.set(node, (this.#waited.get(node) ?? 0) + duration);
      }
      if (this.#chunk === chunks.length - 1 || to < chunk.rows) break;
    }
  }

  /** When the turns begin. */
  #best(): number[] | null {
    const end = this.#profile.info.durationNs;
    const look = (node: number) => {
      return periodIn(Float64Array.from(this.#starts.get(node) ?? []).sort(), end);
    };
    // What was found once stays: steps do not change their meaning while one looks.
    const same = this.#node >= 0 ? look(this.#node) : null;
    if (same !== null) return same.turns;
    const nodes = [...this.#starts].filter(([, starts]) => starts.length > LEAST_TURNS)
      .sort((a, b) => (this.#waited.get(b[0]) ?? 0) - (this.#waited.get(a[0]) ?? 0)).slice(0, MOST_STACKS).map(([node]) => node);
    let best: Period | null = null;
    for (const node of nodes) {
      const period = look(node);
      // They come with the longest waits first: another one has to be clearly more regular.
      if (period === null || (best !== null && period.variation > best.variation - 0.03)) continue;
      best = period;
      this.#node = node;
    }
    return best === null ? null : best.turns;
  }

  #steps(turns: readonly number[]): Steps {
    const list = turns.slice(0, -1).map((start, i) => ({ start, end: turns[i + 1], number: i + 1, text: '' }));
    return { list, from: 'waiting', median: median(list.map(({ start, end }) => end - start)), text: this.#where() };
  }

  // The deepest function that the program's author knows, else the deepest that is no marker.
  #where(): string {
    const { functions, threads, processes } = this.#profile;
    const nodes = this.#shape?.nodes;
    let name = '';
    for (let node = this.#node; nodes !== undefined && node >= 0; node = nodes.parent.get(node)) {
      const fn = nodes.fn.get(node) as FunctionId;
      const kind = functions.kindOf(fn);
      if (kind === 'marker') continue;
      if (name === '') name = functions.nameOf(fn);
      if (kind !== 'python' && kind !== 'javascript' && !functions.isOwn(fn)) continue;
      name = functions.nameOf(fn);
      break;
    }
    const process = threads.process.get(this.#thread);
    const who = process < 0 ? 'the main thread' : `${processes.nameOf(process as ProcessId) || threads.nameOf(this.#thread as ThreadId)} ${processes.pid.get(process)}`;
    return `${who} waits in ${name === '' ? 'one place' : name}`;
  }
}

/** A process whose starter works at least this part of what it works is a worker of it. */
const WORKER_OF = 0.1;

/**
 * The main thread that works most: of processes that wait for others (launchers, shells) a period says nothing. Workers are left out:
 * those whose starter works too. `before` stays unless another one works twice as much.
 */
function mainThread(profile: Profile, lane: Lane, before: number): number {
  const { threads, processes } = profile;
  const worked = workOf(profile, lane);
  const isMain = (row: number): boolean => threads.process.get(row) < 0 || threads.tid.get(row) === processes.pid.get(threads.process.get(row));
  const ofProcess = new Float64Array(processes.length);
  for (let row = 0; row < threads.length; row++) if (threads.process.get(row) >= 0 && isMain(row)) ofProcess[threads.process.get(row)] += worked(row);
  const isWorker = (process: number): boolean => {
    for (let at = processes.parent.get(process), steps = 0; at >= 0 && steps < 64; at = processes.parent.get(at), steps++) {
      if (ofProcess[at] >= WORKER_OF * ofProcess[process]) return true;
    }
    return false;
  };
  let best = -1;
  for (let row = 0; row < threads.length; row++) {
    const process = threads.process.get(row);
    if (!isMain(row) || (process >= 0 && isWorker(process))) continue;
    // Of equal ones the earliest: rows of processes are in the order in which they were met.
    if (best < 0 || worked(row) > worked(best)) best = row;
  }
  if (before >= 0 && before < threads.length && (best < 0 || worked(best) <= worked(before) * 2)) {
    const process = threads.process.get(before);
    if (process < 0 || !isWorker(process)) return before;
  }
  return best;
}

function workOf(profile: Profile, lane: Lane): (thread: number) => number {
  const { onCpu } = profile.threads;
  for (let row = 0; row < onCpu.length; row++) if (onCpu.get(row) > 0) return (thread) => Math.max(0, onCpu.get(thread));
  // No exact times: who waits least often here is not known either, so the samples of another lane decide.
  const cpu = profile.lanes.find((one) => one.kind === 'cpu' && one.rows > 0) ?? lane;
  const sums = new Float64Array(profile.threads.length);
  for (const chunk of cpu.chunks) for (let row = 0; row < chunk.rows; row++) if (chunk.thread[row] >= 0) sums[chunk.thread[row]] += chunk.weight.get(row);
  return (thread) => sums[thread];
}

type Moments = readonly number[] | Float64Array;

export interface Period {
  /** When its turns begin. */
  readonly turns: number[];
  /** How much turns differ from those around them: standard deviation by mean, and the part that does not fit. */
  readonly variation: number;
}

/** The period in moments that are sorted, up to `end`; null where they are not regular. Several moments close together are one turn. */
export function periodIn(starts: Moments, end: number): Period | null {
  const plain = regular(starts, end);
  const bursts = beginnings(starts);
  const grouped = bursts === null ? null : regular(bursts, end);
  if (plain === null || grouped === null) return plain ?? grouped;
  return grouped.variation < plain.variation ? grouped : plain;
}

function regular(starts: Moments, end: number): Period | null {
  if (starts.length <= LEAST_TURNS) return null;
  const gaps = gapsOf(starts);
  if (median(gaps) < LEAST_PERIOD) return null;
  if (starts[starts.length - 1] - starts[0] < LEAST_COVER * (end - starts[0])) return null;
  let sum = 0;
  let squares = 0;
  let inside = 0;
  let compared = 0;
  for (let at = 0; at < gaps.length; at += Math.max(1, gaps.length / MOST_COMPARED)) {
    const i = Math.floor(at);
    compared++;
    // A period may drift: a turn is compared with those around it.
    const ratio = gaps[i] / median(gaps.slice(Math.max(0, i - AROUND), i + AROUND + 1));
    if (!(Math.abs(ratio - 1) <= NEAR)) continue;
    inside++;
    sum += ratio;
    squares += ratio * ratio;
  }
  const outliers = 1 - inside / compared;
  if (inside < LEAST_TURNS || outliers > MOST_OUTLIERS) return null;
  const mean = sum / inside;
  const variation = Math.sqrt(Math.max(0, squares / inside - mean * mean)) / mean;
  return variation > MOST_VARIATION ? null : { turns: [...starts], variation: variation + outliers };
}

/** Of moments in bursts the first of each; null where there are no bursts: no gap between lengths is three times as wide. */
function beginnings(starts: Moments): Float64Array | null {
  const gaps = gapsOf(starts);
  const sorted = gaps.slice().sort();
  let widest = 3;
  let limit = -1;
  // Neither a few long pauses nor a few short ones are what tells bursts.
  const from = Math.floor(sorted.length * 0.1);
  for (let i = from; i + 1 < sorted.length - Math.floor(sorted.length * 0.05); i++) {
    const ratio = sorted[i + 1] / Math.max(1, sorted[i]);
    if (ratio > widest) {
      widest = ratio;
      limit = Math.sqrt(Math.max(1, sorted[i]) * sorted[i + 1]);
    }
  }
  return limit < 0 ? null : Float64Array.from(starts).filter((_, i) => i === 0 || gaps[i - 1] > limit);
}

function gapsOf(starts: Moments): Float64Array {
  const gaps = new Float64Array(Math.max(0, starts.length - 1));
  for (let i = 0; i < gaps.length; i++) gaps[i] = starts[i + 1] - starts[i];
  return gaps;
}

function median(values: Moments): number {
  if (values.length === 0) return 0;
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
