// The lane of waiting time: drawn timelines, and our own recordings beside what `perf script` printed of the same bytes.
import { expect, test } from 'vitest';
import type { FrameId, StackId } from '#core/model/ids';
import { NO_STACK } from '#core/model/ids';
import type { Lane } from '#core/model/lane';
import { Profile } from '#core/model/profile';
import { NO_SOURCES } from '#core/native/sources';
import { BEFORE_OUT, BLOCKED, NOT_OUT, OffCpu, WAS_PREEMPTED, WAS_STOPPED } from '#core/read/perf/off-cpu';
import { PerfShared } from '#core/read/perf/threads';
import type { PerfThread } from '#core/read/perf/threads';
import { decode, fixture, framesOf, scriptOf } from './reference.ts';

const MS = 1e6;

/** Rows of a lane as `start-end weight xcount: frames root first`, times in columns of the drawing. */
function rowsOf(profile: Profile, lane: Lane | null, column: number): string[] {
  const rows: string[] = [];
  for (const chunk of lane?.chunks ?? []) {
    for (let row = 0; row < chunk.rows; row++) {
      const start = chunk.timeAt(row) / column;
      const count = chunk.count.get(row);
      const end = start + chunk.duration.get(row) / column;
      const weight = chunk.weight.get(row) / column;
      const names = profile.stacks.framesOf(chunk.stack[row] as StackId).map((frame: FrameId) => profile.functions.nameOf(profile.frames.functionOf(frame)));
      rows.push(`${start}-${end}${weight === end - start ? '' : ` ${weight}`}${count === 1 ? '' : ` x${count}`}: ${names.join(';')}`);
    }
  }
  return rows;
}

/**
 * One thread; one column is `column` ns. `i` in, `o` out (blocked) with the stack main;read, `n` out without a sample, `p` out
 * (preempted), `t` out (traced), `c` created, `e` end of the thread, `E` end of the recording, `?` looks at what is open, `q` asks
 * /proc (`Q`: it is stopped). `before`: the thread was there when watching began. `gaps`: times in which the lane is off, ns.
 */
function play(records: string, column = MS, gaps: [number, number][] = [], before = false): { waits: string[]; others: string[]; skipped: string[]; open: string[]; thread: PerfThread } {
  const profile = new Profile();
  const shared = new PerfShared(profile, { sources: NO_SOURCES, directory: '' });
  const offCpu = shared.offCpu = new OffCpu(profile, 'sched_switch', 'test', gaps);
  const thread = shared.thread(1, 1);
  const main = profile.stacks.intern(NO_STACK, shared.marker('main'));
  const read = profile.stacks.intern(main, shared.marker('read'));
  const clock = thread.clock = shared.clock(thread, 0);
  if (before) thread.out = BEFORE_OUT;
  const open: string[] = [];
  const out = (time: number, preempted: boolean, stack: number, how: number) => {
    const { broken } = clock;
    clock.switchOut(time, preempted);
    thread.out = stack;
    thread.outHow = how;
    if (clock.broken > broken) offCpu.broken();
  };
  [...records].forEach((record, i) => {
    const time = i * column;
    switch (record) {
      case 'i':
        clock.switchIn(time);
        thread.out = NOT_OUT;
        break;
      case 'o': out(time, false, read, BLOCKED); break;
      case 'n': out(time, false, NO_STACK, BLOCKED); break;
      case 'p': out(time, true, read, WAS_PREEMPTED); break;
      case 't': out(time, false, read, WAS_STOPPED); break;
      case 'c': clock.created(time); break;
      case 'e': shared.finish(thread, time); break;
      case 'E':
        shared.finish(thread, time, false);
        offCpu.finish();
        break;
      case 'q': case 'Q':
        offCpu.ask(new Map([[1, thread]]), 0, () => ({ name: record === 'q' ? 'futex_do_wait' : 'do_signal_stop', at: time }), true);
        break;
      case '?':
        offCpu.tell([thread], time);
        open.push(profile.open.map((one) => `${one.since / column}-${i}`).join(' '));
        break;
      default: break;
    }
  });
  offCpu.flush();
  return {
    waits: rowsOf(profile, offCpu.lane, column), others: rowsOf(profile, profile.lane('off-cpu', 'preempted'), column),
    skipped: [...profile.skipped].map(([what, count]) => `${count} ${what}`), open, thread,
  };
}

test('each interval from out to in is a row with the stack that left', () => {
  expect(play(
    'i  o    i o  i  E')).toMatchObject({
    waits: ['3-8: main;read;[waiting]', '10-13: main;read;[waiting]'], others: [], skipped: [] });
});

