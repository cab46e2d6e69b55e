// `[memory]` events: what PyTorch's allocators gave and took. Lanes `torch` (bytes allocated) and `torch held` (gains and losses), of kind
// `gpu-memory` for CUDA and `memory` for the host, and tracks with the allocator's own sums.
//
// A free is taken from the stack that allocated the block, told by its address. What was held before the trace began is one gain at
// time 0 under `[allocated before the trace]`, so that sums to any time are what the allocator says was allocated then.
import { Float64Column, Int32Column } from '#core/model/column';
import type { ProcessId, StackId, ThreadId } from '#core/model/ids';
import { NO_STACK, ns } from '#core/model/ids';
import type { Lane, LaneKind } from '#core/model/lane';
import type { Profile, Track } from '#core/model/profile';
import { sortEqual, sortRows } from '../gpu/order.ts';
import { RowBuffer } from '../gpu/rows.ts';

export class MemoryEvents {
  /** Number of the moment whose stack it has. */
  readonly moment = new Int32Column();
  readonly thread = new Int32Column();
  readonly time = new Float64Column();
  readonly bytes = new Float64Column();
  readonly address = new Float64Column();
  readonly allocated = new Float64Column();
  readonly reserved = new Float64Column();
  /** Device number; -1 is the host. */
  readonly device = new Int32Column();
  readonly order = new Float64Column();
  /** Row of the scanner's call stacks, -1 = none. */
  readonly callStack = new Int32Column();

  get length(): number {
    return this.time.length;
  }
}

export interface MemoryInput {
  readonly profile: Profile;
  readonly events: MemoryEvents;
  readonly stackOf: (event: number) => StackId;
  readonly threads: readonly ThreadId[];
  readonly shift: number;
  readonly source: string;
  /** Whether tracks are wanted, and whose they are. */
  readonly tracks: boolean;
  readonly process: ProcessId;
}

const TRACK_POINTS = 4000;

/** Fills the lanes and tracks; the number of frees whose allocation was not in the trace. */
export function memoryLanes(input: MemoryInput): number {
  const { events } = input;
  const order = new Int32Array(events.length);
  for (let i = 0; i < order.length; i++) order[i] = i;
  sortRows(order, events.time.view());
  sortEqual(order, events.time.view(), (a, b) =>
    events.order.get(a) - events.order.get(b) || events.bytes.get(b) - events.bytes.get(a) || events.address.get(a) - events.address.get(b));
  const devices = [...new Set(events.device.view())].sort((a, b) => a - b);
  let unknown = 0;
  const rows: Record<'memory' | 'gpu-memory', { allocated: RowBuffer; held: RowBuffer } | null> = { memory: null, 'gpu-memory': null };
  for (const device of devices) {
    const to = (rows[device < 0 ? 'memory' : 'gpu-memory'] ??= { allocated: new RowBuffer(true, false), held: new RowBuffer(true, true) });
    unknown += deviceRows(input, order.filter((at) => events.device.get(at) === device), to);
    if (device >= 0 && input.tracks) tracks(input, device, order);
  }
  for (const kind of ['gpu-memory', 'memory'] as const) {
    const filled = rows[kind];
    if (filled === null) continue;
    filled.allocated.flush(laneOf(input, kind, 'torch'), input.shift);
    if (filled.held.length > 0) filled.held.flush(laneOf(input, kind, 'torch held'), input.shift);
  }
  return unknown;
}

function laneOf({ profile, source }: MemoryInput, kind: LaneKind, name: string): Lane {
  return profile.lane(kind, name) ?? profile.lanes[profile.addLane({ kind, unit: 'bytes', name, source })];
}

function deviceRows(input: MemoryInput, order: Int32Array, to: { readonly allocated: RowBuffer; readonly held: RowBuffer }): number {
  const { events, profile, stackOf } = input;
  const live = new Map<number, { readonly bytes: number; readonly stack: StackId }>();
  const before = profile.stacks.intern(NO_STACK, profile.frames.source(profile.functions.intern({ name: '[allocated before the trace]', kind: 'marker' })));
  let unknown = 0;
  let unknownBytes = 0;
  // Some older traces do not name blocks: which of them a free gives back, and so what is held, is not told.
  const named = order.some((at) => !Number.isNaN(events.address.get(at)));
  for (const at of order) {
    const thread = input.threads[events.thread.get(at)];
    const time = events.time.get(at);
    const bytes = events.bytes.get(at);
    const address = events.address.get(at);
    if (bytes >= 0) {
      const stack = stackOf(at);
      to.allocated.push(time, 0, thread, stack, bytes);
      if (named) to.held.push(time, 0, thread, stack, bytes, 1);
      if (!Number.isNaN(address)) live.set(address, { bytes, stack });
      continue;
    }
    if (!named) continue;
    const block = Number.isNaN(address) ? undefined : live.get(address);
    if (block?.bytes === -bytes) {
      live.delete(address);
      to.held.push(time, 0, thread, block.stack, bytes, -1);
    } else {
      unknown++;
      unknownBytes -= bytes;
      to.held.push(time, 0, thread, before, bytes, -1);
    }
  }
  if (!named) return 0;
  const first = order[0];
  const sum = events.allocated.get(first);
  // Without the allocator's sum: at least what was freed since.
  const held = Number.isNaN(sum) ? unknownBytes : Math.max(0, sum - events.bytes.get(first));
  if (held > 0) to.held.push(-input.shift, 0, input.threads[events.thread.get(first)], before, held, unknown);
  return unknown;
}

function tracks({ profile, events, shift, process }: MemoryInput, device: number, order: Int32Array): void {
  for (const [name, column] of [[`gpu ${device} memory`, events.allocated], [`gpu ${device} reserved`, events.reserved]] as const) {
    const known = order.filter((at) => events.device.get(at) === device && !Number.isNaN(column.get(at)));
    if (known.length === 0) continue;
    const track: Track = profile.tracks[profile.addTrack({ name, unit: 'bytes', process })];
    const every = Math.max(1, Math.ceil(known.length / TRACK_POINTS));
    let last = NaN;
    for (let i = 0; i < known.length; i += every) {
      // Of several that share a point the largest: a peak is what one looks for.
      let value = 0;
      for (let j = i; j < Math.min(known.length, i + every); j++) value = Math.max(value, column.get(known[j]));
      if (value === last) continue;
      track.add(ns(events.time.get(known[i]) + shift), value);
      last = value;
    }
  }
}
