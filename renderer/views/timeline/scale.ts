// Where things stand on the timeline: pure arithmetic, no canvas.

/** Distance of ruler ticks in ns: 1, 2 or 5 times a power of ten (minutes and hours above 30 s), at least `leastPx` apart. */
export function tickStep(window: number, width: number, leastPx = 72): number {
  const least = (window / Math.max(1, width)) * leastPx;
  for (let power = 1e3; power <= 1e10; power *= 10) {
    for (const factor of [1, 2, 5]) if (power * factor >= least && power * factor <= 30e9) return power * factor;
  }
  for (const seconds of [30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 86_400]) if (seconds * 1e9 >= least) return seconds * 1e9;
  return Math.ceil(least / 86_400e9) * 86_400e9;
}

/** Text of a ruler tick: `5 s`, `200 ms`, `2 min`, `1 h 30`. */
export function tickText(time: number, step: number): string {
  if (time < 1) return '0 s';
  if (step >= 30e9) {
    const minutes = Math.round(time / 6e9) / 10;
    if (minutes < 60) return Number.isInteger(minutes) ? `${minutes} min` : `${Math.floor(minutes)} min ${Math.round((minutes % 1) * 60)} s`;
    const whole = Math.round(minutes);
    return whole % 60 === 0 ? `${whole / 60} h` : `${Math.floor(whole / 60)} h ${String(whole % 60).padStart(2, '0')}`;
  }
  if (step >= 1e9) return `${Math.round(time / 1e9)} s`;
  if (step >= 1e6) return time >= 1e9 ? `${trimmed(time / 1e9)} s` : `${trimmed(time / 1e6)} ms`;
  return time >= 1e6 ? `${trimmed(time / 1e6)} ms` : `${trimmed(time / 1e3)} µs`;
}

function trimmed(value: number): string {
  return String(Number(value.toFixed(3)));
}

/** A range as the timeline handles it, ns. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export type Grip = 'start' | 'end' | 'inside' | 'outside';

/** What the pointer is on: a grip (5 px around an edge), the bar inside the range in the ruler, or neither. */
export function gripAt(x: number, inRuler: boolean, range: Span | null, xOf: (time: number) => number): Grip {
  if (range === null) return 'outside';
  const left = xOf(range.start);
  const right = xOf(range.end);
  if (Math.abs(x - left) <= 5 && Math.abs(x - left) <= Math.abs(x - right)) return 'start';
  if (Math.abs(x - right) <= 5) return 'end';
  if (inRuler && x > left && x < right) return 'inside';
  return 'outside';
}

/** A range between two times in either order, kept within [0, end]; null when it is narrower than `least`. */
export function rangeBetween(a: number, b: number, end: number, least: number): Span | null {
  const start = Math.max(0, Math.min(a, b));
  const stop = Math.min(end, Math.max(a, b));
  return stop - start < least ? null : { start, end: stop };
}

/** Moves a range as a whole, without leaving [0, end]. */
export function moved(range: Span, by: number, end: number): Span {
  const width = range.end - range.start;
  const start = Math.max(0, Math.min(end - width, range.start + by));
  return { start, end: start + width };
}

/** Moves the right edge of a range, keeping at least `least`. */
export function grown(range: Span, by: number, end: number, least: number): Span {
  return { start: range.start, end: Math.max(range.start + least, Math.min(end, range.end + by)) };
}

/** Which of spans in order is the first that ends after a time. */
export function firstEndingAfter(spans: readonly Span[], time: number): number {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (spans[middle].end <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** By part: how much of it lies in the ranges, 0 to 1. Ranges are sorted and do not overlap. */
export function coverage(ranges: readonly (readonly [number, number])[], from: number, span: number, parts: number): Float64Array {
  const covered = new Float64Array(parts);
  const part = span / parts;
  for (const [start, end] of ranges) {
    if (end <= from) continue;
    if (start >= from + span) break;
    const first = Math.max(0, Math.floor((start - from) / part));
    const last = Math.min(parts - 1, Math.ceil((end - from) / part) - 1);
    for (let i = first; i <= last; i++) covered[i] += (Math.min(end, from + (i + 1) * part) - Math.max(start, from + i * part)) / part;
  }
  return covered;
}

/** What is seen after a zoom by `factor` (under 1: nearer) that leaves `at` where it is; null = all of [0, whole). */
export function zoomed(view: { readonly from: number; readonly span: number }, factor: number, at: number, whole: number): { from: number; span: number } | null {
  const span = Math.max(1e6, view.span * factor);
  if (span >= whole) return null;
  return panned({ from: at - ((at - view.from) / view.span) * span, span }, 0, whole);
}

/** What is seen after a move, kept within [0, whole). */
export function panned(view: { readonly from: number; readonly span: number }, by: number, whole: number): { from: number; span: number } {
  return { from: Math.max(0, Math.min(whole - view.span, view.from + by)), span: view.span };
}
