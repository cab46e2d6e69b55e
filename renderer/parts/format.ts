// Numbers as UI.md, section 3, writes them.
const THIN = '\u2009';
export const MISSING = '–';

/** `61 308`, grouped by a thin space. */
export function count(value: number): string {
  const digits = String(Math.round(Math.abs(value))).replace(/\B(?=(\d{3})+$)/g, THIN);
  return value < 0 ? `−${digits}` : digits;
}

/** Three significant digits, without an exponent: 11.6, 103, 1.02. */
export function digits3(value: number): string {
  if (value >= 99.95) return count(value);
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

/** Memory: KiB, MiB, GiB. */
export function memory(bytes: number): string {
  return scaled(bytes, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB']);
}

/** Files and rates: kB, MB, GB. */
export function fileSize(bytes: number): string {
  return scaled(bytes, 1000, ['B', 'kB', 'MB', 'GB', 'TB']);
}

function scaled(value: number, base: number, units: readonly string[]): string {
  let unit = 0;
  while (value >= base * 0.9995 && unit < units.length - 1) {
    value /= base;
    unit++;
  }
  return `${unit === 0 ? count(value) : digits3(value).replace(/\.0+$/, '')} ${units[unit]}`;
}

/** A length of time from ns: `53 ms`, `1.28 s`, `3 min 12 s`, `2 h 5 min`. */
export function duration(ns: number): string {
  const seconds = ns / 1e9;
  if (seconds >= 3600) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  if (seconds >= 60) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  if (seconds >= 0.9995) return `${digits3(seconds)} s`;
  if (ns >= 999_500) return `${digits3(ns / 1e6)} ms`;
  if (ns >= 999.5) return `${digits3(ns / 1e3)} µs`;
  return `${count(ns)} ns`;
}

/** CPU percent of one core: a decimal below 10, whole above. */
export function cpuPercent(value: number | null): string {
  if (value === null) return MISSING;
  return value < 9.95 ? value.toFixed(1) : count(value);
}

/** How long ago, in the largest unit: `34 min ago`. */
export function ago(ms: number, now = Date.now()): string {
  const seconds = Math.max(0, (now - ms) / 1000);
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  const days = Math.floor(seconds / 86_400);
  return `${days} ${days === 1 ? 'day' : 'days'} ago`;
}

/** When, as short as it can be: today `11:32`, this week `Fri`, else `14 Nov`, other years `14 Nov 2025`. */
export function when(ms: number, now = Date.now()): string {
  const date = new Date(ms), today = new Date(now);
  if (date.toDateString() === today.toDateString()) return clockTime(ms);
  if (now - ms < 6 * 86_400_000 && now > ms) return date.toLocaleDateString('en-GB', { weekday: 'short' });
  const short = date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' });
  return date.getFullYear() === today.getFullYear() ? short : `${short} ${date.getFullYear()}`;
}

/** `11:32` in local time. */
export function clockTime(ms: number): string {
  const date = new Date(ms);
  return `${String(date.getHours()).padStart(2, '0')}:${String(date.getMinutes()).padStart(2, '0')}`;
}
