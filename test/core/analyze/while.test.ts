import { describe, expect, test } from 'vitest';
import { CallTree } from '#core/analyze/call-tree';
import { resolve } from '#core/analyze/resolve';
import type { FunctionRef, Selection } from '#core/analyze/view';
import { EVERYTHING } from '#core/analyze/view';
import { duringOf, intersected, intervalsOf, union } from '#core/analyze/while';
import type { StackId, ThreadId } from '#core/model/ids';
import { ns } from '#core/model/ids';
import { Lane } from '#core/model/lane';
import { Profile } from '#core/model/profile';
import { addStacks, frameOf, picture, stacks, treeText } from '../../support/stacks.ts';

const f = (name: string): FunctionRef => ({ name, file: '', library: '' });
const OFF = { kind: 'off-cpu', unit: 'ns', name: 'sched_switch', intervals: true } as const;
const MS = 1e6;

/** `###--##`: what is so at each letter, `width` ns a letter. */
function drawn(ranges: readonly (readonly [number, number])[], length: number, width = 1): string {
  return Array.from({ length }, (_, i) => (ranges.some(([start, end]) => start <= i * width && (i + 1) * width <= end) ? '#' : '-')).join('');
}

describe('the intervals of a box', () => {
  const { profile, lane } = stacks(`
    2+6 main  | loop;__next__;poll 6
    10+2 main | loop;step;futex 2
    14+4 main | loop;__next__;lock 4
    16+6 other | loop;__next__;poll 6
    24+2 main | loop;__next__;poll 2
    25+4 main | loop;__next__ 4
  `, OFF);
  profile.info.durationNs = 32;
  const of = (path: readonly FunctionRef[], inverted = false, threads: readonly number[] | null = null): string =>
    drawn(intervalsOf(profile, lane, EVERYTHING, path, inverted, threads).ranges, 32);

  test('sorted and merged, over threads', () => {
    expect(of([f('loop'), f('__next__')])).toBe('--######------########--#####---');
    expect(of([f('loop'), f('__next__'), f('poll')])).toBe('--######--------######--##------');
  });
  test('of one thread', () => {
    expect(of([f('loop'), f('__next__')], false, [0])).toBe('--######------####------#####---');
  });
  test('leaves first', () => {
    expect(of([f('poll')], true)).toBe('--######--------######--##------');
    expect(of([f('poll'), f('__next__'), f('loop')], true)).toBe('--######--------######--##------');
    expect(of([f('__next__')], true)).toBe('-------------------------####---');
  });
  test('length and number', () => {
    const { length, waits, left } = intervalsOf(profile, lane, EVERYTHING, [f('loop'), f('__next__')], false, null);
    expect([length, waits, left]).toEqual([19, 5, { weight: 0, count: 0 }]);
  });
  test('a box that is not there was never so', () => {
    expect(of([f('loop'), f('poll')])).toBe('-'.repeat(32));
    expect(of([])).toBe('-'.repeat(32));
  });
  test('transforms of the tree that the box is in', () => {
    expect(drawn(intervalsOf(profile, lane, { transforms: [{ kind: 'merge', fn: f('__next__') }] }, [f('loop'), f('poll')], false, null).ranges, 32))
      .toBe('--######--------######--##------');
    expect(drawn(intervalsOf(profile, lane, { transforms: [{ kind: 'drop', fn: f('poll') }] }, [f('loop')], false, null).ranges, 32))
      .toBe('----------##--####-------####---');
  });
  test('the same answer while nothing changed', () => {
    const ask = () => intervalsOf(profile, lane, EVERYTHING, [f('loop')], false, null);
    expect(ask()).toBe(ask());
  });
});

