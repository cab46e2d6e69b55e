import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CallTree } from '#core/analyze/call-tree';
import type { Boxes, Viewport } from '#core/analyze/layout';
import { boxAt, boxOf, emptyBoxes, layout, placeOf, stripOf } from '#core/analyze/layout';
import { EVERYTHING } from '#core/analyze/view';
import { picture, stacks } from '../../support/stacks.ts';

const WHOLE: Viewport = { width: 40, from: 0, to: 1, root: -1, order: 'left-heavy', minWidth: 1.5, firstRow: 0, rows: 100 };

function treeOf(text: string): CallTree {
  const { profile, lane } = stacks(text);
  return new CallTree(profile, lane, EVERYTHING, false);
}

/** One character a pixel: a box is its name's first letter, then dashes; folded ones are dots. */
function drawn(tree: CallTree, viewport: Partial<Viewport> = {}, boxes: Boxes = layout(tree, { ...WHOLE, ...viewport })): string {
  const rows: string[][] = [];
  for (let i = 0; i < boxes.count; i++) {
    const row = (rows[boxes.row[i]] ??= Array<string>(WHOLE.width).fill(' '));
    const x = Math.round(boxes.x[i]);
    const end = Math.round(boxes.x[i] + boxes.width[i]);
    for (let at = x; at < end; at++) row[at] = boxes.node[i] < 0 ? '.' : at === x ? tree.refOf(boxes.node[i]).name[0] : '-';
  }
  return rows.map((row) => row.join('').trimEnd()).join('\n');
}

const TREE = `
  main;big;x 10
  main;big;y 6
  main;alpha 12
  main 2
  other 10
`;

describe('order', () => {
  test('left heavy', () => {
    expect(drawn(treeOf(TREE))).toBe(picture(`
      m-----------------------------o---------
      b---------------a-----------
      x---------y-----
    `));
  });
  test('alphabetical', () => {
    expect(drawn(treeOf(TREE), { order: 'alphabetical' })).toBe(picture(`
      m-----------------------------o---------
      a-----------b---------------
                  x---------y-----
    `));
  });
  test('siblings of one name go by file, then library', () => {
    const tree = treeOf('f @b.py 1\nf @a.py #z 1\nf @a.py #y 1');
    const boxes = layout(tree, { ...WHOLE, order: 'alphabetical' });
    expect([...boxes.node.subarray(0, 3)].map((node) => tree.refOf(node)).map((ref) => ref.file + ref.library)).toEqual(['a.pyy', 'a.pyz', 'b.py']);
  });
});

describe('folding', () => {
  test('neighbours too narrow to draw become one box of their summed width', () => {
    const tree = treeOf('main;a 30\nmain;b 1\nmain;c 1\nmain;d 1\nmain;e 1\nmain;f 6');
    expect(drawn(tree)).toBe(picture(`
      m---------------------------------------
      a-----------------------------f-----....
    `));
    const boxes = layout(tree, WHOLE);
    const folded = boxAt(boxes, 38, 1);
    expect([boxes.node[folded], boxes.folded[folded], boxes.value[folded], tree.refOf(boxes.parent[folded]).name]).toEqual([-1, 4, 4, 'main']);
  });
  test('a wide one between them parts them', () => {
    const tree = treeOf('main;a 1\nmain;b 30\nmain;c 1\nmain;d 8');
    expect(drawn(tree, { order: 'alphabetical' })).toBe(picture(`
      m---------------------------------------
      .b-----------------------------.d-------
    `));
  });
  test('nothing is drawn below folded ones', () => {
    const tree = treeOf('main;a 39\nmain;b;c;d 1');
    expect(layout(tree, WHOLE).maxRow).toBe(1);
  });
});

describe('zoom', () => {
  test('callers at full width above the zoomed box', () => {
    const tree = treeOf(TREE);
    const root = tree.nodeOf([{ name: 'main', file: '', library: '' }, { name: 'big', file: '', library: '' }]);
    expect(drawn(tree, { root })).toBe(picture(`
      m---------------------------------------
      b---------------------------------------
      x------------------------y--------------
    `));
  });
  test('a part of the width', () => {
    expect(drawn(treeOf(TREE), { from: 0.5, to: 1 })).toBe(picture(`
      m-------------------o-------------------
      a---------------
    `));
  });
  test('rows that were not asked for are not given, but counted', () => {
    const boxes = layout(treeOf(TREE), { ...WHOLE, firstRow: 1, rows: 1 });
    expect([...boxes.row.subarray(0, boxes.count)]).toEqual([1, 1]);
    expect(boxes.maxRow).toBe(2);
  });
});

