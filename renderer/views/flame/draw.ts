// Boxes to a 2D canvas. No state: the same picture in gives the same pixels out.
import type { CallTree } from '#core/analyze/call-tree';
import type { Boxes } from '#core/analyze/layout';
import { labelFor } from '#core/analyze/labels';
import type { BoxInk } from './ink.ts';

/** The strip above row 1 that marks matching and selected boxes, and the gap under it. */
export const STRIP = 4;
/** Labels, px. */
export const LABEL_SIZE = 11;
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
  /** Function whose boxes get an edge; -1 = none. */
  readonly linked: number;
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
  const { boxes, ratio } = picture;
  const left = boxes.x[box];
  const from = Math.round(left * ratio) / ratio;
  let to = Math.round((left + boxes.width[box]) * ratio) / ratio;
  if (to - from >= 3 && to < picture.width) to -= 1;
  return [from, Math.max(to, from + 1 / ratio)];
}

export function drawFlame(ctx: CanvasRenderingContext2D, picture: FlamePicture, ink: BoxInk): void {
  const { boxes, tree, width, height, ratio, matches } = picture;
  const box = picture.pitch - 1;
  const baseline = Math.round(box / 2 + 4);
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.globalAlpha = 1;
  ctx.fillStyle = ink.surface;
  ctx.fillRect(0, 0, width, height);
  ctx.textBaseline = 'alphabetic';
  ctx.font = ink.font;

  // Fills first, then text, then edges: an edge lies over everything.
  let alpha = 1;
  for (let i = 0; i < boxes.count; i++) {
    const node = boxes.node[i];
    const top = rowTop(picture, boxes.row[i]);
    if (top + box < STRIP || top > height) continue;
    const [from, to] = edgesOf(picture, i);
    const wanted = matches !== null && (node < 0 || matches[node] === 0) ? 0.45 : boxes.row[i] < picture.zoomDepth ? 0.6 : 1;
    if (wanted !== alpha) ctx.globalAlpha = alpha = wanted;
    ctx.fillStyle = node < 0 ? ink.folded : ink.fill(tree, node);
    ctx.fillRect(from, top, to - from, box);
    if (node >= 0 && ink.foot(tree, node)) {
      ctx.fillStyle = ink.label;
      ctx.globalAlpha = alpha * 0.55;
      ctx.fillRect(from, top + box - 2, to - from, 2);
      ctx.globalAlpha = alpha;
    }
  }
  ctx.globalAlpha = 1;

  if (picture.hovered >= 0 && picture.hovered < boxes.count) {
    const [from, to] = edgesOf(picture, picture.hovered);
    const top = rowTop(picture, boxes.row[picture.hovered]);
    ctx.fillStyle = ink.hoverVeil;
    ctx.fillRect(from, top, to - from, box);
    edge(ctx, from, top, to, box, 1, ink.label);
  }

  for (let i = 0; i < boxes.count; i++) {
    const node = boxes.node[i];
    if (node < 0) continue;
    if (boxes.width[i] < 22) continue;
    const top = rowTop(picture, boxes.row[i]);
    if (top + box < STRIP || top > height) continue;
    const [from, to] = edgesOf(picture, i);
    const left = from;
    const room = to - from - 7;
    const label = labelFor(picture.nameOf(node), picture.placeOf(node), room, LABEL_SIZE);
    if (label === null) continue;
    ctx.fillStyle = ink.label;
    ctx.fillText(label.name, left + 4, top + baseline);
    if (label.place !== '') {
      ctx.globalAlpha = ink.placeAlpha;
      ctx.fillText(label.place, left + 4 + label.nameWidth + 7, top + baseline);
      ctx.globalAlpha = 1;
    }
  }

  for (let i = 0; i < boxes.count; i++) {
    const node = boxes.node[i];
    if (node < 0) continue;
    const match = matches !== null && matches[node] === 1;
    const chosen = node === picture.selected;
    const linked = picture.linked >= 0 && tree.fn(node) === picture.linked;
    if (!match && !chosen && !linked) continue;
    const top = rowTop(picture, boxes.row[i]);
    if (top + box < STRIP || top > height) continue;
    const [from, to] = edgesOf(picture, i);
    edge(ctx, from, top, to, box, 2, chosen || linked ? ink.label : ink.match);
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
