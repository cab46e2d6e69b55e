// When a box was so: the intervals of a lane's rows under one box (a wait, an idle GPU), as ranges for the other lanes.
//
//     main thread   ---|__next__|------|__next__|--|__next__...     open: up to the end of what is recorded
//     main thread        |poll|          under the same box
//     ranges           [--------)      [--------)  [--------)       sorted, merged
import type { FunctionId } from '#core/model/ids';
import type { Chunk, Lane } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import { showsMerged } from './call-tree.ts';
import { UNSEEN } from './nodes.ts';
import type { Shape } from './shape.ts';
import { sameFunction, shapeFor } from './shape.ts';
import type { During, FunctionRef, Selection, TimeRanges } from './view.ts';

/** A wait that goes on is told when it is this long, ns: shorter ones say nothing about it. */
const LONG = 10e6;
const UNDER = 1;
const ELSEWHERE = 2;

/** How many questions a lane keeps in readiness. */
const KEPT = 4;

export type Ranges = readonly (readonly [number, number])[];

/** When a box was so. */
export interface Intervals {
  /** Sorted, not overlapping, ns since the recording began. */
  readonly ranges: Ranges;
  /** Sum of their lengths, ns. */
  readonly length: number;
  /** Rows that they come from, those that go on still included. */
  readonly waits: number;
  /** Rows that are no intervals and are left out: short waits that were summed when they were recorded, and what thinning took. ns and their number. */
  readonly left: { readonly weight: number; readonly count: number };
}

const NOTHING: Intervals = { ranges: [], length: 0, waits: 0, left: { weight: 0, count: 0 } };

/** What a box is asked with: of `Selection` only what decides which stack ends in which box. */
export type BoxOf = Pick<Selection, 'transforms' | 'stacks'>;

const questionsOfLane = new WeakMap<Lane, { readonly profile: Profile; readonly questions: Map<string, Question> }>();

/**
 * The intervals of a lane's rows whose stack lies under a box. `path` leads to it, root first, in the tree with this inversion and the
 * selection's transforms and stacks; `threads`: thread rows, null = all, less those in `without`. Rows are only looked at once: call it as often as rows come.
 * The answer is the same object as long as nothing changed. Of derived stacks only rows are taken whose stack is known already.
 */
export function intervalsOf(profile: Profile, lane: Lane, selection: BoxOf, path: readonly FunctionRef[], inverted: boolean, threads: readonly number[] | null, without: readonly number[] = []): Intervals {
  if (path.length === 0) return NOTHING;
  let known = questionsOfLane.get(lane);
  if (known === undefined || known.profile !== profile) questionsOfLane.set(lane, (known = { profile, questions: new Map<string, Question>() }));
  const { questions } = known;
  const key = JSON.stringify([selection.transforms, selection.stacks ?? null, path, inverted, threads, without]);
  let question = questions.get(key);
  if (question === undefined) {
    question = new Question(profile, lane, selection, path, inverted, threads, without);
    if (questions.size >= KEPT) questions.delete(questions.keys().next().value ?? '');
  } else questions.delete(key);
  questions.set(key, question);
  return question.answer();
}

/** The intervals that a selection's `during` names; null where it has none. No such lane: no intervals. */
export function duringOf(profile: Profile, selection: Selection): Intervals | null {
  const { during } = selection;
  if (during === undefined) return null;
  const lane = profile.lane(during.lane.kind, during.lane.name);
  return lane === null ? NOTHING : intervalsOf(profile, lane, boxOf(during, selection), during.path, during.inverted, during.threads, during.without);
}

/** How the box of a `during` is found: with the transforms and stacks that it was chosen with, else those of the selection. */
function boxOf(during: During, selection: Selection): BoxOf {
  const stacks = during.stacks ?? selection.stacks;
  return { transforms: during.transforms ?? selection.transforms, ...(stacks === undefined ? {} : { stacks }) };
}

/** What lies in both; null is all of time. */
export function intersected(a: TimeRanges, b: Ranges): Ranges {
  if (a === null) return b;
  const both: [number, number][] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const start = Math.max(a[i][0], b[j][0]);
    const end = Math.min(a[i][1], b[j][1]);
    if (end > start) both.push([start, end]);
    if (a[i][1] < b[j][1]) i++;
    else j++;
  }
  return both;
}

/**
 * The union of intervals in any order. Sorted by themselves, the starts and the ends are enough: after the k-th there is a gap
 * where the next start is greater than the k-th end, since then as many have ended as began.
 */
