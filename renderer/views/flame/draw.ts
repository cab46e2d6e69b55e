// Boxes to a 2D canvas. No state: the same picture in gives the same pixels out. Two layers: fills and labels, which change with
// the data, and edges and the strip, which change with the pointer.
import type { CallTree } from '#core/analyze/call-tree';
import type { Boxes } from '#core/analyze/layout';
import type { BoxInk } from './ink.ts';
import { LABEL_SIZE } from './label-cache.ts';
import { paintBoxes } from './pixels.ts';

/** The strip above row 1 that marks matching and selected boxes, and the gap under it. */
export const STRIP = 4;
/** Row 1 begins this far under the top. */
export const TOP = STRIP + 2;

export interface FlamePicture {
  readonly tree: CallTree;
  readonly boxes: Boxes;
  /** Height of a row, CSS px: a box and a gap of 1. */
  readonly pitch: number;
  /** CSS px. */
  readonly width: number;
  readonly height: number;
  /** Device pixels a CSS px. */
  readonly ratio: number;
  /** True draws callees upwards from the foot. */
  readonly flipped: boolean;
  /** CSS px that row 1 is scrolled out at the top (at the foot when flipped). */
  readonly scroll: number;
  /** Box index, -1 = none. */
  readonly hovered: number;
  /** Node, -1 = none. */
  readonly selected: number;
  /** Function whose boxes get an edge: the chosen one; -1 = none. */
  readonly linked: number;
  /** Another one: what the pointer is on, here or in another pane; -1 or absent = none. */
  readonly pointed?: number;
  /** One byte a node, null = no search. */
  readonly matches: Uint8Array | null;
  /** Depth of the zoomed node, -1 = none: boxes above it are paler. */
  readonly zoomDepth: number;
  /** One byte a CSS px of the width: where matching and where chosen boxes are, however deep. */
  readonly matchStrip: Uint8Array | null;
  readonly chosenStrip: Uint8Array | null;
  /** `file:line` of a node, '' where unknown. */
  readonly placeOf: (node: number) => string;
  readonly nameOf: (node: number) => string;
}

/** What says where rows are. */
export type RowPlace = Pick<FlamePicture, 'flipped' | 'scroll' | 'height' | 'pitch'>;

/** Top of a row in CSS px of the canvas. */
export function rowTop(picture: RowPlace, row: number): number {
  return picture.flipped ? picture.height - 2 - (row + 1) * picture.pitch + picture.scroll : TOP + row * picture.pitch - picture.scroll;
}

/** Row at a height of the canvas, -1 in the strip. */
export function rowAt(picture: RowPlace, y: number): number {
  if (y < STRIP) return -1;
  const row = picture.flipped
    ? Math.ceil((picture.height - 2 + picture.scroll - y) / picture.pitch) - 1
    : Math.floor((y - TOP + picture.scroll) / picture.pitch);
  return Math.max(-1, row);
}

/** Height that a number of rows takes. */
export function contentHeight(rows: number, pitch: number): number {
  return TOP + rows * pitch + 2;
}

/** Left and right edge of a box in CSS px, snapped to device pixels; boxes of 3 px or more end 1 px early. */
export function edgesOf(picture: Pick<FlamePicture, 'boxes' | 'width' | 'ratio'>, box: number): [number, number] {
  const from = leftOf(picture, box);
  return [from, rightOf(picture, box, from)];
}

export function leftOf({ boxes, ratio }: Pick<FlamePicture, 'boxes' | 'ratio'>, box: number): number {
  return Math.round(boxes.x[box] * ratio) / ratio;
}

export function rightOf({ boxes, ratio, width }: Pick<FlamePicture, 'boxes' | 'width' | 'ratio'>, box: number, from: number): number {
  let to = Math.round((boxes.x[box] + boxes.width[box]) * ratio) / ratio;
  if (to - from >= 3 && to < width) to -= 1;
  return Math.max(to, from + 1 / ratio);
}

/** Both layers on one canvas. */
export function drawFlame(ctx: CanvasRenderingContext2D, picture: FlamePicture, ink: BoxInk): void {
  drawBoxes(ctx, picture, ink);
  drawEdges(ctx, picture, ink);
}

/** The pixels of each canvas, used again for every picture. */
const images = new WeakMap<CanvasRenderingContext2D, ImageData>();

