import { describe, expect, test } from 'vitest';
import { CallTree } from '#core/analyze/call-tree';
import type { Selection, Transform } from '#core/analyze/view';
import { EVERYTHING } from '#core/analyze/view';
import type { LaneFacts } from '#core/model/lane';
import { addStacks, frameOf, functionOf, picture, stacks, treeText } from '../../support/stacks.ts';

function tree(text: string, selection: Partial<Selection> = {}, inverted = false, facts: Partial<LaneFacts> = {}): string {
  const { profile, lane } = stacks(text, facts);
  return treeText(new CallTree(profile, lane, { ...EVERYTHING, ...selection }, inverted));
}

const f = (name: string): { name: string; file: string; library: string } => ({ name, file: '', library: '' });

describe('merging', () => {
  test('stacks merge by function, whatever the line', () => {
    expect(tree(`
      main @a.py:1;fetch @a.py:2;decode 5
      main @a.py:1;fetch @a.py:3;resize 3
      main @a.py:9 2
    `)).toBe(picture(`
      main 10 (2)
        fetch 8
          decode 5 (5)
          resize 3 (3)
    `));
  });

  test('functions of one name in two libraries stay apart', () => {
    expect(tree(`
      main;init #a.so 1
      main;init #b.so 2
    `)).toBe(picture(`
      main 3
        init 1 (1)
        init 2 (2)
    `));
  });

  test('inlined functions are boxes of their own', () => {
    expect(tree(`
      main;outer > middle > inner;leaf 4
      main;outer;leaf 1
    `)).toBe(picture(`
      main 5
        outer 5
          leaf 1 (1)
          middle 4
            inner 4
              leaf 4 (4)
    `));
  });

  test('a row without a stack counts outside', () => {
    const { profile, lane } = stacks(`
      main 5
      0 | 3
    `);
    const built = new CallTree(profile, lane, EVERYTHING, false);
    expect([built.total, built.samples, built.outside]).toEqual([5, 1, 3]);
  });

  test('samples are counted beside the weight', () => {
    const { profile, lane } = stacks(`
      main;a 5/2
      main 7/3
    `);
    const built = new CallTree(profile, lane, EVERYTHING, false);
    const main = built.nodeOf([f('main')]);
    expect([built.samples, built.samplesOf(main), built.selfSamples(main)]).toEqual([5, 5, 3]);
  });

  test('leaves first', () => {
    expect(tree(`
      main;fetch;read 5
      main;other;read 3
      main 2
    `, {}, true)).toBe(picture(`
      main 2 (2)
      read 8
        fetch 5
          main 5 (5)
        other 3
          main 3 (3)
    `));
  });
});

describe('paths', () => {
  test('a path names its node and a node its path', () => {
    const { profile, lane } = stacks(`
      main;a;b 1
      main;b 1
    `);
    const built = new CallTree(profile, lane, EVERYTHING, false);
    for (let node = 0; node < built.length; node++) expect(built.nodeOf(built.pathOf(node))).toBe(node);
    expect(built.nodeOf([f('main'), f('nobody')])).toBe(-1);
    expect(built.nodeOf([])).toBe(-1);
  });

  test('children in the order in which they came', () => {
    const { profile, lane } = stacks(`
      main;z 1
      main;a 1
      other 1
    `);
    const built = new CallTree(profile, lane, EVERYTHING, false);
    const names = (node: number): string[] => [...built.children(node)].map((child) => built.refOf(child).name);
    expect(names(-1)).toEqual(['main', 'other']);
    expect(names(built.nodeOf([f('main')]))).toEqual(['z', 'a']);
  });
});

describe('time ranges', () => {
  const samples = `
    10 | main;a 1
    20 | main;b 2
    30 | main;c 4
  `;
  test('a moment belongs to the range that begins at it', () => {
    expect(tree(samples, { ranges: [[20, 30]] })).toBe(picture(`
      main 2
        b 2 (2)
    `));
  });
  test('several ranges', () => {
    expect(tree(samples, { ranges: [[0, 11], [25, 99]] })).toBe(picture(`
      main 5
        a 1 (1)
        c 4 (4)
    `));
    expect(tree(samples, { ranges: [] })).toBe('');
  });
  test('an interval counts by the share that lies in the range', () => {
    const intervals = `
      0+100 | main;wait 100
      50+10 | main;read 10
    `;
    expect(tree(intervals, { ranges: [[25, 55]] }, false, { intervals: true })).toBe(picture(`
      main 35
        read 5 (5)
        wait 30 (30)
    `));
    expect(tree(intervals, { ranges: [[0, 10], [20, 30], [90, 200]] }, false, { intervals: true })).toBe(picture(`
      main 30
        wait 30 (30)
    `));
  });
});

