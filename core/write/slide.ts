// A picture for a slide: the boxes of the screen with title, callouts, legend and caption, as one SVG. PNG is made from it.
// Sizes are units of 1920 x 1080; nothing is smaller than 22.
import { UserError } from '#core/errors';
import type { Profile } from '#core/model/profile';
import { CallTree } from '#core/analyze/call-tree';
import type { ColourKind, Reason, Theme } from '#core/analyze/colour';
import { COLOUR_KINDS, KIND_TITLES, REASONS, colourKind, colourOfFunction, foldColour, kindColour, labelColour, placeOpacity, reasonColour, reasonOf, reasonTitle } from '#core/analyze/colour';
import { formatCount, formatPercent, formatSamples, formatWeight } from '#core/analyze/format';
import { cutToFit, displayName, labelFor, placeText, textWidth } from '#core/analyze/labels';
import type { Boxes, Viewport } from '#core/analyze/layout';
import { boxOf, layout, orderedChildren, placeOf } from '#core/analyze/layout';
import { resolve } from '#core/analyze/resolve';
import { search } from '#core/analyze/search';
import type { SearchResult } from '#core/analyze/search';
import type { PictureOptions, ViewValue } from '#core/analyze/view';
import { captionOf, defaultSubtitle, defaultTitle, laneOf } from '#core/analyze/words';
import { Drawing } from './drawing.ts';

const TEXT = 22;
/** Boxes narrower than this fold. */
const LEAST_BOX = 4;
const MOST_CALLOUTS = 4;
/** Between name and place, in parts of the text size: large text needs less than the screen's. */
const SLIDE_GAP = 0.45;
/** A box has a callout's disc from this width on. */
const LEAST_DISC = 44;

interface Colours {
  readonly ground: string | null;
  readonly t1: string;
  readonly t2: string;
  readonly t3: string;
  readonly rule: string;
  readonly match: string;
  readonly onDisc: string;
}

function coloursOf(theme: PictureOptions['theme']): Colours {
  switch (theme) {
    case 'light':
      return { ground: '#ffffff', t1: '#14171c', t2: '#474f59', t3: '#626b76', rule: '#c4cad2', match: '#c2148c', onDisc: '#ffffff' };
    case 'clear':
      return { ground: null, t1: '#14171c', t2: '#474f59', t3: '#626b76', rule: '#c4cad2', match: '#c2148c', onDisc: '#ffffff' };
    case 'dark':
      return { ground: '#17191d', t1: '#f1f3f6', t2: '#aeb6c0', t3: '#8d96a2', rule: '#3d434b', match: '#ff6ad0', onDisc: '#14171c' };
  }
}

/** Where things stand; a small free size has smaller margins, never smaller text than 22. */
interface Places {
  readonly margin: number;
  readonly right: number;
  readonly titleSize: number;
  readonly titleBaseline: number;
  readonly subtitleSize: number;
  readonly subtitleBaseline: number;
  readonly top: number;
  readonly rule: number;
  readonly foot: number;
  /** Lowest edge of the graph and the notes. */
  readonly bottom: number;
}

function placesOf(picture: PictureOptions): Places {
  const foot = picture.legend || picture.caption;
  if (picture.width < 1200 || picture.height < 720) {
    const rule = picture.height - 66;
    return {
      margin: 36, right: picture.width - 36, titleSize: 36, titleBaseline: 62, subtitleSize: 22, subtitleBaseline: 98, top: 126,
      rule, foot: picture.height - 28, bottom: foot ? rule - 16 : picture.height - 28,
    };
  }
  const rule = picture.height - 104;
  return {
    margin: 80, right: picture.width - 80, titleSize: 52, titleBaseline: 128, subtitleSize: 27, subtitleBaseline: 176, top: 232,
    rule, foot: picture.height - 56, bottom: foot ? rule - 24 : picture.height - 64,
  };
}

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
 * The picture of a view as an SVG document. Title and subtitle that are empty come from the recording. Throws UserError
 * where the view has nothing to draw or the size is not one.
 */
