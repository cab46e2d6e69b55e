// Which forward operator a backward operator belongs to. A flow `fwdbwd` names both by thread and time; where a trace has none, the
// autograd node's sequence number does: the innermost forward operator that had it made the node.
import { Float64Column, Int32Column } from '#core/model/column';
import type { HostSlices } from '../gpu/host.ts';

/** Operators with a sequence number. */
export class Sequences {
  readonly slice = new Int32Column();
  readonly sequence = new Float64Column();
  /** Autograd's number of the forward thread: positive on backward operators. */
  readonly forwardThread = new Float64Column();

  get length(): number {
    return this.slice.length;
  }

  push(slice: number, sequence: number, forwardThread: number): void {
    this.sequence.push(sequence);
    this.forwardThread.push(forwardThread);
    this.slice.push(slice);
  }
}

/** Begins and ends of `fwdbwd` flows. */
export class Flows {
  readonly id = new Float64Column();
  readonly thread = new Int32Column();
  readonly time = new Float64Column();
  readonly isStart = new Int32Column();

  get length(): number {
    return this.id.length;
  }

  push(id: number, thread: number, time: number, isStart: boolean): void {
    this.id.push(id);
    this.thread.push(thread);
    this.time.push(time);
    this.isStart.push(isStart ? 1 : 0);
  }
}

/** By slice: its forward slice, -1 = none. null where no operator has one. `pairs`: flows of which both ends were found. */
export function forwardSlices(slices: HostSlices, sequences: Sequences, flows: Flows): { readonly of: Int32Array | null; readonly pairs: number; readonly unpaired: number } {
  if (sequences.length === 0) return { of: null, pairs: 0, unpaired: 0 };
  const found = new Int32Array(slices.length).fill(-1);
  const nodes = new Map<number, number>();
  const nodeOf = (row: number): number => sequences.sequence.get(row) * 4096 + (sequences.forwardThread.get(row) % 4096);
  const { pairs, unpaired } = byFlow(slices, sequences, flows, found, (row, forward) => nodes.set(nodeOf(row), forward));

  // Of several operators around each other with one number the flow names one: the others are of the same node.
  const bySequence = pairs === 0 ? forwardBySequence(slices, sequences) : null;
  let some = pairs > 0;
  for (let row = 0; row < sequences.length; row++) {
    const slice = sequences.slice.get(row);
    if (found[slice] >= 0 || sequences.forwardThread.get(row) <= 0) continue;
    const forward = bySequence === null ? nodes.get(nodeOf(row)) : bySequence.get(sequences.sequence.get(row));
    if (forward === undefined || forward < 0 || slices.end(forward) > slices.end(slice)) continue;
    found[slice] = forward;
    some = true;
  }
  return { of: some ? found : null, pairs, unpaired };
}

function byFlow(slices: HostSlices, sequences: Sequences, flows: Flows, found: Int32Array, pair: (row: number, forward: number) => void): { pairs: number; unpaired: number } {
  const starts = new Map<number, number>();
  for (let i = 0; i < flows.length; i++) if (flows.isStart.get(i) === 1) starts.set(flows.id.get(i), i);
  if (starts.size === 0) return { pairs: 0, unpaired: 0 };
  // Operators by thread and begin; of several that begin together the innermost.
  const threads = new Map<number, Map<number, number>>();
  for (let row = 0; row < sequences.length; row++) {
    const slice = sequences.slice.get(row);
    const thread = slices.thread.get(slice);
    let times = threads.get(thread);
    if (times === undefined) threads.set(thread, (times = new Map<number, number>()));
    const known = times.get(slices.start.get(slice));
    if (known === undefined || inside(slices, slice, sequences.slice.get(known))) times.set(slices.start.get(slice), row);
  }
  const at = (flow: number): number | undefined => threads.get(flows.thread.get(flow))?.get(flows.time.get(flow));
  let pairs = 0;
  let unpaired = 0;
  for (let i = 0; i < flows.length; i++) {
    if (flows.isStart.get(i) === 1) continue;
    const start = starts.get(flows.id.get(i));
    const forward = start === undefined ? undefined : at(start);
    const backward = at(i);
    if (forward === undefined || backward === undefined) {
      unpaired++;
      continue;
    }
    pairs++;
    const slice = sequences.slice.get(forward);
    found[sequences.slice.get(backward)] = slice;
    pair(backward, slice);
  }
  return { pairs, unpaired };
}

function inside(slices: HostSlices, a: number, b: number): boolean {
  return (slices.duration.get(a) - slices.duration.get(b) || slices.id.get(b) - slices.id.get(a)) < 0;
}

/** Forward operators by sequence number: the last that began; -1 where two threads have the number. */
function forwardBySequence(slices: HostSlices, sequences: Sequences): Map<number, number> {
  const forward = new Map<number, number>();
  for (let row = 0; row < sequences.length; row++) {
    if (sequences.forwardThread.get(row) > 0) continue;
    const slice = sequences.slice.get(row);
    const key = sequences.sequence.get(row);
    const known = forward.get(key);
    if (known === undefined) forward.set(key, slice);
    else if (known >= 0) {
      if (slices.thread.get(known) !== slices.thread.get(slice)) forward.set(key, -1);
      else if ((slices.start.get(slice) - slices.start.get(known) || slices.duration.get(known) - slices.duration.get(slice)) > 0) forward.set(key, slice);
    }
  }
  return forward;
}
