import { describe, expect, test } from 'vitest';
import { ns } from '#core/model/ids';
import type { LaneKind } from '#core/model/lane';
import { LANE_KINDS } from '#core/model/lane';
import { Profile } from '#core/model/profile';
import { bandsOf } from '../../../renderer/views/timeline/bands.ts';
import { coverage, firstEndingAfter, gripAt, grown, moved, panned, rangeBetween, tickStep, tickText, zoomed } from '../../../renderer/views/timeline/scale.ts';
import { TimelineTracks, readChosen, scaleTop, tracksShown, valueText, writeChosen } from '../../../renderer/views/timeline/tracks.ts';

const S = 1e9;

/** Texts of the ruler's ticks for a window and a width. */
function ruler(window: number, width: number): string {
  const step = tickStep(window, width);
  const texts: string[] = [];
  for (let time = step; time < window; time += step) texts.push(tickText(time, step));
  return texts.slice(0, 4).join(' | ');
}

test('ruler ticks are round numbers that do not touch', () => {
  expect(ruler(30 * S, 1270)).toBe('2 s | 4 s | 6 s | 8 s');
  expect(ruler(60 * S, 1270)).toBe('5 s | 10 s | 15 s | 20 s');
  expect(ruler(0.2 * S, 1270)).toBe('20 ms | 40 ms | 60 ms | 80 ms');
  expect(ruler(2.4 * S, 1270)).toBe('200 ms | 400 ms | 600 ms | 800 ms');
  expect(ruler(1800 * S, 1270)).toBe('2 min | 4 min | 6 min | 8 min');
  expect(ruler(6 * 3600 * S, 1270)).toBe('30 min | 1 h | 1 h 30 | 2 h');
});

test('ticks are at least 72 px apart in any window', () => {
  for (let window = 1e6; window < 1e14; window *= 1.7) {
    expect((tickStep(window, 1000) / window) * 1000).toBeGreaterThanOrEqual(72);
  }
});

describe('a range', () => {
  const x = (time: number) => time;
  const range = { start: 100, end: 200 };

  test('is held by its edges, by its bar in the ruler, or not at all', () => {
    expect(gripAt(98, false, range, x)).toBe('start');
    expect(gripAt(204, false, range, x)).toBe('end');
    expect(gripAt(150, true, range, x)).toBe('inside');
    expect(gripAt(150, false, range, x)).toBe('outside');
    expect(gripAt(150, true, null, x)).toBe('outside');
  });

  test('a narrow one can be grown from either side', () => {
    const narrow = { start: 100, end: 104 };
    expect(gripAt(99, false, narrow, x)).toBe('start');
    expect(gripAt(105, false, narrow, x)).toBe('end');
  });

  test('may be dragged in either direction and stays in the recording', () => {
    expect(rangeBetween(80, 20, 100, 1)).toEqual({ start: 20, end: 80 });
    expect(rangeBetween(80, 900, 100, 1)).toEqual({ start: 80, end: 100 });
    expect(rangeBetween(-5, 20, 100, 1)).toEqual({ start: 0, end: 20 });
    expect(rangeBetween(20, 20.5, 100, 1)).toBeNull();
  });

  test('keeps its width when it is moved to an end', () => {
    expect(moved(range, 1000, 250)).toEqual({ start: 150, end: 250 });
    expect(moved(range, -1000, 250)).toEqual({ start: 0, end: 100 });
    expect(grown(range, 500, 250, 1)).toEqual({ start: 100, end: 250 });
    expect(grown(range, -500, 250, 10)).toEqual({ start: 100, end: 110 });
  });
});

