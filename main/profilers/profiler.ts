import type { MarkFacts, TrackFacts } from '#core/model/profile';
import type { LaneKind } from '#core/model/lane';
import type { Check, Notice, RecordOptions, Target } from '#core/protocol/api';

/** A process that a profiler looks at: (pid, start) is checked before and after attaching. */
export interface Watched {
  readonly pid: number;
  readonly start: number;
}

/** How a decoder thread is to read a stream: a plain value, so that it can be posted to a thread and kept in recording.json. */
export type StreamFacts =
  | { readonly decoder: 'perf'; readonly id: string; readonly title: string; readonly watched: readonly number[]; readonly stacks: 'dwarf' | 'fp'; readonly directory: string; readonly source: string; readonly rateHz: number; /** How waiting time, page faults and memory from the kernel are taken; absent where they are not wanted. */ readonly offCpu?: string; readonly faults?: string; readonly memory?: string; /** Hand-over: rows before this monotonic ns belong to the stream before. */ readonly from?: number }
  | { readonly decoder: 'py-spy'; readonly id: string; readonly title: string; readonly watched: readonly number[]; readonly directory: string; readonly source: string; readonly rateHz: number }
  | { readonly decoder: 'python-helper'; readonly id: string; readonly title: string; readonly watched: readonly number[]; readonly directory: string; readonly source: string; readonly rateHz: number }
  /** heaptrack's interpreted text. `wall`: ns by the wall's clock less monotonic ns. `beside`: perf names the same functions. */
  | { readonly decoder: 'heaptrack'; readonly id: string; readonly title: string; readonly watched: readonly number[]; readonly directory: string; readonly source: string; /** Name of the program, where no other stream tells it. */ readonly name: string; readonly beside: boolean; readonly wall: number; readonly rateHz: 0 }
  /** V8's own profilers: CPU, or the heap in one of two ways (core/read/v8/decoder.ts). `interval`: bytes between two samples of the heap. */
  | { readonly decoder: 'v8'; readonly what: 'cpu' | 'held' | 'allocated'; readonly id: string; readonly title: string; readonly watched: readonly number[]; readonly directory: string; readonly source: string; readonly rateHz: number; readonly interval: number };

/** Samples a second of processes that get light detail. */
export const LIGHT_HZ = 20;

/** One window of a profiler that writes a file at a time. Monotonic ns (process.hrtime.bigint() as a number). */
export interface WindowFacts {
  readonly start: number;
  readonly end: number;
  /** Maps the window's own thread ids to OS thread ids and names, where the profiler gives them apart. */
  readonly threads: readonly { readonly own: string; readonly tid: number; readonly name: string; readonly pid: number; /** Name of the program, where no other stream may have told it. */ readonly process?: string }[];
  /** Readings of the kernel's account of each thread: monotonic ns, ns on a CPU, and so on, flat. */
  readonly onCpu?: readonly { readonly tid: number; readonly pid?: number; readonly points: readonly number[]; /** ns that it was runnable and had no CPU, one for each pair. */ readonly runnable?: readonly number[] }[];
  /** Idle samples are wanted too. */
  readonly idle?: boolean;
  /** perf looks at the same process: its rows of processes and threads come first. */
  readonly beside?: boolean;
  /** Lanes that are switched on; absent: all. */
  readonly lanes?: readonly LaneKind[];
}

export interface Terminal {
  /** What the child printed, for the terminal pane; already kept in terminal.cast. */
  readonly done: Promise<{ code: number | null; signal: number | null }>;
  readonly pid: number;
  onOutput(listener: (text: string) => void): void;
  write(text: string): void;
  kill(signal: NodeJS.Signals): void;
}

/**
 * What a run lends its profilers. A profiler never reads sample bytes itself where it can hand over a FIFO: the reader
 * thread opens the path, keeps the raw bytes and passes them to the decoder.
 */
