import { describe, expect, test } from 'vitest';
import { CallTree } from '#core/analyze/call-tree';
import { functionsTable, neighboursOf } from '#core/analyze/functions';
import { search } from '#core/analyze/search';
import { EVERYTHING } from '#core/analyze/view';
import type { FunctionId } from '#core/model/ids';
import { functionOf, picture, stacks } from '../../support/stacks.ts';

const data = stacks(`
  main;walk;visit;walk;visit;leaf 8/2
  main;walk;visit 3
  main;other;leaf 4
  main;Leaf2 1
`);
const { profile } = data;
const tree = new CallTree(profile, data.lane, EVERYTHING, false);
const name = (fn: FunctionId): string => profile.functions.nameOf(fn);

describe('functions', () => {
  test('recursion is counted once', () => {
    const rows = functionsTable(tree).map((row) => `${name(row.fn)} total ${row.total} self ${row.self} samples ${row.samples} boxes ${row.boxes}`).sort();
    expect(rows.join('\n')).toBe(picture(`
      Leaf2 total 1 self 1 samples 1 boxes 1
      leaf total 12 self 12 samples 3 boxes 2
      main total 16 self 0 samples 5 boxes 1
      other total 4 self 0 samples 1 boxes 1
      visit total 11 self 3 samples 3 boxes 2
      walk total 11 self 0 samples 3 boxes 2
    `));
  });
  test('callers and callees', () => {
    const of = (fn: string): { callers: string[]; callees: string[] } => {
      const found = neighboursOf(tree, functionOf(profile, fn));
      return { callers: found.callers.map((row) => `${name(row.fn)} ${row.total}`), callees: found.callees.map((row) => `${name(row.fn)} ${row.total}`) };
    };
    expect(of('leaf')).toEqual({ callers: ['visit 8', 'other 4'], callees: [] });
    expect(of('walk')).toEqual({ callers: ['main 11'], callees: ['visit 11'] });
    expect(of('visit')).toEqual({ callers: ['walk 11'], callees: ['walk 8', 'leaf 8'] });
  });
});

describe('search', () => {
  const found = (pattern: string): string => {
    const { error, share, functions, samples } = search(tree, pattern);
    return error !== '' ? `error: ${error}` : `${Math.round(share * tree.total)} of ${tree.total}, ${samples} samples: ${functions.map(name).join(' ')}`;
  };
  test('matches nested in matches count once', () => {
    expect(found('walk|visit|leaf')).toBe('16 of 16, 5 samples: walk visit leaf Leaf2');
    expect(found('^leaf$')).toBe('12 of 16, 3 samples: leaf');
    expect(found('visit')).toBe('11 of 16, 3 samples: visit');
    expect(found('nobody')).toBe('0 of 16, 0 samples: ');
    expect(found('')).toBe('0 of 16, 0 samples: ');
  });
  test('a pattern that cannot be read says why', () => {
    expect(found('leaf(')).toBe('error: Unterminated group');
    expect(found('[')).toMatch(/^error: /);
  });
  test('every matching node is marked', () => {
    const { matches } = search(tree, 'LEAF');
    expect([...matches].filter((match) => match === 1).length).toBe(3);
  });
});
