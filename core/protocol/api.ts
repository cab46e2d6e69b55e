// The whole contract between a page and main, as types: requests (page asks, main answers) and events (main tells).
// main checks every request's body against a schema (main/app/schemas.ts) before it reaches a handler.
import type { PictureOptions, ViewValue } from '#core/analyze/view';
import type { Cursor } from '#core/model/delta';
import type { LaneKind } from '#core/model/lane';

/** A page that finds another number reloads itself once. */
export const PROTOCOL_VERSION = 3;

/** Id of an open profile: a recording (live or reopened) or an imported file. */
export type ProfileRef = string;
export type TerminalRef = string;

export const RUNTIMES = ['python', 'node', 'java', 'rust', 'native', 'kernel', 'unknown'] as const;
export type Runtime = (typeof RUNTIMES)[number];

export interface ProcessRow {
  readonly pid: number;
  readonly ppid: number;
  /** Start time in clock ticks since boot: (pid, start) names a process for good. */
  readonly start: number;
  /** Wall-clock start, ms since 1970. */
  readonly startedAt: number;
  readonly user: string;
  /** Short name: the script for an interpreter, else the program. */
  readonly name: string;
  readonly argv: readonly string[];
  readonly runtime: Runtime;
  /** `3.11.7`, '' where unknown. */
  readonly runtimeVersion: string;
  /** Rank from RANK / OMPI_COMM_WORLD_RANK and the like; null where there is none. */
  readonly rank: number | null;
  readonly worldSize: number | null;
  /** Container id (12 digits) or ''. */
  readonly container: string;
  readonly threads: number;
  /** Percent of one core since the last listing; null at first sight. */
  readonly cpu: number | null;
  readonly rss: number;
  readonly gpuMemory: number | null;
  readonly gpu: number | null;
  /** Starts workers and waits for them (torchrun, a shell, a process manager). */
  readonly launcher: boolean;
  readonly mine: boolean;
}

export type Target =
  | { readonly kind: 'attach'; readonly processes: readonly { readonly pid: number; readonly start: number }[]; readonly children: boolean }
  | { readonly kind: 'launch'; readonly argv: readonly string[]; readonly directory: string; readonly environment: Readonly<Record<string, string>> };

/** `ready` works; `partly` works with less; `fix` one command away; `no` cannot work here. */
export interface Check {
  readonly profiler: string;
  readonly lane: LaneKind;
  readonly state: 'ready' | 'partly' | 'fix' | 'no';
  /** `perf 6.1.187`; '' where not found. */
  readonly version: string;
  /** One or two sentences: what will be done, or why not. */
  readonly text: string;
  /** The one command that fixes it; '' where there is none. */
  readonly command: string;
  /** What it would risk on this target, as a sentence: it starts only when `RecordOptions.risks` names its profiler. Absent: nothing. */
  readonly risk?: string;
  /** It records every allocation: it starts only when `RecordOptions.memory` is `full`. */
  readonly full?: boolean;
  /** It only stands in for others, and they work here: it does not start unless it is named. */
  readonly spare?: boolean;
}

export interface RecordOptions {
  readonly lanes: readonly LaneKind[];
  /** Profiler ids; empty = whatever is ready. */
  readonly profilers: readonly string[];
  readonly rate: number;
  readonly stacks: 'auto' | 'fp' | 'dwarf';
  /** Seconds, 0 = until stopped. */
  readonly duration: number;
  readonly pySpy: { readonly idle: boolean; readonly gil: boolean; readonly subprocesses: boolean };
  readonly title: string;
  /** `light`: page faults, mmap and brk. `full`: every allocation, where a profiler can (heaptrack on a launch, V8's heap profiler). */
  readonly memory: 'light' | 'full';
  /** Percent of the target's CPU time that profiling may cost before the rate is lowered; 0 = never lower it. */
  readonly mostCost: number;
  /** File or FIFO with a line a mark (a step); '' = what $FLAMEBENCH_MARKS of the target names, and a file of ours for a launch. */
  readonly marks: string;
  /** The user has read what a profiler risks on a running target (heaptrack by gdb, Node's SIGUSR1), by profiler id. */
  readonly risks: readonly string[];
}