describe('threads and processes', () => {
  const text = `
    0 main@train | main;a 1
    0 loader@train | main;b 2
    0 main@other | main;c 4
  `;
  test('threads', () => {
    expect(tree(text, { threads: [1] })).toBe('main 2\n  b 2 (2)');
    expect(tree(text, { threads: [0, 2] })).toBe('main 5\n  a 1 (1)\n  c 4 (4)');
  });
  test('processes', () => {
    expect(tree(text, { processes: [0] })).toBe('main 3\n  a 1 (1)\n  b 2 (2)');
    expect(tree(text, { processes: [0], threads: [2] })).toBe('');
  });
  test('a thread that appears later is taken when its process is chosen', () => {
    const data = stacks(text);
    const built = new CallTree(data.profile, data.lane, { ...EVERYTHING, processes: [0] }, false);
    addStacks(data, '0 third@train | main;d 8');
    expect(built.update()).toBe(true);
    expect(treeText(built)).toBe('main 11\n  a 1 (1)\n  b 2 (2)\n  d 8 (8)');
  });
});

describe('growing', () => {
  test('new rows are added in place and numbers stay', () => {
    const data = stacks('main;a 1');
    const built = new CallTree(data.profile, data.lane, EVERYTHING, false);
    const a = built.nodeOf([f('main'), f('a')]);
    const generation = built.generation;
    expect(built.update()).toBe(false);
    addStacks(data, `
      main;b;c 2
      main;a 3
    `);
    expect(built.update()).toBe(true);
    expect(built.generation).toBe(generation);
    expect(built.nodeOf([f('main'), f('a')])).toBe(a);
    expect(treeText(built)).toBe('main 6\n  a 4 (4)\n  b 2\n    c 2 (2)');
  });

  test('a name that comes late renames the box and begins a new generation', () => {
    const data = stacks('main;x 1');
    const { profile, lane } = data;
    const address = profile.frames.native(profile.strings.intern('/lib.so'), 0x10, 'leaf', functionOf(profile, '0x10'));
    const main = frameOf(profile, 'main');
    lane.push(0, 0, profile.stacks.internAll([main, address]), 5);
    const built = new CallTree(profile, lane, EVERYTHING, false);
    expect(treeText(built)).toBe('main 6\n  0x10 5 (5)\n  x 1 (1)');
    const generation = built.generation;
    profile.frames.setFunction(address, functionOf(profile, 'x'), 7);
    expect(built.update()).toBe(true);
    expect(built.generation).not.toBe(generation);
    expect(treeText(built)).toBe('main 6\n  x 6 (6)');
  });

  test('a patch of a frame that no sample has changes nothing', () => {
    const { profile, lane } = stacks('main;x 1');
    const built = new CallTree(profile, lane, EVERYTHING, false);
    profile.frames.setFunction(frameOf(profile, 'stranger'), functionOf(profile, 'named'));
    expect(built.update()).toBe(false);
  });

  test('two ranges of a lane have the same node numbers', () => {
    const { profile, lane } = stacks(`
      10 | main;a 1
      20 | main;b 2
    `);
    const first = new CallTree(profile, lane, { ...EVERYTHING, ranges: [[0, 15]] }, false);
    const second = new CallTree(profile, lane, { ...EVERYTHING, ranges: [[15, 30]] }, false);
    first.update();
    expect(first.generation).toBe(second.generation);
    expect(first.nodeOf([f('main')])).toBe(second.nodeOf([f('main')]));
    expect(treeText(first)).toBe('main 1\n  a 1 (1)');
    expect(treeText(second)).toBe('main 2\n  b 2 (2)');
  });
});

