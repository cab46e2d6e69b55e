// "What ran while this waited": from a box to a selection, and what the selection bar says of it. Pure.
import type { CallTree } from '#core/analyze/call-tree';
import { formatCount, formatTime } from '#core/analyze/format';
import { lastPart } from '#core/analyze/labels';
import { reasonOf } from '#core/analyze/shape';
import type { During, Selection, ViewValue } from '#core/analyze/view';
import { duringOf } from '#core/analyze/while';
import { assertNever } from '#core/errors';
import type { Profile } from '#core/model/profile';

/** What is needed of a session. */
export interface ViewOwner {
  readonly view: ViewValue;
  change(part: Partial<ViewValue>): void;
}

/** Letters of a function's name in the chip. */
const LETTERS = 28;

/** Why `w` does nothing on this box; '' where it works. */
export function whyNoWhile(tree: CallTree | null, node: number): string {
  if (tree === null || node < 0) return 'no box is chosen';
  if (!tree.lane.intervals) return 'only waiting and GPU idle time have a while';
  return '';
}

/**
 * Other lanes show only what ran while this box was so. Its threads are what the box's own tree shows; the other lanes show all
 * threads from now on, as those that waited did not run. Does nothing where `whyNoWhile` says why.
 */
export function startWhile(session: ViewOwner, tree: CallTree | null, node: number): void {
  if (tree === null || whyNoWhile(tree, node) !== '') return;
  session.change({ selection: { ...session.view.selection, threads: null, processes: null, during: duringOfBox(tree, node) } });
}

/** Takes it back; the threads that the box was chosen among are chosen again. */
export function endWhile(session: ViewOwner): void {
  const { during, ...selection } = session.view.selection;
  if (during === undefined) return;
  session.change({ selection: { ...selection, threads: selection.threads ?? during.threads } });
}

/** A box as a selection names it. */
export function duringOfBox(tree: CallTree, node: number): During {
  const { lane, selection } = tree;
  return {
    lane: { kind: lane.kind, name: lane.name }, path: tree.pathOf(node), inverted: tree.inverted, threads: rowsOf(tree.profile, selection),
    ...(selection.without === undefined ? {} : { without: selection.without }),
    transforms: selection.transforms, stacks: tree.merged ? 'merged' : 'own',
  };
}

/** The threads of a selection as rows; null = all. */
function rowsOf(profile: Profile, { threads, processes }: Selection): readonly number[] | null {
  if (processes === null) return threads;
  const table = profile.threads;
  const chosen = new Set(processes);
  const rows = threads ?? Array.from({ length: table.length }, (_, row) => row);
  return rows.filter((row) => chosen.has(table.process.get(row)));
}

export interface WhileText {
  /** `while __next__ waits`. */
  readonly text: string;
  /** `3.21 s in 41 spans`. */
  readonly length: string;
  /** What a card says: what was left out. */
  readonly more: string;
}

/** What the chip says; null where the selection has no `during`. */
export function whileText(profile: Profile, selection: Selection): WhileText | null {
  const { during } = selection;
  const intervals = duringOf(profile, selection);
  if (during === undefined || intervals === null) return null;
  const { ranges, length, waits, left } = intervals;
  const spans = `${formatCount(ranges.length)} ${ranges.length === 1 ? 'span' : 'spans'}`;
  const more = [`Other lanes show only what ran ${clause(during)}: ${formatTime(length)} in ${spans}, of ${formatCount(waits)} ${waits === 1 ? 'wait' : 'waits'}.`];
  if (left.count > 0) more.push(`${formatCount(left.count)} more waits, ${formatTime(left.weight)} in all, were too short to be kept one by one and are left out.`);
  if (selection.ranges !== null) more.push('The length is that of the whole recording; the panes show what of it lies in the chosen range.');
  return { text: clause(during), length: ranges.length === 0 ? 'never so far' : `${formatTime(length)} in ${spans}`, more: more.join(' ') };
}

/** `while __next__ waits`. */
function clause(during: During): string {
  const { path, lane, inverted } = during;
  // The box at the tip is a reason, not a function: the function that waits for it stands beside it.
  const tip = path.findIndex((ref) => isTip(ref.name, ref.file, ref.library));
  const last = path.at(-1);
  const onlyTip = tip >= 0 && (inverted ? path.length === 1 : tip === path.length - 1);
  const who = inverted || !onlyTip ? last : path.at(-2);
  const name = who === undefined || (inverted && onlyTip) ? '' : shortName(who.name);
  const reason = tip >= 0 ? reasonOf(path[tip].name) : '';
  switch (lane.kind) {
    case 'off-cpu':
      if (lane.name === 'preempted') return `while ${name === '' ? 'a thread' : name} has no CPU`;
      return `while ${name === '' ? 'a thread' : name} waits${onlyTip && reason !== '' && !reason.startsWith('[') ? ` (${reason})` : ''}`;
    case 'gpu-idle': return `while the GPU is idle${name === '' ? '' : ` in ${name}`}`;
    case 'cuda': return `while ${name === '' ? 'the GPU' : name} runs on the GPU`;
    case 'cpu':
    case 'memory':
    case 'gpu-memory':
    case 'faults':
    case 'other':
      return `during ${name}`;
    default: return assertNever(lane.kind);
  }
}

/** Markers have neither file nor library: `lock: futex_do_wait`, `[waiting]`, `preempted`. */
function isTip(name: string, file: string, library: string): boolean {
  return file === '' && library === '' && (/^(?:lock|disk|sleep|page fault|pipe, socket|child|GPU wait|waiting)(?:: |$)/.test(name) || name === 'preempted' || name.startsWith('[waiting]'));
}

function shortName(name: string): string {
  const short = lastPart(name);
  return short.length > LETTERS ? `${short.slice(0, LETTERS - 1)}…` : short;
}
