import { describe, expect, test } from 'vitest';
import { CallTree } from '#core/analyze/call-tree';
import { functionRow, functionsTable } from '#core/analyze/functions';
import { formatPercent, formatWeight } from '#core/analyze/format';
import type { PaneValue, Selection, ViewValue } from '#core/analyze/view';
import { EVERYTHING, FIRST_VIEW } from '#core/analyze/view';
import type { LaneKind } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import type { LaneStatus } from '#core/protocol/api';
import { cardFoot, cardRow, countOf } from '../../../renderer/views/flame/card.ts';
import { reasonOfNode, reasonsOf } from '../../../renderer/views/flame/reasons.ts';
import { isMeasure, measureTitle, measures } from '../../../renderer/views/recording/measures.ts';
import { SeenThreads, threadsLabel } from '../../../renderer/views/recording/seen-threads.ts';
import { arrange, firstPane, focusOf, kindsToShow, laneChoices, laneOfPane, mostPanes, panesOf, panesShown, selectionOf, withPane, withPanes } from '../../../renderer/views/recording/panes.ts';
import { addStacks, stacks } from '../../support/stacks.ts';

/** CPU, waiting, memory and the GPU, in one profile. */
function four(): Profile {
  const { profile } = stacks('main;load;jpeg 300\nmain;load;open 100\nmain;train;load 200\nhelper 400', { name: 'cpu-clock', source: 'perf 99 Hz' });
  const add = (kind: LaneKind, name: string, unit: 'ns' | 'bytes' | 'count', text: string, intervals = false) => {
    const lane = profile.lanes[profile.addLane({ kind, name, unit, intervals })];
    addStacks({ profile, lane }, text);
  };
  add('off-cpu', 'sched', 'ns', '0+900 | main;load;disk: folio_wait_bit ~marker 900\n0+100 | main;train;lock: futex_do_wait ~marker 100', true);
  add('memory', 'heaptrack', 'bytes', 'main;load 4096/2\nmain 4096/1');
  add('memory', 'heaptrack held', 'bytes', 'main;load 1024');
  add('faults', 'page-faults', 'count', 'main;load 64');
  add('cuda', 'nsys', 'ns', 'main;train;kernel ~cuda 500');
  return profile;
}

const status = (kind: LaneKind, state: LaneStatus['state'], asked = true): LaneStatus => ({ kind, state, asked, profilers: [], text: '', command: '', switchable: false });
const kinds = (panes: readonly PaneValue[]) => panes.map((pane) => pane.kind).join(' ');

describe('which panes a view has', () => {
  test('one for each lane that is there, in their order', () => {
    const profile = four();
    expect(kinds(panesOf(FIRST_VIEW, profile, []))).toBe('cpu off-cpu memory cuda');
    expect(focusOf(FIRST_VIEW, panesOf(FIRST_VIEW, profile, []), profile)).toBe(0);
  });

  test('a file of one lane is one graph of the view\'s own fields', () => {
    const { profile } = stacks('main;a 1');
    const view: ViewValue = { ...FIRST_VIEW, inverted: true, zoom: [{ name: 'main', file: '', library: '' }] };
    expect(panesOf(view, profile, [])).toEqual([{ kind: 'cpu', lane: null, inverted: true, zoom: view.zoom, selected: [] }]);
  });

  test('what was asked for has a pane before anything of it came, also where it cannot run', () => {
    const { profile } = stacks('main;a 1');
    const lanes = [status('cpu', 'on'), status('off-cpu', 'starting'), status('cuda', 'none'), status('memory', 'off', false)];
    expect(kindsToShow(profile, lanes)).toEqual(['cpu', 'off-cpu', 'cuda']);
    expect(kindsToShow(profile, [status('cpu', 'on'), status('off-cpu', 'none', false)])).toEqual(['cpu']);
  });

  test('a view that names a lane and no panes is that one graph', () => {
    const view: ViewValue = { ...FIRST_VIEW, lane: { kind: 'off-cpu', name: 'sched' } };
    expect(kinds(panesOf(view, four(), []))).toBe('off-cpu');
  });

  test('what was done to the one graph stays with it when others come', () => {
    const profile = four();
    const zoom = [{ name: 'main', file: '', library: '' }];
    const panes = panesOf({ ...FIRST_VIEW, zoom }, profile, []);
    expect(panes.map((pane) => pane.zoom.length)).toEqual([1, 0, 0, 0]);
    // The others are the same objects each time: nothing of theirs is worked out anew.
    expect(panesOf({ ...FIRST_VIEW, zoom }, profile, [])[1]).toBe(panes[1]);
  });

  test('the view\'s own fields follow the pane with the focus', () => {
    const profile = four();
    const panes = panesOf(FIRST_VIEW, profile, []);
    const zoom = [{ name: 'main', file: '', library: '' }];
    const changed = withPane(withPanes(FIRST_VIEW, panes, 1), panes, 1, 1, { zoom, inverted: true });
    expect(changed).toMatchObject({ focus: 1, zoom, inverted: true });
    expect(changed.panes?.[1]).toMatchObject({ kind: 'off-cpu', zoom, inverted: true });
    const other = withPane(changed, changed.panes ?? [], 1, 2, { zoom: [] });
    expect(other.zoom).toBe(zoom);
    expect(focusOf({ ...changed, focus: 3, panes: changed.panes?.slice(0, 2) ?? [] }, panes.slice(0, 2), profile)).toBe(1);
  });

  test('one graph alone stays the view\'s own fields, unless it has threads of its own', () => {
    const one = [firstPane('cpu')];
    expect(withPane(FIRST_VIEW, one, 0, 0, { inverted: true })).toEqual({ ...FIRST_VIEW, inverted: true });
    expect(withPane(FIRST_VIEW, one, 0, 0, { threads: [3] }).panes).toEqual([{ ...firstPane('cpu'), threads: [3] }]);
  });

  test('the wide one alone; two where the window is low: the focused and its neighbour', () => {
    expect(panesShown(4, 2, true, 4)).toEqual([2]);
    expect(panesShown(4, 2, false, 4)).toEqual([0, 1, 2, 3]);
    expect(panesShown(4, 2, false, 2)).toEqual([2, 3]);
    expect(panesShown(4, 1, false, 2)).toEqual([0, 1]);
    expect(panesShown(3, 2, false, 2)).toEqual([1, 2]);
    expect(mostPanes(1024, 200)).toBe(2);
    expect(mostPanes(1024, 241)).toBe(4);
  });

  test('a split pane shows its threads, of those that the tab has', () => {
    const selection: Selection = { ...EVERYTHING, threads: [1, 2, 3] };
    expect(selectionOf(selection, undefined, undefined)).toBe(selection);
    expect(selectionOf(selection, [2, 7], undefined).threads).toEqual([2]);
    expect(selectionOf(EVERYTHING, [2, 7], 'peak')).toEqual({ ...EVERYTHING, threads: [2, 7], moment: 'peak' });
  });
});