export function slideSvg(profile: Profile, view: ViewValue, picture: PictureOptions): string {
  checkSize(picture);
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

function hiddenRows(callers: number, callees: number): string {
  const rows = (count: number): string => (count === 1 ? '1 row' : `${count} rows`);
  if (callers === 0) return callees === 1 ? '1 deeper row is not shown' : `${callees} deeper rows are not shown`;
  const hidden = callees === 0 ? `${rows(callers)} of callers` : `${rows(callers)} of callers and ${callees} deeper ${callees === 1 ? 'row' : 'rows'}`;
  return `${hidden} ${callers + callees === 1 ? 'is' : 'are'} not shown`;
}

function checkSize(picture: PictureOptions): void {
  const { width, height } = picture;
  if (!(width >= 400 && width <= 20_000 && height >= 240 && height <= 20_000)) {
    throw new UserError('picture-size', `a picture of ${width} x ${height} units cannot be made`, { hint: 'Width 400 to 20000, height 240 to 20000.' });
  }
}

/** Large letters stand closer. */
const TITLE_SPACING = -0.018;

function drawTitle(drawing: Drawing, places: Places, colours: Colours, title: string, subtitle: string, room: number): void {
  // One line at most: smaller down to two thirds, then cut.
  const widthAt = (size: number): number => textWidth(title, size, 600) + title.length * size * TITLE_SPACING;
  const size = Math.max(places.titleSize * 0.66, Math.min(places.titleSize, (places.titleSize * room) / Math.max(1, widthAt(places.titleSize))));
  // Half a unit of tolerance: the size was made to fit exactly.
  const shown = widthAt(size) <= room + 0.5 ? title : (cutToFit(title, room, size, 600) ?? title);
  drawing.text(places.margin, places.titleBaseline, shown, { size, weight: 600, fill: colours.t1, spacing: size * TITLE_SPACING });
  const smaller = Math.max(TEXT, Math.min(places.subtitleSize, (places.subtitleSize * room) / Math.max(1, textWidth(subtitle, places.subtitleSize))));
  drawing.text(places.margin, places.subtitleBaseline, cutToFit(subtitle, room + 0.5, smaller) ?? subtitle, { size: smaller, weight: 400, fill: colours.t2 });
}

/** Of the first rows that are a single box over the whole width, how many can be left out so that others are seen; at most `wanted`. */
function trunk(tree: CallTree, zoom: number, order: Viewport['order'], wanted: number): number {
  let node = zoom;
  let count = zoom < 0 ? 0 : 1;
  const whole = zoom < 0 ? tree.total : tree.totalOf(zoom);
  for (;;) {
    const children = orderedChildren(tree, node, order);
    if (children.length !== 1 || tree.totalOf(children[0]) < whole * 0.9995) break;
    node = children[0];
    count++;
  }
  // The last box of the trunk stays: it says below what the picture is.
  return Math.min(wanted, Math.max(0, count - 1));
}

/** What is drawn, and where rows stand. */
interface Shown {
  readonly tree: CallTree;
  readonly boxes: Boxes;
  readonly theme: Theme;
  readonly colours: Colours;
  readonly text: number;
  readonly pitch: number;
  readonly left: number;
  readonly top: number;
  readonly firstRow: number;
  readonly rows: number;
  /** Callers below. */
  readonly flipped: boolean;
  readonly found: SearchResult | null;
  /** Nodes with a callout: their label leaves room for the disc. */
  readonly called: ReadonlySet<number>;
}

/** A box's rectangle on whole units, ended one early so that neighbours part; null where its row is not shown. */
function rectOf(shown: Shown, box: number): { x: number; y: number; width: number; height: number } | null {
  const { boxes, pitch } = shown;
  const row = boxes.row[box] - shown.firstRow;
  if (row < 0 || row >= shown.rows) return null;
  const x = Math.round(boxes.x[box]);
  const width = Math.max(1, Math.round(boxes.x[box] + boxes.width[box]) - x - 1);
  const y = shown.flipped ? shown.rows - 1 - row : row;
  return { x: shown.left + x, y: shown.top + y * pitch, width, height: pitch - 1 };
}

/** Draws all boxes; gives the kinds that occur, of waiting time the reasons. */
function drawBoxes(drawing: Drawing, shown: Shown): Set<ColourKind | Reason> {
  const { tree, boxes, theme, text, found } = shown;
  const { profile, lane } = tree;
  const kinds = new Set<ColourKind | Reason>();
  const padding = Math.round((text * 4) / 11);
  for (let box = 0; box < boxes.count; box++) {
    const rect = rectOf(shown, box);
    if (rect === null) continue;
    const share = `${formatWeight(boxes.value[box], lane.unit)}, ${formatPercent(boxes.value[box] / tree.total)}`;
    const node = boxes.node[box];
    if (node < 0) {
      const count = boxes.folded[box];
      drawing.group(`${formatCount(count)} ${count === 1 ? 'function' : 'functions'} too narrow to draw, ${share}`, () => {
        drawing.rect(rect.x, rect.y, rect.width, rect.height, foldColour(theme));
      });
      continue;
    }
    const fn = tree.fn(node);
    const functions = profile.functions;
    const reason = lane.kind === 'off-cpu' && functions.kindOf(fn) === 'marker' ? reasonOf(functions.nameOf(fn)) : null;
    if (reason !== null) kinds.add(reason);
    else if (lane.kind !== 'off-cpu') kinds.add(colourKind(functions.kindOf(fn)));
    const place = placeText(functions.fileOf(fn), tree.line(node));
    const where = place || functions.libraryOf(fn);
    drawing.group(`${functions.nameOf(fn)}${where === '' ? '' : ` (${where})`}, ${share}, ${formatSamples(tree.samplesOf(node))}`, () => {
      drawing.rect(rect.x, rect.y, rect.width, rect.height, colourOfFunction(functions, fn, theme, lane.kind === 'off-cpu'));
      if (functions.kindOf(fn) === 'gpu-copy') drawing.rect(rect.x, rect.y + rect.height - 4, rect.width, 4, labelColour(theme));
      drawLabel(drawing, shown, rect, padding, node, place);
      if (found?.matches[node] === 1) drawing.edge(rect.x, rect.y, rect.width, rect.height, shown.colours.match, 3);
    });
  }
  return kinds;
}

function drawLabel(drawing: Drawing, shown: Shown, rect: { x: number; y: number; width: number; height: number }, padding: number, node: number, place: string): void {
  const { text, theme, tree } = shown;
  const spare = Math.round((text * 3) / 11) + (shown.called.has(node) && rect.width >= LEAST_DISC ? 40 : 0);
  const label = labelFor(nameOf(tree, node), place, rect.width - padding - spare, text, 500);
  if (label === null) return;
  const fill = labelColour(theme);
  // Letters are as tall as 0.727 of the size; so the middle of the capitals is the middle of the box.
  const baseline = rect.y + rect.height / 2 + text * 0.36;
  drawing.text(rect.x + padding, baseline, label.name, { size: text, weight: 500, fill, width: label.nameWidth });
  if (label.place !== '') {
    drawing.text(rect.x + padding + label.nameWidth + text * SLIDE_GAP, baseline, label.place, { size: text, weight: 400, fill, opacity: placeOpacity(theme), width: textWidth(label.place, text) });
  }
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

function nameOf(tree: CallTree, node: number): string {
  return displayName(tree.profile.functions, tree.fn(node));
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

interface Foot {
  readonly profile: Profile;
  readonly tree: CallTree;
  readonly picture: PictureOptions;
  readonly places: Places;
  readonly colours: Colours;
  readonly theme: Theme;
  readonly kinds: ReadonlySet<ColourKind | Reason>;
  readonly found: SearchResult | null;
  readonly pattern: string;
}

function drawFoot(drawing: Drawing, foot: Foot): void {
  const { picture, places, colours } = foot;
  if (!picture.legend && !picture.caption) return;
  drawing.rect(places.margin, places.rule, places.right - places.margin, 1.5, colours.rule);
  let x = places.margin;
  const style = { size: TEXT, weight: 500, fill: colours.t1 } as const;
  if (picture.legend) {
    const entries = [
      ...COLOUR_KINDS.filter((kind) => foot.kinds.has(kind)).map((kind) => ({ title: KIND_TITLES[kind], colour: kindColour(kind, foot.theme) })),
      ...REASONS.filter((reason) => foot.kinds.has(reason)).map((reason) => ({ title: reasonTitle(reason), colour: reasonColour(reason, foot.theme) })),
    ];
    for (const { title, colour } of entries) {
      const end = x + 32 + textWidth(title, TEXT, 500);
      if (end > places.right) break;
      drawing.rect(x, places.foot - 19, 22, 22, colour);
      drawing.text(x + 32, places.foot, title, style);
      x = end + 34;
    }
    if (foot.found !== null && foot.found.error === '') {
      const words = `${foot.pattern.length > 24 ? `${foot.pattern.slice(0, 23)}…` : foot.pattern}: ${formatPercent(foot.found.share)}`;
      const end = x + 32 + textWidth(words, TEXT, 500);
      if (end <= places.right) {
        drawing.edge(x, places.foot - 19, 22, 22, colours.match, 3);
        drawing.text(x + 32, places.foot, words, style);
        x = end + 34;
      }
    }
  }
  if (picture.caption) {
    const room = places.right - x;
    const caption = cutToFit(captionOf(foot.profile, foot.tree, (text) => textWidth(text, TEXT) <= room), room, TEXT);
    if (caption !== null) drawing.text(places.right, places.foot, caption, { size: TEXT, weight: 400, fill: colours.t3, anchor: 'end' });
  }
}
