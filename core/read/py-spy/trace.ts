// One window of py-spy's `chrometrace` format: a JSON array of begin and end events, `ts` in microseconds since py-spy
// started. Defined by https://github.com/benfred/py-spy/blob/v0.4.2/src/chrometrace.rs (and `--threads` and
// `--subprocesses` by src/main.rs and src/stack_trace.rs): a thread's events come in order of time; an event is written
// only where a stack differs from the one before; what is open at the end is closed with the time of the end.

import { mendTorn } from './torn.ts';

/** A stack that a thread had from `start` to `end`: places of frames in `frames`, root first. us since py-spy started. */
export interface TraceSpan {
  readonly start: number;
  readonly end: number;
  /** When the thread was last looked at and had it, from `start` on: the moments at which any thread's stack changed tell. */
  readonly seen: number;
  readonly frames: readonly number[];
}

export interface TraceThread {
  readonly pid: number;
  /** Thread id of the operating system, 0 where it is not known. */
  readonly tid: number;
  /** py-spy's own id: the pthread's address. */
  readonly own: string;
  readonly name: string;
  readonly spans: readonly TraceSpan[];
}

export interface TraceFrame {
  readonly name: string;
  readonly file: string;
  readonly line: number;
}

export interface Trace {
  readonly frames: readonly TraceFrame[];
  readonly threads: readonly TraceThread[];
  /** us of the first and the last event; 0 and 0 where there are none. */
  readonly start: number;
  readonly end: number;
  /** Events that do not fit: an end without its begin, a field of a wrong type. */
  readonly skipped: number;
  /** True where the file was cut off and only its front could be read. */
  readonly cut: boolean;
}

/** The stack that events of one thread id change, and whose events came last. */
interface Shared {
  readonly stack: number[];
  thread: Building | null;
  time: number;
}

/** Threads are looked at one after the other; what lies further apart is another look, us. */
const ONE_LOOK = 3000;

interface Building {
  pid: number;
  tid: number;
  own: string;
  name: string;
  spans: TraceSpan[];
  stack: number[];
  last: number;
}

/** Spans a window may bring; a hostile file cannot make more of its own size than this. */
const MOST_EVENTS = 2_000_000;
const MOST_DEPTH = 4096;

/** Reads a window; null when it is no JSON array of events, also not in its front part. */
export function readTrace(text: string): Trace | null {
  const parsed = parseArray(text);
  if (parsed === null) return null;
  const frames: TraceFrame[] = [];
  const rows = new Map<string, number>();
  const threads = new Map<string, Building>();
  const shared = new Map<number, Shared>();
  /** When py-spy looked, as far as anything had changed. */
  const looks: number[] = [];
  let skipped = 0;
  let start = Infinity;
  let end = 0;
  for (const event of parsed.events) {
    if (!isEvent(event)) {
      skipped++;
      continue;
    }
    const key = `${event.pid}:${event.tid}`;
    let thread = threads.get(key);
    if (thread === undefined) {
      thread = { pid: event.pid, tid: 0, own: String(event.tid), name: '', spans: [], stack: [], last: event.ts };
      threads.set(key, thread);
    }
    let state = shared.get(event.tid);
    if (state === undefined) shared.set(event.tid, (state = { stack: [], thread: null, time: -1 }));
    if (state.thread !== thread || state.time !== event.ts) {
      if (!(event.ts <= (looks.at(-1) ?? -1))) looks.push(event.ts);
      leave(state);
      step(thread, event.ts);
      state.thread = thread;
      state.time = event.ts;
    }
    start = Math.min(start, event.ts);
    end = Math.max(end, event.ts);
    const header = event.args?.filename === '' || event.args?.filename === undefined ? headerOf(event.name) : null;
    if (header !== null) {
      // The header opens and closes with the stack under it; it is no frame itself. What closes may be another process's.
      if (header.tid !== 0 && event.ph === 'B') {
        thread.tid = header.tid;
        thread.name = header.name;
      }
      continue;
    }
    const { stack } = state;
    if (event.ph === 'B') {
      const frame = { name: event.name, file: event.args?.filename ?? '', line: event.args?.line ?? 0 };
      const frameKey = `${frame.line}\0${frame.name}\0${frame.file}`;
      let row = rows.get(frameKey);
      if (row === undefined) {
        row = frames.push(frame) - 1;
        rows.set(frameKey, row);
      }
      if (stack.length < MOST_DEPTH) stack.push(row);
      else skipped++;
    } else if (stack.length > 0 && frames[stack[stack.length - 1]].name === event.name) {
      stack.pop();
    } else {
      skipped++;
    }
  }
  for (const state of shared.values()) leave(state);
  for (const thread of threads.values()) {
    step(thread, end);
    lastSeen(thread.spans, looks);
    mendTorn(thread.spans, frames);
  }
  return { frames, threads: [...threads.values()], start: start === Infinity ? 0 : start, end, skipped, cut: parsed.cut };
}