describe('where panes stand', () => {
  const text = (count: number, width: number, height: number) => arrange(count, width, height, 0.5, 0.5).panes.map((rect) => `${rect.x},${rect.y} ${rect.width}x${rect.height}`).join(' | ');

  test('they touch, parted by lines of 1 px', () => {
    expect(text(1, 1000, 600)).toBe('0,0 1000x600');
    expect(text(2, 1001, 600)).toBe('0,0 501x600 | 502,0 499x600');
    expect(text(3, 1001, 601)).toBe('0,0 501x301 | 502,0 499x301 | 0,302 1001x299');
    expect(text(4, 1001, 601)).toBe('0,0 501x301 | 502,0 499x301 | 0,302 501x299 | 502,302 499x299');
    expect(text(2, 400, 600)).toBe('0,0 400x300 | 0,301 400x299');
  });

  test('every pixel is a pane\'s or a line\'s; no pane is smaller than 240 x 120', () => {
    for (const count of [2, 3, 4]) {
      for (const part of [0, 0.02, 0.4, 0.98, 1]) {
        const { panes, upright, level } = arrange(count, 1440, 480, part, part);
        const lines = [upright, level].filter((line) => line !== null);
        const area = [...panes, ...lines].reduce((sum, rect) => sum + rect.width * rect.height, 0);
        // Where the lines cross, one pixel is counted twice.
        expect(area).toBe(1440 * 480 + (count === 4 ? 1 : 0));
        for (const rect of panes) expect(rect.width >= 240 && rect.height >= 120).toBe(true);
      }
    }
  });
});

