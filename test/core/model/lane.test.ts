import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RowIndex, hash2 } from '#core/model/column';
import { Lane } from '#core/model/lane';

function lane(times: readonly number[]): Lane {
  const made = new Lane({ kind: 'cpu', unit: 'ns', name: 'test' });
  for (const time of times) made.push(time, 1, 2, 10);
  return made;
}

const timesOf = (made: Lane): number[] => made.chunks.flatMap((chunk) => Array.from({ length: chunk.rows }, (_, row) => chunk.timeAt(row) as number));

describe('a lane', () => {
  test('keeps whole nanoseconds of rows that come in order, and of those some seconds late', () => {
    const times = Array.from({ length: 5000 }, (_, i) => i * 10_000_001 - (i % 10 === 0 ? 900_000_000 : 0) + 5e12);
    const made = lane(times);
    expect(timesOf(made)).toEqual(times);
    expect(made.total).toBe(50_000);
  });

  test('rows seconds apart share chunks, exact to a microsecond', () => {
    const times = Array.from({ length: 20_000 }, (_, i) => i * 3_000_000_003);
    const made = lane(times);
    expect(made.chunks.length).toBeLessThan(200);
    timesOf(made).forEach((time, i) => expect(Math.abs(time - times[i])).toBeLessThan(1000));
  });

  test('rows in any order never make a chunk each', () => {
    const times = Array.from({ length: 20_000 }, (_, i) => ((i * 7919) % 20_000) * 1e10);
    const made = lane(times);
    expect(made.chunks.length).toBeLessThan(40);
    timesOf(made).forEach((time, i) => expect(Math.abs(time - times[i]) / 2e14).toBeLessThan(1e-6));
  });

  test('a chunk knows the bounds of its rows', () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(3e9), fc.nat(1e9)), { minLength: 1, maxLength: 200 }), (rows) => {
      const made = new Lane({ kind: 'off-cpu', unit: 'ns', name: 'test', intervals: true });
      for (const [time, duration] of rows) made.push(time, 0, 0, duration, 1, duration);
      for (const chunk of made.chunks) {
        const starts = Array.from({ length: chunk.rows }, (_, row) => chunk.timeAt(row) as number);
        expect(chunk.least).toBe(Math.min(...starts));
        expect(chunk.greatest).toBe(Math.max(...starts.map((start, row) => start + chunk.duration.get(row))));
      }
    }));
  });

  test('finds the n-th row across chunks', () => {
    const made = lane(Array.from({ length: 70_000 }, (_, i) => i * 1000));
    expect(made.chunks.length).toBe(2);
    expect(made.locate(0)).toEqual({ chunk: 0, row: 0 });
    expect(made.locate(65_536)).toEqual({ chunk: 1, row: 0 });
    expect(made.locate(70_000)).toEqual({ chunk: 2, row: 0 });
  });
});

test('a row index finds every key that was put and no other', () => {
  const keys: [number, number][] = [];
  const index = new RowIndex();
  const find = (a: number, b: number, add: boolean): number => {
    const hash = hash2(a, b);
    for (let slot = index.first(hash); ; slot = index.next(slot)) {
      const row = index.row(slot);
      if (row < 0) {
        if (!add) return -1;
        keys.push([a, b]);
        return index.put(slot, hash, keys.length - 1);
      }
      if (keys[row][0] === a && keys[row][1] === b) return row;
    }
  };
  for (let i = 0; i < 20_000; i++) expect(find(i % 141, i, true)).toBe(i);
  for (let i = 0; i < 20_000; i += 7) expect(find(i % 141, i, false)).toBe(i);
  expect(find(5, 4, false)).toBe(-1);
});
