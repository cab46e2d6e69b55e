// The timeline's strip to a 2D canvas. No state.
import { formatCount } from '#core/analyze/format';
import { tickStep, tickText } from './scale.ts';
import type { Span } from './scale.ts';
import type { Ink } from '../flame/ink.ts';

/** Height of the ruler above the tracks, CSS px. */
export const RULER = 20;

export interface StripTrack {
  readonly name: string;
  readonly colour: string;
  /** One value a CSS px from the left; NaN where nothing is known. */
  readonly values: Float64Array;
  /** Top of the scale. */
  readonly top: number;
}

export interface LostBand {
  readonly start: number;
  readonly end: number;
  readonly count: number;
}

export interface StripPicture {
  readonly width: number;
  readonly height: number;
  readonly ratio: number;
  /** ns that the width stands for. */
  readonly window: number;
  readonly trackHeight: number;
  readonly tracks: readonly StripTrack[];
  readonly lost: readonly LostBand[];
  /** Times of training steps. */
  readonly steps: readonly number[];
  readonly range: Span | null;
  /** Now while live, null afterwards. */
  readonly edge: number | null;
}

export function drawTimeline(ctx: CanvasRenderingContext2D, picture: StripPicture, ink: Ink): void {
  const { width, height, ratio, window, trackHeight, tracks, range } = picture;
  const dark = ink.theme === 'dark';
  const x = (time: number) => (time / window) * width;
  const snap = (value: number) => Math.round(value * ratio) / ratio;
  const line = 1 / Math.max(1, Math.floor(ratio)) * Math.floor(ratio || 1);
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
  for (let time = step; time < window; time += step) {
    ctx.fillStyle = ink.line;
    ctx.fillRect(snap(x(time)), RULER, line, height - RULER);
    const text = tickText(time, step);
    const half = ctx.measureText(text).width / 2;
    if (x(time) - half < 4 || x(time) + half > width - 4) continue;
    if (picture.lost.some((band) => Math.abs(x((band.start + band.end) / 2) - x(time)) < 60)) continue;
    if (range !== null && Math.abs(x((range.start + range.end) / 2) - x(time)) < half + 36) continue;
    ctx.fillStyle = ink.t3;
    ctx.fillText(text, x(time), 13.5);
  }
  ctx.fillStyle = ink.t1;
  for (const time of picture.steps) ctx.fillRect(snap(x(time)), RULER - 2, line, 3);

  tracks.forEach((track, i) => {
    const top = RULER + i * trackHeight;
    ctx.fillStyle = ink.line;
    ctx.fillRect(0, top + trackHeight - 1, width, 1);
    drawTrack(ctx, track, top + 3, trackHeight - 4, dark ? 0.3 : 0.22, 1);
  });

  /** Room of a label of lost samples, CSS px. */
  const LABEL = 74;
  const labels: { from: number; to: number; count: number }[] = [];
  for (const band of picture.lost) {
    const from = snap(x(band.start));
    const to = Math.max(from + 6, snap(x(band.end)));
    hatch(ctx, from, RULER, to, RULER + tracks.length * trackHeight, ink);
    const before = labels.at(-1);
    // Two labels that would meet are one, with both counts.
    if (before !== undefined && (from + to) / 2 - (before.from + before.to) / 2 < LABEL) labels[labels.length - 1] = { from: before.from, to, count: before.count + band.count };
    else labels.push({ from, to, count: band.count });
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

  if (picture.edge !== null && x(picture.edge) <= width) {
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

function hatch(ctx: CanvasRenderingContext2D, from: number, top: number, to: number, bottom: number, ink: Ink): void {
  ctx.save();
  ctx.beginPath();
  ctx.rect(from, top, to - from, bottom - top);
  ctx.clip();
  ctx.fillStyle = ink.surface;
  ctx.fillRect(from, top, to - from, bottom - top);
  ctx.strokeStyle = ink.warn;
  ctx.lineWidth = 1;
  for (let x = from - (bottom - top); x < to; x += 5) {
    ctx.beginPath();
    ctx.moveTo(x, bottom);
    ctx.lineTo(x + (bottom - top), top);
    ctx.stroke();
  }
  ctx.fillStyle = ink.warn;
  ctx.fillRect(from, top, 1, bottom - top);
  ctx.fillRect(to - 1, top, 1, bottom - top);
  ctx.restore();
}

function drawRange(
  ctx: CanvasRenderingContext2D, picture: StripPicture, range: Span, ink: Ink, x: (time: number) => number, snap: (value: number) => number,
): void {
  const { width, height } = picture;
  const from = snap(x(range.start));
  const to = Math.max(from + 1, snap(x(range.end)));
  ctx.globalAlpha = 0.6;
  ctx.fillStyle = ink.surface;
  ctx.fillRect(0, RULER, from, height - RULER);
  ctx.fillRect(to, RULER, width - to, height - RULER);
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
  const centre = Math.max(half, Math.min(width - half, (from + to) / 2));
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
