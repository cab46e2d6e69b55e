// Lanes that are switched off and on while recording: no time of the gap in any row, and none of it in a later one.
import { expect, test } from 'vitest';
import { NO_STACK } from '#core/model/ids';
import { Profile } from '#core/model/profile';
import { NO_SOURCES } from '#core/native/sources';
import { laneChange, laneOff, laneOn } from '#core/read/perf/lane-marks';
import { BLOCKED, NOT_OUT, OffCpu } from '#core/read/perf/off-cpu';
import { PerfShared } from '#core/read/perf/threads';
import { decode, fixture, ourSamples } from './reference.ts';

const MS = 1e6;

/**
 * One thread, one column is 1 ms: `i` in, `o` out, `s` sample, `E` end. `[` and `]` in the second line: CPU goes and comes; `{` and
 * `}` all of perf. `(` and `)`: waiting goes and comes. `told`: how much later than it happened the decoder hears of it.
 */
function play(records: string, changes: string, told = 0): { cpu: string[]; waits: string[]; onCpu: number; blocked: number; skipped: string[] } {
  const profile = new Profile();
  const shared = new PerfShared(profile, { sources: NO_SOURCES, directory: '' });
  const cpu = shared.exactLane = shared.lane({ kind: 'cpu', unit: 'ns', name: 'cpu-clock' });
  const offCpu = shared.offCpu = new OffCpu(profile, 'switches', 'test', shared.gates.offCpuGaps);
  const thread = shared.thread(1, 1);
  const clock = thread.clock = shared.clock(thread, 0);
  const work = profile.stacks.intern(NO_STACK, shared.marker('work'));
  const since = new Map<string, number>();
  const happen = (change: string, time: number) => {
    const kind = '[]'.includes(change) ? 'cpu' : '()'.includes(change) ? 'off-cpu' : null;
    if ('[({'.includes(change)) {
      since.set(`${kind}`, time);
      profile.marks.add(laneOff(kind, time));
    } else profile.marks.add(laneOn(kind, since.get(`${kind}`) ?? 0, time));
  };
  for (let column = 0; column < Math.max(records.length, changes.length); column++) {
    const time = column * MS;
    const change = changes[column - told] ?? ' ';
    if (change !== ' ') happen(change, time - told * MS);
    shared.gates.look();
    const record = records[column] ?? ' ';
    if (record === ' ') continue;
    if (time >= shared.gates.next) shared.gates.pass(time);
    switch (record) {
      case 'i':
        clock.switchIn(time);
        thread.out = NOT_OUT;
        break;
      case 'o':
        clock.switchOut(time, false);
        thread.out = work;
        thread.outHow = BLOCKED;
        break;
      case 's':
        thread.lastStack = work;
        thread.sampled = true;
        cpu.push(time, thread.row, work, clock.sample(time), 1);
        break;
      case 'E':
        shared.finish(thread, time, false);
        break;
      default: break;
    }
  }
  offCpu.finish();
  const rows: string[] = [];
  for (const chunk of cpu.chunks) for (let row = 0; row < chunk.rows; row++) rows.push(`${chunk.timeAt(row) / MS}: ${chunk.weight.get(row) / MS}${chunk.count.get(row) === 0 ? ' rest' : ''}`);
  const waits: string[] = [];
  for (const chunk of offCpu.lane.chunks) for (let row = 0; row < chunk.rows; row++) waits.push(`${chunk.timeAt(row) / MS}-${(chunk.timeAt(row) + chunk.duration.get(row)) / MS}`);
  return { cpu: rows, waits, onCpu: clock.onCpu / MS, blocked: clock.blocked / MS, skipped: [...profile.skipped.keys()] };
}

test('CPU goes and comes back: what ran until then is a rest, what ran meanwhile is in no row', () => {
  expect(play(
    'i  s  s           s  s E',
    '         [    ]         ')).toMatchObject({ cpu: ['3: 3', '6: 3', '9: 3 rest', '18: 4', '21: 3', '23: 2 rest'], onCpu: 23 });
  // The thread slept across it.
  expect(play(
    'i  s  o           i  s E',
    '         [    ]         ')).toMatchObject({ cpu: ['3: 3', '9: 3 rest', '21: 3', '23: 2 rest'], waits: ['6-18'], onCpu: 11 });
  // It ran on other than its first stretch, and never again.
  expect(play(
    'i  s  o     i  o       E',
    '         [              ')).toMatchObject({ cpu: ['3: 3', '9: 3 rest'] });
});

