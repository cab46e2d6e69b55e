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
