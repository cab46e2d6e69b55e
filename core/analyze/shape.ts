// The shape of a call tree apart from its weights: which node each stack ends in. Trees of the same lane with the same
// transforms share one, so that dragging a time range only sums numbers and node numbers stay what they were.
import { assertNever } from '#core/errors';
import type { FrameId, FunctionId } from '#core/model/ids';
import type { Lane } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import { NodeBlocks } from './chunk-sums.ts';
import { GONE, Mapping, NodeTable, ROOT, UNSEEN, grown } from './nodes.ts';
import type { FunctionRef, Transform } from './view.ts';

/** How many sets of transforms a lane keeps in readiness. */
const KEPT = 6;

interface LaneShapes {
  readonly profile: Profile;
  base: BaseShape;
  readonly shapes: Map<string, Shape>;
}

const shapesOfLane = new WeakMap<Lane, LaneShapes>();
let lastId = 0;

/** The shape that holds now: a new one when names that are already in it were patched. */
export function shapeFor(profile: Profile, lane: Lane, transforms: readonly Transform[], inverted: boolean): Shape {
  let known = shapesOfLane.get(lane);
  if (known === undefined || known.profile !== profile) {
    known = { profile, base: new BaseShape(profile, lane), shapes: new Map() };
    shapesOfLane.set(lane, known);
  } else if (known.base.outdated()) {
    known.base = new BaseShape(profile, lane);
    known.shapes.clear();
  }
  const key = JSON.stringify([inverted, transforms]);
  let shape = known.shapes.get(key);
  if (shape === undefined) {
    shape = new Shape(profile, lane, known.base, transforms, inverted);
    if (known.shapes.size >= KEPT) known.shapes.delete(known.shapes.keys().next().value ?? '');
  } else {
    known.shapes.delete(key);
  }
  known.shapes.set(key, shape);
  return shape;
}

/**
 * Stacks merged by function, inlined functions as nodes of their own. Of waiting time the kernel's frames are no nodes: the box
 * at the tip says which of them the thread waits in, and the way there is the same ten functions under every box.
 */
class BaseShape {
  readonly nodes = new NodeTable();
  readonly mapping: Mapping;
  readonly #profile: Profile;
  /** By frame: 0 not used here, 1 used, 2 used with inlined functions. */
  #used = new Uint8Array(1024);
  /** By frame: the function it stood for. */
  #function = new Int32Array(1024);
  #changes: number;

  constructor(profile: Profile, lane: Lane) {
    this.#profile = profile;
    this.#changes = profile.frames.changes.length;
    const { frames, functions } = profile;
    const skipsKernel = lane.kind === 'off-cpu';
    const frameOf = profile.stacks.frame;
    this.mapping = new Mapping(profile.stacks.prefix, ROOT, (stack, up) => {
      const frame = frameOf.get(stack) as FrameId;
      const fn = frames.function.get(frame);
      const inlined = frames.inlined.size > 0 ? frames.inlined.get(frame) : undefined;
      this.#mark(frame, fn, inlined === undefined ? 1 : 2);
      if (skipsKernel && functions.kindOf(fn as FunctionId) === 'kernel') return up;
      let node = this.nodes.child(up, fn, frames.line.get(frame));
      if (inlined !== undefined) for (const call of inlined) node = this.nodes.child(node, call.function, call.line);
      return node;
    });
  }