test('nothing to draw', () => {
  const tree = treeOf('');
  expect(layout(tree, WHOLE).count).toBe(0);
  expect(layout(tree, WHOLE).maxRow).toBe(-1);
  expect(boxAt(layout(tree, WHOLE), 3, 0)).toBe(-1);
});

describe('finding', () => {
  const tree = treeOf(TREE);
  const boxes = layout(tree, WHOLE);
  test('the box at a point', () => {
    const name = (x: number, row: number): string => {
      const box = boxAt(boxes, x, row);
      return box < 0 ? '' : tree.refOf(boxes.node[box]).name;
    };
    expect([name(0, 0), name(29.9, 0), name(30, 0), name(16, 1), name(28.5, 1), name(20, 2), name(5, 7)]).toEqual(['main', 'main', 'other', 'alpha', '', '', '']);
  });
  test('every box is found at its middle, and by its node', () => {
    for (let box = 0; box < boxes.count; box++) {
      expect(boxAt(boxes, boxes.x[box] + boxes.width[box] / 2, boxes.row[box])).toBe(box);
      expect(boxOf(boxes, boxes.node[box])).toBe(box);
      expect(placeOf(tree, WHOLE, boxes.node[box])).toEqual({ x: boxes.x[box], width: boxes.width[box], row: boxes.row[box] });
    }
  });
  test('the strip shows wanted boxes however deep and narrow', () => {
    const deep = treeOf('main;a 39.9\nmain;b;c;d 0.1');
    const wanted = new Uint8Array(deep.length);
    wanted[deep.length - 1] = 1;
    const strip = stripOf(deep, WHOLE, wanted);
    expect(strip.lastIndexOf(1)).toBe(39);
    expect(strip.indexOf(1)).toBe(39);
  });
});

describe('for any tree', () => {
  const anyStacks = fc.array(fc.tuple(fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 1000 })), { minLength: 1, maxLength: 60 });
  const anyOrder = fc.constantFrom('alphabetical', 'left-heavy') as fc.Arbitrary<Viewport['order']>;

  test('the first row covers exactly the width, and children lie within their caller without gaps or overlaps', () => {
    fc.assert(fc.property(anyStacks, anyOrder, fc.integer({ min: 20, max: 3000 }), (rows, order, width) => {
      const tree = treeOf(rows.map(([path, weight]) => `${path.join(';')} ${weight}`).join('\n'));
      const boxes = layout(tree, { ...WHOLE, width, order });
      const first = [...boxes.row.subarray(0, boxes.count)].filter((row) => row === 0).length;
      let edge = 0;
      for (let i = 0; i < first; i++) {
        expect(Math.abs(boxes.x[i] - edge)).toBeLessThan(0.01);
        edge = boxes.x[i] + boxes.width[i];
      }
      expect(Math.abs(edge - width)).toBeLessThan(0.01);
      for (let i = first; i < boxes.count; i++) {
        const caller = boxOf(boxes, boxes.parent[i]);
        expect(caller).toBeGreaterThanOrEqual(0);
        expect(boxes.x[i]).toBeGreaterThan(boxes.x[caller] - 0.01);
        expect(boxes.x[i] + boxes.width[i]).toBeLessThan(boxes.x[caller] + boxes.width[caller] + 0.01);
        if (boxes.row[i] === boxes.row[i - 1]) expect(boxes.x[i]).toBeGreaterThan(boxes.x[i - 1] + boxes.width[i - 1] - 0.01);
      }
    }), { numRuns: 60 });
  });

  test('every node is drawn or stands in a folded box or below one', () => {
    fc.assert(fc.property(anyStacks, anyOrder, (rows, order) => {
      const tree = treeOf(rows.map(([path, weight]) => `${path.join(';')} ${weight}`).join('\n'));
      const boxes = layout(tree, { ...WHOLE, order }, emptyBoxes(1));
      let weight = 0;
      for (let i = 0; i < boxes.count; i++) weight += boxes.node[i] < 0 ? boxes.value[i] : tree.self(boxes.node[i]);
      expect(weight).toBeCloseTo(tree.total, 6);
    }), { numRuns: 60 });
  });
});
