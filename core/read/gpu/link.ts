// Work of a GPU joined with the host's stack that asked for it: operation -> launch record, by (process, correlation id) -> the stack
// of the launching thread at the launch.
//
//     host    train.py > step > aten::mm > cudaLaunchKernel --+
//     GPU 0, stream 7                                         +-> sgemm ----     stack: train.py > step > aten::mm > cudaLaunchKernel > sgemm
//
// No operation is dropped: one without a launch record stands under `[no launch record]`, one of a CUDA graph under `[cuda graph]`.
// Every source of such records uses this: traces of PyTorch, reports of nsys. Records may come in any order.
//
// Lanes: `cuda` (ns of GPU time; count = operations), `gpu-idle` (ns; see idle.ts), and of kind `other` the bytes copied and the host's
// time in calls that wait for the GPU. A stream is a thread row of the process that used it, `GPU 0 stream 7`; idle time belongs to a
// row `GPU 0` of that process. So choosing a process or a rank shows its host threads and its GPUs together.
import { Float64Column, Int32Column } from '#core/model/column';
import type { FrameId, StackId, ThreadId } from '#core/model/ids';
import { NO_STACK } from '#core/model/ids';
import type { Lane, LaneFacts } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import type { HostMoments, HostSlices } from './host.ts';
import { sweep } from './host.ts';
import { IdleGaps } from './idle.ts';
import { sortEqual, sortRows } from './order.ts';
import { RowBuffer } from './rows.ts';

export const KERNEL = 0, COPY = 1, SET = 2, OTHER_WORK = 3;

/** What GPUs did, in any order. Times in whole ns on the clock of the host's slices. */
export class GpuOperations {
  /** A number of the process, from 0, that its owner gives; correlation ids are unique in it only. */
  readonly process = new Int32Column();
  readonly device = new Int32Column();
  readonly stream = new Int32Column();
  readonly start = new Float64Column();
  readonly duration = new Float64Column();
  /** -1 = none. */
  readonly correlation = new Float64Column();
  /** Id of the operator it was done for, where the source tells; -1 = none. */
  readonly external = new Float64Column();
  readonly frame = new Int32Column();
  readonly kind = new Int32Column();
  /** Bytes copied or set; 0 = none. */
  readonly bytes = new Float64Column();
  /** CUDA graph: -1 none, 0 one without a number. */
  readonly graph = new Float64Column();

  get length(): number {
    return this.process.length;
  }
}

/** Calls that may have asked for work, and operators with ids, in any order. */
export class Launches {
  readonly process = new Int32Column();
  readonly correlation = new Float64Column();
  readonly slice = new Int32Column();
  /** Of several with one id the least wins (runtime API 0, driver API 1), then the first in time. */
  readonly rank = new Int32Column();

  get length(): number {
    return this.process.length;
  }

  push(process: number, correlation: number, slice: number, rank: number): void {
    this.process.push(process);
    this.correlation.push(correlation);
    this.slice.push(slice);
    this.rank.push(rank);
  }
}

export interface LinkInput {
  readonly profile: Profile;
  readonly slices: HostSlices;
  readonly moments: HostMoments;
  readonly operations: GpuOperations;
  readonly launches: Launches;
  /** Operators by id, for operations whose launch record is missing; only asked for when there are any. */
  readonly operators: () => Launches;
  /** Thread rows by the numbers that the slices use. */
  readonly threads: readonly ThreadId[];
  readonly tolerance: number;
  /** A slice that a slice of another thread continues (backward: its forward operator); -1 = none. Absent: there are none. */
  readonly continues?: Int32Array | null;
  /** Frames that stand between an operator and what lies around it, root first, where the source gives a call stack instead of calls; null = none. */
  readonly callers?: ((slice: number) => readonly FrameId[] | null) | null;
  /** Thread row of a device (stream null) or a stream of it. Called once for each. */
  readonly gpuThread: (process: number, device: number, stream: number | null) => ThreadId;
  /** Added to every time, ns. */
  readonly shift: number;
  /** For the pane's header: `PyTorch profiler trace`. */
  readonly source: string;
  /** Lane of the host's own stretches (wall-clock time); null = none is wanted. */
  readonly hostLane: { readonly name: string; readonly source: string } | null;
  /** Lanes are emptied first: an earlier call saw only a part of the same input. */
  readonly again: boolean;
  /** GPU work may come later: its lanes are made already. */
  readonly expectsGpu?: boolean;
}

export interface LinkResult {
  readonly operations: number;
  /** Operations without a launch record, and those of them that an operator's id placed. */
  readonly unlaunched: number;
  readonly placedByOperator: number;
  /** Backward slices that continue a forward one. */
  readonly continued: number;
}