export function union(starts: Float64Array, ends: Float64Array): [number, number][] {
  starts.sort();
  ends.sort();
  const merged: [number, number][] = [];
  let begin = starts[0];
  for (let k = 0; k < starts.length; k++) {
    if (k + 1 < starts.length && starts[k + 1] <= ends[k]) continue;
    merged.push([begin, ends[k]]);
    begin = starts[k + 1];
  }
  return merged;
}

/** One box of one lane: what its rows were so far. */
class Question {
  readonly #profile: Profile;
  readonly #lane: Lane;
  readonly #box: BoxOf;
  readonly #path: readonly FunctionRef[];
  readonly #inverted: boolean;
  readonly #threads: ReadonlySet<number> | null;
  readonly #without: ReadonlySet<number>;
  #shape: Shape | null = null;
  #merged = false;
  #thinnings = -1;
  #chunk = 0;
  #row = 0;
  /** By node: how much of the path leads to it, the whole of it for what lies under the box; -1 off the path. */
  #matched = new Int32Array(256);
  #nodes = 0;
  /** Of rows: sorted, merged. */
  #ranges: [number, number][] = [];
  #length = 0;
  #waits = 0;
  #leftWeight = 0;
  #leftCount = 0;
  /** Intervals of rows that are not in `#ranges` yet. */
  #starts: number[] = [];
  #ends: number[] = [];
  /** By thread and stack as it was sampled: whether long waits with it were under the box, or elsewhere, once their derived stack was known. */
  readonly #places = new Map<number, number>();
  #open = '';
  #answer: Intervals | null = null;

  constructor(profile: Profile, lane: Lane, box: BoxOf, path: readonly FunctionRef[], inverted: boolean, threads: readonly number[] | null, without: readonly number[]) {
    this.#profile = profile;
    this.#lane = lane;
    this.#box = box;
    this.#path = path;
    this.#inverted = inverted;
    this.#threads = threads === null ? null : new Set(threads);
    this.#without = new Set(without);
  }

