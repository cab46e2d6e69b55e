import type { FunctionId } from '#core/model/ids';
import type { Chunk, Lane } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import type { NodeSums } from './chunk-sums.ts';
import { PARTS, boundsOfParts, rowsOfPart } from './chunk-sums.ts';
import { isHeld } from './memory.ts';
import { UNSEEN } from './nodes.ts';
import { Share, overlap, within } from './ranges.ts';
import type { Shape } from './shape.ts';
import { sameFunction, shapeFor } from './shape.ts';
import { threadMask } from './thread-mask.ts';
import type { FunctionRef, Selection } from './view.ts';

/**
 * A lane's samples within a selection, merged by function. Columns of integers inside; a parent has a smaller number than
 * its children. Trees of one lane with the same transforms and direction share their nodes, so that a node keeps its number
 * when the range changes; a node without samples in the selection has a total of 0 and is not to be drawn.
 *
 * A lane of held memory has gains and losses, and a picture has no room for less than nothing: each stack that gained counts with
 * its gain, each that lost with 0. So a parent is as wide as its children, and a leak shows also where the whole shrank. The `net`
 * numbers have the losses, for tables. Where nothing can have been lost (from the start to a moment) the two are the same.
 */
export class CallTree {
  readonly profile: Profile;
  readonly lane: Lane;
  readonly selection: Selection;
  readonly inverted: boolean;
  /** Weights are gains and losses: `net` numbers may be negative, and differ from the others. */
  readonly signed: boolean;
  #shape: Shape;
  #length = 0;
  #total = 0;
  #samples = 0;
  #outside = 0;
  #revision = 0;
  /** How far the lane's rows were taken. */
  #chunk = 0;
  #row = 0;
  /** Thinnings of the lane that are taken: another one means that rows were counted that are not there any more. */
  #thinnings = 0;
  #merged = false;
  #self = new Float64Array(0);
  #selfSamples = new Float64Array(0);
  #totals = new Float64Array(0);
  #totalSamples = new Float64Array(0);
  /** Revisions that totals and total samples are of. */
  #summed = -1;
  #summedSamples = -1;
  /** Of a signed tree: sums of gains and losses, and what all gains come to. */
  #nets = new Float64Array(0);
  #netSamples = new Float64Array(0);
  #netted = -1;
  #nettedSamples = -1;
  #gains = { revision: -1, total: 0, samples: 0 };
  #threads: Uint8Array | null = null;
  #threadsKnown = -1;
  /** What goes on still, as it was last added: node by node. It is taken out again before the next time. */
  #openNodes: number[] = [];
  #openWeights: number[] = [];

  /** Takes all rows that are there; `update` takes what came since. */
  constructor(profile: Profile, lane: Lane, selection: Selection, inverted: boolean) {
    this.profile = profile;
    this.lane = lane;
    this.selection = selection;
    this.inverted = inverted;
    this.signed = isHeld(lane);
    this.#shape = shapeFor(profile, lane, selection.transforms, inverted);
    this.#thinnings = lane.thinnings;
    this.#merged = showsMerged(lane, selection);
    this.update();
  }

  /** Changes when node numbers change their meaning. Equal for two trees whose nodes have the same numbers. */
  get generation(): number {
    return this.#shape.id;
  }

  /** Grows with every update that changed something. */
  get revision(): number {
    return this.#revision;
  }

  /** Nodes, those without samples in the selection included. */
  get length(): number {
    return this.#length;
  }

  /** Weight of all nodes together, in the lane's unit. */
  get total(): number {
    return this.signed ? this.#gained().total : this.#total;
  }

  /** Real samples in it; of held memory the blocks. */
  get samples(): number {
    return this.signed ? this.#gained().samples : this.#samples;
  }

  /** As `total`, less what was lost. */
  get net(): number {
    return this.#total;
  }

  /** Weight in the selection that has no box: rows without a stack, and what transforms took out. */
  get outside(): number {
    return this.#outside;
  }

  /** True where its stacks are the lane's derived ones: rows are taken as far as those are known. */
  get merged(): boolean {
    return this.#merged;
  }

