// A CPU profile of V8: Profiler.Profile of the inspector protocol
// (https://chromedevtools.github.io/devtools-protocol/v8/Profiler/#type-Profile), what `node --cpu-prof` and Chrome write as
// .cpuprofile. `nodes` are the call tree, `samples` the node that was on top at each moment, `timeDeltas` the microseconds
// between them. Before Node 12 there was a tree `head` with `children` in place of `nodes`, and `timestamps` in place of deltas;
// the oldest ones have only a number of hits for each node.
import type { StackId } from '#core/model/ids';
import { NO_STACK } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import type { Json, JsonObject } from '../json.ts';
import { asArray, asNumber, isObject } from '../json.ts';
import type { CallFrame, V8Frames, V8State } from './call-frame.ts';
import { callFrameOf, isNode, stateOf } from './call-frame.ts';

/** Samples of a profile, in order of time. Times in microseconds of V8's clock. */
export interface CpuSamples {
  /** NO_STACK where V8 was idle. */
  readonly stacks: readonly StackId[];
  readonly times: Float64Array;
  /** How long each sample's stack ran: until the next sample, the last one until the end. */
  readonly lasts: Float64Array;
  /** 1 where V8 had nothing to do. */
  readonly idle: Uint8Array;
  readonly start: number;
  readonly end: number;
}

interface Node {
  readonly frame: CallFrame;
  readonly state: V8State;
  parent: number;
  /** Hits in lines of the function, flat: line, hits. Which sample was in which line is not known. */
  readonly ticks: readonly number[];
  readonly hits: number;
}

/** Reads a profile's value; null when it is none. What is damaged is counted in `profile.skip`. */
export function readCpuProfile(value: Json, profile: Profile, frames: V8Frames): CpuSamples | null {
  if (!isObject(value)) return null;
  const ids = new Map<number, number>();
  const nodes = isNode(value['head']) ? fromTree(value['head'], ids) : fromList(asArray(value['nodes']), ids, profile);
  if (nodes === null || nodes.length === 0) return null;
  const stacks = new NodeStacks(nodes, profile, frames);
  const samples = asArray(value['samples']);
  return samples.length > 0 ? fromSamples(value, samples, nodes, ids, stacks, profile) : fromHits(value, nodes, stacks);
}

function fromList(list: readonly Json[], ids: Map<number, number>, profile: Profile): Node[] | null {
  const nodes: Node[] = [];
  const children: (readonly Json[])[] = [];
  for (const item of list) {
    if (!isNode(item)) {
      profile.skip('nodes that are no calls');
      continue;
    }
    ids.set(asNumber(item['id'], -1), nodes.length);
    nodes.push(nodeOf(item));
    children.push(asArray(item['children']));
  }
  for (const [row, of] of children.entries()) {
    for (const id of of) {
      const child = ids.get(asNumber(id, -2));
      if (child === undefined || child === row || nodes[child].parent >= 0) profile.skip('callees that the file does not list');
      else nodes[child].parent = row;
    }
  }
  // Other writers name the parent instead (Chrome's traces).
  for (const [row, item] of list.entries()) {
    if (nodes.length !== list.length || !isObject(item) || item['parent'] === undefined) break;
    const parent = ids.get(asNumber(item['parent'], -2));
    if (parent !== undefined && parent !== row && nodes[row].parent < 0) nodes[row].parent = parent;
  }
  return nodes;
}

function fromTree(head: JsonObject, ids: Map<number, number>): Node[] {
  const nodes: Node[] = [];
  const waiting: { readonly item: JsonObject; readonly parent: number }[] = [{ item: head, parent: -1 }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const row = nodes.push({ ...nodeOf(next.item), parent: next.parent }) - 1;
    ids.set(asNumber(next.item['id'], -1 - row), row);
    for (const child of asArray(next.item['children'])) if (isNode(child)) waiting.push({ item: child, parent: row });
  }
  return nodes;
}

function nodeOf(item: JsonObject): Node {
  const frame = callFrameOf(item);
  const ticks: number[] = [];
  for (const tick of asArray(item['positionTicks'] ?? item['lineTicks'])) {
    if (!isObject(tick)) continue;
    const line = asNumber(tick['line'], 0);
    const hits = asNumber(tick['ticks'] ?? tick['hitCount'], 0);
    // These lines are 1-based, unlike the function's.
    if (line > 0 && line < 0x7fff_ffff && hits > 0) ticks.push(Math.floor(line), hits);
  }
  return { frame, state: stateOf(frame), parent: -1, ticks, hits: Math.max(0, asNumber(item['hitCount'], 0)) };
}

/** Stacks of nodes, made when first asked for. Callers stand for the whole function, the top for the line that ran. */
class NodeStacks {
  readonly #nodes: readonly Node[];
  readonly #profile: Profile;
  readonly #frames: V8Frames;
  readonly #callers: Int32Array;
  /** Samples of a node that were given a line, and the place in its ticks. */
  readonly #given: Int32Array;

  constructor(nodes: readonly Node[], profile: Profile, frames: V8Frames) {
    this.#nodes = nodes;
    this.#profile = profile;
    this.#frames = frames;
    this.#callers = new Int32Array(nodes.length).fill(-2);
    this.#given = new Int32Array(nodes.length);
  }