  /** Whether a patch since the last call changed what a node of ours is. */
  outdated(): boolean {
    const { changes, inlined, function: functions } = this.#profile.frames;
    for (; this.#changes < changes.length; this.#changes++) {
      const frame = changes.get(this.#changes);
      const used = frame < this.#used.length ? this.#used[frame] : 0;
      if (used === 0) continue;
      if (used === 2 || inlined.has(frame as FrameId) || this.#function[frame] !== functions.get(frame)) return true;
    }
    return false;
  }

  #mark(frame: number, fn: number, how: number): void {
    if (frame >= this.#used.length) {
      const size = Math.max(frame + 1, this.#used.length * 2);
      const used = new Uint8Array(size);
      used.set(this.#used);
      this.#used = used;
      const functions = new Int32Array(size);
      functions.set(this.#function);
      this.#function = functions;
    }
    this.#used[frame] = how;
    this.#function[frame] = fn;
  }
}

/** A tree's nodes and the way from a stack to its node, through transforms and, last, inversion. */
export class Shape {
  /** Different for every shape that was ever made. */
  readonly id = ++lastId;
  readonly nodes: NodeTable;
  /** Columns by node that trees gave back. */
  readonly spare: Float64Array<ArrayBuffer>[] = [];
  readonly #profile: Profile;
  readonly #steps: ((node: number) => number)[] = [];
  readonly #base: BaseShape;
  readonly #lane: Lane;
  /** Sums of the lane's whole chunks, by its own stacks and by the derived ones. */
  #blocks: { own: NodeBlocks | null; merged: NodeBlocks | null } = { own: null, merged: null };
  #toNode = new Int32Array(0);

  constructor(profile: Profile, lane: Lane, base: BaseShape, transforms: readonly Transform[], inverted: boolean) {
    this.#profile = profile;
    this.#base = base;
    this.#lane = lane;
    let nodes = base.nodes;
    for (const transform of transforms) {
      const mapping = transformed(profile, nodes, transform);
      this.#steps.push((node) => mapping.mapping.of(node));
      nodes = mapping.nodes;
    }
    if (inverted) {
      const turned = turn(nodes);
      this.#steps.push(turned.of);
      nodes = turned.nodes;
    }
    this.nodes = nodes;
  }

  blocks(merged: boolean): NodeBlocks {
    return (this.#blocks[merged ? 'merged' : 'own'] ??= new NodeBlocks(this.#lane, merged, (stack) => {
      const node = this.toNode()[stack];
      return node === UNSEEN ? this.place(stack) : node;
    }));
  }

  /** A column of zeros with room for so many nodes. */
  zeros(length: number): Float64Array<ArrayBuffer> {
    const column = this.#given(length);
    return column === null ? new Float64Array(length) : column.fill(0);
  }

  /** A column with room for so many nodes, of whatever numbers. */
  column(length: number): Float64Array<ArrayBuffer> {
    return this.#given(length) ?? new Float64Array(length);
  }

  #given(length: number): Float64Array<ArrayBuffer> | null {
    for (let column = this.spare.pop(); column !== undefined; column = this.spare.pop()) if (column.length >= length) return column;
    return null;
  }

  /** By stack: its node, GONE, or UNSEEN where `place` must be asked. Valid until the stack table grows. */
  toNode(): Int32Array {
    if (this.#steps.length === 0) {
      this.#base.mapping.grow();
      return this.#base.mapping.to;
    }
    this.#toNode = grown(this.#toNode, this.#profile.stacks.length);
    return this.#toNode;
  }

  /** The node that a stack ends in, or GONE. */
  place(stack: number): number {
    let node = this.#base.mapping.of(stack);
    if (this.#steps.length === 0) return node;
    for (const step of this.#steps) {
      if (node < 0) break;
      node = step(node);
    }
    if (node < 0) node = GONE;
    this.#toNode = grown(this.#toNode, stack + 1);
    this.#toNode[stack] = node;
    return node;
  }
}

/** The tree with callers and callees exchanged: each node's path is walked from its end. */
function turn(nodes: NodeTable): { nodes: NodeTable; of: (node: number) => number } {
  const turned = new NodeTable();
  return {
    nodes: turned,
    of(node) {
      let up = ROOT;
      for (let at = node; at >= 0; at = nodes.parent.get(at)) up = turned.child(up, nodes.fn.get(at), nodes.line.get(at));
      return up;
    },
  };
}

/**
 * One transform as a mapping from the nodes before it to the nodes after it.
 *
 *     focus f      samples through f, from the outermost f on
 *     merge f      f is taken out, its self time goes to its caller
 *     drop f       samples through f are taken out
 *     collapse-library l     a run of frames of l becomes its first frame
 *     collapse-recursion f   from the outermost f to an inner f is one f
 *     keep-reason r, drop-reason r   of waiting stacks, only those or all but those whose tip says r
 *     my-code      frames of others go to the frame of yours that called them; above your code one frame of theirs is kept
 */
function transformed(profile: Profile, from: NodeTable, transform: Transform): { nodes: NodeTable; mapping: Mapping } {
  const nodes = new NodeTable();
  const keep = (item: number, up: number): number => nodes.child(up, from.fn.get(item), from.line.get(item));
  const mapping = (start: number, step: (item: number, up: number) => number): { nodes: NodeTable; mapping: Mapping } =>
    ({ nodes, mapping: new Mapping(from.parent, start, step) });
  const functions = profile.functions;

  switch (transform.kind) {
    case 'focus': {
      const is = remembered((fn) => sameFunction(profile, fn, transform.fn));
      return mapping(GONE, (item, up) => (up >= 0 ? keep(item, up) : is(from.fn.get(item)) ? keep(item, ROOT) : GONE));
    }
    case 'merge': {
      const is = remembered((fn) => sameFunction(profile, fn, transform.fn));
      return mapping(ROOT, (item, up) => (is(from.fn.get(item)) ? up : keep(item, up)));
    }
    case 'drop': {
      const is = remembered((fn) => sameFunction(profile, fn, transform.fn));
      return mapping(ROOT, (item, up) => (up === GONE || is(from.fn.get(item)) ? GONE : keep(item, up)));
    }
    case 'collapse-library': {
      const is = remembered((fn) => functions.libraryOf(fn) === transform.library);
      return mapping(ROOT, (item, up) => (up >= 0 && is(from.fn.get(item)) && is(nodes.fn.get(up)) ? up : keep(item, up)));
    }
    case 'collapse-recursion': {
      const is = remembered((fn) => sameFunction(profile, fn, transform.fn));
      return mapping(ROOT, (item, up) => {
        if (!is(from.fn.get(item))) return keep(item, up);
        for (let at = up; at >= 0; at = nodes.parent.get(at)) if (is(nodes.fn.get(at))) return at;
        return keep(item, up);
      });
    }
    case 'my-code': {
      const is = remembered((fn) => functions.isOwn(fn));
      return mapping(ROOT, (item, up) => (up >= 0 && !is(from.fn.get(item)) ? up : keep(item, up)));
    }
    case 'keep-reason': {
      const wrong = remembered((fn) => isTip(profile, fn) && reasonOf(functions.nameOf(fn)) !== transform.reason);
      return mapping(ROOT, (item, up) => (wrong(from.fn.get(item)) ? GONE : keep(item, up)));
    }
    case 'drop-reason': {
      const wrong = remembered((fn) => isTip(profile, fn) && reasonOf(functions.nameOf(fn)) === transform.reason);
      return mapping(ROOT, (item, up) => (wrong(from.fn.get(item)) ? GONE : keep(item, up)));
    }
    default:
      return assertNever(transform);
  }
}

/** `lock` of `lock: futex_do_wait`; a tip that names no place is its reason. */
export function reasonOf(tip: string): string {
  const colon = tip.indexOf(': ');
  return colon < 0 ? tip : tip.slice(0, colon);
}

/** Whether a tip names what only looks like waiting: preempted, stopped by a profiler. */
export function isNoWait(tip: string): boolean {
  const reason = reasonOf(tip);
  return reason === 'preempted' || reason === '[stopped by a profiler]';
}

/** Whether a function is the box at the tip of a waiting stack, which says why it waits. */
function isTip(profile: Profile, fn: FunctionId): boolean {
  return profile.functions.kindOf(fn) === 'marker';
}

/** Whether a function row is the one that a reference names. */
export function sameFunction(profile: Profile, fn: FunctionId, ref: FunctionRef): boolean {
  const functions = profile.functions;
  return functions.nameOf(fn) === ref.name && functions.fileOf(fn) === ref.file && functions.libraryOf(fn) === ref.library;
}

/** A question about functions that is asked once for each. */
function remembered(question: (fn: FunctionId) => boolean): (fn: number) => boolean {
  let answers = new Int32Array(0);
  return (fn) => {
    if (fn >= answers.length) answers = grown(answers, fn + 1);
    if (answers[fn] === UNSEEN) answers[fn] = question(fn as FunctionId) ? 1 : 0;
    return answers[fn] === 1;
  };
}