describe('lanes of a pane', () => {
  test('any lane can be put into any pane', () => {
    const profile = four();
    const choices = laneChoices(profile, profile.lanes, [status('cpu', 'on')]);
    expect(choices.map((choice) => choice.title)).toEqual(['CPU', 'Off-CPU', 'Memory', 'CUDA']);
    expect(laneOfPane(profile, 'memory', null)?.name).toBe('heaptrack');
    expect(laneOfPane(profile, 'memory', { kind: 'faults', name: 'page-faults' })?.kind).toBe('faults');
    expect(laneOfPane(profile, 'gpu-idle', null)).toBeNull();
  });

  test('threads that were preempted are a lane to be chosen, never the waiting one by itself', () => {
    const { profile } = stacks('main;a 1');
    const preempted = profile.lanes[profile.addLane({ kind: 'off-cpu', unit: 'ns', name: 'preempted', intervals: true })];
    addStacks({ profile, lane: preempted }, '0+5 | main;preempted ~marker 5');
    expect(laneOfPane(profile, 'off-cpu', null)).toBeNull();
    expect(laneOfPane(profile, 'off-cpu', { kind: 'off-cpu', name: 'preempted' })).toBe(preempted);
    expect(laneChoices(profile, profile.lanes, []).map((choice) => choice.title)).toEqual(['CPU', 'Off-CPU', 'Preempted']);
    const waiting = profile.lanes[profile.addLane({ kind: 'off-cpu', unit: 'ns', name: 'sched', intervals: true })];
    expect(laneOfPane(profile, 'off-cpu', null)).toBe(waiting);
  });

  test('memory has its measures, and page faults', () => {
    const profile = four();
    const list = measures(profile);
    expect(list.map((one) => one.title)).toEqual(['Allocated', 'Grew', 'Held at the end', 'Held at peak', 'Page faults']);
    const held = profile.lane('memory', 'heaptrack held');
    expect(list.filter((one) => isMeasure(one, profile, held, undefined)).map((one) => one.title)).toEqual(['Held at the end']);
    expect(list.filter((one) => isMeasure(one, profile, held, 'grown')).map((one) => one.title)).toEqual(['Grew']);
    expect(measureTitle(profile, profile.lane('faults'), undefined)).toBe('Page faults');
    expect(measureTitle(profile, profile.lane('cpu'), undefined)).toBeNull();
  });
});

describe('the card', () => {
  test('says of each lane what its table says', () => {
    const profile = four();
    for (const lane of profile.lanes) {
      for (const inverted of [false, true]) {
        const tree = new CallTree(profile, lane, EVERYTHING, inverted);
        const table = functionsTable(tree);
        for (let fn = 0; fn < profile.functions.length; fn++) {
          const row = table.find((one) => one.fn === fn) ?? null;
          expect(functionRow(tree, fn)).toEqual(row);
          const card = cardRow({ kind: lane.kind, title: '', tree, row: functionRow(tree, fn) });
          if (row === null) expect(card).toMatchObject({ total: '–', percent: '–', self: '–', share: 0 });
          else expect(card).toMatchObject({ total: formatWeight(row.total, lane.unit), percent: formatPercent(row.total / tree.total) });
        }
      }
    }
  });

  test('recursion counts once', () => {
    const { profile, lane } = stacks('walk;walk;leaf 10\nmain;walk 20\nmain 30');
    const tree = new CallTree(profile, lane, EVERYTHING, false);
    const fn = profile.functions.intern({ name: 'walk', kind: 'native' });
    expect(functionRow(tree, fn)).toMatchObject({ total: 30, self: 20, boxes: 3 });
  });

  test('its foot says what the numbers rest on', () => {
    const profile = four();
    const foot = (kind: LaneKind, name: string) => {
      const lane = profile.lane(kind);
      if (lane === null) throw new Error(`no ${kind}`);
      const tree = new CallTree(profile, lane, EVERYTHING, false);
      const row = functionsTable(tree).find((one) => profile.functions.nameOf(one.fn) === name) ?? null;
      return cardFoot({ kind, title: '', tree, row }, true);
    };
    expect(foot('cpu', 'load')).toMatch(/^3 CPU samples, ± \d+\.\d points$/);
    expect(foot('off-cpu', 'load')).toBe('1 wait, exact');
    expect(foot('memory', 'load')).toBe('2 allocations, exact');
    const faults = profile.lane('faults');
    expect(faults === null ? '' : countOf(faults, 1234)).toBe('1\u2009234 samples');
  });

  test('reasons of waiting, longest first; a tip knows its own', () => {
    const profile = four();
    const lane = profile.lane('off-cpu');
    if (lane === null) throw new Error('no waiting');
    const tree = new CallTree(profile, lane, EVERYTHING, false);
    expect(reasonsOf(tree).map((row) => `${row.reason} ${row.total}`)).toEqual(['disk 900', 'lock 100']);
    const node = tree.nodeOf(['main', 'load', 'disk: folio_wait_bit'].map((name) => ({ name, file: '', library: '' })));
    expect(reasonOfNode(tree, node)).toBe('disk');
    expect(reasonOfNode(tree, tree.parent(node))).toBeNull();
  });
});

test('threads are counted as rows come, of all lanes, and once', () => {
  const { profile, lane } = stacks('a | main 1\nb | main 1');
  const seen = new SeenThreads(profile);
  expect(seen.count()).toBe(2);
  addStacks({ profile, lane }, 'b | main 1\nc | main 1');
  const off = profile.lanes[profile.addLane({ kind: 'off-cpu', unit: 'ns', name: 'sched', intervals: true })];
  addStacks({ profile, lane: off }, '0+5 a | main 5\n0+5 d | main 5');
  expect(seen.count()).toBe(4);
  expect(threadsLabel(null, 4, String)).toBe('All 4 threads');
  expect(threadsLabel([2], 4, (row) => `thread ${row}`)).toBe('thread 2');
  expect(threadsLabel([1, 2], 4, String)).toBe('2 of 4 threads');
});
