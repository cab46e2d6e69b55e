import { describe, expect, test } from 'vitest';
import { LaneStrip, liveWindow, trackMean, trackSteps, trackTop } from '#core/analyze/timeline';
import { ns } from '#core/model/ids';
import { Lane } from '#core/model/lane';
import { Profile } from '#core/model/profile';

const S = 1e9;
const values = (array: Float64Array): number[] => [...array].map((value) => (Number.isNaN(value) ? NaN : Math.round(value * 1000) / 1000));

describe('lanes', () => {
  test('a sample of CPU time stands for the time before it: cores in use', () => {
    const lane = new Lane({ kind: 'cpu', unit: 'ns', name: 'cpu-clock' });
    for (let i = 1; i <= 200; i++) lane.push(i * 0.01 * S, 0, -1, 0.01 * S);
    for (let i = 1; i <= 100; i++) lane.push(i * 0.01 * S, 1, -1, 0.01 * S);
    expect(values(new LaneStrip(lane).steps(0, 4 * S, 4))).toEqual([2, 1, 0, 0]);
  });
  test('an interval counts while it lasts: blocked threads', () => {
    const lane = new Lane({ kind: 'off-cpu', unit: 'ns', name: 'switches', intervals: true });
    lane.push(0.5 * S, 0, -1, 2 * S, 1, 2 * S);
    lane.push(1 * S, 1, -1, 1 * S, 1, 1 * S);
    expect(values(new LaneStrip(lane).steps(0, 3 * S, 6))).toEqual([0, 1, 2, 2, 1, 0]);
  });
  test('the largest of parts as wide as they are drawn', () => {
    const lane = new Lane({ kind: 'off-cpu', unit: 'ns', name: 'switches', intervals: true });
    // Four at once for 5 ms, then one for 95.
    for (let i = 0; i < 4; i++) lane.push(0, i, -1, 5e6, 1, 5e6);
    lane.push(5e6, 0, -1, 95e6, 1, 95e6);
    const strip = new LaneStrip(lane);
    expect([strip.largest, strip.largestOver(50e6), strip.largestOver(100e6)].map((value) => Math.round(value * 100) / 100)).toEqual([4, 1.3, 1.15]);
  });
  test('bytes are a rate', () => {
    const lane = new Lane({ kind: 'memory', unit: 'bytes', name: 'heap' });
    lane.push(0.5 * S, 0, -1, 4096);
    expect(values(new LaneStrip(lane).steps(0, 2 * S, 2))).toEqual([4096, 0]);
  });
  test('row by row gives what all rows give, over hours too', () => {
    const lane = new Lane({ kind: 'cpu', unit: 'ns', name: 'cpu-clock' });
    const strip = new LaneStrip(lane);
    for (let i = 1; i <= 3000; i++) {
      lane.push(i * 3 * S, 0, -1, 1.5 * S);
      if (i % 7 === 0) strip.update();
    }
    strip.update();
    expect(strip.update()).toBe(false);
    const atOnce = new LaneStrip(lane);
    expect(values(strip.steps(0, 9000 * S, 50))).toEqual(values(atOnce.steps(0, 9000 * S, 50)));
    expect(strip.mean(0, 9000 * S)).toBeCloseTo(0.5, 2);
  });
  test('times of a damaged file are left out', () => {
    const lane = new Lane({ kind: 'cpu', unit: 'ns', name: 'cpu-clock' });
    lane.push(1 * S, 0, -1, Infinity);
    expect(new LaneStrip(lane).steps(0, 2 * S, 2).length).toBe(2);
  });
});