export const FIRST_OPTIONS: RecordOptions = {
  lanes: ['cpu'], profilers: [], rate: 99, stacks: 'auto', duration: 0, pySpy: { idle: false, gil: false, subprocesses: false }, title: '',
  memory: 'light', mostCost: 5, marks: '', risks: [],
};

/** What a lane of a live recording is doing: what its pane says while it has no picture. */
export interface LaneStatus {
  readonly kind: LaneKind;
  /** `on` records; `off` was switched off or not asked for; `none` cannot run here; `failed` stopped by itself. */
  readonly state: 'starting' | 'on' | 'off' | 'none' | 'failed';
  /** Profilers that fill it: `perf`, `py-spy`. */
  readonly profilers: readonly string[];
  /** Why there is none, or what the source cannot see; '' where nothing is to be said. */
  readonly text: string;
  /** The one command that would enable it; ''. */
  readonly command: string;
  /** Whether `recordLane` can switch it now. */
  readonly switchable: boolean;
  /** Whether the recording was started for it: it has a pane then, also where it cannot run. Absent: it was. */
  readonly asked?: boolean;
}

export type Phase = 'opening' | 'starting' | 'recording' | 'stopping' | 'done' | 'failed';

/** A line under the recording bar: the state of the whole recording. */
export interface Notice {
  /** Stable, so that a closed notice stays closed. */
  readonly id: string;
  readonly level: 'info' | 'warn' | 'bad';
  readonly text: string;
  readonly command: string;
}

export interface ProfileStatus {
  readonly phase: Phase;
  /** ns since the recording began. */
  readonly elapsed: number;
  readonly samples: number;
  readonly lost: number;
  /** Percent of one core: our threads and the profilers' processes. */
  readonly ownCpu: number | null;
  readonly profilerCpu: number | null;
  /** Estimated cost on the target, percent of its CPU time. */
  readonly targetCost: number | null;
  /** Whether the profilers are paused (the picture's pause is the page's own). */
  readonly paused: boolean;
  readonly progress: { readonly done: number; readonly total: number; readonly what: string } | null;
  readonly notices: readonly Notice[];
  /** One a kind of lane, those that were asked for first; empty where nothing is recorded. */
  readonly lanes: readonly LaneStatus[];
  /** Samples a second that are taken now; less than was asked for when the rate was lowered. 0 where nothing is sampled. */
  readonly rate: number;
  readonly target: { readonly name: string; readonly pid: number; readonly runtime: Runtime; readonly text: string } | null;
}

export interface ProfileRow {
  readonly id: ProfileRef;
  readonly title: string;
  readonly live: boolean;
  /** Row of the library it belongs to, '' for an imported file. */
  readonly library: string;
}

export interface LibraryRow {
  readonly id: string;
  readonly title: string;
  readonly command: string;
  readonly host: string;
  readonly commit: string;
  /** ms since 1970. */
  readonly startedAt: number;
  readonly durationNs: number;
  readonly lanes: readonly { readonly kind: LaneKind; readonly samples: number }[];
  /** Shares of the first lane by function kind, for the bar under a recent recording; sum 1. */
  readonly mix: readonly { readonly kind: string; readonly share: number }[];
  readonly notes: string;
  readonly tags: readonly string[];
  readonly baseline: boolean;
  /** True when it was left by a crash and recovered. */
  readonly recovered: boolean;
  readonly bytes: number;
}

export interface TerminalRow {
  readonly id: TerminalRef;
  /** `perf`, `py-spy`, the launched command, `shell`. */
  readonly title: string;
  readonly running: boolean;
}

export type OpenSource =
  | { readonly kind: 'library'; readonly id: string }
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'upload'; readonly upload: string }
  | { readonly kind: 'example' };

