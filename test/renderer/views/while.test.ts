import { describe, expect, test } from 'vitest';
import { CallTree } from '#core/analyze/call-tree';
import { resolve } from '#core/analyze/resolve';
import type { Selection, ViewValue } from '#core/analyze/view';
import { EVERYTHING, FIRST_VIEW } from '#core/analyze/view';
import type { LaneFacts } from '#core/model/lane';
import type { Stacks } from '../../support/stacks.ts';
import { addStacks, stacks, treeText } from '../../support/stacks.ts';
import { duringOfBox, endWhile, startWhile, whileText, whyNoWhile } from '../../../renderer/views/recording/while.ts';

const OFF: Partial<LaneFacts> = { kind: 'off-cpu', unit: 'ns', name: 'sched_switch', intervals: true };
const MS = 1e6;

class Owner {
  view: ViewValue;
  constructor(selection: Partial<Selection> = {}) {
    this.view = { ...FIRST_VIEW, selection: { ...EVERYTHING, ...selection } };
  }
  change(part: Partial<ViewValue>): void {
    this.view = { ...this.view, ...part };
  }
}

/** Main waits in `__next__` twice, for a lock once; its worker decodes in between and shuffles otherwise. */
function program(): Stacks & { readonly cpu: Stacks } {
  const off = stacks(`
    ${10 * MS}+${20 * MS} main  | loop;__next__;read;pipe, socket: pipe_read ~marker ${20 * MS}
    ${50 * MS}+${10 * MS} main  | loop;__next__;read;pipe, socket: pipe_read ~marker ${10 * MS}
    ${80 * MS}+${5 * MS} main   | loop;step;lock: futex_do_wait ~marker ${5 * MS}
    ${0}+${90 * MS} other       | idle;read;pipe, socket: pipe_read ~marker ${90 * MS}
    ${40 * MS}+${8 * MS} main   | loop;__next__;read;pipe, socket: pipe_read ~marker ${2 * MS}/7
  `, OFF);
  const { profile } = off;
  const cpu = { profile, lane: profile.lanes[profile.addLane({ kind: 'cpu', unit: 'ns', name: 'cpu-clock' })] };
  addStacks(cpu, [15, 20, 25, 55].map((at) => `${at * MS} worker | decode 10`).concat([35, 70, 75].map((at) => `${at * MS} worker | shuffle 10`)).join('\n'));
  profile.info.durationNs = 100 * MS;
  return { ...off, cpu };
}

function box(tree: CallTree, ...names: string[]): number {
  return tree.nodeOf(names.map((name) => ({ name, file: '', library: '' })));
}

describe('w on a box', () => {
  test('the other lanes show what ran meanwhile, of all threads', () => {
    const { profile, lane, cpu } = program();
    const owner = new Owner({ threads: [0] });
    const tree = new CallTree(profile, lane, owner.view.selection, false);
    startWhile(owner, tree, box(tree, 'loop', '__next__'));
    expect([owner.view.selection.threads, owner.view.selection.during?.threads]).toEqual([null, [0]]);
    expect(treeText(new CallTree(profile, cpu.lane, resolve(profile, cpu.lane, owner.view.selection), false))).toBe('decode 40 (40)');
    endWhile(owner);
    expect(owner.view.selection).toEqual({ ...EVERYTHING, threads: [0] });
  });

  test('the box stays the one that it was when transforms and stacks change', () => {
    const { profile, lane, cpu } = program();
    const owner = new Owner();
    const tree = new CallTree(profile, lane, owner.view.selection, false);
    startWhile(owner, tree, box(tree, 'loop', '__next__'));
    owner.change({ selection: { ...owner.view.selection, transforms: [{ kind: 'merge', fn: { name: 'loop', file: '', library: '' } }] } });
    expect(treeText(new CallTree(profile, cpu.lane, resolve(profile, cpu.lane, owner.view.selection), false))).toBe('decode 40 (40)');
  });

  test('leaves first', () => {
    const { profile, lane, cpu } = program();
    const owner = new Owner();
    const tree = new CallTree(profile, lane, owner.view.selection, true);
    startWhile(owner, tree, box(tree, 'lock: futex_do_wait'));
    expect(whileText(profile, owner.view.selection)).toMatchObject({ text: 'while a thread waits (lock)', length: '5.00 ms in 1 span' });
    expect(treeText(new CallTree(profile, cpu.lane, resolve(profile, cpu.lane, owner.view.selection), false))).toBe('');
  });

  test('a process is its threads', () => {
    const { profile, lane } = program();
    const tree = new CallTree(profile, lane, { ...EVERYTHING, processes: [0] }, false);
    expect(duringOfBox(tree, box(tree, 'loop')).threads).toEqual([0, 1, 2]);
  });

  test('only where there are intervals', () => {
    const { profile, cpu } = program();
    const tree = new CallTree(profile, cpu.lane, EVERYTHING, false);
    const owner = new Owner();
    expect(whyNoWhile(tree, box(tree, 'decode'))).toBe('only waiting and GPU idle time have a while');
    expect(whyNoWhile(null, 3)).toBe('no box is chosen');
    startWhile(owner, tree, box(tree, 'decode'));
    endWhile(owner);
    expect(owner.view.selection).toEqual(EVERYTHING);
  });
});

describe('the chip', () => {
  const { profile, lane } = program();
  const tree = new CallTree(profile, lane, EVERYTHING, false);
  const says = (...names: string[]) => whileText(profile, { ...EVERYTHING, during: duringOfBox(tree, box(tree, ...names)) });

  test('who waits, how long, and what was left out', () => {
    expect(says('loop', '__next__')).toEqual({
      text: 'while __next__ waits', length: '30 ms in 2 spans',
      more: 'Other lanes show only what ran while __next__ waits: 30 ms in 2 spans, of 2 waits. 7 more waits, 2.00 ms in all, were too short to be kept one by one and are left out.',
    });
  });
  test('the reason at the tip', () => {
    expect(says('loop', 'step', 'lock: futex_do_wait')?.text).toBe('while step waits (lock)');
    expect(says('loop', '__next__', 'read', 'pipe, socket: pipe_read')?.text).toBe('while read waits (pipe, socket)');
  });
  test('nothing so far, and no such thing', () => {
    expect(whileText(profile, EVERYTHING)).toBe(null);
    const nowhere = { ...EVERYTHING, during: { ...duringOfBox(tree, box(tree, 'loop')), path: [{ name: 'gone', file: '', library: '' }] } };
    expect(whileText(profile, nowhere)).toMatchObject({ text: 'while gone waits', length: 'never so far' });
  });
  test('long names of C++ are short', () => {
    const made = stacks(`0+5 main | at::native::(anonymous namespace)::a_function_with_a_very_long_name<float, int>(x) 5`, OFF);
    const one = new CallTree(made.profile, made.lane, EVERYTHING, false);
    expect(whileText(made.profile, { ...EVERYTHING, during: duringOfBox(one, 0) })?.text).toBe('while a_function_with_a_very_long… waits');
  });
});

