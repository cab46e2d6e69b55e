import { describe, expect, test } from 'vitest';
import { CallTree } from '#core/analyze/call-tree';
import { mix } from '#core/analyze/colour';
import { layout } from '#core/analyze/layout';
import { EVERYTHING } from '#core/analyze/view';
import { NO_STACK, ns } from '#core/model/ids';
import { Profile } from '#core/model/profile';
import { escaped, isRecursive } from '../../../renderer/views/flame/box-menu.ts';
import { cardPlace, describeBox, spokenText } from '../../../renderer/views/flame/describe.ts';
import type { FlamePicture } from '../../../renderer/views/flame/draw.ts';
import { drawEdges, drawFlame, edgesOf, rowAt, rowTop } from '../../../renderer/views/flame/draw.ts';
import { BoxInk, longColour } from '../../../renderer/views/flame/ink.ts';
import { pixelOf } from '../../../renderer/views/flame/pixels.ts';
import type { Ink } from '../../../renderer/views/flame/ink.ts';
import type { Step } from '../../../renderer/views/flame/walk.ts';
import { walk } from '../../../renderer/views/flame/walk.ts';
import { stacks } from '../../support/stacks.ts';

/** A profile from lines such as `main;load;jpeg 30`: ms of CPU time, one sample a 10 ms. */
function profileOf(text: string): Profile {
  const profile = new Profile();
  const process = profile.processes.add({ pid: 1, name: 'train.py' });
  const thread = profile.threads.add({ process, tid: 1, name: 'main' });
  const lane = profile.lanes[profile.addLane({ kind: 'cpu', unit: 'ns', name: 'cpu-clock' })];
  for (const line of text.trim().split('\n')) {
    const cut = line.trim().lastIndexOf(' ');
    const names = line.trim().slice(0, cut).split(';');
    let stack = NO_STACK;
    for (const name of names) {
      const fn = profile.functions.intern({ name, kind: 'python', file: '/home/mara/train.py', flags: 1 });
      stack = profile.stacks.intern(stack, profile.frames.source(fn, 7));
    }
    for (let at = 0; at < Number(line.trim().slice(cut + 1)) / 10; at++) lane.add({ time: ns(at * 1e7), thread, stack, weight: 1e7 });
  }
  return profile;
}

const PROGRAM = `
  main;load;jpeg 300
  main;load;open 100
  main;train;load 200
  main;train 300
  helper 100
`;

function treeOf(profile: Profile): CallTree {
  return new CallTree(profile, profile.lanes[0], EVERYTHING, false);
}

function boxesOf(tree: CallTree) {
  return layout(tree, { width: 1000, from: 0, to: 1, root: -1, order: 'alphabetical', minWidth: 1.5, firstRow: 0, rows: 100 });
}

test('arrow keys walk from box to box', () => {
  const tree = treeOf(profileOf(PROGRAM));
  const boxes = boxesOf(tree);
  const name = (box: number) => tree.profile.functions.nameOf(tree.fn(boxes.node[box]));
  const path = (steps: readonly Step[]) => {
    let box = -1;
    return steps.map((step) => name((box = walk(boxes, box, step)))).join(' ');
  };
  // helper | main          1 row 0
  //          load  | train   row 1
  //          jpeg open | load row 2
  // The first key, whatever it is, begins at the widest box of the first row; a callee is the widest one.
  expect(path(['callee', 'callee', 'callee', 'caller', 'left', 'callee', 'right', 'right'])).toBe('main train load train load jpeg open load');
  expect(path(['right', 'left', 'left', 'callee'])).toBe('main helper helper helper');
});

test('what is said of a box carries its numbers', () => {
  const tree = treeOf(profileOf(PROGRAM));
  const node = tree.nodeOf([{ name: 'main', file: '/home/mara/train.py', library: '' }, { name: 'train', file: '/home/mara/train.py', library: '' }]);
  const facts = describeBox(tree, node);
  expect(facts).toMatchObject({ name: 'train', place: 'train.py:7', origin: 'your code', self: '300 ms', total: '500 ms', selfPercent: '30.0 %', totalPercent: '50.0 %' });
  expect(facts.samples).toMatch(/^50 samples, ± \d+\.\d points$/);
  expect(spokenText(facts)).toContain('train, train.py:7: total 500 ms, 50.0 %; self 300 ms, 30.0 %');
});

test('recursion is seen above and below a box', () => {
  const tree = treeOf(profileOf('main;walk;leaf;walk 10\nmain;other 10'));
  const at = (...names: string[]) => tree.nodeOf(names.map((name) => ({ name, file: '/home/mara/train.py', library: '' })));
  expect(isRecursive(tree, at('main', 'walk'))).toBe(true);
  expect(isRecursive(tree, at('main', 'walk', 'leaf', 'walk'))).toBe(true);
  expect(isRecursive(tree, at('main', 'other'))).toBe(false);
});

