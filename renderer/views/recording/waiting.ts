// Why the picture is empty: what is so, why, and the one thing to do. Pure.
import { formatRange } from '#core/analyze/format';
import type { TimeRanges } from '#core/analyze/view';
import type { Notice, ProfileStatus } from '#core/protocol/api';

export interface Emptiness {
  readonly title: string;
  readonly text: string;
  readonly command: string;
  readonly foot: string;
  /** Id of the notice that it says already; '' where it says none. */
  readonly notice: string;
  /** What a button offers. */
  readonly offer: 'whole' | 'threads' | 'none';
}

export function emptiness(facts: {
  readonly status: ProfileStatus;
  readonly laneSamples: number;
  readonly ranges: TimeRanges;
  readonly filtered: boolean;
  readonly laneTitle: string;
  readonly source: string;
}): Emptiness {
  const { status } = facts;
  const nothing = { command: '', foot: '', notice: '', offer: 'none' as const };
  const worst = worstOf(status.notices);
  if (facts.laneSamples > 0) {
    if (facts.ranges !== null && facts.ranges.length > 0) {
      const first = facts.ranges[0][0];
      const last = facts.ranges[facts.ranges.length - 1][1];
      return { ...nothing, title: `No ${facts.laneTitle} samples in ${formatRange(first, last)}`, text: 'The recording has samples before or after it.', offer: 'whole' };
    }
    return { ...nothing, title: 'Nothing left to show', text: 'The chosen threads and filters leave no sample.', offer: 'threads' };
  }
  switch (status.phase) {
    case 'failed':
      return {
        title: worst?.text ?? 'The recording failed', text: status.target === null ? 'Nothing of the file is shown. Open another one from Home.' : 'No sample had arrived. The profiler’s own words are in the terminal below.',
        command: worst?.command ?? '', foot: '', notice: worst?.id ?? '', offer: 'none',
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
      return {
        ...nothing, title: 'Waiting for the first samples',
        text: `${status.target === null ? 'The program' : status.target.name} has used no CPU time that ${facts.source === '' ? 'the profiler' : facts.source} could sample yet. A program that only waits stays empty here.`,
        command: worst?.command ?? '', foot: worst?.text ?? '', notice: worst?.id ?? '',
      };
    case 'done':
      return { ...nothing, title: `No ${facts.laneTitle} samples`, text: worst?.text ?? 'The program used no CPU time while it was recorded.', command: worst?.command ?? '', notice: worst?.id ?? '' };
  }
}

function worstOf(notices: readonly Notice[]): Notice | undefined {
  return notices.find((one) => one.level === 'bad') ?? notices.find((one) => one.level === 'warn');
}
