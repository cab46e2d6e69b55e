// Boxes as pixels. A canvas that is told of thousands of rectangles spends most of its time on being told; a row of boxes is one
// line of pixels and copies of it.
import type { FlamePicture } from './draw.ts';
import { leftOf, rightOf, rowTop } from './draw.ts';
import type { BoxInk } from './ink.ts';

/** Lines of a hatched box, CSS px from one to the next. */
const HATCH = 6;

/** `#rrggbb` as a pixel of an image: its bytes are red, green, blue, opaque. */
export function pixelOf(colour: string): number {
  const value = Number.parseInt(colour.slice(1), 16);
  return (0xff000000 | ((value & 255) << 16) | (value & 0xff00) | (value >> 16)) >>> 0;
}

/** `share` of one pixel over another. */
export function mixed(pixel: number, ground: number, share: number): number {
  let out = 0xff000000;
  for (const shift of [0, 8, 16]) out |= Math.round(((pixel >>> shift) & 255) * share + ((ground >>> shift) & 255) * (1 - share)) << shift;
  return out >>> 0;
}

/** Paints the fills of all boxes; `pixels` are `across` x `down` device pixels of the whole picture. */
export function paintBoxes(pixels: Uint32Array, across: number, down: number, picture: FlamePicture, ink: BoxInk): void {
  const { boxes, tree, ratio, matches, zoomDepth } = picture;
  const surface = pixelOf(ink.surface);
  const folded = pixelOf(ink.folded);
  const fns = tree.functions();
  pixels.fill(surface);
  for (let first = 0, end = 0; first < boxes.count; first = end) {
    const row = boxes.row[first];
    end = first + 1;
    while (end < boxes.count && boxes.row[end] === row) end++;
    const top = rowTop(picture, row);
    const y0 = Math.max(0, Math.round(top * ratio));
    const y1 = Math.min(down, Math.round((top + picture.pitch - 1) * ratio));
    if (y1 <= y0) continue;
    const line = y0 * across;
    let marked = false;
    for (let i = first; i < end; i++) {
      const node = boxes.node[i];
      const from = leftOf(picture, i);
      const x0 = Math.round(from * ratio);
      const x1 = Math.min(across, Math.max(x0 + 1, Math.round(rightOf(picture, i, from) * ratio)));
      let pixel = node < 0 ? folded : ink.pixelOf(fns[node]);
      const share = shareOf(matches, node, row, zoomDepth);
      if (share < 1) pixel = mixed(pixel, surface, share);
      pixels.fill(pixel, line + x0, line + x1);
      if (node >= 0 && ink.markOf(fns[node]) > 0) marked = true;
    }
    for (let y = y0 + 1; y < y1; y++) pixels.copyWithin(y * across, line, line + across);
    if (!marked) continue;
    for (let i = first; i < end; i++) {
      const node = boxes.node[i];
      const mark = node < 0 ? 0 : ink.markOf(fns[node]);
      if (mark === 0) continue;
      const from = leftOf(picture, i);
      const x0 = Math.round(from * ratio);
      const x1 = Math.min(across, Math.max(x0 + 1, Math.round(rightOf(picture, i, from) * ratio)));
      const share = shareOf(matches, node, row, zoomDepth);
      if (mark === 1) foot(pixels, across, x0, x1, Math.max(y0, y1 - Math.round(2 * ratio)), y1, pixelOf(ink.label), 0.55 * share);
      else hatch(pixels, across, x0, x1, y0, y1, ratio, pixelOf(ink.label), ink.hatchShare * share);
    }
  }
}

/** How much of a box's own colour is left: a box that does not match a search, and callers of the zoomed one, are paler. */
function shareOf(matches: Uint8Array | null, node: number, row: number, zoomDepth: number): number {
  if (matches !== null && (node < 0 || matches[node] === 0)) return 0.45;
  return row < zoomDepth ? 0.6 : 1;
}

/** A line along the foot. */
function foot(pixels: Uint32Array, across: number, x0: number, x1: number, y0: number, y1: number, pixel: number, share: number): void {
  for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) pixels[y * across + x] = mixed(pixel, pixels[y * across + x], share);
}

/** Slanting lines, the same over all boxes, so that neighbours look like one surface. */
function hatch(pixels: Uint32Array, across: number, x0: number, x1: number, y0: number, y1: number, ratio: number, pixel: number, share: number): void {
  const step = Math.round(HATCH * ratio);
  const wide = Math.max(1, Math.round(ratio));
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) if ((x + y) % step < wide) pixels[y * across + x] = mixed(pixel, pixels[y * across + x], share);
  }
}