test('a name is searched for as it stands', () => {
  const name = 'operator[](std::vector<int>&, int*)';
  expect(new RegExp(`^${escaped(name)}$`).test(name)).toBe(true);
});

describe('the hover card', () => {
  const size = { width: 388, height: 150 };
  const window = { width: 1440, height: 900 };
  const box = { left: 100, right: 500, top: 300, bottom: 317, x: 200 };

  test('stands under the box, else above it', () => {
    expect(cardPlace(box, size, window).top).toBe(323);
    expect(cardPlace({ ...box, top: 800, bottom: 817 }, size, window).top).toBe(800 - 6 - 150);
  });

  test('never lies over the box and never leaves the window', () => {
    for (let top = 0; top < 880; top += 7) {
      for (let left = 0; left < 1400; left += 90) {
        const one = { left, right: left + 300, top, bottom: top + 17, x: left + 200 };
        const place = cardPlace(one, size, window);
        expect(place.left).toBeGreaterThanOrEqual(0);
        expect(place.left + size.width).toBeLessThanOrEqual(window.width);
        expect(place.top).toBeGreaterThanOrEqual(0);
        expect(place.top + size.height).toBeLessThanOrEqual(window.height);
        expect(place.top >= one.bottom || place.top + size.height <= one.top).toBe(true);
      }
    }
  });
});