describe('against plain loops', () => {
  const random = (() => { let seed = 3; return (below: number) => ((seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647) * below; })();
  const close = (a: number, b: number, scale: number): void => { expect(Math.abs(a - b)).toBeLessThanOrEqual(scale * 1e-9 + 1e-6); };

  test('overlap of intervals with ranges at bin edges, with those that go on', () => {
    const lane = new Lane({ kind: 'off-cpu', unit: 'ns', name: 'switches', intervals: true });
    const rows: [number, number][] = [];
    const strip = new LaneStrip(lane);
    for (let i = 0; i < 2000; i++) {
      const start = random(20 * S), length = random(0.3 * S);
      rows.push([start, start + length]);
      lane.push(start, 0, -1, length, 1, length);
      if (i % 100 === 0) strip.update();
    }
    strip.update();
    strip.setOpen([5 * S, 18 * S], 21 * S);
    for (const [from, to] of [[0, 25 * S], [3 * S, 4 * S], [17.5 * S, 18.5 * S], [20 * S, 22 * S]]) {
      const plain = [...rows, [5 * S, 21 * S], [18 * S, 21 * S]].reduce((sum, [start, end]) => sum + Math.max(0, Math.min(end, to) - Math.max(start, from)), 0);
      // A bin of 5 ms is spread evenly: its edges here are bin edges.
      close(strip.mean(from, to), plain / (to - from), 2000);
    }
  });

  test('held memory: the running sum', () => {
    const lane = new Lane({ kind: 'memory', unit: 'bytes', name: 'heaptrack held' });
    const changes: [number, number][] = [];
    const strip = new LaneStrip(lane);
    for (let i = 0; i < 400; i++) {
      // In the order of a profiler that lags: not quite sorted.
      const time = Math.max(0, i * 0.05 * S - random(0.3 * S)), bytes = Math.round(random(2000) - (i > 200 ? 1100 : 500));
      changes.push([time, bytes]);
      lane.push(time, 0, -1, bytes);
      if (i % 7 === 0) {
        strip.update();
        strip.mean(0, 30 * S);
      }
    }
    strip.update();
    const heldAt = (time: number): number => changes.reduce((sum, [at, bytes]) => (at < time ? sum + bytes : sum), 0);
    // At a bin's edge the sum is exact.
    for (let edge = 0; edge < 25; edge += 0.5) close(strip.mean(edge * S, edge * S + 1), heldAt(edge * S), 1e9);
    let most = 0;
    for (let edge = 0; edge < 25 * S; edge += 5e6) most = Math.max(most, heldAt(edge));
    expect(strip.largest).toBe(most);
    expect(strip.mean(100 * S, 101 * S)).toBe(changes.reduce((sum, [, bytes]) => sum + bytes, 0));
    const [half] = strip.steps(0, 2 * S, 1);
    let area = 0;
    for (let time = 0; time < 2 * S; time += 5e6) area += ((heldAt(time) + heldAt(time + 5e6)) / 2) * 5e6;
    close(half, area / (2 * S), 1e6);
  });

  test('a rate: what fell into the range', () => {
    const lane = new Lane({ kind: 'faults', unit: 'count', name: 'page-faults' });
    const times: number[] = [];
    for (let i = 0; i < 3000; i++) {
      const time = random(10 * S);
      times.push(time);
      lane.push(time, 0, -1, 64);
    }
    const strip = new LaneStrip(lane);
    close(strip.mean(2 * S, 5 * S), (times.filter((time) => time >= 2 * S && time < 5 * S).length * 64) / 3, 1e4);
  });
});

describe('tracks', () => {
  const profile = new Profile();
  const track = profile.tracks[profile.addTrack({ name: 'rss', unit: 'bytes' })];
  track.add(ns(1 * S), 10);
  track.add(ns(2 * S), 20);
  track.add(ns(2.5 * S), 40);
  test('a value holds until the next, a step has the mean, nothing before the first', () => {
    expect(values(trackSteps(track, 0, 5 * S, 5))).toEqual([NaN, 10, 30, 40, 40]);
  });
  test('nothing after the end of what is recorded', () => {
    expect(values(trackSteps(track, 0, 5 * S, 5, 3.5 * S))).toEqual([NaN, 10, 30, 40, NaN]);
  });
  test('the mean of a selection, the top of the line', () => {
    expect(trackMean(track, 1.5 * S, 2.5 * S)).toBe(15);
    expect(trackMean(track, 0, 0.5 * S)).toBe(NaN);
    expect(trackTop(track)).toBe(40);
  });
});

test('the live window is 30 s, then doubles', () => {
  expect([0, 30, 31, 61, 200].map((s) => liveWindow(s * S) / S)).toEqual([30, 30, 60, 120, 240]);
});
