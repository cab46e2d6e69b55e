// Stacks whose callers py-spy missed get them back from the same thread's other stacks; true stacks stay as they are.
import { expect, test } from 'vitest';
import { mendTorn } from '#core/read/py-spy/torn';

/** Spans of one unit each, `root;...;leaf` or `root;...;leaf*length`, mended. */
function mend(...stacks: readonly string[]): string[] {
  const names: string[] = [];
  const rowOf = (name: string) => (names.includes(name) ? names.indexOf(name) : names.push(name) - 1);
  let at = 0;
  const spans = stacks.map((text) => {
    const [stack, length] = text.split('*');
    const start = at;
    at += Number(length ?? 1);
    return { start, end: at, seen: start, frames: stack.split(';').map(rowOf) };
  });
  mendTorn(spans, names.map((name) => ({ name, file: '/app/a.py', line: 1 })));
  return spans.map((span) => span.frames.map((row) => names[row]).join(';'));
}

test('a generator without its callers takes those of the stack before', () => {
  expect(mend('main;hot;<genexpr>', '<genexpr>', 'main;warm')).toEqual(['main;hot;<genexpr>', 'main;hot;<genexpr>', 'main;warm']);
});

test('or of the one after, with what it calls itself', () => {
  expect(mend('main;warm', '<genexpr>;f', 'main;hot;<genexpr>;f')).toEqual(['main;warm', 'main;hot;<genexpr>;f', 'main;hot;<genexpr>;f']);
});

test('nothing is made up: no other stack shows its callers', () => {
  expect(mend('main;warm', '<genexpr>', 'main;cold')).toEqual(['main;warm', '<genexpr>', 'main;cold']);
});

test('a thread with two true beginnings keeps both, recursion stays', () => {
  expect(mend('start;f', 'main;g*5', 'start;f')).toEqual(['start;f', 'main;g', 'start;f']);
  expect(mend('f;f;f', 'f;f', 'f')).toEqual(['f;f;f', 'f;f', 'f']);
});

test('what is outermost for the longest is never torn', () => {
  expect(mend('<genexpr>*9', 'main;<genexpr>')).toEqual(['<genexpr>', 'main;<genexpr>']);
});