  /** The stack of the node's next sample: its samples are shared out over the lines that were hit, in the order of the lines. */
  next(row: number): StackId {
    const node = this.#nodes[row];
    const { ticks } = node;
    if (ticks.length === 0) return this.#caller(row);
    let at = this.#given[row]++;
    let tick = 0;
    while (tick + 2 < ticks.length && at >= ticks[tick + 1]) {
      at -= ticks[tick + 1];
      tick += 2;
    }
    return this.at(row, ticks[tick]);
  }

  /** The stack of a node at a line of its function; 0 for the function as a whole. */
  at(row: number, line: number): StackId {
    const node = this.#nodes[row];
    if (line === 0) return this.#caller(row);
    const up = node.parent < 0 ? NO_STACK : this.#caller(node.parent);
    return this.#profile.stacks.intern(up, this.#frames.id(node.frame, line));
  }

  // Parents first. A damaged file may have a ring of callers: it ends where a node comes a second time.
  #caller(row: number): StackId {
    const chain: number[] = [];
    let at = row;
    while (at >= 0 && this.#callers[at] === -2) {
      this.#callers[at] = NO_STACK;
      chain.push(at);
      at = this.#nodes[at].parent;
    }
    let stack = (at < 0 ? NO_STACK : this.#callers[at]) as StackId;
    for (let i = chain.length - 1; i >= 0; i--) {
      const node = this.#nodes[chain[i]];
      if (node.state !== 'root') stack = this.#profile.stacks.intern(stack, this.#frames.id(node.frame));
      this.#callers[chain[i]] = stack;
    }
    return stack;
  }
}

function fromSamples(value: JsonObject, samples: readonly Json[], nodes: readonly Node[], ids: ReadonlyMap<number, number>, stacks: NodeStacks, profile: Profile): CpuSamples | null {
  const deltas = asArray(value['timeDeltas']);
  const stamps = asArray(value['timestamps']);
  const rows = new Int32Array(samples.length);
  const times = new Float64Array(samples.length);
  const start = asNumber(value['startTime'], 0);
  let count = 0;
  // Old files count their start in whole seconds and their samples in microseconds; the first stamp is the start itself.
  let first = stamps.length > 0 ? asNumber(stamps[0], start * 1e6) : start;
  let now = first;
  let back = 0;
  let unknown = 0;
  for (let i = 0; i < samples.length; i++) {
    const at = stamps.length > 0 ? asNumber(stamps[i], now) : now + asNumber(deltas[i], 0);
    if (at < now) back++;
    now = at;
    const row = ids.get(asNumber(samples[i], -2));
    if (row === undefined) {
      unknown++;
      continue;
    }
    rows[count] = row;
    times[count++] = at;
  }
  if (unknown > 0) profile.skip('samples of calls that the file does not list', unknown);
  if (count === 0) return null;
  if (back > 0) {
    profile.skip('samples that go back in time (put in order)', back);
    sort(rows, times, count);
  }
  first = Math.min(first, times[0]);
  // A file without any time: every sample counts as one interval of V8's usual length.
  const timed = times[count - 1] > times[0] || deltas.length > 0 || stamps.length > 0;
  const end = stamps.length > 0 ? times[count - 1] : Math.max(asNumber(value['endTime'], 0), times[count - 1]);
  const lasts = new Float64Array(count);
  const idle = new Uint8Array(count);
  const found: StackId[] = [];
  for (let i = 0; i < count; i++) {
    lasts[i] = !timed ? 1000 : i + 1 < count ? times[i + 1] - times[i] : end - times[i];
    idle[i] = nodes[rows[i]].state === 'idle' ? 1 : 0;
    found.push(idle[i] === 1 ? NO_STACK : stacks.next(rows[i]));
  }
  return { stacks: found, times: times.subarray(0, count), lasts, idle, start: first, end };
}

/** A profile without samples: the time is shared out by the number of hits. */
function fromHits(value: JsonObject, nodes: readonly Node[], stacks: NodeStacks): CpuSamples | null {
  let hits = 0;
  for (const node of nodes) hits += node.hits;
  if (!(hits > 0 && Number.isFinite(hits))) return null;
  const start = asNumber(value['startTime'], 0);
  const end = asNumber(value['endTime'], 0);
  // Seconds in the oldest files, microseconds since.
  const span = end > start ? (end - start) * (end - start < 1e5 && !Number.isInteger(start) ? 1e6 : 1) : hits * 1000;
  const found: StackId[] = [];
  const lasts: number[] = [];
  const idle: number[] = [];
  for (const [row, node] of nodes.entries()) {
    // Lines with their hits; what no line was told for is the function's.
    const runs: number[] = [...node.ticks];
    const rest = node.hits - node.ticks.reduce((sum, value, i) => (i % 2 === 1 ? sum + value : sum), 0);
    if (rest > 0) runs.push(0, rest);
    for (let i = 0; i < runs.length && node.hits > 0; i += 2) {
      found.push(stacks.at(row, runs[i]));
      lasts.push((span * runs[i + 1]) / hits);
      idle.push(node.state === 'idle' ? 1 : 0);
    }
  }
  return { stacks: found, times: new Float64Array(found.length).fill(start), lasts: Float64Array.from(lasts), idle: Uint8Array.from(idle), start, end: start + span };
}

function sort(rows: Int32Array, times: Float64Array, count: number): void {
  const order = Array.from({ length: count }, (_, i) => i).sort((a, b) => times[a] - times[b] || a - b);
  const before = { rows: rows.slice(0, count), times: times.slice(0, count) };
  for (const [to, from] of order.entries()) {
    rows[to] = before.rows[from];
    times[to] = before.times[from];
  }
}