test('preempted is not waiting, and stopped by a profiler is neither', () => {
  expect(play(
    'i  p  i t  i o  i E')).toMatchObject({
    waits: ['13-16: main;read;[waiting]'], others: ['3-6: main;read;preempted', '8-11: main;read;[stopped by a profiler]'] });
});

test('a wait that had begun before the recording is counted: nobody knows its stack', () => {
  expect(play(
    '     i  o  i E')).toMatchObject({ waits: ['8-11: main;read;[waiting]'], skipped: ['1 waits that had begun before the recording: their stacks are not known'] });
});

test('who waits since before we came: its time so far counts where /proc says that it waits, and is not invented elsewhere', () => {
  expect(play('    q         ?      i  o  i E', MS, [], true)).toMatchObject({
    waits: ['0-21: [already waiting];lock: futex_do_wait', '24-27: main;read;[waiting]'], skipped: [], open: ['0-14'] });
  // It never wakes.
  expect(play('    q                E', MS, [], true)).toMatchObject({ waits: ['0-21: [already waiting];lock: futex_do_wait'] });
  // Asked only after it had gone on, or never.
  expect(play('     i q o  i E', MS, [], true)).toMatchObject({ waits: ['9-12: main;read;[waiting]'], skipped: ['1 waits that had begun before the recording: their stacks are not known'] });
  expect(play('        ?            i  o  i E', MS, [], true)).toMatchObject({ waits: ['24-27: main;read;[waiting]'], open: [''] });
  // A command that stands still until its profilers are there.
  expect(play('    Q         ?      i  o  i E', MS, [], true)).toMatchObject({ waits: ['24-27: main;read;[waiting]'], others: [], skipped: [], open: [''] });
  // It ran, and it ended: nobody knows.
  expect(play('  q  o  i E', MS, [], true)).toMatchObject({ waits: ['5-8: main;read;[waiting]'] });
  expect(play('  q          e', MS, [], true)).toMatchObject({ waits: [] });
});

test('a new thread waits for its first CPU, which is no wait of its own', () => {
  expect(play('  c   i  o  i E')).toMatchObject({ waits: ['9-12: main;read;[waiting]'], others: [], skipped: [] });
});

test('a thread that never wakes waits to the end of the recording', () => {
  expect(play('i  o         E')).toMatchObject({ waits: ['3-13: main;read;[waiting]'], open: [] });
});

test('a thread that still waits is shown meanwhile, from 10 ms on', () => {
  expect(play('i  o    ?        ?   i ?')).toMatchObject({ open: ['', '3-17', ''], waits: ['3-21: main;read;[waiting]'] });
});

test('who ends asleep had woken: its way back was lost, and no time is invented', () => {
  expect(play('i  o    e')).toMatchObject({ waits: [], skipped: ['1 waits with a lost beginning or end'] });
});

test('a lost way in or way out breaks one interval and no other', () => {
  expect(play('i  o   o  i  E')).toMatchObject({ waits: ['7-10: main;read;[waiting]'], skipped: ['1 waits with a lost beginning or end'] });
  expect(play('i  i   o  i  E')).toMatchObject({ waits: ['7-10: main;read;[waiting]'] });
});

test('without a sample the time is exact all the same', () => {
  expect(play('i  n   i  E')).toMatchObject({ waits: ['3-7: [waiting]'] });
});

test('while the lane is off there is no row; a wait that spans it has two', () => {
  const gaps: [number, number][] = [[5 * MS, 9 * MS]];
  expect(play('i o    i o i  E', MS, gaps)).toMatchObject({ waits: ['2-5: main;read;[waiting]', '9-11: main;read;[waiting]'] });
  expect(play('i o          i E', MS, gaps)).toMatchObject({ waits: ['2-5: main;read;[waiting]', '9-13: main;read;[waiting]'] });
  expect(play('i    o  i  o i  E', MS, gaps)).toMatchObject({ waits: ['11-13: main;read;[waiting]'] });
  expect(play('i o         ?    i E', MS, [[5 * MS, Infinity]])).toMatchObject({ waits: ['2-5: main;read;[waiting]'], open: [''] });
});

