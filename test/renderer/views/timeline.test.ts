import { describe, expect, test } from 'vitest';
import { gripAt, grown, moved, rangeBetween, tickStep, tickText } from '../../../renderer/views/timeline/scale.ts';

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
