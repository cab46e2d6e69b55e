// Numbers as text, the same in every view and picture.
import { assertNever } from '#core/errors';
import type { Unit } from '#core/model/lane';

const THIN_SPACE = '\u2009';
const MINUS = '\u2212';
const EN_DASH = '\u2013';

/** What stands where a value is missing; never 0. */
export const MISSING = EN_DASH;

/** `61 308`, with thin spaces. */
export function formatCount(value: number): string {
  const digits = String(Math.round(Math.abs(value)));
  let text = digits;
  if (digits.length > 4 || Math.abs(value) >= 1000) text = digits.replace(/\B(?=(\d{3})+$)/g, THIN_SPACE);
  return sign(Math.round(value)) + text;
}

/** `9.3 %`, `< 0.1 %`, `0 %`, `100 %`. `share` is a fraction. */
export function formatPercent(share: number): string {
  if (!Number.isFinite(share)) return MISSING;
  const percent = Math.abs(share) * 100;
  if (percent === 0) return '0 %';
  if (percent < 0.05) return share < 0 ? `> ${MINUS}0.1 %` : '< 0.1 %';
  const text = percent.toFixed(1);
  return `${sign(share)}${text === '100.0' ? '100' : text} %`;
}

/** `53 ms`, `1.28 s`, above 60 s `3 min 12 s`, above an hour `1 h 4 min`. Three significant digits. */
export function formatTime(ns: number): string {
  const value = Math.abs(ns);
  if (value === 0) return '0 s';
  const before = sign(ns);
  // What would round up to 60 s is a minute already.
  if (value >= 59.95e9) {
    const seconds = Math.round(value / 1e9);
    if (seconds >= 3600) {
      const minutes = Math.round(seconds / 60);
      return `${before}${Math.floor(minutes / 60)} h ${minutes % 60} min`;
    }
    return `${before}${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  }
  return before + threeDigits(value, [['ns', 1], ['µs', 1e3], ['ms', 1e6], ['s', 1e9]]);
}

/** Memory: `1.5 MiB`, `640 B`. */
export function formatMemory(bytes: number): string {
  if (bytes === 0) return '0 B';
  return sign(bytes) + threeDigits(Math.abs(bytes), [['B', 1], ['KiB', 1024], ['MiB', 1024 ** 2], ['GiB', 1024 ** 3], ['TiB', 1024 ** 4]]);
}

/** Files, and rates with `/s` put after it: `410 kB`. */
export function formatFileSize(bytes: number): string {
  if (bytes === 0) return '0 B';
  return sign(bytes) + threeDigits(Math.abs(bytes), [['B', 1], ['kB', 1e3], ['MB', 1e6], ['GB', 1e9], ['TB', 1e12]]);
}

/** A lane's weight in its unit. */
export function formatWeight(value: number, unit: Unit): string {
  switch (unit) {
    case 'ns':
      return formatTime(value);
    case 'bytes':
      return formatMemory(value);
    case 'count':
      return formatCount(value);
    default:
      return assertNever(unit);
  }
}

/** A time span of a recording: `31.20 – 36.84 s`; whole milliseconds where it is shorter than a second. Times in ns. */
export function formatRange(start: number, end: number): string {
  const digits = end - start >= 1e9 ? 2 : end - start >= 1e7 ? 3 : end - start >= 1e6 ? 4 : 6;
  return `${negative((start / 1e9).toFixed(digits))} ${EN_DASH} ${negative((end / 1e9).toFixed(digits))} s`;
}

/** The recording clock: `00:42.6`, from an hour on `1:04:42.6`. */
export function formatClock(ns: number): string {
  const tenths = Math.max(0, Math.floor(ns / 1e8));
  const seconds = Math.floor(tenths / 10);
  const two = (value: number): string => String(value).padStart(2, '0');
  const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}.${tenths % 10}`;
  return seconds >= 3600 ? `${Math.floor(seconds / 3600)}:${rest}` : rest;
}

/** A margin in points: `± 1.7 points`; '' where there is none. `margin` is a fraction. */
export function formatMargin(margin: number | null): string {
  if (margin === null) return '';
  const points = margin * 100;
  return `± ${points < 0.05 ? '0.1' : points.toFixed(1)} points`;
}

/** `108 CPU samples`, `1 sample`. `what` stands before "samples", '' for nothing. */
export function formatSamples(count: number, what = ''): string {
  return `${formatCount(count)} ${what === '' ? '' : `${what} `}${count === 1 ? 'sample' : 'samples'}`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `22 Nov 2026`, in the machine's time zone; '' for 0. `at` in ms since 1970. */
export function formatDate(at: number): string {
  if (!(at > 0)) return '';
  const date = new Date(at);
  return `${date.getDate()} ${MONTHS[date.getMonth()]} ${date.getFullYear()}`;
}

function threeDigits(value: number, units: readonly (readonly [string, number])[]): string {
  let at = 0;
  // 999.6 of a unit would be written 1000: it is 1.00 of the next.
  while (at + 1 < units.length && Number(digits(value / units[at][1])) * units[at][1] >= units[at + 1][1]) at++;
  const [name, size] = units[at];
  return `${size === 1 ? trimmed(digits(value / size)) : digits(value / size)} ${name}`;
}

// Three significant digits, but "53" for 53.0: a whole number of two digits or more needs no ".0".
function digits(value: number): string {
  if (value >= 99.95) return String(Math.round(value));
  if (value >= 9.995) return trimmed(value.toFixed(1));
  return value.toFixed(2);
}

function trimmed(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

function sign(value: number): string {
  return value < 0 ? MINUS : '';
}

function negative(text: string): string {
  return text.replace('-', MINUS);
}
