// Whether a sample can be of an event: the fields that the event's samples have, walked through.
import { SAMPLE, TYPE_TRACEPOINT, u64 } from './layout.ts';

const READ = { ENABLED: 1, RUNNING: 2, ID: 4, GROUP: 8, LOST: 16 } as const;

/** What decides where an event's fields lie. */
export interface Shape {
  readonly type: number;
  readonly config: number;
  readonly sampleType: number;
  readonly readFormat: number;
  readonly fixedEnd: number;
  readonly registerBytes: number;
  readonly stackBytes: number;
}

/** Where the fields after READ begin; beyond `end` where they do not fit. */
export function skipRead(view: DataView, at: number, end: number, format: number): number {
  const each = 8 + ((format & READ.ID) !== 0 ? 8 : 0) + ((format & READ.LOST) !== 0 ? 8 : 0);
  const times = ((format & READ.ENABLED) !== 0 ? 8 : 0) + ((format & READ.RUNNING) !== 0 ? 8 : 0);
  if ((format & READ.GROUP) === 0) return at + times + each;
  return at + 8 > end ? end + 1 : at + 8 + times + u64(view, at) * each;
}

/** Where a sample's raw data begins (its size stands in the 4 bytes before it), -1 where it has none or does not fit. */
export function rawAt(view: DataView, at: number, size: number, shape: Shape): number {
  if ((shape.sampleType & SAMPLE.RAW) === 0) return -1;
  const end = at + size;
  const next = beforeRaw(view, at, end, shape);
  if (next < 0 || next + 4 > end) return -1;
  return view.getUint32(next, true) <= end - next - 4 ? next + 4 : -1;
}

/**
 * How badly a sample fits an event: bytes that are left behind the event's fields, and one more where its stack is not as large as
 * the event asks for; -1 where it cannot be the event's. Fields that are small and come last (the source of data) count as left. A
 * tracepoint's raw data begins with its number, which is the event's config.
 */
export function slackOf(view: DataView, at: number, size: number, shape: Shape): number {
  const end = at + size;
  let other = 0;
  if (size < shape.fixedEnd) return -1;
  let next = beforeRaw(view, at, end, shape);
  if (next < 0) return -1;
  if ((shape.sampleType & SAMPLE.RAW) !== 0) {
    if (next + 6 > end) return -1;
    if (shape.type === TYPE_TRACEPOINT && view.getUint16(next + 4, true) !== (shape.config & 0xffff)) return -1;
    next += 4 + view.getUint32(next, true);
  }
  if ((shape.sampleType & SAMPLE.REGS_USER) !== 0) {
    if (next + 8 > end) return -1;
    const abi = u64(view, next);
    if (abi > 2) return -1;
    next += 8 + (abi === 0 ? 0 : shape.registerBytes);
  }
  if ((shape.sampleType & SAMPLE.STACK_USER) !== 0) {
    if (next + 8 > end) return -1;
    const bytes = u64(view, next);
    if (bytes > 0xffff || (bytes > 0 && shape.stackBytes > 0 && bytes > shape.stackBytes)) return -1;
    next += 8 + (bytes === 0 ? 0 : bytes + 8);
    other = bytes === shape.stackBytes ? 0 : 1;
  }
  return next > end ? -1 : end - next + other;
}

function beforeRaw(view: DataView, at: number, end: number, shape: Shape): number {
  let next = at + shape.fixedEnd;
  if ((shape.sampleType & SAMPLE.READ) !== 0) next = skipRead(view, next, end, shape.readFormat);
  if ((shape.sampleType & SAMPLE.CALLCHAIN) !== 0) {
    if (next + 8 > end) return -1;
    const count = u64(view, next);
    if (count > (end - next - 8) / 8) return -1;
    next += 8 + count * 8;
  }
  return next > end ? -1 : next;
}
