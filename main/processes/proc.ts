// Reading /proc: small files, read whole and synchronously into one kept buffer (about 8 us each). A process may vanish
// between any two reads, so every reader answers null instead of throwing.
import { closeSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';

/** Clock ticks a second in /proc/PID/stat: 100 on every Linux that Node runs on (USER_HZ). */
export const TICKS_PER_SECOND = 100;
const PAGE = 4096;
/** Nothing that is read here is larger, but maps and environments of other people's programs have no limit. */
const MOST_BYTES = 4 << 20;

let buffer = Buffer.allocUnsafe(64 << 10);

/** A file of /proc as Latin-1 or UTF-8 text; null when it is gone or may not be read. At most 4 MB. */
export function readProc(path: string): string | null {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return null;
  }
  try {
    let length = 0;
    for (;;) {
      const got = readSync(file, buffer, length, buffer.length - length, null);
      length += got;
      if (got === 0 || length >= MOST_BYTES) break;
      if (length === buffer.length) {
        const bigger = Buffer.allocUnsafe(buffer.length * 2);
        buffer.copy(bigger, 0, 0, length);
        buffer = bigger;
      }
    }
    return buffer.toString('utf8', 0, length);
  } catch {
    return null;
  } finally {
    closeSync(file);
  }
}

/** Where a link of /proc points; null when it is gone or may not be read. */
export function readProcLink(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

/** Names in a folder of /proc that are numbers; empty when it is gone. */
export function numbersIn(path: string): number[] {
  let names: string[];
  try {
    names = readdirSync(path);
  } catch {
    return [];
  }
  const numbers: number[] = [];
  for (const name of names) {
    const first = name.charCodeAt(0);
    if (first >= 48 && first <= 57) numbers.push(Number(name));
  }
  return numbers;
}

export interface StatFacts {
  readonly pid: number;
  /** Name of the program or thread, 15 bytes at most. */
  readonly comm: string;
  /** R, S, D, Z, T, t, X, I. */
  readonly state: string;
  readonly ppid: number;
  readonly kernel: boolean;
  /** User and system time of all threads, in clock ticks. */
  readonly ticks: number;
  /** The same of children that ended and were waited for. */
  readonly reapedTicks: number;
  readonly threads: number;
  /** Clock ticks since boot. */
  readonly start: number;
  /** Bytes. */
  readonly rss: number;
}

const KERNEL_THREAD = 0x0020_0000;

/** /proc/PID/stat or /proc/PID/task/TID/stat taken apart (proc(5)); null for text that is not one. */
export function parseStat(text: string): StatFacts | null {
  // The name stands in brackets and may hold brackets and spaces itself: the last closing one ends it.
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 0 || close < open) return null;
  const fields = text.slice(close + 2).trimEnd().split(' ');
  if (fields.length < 22) return null;
  return {
    pid: Number(text.slice(0, open)),
    comm: text.slice(open + 1, close),
    state: fields[0],
    ppid: Number(fields[1]),
    kernel: (Number(fields[6]) & KERNEL_THREAD) !== 0,
    ticks: Number(fields[11]) + Number(fields[12]),
    reapedTicks: Number(fields[13]) + Number(fields[14]),
    threads: Number(fields[17]),
    start: Number(fields[19]),
    rss: Number(fields[21]) * PAGE,
  };
}

/** The facts of one process now; null when it is gone. */
export function statOf(pid: number): StatFacts | null {
  const text = readProc(`/proc/${pid}/stat`);
  return text === null ? null : parseStat(text);
}

/** Bytes that a process has written to files and pipes; null where it is gone or another user's. */
export function writtenBy(pid: number): number | null {
  const found = /^wchar: (\d+)/m.exec(readProc(`/proc/${pid}/io`) ?? '');
  return found === null ? null : Number(found[1]);
}

/** argv of a process; empty for kernel threads, zombies and processes that are gone. */
export function argvOf(pid: number): string[] {
  const text = readProc(`/proc/${pid}/cmdline`);
  if (text === null || text === '') return [];
  const words = text.split('\0');
  while (words.length > 0 && words[words.length - 1] === '') words.pop();
  // A program that writes its own title (nginx, postgres) leaves one word with spaces in it.
  return words;
}