describe('what is seen', () => {
  test('zooming leaves what is under the pointer where it is', () => {
    expect(zoomed({ from: 0, span: 30 * S }, 0.5, 10 * S, 30 * S)).toEqual({ from: 5 * S, span: 15 * S });
    expect(zoomed({ from: 5 * S, span: 15 * S }, 0.5, 20 * S, 30 * S)).toEqual({ from: 12.5 * S, span: 7.5 * S });
    expect(zoomed({ from: 5 * S, span: 15 * S }, 2, 6 * S, 30 * S)).toBeNull();
    expect(zoomed({ from: 0, span: 1.2e6 }, 0.5, 0, 30 * S)).toEqual({ from: 0, span: 1e6 });
  });
  test('moving stays within the recording', () => {
    expect(panned({ from: 5, span: 10 }, 100, 30)).toEqual({ from: 20, span: 10 });
    expect(panned({ from: 5, span: 10 }, -100, 30)).toEqual({ from: 0, span: 10 });
  });
  test('the first span that is seen', () => {
    const spans = [[0, 2], [2, 4], [4, 6]].map(([start, end]) => ({ start, end }));
    expect([-1, 0, 2, 3, 6].map((time) => firstEndingAfter(spans, time))).toEqual([0, 0, 1, 1, 3]);
  });
  test('how much of each part lies in ranges', () => {
    const tenths = (parts: Float64Array) => [...parts].map((part) => Math.round(part * 10) / 10);
    expect(tenths(coverage([[0, 5], [12, 13], [18, 33], [90, 99]], 0, 40, 4))).toEqual([0.5, 0.3, 1, 0.3]);
    expect(tenths(coverage([[0, 5], [12, 13], [18, 33]], 10, 20, 2))).toEqual([0.3, 1]);
  });
});

describe('bands of marks', () => {
  const profile = new Profile();
  const mark = (kind: 'lost' | 'gap' | 'pause' | 'note', start: number, end: number, value = 0, text = ''): void => {
    profile.marks.add({ kind, start: ns(start), end: ns(end), value, text });
  };
  const of = (kind: LaneKind): number => 1 + LANE_KINDS.indexOf(kind);
  mark('lost', 10, 12, 3);
  mark('lost', 13, 14, 4);
  mark('lost', 40, 41, 5);
  mark('gap', 0, 5, 0, 'py-spy did not look');
  mark('pause', 20, 25, 0, 'paused');
  mark('pause', 26, 26, 1000);
  mark('note', 30, 30, of('off-cpu'), 'Waiting was switched off');
  mark('gap', 30, 35, of('off-cpu'), 'Waiting was switched off');
  mark('note', 50, 50, of('memory'), 'Memory was switched off');

  test('losses that lie together are one', () => {
    expect(bandsOf(profile, 2, 60).lost).toEqual([{ start: 10, end: 14, count: 7 }, { start: 40, end: 41, count: 5 }]);
  });
  test('gaps of all lanes and of one, ended and not', () => {
    expect(bandsOf(profile, 2, 60).gaps).toEqual([
      { start: 20, end: 25, lane: null, text: 'paused' }, { start: 30, end: 35, lane: 'off-cpu', text: 'Waiting was switched off' },
      { start: 50, end: 60, lane: 'memory', text: 'Memory was switched off' },
    ]);
  });
});