  /**
   * Gives its memory to the next tree of the same shape: a range that is dragged makes many trees, and fresh memory costs more
   * than the sums. The tree is empty from then on.
   */
  release(): void {
    for (const column of [this.#self, this.#selfSamples, this.#totals, this.#totalSamples, this.#nets, this.#netSamples]) if (column.length > 0) this.#shape.spare.push(column);
    this.#self = this.#selfSamples = this.#totals = this.#totalSamples = this.#nets = this.#netSamples = new Float64Array(0);
    this.#length = this.#total = this.#samples = this.#outside = 0;
    this.#chunk = Infinity;
    this.#revision++;
  }

  /** Takes rows and name patches since last time; true if anything changed. */
  update(): boolean {
    if (this.#chunk === Infinity) return false;
    const shape = shapeFor(this.profile, this.lane, this.selection.transforms, this.inverted);
    const merged = showsMerged(this.lane, this.selection);
    const rebuilt = shape !== this.#shape || this.lane.thinnings !== this.#thinnings || merged !== this.#merged;
    const open = this.#closeOpen();
    if (rebuilt) {
      this.#merged = merged;
      this.#thinnings = this.lane.thinnings;
      this.#shape = shape;
      this.#chunk = this.#row = 0;
      this.#total = this.#samples = this.#outside = 0;
      this.#self.fill(0);
      this.#selfSamples.fill(0);
    }
    const taken = this.#takeRows() || rebuilt;
    const changed = this.#addOpen() || open || taken;
    if (changed) {
      this.#length = shape.nodes.length;
      this.#room(this.#length);
      this.#revision++;
    }
    return changed;
  }

  parent(node: number): number {
    return this.#shape.nodes.parent.get(node);
  }

  fn(node: number): FunctionId {
    return this.#shape.nodes.fn.get(node) as FunctionId;
  }

  /** A source line that was seen in the function at this node, 0 where none is known. */
  line(node: number): number {
    return this.#shape.nodes.line.get(node);
  }

  /** 0 for a root. */
  depth(node: number): number {
    return this.#shape.nodes.depth.get(node);
  }

  /** Weight of the node less its callees'. */
  self(node: number): number {
    return this.signed ? Math.max(0, this.#self[node]) : this.#self[node];
  }

  /** Weight of the node with its callees'. */
  totalOf(node: number): number {
    return this.totals()[node];
  }

  selfSamples(node: number): number {
    return this.signed ? this.#gainedSamples(node) : this.#selfSamples[node];
  }

  samplesOf(node: number): number {
    if (this.#summedSamples !== this.#revision) {
      this.#totalSamples = this.#sum(this.#selfSamples, this.#totalSamples, this.signed ? (at) => this.#gainedSamples(at) : null);
      this.#summedSamples = this.#revision;
    }
    return this.#totalSamples[node];
  }

  /** As `self`, `totalOf`, `selfSamples` and `samplesOf`, less what was lost. */
  netSelf(node: number): number {
    return this.#self[node];
  }

  netOf(node: number): number {
    return this.nets()[node];
  }

  netSelfSamples(node: number): number {
    return this.#selfSamples[node];
  }

  netSamplesOf(node: number): number {
    if (!this.signed) return this.samplesOf(node);
    if (this.#nettedSamples !== this.#revision) {
      this.#netSamples = this.#sum(this.#selfSamples, this.#netSamples);
      this.#nettedSamples = this.#revision;
    }
    return this.#netSamples[node];
  }

  /** As `totals`, less what was lost. */
  nets(): Float64Array {
    if (!this.signed) return this.totals();
    if (this.#netted !== this.#revision) {
      this.#nets = this.#sum(this.#self, this.#nets);
      this.#netted = this.#revision;
    }
    return this.#nets;
  }

  /** Totals of all nodes; valid until the next update. For loops over the whole tree. */
  totals(): Float64Array {
    if (this.#summed !== this.#revision) {
      this.#totals = this.#sum(this.#self, this.#totals, this.signed ? (at) => Math.max(0, this.#self[at]) : null);
      this.#summed = this.#revision;
    }
    return this.#totals;
  }

  /** Parents of all nodes; valid until the next update. */
  parents(): Int32Array {
    return this.#shape.nodes.parent.view(0, this.#length);
  }

  /** Functions of all nodes; valid until the next update. */
  functions(): Int32Array {
    return this.#shape.nodes.fn.view(0, this.#length);
  }

  /** Children in the order in which they were made; -1 gives the roots. Valid until the next update. */
  children(node: number): Int32Array {
    return this.#shape.nodes.children(node, this.#length);
  }

  refOf(node: number): FunctionRef {
    const functions = this.profile.functions;
    const fn = this.fn(node);
    return { name: functions.nameOf(fn), file: functions.fileOf(fn), library: functions.libraryOf(fn) };
  }

  /** Functions from the root to the node; -1 gives the empty path. */
  pathOf(node: number): FunctionRef[] {
    const path: FunctionRef[] = [];
    for (let at = node; at >= 0; at = this.parent(at)) path.push(this.refOf(at));
    return path.reverse();
  }

  /** The node at a path, root first; -1 where there is none or the path is empty. */
  nodeOf(path: readonly FunctionRef[]): number {
    if (path.length === 0) return -1;
    // Two rows of the function table can carry the same names (another kind), so more than one node can be at a path.
    let at = [-1];
    for (const ref of path) {
      const next: number[] = [];
      for (const node of at) for (const child of this.children(node)) if (sameFunction(this.profile, this.fn(child), ref)) next.push(child);
      if (next.length === 0) return -1;
      at = next;
    }
    return at.reduce((best, node) => (this.totalOf(node) > this.totalOf(best) ? node : best));
  }

  #room(nodes: number): void {
    if (nodes <= this.#self.length) return;
    const size = Math.max(nodes, this.#self.length * 2, 256);
    const self = this.#shape.zeros(size);
    self.set(this.#self);
    this.#self = self;
    const samples = this.#shape.zeros(size);
    samples.set(this.#selfSamples);
    this.#selfSamples = samples;
  }

  /** A place that lost bytes is not in the picture, so neither are its blocks. */
  #gainedSamples(node: number): number {
    return this.#self[node] > 0 ? Math.max(0, this.#selfSamples[node]) : 0;
  }

  #gained(): { readonly total: number; readonly samples: number } {
    if (this.#gains.revision !== this.#revision) {
      let [total, samples] = [0, 0];
      for (let node = 0; node < this.#length; node++) {
        if (!(this.#self[node] > 0)) continue;
        total += this.#self[node];
        samples += this.#gainedSamples(node);
      }
      this.#gains = { revision: this.#revision, total, samples };
    }
    return this.#gains;
  }

  // One reverse loop: a child is always met before its parent.
  #sum(own: Float64Array<ArrayBuffer>, into: Float64Array<ArrayBuffer>, taken: ((node: number) => number) | null = null): Float64Array<ArrayBuffer> {
    const sums = into.length < own.length ? this.#shape.column(own.length) : into;
    if (taken === null) sums.set(own);
    else for (let node = 0; node < this.#length; node++) sums[node] = taken(node);
    const parent = this.parents();
    for (let node = this.#length - 1; node >= 0; node--) {
      const up = parent[node];
      const value = sums[node];
      if (value !== 0 && up >= 0) sums[up] += value;
    }
    return sums;
  }

  #takeRows(): boolean {
    const chunks = this.lane.chunks;
    let taken = false;
    this.#threads = this.#threadMask();
    for (; this.#chunk < chunks.length; this.#chunk++, this.#row = 0) {
      if (this.#row === 0 && this.#threads === null && this.#isClosed(this.#chunk)) {
        const whole = this.#wholeChunks(this.#chunk);
        if (whole > 0) {
          const sums = this.#shape.blocks(this.#merged).from(this.#chunk, this.#chunk + whole);
          this.#takeSums(sums);
          this.#chunk += sums.chunks - 1;
          taken = true;
        } else taken = this.#takeParts(this.#chunk) || taken;
        continue;
      }
      const chunk = chunks[this.#chunk];
      const to = this.#merged ? chunk.mergedRows : chunk.rows;
      if (this.#row < to) {
        taken = this.#takeChunk(chunk, this.#row, to) || taken;
        this.#row = to;
      }
      // The last chunk may grow, and derived stacks trail behind.
      if (this.#chunk === chunks.length - 1 || to < chunk.rows) break;
    }
    return taken;
  }

  // Intervals that have not ended, up to the end of what is recorded: never rows, so that no row has to be rewritten.
  #addOpen(): boolean {
    if (!this.lane.intervals || this.profile.open.length === 0) return false;
    const { lanes, info, open } = this.profile;
    const shape = this.#shape;
    for (const one of open) {
      if (lanes[one.lane] !== this.lane || one.stack < 0) continue;
      if (this.#threads !== null && (one.thread < 0 || this.#threads[one.thread] !== 1)) continue;
      const weight = overlap(this.selection.ranges, one.since, info.durationNs);
      if (!(weight > 0)) continue;
      let node = shape.toNode()[one.stack];
      if (node === UNSEEN) node = shape.place(one.stack);
      if (node < 0) continue;
      this.#room(shape.nodes.length);
      this.#self[node] += weight;
      this.#selfSamples[node]++;
      this.#total += weight;
      this.#samples++;
      this.#openNodes.push(node);
      this.#openWeights.push(weight);
    }
    return this.#openNodes.length > 0;
  }

  #closeOpen(): boolean {
    const any = this.#openNodes.length > 0;
    for (const [i, node] of this.#openNodes.entries()) {
      this.#self[node] -= this.#openWeights[i];
      this.#selfSamples[node]--;
      this.#total -= this.#openWeights[i];
      this.#samples--;
    }
    this.#openNodes.length = this.#openWeights.length = 0;
    return any;
  }

  /** Whether no row, and no derived stack, can come to a chunk any more. */
  #isClosed(index: number): boolean {
    const { chunks } = this.lane;
    return index < chunks.length - 1 && (!this.#merged || chunks[index].mergedRows === chunks[index].rows);
  }

  /** How many chunks from this one on are closed and lie in the selection whole. */
  #wholeChunks(first: number): number {
    const { chunks } = this.lane;
    let end = first;
    while (this.#isClosed(end) && within(this.selection.ranges, chunks[end].least, chunks[end].greatest) === 'all') end++;
    return end - first;
  }

  /** A closed chunk that lies in the selection in part: only parts with rows in it are looked at. */
  #takeParts(index: number): boolean {
    const chunk = this.lane.chunks[index];
    if (within(this.selection.ranges, chunk.least, chunk.greatest) === 'none') return false;
    const bounds = boundsOfParts(chunk);
    let taken = false;
    for (let part = 0; part < PARTS; part++) {
      const [least, greatest] = [bounds[part * 2], bounds[part * 2 + 1]];
      if (least > greatest || within(this.selection.ranges, least, greatest) === 'none') continue;
      taken = this.#takeChunk(chunk, ...rowsOfPart(chunk, part)) || taken;
    }
    return taken;
  }

  /** Sums rows from..to of a chunk; true where a row lay in the selection. */
  #takeChunk(chunk: Chunk, from: number, to: number): boolean {
    const inside = within(this.selection.ranges, chunk.least, chunk.greatest);
    if (inside === 'none') return false;
    const shape = this.#shape;
    let map = shape.toNode();
    this.#room(shape.nodes.length);
    let self = this.#self;
    let selfSamples = this.#selfSamples;
    const stacks = this.#merged && chunk.merged !== null ? chunk.merged : chunk.stack;
    const weights = chunk.weight.array;
    const counts = chunk.count.array;
    const oneWeight = chunk.weight.constant;
    const oneCount = chunk.count.constant;
    const mask = this.#threads;
    const threads = chunk.thread;
    const share = inside === 'some' ? new Share(chunk, this.selection.ranges ?? [], this.lane.intervals) : null;
    // One range and moments, by far the most often: two comparisons of ticks.
    const ticks = share?.ticks() ?? null;
    const first = ticks === null ? 0 : ticks[0];
    const last = ticks === null ? Infinity : ticks[1];
    const times = chunk.time;
    const parts = ticks === null ? share : null;
    let total = 0;
    let samples = 0;
    let outside = 0;
    let taken = false;

    for (let row = from; row < to; row++) {
      if (mask !== null && (threads[row] < 0 || mask[threads[row]] === 0)) continue;
      let weight = weights === null ? oneWeight : weights[row];
      const tick = times[row];
      if (tick < first || tick >= last) continue;
      if (parts !== null) {
        const part = parts.of(row);
        if (part === 0) continue;
        weight *= part;
      }
      taken = true;
      const stack = stacks[row];
      let node = stack < 0 ? stack : map[stack];
      if (node === UNSEEN) {
        node = shape.place(stack);
        map = shape.toNode();
        if (shape.nodes.length > self.length) {
          this.#room(shape.nodes.length);
          self = this.#self;
          selfSamples = this.#selfSamples;
        }
      }
      if (node < 0) {
        outside += weight;
        continue;
      }
      const count = counts === null ? oneCount : counts[row];
      self[node] += weight;
      selfSamples[node] += count;
      total += weight;
      samples += count;
    }
    this.#total += total;
    this.#samples += samples;
    this.#outside += outside;
    return taken;
  }

  #takeSums({ nodes, weights, counts, total, samples, outside }: NodeSums): void {
    this.#room(this.#shape.nodes.length);
    const self = this.#self;
    const selfSamples = this.#selfSamples;
    for (let i = 0; i < nodes.length; i++) {
      self[nodes[i]] += weights[i];
      selfSamples[nodes[i]] += counts[i];
    }
    this.#total += total;
    this.#samples += samples;
    this.#outside += outside;
  }

  // By thread row: 1 where the selection takes it; null where it takes all.
  #threadMask(): Uint8Array | null {
    const { length } = this.profile.threads;
    if (this.#threadsKnown === length && this.#threads !== null) return this.#threads;
    this.#threadsKnown = length;
    return threadMask(this.profile, this.selection);
  }
}

/** Whether a selection looks at a lane's derived stacks: where it says so, else where Python stacks were found. */
export function showsMerged(lane: Lane, selection: Selection): boolean {
  return selection.stacks === undefined ? lane.pythonMerged > 0 : selection.stacks === 'merged' && lane.mergedRows > 0;
}