test('of a wait without a stack /proc tells the reason, if it was asked while it went on', () => {
  // `q` asks: the answer is of that moment.
  expect(play('i n           q   i E')).toMatchObject({ waits: ['2-18: lock: futex_do_wait'] });
  // Between two waits: of neither. It may have been asked before the record of the way out was read.
  expect(play('i n             i q n               i E')).toMatchObject({ waits: ['2-16: [waiting]', '20-36: [waiting]'] });
  expect(play('i n  q    i n   q i n q i  E')).toMatchObject({ waits: ['2-10: lock: futex_do_wait', '12-18: lock: futex_do_wait', '20-24: lock: futex_do_wait'] });
  // A wait with a stack needs no answer.
  expect(play('i o           q   i E')).toMatchObject({ waits: ['2-18: main;read;[waiting]'] });
});

test('intervals under 1 ms are summed by thread and stack over 100 ms', () => {
  // 10 us a column: each is well under 1 ms.
  expect(play('i o i  o  i   o i E', 10_000)).toMatchObject({ waits: ['2-16 7 x3: main;read;[waiting]'] });
  // 100 ms later another row begins.
  expect(play(`i o i ${' '.repeat(10_000)} o  i E`, 10_000)).toMatchObject({ waits: ['2-4: main;read;[waiting]', '10007-10010: main;read;[waiting]'] });
});

/** Switches out as perf script tells them. */
function switchesOf(name: string, event: string): number {
  return scriptOf(name).filter((one) => one.event === event).length;
}

const countOf = (lane: Lane | null): number => lane?.samples ?? 0;

test('sched_switch of a Python program: every switch that perf script prints is in an interval, blocked time is the clocks\'', () => {
  const { profile } = decode(fixture('multi-python.pipe'));
  const waits = profile.lane('off-cpu', 'sched:sched_switch');
  const others = profile.lane('off-cpu', 'preempted');
  // One, at the edge of the recording, has no interval.
  expect(switchesOf('multi-python.pipe', 'sched:sched_switch') - countOf(waits) - countOf(others)).toBe(1);
  // Threads' blocked time less the two waits that had begun before.
  const { threads } = profile;
  const blocked = threads.blocked.view().reduce((sum, one) => sum + one, 0);
  expect((waits?.total ?? 0) / blocked).toBeGreaterThan(0.999);
  expect(waits?.total).toBeLessThanOrEqual(blocked);
});

test('context-switches of a launched tree: intervals and switches are as many, and all blocked time is in them', () => {
  const { profile } = decode(fixture('launch-multiproc.pipe'));
  const waits = profile.lane('off-cpu', 'context-switches');
  expect(countOf(waits) + countOf(profile.lane('off-cpu', 'preempted'))).toBe(switchesOf('launch-multiproc.pipe', 'context-switches'));
  const blocked = profile.threads.blocked.view().reduce((sum, one) => sum + one, 0);
  expect(Math.abs((waits?.total ?? 0) / blocked - 1)).toBeLessThan(0.001);
});

test('stacks are those of perf script, with the reason at the tip', () => {
  const { profile } = decode(fixture('launch-multiproc.pipe'));
  const script = scriptOf('launch-multiproc.pipe').filter((one) => one.event === 'context-switches');
  const waits = profile.lane('off-cpu', 'context-switches');
  let compared = 0;
  for (const chunk of waits?.chunks ?? []) {
    for (let row = 0; row < chunk.rows; row++) {
      if (chunk.count.get(row) !== 1 || chunk.duration.get(row) < MS) continue;
      const tid = profile.threads.tid.get(chunk.thread[row]);
      const start = chunk.timeAt(row);
      // The sample just before the way out.
      const sample = script.filter((one) => one.tid === tid && one.time <= start && one.time > start - 100_000).at(-1);
      if (sample === undefined) continue;
      const ours = framesOf(profile, chunk.stack[row] as StackId);
      expect(ours[0].kind).toBe('marker');
      expect(ours.length - 1).toBe(sample.frames.length);
      compared++;
    }
  }
  console.log(`${compared} stacks of waits beside perf script's`);
  expect(compared).toBeGreaterThan(100);
});

test('where switch samples are not allowed, the records of switches alone tell how long', () => {
  const plain = decode(fixture('unprivileged.pipe')).profile;
  expect(plain.lane('off-cpu')).toBeNull();
  const { profile } = decode(fixture('unprivileged.pipe'), { offCpu: 'perf switch records, without stacks' });
  const lane = profile.lane('off-cpu');
  expect([lane?.name, lane?.source, lane?.intervals]).toEqual(['switches', 'perf switch records, without stacks', true]);
  const blocked = profile.threads.blocked.view().reduce((sum, one) => sum + one, 0);
  console.log(`switch records alone: ${lane?.samples} waits, ${(lane?.total ?? 0) / 1e6} ms of ${blocked / 1e6} ms blocked`);
  expect(lane?.total).toBeLessThanOrEqual(blocked);
});
