// What each lane of a live recording is doing, from what its profilers said they can and what became of them.
import type { LaneKind } from '#core/model/lane';
import type { Check, LaneStatus } from '#core/protocol/api';
import { works } from '../profilers/checks.ts';
import type { Profiler } from '../profilers/profiler.ts';
import type { Choice } from './choose.ts';
import { bestRefusal } from './choose.ts';

/** A profiler as far as its lanes are concerned. */
export interface LaneLife {
  readonly profiler: Profiler;
  /** What it was started for or switched to. */
  readonly lanes: Set<LaneKind>;
  readonly state: 'starting' | 'running' | 'ended' | 'failed';
  readonly error: string;
}

export interface LaneFacts {
  readonly choice: Choice;
  readonly asked: readonly LaneKind[];
  /** Switched off by hand. */
  readonly off: ReadonlySet<LaneKind>;
  readonly lives: readonly LaneLife[];
  readonly live: boolean;
  readonly canSwitch: (kind: LaneKind) => boolean;
}

/** Lanes that a pane can show, whether asked for or not. */
const SHOWN: readonly LaneKind[] = ['cpu', 'off-cpu', 'memory', 'cuda'];

/** One a kind: those that were asked for first, then the usual ones that were not. */
export function laneStatuses(facts: LaneFacts): LaneStatus[] {
  const kinds = [...new Set([...facts.asked, ...SHOWN, ...facts.lives.flatMap((life) => [...life.lanes])])];
  return kinds.map((kind) => laneStatus(kind, facts));
}

function laneStatus(kind: LaneKind, facts: LaneFacts): LaneStatus {
  const { choice, off, live } = facts;
  const checks = choice.checks.filter((check) => check.lane === kind);
  const filling = facts.lives.filter((life) => life.lanes.has(kind));
  const running = filling.filter((life) => life.state === 'running');
  const profilers = [...new Set((running.length > 0 ? running : filling).map((life) => life.profiler.id))];
  const base = { kind, profilers, text: '', command: '', switchable: live && facts.canSwitch(kind), asked: facts.asked.includes(kind) };
  if (off.has(kind)) return { ...base, state: 'off', text: 'Switched off.' };
  // What a source cannot see is said while it records and afterwards, unless another source of the lane sees it.
  const own = checks.filter((check) => profilers.includes(check.profiler));
  const less = own.some((check) => check.state === 'ready') ? undefined : own.find((check) => check.state === 'partly');
  const on = { ...base, state: 'on', text: less?.text ?? '', command: less?.command ?? '' } as const;
  if (running.length > 0) return on;
  if (filling.some((life) => life.state === 'starting')) return { ...base, state: 'starting' };
  const failed = filling.find((life) => life.state === 'failed');
  if (failed !== undefined) return { ...base, state: 'failed', text: failed.error };
  // A profiler that ended with its target, or with the recording: the lane is what it is.
  if (filling.length > 0) return on;
  const able = choice.candidates.filter((candidate) => candidate.possible.includes(kind)).map((candidate) => candidate.profiler.id);
  const possible = checks.filter((check) => works(check) && able.includes(check.profiler));
  if (!facts.asked.includes(kind) && possible.length > 0) return { ...base, state: 'off', text: 'Not asked for.', profilers: able };
  // It waits for its start, in the moment before any profiler was told.
  if (possible.length > 0) return { ...base, state: 'starting', profilers: able };
  return { ...base, state: 'none', ...refusalOf(kind, checks) };
}

function refusalOf(kind: LaneKind, checks: readonly Check[]): { text: string; command: string } {
  const refusal = bestRefusal(checks);
  if (refusal !== null) return { text: refusal.text, command: refusal.command };
  const waiting = checks.find(works);
  // It could, but may not: its depth or its risk was not asked for, or another profiler was named.
  if (waiting !== undefined) return { text: `${waiting.profiler} could record it: ${waiting.text}`, command: '' };
  return { text: `Nothing here records ${WORDS[kind]} yet.`, command: '' };
}

const WORDS: Readonly<Record<LaneKind, string>> = {
  cpu: 'CPU time', 'off-cpu': 'waiting time', memory: 'memory', cuda: 'CUDA', 'gpu-idle': 'idle time of the GPU', 'gpu-memory': 'GPU memory', faults: 'page faults', other: 'this',
};
