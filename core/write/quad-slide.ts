// Up to four lanes on one slide, 2 x 2: each graph with its lane's name and total, one title, one legend.
import { UserError } from '#core/errors';
import type { Profile } from '#core/model/profile';
import { CallTree } from '#core/analyze/call-tree';
import type { ColourKind, Reason, Theme } from '#core/analyze/colour';
import { formatRange, formatWeight } from '#core/analyze/format';
import { textWidth } from '#core/analyze/labels';
import { layout } from '#core/analyze/layout';
import { resolve } from '#core/analyze/resolve';
import { search } from '#core/analyze/search';
import type { PaneValue, PictureOptions, ViewValue } from '#core/analyze/view';
import { laneOf, laneQuantity, laneTitle, shortTitle, usualLane } from '#core/analyze/words';
import { Drawing } from './drawing.ts';
import type { Colours, Places } from './slide-parts.ts';
import { LEAST_BOX, TEXT, coloursOf, drawBoxes, drawFoot, drawTitle, hiddenRows, placesOf, trunk } from './slide-parts.ts';

const GAP = 40;
/** Labels, and rows at this size; both grow with the picture's text. */
const LABEL = 18;
const ROW = 30;
const LANE = 27;
/** From a graph's upper edge down to its first row: the lane's title and air. */
const HEAD = 44;

/** Whether a view is a picture of several panes. */
export function isQuad(view: ViewValue): boolean {
  return view.panes !== undefined && view.panes.length > 1 && view.wide !== true;
}

interface Graph {
  readonly pane: PaneValue;
  readonly tree: CallTree;
}

/** All panes of a view as one SVG document. Throws UserError where none of them has anything to draw. */
export function quadSvg(profile: Profile, view: ViewValue, picture: PictureOptions): string {
  const graphs = (view.panes ?? []).slice(0, 4).flatMap((pane) => graphOf(profile, view, pane));
  if (graphs.length === 0) throw new UserError('picture-empty', 'no samples of any pane lie in the selection, so there is nothing to draw', { hint: 'Choose a longer range, more threads or fewer transforms.' });
  const theme: Theme = picture.theme === 'dark' ? 'dark' : 'light';
  const colours = coloursOf(picture.theme);
  const places = placesOf(picture);
  const title = picture.title || `${[shortTitle(profile), list([...new Set(graphs.map(({ pane }) => laneTitle(pane.kind)))])].filter((part) => part !== '').join(': ')} side by side`;
  const drawing = new Drawing(picture.width, picture.height, title);
  if (colours.ground !== null) drawing.rect(0, 0, picture.width, picture.height, colours.ground);
  const room = places.right - places.margin;
  drawTitle(drawing, places, colours, title, picture.subtitle || subtitleOf(profile, view, graphs, room), room);

  const kinds = new Set<ColourKind | Reason>();
  const cells = cellsOf(graphs.length, places);
  graphs.forEach((graph, i) => {
    for (const kind of drawGraph(drawing, view, picture, graph, cells[i], colours, theme)) kinds.add(kind);
  });
  const first = graphs[Math.min(graphs.length - 1, view.focus ?? 0)].tree;
  drawFoot(drawing, { profile, tree: first, picture, places, colours, theme, kinds, found: view.search === '' ? null : search(first, view.search), pattern: view.search });
  return drawing.finish();
}

function graphOf(profile: Profile, view: ViewValue, pane: PaneValue): Graph[] {
  const lane = pane.lane === null ? usualLane(profile, pane.kind) ?? (pane.kind === 'memory' ? usualLane(profile, 'faults') : null) : laneOf(profile, { ...view, lane: pane.lane });
  if (lane === null) return [];
  const selection = {
    ...view.selection, ...(pane.threads === undefined || pane.threads === null ? {} : { threads: pane.threads }), ...(pane.moment === undefined ? {} : { moment: pane.moment }),
  };
  const tree = new CallTree(profile, lane, resolve(profile, lane, selection), pane.inverted);
  return tree.total > 0 ? [{ pane, tree }] : [];
}

