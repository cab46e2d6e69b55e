// The timeline's strip to a 2D canvas. No state.
import { formatCount } from '#core/analyze/format';
import type { Step } from '#core/analyze/steps';
import type { LaneKind } from '#core/model/lane';
import type { GapBand, LostBand } from './bands.ts';
import { firstEndingAfter, tickStep, tickText } from './scale.ts';
import type { Span } from './scale.ts';
import type { Ink } from '../flame/ink.ts';

/** Height of the ruler above the tracks, CSS px. */
export const RULER = 20;
/** Height of the strip of steps under it, where there are steps. */
export const STEPS = 14;
/** Width from which on a step has its number, and its name. */
const NUMBER_ROOM = 8;
const NAME_ROOM = 24;

export interface StripTrack {
  /** Of which lane it is a line; null for a resource. */
  readonly lane: LaneKind | null;
  readonly colour: string;
  /** One value a CSS px from the left; NaN where nothing is known. */
  readonly values: Float64Array;
  /** Top of the scale. */
  readonly top: number;
}

export interface StripPicture {
  readonly width: number;
  readonly height: number;
  readonly ratio: number;
  /** ns at the left edge, and how many the width stands for. */
  readonly from: number;
  readonly window: number;
  readonly trackHeight: number;
  readonly tracks: readonly StripTrack[];
  readonly lost: readonly LostBand[];
  readonly gaps: readonly GapBand[];
  readonly steps: readonly Step[];
  /** The steps are a period that was found: paler. */
  readonly found: boolean;
  /** When something was so that the panes are limited to: by CSS px, how much of it, 0 to 1. null = no such thing. */
  readonly during: Float64Array | null;
  readonly range: Span | null;
  /** Now while live, null afterwards. */
  readonly edge: number | null;
}

/** Where the tracks begin, CSS px from the top. */
export function tracksTop(steps: number): number {
  return RULER + (steps > 0 ? STEPS : 0);
}

export function drawTimeline(ctx: CanvasRenderingContext2D, picture: StripPicture, ink: Ink): void {
  const { width, height, ratio, from, window, trackHeight, tracks, range } = picture;
  const dark = ink.theme === 'dark';
  const x = (time: number) => ((time - from) / window) * width;
  const snap = (value: number) => Math.round(value * ratio) / ratio;
  const line = 1 / Math.max(1, Math.floor(ratio)) * Math.floor(ratio || 1);
  const top = tracksTop(picture.steps.length);
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.globalAlpha = 1;
  ctx.fillStyle = ink.surface;
  ctx.fillRect(0, 0, width, height);
  ctx.fillStyle = ink.bar;
  ctx.fillRect(0, 0, width, RULER);

  // Ruler and the faint lines under its ticks.
  const step = tickStep(window, width);
  ctx.font = `11px ${ink.family}`;
  ctx.textBaseline = 'alphabetic';
  ctx.textAlign = 'center';
  for (let time = (Math.floor(from / step) + 1) * step; time < from + window; time += step) {
    ctx.fillStyle = ink.line;
    ctx.fillRect(snap(x(time)), top, line, height - top);
    const text = tickText(time, step);
    const half = ctx.measureText(text).width / 2;
    if (x(time) - half < 4 || x(time) + half > width - 4) continue;
    if (picture.lost.some((band) => Math.abs(x((band.start + band.end) / 2) - x(time)) < 60)) continue;
    if (range !== null && Math.abs(rangeCentre(x(range.start), x(range.end), width, 0) - x(time)) < half + 36) continue;
    ctx.fillStyle = ink.t3;
    ctx.fillText(text, x(time), 13.5);
  }
  if (picture.steps.length > 0) drawSteps(ctx, picture, ink, x, snap);

  tracks.forEach((track, i) => {
    const at = top + i * trackHeight;
    ctx.fillStyle = ink.line;
    ctx.fillRect(0, at + trackHeight - 1, width, 1);
    drawTrack(ctx, track, at + 3, trackHeight - 4, dark ? 0.3 : 0.22, 1);
  });
  for (const gap of picture.gaps) {
    const left = Math.max(0, snap(x(gap.start)));
    const right = Math.min(width, Math.max(left + 2, snap(x(gap.end))));
    if (right <= 0 || left >= width) continue;
    tracks.forEach((track, i) => {
      if (gap.lane === null || gap.lane === track.lane) hatch(ctx, left, top + i * trackHeight, right, top + (i + 1) * trackHeight - 1, ink.line2, ink.surface);
    });
  }
  if (picture.during !== null) drawDuring(ctx, picture.during, top, height, ink);

  /** Room of a label of lost samples, CSS px. */
  const LABEL = 74;
  const labels: { from: number; to: number; count: number }[] = [];
  for (const band of picture.lost) {
    if (x(band.end) < 0 || x(band.start) > width) continue;
    const left = snap(x(band.start));
    const to = Math.max(left + 6, snap(x(band.end)));
    hatch(ctx, left, RULER, to, top + tracks.length * trackHeight, ink.warn, ink.surface);
    const before = labels.at(-1);
    // Two labels that would meet are one, with both counts.
    if (before !== undefined && (left + to) / 2 - (before.from + before.to) / 2 < LABEL) labels[labels.length - 1] = { from: before.from, to, count: before.count + band.count };
    else labels.push({ from: left, to, count: band.count });
  }
  ctx.fillStyle = ink.warn;
  ctx.font = `600 11px ${ink.family}`;
  for (const label of labels) {
    const text = `${formatCount(label.count)} lost`;
    const half = ctx.measureText(text).width / 2;
    ctx.fillText(text, Math.max(half + 4, Math.min(width - half - 4, (label.from + label.to) / 2)), 13.5);
  }
  ctx.font = `11px ${ink.family}`;

  if (range !== null) drawRange(ctx, picture, range, ink, x, snap);

  if (picture.edge !== null && x(picture.edge) >= 0 && x(picture.edge) <= width) {
    const at = Math.min(width - 1, snap(x(picture.edge)));
    ctx.fillStyle = ink.rec;
    ctx.fillRect(at - 0.5, RULER - 4, 1.5, height - RULER + 4);
    ctx.beginPath();
    ctx.moveTo(at - 3.5, RULER - 6);
    ctx.lineTo(at + 4, RULER - 6);
    ctx.lineTo(at + 0.25, RULER);
    ctx.fill();
  }
}