describe('what is no interval', () => {
  test('short waits that were summed are left out and told', () => {
    const profile = new Profile();
    const lane = profile.lanes[profile.addLane(OFF)];
    const stack = profile.stacks.internAll([frameOf(profile, 'loop'), frameOf(profile, 'poll')]);
    const thread = 0 as ThreadId;
    lane.push(0, thread, stack, 3 * MS, 1, 3 * MS);
    // 40 waits of 0.5 ms within 90 ms.
    lane.push(10 * MS, thread, stack, 20 * MS, 40, 90 * MS);
    // One short wait alone fills its span.
    lane.push(120 * MS, thread, stack, 0.4 * MS, 1, 0.4 * MS);
    expect(intervalsOf(profile, lane, EVERYTHING, [f('loop')], false, null)).toEqual({
      ranges: [[0, 3 * MS], [120 * MS, 120.4 * MS]], length: 3.4 * MS, waits: 2, left: { weight: 20 * MS, count: 40 },
    });
  });

  test('a thinned row keeps its own interval, what it took over is told', () => {
    const lane = new Lane(OFF, 131_072 + 10);
    const profile = new Profile();
    profile.lanes.push(lane);
    const stack = profile.stacks.internAll([frameOf(profile, 'loop')]);
    for (let i = 0; i < 131_082; i++) lane.push(i * 4 * MS, 0, stack, 2 * MS, 1, 2 * MS);
    expect(lane.thinnings).toBe(1);
    const { waits, left, length } = intervalsOf(profile, lane, EVERYTHING, [f('loop')], false, null);
    expect([waits, left.count, waits + left.count]).toEqual([lane.rows, 131_082 - lane.rows, 131_082]);
    expect(length + left.weight).toBeCloseTo(131_082 * 2 * MS, -3);
  });
});

