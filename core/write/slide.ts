// A picture for a slide: the boxes of the screen with title, callouts, legend and caption, as one SVG. PNG is made from it.
// Sizes are units of 1920 x 1080; nothing is smaller than 22.
import { UserError } from '#core/errors';
import type { Profile } from '#core/model/profile';
import { CallTree } from '#core/analyze/call-tree';
import type { Theme } from '#core/analyze/colour';
import { labelColour } from '#core/analyze/colour';
import { formatPercent, formatWeight } from '#core/analyze/format';
import { cutToFit, textWidth } from '#core/analyze/labels';
import type { Viewport } from '#core/analyze/layout';
import { boxOf, layout, placeOf } from '#core/analyze/layout';
import { resolve } from '#core/analyze/resolve';
import { search } from '#core/analyze/search';
import type { PictureOptions, ViewValue } from '#core/analyze/view';
import { defaultSubtitle, defaultTitle, laneOf } from '#core/analyze/words';
import { Drawing } from './drawing.ts';
import { isQuad, quadSvg } from './quad-slide.ts';
import type { Colours, Places, Shown } from './slide-parts.ts';
import { LEAST_BOX, LEAST_DISC, TEXT, checkSize, coloursOf, drawBoxes, drawFoot, drawTitle, hiddenRows, nameOf, placesOf, rectOf, trunk } from './slide-parts.ts';

const MOST_CALLOUTS = 4;

/** A callout with its number, where its frame is and where its note stands. */
interface Note {
  readonly number: number;
  readonly node: number;
  readonly title: string;
  readonly text: string;
  readonly x: number;
  /** 0 for the first line of notes under the graph. */
  readonly line: number;
}

const NOTE_LINE = 96;

/**
 * The picture of a view as an SVG document; of one with several panes all of them. Title and subtitle that are empty come from the recording. Throws UserError
 * where the view has nothing to draw or the size is not one.
 */
export function slideSvg(profile: Profile, view: ViewValue, picture: PictureOptions): string {
  checkSize(picture);
  if (isQuad(view)) return quadSvg(profile, view, picture);
  const lane = laneOf(profile, view);
  if (lane === null) throw new UserError('picture-empty', 'this recording has no samples, so there is nothing to draw');
  const tree = new CallTree(profile, lane, resolve(profile, lane, view.selection), view.inverted);
  if (!(tree.total > 0)) {
    throw new UserError('picture-empty', `no ${lane.kind} samples lie in the selection, so there is nothing to draw`, {
      hint: 'Choose a longer range, more threads or fewer transforms.',
    });
  }
  const zoom = tree.nodeOf(view.zoom);
  const theme: Theme = picture.theme === 'dark' ? 'dark' : 'light';
  const colours = coloursOf(picture.theme);
  const places = placesOf(picture);
  const title = picture.title || defaultTitle(profile, tree);
  const drawing = new Drawing(picture.width, picture.height, title);
  if (colours.ground !== null) drawing.rect(0, 0, picture.width, picture.height, colours.ground);

  const room = places.right - places.margin;
  const subtitle = picture.subtitle || defaultSubtitle(profile, tree, zoom, { title: picture.title !== '', caption: picture.caption }, (line) => textWidth(line, TEXT) <= room);
  drawTitle(drawing, places, colours, title, subtitle, room);

  const text = Math.max(TEXT, picture.text);
  const pitch = Math.round((text * 42) / 22);
  const viewport: Viewport = {
    width: room, from: 0, to: 1, root: zoom, order: view.order, minWidth: LEAST_BOX, firstRow: 0, rows: Number.MAX_SAFE_INTEGER,
  };
  const notes = placeNotes(tree, viewport, picture, places, room);
  const noteLines = notes.reduce((most, note) => Math.max(most, note.line + 1), 0);
  const boxes = layout(tree, viewport);
  const first = zoom < 0 ? 0 : tree.depth(zoom);
  const existing = boxes.maxRow - first + 1;
  // Notes and the line about hidden rows want their room too; the graph keeps at least one row.
  const fit = (taken: number): number => Math.max(1, Math.min(Math.max(1, picture.depth), Math.floor((places.bottom - places.top - taken) / pitch)));
  const noteRoom = noteLines === 0 ? 0 : 30 + noteLines * NOTE_LINE - 20;
  let rows = Math.min(existing, fit(noteRoom));
  const cut = existing > rows;
  if (cut) rows = Math.min(existing, fit(noteRoom + 34));
  const skipped = cut ? trunk(tree, zoom, view.order, existing - rows) : 0;
  const shown: Shown = {
    tree, boxes, theme, colours, text, pitch, left: places.margin, top: places.top, firstRow: first + skipped, rows: Math.min(rows, existing - skipped), flipped: !view.rootOnTop,
    found: view.search === '' ? null : search(tree, view.search),
    called: new Set(notes.map((note) => note.node)),
  };
  const kinds = drawBoxes(drawing, shown);
  drawCallouts(drawing, shown, notes);

  let below = places.top + shown.rows * pitch;
  if (cut) {
    drawing.text(places.right, below + 28, hiddenRows(skipped, existing - skipped - shown.rows), { size: TEXT, weight: 400, fill: colours.t3, anchor: 'end' });
    below += 34;
  }
  drawNotes(drawing, notes, colours, below, places);
  drawFoot(drawing, { profile, tree, picture, places, colours, theme, kinds, found: shown.found, pattern: view.search });
  return drawing.finish();
}