/** The strip of steps: every second one darker, with numbers where they have room; what is too narrow is a comb of ticks. */
function drawSteps(ctx: CanvasRenderingContext2D, picture: StripPicture, ink: Ink, x: (time: number) => number, snap: (value: number) => number): void {
  const { steps, found, width, from, window } = picture;
  ctx.fillStyle = ink.bar;
  ctx.fillRect(0, RULER, width, STEPS);
  ctx.fillStyle = ink.line;
  ctx.fillRect(0, RULER + STEPS - 1, width, 1);
  ctx.font = `10.5px ${ink.family}`;
  let last = -Infinity;
  for (let i = firstEndingAfter(steps, from); i < steps.length && steps[i].start < from + window; i++) {
    const step = steps[i];
    const left = snap(x(step.start));
    const right = snap(x(step.end));
    if (right - left < 4) {
      if (left - last < 3) continue;
      last = left;
      ctx.globalAlpha = found ? 0.5 : 1;
      ctx.fillStyle = ink.t3;
      ctx.fillRect(left, RULER + 4, 1, STEPS - 6);
      continue;
    }
    ctx.globalAlpha = (found ? 0.4 : 1) * (step.number % 2 === 0 ? 0.85 : 0.5);
    ctx.fillStyle = ink.line2;
    ctx.fillRect(left, RULER + 1, Math.max(1, right - left - 1), STEPS - 3);
    ctx.globalAlpha = 1;
    // What sticks out at an edge is labelled in the part that is seen.
    const room = Math.min(width, right) - Math.max(0, left);
    const number = formatCount(step.number);
    const named = step.text === '' || step.text === number ? number : `${number}  ${step.text}`;
    const text = ctx.measureText(named).width + NAME_ROOM <= room ? named : number;
    if (ctx.measureText(text).width + NUMBER_ROOM > room) continue;
    ctx.fillStyle = found ? ink.t3 : ink.t2;
    ctx.fillText(text, Math.max(0, left) + room / 2, RULER + 10.5);
  }
  ctx.globalAlpha = 1;
  ctx.font = `11px ${ink.family}`;
}

/** When something was so: a faint veil over the lines, and a bar along the foot. */
function drawDuring(ctx: CanvasRenderingContext2D, during: Float64Array, top: number, height: number, ink: Ink): void {
  ctx.fillStyle = ink.accent;
  for (let at = 0; at < during.length;) {
    const share = shade(during[at]);
    let to = at + 1;
    while (to < during.length && shade(during[to]) === share) to++;
    if (share > 0) {
      ctx.globalAlpha = 0.13 * share;
      ctx.fillRect(at, top, to - at, height - top);
      ctx.globalAlpha = 0.35 + 0.65 * share;
      ctx.fillRect(at, height - 3, to - at, 2);
    }
    at = to;
  }
  ctx.globalAlpha = 1;
}

/** In quarters, and never invisible. */
function shade(share: number): number {
  return share > 0 ? Math.max(0.25, Math.ceil(share * 4) / 4) : 0;
}