test('the decoder may hear of it a little late', () => {
  for (const told of [1, 2]) {
    expect(play(
      'i  s  s           s  s E',
      '         [    ]         ', told)).toMatchObject({ cpu: ['3: 3', '6: 3', '9: 3 rest', '18: 4', '21: 3', '23: 2 rest'] });
  }
});

test('waiting goes and comes back: waits are cut at its gap', () => {
  expect(play(
    'i o       i   o     i  E',
    '      (     )           ')).toMatchObject({ waits: ['2-6', '14-20'], blocked: 14 });
});

test('all of perf pauses: nothing is known of the time, and nothing that was open goes across it', () => {
  const { cpu, waits, onCpu, blocked, skipped } = play(
    'i  s                s o   i E',
    '       {       }             ');
  expect(cpu).toEqual(['3: 3', '7: 4 rest', '20: 5', '28: 4 rest']);
  expect(waits).toEqual(['22-26']);
  expect([onCpu, blocked]).toEqual([16, 4]);
  expect(skipped).toEqual([]);
  // It slept before, and wakes after: how long of it after the pause is known, where it slept is not.
  const slept = play(
    'i  o                i   E',
    '       {       }         ');
  expect(slept).toMatchObject({ waits: ['3-7'], blocked: 9, skipped: ['waits that had begun before the recording: their stacks are not known'] });
});

test('marks of lanes say which lane, and no other mark does', () => {
  expect(laneOff('memory', 5)).toMatchObject({ kind: 'note', start: 5, end: 5, text: 'Memory was switched off' });
  expect(laneOn('off-cpu', 5, 9)).toMatchObject({ kind: 'gap', start: 5, end: 9, text: 'Waiting was switched off' });
  const read = (facts: ReturnType<typeof laneOff>) => laneChange(facts.kind, facts.value ?? 0, facts.start, facts.end);
  expect(read(laneOff('memory', 5))).toEqual({ kind: 'memory', on: false, time: 5 });
  expect(read(laneOn('cpu', 5, 9))).toEqual({ kind: 'cpu', on: true, time: 9 });
  expect([read(laneOff(null, 5)), read(laneOn(null, 5, 9))]).toEqual([{ kind: null, on: false, time: 5 }, { kind: null, on: true, time: 9 }]);
  expect([laneChange('gap', 0, 1, 2), laneChange('pause', 0, 1, 2), laneChange('step', 3, 1, 1), laneChange('lost', 2, 1, 2)]).toEqual([null, null, null, null]);
});

test('on a recording: rows outside the gap are what they were, rows inside are none, and no row is heavier', () => {
  const bytes = fixture('multi-python.pipe');
  const whole = decode(bytes).profile;
  const times = ourSamples(whole).map((one) => one.time);
  const [start, end] = [Math.min(...times), Math.max(...times)];
  const from = start + (end - start) * 0.4;
  const to = start + (end - start) * 0.6;
  const profile = new Profile();
  profile.marks.add(laneOff('cpu', from));
  profile.marks.add(laneOn('cpu', from, to));
  const cut = decode(bytes, {}, 1 << 16, profile).profile;
  const rows = (one: Profile, least: number, most: number) => {
    let sum = 0;
    let heaviest = 0;
    for (const chunk of one.lane('cpu')?.chunks ?? []) {
      for (let row = 0; row < chunk.rows; row++) {
        const time = chunk.timeAt(row);
        if (time < least || time >= most) continue;
        sum += chunk.weight.get(row);
        heaviest = Math.max(heaviest, chunk.weight.get(row));
      }
    }
    return { sum, heaviest };
  };
  expect(rows(cut, 0, from * 0.99).sum).toBeCloseTo(rows(whole, 0, from * 0.99).sum, -1);
  // The recording holds samples of the gap all the same: real ones stop. Theirs is their own time, never that before them.
  expect(rows(cut, to, Infinity).heaviest).toBeLessThanOrEqual(rows(whole, 0, Infinity).heaviest + 1);
  expect(rows(cut, 0, Infinity).sum).toBeLessThanOrEqual(rows(whole, 0, Infinity).sum + 1);
});