export interface HostFacts {
  readonly protocol: number;
  readonly version: string;
  readonly host: string;
  readonly kernel: string;
  readonly cpus: number;
  readonly gpus: readonly string[];
  readonly user: string;
  readonly home: string;
  readonly desktop: boolean;
  /** How the shipped example program is launched; null where its interpreter is missing. */
  readonly example: { readonly argv: readonly string[]; readonly directory: string } | null;
}

/** Every request: what the page sends and what it gets. `payload` is raw bytes beside the JSON, where it is said. */
export interface Requests {
  /** The first message. `token` is '' on a MessagePort. */
  hello: { body: { protocol: number; token: string }; answer: HostFacts };
  processes: { body: Record<string, never>; answer: { processes: readonly ProcessRow[] } };
  checks: { body: { target: Target }; answer: { checks: readonly Check[]; cost: string } };
  recordStart: { body: { target: Target; options: RecordOptions }; answer: { profile: ProfileRef } };
  recordPause: { body: { profile: ProfileRef; paused: boolean }; answer: Record<string, never> };
  /** Switches a lane on or off while recording. */
  recordLane: { body: { profile: ProfileRef; lane: LaneKind; on: boolean }; answer: Record<string, never> };
  recordStop: { body: { profile: ProfileRef }; answer: Record<string, never> };
  profiles: { body: Record<string, never>; answer: { profiles: readonly ProfileRow[] } };
  open: { body: { source: OpenSource }; answer: { profile: ProfileRef } };
  /** Payload of the answer: one delta. At most one `since` a profile is in flight. */
  since: { body: { profile: ProfileRef; cursor: Cursor }; answer: { cursor: Cursor; complete: boolean; status: ProfileStatus } };
  close: { body: { profile: ProfileRef }; answer: Record<string, never> };
  library: { body: Record<string, never>; answer: { recordings: readonly LibraryRow[] } };
  libraryUpdate: { body: { id: string; title?: string; notes?: string; tags?: readonly string[]; baseline?: boolean }; answer: Record<string, never> };
  /** Moves it aside; `libraryRestore` within the session brings it back. */
  libraryDelete: { body: { id: string }; answer: Record<string, never> };
  libraryRestore: { body: { id: string }; answer: Record<string, never> };
  /** Reads the raw streams again with today's decoder. */
  libraryDecode: { body: { id: string }; answer: { profile: ProfileRef } };
  /** Payload of the answer: the file. */
  export: { body: { profile: ProfileRef; format: string; view: ViewValue; picture: PictureOptions }; answer: { name: string; type: string } };
  uploadBegin: { body: { name: string; size: number }; answer: { upload: string } };
  /** Payload of the request: the next bytes. */
  uploadChunk: { body: { upload: string }; answer: Record<string, never> };
  terminals: { body: { profile: ProfileRef }; answer: { terminals: readonly TerminalRow[] } };
  /** Everything that a terminal showed so far (payload of the answer), then `terminalData` events. */
  terminalAttach: { body: { terminal: TerminalRef }; answer: { running: boolean } };
  /** Payload of the request: what was typed. */
  terminalWrite: { body: { terminal: TerminalRef }; answer: Record<string, never> };
  terminalResize: { body: { terminal: TerminalRef; columns: number; rows: number }; answer: Record<string, never> };
  /** A shell with a command typed into it and not entered: installing something stays the user's decision. */
  shellOpen: { body: { command: string }; answer: { terminal: TerminalRef } };
}

export interface Events {
  profilesChanged: Record<string, never>;
  libraryChanged: Record<string, never>;
  /** A profile got its first rows, changed its phase or its terminals. */
  statusChanged: { profile: ProfileRef };
  /** Payload: bytes to show. */
  terminalData: { terminal: TerminalRef };
  terminalExit: { terminal: TerminalRef; code: number | null; signal: number | null };
}

export type RequestName = keyof Requests;
export type EventName = keyof Events;
