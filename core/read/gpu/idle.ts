// What kept a GPU waiting. A gap in which no stream of a device works is laid on the thread that launched the operation that ends it:
//
//     GPU        #####                              #######
//     gap             |----------------------------|
//     host         python ------- aten::mm --[launch]
//     rows             python     aten::mm   launch  [launch latency]
//
// Up to the end of the launch: what that thread did, stretch by stretch (`[host outside any operator]` where nothing was open); from there
// on `[launch latency]` under the launch. The rows of a gap add up to it exactly.
import { Float64Column, Int32Column } from '#core/model/column';
import type { FrameId, StackId, ThreadId } from '#core/model/ids';
import { NO_STACK } from '#core/model/ids';
import type { Lane } from '#core/model/lane';
import type { LinkInput } from './link.ts';
import { RowBuffer } from './rows.ts';

/** Stands for "no stack" among rows until the markers are known. */
const OUTSIDE = -3;

export class IdleGaps {
  readonly #input: LinkInput;
  readonly #start = new Float64Column();
  /** Up to here it is the host's. */
  readonly #host = new Float64Column();
  readonly #end = new Float64Column();
  /** The slice that asked for the operation that ends it; -1 = not known. */
  readonly #slice = new Int32Column();
  /** Which process and device. */
  readonly #place = new Int32Column();
  readonly #places: { readonly process: number; readonly device: number }[] = [];
  /** By thread and place: gaps in order of time, and the first that is not over. */
  readonly #ofThread = new Map<number, { readonly gaps: readonly number[]; next: number }[]>();
  readonly #gap = new Int32Column();
  readonly #from = new Float64Column();
  readonly #to = new Float64Column();
  readonly #stack = new Int32Column();

  /** `rows`: operations in order of their begins; `asker`: the slice that asked for one, -1 = none. */
  constructor(input: LinkInput, rows: Int32Array, asker: (at: number) => number) {
    this.#input = input;
    const { operations, slices } = input;
    const numbers = new Map<string, number>();
    const busyTo: number[] = [];
    for (const at of rows) {
      const [process, device] = [operations.process.get(at), operations.device.get(at)];
      const key = `${process} ${device}`;
      let place = numbers.get(key);
      const start = operations.start.get(at);
      if (place === undefined) {
        numbers.set(key, (place = this.#places.push({ process, device }) - 1));
        busyTo.push(start);
      }
      const busy = busyTo[place];
      if (start > busy) {
        const slice = asker(at);
        this.#start.push(busy);
        this.#end.push(start);
        this.#slice.push(slice);
        this.#place.push(place);
        this.#host.push(slice < 0 ? busy : Math.min(start, Math.max(busy, slices.end(slice))));
      }
      busyTo[place] = Math.max(busy, start + operations.duration.get(at));
    }
    this.#byThread();
  }

  #byThread(): void {
    const { slices } = this.#input;
    const lists = new Map<number, number[]>();
    for (let gap = 0; gap < this.#start.length; gap++) {
      const slice = this.#slice.get(gap);
      if (slice < 0) continue;
      const key = slices.thread.get(slice) * this.#places.length + this.#place.get(gap);
      const list = lists.get(key);
      if (list === undefined) lists.set(key, [gap]);
      else list.push(gap);
    }
    for (const [key, gaps] of lists) {
      const thread = Math.floor(key / this.#places.length);
      const known = this.#ofThread.get(thread);
      if (known === undefined) this.#ofThread.set(thread, [{ gaps, next: 0 }]);
      else known.push({ gaps, next: 0 });
    }
  }

  /** A stretch of a host's thread; each thread's in order of time, without holes. */
  stretch(thread: number, from: number, to: number, stack: StackId): void {
    const lists = this.#ofThread.get(thread);
    if (lists === undefined) return;
    for (const list of lists) {
      for (; list.next < list.gaps.length; list.next++) {
        const gap = list.gaps[list.next];
        const host = this.#host.get(gap);
        const begin = Math.max(from, this.#start.get(gap));
        const end = Math.min(to, host);
        if (end > begin) this.#piece(gap, begin, end, stack === NO_STACK ? OUTSIDE : stack);
        if (host > to) break;
      }
    }
  }

  #piece(gap: number, from: number, to: number, stack: number): void {
    this.#gap.push(gap);
    this.#from.push(from);
    this.#to.push(to);
    this.#stack.push(stack);
  }

  /** Fills the lane; count = gaps. */
  flush(lane: Lane, shift: number, threadOf: (process: number, device: number, stream: null) => ThreadId, marker: (name: string) => FrameId): void {
    const { slices, profile } = this.#input;
    const rows = new RowBuffer(false, true);
    const counted = new Uint8Array(this.#start.length);
    const push = (gap: number, from: number, to: number, stack: StackId): void => {
      const { process, device } = this.#places[this.#place.get(gap)];
      rows.push(from, to - from, threadOf(process, device, null), stack, to - from, counted[gap] === 0 ? 1 : 0);
      counted[gap] = 1;
    };
    const { stacks } = profile;
    for (let i = 0; i < this.#gap.length; i++) {
      const stack = this.#stack.get(i);
      push(this.#gap.get(i), this.#from.get(i), this.#to.get(i), stack === OUTSIDE ? stacks.intern(NO_STACK, marker('[host outside any operator]')) : (stack as StackId));
    }
    for (let gap = 0; gap < this.#start.length; gap++) {
      const slice = this.#slice.get(gap);
      const from = this.#host.get(gap);
      const to = this.#end.get(gap);
      if (to <= from) continue;
      const stack = slice < 0 ? NO_STACK : (slices.stack[slice] as StackId);
      push(gap, from, to, stacks.intern(stack, marker(slice < 0 ? '[no launch record]' : '[launch latency]')));
    }
    rows.flush(lane, shift);
  }
}
