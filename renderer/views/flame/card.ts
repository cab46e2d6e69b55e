// The one card: what a function takes in every lane. Pure.
import type { CallTree } from '#core/analyze/call-tree';
import { MISSING, formatCount, formatMargin, formatPercent, formatSamples, formatWeight } from '#core/analyze/format';
import type { FunctionRow } from '#core/analyze/functions';
import { marginOf } from '#core/analyze/margin';
import { laneTitle, laneTitleOf } from '#core/analyze/words';
import type { Lane, LaneKind } from '#core/model/lane';
import { share } from './describe.ts';

/** A lane of the card, with the function's row in it; null where it has none, or the lane is not there. */
export interface CardLane {
  readonly kind: LaneKind;
  readonly title: string;
  readonly tree: CallTree | null;
  readonly row: FunctionRow | null;
}

export interface CardRow {
  readonly kind: LaneKind;
  readonly title: string;
  readonly total: string;
  /** Of the lane, as text and 0 to 1. */
  readonly percent: string;
  readonly share: number;
  readonly self: string;
}

/** What a lane's row is called. */
export function cardTitle(kind: LaneKind): string {
  switch (kind) {
    case 'off-cpu': return 'Waiting';
    case 'memory': return 'Allocated';
    case 'cuda': return 'GPU';
    case 'cpu':
    case 'gpu-idle':
    case 'gpu-memory':
    case 'faults':
    case 'other':
      return laneTitle(kind);
  }
}

export function cardRow({ kind, title, tree, row }: CardLane): CardRow {
  if (tree === null || row === null) return { kind, title, total: MISSING, percent: MISSING, share: 0, self: MISSING };
  const part = share(row.total, tree.total);
  return {
    kind, title, total: formatWeight(row.total, tree.lane.unit), percent: formatPercent(part), share: Math.max(0, Math.min(1, part)),
    self: row.self === 0 ? MISSING : formatWeight(row.self, tree.lane.unit),
  };
}

/** `108 CPU samples, ± 1.7 points`, `12 waits, exact`: what the numbers of the lane under the pointer rest on. */
export function cardFoot({ kind, tree, row }: CardLane, named: boolean): string {
  if (tree === null) return '';
  const samples = row?.samples ?? 0;
  return `${countOf(tree.lane, samples, named ? (tree.lane.kind === kind ? laneTitleOf(tree.lane) : laneTitle(kind)) : '')}, ${exact(tree.lane) ? 'exact' : formatMargin(marginOf(samples, tree.samples)) || 'no samples'}`;
}

/** `108 CPU samples`, `12 waits`, `40 allocations`, `800 kernels and copies`. */
export function countOf(lane: Lane, count: number, name = ''): string {
  if (lane.kind === 'cuda' && lane.intervals) return `${formatCount(count)} ${count === 1 ? 'kernel or copy' : 'kernels and copies'}`;
  const word = lane.kind === 'off-cpu' ? 'wait' : lane.kind === 'gpu-idle' ? 'gap' : lane.kind === 'other' && lane.intervals ? (lane.unit === 'bytes' ? 'transfer' : 'call') : lane.kind === 'memory' && exact(lane) ? 'allocation' : '';
  return word === '' ? formatSamples(count, name) : `${formatCount(count)} ${word}${count === 1 ? '' : 's'}`;
}

/** Whether a lane's rows are all there were, and not samples of them. */
export function exact(lane: Lane): boolean {
  return lane.intervals || (lane.kind === 'memory' && /^heaptrack\b/.test(lane.name));
}