/** Host calls that return only when the GPU has done something. Copies without `Async` wait for the copy. */
const WAITS = /Synchronize|^(?:cuda|cu|hip)Memcpy(?!.*Async)/;
const GRAPH = /GraphLaunch/;

/** Joins everything and fills the lanes. */
export function linkGpu(input: LinkInput): LinkResult {
  const { profile, slices, operations, shift } = input;
  const launchOf = placesOf(input, input.launches, operations.process, operations.correlation, operations.length);
  const missing = launchOf.some((slice) => slice < 0);
  const operatorOf = missing ? placesOf(input, input.operators(), operations.process, operations.external, operations.length) : null;
  const asker = (at: number): number => (launchOf[at] >= 0 ? launchOf[at] : operatorOf === null ? -1 : operatorOf[at]);

  const rows = new Int32Array(operations.length);
  for (let i = 0; i < rows.length; i++) rows[i] = i;
  sortRows(rows, operations.start.view());
  sortEqual(rows, operations.start.view(), ownOrder(input, asker));
  const idle = new IdleGaps(input, rows, asker);

  const forward = continuation(input);
  const host = new RowBuffer(false, false);
  sweep({
    profile, slices, moments: input.moments, threads: input.threads.length, tolerance: input.tolerance, late: forward.late, below: forward.below, callers: input.callers ?? null,
    stretch: (thread, from, to, stack) => {
      if (stack !== NO_STACK) host.push(from, to - from, input.threads[thread], stack);
      idle.stretch(thread, from, to, stack);
    },
  });

  const marker = (name: string): FrameId => profile.frames.source(profile.functions.intern({ name, kind: 'marker' }));
  const threadOf = remembered(input.gpuThread);

  if (operations.length > 0 || input.expectsGpu === true) {
    const noRecord = marker('[no launch record]');
    let unlaunched = 0;
    let placedByOperator = 0;
    const busy = laneOf(input, { kind: 'cuda', unit: 'ns', name: 'cuda', source: input.source, intervals: true });
    const copied = new RowBuffer(true, false);
    for (const at of rows) {
      const slice = asker(at);
      if (launchOf[at] < 0) {
        unlaunched++;
        if (slice >= 0) placedByOperator++;
      }
      let stack = (slice >= 0 ? slices.stack[slice] : NO_STACK) as StackId;
      if (slice < 0) stack = profile.stacks.intern(stack, noRecord);
      const graph = graphOf(input, at, slice);
      if (graph !== '') stack = profile.stacks.intern(stack, marker(graph));
      stack = profile.stacks.intern(stack, operations.frame.get(at) as FrameId);
      const duration = operations.duration.get(at);
      const thread = threadOf(operations.process.get(at), operations.device.get(at), operations.stream.get(at));
      const start = operations.start.get(at);
      busy.push(start + shift, thread, stack, duration, 1, duration);
      if (operations.kind.get(at) === COPY && operations.bytes.get(at) > 0) copied.push(start, duration, thread, stack, operations.bytes.get(at));
    }
    idle.flush(laneOf(input, { kind: 'gpu-idle', unit: 'ns', name: 'gpu-idle', source: input.source, intervals: true }), shift, threadOf, marker);
    hostLane(input, host);
    if (copied.length > 0 || has(input, 'copied bytes')) copied.flush(laneOf(input, { kind: 'other', unit: 'bytes', name: 'copied bytes', source: input.source, intervals: true }), shift);
    const waits = waitsOf(input);
    if (waits.length > 0 || has(input, 'waits for the GPU')) {
      waits.flush(laneOf(input, { kind: 'other', unit: 'ns', name: 'waits for the GPU', source: `${input.source}, calls that wait`, intervals: true }), shift);
    }
    return { operations: operations.length, unlaunched, placedByOperator, continued: forward.count() };
  }
  hostLane(input, host);
  return { operations: 0, unlaunched: 0, placedByOperator: 0, continued: forward.count() };
}

/** Asks once for each place. Most operations are where the one before was. */
function remembered(gpuThread: LinkInput['gpuThread']): LinkInput['gpuThread'] {
  const known = new Map<string, ThreadId>();
  let last: { readonly process: number; readonly device: number; readonly stream: number | null; readonly row: ThreadId } | null = null;
  return (process, device, stream) => {
    if (last !== null && last.process === process && last.device === device && last.stream === stream) return last.row;
    const key = `${process} ${device} ${stream ?? ''}`;
    let row = known.get(key);
    if (row === undefined) known.set(key, (row = gpuThread(process, device, stream)));
    last = { process, device, stream, row };
    return row;
  };
}

function hostLane(input: LinkInput, host: RowBuffer): void {
  if (input.hostLane === null || host.length === 0) return;
  host.flush(laneOf(input, { kind: 'other', unit: 'ns', name: input.hostLane.name, source: input.hostLane.source, intervals: true }), input.shift);
}

function has(input: LinkInput, name: string): boolean {
  return input.profile.lane('other', name) !== null;
}

