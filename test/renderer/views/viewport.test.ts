import { expect, test } from 'vitest';
import { WHOLE, between, panned, zoomedAbout } from '../../../renderer/views/flame/viewport.ts';

test('zooming about a point keeps that point where it is', () => {
  const window = [0.2, 0.6] as const;
  const at = 0.25;
  const point = 0.2 + at * 0.4;
  const [from, to] = zoomedAbout(window, at, 0.5);
  expect(from + at * (to - from)).toBeCloseTo(point, 12);
  expect(to - from).toBeCloseTo(0.2, 12);
});

test('a window never leaves the whole', () => {
  const [from, to] = zoomedAbout([0.9, 1], 1, 4);
  expect(from).toBeCloseTo(0.6, 12);
  expect(to).toBe(1);
  expect(zoomedAbout([0.4, 0.6], 0.5, 100)).toEqual(WHOLE);
  expect(panned([0.8, 1], 3)).toEqual([0.8, 1]);
  expect(panned(WHOLE, -1)).toEqual(WHOLE);
});

test('an animation begins and ends exactly', () => {
  expect(between(WHOLE, [0.25, 0.5], 0)).toEqual([0, 1]);
  expect(between(WHOLE, [0.25, 0.5], 1)).toEqual([0.25, 0.5]);
  expect(between(WHOLE, [0.25, 0.5], 7)).toEqual([0.25, 0.5]);
});
