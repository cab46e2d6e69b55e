// What a perf decoder is told, and what it counts.
import type { NativeSources } from '#core/native/sources';
import type { ReadContext } from '#core/read/format';
import type { PerfDecoder } from './decoder.ts';
import type { EventTotals } from './samples.ts';
import type { StackStats } from './stacks.ts';
import type { PerfShared } from './threads.ts';

export interface PerfOptions {
  /** Monotonic ns that is time 0 of the profile (recording start); null = the first record's time (files). */
  readonly zeroAt: number | null;
  readonly stacks: 'dwarf' | 'fp';
  readonly rateHz: number;
  /** Directory of the target, for "own code". */
  readonly directory: string;
  /** How the samples are taken, for the lane's header. '' makes one from the events. */
  readonly source: string;
  /** Live: names are resolved in `idle`, and records are handed on early when no rounds come. */
  readonly live: boolean;
  /**
   * How waiting time is recorded, for its lane's header. The lane is there where the events have a context switch with its stack;
   * with this, also where switch records alone tell how long.
   */
  readonly offCpu?: string;
  /** How page faults are taken, for their lane's header; absent: told from the event. */
  readonly faults?: string;
  /** How memory from the kernel is recorded, for its lanes' header. With it, system calls that get memory make rows of bytes. */
  readonly memory?: string;
  /** Where a thread waits in the kernel now (`futex_do_wait`, '' where it does not), and the monotonic ns of the answer. For waits without stacks. */
  readonly waitChannel?: (pid: number, tid: number) => { readonly name: string; readonly at: number };
  readonly sources: NativeSources;
  readonly context: ReadContext;
  /**
   * Hand-over, monotonic ns: rows before it are dropped. With `shared`, the decoder before is waited for (see PerfShared) and
   * the seam is the first moment from here on at which both see the program.
   */
  readonly from?: number;
  /** Rows at or after it are dropped. A successor sets it too. */
  readonly until?: number;
  /** Which decoder `from` takes over from; the newest one that shares and has not ended, unless given. */
  readonly replaces?: PerfDecoder;
  /** A thread of the first THREAD_MAP exited: perf spins from now on. */
  readonly onThreadExit?: (pid: number, tid: number) => void;
  readonly onFinishedInit?: () => void;
  /** Times in ns of the profile. */
  readonly onLost?: (count: number, start: number, end: number) => void;
  /** Lets decoders of one recording share lanes, threads, address spaces and switch states. */
  readonly shared?: PerfShared;
}

export interface PerfStats {
  records: number;
  samples: number;
  lost: number;
  /** Records that could not be read or are of an unknown type. */
  skippedRecords: number;
  bytes: number;
  rounds: number;
  /** Samples of context switches without records of the way back: no interval can be made of them. */
  switchSamples: number;
  /** Rows outside of [from, until). */
  cut: number;
  /** Records by type; the last entry counts all types that are not known. */
  readonly types: Float64Array;
  readonly events: EventTotals[];
  readonly stacks: StackStats;
}