describe('drawing', () => {
  const ink: Ink = {
    theme: 'light', surface: '#ffffff', bar: '', line: '', line2: '', t1: '', t2: '', t3: '', accent: '#1f5fd0', onAccent: '', rec: '', warn: '',
    match: '#c2148c', family: 'sans', lanes: {},
  };

  /** Records what is painted: pixels of the boxes, and the rest as lines of text. */
  function canvas() {
    const lines: string[] = [];
    let image: ImageData | null = null;
    const state = { fillStyle: '', globalAlpha: 1, font: '', textBaseline: '', fontKerning: '' };
    const ctx = Object.assign(state, {
      setTransform: () => undefined,
      createImageData: (width: number, height: number) => ({ width, height, data: new Uint8ClampedArray(width * height * 4) }),
      putImageData: (put: ImageData) => { image = put; },
      fillRect: (x: number, y: number, w: number, h: number) => lines.push(`rect ${x} ${y} ${w} ${h} ${state.fillStyle} ${state.globalAlpha}`),
      fillText: (text: string, x: number, y: number) => lines.push(`text ${text} ${Math.round(x)} ${y}`),
    });
    /** Runs of one colour that is not the ground's in a line of pixels: `x width #colour`. */
    const runs = (y: number): string[] => {
      if (image === null) throw new Error('nothing was painted');
      const { data, width } = image;
      const colour = (x: number) => `#${[0, 1, 2].map((i) => data[(y * width + x) * 4 + i].toString(16).padStart(2, '0')).join('')}`;
      const found: string[] = [];
      for (let x = 0; x < width;) {
        let end = x + 1;
        while (end < width && colour(end) === colour(x)) end++;
        if (colour(x) !== ink.surface) found.push(`${x} ${end - x} ${colour(x)}`);
        x = end;
      }
      return found;
    };
    return { ctx: ctx as unknown as CanvasRenderingContext2D, lines, runs };
  }

  function picture(tree: CallTree, part: Partial<FlamePicture> = {}): FlamePicture {
    return {
      tree, boxes: boxesOf(tree), width: 1000, height: 200, pitch: 18, ratio: 1, flipped: false, scroll: 0, hovered: -1, selected: -1, linked: -1, matches: null,
      zoomDepth: -1, matchStrip: null, chosenStrip: null, nameOf: (node) => tree.profile.functions.nameOf(tree.fn(node)), placeOf: () => 'train.py:7', ...part,
    };
  }

  const places = (runs: readonly string[]) => runs.map((run) => run.split(' ').slice(0, 2).join(' '));

  test('every box once, its label inside, siblings parted by 1 px', () => {
    const tree = treeOf(profileOf(PROGRAM));
    const { ctx, lines, runs } = canvas();
    drawFlame(ctx, picture(tree), new BoxInk(tree.profile, ink));
    // Rows of 17 px with 1 px between them, from 6 px on.
    for (const y of [6, 22]) expect(places(runs(y))).toEqual(['0 99', '100 900']);
    for (const y of [24, 40]) expect(places(runs(y))).toEqual(['100 399', '500 500']);
    expect(places(runs(42))).toEqual(['100 299', '400 99', '500 199']);
    for (const y of [5, 23, 41, 60]) expect(runs(y)).toEqual([]);
    expect(lines.filter((line) => line.startsWith('text')).map((line) => line.split(' ')[1])).toContain('helper');
  });

  test('a colour that a minifier shortened is the same colour', () => {
    expect([longColour('#fff'), longColour('#17191d'), longColour('rgb(1, 2, 3)')]).toEqual(['#ffffff', '#17191d', 'rgb(1, 2, 3)']);
    expect(pixelOf('#ffffff')).toBe(0xffffffff);
    expect(pixelOf('#010203')).toBe(0xff030201);
  });

  test('at twice as many pixels a box is twice as large', () => {
    const tree = treeOf(profileOf(PROGRAM));
    const { ctx, runs } = canvas();
    drawFlame(ctx, picture(tree, { ratio: 2 }), new BoxInk(tree.profile, ink));
    for (const y of [12, 45]) expect(places(runs(y))).toEqual(['0 198', '200 1800']);
    for (const y of [11, 46]) expect(runs(y)).toEqual([]);
  });

  test('what is scrolled out is not painted', () => {
    const tree = treeOf(profileOf(PROGRAM));
    const { ctx, runs } = canvas();
    drawFlame(ctx, picture(tree, { scroll: 18, height: 24 }), new BoxInk(tree.profile, ink));
    expect(places(runs(6))).toEqual(['100 399', '500 500']);
    expect(places(runs(0))).toEqual(['0 99', '100 900']);
  });

  test('a search dims what does not match and edges what does', () => {
    const tree = treeOf(profileOf(PROGRAM));
    const matches = new Uint8Array(tree.length);
    for (let node = 0; node < tree.length; node++) if (tree.profile.functions.nameOf(tree.fn(node)) === 'load') matches[node] = 1;
    const plain = canvas();
    const boxInk = new BoxInk(tree.profile, ink);
    drawFlame(plain.ctx, picture(tree), boxInk);
    const { ctx, lines, runs } = canvas();
    drawFlame(ctx, picture(tree, { matches }), boxInk);
    const colours = (of: readonly string[]) => of.map((run) => run.split(' ')[2]);
    // Row 2 is load, which matches, and train, which does not.
    const [load, train] = colours(plain.runs(30));
    expect(colours(runs(30))).toEqual([load, mix(train, '#ffffff', 0.45)]);
    // Two boxes with four sides each.
    expect(lines.filter((line) => line.includes('#c2148c'))).toHaveLength(8);
  });

  test('the chosen function and the one under the pointer have an edge in every box', () => {
    const tree = treeOf(profileOf(PROGRAM));
    const fn = (name: string) => tree.profile.functions.intern({ name, kind: 'python', file: '/home/mara/train.py', flags: 1 });
    const edges = (part: Partial<FlamePicture>) => {
      const { ctx, lines } = canvas();
      drawEdges(ctx, picture(tree, part), new BoxInk(tree.profile, ink));
      return lines.filter((line) => line.includes('#14171c')).length / 4;
    };
    expect(edges({ linked: fn('load') })).toBe(2);
    expect(edges({ pointed: fn('load') })).toBe(2);
    expect(edges({ linked: fn('load'), pointed: fn('jpeg') })).toBe(3);
    expect(edges({ linked: fn('load'), pointed: fn('load') })).toBe(2);
  });

  test('of waiting time the tips that are no waits are hatched', () => {
    const { profile } = stacks('main;preempted ~marker 5\nmain;lock: futex_do_wait ~marker 5', { kind: 'off-cpu', intervals: true });
    const boxInk = new BoxInk(profile, ink, true);
    const fn = (name: string) => profile.functions.intern({ name, kind: 'marker' });
    expect([boxInk.markOf(fn('preempted')), boxInk.markOf(fn('lock: futex_do_wait'))]).toEqual([2, 0]);
    const tree = treeOf(profile);
    const { ctx, runs } = canvas();
    drawFlame(ctx, picture(tree), boxInk);
    // Row 2: `lock` is one run, `preempted` many.
    expect(runs(30).filter((run) => Number(run.split(' ')[0]) < 500)).toHaveLength(1);
    expect(runs(30).filter((run) => Number(run.split(' ')[0]) >= 500).length).toBeGreaterThan(100);
  });

  test('rows and heights are each other\'s opposite, both ways up', () => {
    for (const flipped of [false, true]) {
      for (const scroll of [0, 37]) {
        for (let row = 0; row < 12; row++) {
          const place = { flipped, scroll, height: 400, pitch: 18 };
          const top = rowTop(place, row);
          if (top < 4) continue;
          expect(rowAt(place, top)).toBe(row);
          expect(rowAt(place, top + 16.9)).toBe(row);
        }
      }
    }
  });

  test('edges lie on device pixels', () => {
    const tree = treeOf(profileOf('a 10\nb 20\nc 40\nd 90'));
    const boxes = layout(tree, { width: 777.4, from: 0, to: 1, root: -1, order: 'alphabetical', minWidth: 1.5, firstRow: 0, rows: 9 });
    for (const ratio of [1, 1.25, 1.5, 2]) {
      for (let box = 0; box < boxes.count; box++) {
        const [from] = edgesOf({ boxes, width: 777.4, ratio }, box);
        expect(Math.abs(from * ratio - Math.round(from * ratio))).toBeLessThan(1e-6);
      }
    }
  });
});
