// What the window writes besides the numbers of a profile, which core/analyze/format has.
import { MISSING, formatCount } from '#core/analyze/format';

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** CPU percent of one core: a decimal below 10, whole above. */
export function cpuPercent(value: number | null): string {
  if (value === null) return MISSING;
  return value < 9.95 ? value.toFixed(1) : formatCount(value);
}

/** How long ago, in the largest unit: `34 min ago`. Times in ms since 1970. */
export function ago(ms: number, now = Date.now()): string {
  const seconds = Math.max(0, (now - ms) / 1000);
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  const days = Math.floor(seconds / 86_400);
  return `${days} ${days === 1 ? 'day' : 'days'} ago`;
}

/** When, as short as it can be: today `11:32`, this week `Fri`, else `14 Nov`, other years `14 Nov 2025`. Times in ms since 1970. */
export function when(ms: number, now = Date.now()): string {
  const date = new Date(ms), today = new Date(now);
  if (date.toDateString() === today.toDateString()) return clockTime(ms);
  if (now - ms < 6 * 86_400_000 && now > ms) return weekday(ms);
  const short = `${date.getDate()} ${MONTHS[date.getMonth()]}`;
  return date.getFullYear() === today.getFullYear() ? short : `${short} ${date.getFullYear()}`;
}

/** `Sun` in local time. */
export function weekday(ms: number): string {
  return DAYS[new Date(ms).getDay()];
}

/** `11:32` in local time. */
export function clockTime(ms: number): string {
  const date = new Date(ms);
  return `${String(date.getHours()).padStart(2, '0')}:${String(date.getMinutes()).padStart(2, '0')}`;
}
