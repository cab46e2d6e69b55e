// Which panes a view has, which lane is in each, and where they stand. Pure.
import type { LaneRef, PaneValue, Selection, ViewValue } from '#core/analyze/view';
import { OPERATORS_LANE, isNotWaiting, laneOf, laneTitle, laneTitleOf, usualLane } from '#core/analyze/words';
import { FIRST_VIEW } from '#core/analyze/view';
import type { Lane, LaneKind } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import type { LaneStatus } from '#core/protocol/api';

/** The lanes that stand side by side, in this order. */
export const PANE_KINDS: readonly LaneKind[] = ['cpu', 'off-cpu', 'memory', 'cuda'];
/** Kinds in the order of their worth: of a trace of GPU work alone, that work first. */
const ORDER: readonly LaneKind[] = [...PANE_KINDS, 'gpu-idle', 'other', 'gpu-memory', 'faults'];
const GPU_ORDER: readonly LaneKind[] = ['cuda', 'gpu-idle', 'other', 'gpu-memory', 'memory', 'cpu', 'off-cpu', 'faults'];
export const MOST_PANES = 4;
export const LEAST_WIDTH = 240;
export const LEAST_HEIGHT = 120;

const firsts = new Map<LaneKind, PaneValue>();

/** The pane of a kind as it begins. The same object each time, so that nothing is worked out anew. */
export function firstPane(kind: LaneKind): PaneValue {
  let pane = firsts.get(kind);
  if (pane === undefined) firsts.set(kind, (pane = { kind, lane: null, inverted: false, zoom: [], selected: [] }));
  return pane;
}

/** The pane that shows a lane: page faults are a measure of memory. */
export function paneKind(kind: LaneKind): LaneKind {
  return kind === 'faults' ? 'memory' : kind;
}

/**
 * Kinds that are worth a pane: those that were asked for, also while nothing of them has come, and those with rows. `lanes` are
 * the status's, empty for a file.
 */
export function kindsToShow(profile: Profile, lanes: readonly LaneStatus[]): LaneKind[] {
  const kinds = new Set<LaneKind>();
  for (const one of lanes) if (one.asked !== false) kinds.add(paneKind(one.kind));
  for (const lane of profile.lanes) if (lane.rows > 0) kinds.add(paneKind(lane.kind));
  const order = kinds.has('cuda') && !kinds.has('cpu') && !kinds.has('off-cpu') ? GPU_ORDER : ORDER;
  return order.filter((kind) => kinds.has(kind)).slice(0, MOST_PANES);
}

/**
 * The panes of a view: those that it names; else, where it names no lane either, one for each kind there is; else the one graph of its
 * own fields.
 */
export function panesOf(view: ViewValue, profile: Profile, lanes: readonly LaneStatus[]): readonly PaneValue[] {
  if (view.panes !== undefined && view.panes.length > 0) return view.panes;
  const { lane, inverted, zoom, selected } = view;
  const usual = usualLane(profile);
  const own = (kind: LaneKind): PaneValue => ({ kind, lane, inverted, zoom, selected });
  if (lane !== null) return [own(paneKind(lane.kind))];
  const kinds = kindsToShow(profile, lanes);
  if (kinds.length < 2) return [own(paneKind(usual?.kind ?? kinds[0] ?? 'cpu'))];
  // What was done to the one graph before there were others stays with it.
  const first = usual !== null && kinds.includes(paneKind(usual.kind)) ? paneKind(usual.kind) : kinds[0];
  return kinds.map((kind) => (kind === first ? own(kind) : firstPane(kind)));
}

/** Which pane has the focus. */
export function focusOf(view: ViewValue, panes: readonly PaneValue[], profile: Profile): number {
  if (view.focus !== undefined) return Math.min(Math.max(0, view.focus), panes.length - 1);
  if (view.panes !== undefined) return 0;
  const usual = usualLane(profile);
  return usual === null ? 0 : Math.max(0, panes.findIndex((pane) => pane.kind === paneKind(usual.kind)));
}

/** A view with these panes: its own fields follow the pane with the focus. */
export function withPanes(view: ViewValue, panes: readonly PaneValue[], focus: number): ViewValue {
  const at = Math.min(Math.max(0, focus), panes.length - 1);
  const { lane, inverted, zoom, selected } = panes[at];
  return { ...view, panes, focus: at, lane, inverted, zoom, selected };
}

/** A view in which one pane is otherwise. One graph alone is the view's own fields. */
export function withPane(view: ViewValue, panes: readonly PaneValue[], focus: number, index: number, part: Partial<PaneValue>): ViewValue {
  if (view.panes === undefined && panes.length === 1 && part.threads === undefined && part.moment === undefined && part.idle === undefined && (part.kind === undefined || part.kind === panes[0].kind)) {
    const { kind: _, ...own } = part;
    return { ...view, ...own };
  }
  return withPanes(view, panes.map((pane, i) => (i === index ? { ...pane, ...part } : pane)), focus);
}

/** The lane that a pane means; the usual one of its kind where it names none. null while there is none. */
export function laneOfPane(profile: Profile, kind: LaneKind, ref: LaneRef | null): Lane | null {
  if (ref !== null) {
    const named = laneOf(profile, { ...FIRST_VIEW, lane: ref });
    if (named !== null && named.kind === ref.kind) return named;
  }
  // Threads that were preempted did not wait: they are a lane to be chosen, never one that is shown by itself.
  if (kind === 'off-cpu') return profile.lanes.filter((lane) => lane.kind === kind && !isNotWaiting(lane)).sort((a, b) => Number(b.rows > 0) - Number(a.rows > 0))[0] ?? null;
  if (kind === 'other') {
    const operators = profile.lanes.find((lane) => lane.kind === kind && lane.name === OPERATORS_LANE && lane.rows > 0);
    if (operators !== undefined) return operators;
  }
  return usualLane(profile, kind) ?? (kind === 'memory' ? usualLane(profile, 'faults') : null) ?? profile.lane(kind);
}