describe('transforms', () => {
  const text = `
    main !;fetch #torch;load #torch;decode #jpeg;mcu #jpeg 8
    main !;fetch #torch;open #torch 4
    main !;step !;fetch #torch;load #torch 2
    idle 1
  `;
  const by = (...transforms: Transform[]): string => tree(text, { transforms });
  const torch = (name: string): { name: string; file: string; library: string } => ({ name, file: '', library: 'torch' });

  test('focus on a function: its samples, from it on', () => {
    expect(by({ kind: 'focus', fn: torch('load') })).toBe(picture(`
      load 10 (2)
        decode 8
          mcu 8 (8)
    `));
  });
  test('merge a function: its weight goes to its caller', () => {
    expect(by({ kind: 'merge', fn: torch('load') })).toBe(picture(`
      idle 1 (1)
      main 14
        fetch 12
          decode 8
            mcu 8 (8)
          open 4 (4)
        step 2
          fetch 2 (2)
    `));
  });
  test('drop a function: its samples go', () => {
    expect(by({ kind: 'drop', fn: torch('load') })).toBe(picture(`
      idle 1 (1)
      main 4
        fetch 4
          open 4 (4)
    `));
  });
  test('collapse a library: a run of its frames is its first frame', () => {
    expect(by({ kind: 'collapse-library', library: 'torch' })).toBe(picture(`
      idle 1 (1)
      main 14
        fetch 12 (4)
          decode 8
            mcu 8 (8)
        step 2
          fetch 2 (2)
    `));
  });
  test('collapse recursion: from the outermost to an inner call is one', () => {
    expect(tree(`
      main;walk;visit;walk;visit;leaf 3
      main;walk;walk 2
      main;walk;visit 1
    `, { transforms: [{ kind: 'collapse-recursion', fn: f('walk') }] })).toBe(picture(`
      main 6
        walk 6 (2)
          visit 4 (1)
            leaf 3 (3)
    `));
  });
  test('my code: what others do counts for the frame of mine that called them', () => {
    expect(by({ kind: 'my-code' })).toBe(picture(`
      idle 1 (1)
      main 14 (12)
        step 2 (2)
    `));
    expect(tree('_start;__libc_main;main !;read;work ! 3', { transforms: [{ kind: 'my-code' }] })).toBe(picture(`
      _start 3
        main 3
          work 3 (3)
    `));
  });
  test('one after another, in their order', () => {
    const merge: Transform = { kind: 'merge', fn: torch('fetch') };
    const collapse: Transform = { kind: 'collapse-library', library: 'torch' };
    expect(by(merge, collapse)).toBe(picture(`
      idle 1 (1)
      main 14
        load 8
          decode 8
            mcu 8 (8)
        open 4 (4)
        step 2
          load 2 (2)
    `));
    expect(by(collapse, merge)).toBe(picture(`
      idle 1 (1)
      main 14 (4)
        decode 8
          mcu 8 (8)
        step 2 (2)
    `));
    expect(by({ kind: 'focus', fn: torch('fetch') }, { kind: 'drop', fn: torch('open') })).toBe(picture(`
      fetch 10
        load 10 (2)
          decode 8
            mcu 8 (8)
    `));
  });
  test('transforms, then leaves first', () => {
    expect(tree(text, { transforms: [{ kind: 'focus', fn: torch('load') }] }, true)).toBe(picture(`
      load 2 (2)
      mcu 8
        decode 8
          load 8 (8)
    `));
  });
  test('what a transform takes out is counted', () => {
    const { profile, lane } = stacks(text);
    const built = new CallTree(profile, lane, { ...EVERYTHING, transforms: [{ kind: 'drop', fn: torch('fetch') }] }, false);
    expect([built.total, built.outside]).toEqual([1, 14]);
  });
});

describe('what goes on still', () => {
  const open = (): { profile: ReturnType<typeof stacks>['profile']; lane: ReturnType<typeof stacks>['lane']; wait: (text: string, since: number, thread?: number) => void } => {
    const { profile, lane } = stacks('10+20 | main;read 20', { kind: 'off-cpu', unit: 'ns', intervals: true, name: 'sched' });
    profile.info.durationNs = 100;
    return {
      profile, lane,
      wait: (text, since, thread = 0) => {
        let stack = -1;
        for (const name of text.split(';')) stack = profile.stacks.intern(stack as never, frameOf(profile, name));
        profile.open = [...profile.open, { lane: profile.lanes.indexOf(lane) as never, thread: thread as never, stack: stack as never, since: since as never }];
      },
    };
  };

  test('is in the tree up to the end of the recording, and grows with it', () => {
    const { profile, lane, wait } = open();
    const built = new CallTree(profile, lane, EVERYTHING, false);
    expect(treeText(built)).toBe(picture(`
      main 20
        read 20 (20)
    `));
    wait('main;poll', 60);
    expect(built.update()).toBe(true);
    profile.info.durationNs = 110;
    built.update();
    expect(treeText(built)).toBe(picture(`
      main 70
        poll 50 (50)
        read 20 (20)
    `));
    // It ended: now it is a row.
    profile.open = [];
    addStacks({ profile, lane }, '60+55 | main;poll 55');
    built.update();
    expect([built.total, built.samples, treeText(built)]).toEqual([75, 2, picture(`
      main 75
        poll 55 (55)
        read 20 (20)
    `)]);
    expect(built.update()).toBe(false);
  });

  test('a range takes its part', () => {
    const { profile, lane, wait } = open();
    wait('main;poll', 60);
    const inRange = (start: number, end: number): number => new CallTree(profile, lane, { ...EVERYTHING, ranges: [[start, end]] }, false).total;
    expect([inRange(0, 100), inRange(70, 80), inRange(20, 65), inRange(0, 5)]).toEqual([60, 10, 15, 0]);
  });

  test('another lane has nothing of it', () => {
    const { profile, wait } = open();
    const other = profile.lanes[profile.addLane({ kind: 'off-cpu', unit: 'ns', name: 'other', intervals: true })];
    wait('main;poll', 60);
    expect(new CallTree(profile, other, EVERYTHING, false).total).toBe(0);
  });
});

test('of waiting time the kernel\'s frames are no boxes: the tip says where in the kernel', () => {
  const text = `
    0+5 | main;read;do_syscall_64 ~kernel;pipe_read ~kernel;pipe, socket: pipe_read ~marker 5
    5+2 | do_exit ~kernel;[waiting] ~marker 2
    7+1 | main;read;do_syscall_64 ~kernel 1
  `;
  expect(tree(text, {}, false, { kind: 'off-cpu', intervals: true })).toBe(picture(`
    [waiting] 2 (2)
    main 6
      read 6 (1)
        pipe, socket: pipe_read 5 (5)
  `));
  expect(tree(text)).toContain('do_syscall_64');
});
