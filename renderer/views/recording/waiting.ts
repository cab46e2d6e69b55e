// Why a pane is empty: what is so, why, and the one thing to do. Pure.
import { formatRange } from '#core/analyze/format';
import type { TimeRanges } from '#core/analyze/view';
import type { LaneKind } from '#core/model/lane';
import type { LaneStatus, Notice, ProfileStatus } from '#core/protocol/api';

export interface Emptiness {
  readonly title: string;
  readonly text: string;
  readonly command: string;
  readonly foot: string;
  /** Id of the notice that it says already; '' where it says none. */
  readonly notice: string;
  /** What a button offers. */
  readonly offer: 'whole' | 'threads' | 'while' | 'switch-on' | 'none';
  readonly sign: 'clock' | 'no' | 'off';
}

export interface EmptyFacts {
  readonly status: ProfileStatus;
  readonly kind: LaneKind;
  /** What main says of the lane; null for a file. */
  readonly lane: LaneStatus | null;
  readonly laneSamples: number;
  readonly ranges: TimeRanges;
  /** `while __next__ waits`; '' where the selection has no such thing. */
  readonly during: string;
  readonly laneTitle: string;
  readonly source: string;
  /** Whether other panes stand beside it. */
  readonly several: boolean;
}

export function emptiness(facts: EmptyFacts): Emptiness {
  const { status, lane, kind, several, laneTitle } = facts;
  const nothing = { command: '', foot: '', notice: '', offer: 'none' as const, sign: 'clock' as const };
  // What is wrong with the whole recording is said once, in the first lane.
  const worst = several && kind !== 'cpu' ? undefined : worstOf(status.notices);
  if (facts.laneSamples > 0) return leftNothing(facts);
  const others = several ? 'The other lanes go on.' : '';
  const live = status.phase === 'starting' || status.phase === 'recording' || status.phase === 'stopping';
  if (lane !== null && status.phase !== 'failed') {
    switch (lane.state) {
      case 'none':
        return { ...nothing, sign: 'no', title: lane.command === '' ? `${CANNOT[kind] ?? `${laneTitle} cannot be recorded`} here` : `${CANNOT[kind] ?? `${laneTitle} cannot be recorded`} from this process yet`, text: lane.text, command: lane.command, foot: live ? others : '' };
      case 'failed':
        return { ...nothing, sign: 'no', title: `${laneTitle} stopped by itself`, text: lane.text || 'Its profiler ended. Its last words are in the terminal below.', command: lane.command, foot: live ? others : '', offer: lane.switchable ? 'switch-on' : 'none' };
      case 'off':
        if (!live) return { ...nothing, sign: 'off', title: `${laneTitle} was not recorded`, text: lane.text };
        return { ...nothing, sign: 'off', title: `${laneTitle} is switched off`, text: lane.switchable ? 'It can be recorded from now on.' : lane.text, command: lane.command, foot: others, offer: lane.switchable ? 'switch-on' : 'none' };
      case 'starting':
      case 'on':
    }
  }
  switch (status.phase) {
    case 'failed':
      return {
        ...nothing, sign: 'no', title: worst?.text ?? 'The recording failed', text: status.target === null ? 'Nothing of the file is shown. Open another one from Home.' : 'No sample had arrived. The profiler’s own words are in the terminal below.',
        command: worst?.command ?? '', notice: worst?.id ?? '',
      };
    case 'opening':
      return { ...nothing, title: 'Opening', text: status.progress === null ? 'The recording is being read.' : `${status.progress.what}. What is read so far shows at once.` };
    case 'starting':
      return {
        ...nothing, title: 'Waiting for the profiler',
        text: 'It is attaching to every thread of the program. A password that it asks for goes into the terminal below.', command: worst?.command ?? '', foot: worst?.text ?? '', notice: worst?.id ?? '',
      };
    case 'recording':
    case 'stopping':
      if (lane?.state === 'starting') return { ...nothing, title: 'Waiting for the profiler', text: 'It is attaching to every thread of the program. A password that it asks for goes into the terminal below.', foot: others };
      return { ...nothing, title: 'Waiting for the first samples', ...whyWaiting(facts), command: worst?.command ?? '', ...(worst === undefined ? {} : { foot: worst.text, notice: worst.id }) };
    case 'done':
      return { ...nothing, title: `No ${laneTitle} samples`, text: worst?.text ?? NOTHING_DONE[kind] ?? 'Nothing of it was recorded.', command: worst?.command ?? '', notice: worst?.id ?? '' };
  }
}

/** The lane has rows, and the selection leaves none of them. */
function leftNothing(facts: EmptyFacts): Emptiness {
  const nothing = { command: '', foot: '', notice: '', sign: 'clock' as const };
  const { ranges } = facts;
  if (facts.during !== '') return { ...nothing, title: `Nothing in ${facts.laneTitle} ${facts.during}`, text: 'The lane has samples at other times.', offer: 'while' };
  if (ranges !== null && ranges.length > 0) {
    return { ...nothing, title: `No ${facts.laneTitle} samples in ${formatRange(ranges[0][0], ranges[ranges.length - 1][1])}`, text: 'The recording has samples before or after it.', offer: 'whole' };
  }
  return { ...nothing, title: 'Nothing left to show', text: 'The chosen threads and filters leave no sample.', offer: 'threads' };
}

const CANNOT: Partial<Record<LaneKind, string>> = {
  cpu: 'CPU time cannot be sampled', 'off-cpu': 'Waiting cannot be seen', memory: 'Memory cannot be recorded', cuda: 'GPU kernels cannot be captured',
};

const NOTHING_DONE: Partial<Record<LaneKind, string>> = {
  cpu: 'The program used no CPU time while it was recorded.', 'off-cpu': 'No thread of it waited while it was recorded.',
  memory: 'The program did not grow while it was recorded.', cuda: 'The program gave the GPU nothing to do while it was recorded.',
};

function whyWaiting(facts: EmptyFacts): { text: string; foot: string } {
  const name = facts.status.target === null ? 'The program' : facts.status.target.name;
  switch (facts.kind) {
    case 'off-cpu':
      return { text: `No thread of ${name} has been seen to wait yet. One that sleeps already shows when it wakes, or when its stack is known.`, foot: '' };
    case 'memory':
    case 'faults':
      if (facts.lane?.profilers.some((profiler) => profiler !== 'perf') === true) return { text: `${name} has allocated nothing since the recording began.`, foot: '' };
      return {
        text: `${name} has not grown since the recording began: only memory that it touches for the first time is seen, so a program that reuses its memory stays empty here.`,
        foot: 'For every malloc and free, launch the program from Home with full memory.',
      };
    case 'cuda':
      return { text: `${name} has given the GPU nothing to do yet.`, foot: '' };
    case 'cpu':
    case 'gpu-idle':
    case 'gpu-memory':
    case 'other':
      return { text: `${name} has used no CPU time that ${facts.source === '' ? 'the profiler' : facts.source} could sample yet. A program that only waits stays empty here.`, foot: '' };
  }
}

function worstOf(notices: readonly Notice[]): Notice | undefined {
  return notices.find((one) => one.level === 'bad') ?? notices.find((one) => one.level === 'warn');
}