export interface Run {
  readonly target: Target;
  /** `lanes` are those of this profiler that are wanted and can work here; a profiler that starts later gets those that were switched on. */
  readonly options: RecordOptions;
  /** Processes to look at, launched (stopped until all profilers stand) or existing; with their children where asked. */
  readonly watched: readonly Watched[];
  /** Processes of the target beyond the budget: not this run's. */
  readonly light: readonly Watched[];
  /** Less stack than usual is to be copied with switches and page faults: these are too many. */
  readonly small?: boolean;
  /** Directory of the target, for "own code". */
  readonly directory: string;
  /** A 0700 folder for FIFOs and scratch files; removed at the end. */
  readonly scratch: string;
  /** Starts a child in a pseudo-terminal; argv is passed untouched. */
  pty(title: string, argv: readonly string[], environment?: Readonly<Record<string, string>>): Terminal;
  /** Makes a FIFO in the scratch folder and has the reader thread read it to its end. Resolves when the thread has it open. */
  fifo(facts: StreamFacts): Promise<{ readonly path: string; /** Resolves when the last writer closed and all bytes are decoded. */ readonly done: Promise<void> }>;
  /** A stream of windows: each `push` hands over one file's bytes. */
  windows(facts: StreamFacts): { push(window: WindowFacts, bytes: Uint8Array): void; close(): Promise<void> };
  track(facts: TrackFacts): { add(monotonicNs: number, value: number): void };
  /** Times are monotonic ns. */
  mark(facts: MarkFacts): void;
  notice(notice: Notice): void;
  /** Closes a notice of ours that no longer holds. */
  unnotice(id: string): void;
  /** Called with a tid when a thread that was there at attach has exited (perf's decoder sees it first). */
  onThreadExit(listener: (pid: number, tid: number) => void): void;
  /** Monotonic ns. */
  now(): number;
  /** Pids of the profiler's own processes, for the cost meter. */
  cost(pid: number): void;
}

export interface Running {
  /** Leaves out what happens from now on, unless `goesOn`. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** A pause leaves nothing out of its lanes, which cannot be switched off either: what is held is a sum over all that happened. */
  readonly goesOn?: true;
  /** Switches one of its lanes on or off while it runs; absent: it cannot. Throws UserError when the lane cannot run here. */
  setLane?(lane: LaneKind, on: boolean): Promise<void>;
  /** Takes fewer or more samples a second from now on; absent: it cannot. Returns what is taken then, Hz. */
  setRate?(hz: number): Promise<number>;
  /** Ends cleanly, keeps everything, leaves no child and no FIFO. */
  stop(): Promise<void>;
  /** Resolves when it ended by itself or was stopped; `error` says what went wrong, '' for a clean end. */
  readonly done: Promise<{ readonly error: string }>;
}

export interface Profiler {
  readonly id: string;
  readonly lanes: readonly LaneKind[];
  /** Chosen for a lane only where none of these can fill it, or by name. */
  readonly insteadOf?: readonly string[];
  /** It costs little enough to look at processes beyond the budget too, at LIGHT_HZ: it is started a second time for those (`run.watched` are they). */
  readonly light?: boolean;
  /** Its memory lane is every allocation: chosen only where `options.memory` is `full`, or by name. */
  readonly full?: boolean;
  /** What it would risk on this target, as a sentence; '' for nothing. Where there is a risk it starts only when `options.risks` names it. */
  risk?(target: Target): string;
  /** Part of the environment that a launched command needs for it, and words before its argv; absent: nothing. Asked before the launch; `environment` is what the command has so far. */
  launch?(options: RecordOptions, scratch: string, environment: Readonly<Record<string, string>>): Promise<{ readonly environment: Readonly<Record<string, string>>; readonly before: readonly string[] }>;
  /** What it can do on this target, before anything starts. Never throws: what fails is a check of state `no`. */
  check(target: Target): Promise<readonly Check[]>;
  /** Resolves when samples can come. Throws UserError when it cannot start. */
  start(run: Run): Promise<Running>;
}