/** When each of a thread's spans was last seen. Both are in order of time. */
function lastSeen(spans: TraceSpan[], looks: readonly number[]): void {
  let look = 0;
  for (const [i, span] of spans.entries()) {
    while (look + 1 < looks.length && looks[look + 1] < span.end - ONE_LOOK) look++;
    if (look < looks.length && looks[look] > span.start && looks[look] < span.end - ONE_LOOK) spans[i] = { ...span, seen: looks[look] };
  }
}

/** The process that was looked at last holds its stack until it is looked at again. */
function leave({ thread, stack }: Shared): void {
  if (thread !== null) thread.stack = stack.slice();
}

/** Ends the span of the stack as it was until now. */
function step(thread: Building, now: number): void {
  if (now > thread.last && thread.stack.length > 0) {
    thread.spans.push({ start: thread.last, end: now, seen: thread.last, frames: thread.stack.slice() });
  }
  if (now > thread.last) thread.last = now;
}

/** `thread (OS-TID): NAME` and `process PID:"command"`, which `--threads` and `--subprocesses` put at the root. */
export function headerOf(name: string): { tid: number; pid: number; name: string } | null {
  const thread = /^thread \((\d+|0x[0-9a-fA-F]+)\)(?:: ?([\s\S]*))?$/.exec(name);
  // A hexadecimal id is the pthread's: py-spy could not find the operating system's.
  if (thread !== null) return { tid: thread[1].startsWith('0x') ? 0 : Number(thread[1]), pid: 0, name: thread[2] ?? '' };
  const process = /^process (\d+):/.exec(name);
  return process === null ? null : { tid: 0, pid: Number(process[1]), name: '' };
}

interface Event {
  readonly name: string;
  readonly ph: 'B' | 'E';
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly args?: { readonly filename?: string; readonly line?: number };
}

function isEvent(value: unknown): value is Event {
  if (typeof value !== 'object' || value === null) return false;
  const event = value as Record<string, unknown>;
  if (typeof event.name !== 'string' || (event.ph !== 'B' && event.ph !== 'E')) return false;
  if (typeof event.ts !== 'number' || !(event.ts >= 0 && event.ts < 1e15)) return false;
  if (typeof event.pid !== 'number' || !Number.isInteger(event.pid) || event.pid < 0 || event.pid > 0x7fff_ffff || typeof event.tid !== 'number') return false;
  if (event.args === undefined) return true;
  if (typeof event.args !== 'object' || event.args === null) return false;
  const args = event.args as Record<string, unknown>;
  return (args.filename === undefined || typeof args.filename === 'string')
    && (args.line === undefined || args.line === null || (typeof args.line === 'number' && Number.isInteger(args.line) && args.line >= 0 && args.line < 0x7fff_ffff));
}

function parseArray(text: string): { events: readonly unknown[]; cut: boolean } | null {
  const whole = tryParse(text);
  if (whole !== null) return { events: whole.slice(0, MOST_EVENTS), cut: whole.length > MOST_EVENTS };
  // A py-spy that was killed while it wrote: everything up to the last whole event is good.
  for (let at = text.lastIndexOf('},{'), tries = 0; at > 0 && tries < 3; at = text.lastIndexOf('},{', at - 1), tries++) {
    const front = tryParse(`${text.slice(0, at + 1)}]`);
    if (front !== null) return { events: front.slice(0, MOST_EVENTS), cut: true };
  }
  return null;
}

function tryParse(text: string): unknown[] | null {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}