/** A lane that may be there from an earlier part or another rank. */
function laneOf(input: LinkInput, facts: LaneFacts): Lane {
  const { profile } = input;
  const known = profile.lane(facts.kind, facts.name);
  if (known !== null && input.again) known.clear();
  return known ?? profile.lanes[profile.addLane(facts)];
}

/** By operation: the slice with its id, -1 where there is none. Which of several does not depend on the order they came in. */
function placesOf(input: LinkInput, records: Launches, process: Int32Column, id: Float64Column, length: number): Int32Array {
  const found = new Int32Array(length).fill(-1);
  if (length === 0 || records.length === 0) return found;
  const tables = new Map<number, Map<number, number>>();
  for (let i = 0; i < records.length; i++) {
    const domain = records.process.get(i);
    let table = tables.get(domain);
    if (table === undefined) tables.set(domain, (table = new Map<number, number>()));
    const key = records.correlation.get(i);
    const known = table.get(key);
    if (known === undefined || isBefore(input, records, i, known)) table.set(key, i);
  }
  for (let i = 0; i < length; i++) {
    if (id.get(i) < 0) continue;
    const record = tables.get(process.get(i))?.get(id.get(i));
    if (record !== undefined) found[i] = records.slice.get(record);
  }
  return found;
}

function isBefore(input: LinkInput, records: Launches, a: number, b: number): boolean {
  const { slices } = input;
  const [x, y] = [records.slice.get(a), records.slice.get(b)];
  const difference = records.rank.get(a) - records.rank.get(b) || slices.start.get(x) - slices.start.get(y) || slices.duration.get(y) - slices.duration.get(x);
  return difference < 0 || (difference === 0 && sliceName(input, x) < sliceName(input, y));
}

/** An order of their own for operations that begin together: shuffled input gives the same rows. */
function ownOrder({ operations }: LinkInput, asker: (at: number) => number): (a: number, b: number) => number {
  const { process, device, stream, duration, correlation, frame } = operations;
  return (a, b) =>
    process.get(a) - process.get(b) || device.get(a) - device.get(b) || stream.get(a) - stream.get(b) || duration.get(a) - duration.get(b) ||
    correlation.get(a) - correlation.get(b) || Number(asker(a) < 0) - Number(asker(b) < 0) || frame.get(a) - frame.get(b);
}

function graphOf(input: LinkInput, at: number, slice: number): string {
  const graph = input.operations.graph.get(at);
  if (graph > 0) return `[cuda graph ${graph}]`;
  if (graph === 0) return '[cuda graph]';
  return slice >= 0 && GRAPH.test(sliceName(input, slice)) ? '[cuda graph]' : '';
}

function sliceName({ profile, slices }: LinkInput, slice: number): string {
  return profile.functions.nameOf(profile.frames.functionOf(slices.frame.get(slice) as FrameId));
}

/** What backward slices stand on: the stack of their forward operator, where that is of another thread. */
function continuation(input: LinkInput): { readonly late: Set<number>; readonly below: (slice: number) => StackId | null; readonly count: () => number } {
  const { profile, slices, continues } = input;
  const late = new Set<number>();
  if (continues === undefined || continues === null) return { late, below: () => null, count: () => 0 };
  for (let slice = 0; slice < continues.length; slice++) {
    const forward = continues[slice];
    if (forward >= 0 && slices.thread.get(forward) !== slices.thread.get(slice)) late.add(slices.thread.get(slice));
  }
  let count = 0;
  const backward = profile.frames.source(profile.functions.intern({ name: '[backward]', kind: 'marker' }));
  const below = (slice: number): StackId | null => {
    const forward = continues[slice];
    if (forward < 0 || slices.thread.get(forward) === slices.thread.get(slice)) return null;
    const stack = slices.stack[forward];
    if (stack < 0) return null;
    count++;
    return profile.stacks.intern(stack as StackId, backward);
  };
  return { late, below, count: () => count };
}

/** The host's time in calls that wait for the GPU: rows of the launching threads. */
function waitsOf(input: LinkInput): RowBuffer {
  const { slices, launches, profile } = input;
  const rows = new RowBuffer(false, false);
  const waits = new Map<number, boolean>();
  const seen = new Set<number>();
  for (let i = 0; i < launches.length; i++) {
    const slice = launches.slice.get(i);
    const frame = slices.frame.get(slice);
    let is = waits.get(frame);
    if (is === undefined) waits.set(frame, (is = WAITS.test(profile.functions.nameOf(profile.frames.functionOf(frame as FrameId)))));
    if (!is || seen.has(slice)) continue;
    seen.add(slice);
    rows.push(slices.start.get(slice), slices.duration.get(slice), input.threads[slices.thread.get(slice)], slices.stack[slice]);
  }
  return rows;
}
