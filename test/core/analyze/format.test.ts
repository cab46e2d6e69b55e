import { expect, test } from 'vitest';
import {
  formatClock, formatCount, formatDate, formatFileSize, formatMargin, formatMemory, formatPercent, formatRange, formatSamples, formatTime, formatWeight,
} from '#core/analyze/format';
import { marginOf } from '#core/analyze/margin';

test('times have three significant digits', () => {
  const cases: [number, string][] = [
    [0, '0 s'], [1, '1 ns'], [999, '999 ns'], [1000, '1.00 µs'], [53e6, '53 ms'], [53.46e6, '53.5 ms'], [760e6, '760 ms'], [999.6e6, '1.00 s'], [1.28e9, '1.28 s'],
    [7.59e9, '7.59 s'], [12.53e9, '12.5 s'], [59.94e9, '59.9 s'], [59.97e9, '1 min 0 s'], [192e9, '3 min 12 s'], [3600e9, '1 h 0 min'], [-1.5e9, '−1.50 s'],
  ];
  for (const [ns, text] of cases) expect(formatTime(ns)).toBe(text);
});

test('memory in powers of two, files in powers of ten', () => {
  expect([0, 640, 1023, 1024, 1.5 * 1024 ** 2, 11.6 * 1024 ** 3].map(formatMemory)).toEqual(['0 B', '640 B', '1023 B', '1.00 KiB', '1.50 MiB', '11.6 GiB']);
  expect([410_000, 999_950, 2.5e9].map(formatFileSize)).toEqual(['410 kB', '1.00 MB', '2.50 GB']);
  expect(formatMemory(-2048)).toBe('−2.00 KiB');
});

test('percents have one decimal and a space', () => {
  expect([0, 0.0004, 0.0005, 0.093, 0.255, 0.9996, 1, 1.2, -0.25].map(formatPercent)).toEqual(['0 %', '< 0.1 %', '0.1 %', '9.3 %', '25.5 %', '100 %', '100 %', '120.0 %', '−25.0 %']);
  expect(formatPercent(NaN)).toBe('–');
});

test('counts are grouped by thin spaces', () => {
  expect([0, 999, 1165, 61308, 1234567, -4200].map(formatCount)).toEqual(['0', '999', '1\u2009165', '61\u2009308', '1\u2009234\u2009567', '−4\u2009200']);
  expect(formatSamples(1)).toBe('1 sample');
  expect(formatSamples(108, 'CPU')).toBe('108 CPU samples');
});

test('a weight is written in its lane\'s unit', () => {
  expect([formatWeight(5e9, 'ns'), formatWeight(1024, 'bytes'), formatWeight(5000, 'count')]).toEqual(['5.00 s', '1.00 KiB', '5\u2009000']);
});

test('ranges, the clock, dates', () => {
  expect(formatRange(31.2e9, 36.84e9)).toBe('31.20 – 36.84 s');
  expect(formatRange(33.1e9, 33.18e9)).toBe('33.100 – 33.180 s');
  expect([0, 42.66e9, 74.25e9, 3599.99e9, 3882.6e9].map(formatClock)).toEqual(['00:00.0', '00:42.6', '01:14.2', '59:59.9', '1:04:42.6']);
  expect(formatDate(0)).toBe('');
  expect(formatDate(new Date(2026, 10, 22).getTime())).toBe('22 Nov 2026');
});

test('the margin of a share', () => {
  expect(marginOf(1, 0)).toBe(null);
  expect(formatMargin(marginOf(108, 1165))).toBe('± 1.7 points');
  expect(formatMargin(marginOf(211, 1165))).toBe('± 2.2 points');
  expect(formatMargin(null)).toBe('');
  // Nothing seen in ten samples is not nothing.
  expect(marginOf(0, 10)).toBeGreaterThan(0.1);
});
