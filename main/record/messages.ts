// What the main process, the reader thread and the decoder thread say to each other. Plain values only: all of it is posted.
import type { MessagePort } from 'node:worker_threads';
import type { PictureOptions, ViewValue } from '#core/analyze/view';
import type { Cursor } from '#core/model/delta';
import type { LaneKind } from '#core/model/lane';
import type { MarkFacts, ProfileInfo, TrackFacts } from '#core/model/profile';
import type { ProcessKnown } from '#core/model/tables';
import type { StreamFacts, WindowFacts } from '../profilers/profiler.ts';

/** What a decoder thread is started for. */
export type DecoderJob =
  | { readonly kind: 'live'; readonly zeroAt: number; /** Where deltas.bin and the tables go. */ readonly folder: string; readonly info: ProfileInfo; /** What was known of the target's processes at the start: they may end before their rows are made. */ readonly known?: readonly (readonly [number, ProcessKnown])[] }
  /** A recording folder or a .flamebench file. */
  | { readonly kind: 'recording'; readonly path: string }
  /** A file of another program. */
  | { readonly kind: 'file'; readonly path: string; readonly name: string }
  /** Traces of the ranks of one job. */
  | { readonly kind: 'together'; readonly files: readonly { readonly path: string; readonly name: string }[] }
  /** Raw streams of a recording folder, read again. */
  | { readonly kind: 'decode'; readonly path: string };

/** What a profile amounts to. */
export interface Summary {
  readonly samples: number;
  readonly rows: number;
  readonly durationNs: number;
  readonly lanes: readonly { readonly kind: LaneKind; readonly name: string; readonly samples: number; readonly rows: number }[];
  readonly info: ProfileInfo;
  readonly skipped: readonly (readonly [string, number])[];
}

/** Requests to a decoder thread, answered in order. */
export interface DecoderCalls {
  since: { ask: { cursor: Cursor }; answer: { bytes: Uint8Array<ArrayBuffer>; cursor: Cursor; complete: boolean; summary: Summary } };
  /** Makes ready for a stream that the reader will hand on. */
  open: { ask: { facts: StreamFacts }; answer: null };
  track: { ask: { facts: TrackFacts }; answer: { track: number } };
  /** Ends what is still open, writes the last delta and the tables. */
  seal: { ask: { notes: readonly string[] }; answer: { summary: Summary; mix: Mix; gaps: Gaps; failed: string; bytes: number } };
  summary: { ask: null; answer: Summary };
  mix: { ask: null; answer: { mix: Mix; gaps: Gaps } };
  export: { ask: ExportAsk; answer: { name: string; type: string; bytes: Uint8Array } };
  /** A folder like a recording's, of a profile that has none (an imported file). */
  tree: { ask: { folder: string }; answer: null };
  /** The Arrow tables alone, for a recording that a crash left without them. */
  tables: { ask: { folder: string }; answer: null };
}

export interface ExportAsk {
  readonly format: string;
  readonly view: ViewValue;
  readonly picture: PictureOptions;
}

/** Shares of the first lane by function kind. */
export type Mix = readonly { readonly kind: string; readonly share: number }[];

/** Spans without samples of a profiler, ns since time zero. */
export type Gaps = readonly { readonly start: number; readonly end: number; readonly text: string }[];

export type CallName = keyof DecoderCalls;

/** Messages to a decoder thread that need no answer. */
export type DecoderTell =
  | { readonly t: 'port'; readonly port: MessagePort }
  | { readonly t: 'value'; readonly track: number; readonly at: number; readonly value: number }
  | { readonly t: 'mark'; readonly facts: MarkFacts }
  | { readonly t: 'info'; readonly info: Partial<ProfileInfo> }
  | { readonly t: 'skip'; readonly what: string; readonly count: number };

export type ToDecoder = DecoderTell | { readonly t: 'call'; readonly id: number; readonly name: CallName; readonly ask: unknown };

/** What went wrong, as it crosses from a thread. */
export interface PostedError {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly command: string;
}

export type DecoderEvent =
  | { readonly t: 'progress'; readonly done: number; readonly total: number; readonly what: string }
  /** The job's loading is over. */
  | { readonly t: 'loaded'; readonly error: PostedError | null }
  | { readonly t: 'streamDone'; readonly stream: string; readonly error: string }
  | { readonly t: 'finishedInit'; readonly stream: string }
  | { readonly t: 'threadExit'; readonly stream: string; readonly pid: number; readonly tid: number }
  /** Times in ns since the recording began. */
  | { readonly t: 'lost'; readonly stream: string; readonly count: number; readonly start: number; readonly end: number }
  | { readonly t: 'firstRows' }
  /** Bytes of a stream that wait on disk because decoding fell behind; 0 when it caught up. */
  | { readonly t: 'behind'; readonly stream: string; readonly bytes: number }
  | { readonly t: 'diskFailed'; readonly message: string };

export type FromDecoder = DecoderEvent | { readonly t: 'answer'; readonly id: number; readonly answer: unknown } | { readonly t: 'failed'; readonly id: number; readonly error: PostedError };

export type ToReader =
  | { readonly t: 'port'; readonly port: MessagePort }
  | { readonly t: 'fifo'; readonly stream: string; readonly path: string; readonly spill: string }
  | { readonly t: 'window'; readonly stream: string; readonly window: WindowFacts; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly t: 'end'; readonly stream: string }
  /** Stops writing raw bytes: the disk's reserve was reached. */
  | { readonly t: 'keepNothing' }
  | { readonly t: 'close' };

export type FromReader =
  | { readonly t: 'opened'; readonly stream: string; readonly error: string }
  | { readonly t: 'diskFailed'; readonly message: string }
  | { readonly t: 'closed'; readonly bytes: number; readonly delayP99Ms: number };

/** Reader to decoder, over their own port. */
export type Handover =
  | { readonly t: 'bytes'; readonly stream: string; readonly bytes: Uint8Array<ArrayBuffer> }
  /** The next bytes are in a file, up to this offset; read on from where the last piece ended. */
  | { readonly t: 'spill'; readonly stream: string; readonly path: string; readonly to: number }
  | { readonly t: 'window'; readonly stream: string; readonly window: WindowFacts; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly t: 'end'; readonly stream: string };

/** Decoder to reader: what was taken, so that more may come. `spill` is the offset that the spill file was read to. */
export interface Credit {
  readonly stream: string;
  readonly bytes: number;
  readonly spill: number;
}