/** The tab's selection as it holds in a pane with threads or a moment of its own. The tab's own object where it has neither. */
export function selectionOf(selection: Selection, threads: PaneValue['threads'], moment: PaneValue['moment']): Selection {
  if (threads === undefined && moment === undefined) return selection;
  return { ...selection, ...(threads === undefined ? {} : { threads: both(selection.threads, threads) }), ...(moment === undefined ? {} : { moment }) };
}

/** Threads that are in both; null = all. */
function both(a: readonly number[] | null, b: readonly number[] | null): readonly number[] | null {
  if (a === null || b === null) return b ?? a;
  const chosen = new Set(a);
  return b.filter((row) => chosen.has(row));
}

/** A lane that can be put into a pane. */
export interface LaneChoice {
  readonly kind: LaneKind;
  /** null = the usual one of the kind. */
  readonly lane: LaneRef | null;
  readonly title: string;
  /** Which tool, where two lanes have one title. */
  readonly note: string;
}

/** Every lane that a pane can show: one entry a kind, then those beside the usual ones. Measures of memory are chosen in its pane. */
export function laneChoices(profile: Profile, shown: readonly Lane[], lanes: readonly LaneStatus[]): LaneChoice[] {
  const kinds = new Set<LaneKind>(kindsToShow(profile, lanes));
  for (const one of lanes) kinds.add(paneKind(one.kind));
  for (const lane of shown) if (lane.rows > 0) kinds.add(paneKind(lane.kind));
  const list: LaneChoice[] = ORDER.filter((kind) => kinds.has(kind)).map((kind) => ({ kind, lane: null, title: kindTitle(profile, kind), note: '' }));
  for (const lane of shown) {
    const kind = paneKind(lane.kind);
    if (kind === 'memory' || lane.rows === 0 || laneOfPane(profile, kind, null) === lane) continue;
    list.push({ kind, lane: { kind: lane.kind, name: lane.name }, title: laneName(lane), note: isNotWaiting(lane) || lane.kind === 'other' ? '' : lane.name });
  }
  return list;
}

/** A lane's name: its kind's, but for what only looks like waiting. */
export function laneName(lane: Lane): string {
  return isNotWaiting(lane) ? 'Preempted' : laneTitleOf(lane);
}

/** A pane's name by its kind: lanes of no kind have names of their own. */
export function kindTitle(profile: Profile, kind: LaneKind, lane: Lane | null = null): string {
  const shown = kind === 'other' ? lane ?? laneOfPane(profile, kind, null) : null;
  return shown === null ? laneTitle(kind) : laneTitleOf(shown);
}

export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Arranged {
  readonly panes: readonly Rect[];
  /** The line between left and right panes, and the one between upper and lower ones; null where there is none. */
  readonly upright: Rect | null;
  readonly level: Rect | null;
}

/** How many panes have room: two where a second row would be too low. */
export function mostPanes(width: number, height: number): number {
  if (height < 2 * LEAST_HEIGHT + 1) return width < 2 * LEAST_WIDTH + 1 ? 1 : 2;
  return MOST_PANES;
}

/**
 * Where 1 to 4 panes stand in an area, parted by lines of 1 px: two side by side, three with the last over the whole width,
 * four in two rows. `across` and `down` are the parts of the first column and row. Sizes in CSS px.
 */
export function arrange(count: number, width: number, height: number, across: number, down: number): Arranged {
  const whole: Rect = { x: 0, y: 0, width, height };
  if (count <= 1) return { panes: [whole], upright: null, level: null };
  const left = split(width, across, LEAST_WIDTH);
  const top = split(height, down, LEAST_HEIGHT);
  const right = Math.max(0, width - left - 1);
  const below = Math.max(0, height - top - 1);
  if (count === 2) {
    if (width < 2 * LEAST_WIDTH + 1 && height >= 2 * LEAST_HEIGHT + 1) {
      return { panes: [{ ...whole, height: top }, { ...whole, y: top + 1, height: below }], upright: null, level: { x: 0, y: top, width, height: 1 } };
    }
    return { panes: [{ ...whole, width: left }, { ...whole, x: left + 1, width: right }], upright: { x: left, y: 0, width: 1, height }, level: null };
  }
  const rects: Rect[] = [{ x: 0, y: 0, width: left, height: top }, { x: left + 1, y: 0, width: right, height: top }];
  if (count === 3) rects.push({ x: 0, y: top + 1, width, height: below });
  else rects.push({ x: 0, y: top + 1, width: left, height: below }, { x: left + 1, y: top + 1, width: right, height: below });
  return { panes: rects, upright: { x: left, y: 0, width: 1, height: count === 3 ? top : height }, level: { x: 0, y: top, width, height: 1 } };
}

function split(size: number, part: number, least: number): number {
  return Math.round(Math.max(Math.min(least, size / 2), Math.min(part * size, size - least - 1)));
}

/** The panes on screen, by number: the one with the focus, or as many as have room: the focused and its neighbour. */
export function panesShown(count: number, focus: number, wide: boolean, most: number): number[] {
  if (wide || most <= 1 || count === 1) return [focus];
  const all = Array.from({ length: count }, (_, i) => i);
  if (count <= most) return all;
  const first = Math.min(focus - (focus % 2), count - 2);
  return [first, first + 1];
}
