import { Float64Column, Int32Column } from './column.ts';
import type { LaneId, Nanoseconds, ProcessId, StackId, ThreadId, TrackId } from './ids.ts';
import { NO_PROCESS, NO_THREAD } from './ids.ts';
import type { LaneFacts, LaneKind } from './lane.ts';
import { Lane } from './lane.ts';
import { FrameTable, FunctionTable, ProcessTable, StackTable, StringTable, ThreadTable } from './tables.ts';

export interface TrackFacts {
  /** `cpu`, `rss`, `gpu-utilisation`: what the timeline calls it. */
  readonly name: string;
  /** `cores`, `bytes`, `%`. */
  readonly unit: string;
  /** Top of the fixed scale; 0 = the largest value so far. */
  readonly scale?: number;
  readonly process?: ProcessId;
}

/** Anything over time with a unit: a step line, each value holding until the next. */
export class Track {
  readonly name: string;
  readonly unit: string;
  readonly scale: number;
  readonly process: ProcessId;
  readonly time = new Float64Column();
  readonly value = new Float64Column();

  constructor(facts: TrackFacts) {
    this.name = facts.name;
    this.unit = facts.unit;
    this.scale = facts.scale ?? 0;
    this.process = facts.process ?? NO_PROCESS;
  }

  add(time: Nanoseconds, value: number): void {
    this.time.push(time);
    this.value.push(value);
  }
}

/** Kinds of mark. The order is the wire format: only append. */
export const MARK_KINDS = ['step', 'window', 'gap', 'lost', 'hand-over', 'pause', 'note', 'error'] as const;
export type MarkKind = (typeof MARK_KINDS)[number];

export interface MarkFacts {
  readonly kind: MarkKind;
  readonly start: Nanoseconds;
  /** Equal to start for a moment. */
  readonly end: Nanoseconds;
  readonly text?: string;
  /** Samples lost, number of the step. */
  readonly value?: number;
  readonly thread?: ThreadId;
}

/** Marks beside the lanes: steps, windows captured, gaps, lost samples, hand-overs. */
export class MarkTable {
  readonly kind = new Int32Column();
  readonly start = new Float64Column();
  readonly end = new Float64Column();
  readonly text = new Int32Column();
  readonly value = new Float64Column();
  readonly thread = new Int32Column();
  #profile: Profile;

  constructor(profile: Profile) {
    this.#profile = profile;
  }

  get length(): number {
    return this.kind.length;
  }

  add(facts: MarkFacts): void {
    this.kind.push(MARK_KINDS.indexOf(facts.kind));
    this.start.push(facts.start);
    this.end.push(facts.end);
    this.text.push(this.#profile.strings.intern(facts.text ?? ''));
    this.value.push(facts.value ?? 0);
    this.thread.push(facts.thread ?? NO_THREAD);
  }
}

/** An interval that has not ended: sent whole with each delta, never a row until it ends. */
export interface OpenInterval {
  readonly lane: LaneId;
  readonly thread: ThreadId;
  readonly stack: StackId;
  readonly since: Nanoseconds;
}

/** What is known of the run as a whole; plain JSON, sent whole when it changes. */
export interface ProfileInfo {
  /** What is shown as its name. */
  title: string;
  /** The recorded command line; '' where unknown. */
  command: string;
  /** Which tool made it: `perf 6.1`, `py-spy 0.4.2`. */
  tool: string;
  /** Format id of the input, `live` for a recording of ours. */
  format: string;
  host: string;
  kernel: string;
  /** Wall-clock time of time 0, in ms since 1970; 0 where unknown. */
  startedAt: number;
  /** End of what is recorded, ns since the start; grows while live. */
  durationNs: number;
  commit: string;
  /** Directory of the target, for "own code"; '' where unknown. */
  directory: string;
  live: boolean;
  /** Free lines for the foot of a page: `3 windows could not be joined`. */
  notes: string[];
}

export function emptyInfo(): ProfileInfo {
  return {
    title: '', command: '', tool: '', format: '', host: '', kernel: '', startedAt: 0, durationNs: 0, commit: '',
    directory: '', live: false, notes: [],
  };
}

/** All tables of one profile. Lanes share strings, functions, frames and stacks, so a function is one row in all of them. */
export class Profile {
  readonly strings = new StringTable();
  readonly functions = new FunctionTable(this.strings);
  readonly frames = new FrameTable();
  readonly stacks = new StackTable();
  readonly processes = new ProcessTable(this.strings);
  readonly threads = new ThreadTable(this.strings);
  readonly lanes: Lane[] = [];
  readonly tracks: Track[] = [];
  readonly marks = new MarkTable(this);
  open: OpenInterval[] = [];
  info: ProfileInfo = emptyInfo();
  /** Grows whenever info or skipped changes; call `touch` after writing to either. */
  infoRevision = 0;
  /** What could not be read or was left out, by reason: shown to the user, never silent. */
  readonly skipped = new Map<string, number>();

  /** `limit`: rows that the lane holds at most before its older half is thinned. */
  addLane(facts: LaneFacts, limit?: number): LaneId {
    return (this.lanes.push(new Lane(facts, limit)) - 1) as LaneId;
  }

  /** The first lane of a kind (and name), or null. */
  lane(kind: LaneKind, name?: string): Lane | null {
    return this.lanes.find((lane) => lane.kind === kind && (name === undefined || lane.name === name)) ?? null;
  }

  addTrack(facts: TrackFacts): TrackId {
    return (this.tracks.push(new Track(facts)) - 1) as TrackId;
  }

  /** Counts something that was skipped. */
  skip(what: string, count = 1): void {
    this.skipped.set(what, (this.skipped.get(what) ?? 0) + count);
    this.touch();
  }

  touch(): void {
    this.infoRevision++;
  }

  /** Moves the end of the recording on; never back. */
  reach(time: Nanoseconds): void {
    if (time > this.info.durationNs) {
      this.info.durationNs = time;
      this.touch();
    }
  }
}
