// Lanes of memory that a program gets from the kernel: mmap, mremap and the growth of its heap (brk), by the stack that asked.
//
//     enter mmap(length, flags)   exit mmap = address      enter munmap(address, length)
//              v                        v                              v
//     ---------#========================#------------------------------#---------
//              '-- what is asked for    '-- one row, with the stack    '-- goes back, to the stack that had mapped it
//
// What counts is decided from the arguments: anonymous memory that may be touched. Not counted: files; memory without any
// access (PROT_NONE: a reservation, as glibc makes for the heap of a thread, which then grows by mprotect and shows as page faults
// only); stacks; and mappings of 1 GB and more for which no swap is set aside (MAP_NORESERVE: shadow memory of sanitisers).
// Offsets of the fields are those of the kernel's generic system call tracepoints, the same on every 64-bit machine: the
// call's number at 8, arguments (8 bytes each) or the answer from 16 on (kernel/trace/trace_syscalls.c of Linux v6.18).
import type { StackId } from '#core/model/ids';
import type { Lane } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import { u64 } from './layout.ts';
import { OwnedRanges } from './ranges.ts';

/** Names of the lanes. */
export const GROWTH_LANE = 'perf mmap';
export const HELD_LANE = 'perf mmap held';

export type GrowthCall = 'mmap' | 'munmap' | 'brk' | 'mremap';

/** Numbers of the calls on x86-64, for the raw tracepoints. */
const NUMBERS: ReadonlyMap<number, GrowthCall> = new Map([[9, 'mmap'], [11, 'munmap'], [12, 'brk'], [25, 'mremap']]);

const CALL_AT = 8;
const ARGUMENTS_AT = 16;
const PAGE = 4096;
const MAP_ANONYMOUS = 0x20;
const MAP_GROWSDOWN = 0x100;
const MAP_NORESERVE = 0x4000;
const MAP_STACK = 0x20000;
const MREMAP_DONTUNMAP = 4;
const LARGE_RESERVATION = 2 ** 30;
/** Memory of a process that ended goes back when the recording is so much further, ns: what the last one held as it ended stays to be seen. */
const GOES_BACK_AFTER = 1e9;

/** Which call an event tells of, `any` where the record says it, and which end of it. Null where it is no such event. */
export function growthEvent(name: string): { readonly call: GrowthCall | 'any'; readonly enter: boolean } | null {
  const found = /^(?:(raw_)syscalls:sys_(enter|exit)|syscalls:sys_(enter|exit)_(mmap|munmap|brk|mremap))u?\b/.exec(name);
  if (found === null) return null;
  const enter = (found[2] ?? found[3]) === 'enter';
  return { call: found[1] === undefined ? found[4] as GrowthCall : 'any', enter };
}

/** A call that has begun. Only mmap and mremap are kept: the end of the others says all, or nothing more. */
interface Begun {
  readonly call: GrowthCall;
  /** mmap: length, access, flags. mremap: old address, old length, new length, flags. */
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
}

interface Ended {
  readonly pid: number;
  readonly time: number;
  readonly ranges: OwnedRanges;
}

export class Growth {
  readonly lane: Lane;
  readonly held: Lane;
  #profile: Profile;
  #begun = new Map<number, Begun>();
  #ranges = new Map<number, OwnedRanges>();
  /** End of each process's heap. */
  #heaps = new Map<number, number>();
  #ended: Ended[] = [];

  constructor(profile: Profile, source: string) {
    this.#profile = profile;
    this.lane = profile.lanes[profile.addLane({ kind: 'memory', unit: 'bytes', name: GROWTH_LANE, source })];
    this.held = profile.lanes[profile.addLane({ kind: 'memory', unit: 'bytes', name: HELD_LANE, source })];
  }


  /** A call begins. `raw`: where the record's raw data lies, of `size` bytes. */
  enter(call: GrowthCall | 'any', view: DataView, raw: number, size: number, pid: number, tid: number, time: number): void {
    const which = call === 'any' ? numbered(view, raw, size) : call;
    const argument = (n: number) => (ARGUMENTS_AT + n * 8 + 8 <= size ? u64(view, raw + ARGUMENTS_AT + n * 8) : 0);
    switch (which) {
      case 'mmap':
        this.#begun.set(tid, { call: which, a: pages(argument(1)), b: argument(2), c: argument(3), d: 0 });
        return;
      case 'mremap':
        this.#begun.set(tid, { call: which, a: argument(0), b: pages(argument(1)), c: pages(argument(2)), d: argument(3) });
        return;
      case 'munmap':
        // At its beginning: when it returns, another thread may have got the same addresses already.
        this.#release(pid, argument(0), argument(0) + pages(argument(1)), time);
        return;
      case 'brk': case null: return;
    }
  }

