import fc from 'fast-check';
import { expect, test } from 'vitest';
import { joinWords, splitWords, takeAssignments } from '../../../renderer/views/home/shell-words.ts';

test.each([
  ['python train.py --steps 200', ['python', 'train.py', '--steps', '200']],
  ['  a \t b  ', ['a', 'b']],
  [`a 'b c' "d e"`, ['a', 'b c', 'd e']],
  [`a'b'"c"d`, ['abcd']],
  [`a '' ""`, ['a', '', '']],
  [String.raw`a\ b "c\"d" "e\n" 'f\'`, ['a b', 'c"d', String.raw`e\n`, 'f\\']],
  [String.raw`echo "\$HOME" '$HOME'`, ['echo', '$HOME', '$HOME']],
  ['a b#c # a comment', ['a', 'b#c']],
  ['cost 5$ 100%', ['cost', '5$', '100%']],
  ['', []],
])('%s', (line, words) => {
  expect(splitWords(line)).toEqual(words);
});

test.each([
  [`a 'b`, `the quote ' at column 3 is not closed`],
  ['a "b', 'the quote " at column 3 is not closed'],
  ['a\\', 'the command ends in a backslash'],
  ['cat x | wc', '"|" at column 7 needs a shell, and none runs the command'],
  ['make > log', '">" at column 6 needs a shell, and none runs the command'],
  ['ls *.py', '"*" at column 4 would be expanded by a shell, and none runs the command'],
  ['echo $HOME', '"$" at column 6 would be expanded by a shell, and none runs the command'],
  ['echo "${X}"', '"$" at column 7 would be expanded by a shell, and none runs the command'],
  ['echo `date`', '"`" at column 6 would be expanded by a shell, and none runs the command'],
])('%s is refused', (line, message) => {
  expect(() => splitWords(line)).toThrow(message);
});

test('words that were joined are split into the same words', () => {
  fc.assert(fc.property(fc.array(fc.string()), (words) => {
    expect(splitWords(joinWords(words))).toEqual(words);
  }));
});

test('assignments before the command are its environment', () => {
  expect(takeAssignments(splitWords(`A=1 B='x y' env C=2 python`))).toEqual({ environment: { A: '1', B: 'x y' }, argv: ['env', 'C=2', 'python'] });
});