function placeNotes(tree: CallTree, viewport: Viewport, picture: PictureOptions, places: Places, room: number): Note[] {
  const notes: Note[] = [];
  // By line of notes: where the last one ends.
  const ends: number[] = [];
  const wanted = picture.callouts.slice(0, MOST_CALLOUTS).map((callout) => {
    const node = tree.nodeOf(callout.path);
    return { callout, node, place: node < 0 ? null : placeOf(tree, viewport, node) };
  });
  wanted.forEach(({ callout, node, place }, i) => {
    if (place === null) return;
    const name = nameOf(tree, node);
    const title = callout.title || `${name}, ${formatPercent(tree.totalOf(node) / tree.total)}`;
    const text = callout.note || formatWeight(tree.totalOf(node), tree.lane.unit);
    const width = Math.min(room, 50 + Math.max(textWidth(title, 27, 600), textWidth(text, 24)));
    const x = places.margin + Math.max(0, Math.min(Math.round(place.x), room - width));
    let line = 0;
    while (line < ends.length && ends[line] + 32 > x) line++;
    ends[line] = x + width;
    notes.push({ number: i + 1, node, title, text, x, line });
  });
  return notes;
}

/** Edges and numbered discs on the frames. A frame that is not drawn keeps its note and has no disc. */
function drawCallouts(drawing: Drawing, shown: Shown, notes: readonly Note[]): void {
  for (const note of notes) {
    const box = boxOf(shown.boxes, note.node);
    const rect = box < 0 ? null : rectOf(shown, box);
    if (rect === null) continue;
    const colour = labelColour(shown.theme);
    drawing.edge(rect.x, rect.y, rect.width, rect.height, colour, 3);
    if (rect.width < LEAST_DISC) continue;
    drawDisc(drawing, rect.x + rect.width - 21, rect.y + rect.height / 2, 15, note.number, shown.colours);
  }
}

function drawDisc(drawing: Drawing, x: number, y: number, radius: number, number: number, colours: Colours): void {
  drawing.disc(x, y, radius, colours.t1);
  drawing.text(x, y + 7.3, String(number), { size: 20, weight: 600, fill: colours.onDisc, anchor: 'middle' });
}

function drawNotes(drawing: Drawing, notes: readonly Note[], colours: Colours, below: number, places: Places): void {
  for (const note of notes) {
    const y = below + 54 + note.line * NOTE_LINE;
    const room = places.right - note.x - 50;
    drawDisc(drawing, note.x + 17, y, 17, note.number, colours);
    drawing.text(note.x + 50, y + 10, cutToFit(note.title, room, 27, 600) ?? note.title, { size: 27, weight: 600, fill: colours.t1 });
    drawing.text(note.x + 50, y + 44, cutToFit(note.text, room, 24) ?? note.text, { size: 24, weight: 400, fill: colours.t2 });
  }
}