/** Where the label of a range stands: in the middle of the part of it that is seen. */
function rangeCentre(left: number, right: number, width: number, half: number): number {
  return Math.max(half, Math.min(width - half, (Math.max(0, left) + Math.min(width, right)) / 2));
}

/** A step line with its ground. */
function drawTrack(ctx: CanvasRenderingContext2D, track: StripTrack, top: number, height: number, ground: number, strength: number): void {
  const { values } = track;
  const scale = track.top > 0 ? height / track.top : 0;
  const y = (value: number) => top + height - Math.max(0, Math.min(height, value * scale));
  for (let from = 0; from < values.length; from++) {
    if (Number.isNaN(values[from])) continue;
    let to = from;
    while (to < values.length && !Number.isNaN(values[to])) to++;
    const path = new Path2D();
    path.moveTo(from, y(values[from]));
    for (let i = from; i < to; i++) {
      path.lineTo(i, y(values[i]));
      path.lineTo(i + 1, y(values[i]));
    }
    const area = new Path2D(path);
    area.lineTo(to, top + height + 1);
    area.lineTo(from, top + height + 1);
    area.closePath();
    ctx.globalAlpha = ground * strength;
    ctx.fillStyle = track.colour;
    ctx.fill(area);
    ctx.globalAlpha = strength;
    ctx.strokeStyle = track.colour;
    ctx.lineWidth = 1;
    ctx.stroke(path);
    ctx.globalAlpha = 1;
    from = to;
  }
}

/** Slanting lines between two edges; `ground` covers what lies below. */
function hatch(ctx: CanvasRenderingContext2D, from: number, top: number, to: number, bottom: number, colour: string, ground: string | null): void {
  ctx.save();
  ctx.beginPath();
  ctx.rect(from, top, to - from, bottom - top);
  ctx.clip();
  if (ground !== null) {
    ctx.fillStyle = ground;
    ctx.fillRect(from, top, to - from, bottom - top);
  }
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1;
  for (let x = from - (bottom - top); x < to; x += 5) {
    ctx.beginPath();
    ctx.moveTo(x, bottom);
    ctx.lineTo(x + (bottom - top), top);
    ctx.stroke();
  }
  ctx.fillStyle = colour;
  ctx.fillRect(from, top, 1, bottom - top);
  ctx.fillRect(to - 1, top, 1, bottom - top);
  ctx.restore();
}

function drawRange(
  ctx: CanvasRenderingContext2D, picture: StripPicture, range: Span, ink: Ink, x: (time: number) => number, snap: (value: number) => number,
): void {
  const { width, height } = picture;
  // Steps stay readable: another one is a click away.
  const veil = tracksTop(picture.steps.length);
  const from = snap(x(range.start));
  const to = Math.max(from + 1, snap(x(range.end)));
  ctx.globalAlpha = 0.6;
  ctx.fillStyle = ink.surface;
  if (from > 0) ctx.fillRect(0, veil, Math.min(width, from), height - veil);
  if (to < width) ctx.fillRect(Math.max(0, to), veil, width - Math.max(0, to), height - veil);
  ctx.globalAlpha = 1;
  if (to < 0 || from > width) return;
  ctx.globalAlpha = 0.07;
  ctx.fillStyle = ink.accent;
  ctx.fillRect(from, RULER, to - from, height - RULER);
  ctx.globalAlpha = 1;
  ctx.fillRect(from, RULER - 3, to - from, 3);
  ctx.fillRect(from, RULER - 3, 1, height - RULER + 3);
  ctx.fillRect(to - 1, RULER - 3, 1, height - RULER + 3);
  const middle = RULER + (height - RULER) / 2;
  for (const at of [from, to - 1]) {
    ctx.fillStyle = ink.accent;
    ctx.fillRect(at - 2.5, middle - 8, 6, 16);
    ctx.fillStyle = ink.surface;
    ctx.fillRect(at - 1, middle - 6, 3, 12);
  }
  const text = lengthText(range.end - range.start);
  ctx.font = `600 10.5px ${ink.family}`;
  const half = ctx.measureText(text).width / 2 + 6;
  const centre = rangeCentre(from, to, width, half);
  ctx.fillStyle = ink.accent;
  ctx.beginPath();
  ctx.roundRect(centre - half, 1.5, half * 2, 15, 3);
  ctx.fill();
  ctx.fillStyle = ink.onAccent;
  ctx.fillText(text, centre, 12.5);
}

/** Length of a range: three digits. */
export function lengthText(ns: number): string {
  if (ns >= 60e9) return `${Math.floor(ns / 60e9)} min ${Math.round((ns % 60e9) / 1e9)} s`;
  if (ns >= 1e9) return `${(ns / 1e9).toPrecision(3)} s`;
  if (ns >= 1e6) return `${(ns / 1e6).toPrecision(3)} ms`;
  return `${Math.round(ns / 1e3)} µs`;
}