/** Fills and labels. */
export function drawBoxes(ctx: CanvasRenderingContext2D, picture: FlamePicture, ink: BoxInk): void {
  const { boxes, width, height, ratio } = picture;
  const box = picture.pitch - 1;
  const baseline = Math.round(box / 2 + 4);
  const across = Math.max(1, Math.round(width * ratio));
  const down = Math.max(1, Math.round(height * ratio));
  let image = images.get(ctx);
  if (image === undefined || image.width !== across || image.height !== down) images.set(ctx, (image = ctx.createImageData(across, down)));
  paintBoxes(new Uint32Array(image.data.buffer), across, down, picture, ink);
  ctx.putImageData(image, 0, 0);

  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.globalAlpha = 1;
  ctx.textBaseline = 'alphabetic';
  ctx.font = ink.font;
  // Widths of labels come from the advance table, which has no kerning either; shaping without it takes half the time.
  ctx.fontKerning = 'none';
  let row = -1;
  let top = 0;
  let seen = false;
  ctx.fillStyle = ink.label;
  const { labels } = ink;
  // Places after names are paler: they follow together, so that the opacity changes once.
  let places = 0;
  for (let i = 0; i < boxes.count; i++) {
    if (boxes.row[i] !== row) {
      row = boxes.row[i];
      top = rowTop(picture, row);
      seen = top + box >= STRIP && top <= height;
    }
    if (!seen || boxes.width[i] < 22) continue;
    const node = boxes.node[i];
    if (node < 0) continue;
    const from = leftOf(picture, i);
    const label = labels.of(node, rightOf(picture, i, from) - from - 7, picture);
    if (label === null) continue;
    ctx.fillText(label.name, from + 4, top + baseline);
    if (label.place !== '') places++;
  }
  if (places === 0) return;
  ctx.globalAlpha = ink.placeAlpha;
  row = -1;
  for (let i = 0; i < boxes.count && places > 0; i++) {
    if (boxes.row[i] !== row) {
      row = boxes.row[i];
      top = rowTop(picture, row);
      seen = top + box >= STRIP && top <= height;
    }
    if (!seen || boxes.width[i] < 22) continue;
    const node = boxes.node[i];
    if (node < 0) continue;
    const from = leftOf(picture, i);
    const label = labels.of(node, rightOf(picture, i, from) - from - 7, picture);
    if (label === null || label.place === '') continue;
    ctx.fillText(label.place, from + 4 + label.nameWidth + PLACE_GAP, top + baseline);
    places--;
  }
  ctx.globalAlpha = 1;
}

const PLACE_GAP = (7 / 11) * LABEL_SIZE;

/** What lies over the boxes: the pointer's, linked, selected and matching ones, and the strip. The canvas is not cleared. */
export function drawEdges(ctx: CanvasRenderingContext2D, picture: FlamePicture, ink: BoxInk): void {
  const { boxes, tree, width, height, ratio, matches, selected, linked } = picture;
  const pointed = picture.pointed ?? -1;
  const box = picture.pitch - 1;
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.globalAlpha = 1;

  if (picture.hovered >= 0 && picture.hovered < boxes.count) {
    const [from, to] = edgesOf(picture, picture.hovered);
    const top = rowTop(picture, boxes.row[picture.hovered]);
    ctx.fillStyle = ink.hoverVeil;
    ctx.fillRect(from, top, to - from, box);
    edge(ctx, from, top, to, box, 1, ink.label);
  }

  if (matches !== null || selected >= 0 || linked >= 0 || pointed >= 0) {
    const fns = tree.functions();
    for (let i = 0; i < boxes.count; i++) {
      const node = boxes.node[i];
      if (node < 0) continue;
      const fn = fns[node];
      const label = node === selected || fn === linked || (fn === pointed && i !== picture.hovered);
      if (!label && (matches === null || matches[node] !== 1)) continue;
      const top = rowTop(picture, boxes.row[i]);
      if (top + box < STRIP || top > height) continue;
      const from = leftOf(picture, i);
      edge(ctx, from, top, rightOf(picture, i, from), box, 2, label ? ink.label : ink.match);
    }
  }

  ctx.fillStyle = ink.surface;
  ctx.fillRect(0, 0, width, STRIP + 1);
  if (picture.matchStrip !== null) drawStrip(ctx, picture.matchStrip, ink.match);
  if (picture.chosenStrip !== null) drawStrip(ctx, picture.chosenStrip, ink.accent);
}

/** Runs of marked columns; a run is at least 2 px wide, so that one narrow box is seen. */
function drawStrip(ctx: CanvasRenderingContext2D, strip: Uint8Array, colour: string): void {
  ctx.fillStyle = colour;
  let start = -1;
  for (let x = 0; x <= strip.length; x++) {
    const on = x < strip.length && strip[x] === 1;
    if (on && start < 0) start = x;
    if (!on && start >= 0) {
      ctx.fillRect(start, 0, Math.max(2, x - start), STRIP - 1);
      start = -1;
    }
  }
}

/** An edge drawn inside a box; a box too narrow for one is filled with it. */
function edge(ctx: CanvasRenderingContext2D, from: number, top: number, to: number, height: number, line: number, colour: string): void {
  ctx.fillStyle = colour;
  if (to - from <= line * 2) {
    ctx.fillRect(from, top, to - from, height);
    return;
  }
  ctx.fillRect(from, top, to - from, line);
  ctx.fillRect(from, top + height - line, to - from, line);
  ctx.fillRect(from, top, line, height);
  ctx.fillRect(to - line, top, line, height);
}
