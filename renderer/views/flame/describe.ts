// What is said of a box, in the hover card, the accessible table and aloud. Pure.
import type { CallTree } from '#core/analyze/call-tree';
import { formatMargin, formatPercent, formatWeight } from '#core/analyze/format';
import { placeText } from '#core/analyze/labels';
import { marginOf } from '#core/analyze/margin';
import { countOf, exact } from './card.ts';

export interface BoxFacts {
  readonly name: string;
  /** `train.py:131`, else the library; '' where nothing is known. */
  readonly place: string;
  /** Full file with the line, '' where unknown. */
  readonly file: string;
  /** "your code", else the library, else the kind. */
  readonly origin: string;
  readonly self: string;
  readonly total: string;
  readonly selfPercent: string;
  readonly totalPercent: string;
  /** Share of the lane, 0 to 1. */
  readonly share: number;
  /** `108 samples, ± 1.7 points`; "exact" for lanes of intervals. */
  readonly samples: string;
}

const KIND_WORDS: Readonly<Record<string, string>> = {
  unknown: 'unknown', python: 'Python', native: 'native', kernel: 'Linux kernel', rust: 'Rust', cuda: 'GPU kernel', 'gpu-copy': 'GPU copy',
  javascript: 'JavaScript', java: 'Java', interpreter: 'interpreter', marker: 'added by Flamebench',
};

/** The kind of code in a word. */
export function kindWord(kind: string): string {
  return KIND_WORDS[kind] ?? kind;
}

export function describeBox(tree: CallTree, node: number): BoxFacts {
  const { functions } = tree.profile;
  const fn = tree.fn(node);
  const total = tree.totalOf(node);
  const self = tree.self(node);
  const unit = tree.lane.unit;
  const file = functions.fileOf(fn);
  const library = functions.libraryOf(fn);
  const line = tree.line(node);
  const samples = tree.samplesOf(node);
  const place = placeText(file, line) || library;
  return {
    name: functions.nameOf(fn),
    place,
    file: file === '' ? '' : line > 0 ? `${file}:${line}` : file,
    origin: tree.lane.kind === 'off-cpu' && functions.kindOf(fn) === 'marker' ? 'reason' : functions.isOwn(fn) ? 'your code' : library !== '' ? library : kindWord(functions.kindOf(fn)),
    self: formatWeight(self, unit),
    total: formatWeight(total, unit),
    selfPercent: formatPercent(share(self, tree.total)),
    totalPercent: formatPercent(share(total, tree.total)),
    share: share(total, tree.total),
    samples: [countOf(tree.lane, samples), exact(tree.lane) ? 'exact' : formatMargin(marginOf(samples, tree.samples))].filter((part) => part !== '').join(', '),
  };
}

/** A box as a sentence for a screen reader. */
export function spokenText(facts: BoxFacts): string {
  return `${facts.name}${facts.place === '' ? '' : `, ${facts.place}`}: total ${facts.total}, ${facts.totalPercent}; self ${facts.self}, ${facts.selfPercent}; ${facts.samples}`;
}

export function share(part: number, whole: number): number {
  return whole > 0 ? part / whole : 0;
}

/** Where a card of a size stands: under the box or above it, never over it; in the window. CSS px. */
export function cardPlace(
  box: { readonly left: number; readonly right: number; readonly top: number; readonly bottom: number; readonly x: number },
  size: { readonly width: number; readonly height: number },
  window: { readonly width: number; readonly height: number },
): { left: number; top: number } {
  const left = Math.max(8, Math.min(Math.max(box.left, box.x - 24), window.width - size.width - 8));
  if (box.bottom + 6 + size.height <= window.height - 4) return { left, top: box.bottom + 6 };
  if (box.top - 6 - size.height >= 4) return { left, top: box.top - 6 - size.height };
  // Neither fits: beside it, where there is more room.
  const beside = box.right + 8 + size.width <= window.width ? box.right + 8 : Math.max(8, box.left - 8 - size.width);
  return { left: beside, top: Math.max(4, window.height - size.height - 4) };
}
