import { expect, test } from 'vitest';
import { Losses } from '../../../main/record/losses.ts';

test('losses say how many, when and of how much', () => {
  const losses = new Losses();
  losses.add(300, 18.42e9, 18.9e9);
  expect(losses.text(0)).toBe('300 samples were lost between 18.42 s and 18.90 s.');
  losses.add(12, 18.95e9, 19.13e9);
  expect(losses.text(61_308)).toBe('312 samples were lost between 18.42 s and 19.13 s (0.5 %).');
  losses.add(1000, 40e9, 41.5e9);
  expect(losses.text(61_308)).toBe('1\u2009312 samples were lost in 2 places between 18.42 s and 41.50 s (2.1 %).');
});

test('a single one at one moment', () => {
  const losses = new Losses();
  losses.add(1, 2e9, 2e9);
  expect(losses.text(9)).toBe('1 sample was lost at 2.00 s (10.0 %).');
});
