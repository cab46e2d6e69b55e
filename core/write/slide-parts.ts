// What pictures for a slide are made of: their measures, colours, title, boxes and foot. Units of 1920 x 1080.
import { UserError } from '#core/errors';
import type { Profile } from '#core/model/profile';
import type { CallTree } from '#core/analyze/call-tree';
import type { ColourKind, Reason, Theme } from '#core/analyze/colour';
import { COLOUR_KINDS, KIND_TITLES, REASONS, colourKind, colourOfFunction, foldColour, kindColour, labelColour, placeOpacity, reasonColour, reasonOf, reasonTitle } from '#core/analyze/colour';
import { formatCount, formatPercent, formatSamples, formatWeight } from '#core/analyze/format';
import { cutToFit, displayName, labelFor, placeText, textWidth } from '#core/analyze/labels';
import type { Boxes, Viewport } from '#core/analyze/layout';
import { orderedChildren } from '#core/analyze/layout';
import { isNoWait } from '#core/analyze/shape';
import type { SearchResult } from '#core/analyze/search';
import type { PictureOptions } from '#core/analyze/view';
import { captionOf } from '#core/analyze/words';
import type { Drawing } from './drawing.ts';

export const TEXT = 22;
/** Boxes narrower than this fold. */
export const LEAST_BOX = 4;
/** Between name and place, in parts of the text size: large text needs less than the screen's. */
export const SLIDE_GAP = 0.45;
/** A box has a callout's disc from this width on. */
export const LEAST_DISC = 44;

export interface Colours {
  readonly ground: string | null;
  readonly t1: string;
  readonly t2: string;
  readonly t3: string;
  readonly rule: string;
  readonly match: string;
  readonly onDisc: string;
}

export function coloursOf(theme: PictureOptions['theme']): Colours {
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
export interface Places {
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

export function placesOf(picture: PictureOptions): Places {
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

export function hiddenRows(callers: number, callees: number): string {
  const rows = (count: number): string => (count === 1 ? '1 row' : `${count} rows`);
  if (callers === 0) return callees === 1 ? '1 deeper row is not shown' : `${callees} deeper rows are not shown`;
  const hidden = callees === 0 ? `${rows(callers)} of callers` : `${rows(callers)} of callers and ${callees} deeper ${callees === 1 ? 'row' : 'rows'}`;
  return `${hidden} ${callers + callees === 1 ? 'is' : 'are'} not shown`;
}

export function checkSize(picture: PictureOptions): void {
  const { width, height } = picture;
  if (!(width >= 400 && width <= 20_000 && height >= 240 && height <= 20_000)) {
    throw new UserError('picture-size', `a picture of ${width} x ${height} units cannot be made`, { hint: 'Width 400 to 20000, height 240 to 20000.' });
  }
}

/** Large letters stand closer. */
export const TITLE_SPACING = -0.018;

export function drawTitle(drawing: Drawing, places: Places, colours: Colours, title: string, subtitle: string, room: number): void {
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
export function trunk(tree: CallTree, zoom: number, order: Viewport['order'], wanted: number): number {
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
export interface Shown {
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
export function rectOf(shown: Shown, box: number): { x: number; y: number; width: number; height: number } | null {
  const { boxes, pitch } = shown;
  const row = boxes.row[box] - shown.firstRow;
  if (row < 0 || row >= shown.rows) return null;
  const x = Math.round(boxes.x[box]);
  const width = Math.max(1, Math.round(boxes.x[box] + boxes.width[box]) - x - 1);
  const y = shown.flipped ? shown.rows - 1 - row : row;
  return { x: shown.left + x, y: shown.top + y * pitch, width, height: pitch - 1 };
}

/** Draws all boxes; gives the kinds that occur, of waiting time the reasons. */
export function drawBoxes(drawing: Drawing, shown: Shown): Set<ColourKind | Reason> {
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
      if (lane.kind === 'off-cpu' && functions.kindOf(fn) === 'marker' && isNoWait(functions.nameOf(fn))) drawing.hatch(rect.x, rect.y, rect.width, rect.height, labelColour(theme), 10);
      if (functions.kindOf(fn) === 'gpu-copy') drawing.rect(rect.x, rect.y + rect.height - 4, rect.width, 4, labelColour(theme));
      drawLabel(drawing, shown, rect, padding, node, place);
      if (found?.matches[node] === 1) drawing.edge(rect.x, rect.y, rect.width, rect.height, shown.colours.match, 3);
    });
  }
  return kinds;
}

export function drawLabel(drawing: Drawing, shown: Shown, rect: { x: number; y: number; width: number; height: number }, padding: number, node: number, place: string): void {
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

export function nameOf(tree: CallTree, node: number): string {
  return displayName(tree.profile.functions, tree.fn(node));
}

export interface Foot {
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

export function drawFoot(drawing: Drawing, foot: Foot): void {
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
