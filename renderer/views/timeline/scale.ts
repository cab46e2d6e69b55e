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
