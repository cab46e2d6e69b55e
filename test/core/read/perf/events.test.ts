// Which event a sample is of: by its id, and where the kernel wrote another perf's id into it.
import { expect, test } from 'vitest';
import { EventList, PerfEvent } from '#core/read/perf/attributes';
import { CPUMODE_KERNEL, CPUMODE_USER, SAMPLE, TYPE_SOFTWARE, TYPE_TRACEPOINT } from '#core/read/perf/layout';

const STACK = SAMPLE.IDENTIFIER | SAMPLE.TIME | SAMPLE.CALLCHAIN | SAMPLE.REGS_USER | SAMPLE.STACK_USER;
const PLAIN = SAMPLE.IDENTIFIER | SAMPLE.TIME | SAMPLE.RAW;
const FAULTS = 2;
const SWITCHES = 3;

/** An event from its type and config; `stack`: bytes of stack in each sample. */
function eventOf(type: number, config: number, ids: readonly number[], bits = STACK, stack = 4096): PerfEvent {
  const view = new DataView(new ArrayBuffer(128));
  view.setUint32(0, type, true);
  view.setUint32(8, config, true);
  view.setUint32(24, bits, true);
  view.setUint32(80, 0b11, true);
  view.setUint32(88, stack, true);
  return new PerfEvent(view, 0, 128, ids);
}

/** A sample with an id, a call chain of two, two registers, and so much stack; or with raw data of a tracepoint. */
function sample(id: number, what: { stack?: number; tracepoint?: number; mode?: number }): { view: DataView; size: number } {
  const view = new DataView(new ArrayBuffer(16_384));
  view.setUint16(4, what.mode ?? CPUMODE_KERNEL, true);
  view.setUint32(8, id, true);
  let at = 24;
  if (what.stack !== undefined) {
    view.setUint32(at, 2, true);
    at += 24;
  }
  if (what.tracepoint !== undefined) {
    view.setUint32(at, 28, true);
    view.setUint16(at + 4, what.tracepoint, true);
    at += 32;
  }
  if (what.stack !== undefined) {
    view.setUint32(at, 2, true);
    view.setUint32(at + 24, what.stack, true);
    at += 32 + what.stack + 8;
  }
  return { view, size: at };
}

function list(...events: PerfEvent[]): EventList {
  const made = new EventList();
  for (const event of events) made.add(event);
  return made;
}

const clock = eventOf(TYPE_SOFTWARE, 0, [1]);
const switches = eventOf(TYPE_SOFTWARE, SWITCHES, [2]);
const faults = eventOf(TYPE_SOFTWARE, FAULTS, [3], STACK, 8192);
const enter = eventOf(TYPE_TRACEPOINT, 174, [4], PLAIN, 0);
const exit = eventOf(TYPE_TRACEPOINT, 173, [5], STACK | SAMPLE.RAW);

const indexOf = (events: EventList, { view, size }: { view: DataView; size: number }) => events.ofSample(view, 0, size);

test('the first field of a sample is the id of its event; a stream of one event has no ids', () => {
  const events = list(clock, switches, faults, enter, exit);
  [clock, switches, faults, enter, exit].forEach((_, index) => { expect(indexOf(events, sample(index + 1, { stack: 4096 }))).toBe(index); });
  expect(indexOf(list(faults), sample(99, { stack: 8192 }))).toBe(0);
});

test('an id of the perf that takes over is looked up there', () => {
  const events = list(clock, switches, faults, enter, exit);
  // The other one has its events in another order, with ids of its own.
  const other = list(eventOf(TYPE_TRACEPOINT, 173, [50]), eventOf(TYPE_SOFTWARE, SWITCHES, [20]), eventOf(TYPE_SOFTWARE, FAULTS, [30]));
  events.others = () => [other];
  expect([50, 20, 30].map((id) => indexOf(events, sample(id, { stack: 4096 })))).toEqual([4, 1, 2]);
});

test('an id of nobody we know: the event whose fields fit', () => {
  const events = list(clock, switches, faults, enter, exit);
  // Raw data begins with the number of the tracepoint.
  expect(indexOf(events, sample(70, { tracepoint: 174 }))).toBe(3);
  expect(indexOf(events, sample(71, { stack: 4096, tracepoint: 173 }))).toBe(4);
  expect(indexOf(events, sample(72, { stack: 4096, tracepoint: 999 }))).toBe(-1);
  // A thread leaves its CPU inside the kernel: what comes from the program itself is a fault.
  expect(indexOf(events, sample(73, { stack: 8192, mode: CPUMODE_USER }))).toBe(2);
  expect(indexOf(events, sample(74, { stack: 8192 }))).toBe(2);
  // In the kernel: the one whose stacks are as large. With a stack that neither asks for nobody can tell.
  expect(indexOf(events, sample(75, { stack: 4096 }))).toBe(1);
  expect(indexOf(events, sample(78, { stack: 2048 }))).toBe(-1);
  // The one event that the kernel raises.
  expect(indexOf(list(clock, switches), sample(76, { stack: 100 }))).toBe(1);
  expect(indexOf(list(clock, eventOf(TYPE_SOFTWARE, 9, [9])), sample(77, {}))).toBe(-1);
});

test('records that are cut or made up are of no event and break nothing', () => {
  const events = list(clock, switches, faults, enter, exit);
  for (let length = 8; length < 200; length++) {
    const view = new DataView(new ArrayBuffer(200));
    view.setUint32(8, 12345, true);
    for (let at = 24; at < 200; at++) view.setUint8(at, (at * 37 + length) & 0xff);
    expect(events.ofSample(view, 0, length)).toBeLessThan(5);
  }
});
