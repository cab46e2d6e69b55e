import { expect, test } from 'vitest';
import { UserError } from '#core/errors';
import { explain, userError } from '../../renderer/parts/explain.ts';
import { keyText } from '../../renderer/parts/keys.ts';
import { sparkline } from '../../renderer/parts/sparkline.ts';

test('an error is written as sentences', () => {
  expect(explain(new UserError('x', 'the disk is full', { hint: 'Choose another folder.' }))).toBe('The disk is full. Choose another folder.');
  expect(explain(new UserError('x', 'run.py.gz ends at byte 5'))).toBe('run.py.gz ends at byte 5.');
  expect(explain(new UserError('x', 'this allows it:'))).toBe('This allows it:');
  expect(explain(userError(new TypeError('odd thing'), 'x'))).toBe('Odd thing.');
});

test('keys are shown as they stand on the keyboard', () => {
  expect(keyText('Ctrl+Shift+P')).toBe('Ctrl Shift P');
  expect(keyText('Alt+ArrowRight')).toBe('Alt →');
});

test('a sparkline ends at the right edge, and an idle process is flat', () => {
  expect(sparkline([], 20, 38, 14)).toBe('');
  expect(sparkline([0, 0, 0], 20, 38, 14)).toBe('M34 13L36 13L38 13');
  expect(sparkline([0, 100], 3, 38, 14)).toBe('M19 13L38 2.1');
});