describe('lines', () => {
  function recording(): Profile {
    const profile = new Profile();
    const lane = (kind: LaneKind, name: string, unit: 'ns' | 'bytes' | 'count', rows: readonly (readonly [number, number, number])[], intervals = false): void => {
      const made = profile.lanes[profile.addLane({ kind, name, unit, intervals })];
      for (const [time, weight, duration] of rows) made.push(time * S, 0, -1, weight, 1, duration * S);
    };
    lane('memory', 'heaptrack', 'bytes', [[1, 500, 0]]);
    lane('memory', 'heaptrack held', 'bytes', [[1, 300, 0], [6, -100, 0]]);
    lane('memory', 'heaptrack temporary', 'count', [[1, 3, 0]]);
    lane('faults', 'page-faults', 'count', [[4, 640, 0]]);
    lane('off-cpu', 'preempted', 'ns', [[0, 9 * S, 9]], true);
    lane('off-cpu', 'sched_switch', 'ns', [[2, 4 * S, 4], [2, 2 * S, 2]], true);
    lane('cpu', 'py-spy', 'ns', [[3, S, 0]]);
    lane('cpu', 'cpu-clock', 'ns', [[3, S, 0], [4, S, 0], [4, S, 0]]);
    const track = (name: string, unit: string, scale: number, ...values: number[]): void => {
      const made = profile.tracks[profile.addTrack({ name, unit, scale })];
      values.forEach((value, i) => made.add(ns(i * S), value));
    };
    track('cpu', 'cores', 4, 1);
    track('rss', 'bytes', 0, 1024, 2048);
    track('gpu 0 utilisation', '%', 100, 50, 90);
    track('gpu 0 memory', 'bytes', 0, 4096);
    track('gpu 1 utilisation', '%', 100, 0);
    track('blocked', 'threads', 0, 7);
    track('pcie', 'MB/s', 0);
    profile.info.durationNs = 10 * S;
    return profile;
  }

  const lines = new TimelineTracks().of(recording(), 10 * S);
  const mean = (name: string, from: number, to: number): string => {
    const line = lines.find((one) => one.name === name);
    return line === undefined ? 'none' : valueText(line.mean(from * S, to * S), line.unit);
  };

  test('one a lane and a resource, in their order', () => {
    expect(lines.map((line) => line.name)).toEqual(['CPU', 'Blocked', 'Resident', 'GPU 0', 'GPU 1', 'Held', 'GPU 0 memory', 'Page faults']);
    expect(lines.map((line) => line.colour)).toEqual(['cpu', 'off-cpu', 'memory', 'cuda', 'cuda', 'memory', 'cuda', 'memory']);
  });
  test('their values', () => {
    expect([mean('CPU', 3, 4), mean('CPU', 0, 10)]).toEqual(['2.0 cores', '0.4 cores']);
    expect([mean('Blocked', 2, 4), mean('Blocked', 4, 6), mean('Blocked', 6, 8)]).toEqual(['2.0 threads', '1.0 threads', '0.0 threads']);
    expect([mean('Held', 2, 5), mean('Held', 8, 9)]).toEqual(['300 B', '200 B']);
    expect([mean('Page faults', 4, 5), mean('Resident', 0, 2), mean('GPU 0', 0, 1)]).toEqual([`${valueText(640, '/s')}`, '1.50 KiB', '50 %']);
    expect([mean('Resident', 20, 30), mean('Page faults', 20, 30)]).toEqual(['–', '–']);
  });
  test('by parts, and where nothing is known', () => {
    const blocked = lines.find((one) => one.name === 'Blocked');
    expect([...(blocked?.steps(0, 12 * S, 12) ?? [])].map((value) => Math.round(value * 10) / 10)).toEqual([0.7, 0.7, 0.7, 1.3, 1.3, 1.3, 0, 0, NaN, NaN, NaN, NaN]);
  });
  test('those that were chosen, as many as have room', () => {
    expect(tracksShown(lines, null, 4).map((line) => line.name)).toEqual(['CPU', 'Blocked', 'Resident', 'GPU 0']);
    expect(tracksShown(lines, ['faults', 'cpu', 'of another recording'], 4).map((line) => line.name)).toEqual(['CPU', 'Page faults']);
    expect(tracksShown(lines, ['of another recording'], 1).map((line) => line.name)).toEqual(['CPU']);
  });
  test('the choice is kept, and what is damaged is none', () => {
    const kept = new Map<string, string>();
    const storage = { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => { kept.set(key, value); }, removeItem: (key: string) => { kept.delete(key); } };
    expect(readChosen(storage)).toBeNull();
    writeChosen(storage, ['cpu', 'rss']);
    expect(readChosen(storage)).toEqual(['cpu', 'rss']);
    writeChosen(storage, null);
    expect(readChosen(storage)).toBeNull();
    for (const damaged of ['{', '3', '[]', '[1]']) expect(readChosen({ getItem: () => damaged })).toBeNull();
  });
  test('scales have round tops', () => {
    expect([0.31, 1, 2.1, 2.2, 5.8, 90].map((largest) => Number(scaleTop(largest).toPrecision(3)))).toEqual([0.3, 1, 2, 3, 6, 100]);
  });
});