/** `CPU, Off-CPU and Memory`. */
function list(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words[words.length - 1]}`;
}

function subtitleOf(profile: Profile, view: ViewValue, graphs: readonly Graph[], room: number): string {
  const { ranges } = view.selection;
  const range = ranges === null || ranges.length === 0 ? '' : `, ${formatRange(ranges[0][0], ranges[ranges.length - 1][1])}`;
  const widths = `Widths are ${list([...new Set(graphs.map(({ tree }) => laneQuantity(tree.lane)))])}${range}.`;
  const { command, host } = profile.info;
  const where = host === '' ? '' : ` on ${host}`;
  const choices = [command === '' ? '' : `${command}${where}. ${widths}`, `${shortTitle(profile)}${where}. ${widths}`, widths];
  return choices.find((text) => text !== '' && textWidth(text, TEXT) <= room) ?? widths;
}

interface Cell {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Two beside each other have the whole height; the last of three has the whole width. */
function cellsOf(count: number, places: Places): Cell[] {
  const whole = { x: places.margin, y: places.top - 16, width: places.right - places.margin, height: places.bottom - places.top + 16 };
  if (count === 1) return [whole];
  const width = Math.floor((whole.width - GAP) / 2);
  const height = count === 2 ? whole.height : Math.floor((whole.height - GAP) / 2);
  return Array.from({ length: count }, (_, i) => ({
    x: whole.x + (i % 2) * (width + GAP), y: whole.y + Math.floor(i / 2) * (height + GAP), width: count === 3 && i === 2 ? whole.width : width, height,
  }));
}

function drawGraph(drawing: Drawing, view: ViewValue, picture: PictureOptions, { pane, tree }: Graph, cell: Cell, colours: Colours, theme: Theme): Set<ColourKind | Reason> {
  const name = laneTitle(pane.kind);
  const { lane } = tree;
  const quantity = `${formatWeight(tree.total, lane.unit)}${lane.unit === 'count' ? ` ${laneQuantity(lane)}` : ''}`;
  drawing.text(cell.x, cell.y + 24, name, { size: LANE, weight: 600, fill: colours.t1 });
  drawing.text(cell.x + textWidth(name, LANE, 600) + 14, cell.y + 24, quantity, { size: TEXT, weight: 400, fill: colours.t2 });

  const text = Math.round((LABEL * Math.max(TEXT, picture.text)) / TEXT);
  const pitch = Math.round((ROW * text) / LABEL);
  const zoom = tree.nodeOf(pane.zoom);
  const boxes = layout(tree, { width: cell.width, from: 0, to: 1, root: zoom, order: view.order, minWidth: LEAST_BOX, firstRow: 0, rows: Number.MAX_SAFE_INTEGER });
  const first = zoom < 0 ? 0 : tree.depth(zoom);
  const existing = boxes.maxRow - first + 1;
  const room = Math.max(1, Math.min(picture.depth, Math.floor((cell.height - HEAD) / pitch)));
  const cut = existing > room;
  // The line about hidden rows stands beside the lane's title: the graph keeps its rows.
  const rows = Math.min(existing, room);
  const skipped = cut ? trunk(tree, zoom, view.order, existing - rows) : 0;
  if (cut) drawing.text(cell.x + cell.width, cell.y + 24, hiddenRows(skipped, existing - skipped - rows), { size: LABEL, weight: 400, fill: colours.t3, anchor: 'end' });
  return drawBoxes(drawing, {
    tree, boxes, theme, colours, text, pitch, left: cell.x, top: cell.y + HEAD, firstRow: first + skipped, rows: Math.min(rows, existing - skipped), flipped: !view.rootOnTop,
    found: view.search === '' ? null : search(tree, view.search), called: new Set(),
  });
}
