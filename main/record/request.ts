import { UserError } from '#core/errors';
import type { Notice, RecordOptions, Target } from '#core/protocol/api';
import { startOf } from '../processes/identity.ts';
import { withDescendants } from '../processes/tree.ts';
import type { Profiler, Watched } from '../profilers/profiler.ts';
import type { Choice } from './choose.ts';
import type { Launched } from './launch.ts';
import type { Marks } from './marks.ts';
import type { TargetFacts } from './target.ts';

export interface StartRequest {
  readonly target: Target;
  readonly options: RecordOptions;
  /** Where a launched command runs: a pseudo-terminal of ours, or the terminal, input and process group that we have. */
  readonly terminal: 'pty' | 'inherit';
  /** A profiler that cannot start is an error, also where the command could run without. */
  readonly strict?: boolean;
  /** Data folder; see dataFolder. */
  readonly home?: string;
  /** Stands in for the list of profilers, in tests. */
  readonly profilers?: readonly Profiler[];
}

export interface RecordingEnd {
  /** '' for a clean end, else what went wrong, for people. */
  readonly error: string;
  /** Of a launched command; null while it runs on, when a signal ended it, and for attached targets. */
  readonly exitCode: number | null;
  /** Number of the signal that ended a launched command. */
  readonly signal: number | null;
}

export type RecordingEvent = 'status' | 'terminals';

/** What startRecording (start.ts) found out before anything was recorded. */
export interface Parts {
  readonly request: StartRequest;
  readonly id: string;
  readonly folder: string;
  readonly startedAt: number;
  readonly zeroAt: number;
  readonly watched: readonly Watched[];
  readonly launched: Launched | null;
  readonly facts: TargetFacts;
  /** Steps that the target tells. */
  readonly marks: Marks;
  readonly notices: readonly Notice[];
  readonly choice: Choice;
  /** Profilers whose part of the environment the launched command got. */
  readonly prepared: readonly string[];
  /** Processes of the target that get light detail; they are not in `watched`. */
  readonly light: readonly Watched[];
  /** See Run.small. */
  readonly small: boolean;
}

/** The processes of an attach as they are now, with their children where asked; those that are gone are left out. */
export function attached(target: Target): Watched[] {
  if (target.kind !== 'attach') return [];
  const roots = target.processes.map((process) => process.pid);
  const pids = target.children ? withDescendants(roots) : roots;
  const watched: Watched[] = [];
  for (const pid of pids) {
    const start = startOf(pid);
    if (start !== null) watched.push({ pid, start });
  }
  return watched;
}

/** Throws UserError for numbers that no profiler can take. */
export function checkOptions(options: RecordOptions): void {
  if (!(options.rate >= 1 && options.rate <= 20_000)) throw new UserError('rate', `a rate of ${options.rate} samples a second is not possible`, { hint: 'From 1 to 20000; 99 is usual.' });
  if (!(options.duration >= 0)) throw new UserError('duration', `a duration of ${options.duration} s is not possible`);
  if (options.lanes.length === 0) throw new UserError('lanes', 'no lane was chosen to record');
}