describe('live', () => {
  test('rows that came, what goes on, names that came late', () => {
    const made = stacks('0+5 main | loop;poll 5', OFF);
    const { profile, lane } = made;
    profile.info.durationNs = 10;
    const ask = (path: readonly FunctionRef[]) => drawn(intervalsOf(profile, lane, EVERYTHING, path, false, null).ranges, 30);
    expect(ask([f('loop')])).toBe('#####-------------------------');
    addStacks(made, '3+5 main | loop;poll 5\n12+2 main | loop;lock 2');
    expect(ask([f('loop')])).toBe('########----##----------------');
    const stack = profile.stacks.internAll([frameOf(profile, 'loop'), frameOf(profile, 'poll')]);
    profile.open = [{ lane: 0 as never, thread: 0 as ThreadId, stack, since: ns(14) }];
    profile.info.durationNs = 20;
    expect(ask([f('loop')])).toBe('########----########----------');
    expect(ask([f('loop'), f('poll')])).toBe('########------######----------');
    profile.info.durationNs = 24;
    expect(ask([f('loop')])).toBe('########----############------');
    profile.open = [];
    expect(ask([f('loop')])).toBe('########----##----------------');
    // It came late and began long ago.
    addStacks(made, '6+20 main | loop;poll 20');
    expect(ask([f('loop')])).toBe('##########################----');
    profile.frames.setFunction(frameOf(profile, 'loop'), profile.functions.intern({ name: 'train', kind: 'native' }));
    expect(ask([f('loop')])).toBe('-'.repeat(30));
    expect(ask([f('train')])).toBe('##########################----');
  });

  test('row by row it is what a plain loop over all rows says', () => {
    const profile = new Profile();
    const lane = profile.lanes[profile.addLane(OFF)];
    const paths = [['loop', 'poll'], ['loop', 'lock'], ['other']].map((path) => profile.stacks.internAll(path.map((name) => frameOf(profile, name))));
    let seed = 7;
    const random = (below: number): number => ((seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647) * below;
    const covered = new Uint8Array(60_000);
    for (let i = 0; i < 3000; i++) {
      const start = Math.floor(i * 19 + random(400)), duration = 1 + Math.floor(random(30));
      const stack = paths[Math.floor(random(3))];
      lane.push(start, 0, stack, duration, 1, duration);
      if (stack !== paths[2]) covered.fill(1, start, start + duration);
      if (i % 37 === 0) intervalsOf(profile, lane, EVERYTHING, [f('loop')], false, null);
    }
    const { ranges, length } = intervalsOf(profile, lane, EVERYTHING, [f('loop')], false, null);
    expect(length).toBe(covered.reduce((sum, one) => sum + one, 0));
    expect(ranges.every(([start, end], i) => end > start && (i === 0 || start > ranges[i - 1][1]))).toBe(true);
    const again = new Uint8Array(60_000);
    for (const [start, end] of ranges) again.fill(1, start, end);
    expect(again).toEqual(covered);
  });

  test('derived stacks: rows as far as they are known', () => {
    const { profile, lane } = stacks('0+5 main | native;poll 5\n10+5 main | native;poll 5', OFF);
    const merged = profile.stacks.internAll(['train', '__next__', 'poll'].map((name) => frameOf(profile, name)));
    const ask = () => intervalsOf(profile, lane, { transforms: [], stacks: 'merged' }, [f('train'), f('__next__')], false, null).ranges;
    lane.pushMerged(merged, true);
    expect(ask()).toEqual([[0, 5]]);
    lane.pushMerged(merged, true);
    expect(ask()).toEqual([[0, 5], [10, 15]]);
  });
});

describe('live, with derived stacks', () => {
  const open = (made: { profile: Profile }, since: number): void => {
    const stack = made.profile.stacks.internAll(['eval', 'read'].map((name) => frameOf(made.profile, name)));
    made.profile.open = [{ lane: 0 as never, thread: 0 as ThreadId, stack, since: ns(since) }];
  };
  function program(second: string): { profile: Profile; ask: () => unknown } {
    const made = stacks(`0+${20 * MS} main | eval;read ${20 * MS}\n${40 * MS}+${20 * MS} main | eval;read ${20 * MS}`, OFF);
    const { profile, lane } = made;
    for (const name of ['__next__', second]) lane.pushMerged(profile.stacks.internAll([name, 'read'].map((one) => frameOf(profile, one))), true);
    open(made, 80 * MS);
    profile.info.durationNs = 100 * MS;
    return { profile, ask: () => intervalsOf(profile, lane, { transforms: [], stacks: 'merged' }, [f('__next__')], false, null).ranges };
  }
  test('a wait that goes on is where those before it were', () => {
    expect(program('__next__').ask()).toEqual([[0, 20 * MS], [40 * MS, 60 * MS], [80 * MS, 100 * MS]]);
  });
  test('but not where they were at two places', () => {
    expect(program('settle').ask()).toEqual([[0, 20 * MS]]);
  });
});

describe('ranges', () => {
  test('of both', () => {
    expect(intersected(null, [[1, 2]])).toEqual([[1, 2]]);
    expect(intersected([[0, 10], [20, 30]], [[5, 22], [25, 26], [28, 40]])).toEqual([[5, 10], [20, 22], [25, 26], [28, 30]]);
    expect(intersected([[0, 10]], [])).toEqual([]);
  });
  test('union of intervals that touch', () => {
    expect(union(Float64Array.of(5, 0, 2), Float64Array.of(6, 2, 3))).toEqual([[0, 3], [5, 6]]);
  });
});

describe('resolve', () => {
  function two(): { profile: Profile; cpu: Lane; off: Lane; selection: Selection } {
    const { profile, lane: cpu } = stacks(`
      3 worker | worker;decode
      4 worker | worker;decode
      9 worker | worker;idle_work
      15 worker | worker;decode
      16 main | loop;step
    `);
    const off = profile.lanes[profile.addLane(OFF)];
    addStacks({ profile, lane: off }, '2+6 main | loop;__next__ 6\n12+6 main | loop;__next__ 6\n2+20 worker | worker;sleep 20');
    profile.info.durationNs = 20;
    const selection = { ...EVERYTHING, during: { lane: { kind: 'off-cpu', name: 'sched_switch' }, path: [f('loop'), f('__next__')], inverted: false, threads: null } } as const;
    return { profile, cpu, off, selection };
  }

  test('other lanes show what ran meanwhile, the own one all', () => {
    const { profile, cpu, off, selection } = two();
    expect(treeText(new CallTree(profile, cpu, resolve(profile, cpu, selection), false))).toBe(picture(`
      loop 1
        step 1 (1)
      worker 3
        decode 3 (3)
    `));
    expect(resolve(profile, off, selection)).toBe(selection);
    expect(resolve(profile, cpu, EVERYTHING)).toBe(EVERYTHING);
  });

  test('with a range: what lies in both', () => {
    const { profile, cpu, selection } = two();
    expect(resolve(profile, cpu, { ...selection, ranges: [[4, 14]] }).ranges).toEqual([[4, 8], [12, 14]]);
  });

  test('the same object until rows come, and live for half a second', () => {
    const { profile, cpu, off, selection } = two();
    const first = resolve(profile, cpu, selection);
    expect(resolve(profile, cpu, selection)).toBe(first);
    profile.info.live = true;
    addStacks({ profile, lane: off }, '100+5 main | loop;__next__ 5');
    profile.info.durationNs = 200;
    expect(resolve(profile, cpu, selection)).toBe(first);
    profile.info.durationNs = 0.6e9;
    const later = resolve(profile, cpu, selection);
    expect(later.ranges).toEqual([[2, 8], [12, 18], [100, 105]]);
    profile.info.durationNs = 5e9;
    // Nothing new was so: a tree would be the same.
    expect(resolve(profile, cpu, selection)).toBe(later);
  });

  test('a lane that is not there: nothing ran meanwhile', () => {
    const { profile, cpu, selection } = two();
    const nowhere = { ...selection, during: { ...selection.during, lane: { kind: 'gpu-idle', name: 'x' } } } as const;
    expect(resolve(profile, cpu, nowhere as unknown as Selection).ranges).toEqual([]);
    expect(duringOf(profile, EVERYTHING)).toBe(null);
  });
});

describe('moments of held memory', () => {
  const { profile, lane } = stacks(`
    10 | load 100
    20 | train;cache 50
    30 worker | decode 70
  `, { kind: 'memory', unit: 'bytes', name: 'heaptrack held' });
  lane.add({ time: ns(40), thread: 0 as ThreadId, stack: profile.stacks.internAll([frameOf(profile, 'load')]), weight: -100 });
  profile.info.durationNs = 100;
  const at = (part: Partial<Selection>): string => treeText(new CallTree(profile, lane, resolve(profile, lane, { ...EVERYTHING, ...part }), false)).replaceAll('\n', ', ');

  test('what grew, what was held at the end, and at the peak', () => {
    expect(at({ ranges: [[15, 35]], moment: 'grown' })).toBe('decode 70 (70), train 50,   cache 50 (50)');
    expect(at({ ranges: [[15, 25]], moment: 'held' })).toBe('load 100 (100), train 50,   cache 50 (50)');
    expect(at({ ranges: [[15, 25]] })).toBe(at({ ranges: [[15, 25]], moment: 'held' }));
    expect(at({ moment: 'peak' })).toBe('decode 70 (70), load 100 (100), train 50,   cache 50 (50)');
    expect(at({ ranges: [[12, 45]], moment: 'peak', threads: [0] })).toBe('load 100 (100), train 50,   cache 50 (50)');
  });
  test('the same object while nothing changed; other lanes take no moment', () => {
    const selection = { ...EVERYTHING, moment: 'peak' } as const;
    expect(resolve(profile, lane, selection)).toBe(resolve(profile, lane, selection));
    const { profile: other, lane: cpu } = stacks('main 1');
    expect(resolve(other, cpu, selection)).toBe(selection);
  });
});

describe('cost', () => {
  test('a hundred thousand intervals, row by row', () => {
    const profile = new Profile();
    const lane = profile.lanes[profile.addLane(OFF)];
    const stack: StackId = profile.stacks.internAll([frameOf(profile, 'loop')]);
    for (let i = 0; i < 100_000; i++) {
      lane.push(i * 100, 0, stack, 50, 1, 50);
      if (i % 5000 === 0) intervalsOf(profile, lane, EVERYTHING, [f('loop')], false, null);
    }
    expect(intervalsOf(profile, lane, EVERYTHING, [f('loop')], false, null).ranges.length).toBe(100_000);
  });
});
