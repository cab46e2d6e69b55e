// Stacks that were torn. py-spy reads a running interpreter without stopping it (--nonblocking), and a generator's frame has
// no caller in the moment between being left and being unlinked: it then reads as a thread's outermost frame. Such a stack is
// told from a true one by the same thread's other stacks of the window.
import type { TraceFrame, TraceSpan } from './trace.ts';

/**
 * Gives stacks without their callers those of the nearest stack, earlier ones first, that holds the same function below
 * others. A stack counts as torn only when its outermost function has callers elsewhere in these spans and another function
 * is outermost for longer. Returns how many were mended; the spans are of one thread in order of time.
 */
export function mendTorn(spans: TraceSpan[], frames: readonly TraceFrame[]): number {
  const ids = new Map<string, number>();
  const functionOf = frames.map((frame) => {
    const key = `${frame.name}\0${frame.file}`;
    const id = ids.get(key) ?? ids.size;
    ids.set(key, id);
    return id;
  });
  const outermost = new Map<number, number>();
  for (const span of spans) {
    const root = functionOf[span.frames[0]];
    outermost.set(root, (outermost.get(root) ?? 0) + span.end - span.start);
  }
  if (outermost.size < 2) return 0;
  const longest = Math.max(...outermost.values());
  const suspects = new Set([...outermost].filter(([, time]) => time < longest).map(([root]) => root));
  const mended = new Map<number, readonly number[]>();
  for (const [at, span] of spans.entries()) {
    const root = functionOf[span.frames[0]];
    if (!suspects.has(root)) continue;
    const callers = callersBefore(spans, at, root, suspects, functionOf) ?? callersAfter(spans, at, root, suspects, functionOf);
    if (callers !== null) mended.set(at, [...callers, ...span.frames]);
  }
  for (const [at, stack] of mended) spans[at] = { ...spans[at], frames: stack };
  return mended.size;
}

/** Spans that are looked through for the callers of one that has none. */
const REACH = 200;

function callersBefore(spans: readonly TraceSpan[], at: number, root: number, suspects: ReadonlySet<number>, functionOf: readonly number[]): readonly number[] | null {
  for (let i = at - 1; i >= Math.max(0, at - REACH); i--) {
    const callers = callersIn(spans[i], root, suspects, functionOf);
    if (callers !== null) return callers;
  }
  return null;
}

function callersAfter(spans: readonly TraceSpan[], at: number, root: number, suspects: ReadonlySet<number>, functionOf: readonly number[]): readonly number[] | null {
  for (let i = at + 1; i < Math.min(spans.length, at + REACH); i++) {
    const callers = callersIn(spans[i], root, suspects, functionOf);
    if (callers !== null) return callers;
  }
  return null;
}

function callersIn(span: TraceSpan, root: number, suspects: ReadonlySet<number>, functionOf: readonly number[]): readonly number[] | null {
  if (suspects.has(functionOf[span.frames[0]])) return null;
  const place = span.frames.findIndex((frame) => functionOf[frame] === root);
  return place > 0 ? span.frames.slice(0, place) : null;
}