  answer(): Intervals {
    const shape = shapeFor(this.#profile, this.#lane, this.#box.transforms, this.#inverted);
    const merged = showsMerged(this.#lane, { ranges: null, threads: null, processes: null, ...this.#box });
    if (shape !== this.#shape || merged !== this.#merged || this.#thinnings !== this.#lane.thinnings) this.#restart(shape, merged);
    const taken = this.#takeRows();
    const until = this.#profile.info.durationNs;
    const since = this.#openSince(until);
    // What goes on grows with the recording, so its end is part of what the answer was made of.
    const open = since.length === 0 ? '' : `${since.join(' ')} ${until}`;
    if (!taken && open === this.#open && this.#answer !== null) return this.#answer;
    this.#open = open;
    const { ranges, length } = since.length === 0 ? { ranges: this.#ranges, length: this.#length }
      : joined(this.#ranges, this.#length, Float64Array.from(since), new Float64Array(since.length).fill(until));
    return (this.#answer = { ranges, length, waits: this.#waits + since.length, left: { weight: this.#leftWeight, count: this.#leftCount } });
  }

  #restart(shape: Shape, merged: boolean): void {
    this.#shape = shape;
    this.#merged = merged;
    this.#thinnings = this.#lane.thinnings;
    this.#chunk = this.#row = this.#nodes = this.#length = this.#waits = this.#leftWeight = this.#leftCount = 0;
    this.#ranges = [];
    this.#places.clear();
    this.#answer = null;
  }

  /** Takes the rows since last time; true where one lay under the box. */
  #takeRows(): boolean {
    const { chunks } = this.#lane;
    const before = this.#waits + this.#leftCount;
    for (; this.#chunk < chunks.length; this.#chunk++, this.#row = 0) {
      const chunk = chunks[this.#chunk];
      const to = this.#merged ? chunk.mergedRows : chunk.rows;
      if (this.#row < to) this.#takeChunk(chunk, this.#row, to);
      this.#row = Math.max(this.#row, to);
      if (this.#chunk === chunks.length - 1 || to < chunk.rows) break;
    }
    if (this.#starts.length > 0) {
      const { ranges, length } = joined(this.#ranges, this.#length, Float64Array.from(this.#starts), Float64Array.from(this.#ends));
      this.#ranges = ranges;
      this.#length = length;
      this.#starts = [];
      this.#ends = [];
    }
    return this.#waits + this.#leftCount !== before;
  }

  #takeChunk(chunk: Chunk, from: number, to: number): void {
    const stacks = this.#merged && chunk.merged !== null ? chunk.merged : chunk.stack;
    const threads = this.#threads;
    const without = this.#without;
    for (let row = from; row < to; row++) {
      const stack = stacks[row];
      if (stack < 0 || (threads !== null && !threads.has(chunk.thread[row])) || (without.size > 0 && without.has(chunk.thread[row]))) continue;
      const under = this.#isUnder(stack);
      const duration = chunk.duration.get(row);
      if (this.#merged && duration >= LONG) {
        const key = placeKey(chunk.thread[row], chunk.stack[row]);
        this.#places.set(key, (this.#places.get(key) ?? 0) | (under ? UNDER : ELSEWHERE));
      }
      if (!under) continue;
      const weight = chunk.weight.get(row);
      // Summed waits lie somewhere in their span, and do not fill it. A thinned row has more weight than its own interval.
      if (weight < duration * (1 - 1e-9) || !(duration > 0)) {
        this.#leftWeight += weight;
        this.#leftCount += chunk.count.get(row);
        continue;
      }
      this.#waits++;
      this.#starts.push(chunk.timeAt(row));
      this.#ends.push(chunk.timeAt(row) + duration);
      if (weight > duration * (1 + 1e-9)) {
        this.#leftWeight += weight - duration;
        this.#leftCount += chunk.count.get(row) - 1;
      }
    }
  }

  #openSince(until: number): number[] {
    const since: number[] = [];
    const { lanes, open } = this.#profile;
    for (const one of open) {
      if (lanes[one.lane] !== this.#lane || one.stack < 0 || one.since >= until) continue;
      if ((this.#threads !== null && !this.#threads.has(one.thread)) || this.#without.has(one.thread)) continue;
      // A wait that goes on has no derived stack yet: it is where all earlier ones of the same thread with the same stack were; where
      // there were none, where its own stack is, as in the tree.
      const place = this.#merged ? this.#places.get(placeKey(one.thread, one.stack)) : undefined;
      if (place === undefined ? this.#isUnder(one.stack) : place === UNDER) since.push(one.since);
    }
    return since.sort((a, b) => a - b);
  }

  #isUnder(stack: number): boolean {
    const shape = this.#shape;
    if (shape === null) return false;
    const map = shape.toNode();
    let node = map[stack];
    if (node === UNSEEN) node = shape.place(stack);
    if (node < 0) return false;
    if (node >= this.#nodes) this.#matchNodes(shape);
    return this.#matched[node] === this.#path.length;
  }

  // A parent has the smaller number: one loop over the nodes that are new.
  #matchNodes(shape: Shape): void {
    const { nodes } = shape;
    const length = nodes.length;
    if (length > this.#matched.length) {
      const more = new Int32Array(Math.max(length, this.#matched.length * 2));
      more.set(this.#matched);
      this.#matched = more;
    }
    const matched = this.#matched;
    const path = this.#path;
    for (let node = this.#nodes; node < length; node++) {
      const parent = nodes.parent.get(node);
      const above = parent < 0 ? 0 : matched[parent];
      matched[node] = above < 0 || above === path.length ? above
        : sameFunction(this.#profile, nodes.fn.get(node) as FunctionId, path[above]) ? above + 1 : -1;
    }
    this.#nodes = length;
  }
}

function placeKey(thread: number, stack: number): number {
  return thread * 0x1_0000_0000 + stack;
}

/** Merged ranges with more intervals: only those from the first that a new one can meet are looked at again. `length`: sum of the ranges. */
function joined(ranges: readonly [number, number][], length: number, starts: Float64Array, ends: Float64Array): { ranges: [number, number][]; length: number } {
  let least = Infinity;
  for (const start of starts) if (start < least) least = start;
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ranges[middle][1] < least) low = middle + 1;
    else high = middle;
  }
  const again = ranges.length - low;
  const allStarts = new Float64Array(starts.length + again);
  const allEnds = new Float64Array(starts.length + again);
  allStarts.set(starts);
  allEnds.set(ends);
  let sum = length;
  for (let i = 0; i < again; i++) {
    const [start, end] = ranges[low + i];
    allStarts[starts.length + i] = start;
    allEnds[starts.length + i] = end;
    sum -= end - start;
  }
  const tail = union(allStarts, allEnds);
  for (const [start, end] of tail) sum += end - start;
  return { ranges: ranges.slice(0, low).concat(tail), length: sum };
}
