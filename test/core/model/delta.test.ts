import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UserError } from '#core/errors';
import { applyDelta, startCursor, takeDelta } from '#core/model/delta';
import type { FrameId } from '#core/model/ids';
import { NO_STACK, ns } from '#core/model/ids';
import { Profile } from '#core/model/profile';

/** A profile with something in every table. */
function filled(rows: number): Profile {
  const profile = new Profile();
  const process = profile.processes.add({ pid: 10, name: 'train', command: 'python train.py' });
  const threads = [0, 1].map((i) => profile.threads.add({ process, tid: 10 + i, name: `thread ${i}` }));
  const cpu = profile.lanes[profile.addLane({ kind: 'cpu', unit: 'ns', name: 'cpu-clock', source: 'perf 99 Hz' })];
  const off = profile.lanes[profile.addLane({ kind: 'off-cpu', unit: 'ns', name: 'sched', intervals: true })];
  const track = profile.tracks[profile.addTrack({ name: 'rss', unit: 'bytes', process })];
  const library = profile.strings.intern('/usr/lib/libc.so.6');
  for (let i = 0; i < rows; i++) grow(profile, i);
  function grow(p: Profile, i: number): void {
    const main = p.frames.source(p.functions.intern({ name: 'main', file: 'train.py', kind: 'python', flags: 1 }), 3);
    const leaf = p.frames.native(library, 0x1000 + (i % 300), 'eh-frame', p.functions.intern({ name: `[libc+${i % 300}]`, kind: 'native', flags: 2 }));
    const stack = p.stacks.intern(p.stacks.intern(NO_STACK, main), leaf);
    cpu.add({ time: ns(i * 1e7), thread: threads[i % 2], stack, weight: 1e7 + (i % 3) });
    if (i % 5 === 0) off.add({ time: ns(i * 1e7), thread: threads[0], stack, weight: 4e6, duration: ns(4e6) });
    track.add(ns(i * 1e7), i * 4096);
    p.reach(ns(i * 1e7));
  }
  profile.marks.add({ kind: 'lost', start: ns(5), end: ns(9), value: 312, text: 'CPU 6' });
  profile.skip('records of an unknown type', 3);
  return profile;
}

/** Every table as plain values: equal texts mean equal profiles. */
function picture(profile: Profile): unknown {
  const { frames, stacks, functions, threads, processes, marks } = profile;
  return {
    strings: profile.strings.values,
    functions: [...functions.name.view(), ...functions.file.view(), ...functions.library.view(), ...functions.kind.view(), ...functions.flags.view()],
    frames: [...frames.function.view(), ...frames.line.view(), ...frames.address.view(), ...frames.library.view(), ...frames.rule.view()],
    inlined: [...frames.inlined].sort((a, b) => a[0] - b[0]),
    stacks: [...stacks.prefix.view(), ...stacks.frame.view()],
    threads: [...threads.tid.view(), ...threads.name.view(), ...threads.onCpu.view(), ...threads.waiting.view(), ...threads.blocked.view()],
    processes: [...processes.pid.view(), ...processes.name.view(), ...processes.command.view()],
    marks: [...marks.kind.view(), ...marks.start.view(), ...marks.end.view(), ...marks.value.view(), ...marks.text.view()],
    tracks: profile.tracks.map((track) => [track.name, track.unit, ...track.time.view(), ...track.value.view()]),
    lanes: profile.lanes.map((lane) => [lane.kind, lane.name, lane.source, lane.rows, lane.total, lane.samples,
      lane.chunks.map((chunk) => Array.from({ length: chunk.rows }, (_, row) =>
        [chunk.timeAt(row), chunk.thread[row], chunk.stack[row], chunk.weight.get(row), chunk.count.get(row), chunk.duration.get(row)]))]),
    info: profile.info,
    skipped: [...profile.skipped],
    open: profile.open,
  };
}

/** Pulls until nothing is left. */
function follow(from: Profile, to: Profile, cursor = startCursor(), limit = 1_000_000) {
  for (let rounds = 0; ; rounds++) {
    expect(rounds).toBeLessThan(100_000);
    const delta = takeDelta(from, cursor, limit);
    applyDelta(to, delta.bytes.slice());
    cursor = delta.cursor;
    if (delta.complete) return cursor;
  }
}