  /** A call returned. `thread`: row of the thread table. `stackOf` is asked where the call got memory. */
  exit(call: GrowthCall | 'any', view: DataView, raw: number, size: number, pid: number, tid: number, thread: number, time: number, stackOf: () => StackId): void {
    const which = call === 'any' ? numbered(view, raw, size) : call;
    if (which === null || which === 'munmap' || size < ARGUMENTS_AT + 8) return;
    const failed = view.getInt32(raw + ARGUMENTS_AT + 4, true) < 0;
    const answer = u64(view, raw + ARGUMENTS_AT);
    if (which === 'brk') {
      if (!failed) this.#brk(pid, answer, thread, time, stackOf);
      return;
    }
    const begun = this.#begun.get(tid);
    this.#begun.delete(tid);
    if (failed) return;
    if (begun?.call !== which) {
      this.#profile.skip('calls of mmap or mremap whose beginning was not seen');
      return;
    }
    if (which === 'mmap') {
      // New memory lies nowhere where other memory is, but where it was told to: then that goes. Or its munmap was missed.
      this.#release(pid, answer, answer + begun.a, time);
      if (counts(begun.a, begun.b, begun.c)) this.#gain(pid, answer, answer + begun.a, thread, stackOf(), time);
      return;
    }
    this.#remap(pid, begun, answer, thread, time, stackOf);
  }

  /** What perf or /proc say of the heap as it is: from there on its growth counts. */
  heap(pid: number, end: number): void {
    if (!this.#heaps.has(pid)) this.#heaps.set(pid, end);
  }

  /** Whether it is known where a process's heap ends. */
  knows(pid: number): boolean {
    return this.#heaps.has(pid);
  }

  /** Calls were not seen for a while: how far heaps have grown meanwhile is nobody's. */
  missed(): void {
    this.#heaps.clear();
    this.#begun.clear();
  }

  /** A child has the parent's heap. What it inherits is the parent's still: the lane has it once. */
  fork(parent: number, pid: number): void {
    const heap = this.#heaps.get(parent);
    if (heap === undefined) this.#heaps.delete(pid);
    else this.#heaps.set(pid, heap);
    // Its number may have been another process's, whose memory has gone with it.
    this.#ranges.delete(pid);
  }

  /** Another program in place of the old one: all memory went back. */
  exec(pid: number, time: number): void {
    this.#heaps.delete(pid);
    const ranges = this.#ranges.get(pid);
    if (ranges === undefined) return;
    this.#ranges.delete(pid);
    this.#giveBack(ranges, time);
  }

  /** A process ended. */
  exited(pid: number, time: number): void {
    this.#heaps.delete(pid);
    const ranges = this.#ranges.get(pid);
    if (ranges === undefined) return;
    this.#ranges.delete(pid);
    this.#ended.push({ pid, time, ranges });
  }

  /** Once a second of the recording. */
  sweep(now: number): void {
    while (this.#ended.length > 0 && this.#ended[0].time <= now - GOES_BACK_AFTER) {
      const ended = this.#ended.shift();
      if (ended !== undefined) this.#giveBack(ended.ranges, ended.time);
    }
  }

  #brk(pid: number, end: number, thread: number, time: number, stackOf: () => StackId): void {
    const before = this.#heaps.get(pid);
    this.#heaps.set(pid, end);
    // The first call only asks where the heap is.
    if (before === undefined || before === end) return;
    if (end > before) this.#gain(pid, before, end, thread, stackOf(), time);
    else this.#release(pid, end, before, time);
  }

  #remap(pid: number, { a: old, b: oldLength, c: length, d: flags }: Begun, address: number, thread: number, time: number, stackOf: () => StackId): void {
    // A length of 0 makes a second view of memory that is shared.
    if (oldLength === 0) return;
    const ranges = this.#rangesOf(pid);
    const kept = Math.min(oldLength, length);
    if (oldLength > length) this.#release(pid, old + length, old + oldLength, time);
    if (address !== old) {
      // The new place does not overlap the old one.
      this.#release(pid, address, address + length, time);
      if ((flags & MREMAP_DONTUNMAP) === 0) ranges.move(old, old + kept, address);
    } else if (length > oldLength) this.#release(pid, old + oldLength, old + length, time);
    if (length > oldLength) this.#gain(pid, address + oldLength, address + length, thread, stackOf(), time);
  }

  #gain(pid: number, start: number, end: number, thread: number, stack: StackId, time: number): void {
    this.lane.push(time, thread, stack, end - start, 1);
    if (this.#rangesOf(pid).add(start, end, thread, stack)) this.held.push(time, thread, stack, end - start, 1);
    else this.#profile.skip('mappings beyond what is followed: they are missing in what is held');
  }

  // A count of 0: sums of counts are allocations. Who mapped it is credited, in another thread too.
  #release(pid: number, start: number, end: number, time: number): void {
    this.#ranges.get(pid)?.remove(start, end, (bytes, thread, stack) => { this.held.push(time, thread, stack, -bytes, 0); });
  }

  #giveBack(ranges: OwnedRanges, time: number): void {
    ranges.remove(0, Infinity, (bytes, thread, stack) => { this.held.push(time, thread, stack, -bytes, 0); });
  }

  #rangesOf(pid: number): OwnedRanges {
    let ranges = this.#ranges.get(pid);
    if (ranges === undefined) this.#ranges.set(pid, (ranges = new OwnedRanges()));
    return ranges;
  }
}

function counts(length: number, access: number, flags: number): boolean {
  if ((flags & MAP_ANONYMOUS) === 0 || access === 0 || (flags & (MAP_STACK | MAP_GROWSDOWN)) !== 0) return false;
  return (flags & MAP_NORESERVE) === 0 || length < LARGE_RESERVATION;
}

function numbered(view: DataView, raw: number, size: number): GrowthCall | null {
  return size < CALL_AT + 4 ? null : NUMBERS.get(view.getUint32(raw + CALL_AT, true)) ?? null;
}

function pages(bytes: number): number {
  return Math.ceil(bytes / PAGE) * PAGE;
}