describe('deltas', () => {
  test.each([600, 5_000, 1_000_000])('a profile is rebuilt from its deltas of at most %i bytes', (limit) => {
    const from = filled(3000);
    const to = new Profile();
    follow(from, to, startCursor(), limit);
    expect(picture(to)).toEqual(picture(from));
  });

  test('what changes later reaches a reader that was up to date, and one that joins late', () => {
    const from = filled(100);
    from.open = [{ lane: 1 as never, thread: 0 as never, stack: 3 as never, since: ns(77) }];
    const early = new Profile();
    let cursor = follow(from, early);
    expect(takeDelta(from, cursor).empty).toBe(true);

    const frame = from.frames.native(from.strings.intern('/usr/lib/libc.so.6'), 0x1000, 'eh-frame', 0 as never);
    const fast = from.functions.intern({ name: 'memcpy_fast', library: 'libc.so.6', kind: 'native' });
    from.frames.setFunction(frame, from.functions.intern({ name: 'memcpy', library: 'libc.so.6', kind: 'native' }), 12, [{ function: fast, line: 7 }]);
    from.threads.rename(1 as never, 'loader');
    from.threads.setTimes(0 as never, 5e9, 1e6, 2e9);
    from.processes.rename(0 as never, 'train.py', 'python train.py --steps 9');
    from.open = [];
    expect(takeDelta(from, cursor).empty).toBe(false);
    cursor = follow(from, early, cursor);
    const late = new Profile();
    follow(from, late);
    expect(picture(early)).toEqual(picture(from));
    expect(picture(late)).toEqual(picture(from));
    expect(early.frames.inlined.get(frame as FrameId)).toEqual([{ function: fast, line: 7 }]);
  });

  test('a live tick of 3,200 samples of constant weight is small', () => {
    const from = new Profile();
    const lane = from.lanes[from.addLane({ kind: 'cpu', unit: 'ns', name: 'py-spy' })];
    const cursor = takeDelta(from, startCursor()).cursor;
    for (let i = 0; i < 3200; i++) lane.push(i * 1e6, 0, -1, 1e7);
    expect(takeDelta(from, cursor).bytes.length).toBeLessThan(3200 * 16 + 500);
  });

  test('a table grown by deltas interns further rows without doubling any', () => {
    const from = filled(50);
    const to = new Profile();
    follow(from, to);
    const rows = [to.functions.length, to.frames.length, to.stacks.length];
    const main = to.functions.intern({ name: 'main', file: 'train.py', kind: 'python', flags: 1 });
    to.stacks.intern(NO_STACK, to.frames.source(main, 3));
    expect([to.functions.length, to.frames.length, to.stacks.length]).toEqual(rows);
  });

  test('a lane over its limit thins its older half, on both sides alike, and loses no weight', () => {
    const from = new Profile();
    const lane = from.lanes[from.addLane({ kind: 'cpu', unit: 'ns', name: 'x' }, 300_000)];
    const twin = new Profile();
    twin.addLane({ kind: 'cpu', unit: 'ns', name: 'x' }, 300_000);
    const late = new Profile();
    late.addLane({ kind: 'cpu', unit: 'ns', name: 'x' }, 300_000);
    const pulled = { ...startCursor(), lanes: [0], thinnings: [0] };
    let cursor = pulled;
    let lateCursor = pulled;
    for (let i = 0; i < 700_000; i++) {
      lane.push(i * 1000, i % 5, -1, 1 + (i % 2));
      if (i % 9000 === 0) cursor = follow(from, twin, cursor);
      // Far behind when the half is thinned: it takes the lane again.
      if (i === 10 || i === 400_000) lateCursor = follow(from, late, lateCursor);
    }
    follow(from, twin, cursor);
    follow(from, late, lateCursor);
    const total = 700_000 * 1.5;
    expect(lane.thinnings).toBeGreaterThan(2);
    expect(lane.rows).toBeLessThanOrEqual(300_000);
    expect([lane.total, lane.samples]).toEqual([total, 700_000]);
    expect(picture(twin)).toEqual(picture(from));
    expect([late.lanes[0].rows, late.lanes[0].total, late.lanes[0].samples]).toEqual([lane.rows, total, 700_000]);
  });

  test('damaged bytes are refused in one clear line, never a crash', () => {
    const whole = takeDelta(filled(40), startCursor()).bytes.slice();
    fc.assert(fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.boolean(), (at, value, cut) => {
      const bytes = cut ? whole.slice(0, at) : whole.slice();
      if (!cut) bytes[at] = value;
      try {
        applyDelta(new Profile(), bytes);
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
      }
    }), { numRuns: 600 });
    expect(() => applyDelta(new Profile(), whole.slice(0, 100))).toThrow(UserError);
    const newer = whole.slice();
    newer[0] = 99;
    expect(() => applyDelta(new Profile(), newer)).toThrow(/delta version 99/);
  });
});

test('a cursor of another run is refused or served from the start, never believed', () => {
  const profile = filled(20);
  expect(() => takeDelta(profile, { ...startCursor(), stacks: 1e6 })).toThrow(/a page has 1000000 rows of stacks/);
  expect(() => takeDelta(profile, { ...startCursor(), marks: -1 })).toThrow(UserError);
  expect(() => takeDelta(profile, { ...startCursor(), tracks: [1e9] })).toThrow(UserError);
  const ahead = takeDelta(profile, { ...startCursor(), lanes: [700, 700], thinnings: [0, 0] });
  expect(ahead.cursor.lanes).toEqual([20, 4]);
});
