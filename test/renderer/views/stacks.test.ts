import { describe, expect, test } from 'vitest';
import { CallTree } from '#core/analyze/call-tree';
import { EVERYTHING, FIRST_VIEW } from '#core/analyze/view';
import type { Selection } from '#core/analyze/view';
import { captionOf, laneOf, mergedText, sourceText, usualLane } from '#core/analyze/words';
import type { Lane } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import { buttonOf, choicesOf, lanesShown, stackChoice, withStacks } from '../../../renderer/views/recording/stacks.ts';
import { stacks } from '../../support/stacks.ts';

/** perf's lane of 4 rows, 3 of them merged, an off-CPU lane, and py-spy's lane. */
function recorded(merged: boolean): { profile: Profile; perf: Lane; python: Lane; off: Lane } {
  const { profile, lane: perf } = stacks('main;a\nmain;b\nmain;c\nmain;d', { name: 'cpu-clock', source: 'perf 99 Hz' });
  const off = profile.lanes[profile.addLane({ kind: 'off-cpu', unit: 'ns', name: 'sched' })];
  const python = profile.lanes[profile.addLane({ kind: 'cpu', unit: 'ns', name: 'py-spy', source: 'py-spy 100 Hz' })];
  python.push(0, 0, 0, 1);
  if (merged) for (let i = 0; i < 4; i++) perf.pushMerged(i, i < 3);
  return { profile, perf, python, off };
}

describe('one CPU lane of two profilers', () => {
  test('is one button, and shows Python and native together first', () => {
    const { profile, perf, python, off } = recorded(true);
    expect(lanesShown(profile)).toEqual([perf, off]);
    expect(usualLane(profile)).toBe(perf);
    expect(laneOf(profile, FIRST_VIEW)).toBe(perf);
    expect(buttonOf(profile, python)).toBe(perf);
    expect(stackChoice(profile, perf, EVERYTHING)).toBe('merged');
    expect(stackChoice(profile, off, EVERYTHING)).toBeNull();
    expect(choicesOf(profile, perf).map((choice) => choice.text)).toEqual(['Python + native', 'Python', 'Native']);
  });

  test('every choice leads to what it says, and keeps the rest of the selection', () => {
    const { profile, perf, python } = recorded(true);
    const selection: Selection = { ...EVERYTHING, ranges: [[1, 2]], threads: [0] };
    const native = withStacks(profile, perf, selection, 'native');
    expect(native).toEqual({ lane: { kind: 'cpu', name: 'cpu-clock' }, selection: { ...selection, stacks: 'own' } });
    expect(stackChoice(profile, perf, native.selection)).toBe('native');
    const alone = withStacks(profile, perf, native.selection, 'python');
    expect(alone).toEqual({ lane: { kind: 'cpu', name: 'py-spy' }, selection });
    expect(stackChoice(profile, python, alone.selection)).toBe('python');
    expect(withStacks(profile, python, alone.selection, 'merged')).toEqual({ lane: { kind: 'cpu', name: 'cpu-clock' }, selection });
  });

  test('says how well the two agree, rounded down', () => {
    const { profile, perf, python } = recorded(true);
    const tree = (selection: Selection) => new CallTree(profile, perf, selection, false);
    expect(sourceText(profile, tree(EVERYTHING))).toBe('perf 99 Hz + py-spy 100 Hz, 75 % of Python samples merged');
    expect(sourceText(profile, tree({ ...EVERYTHING, stacks: 'own' }))).toBe('perf 99 Hz');
    profile.info.host = 'gpu-07';
    profile.info.commit = '3f2a91c55';
    profile.info.startedAt = new Date(2026, 10, 22).getTime();
    const caption = (letters: number): string => captionOf(profile, tree(EVERYTHING), (text) => text.length <= letters);
    expect(caption(200)).toBe('perf 99 Hz + py-spy 100 Hz, 75 % of Python samples merged, 4 samples · gpu-07 · 3f2a91c · 22 Nov 2026');
    expect(caption(80)).toBe('perf 99 Hz and py-spy 100 Hz, 4 samples · gpu-07 · 3f2a91c · 22 Nov 2026');
    perf.source = 'perf 99 Hz, cpu-clock, copied stacks of 8 KB';
    python.source = 'py-spy 99 Hz';
    expect(caption(80)).toBe('perf and py-spy, 99 Hz, 4 samples · gpu-07 · 3f2a91c · 22 Nov 2026');
    expect(caption(50)).toBe('perf and py-spy, 99 Hz, 4 samples · 22 Nov 2026');
    perf.pythonMerged = 999;
    expect(mergedText(perf)).toBe('99 % of Python samples merged');
  });

  test('merged stacks come first where most of Python is in them', () => {
    const { profile, perf, python } = recorded(true);
    perf.pythonMerged = 6;
    perf.pythonUnmerged = 4;
    expect(laneOf(profile, FIRST_VIEW)).toBe(perf);
    perf.pythonUnmerged = 5;
    expect(laneOf(profile, FIRST_VIEW)).toBe(python);
    expect(laneOf(profile, { ...FIRST_VIEW, lane: { kind: 'cpu', name: 'cpu-clock' } })).toBe(perf);
    // Nothing but these stacks knows of Python.
    python.clear();
    expect(laneOf(profile, FIRST_VIEW)).toBe(perf);
  });

  test('a live picture decides once, at 50 Python samples', () => {
    const { profile, perf, python } = recorded(true);
    profile.info.live = true;
    const at = (merged: number, unmerged: number): Lane | null => {
      perf.pythonMerged = merged;
      perf.pythonUnmerged = unmerged;
      return laneOf(profile, FIRST_VIEW);
    };
    expect(at(1, 40)).toBe(perf);
    expect(at(20, 31)).toBe(python);
    expect(at(900, 31)).toBe(python);
    profile.info.live = false;
    expect(at(900, 31)).toBe(perf);
    const other = recorded(true);
    other.profile.info.live = true;
    other.perf.pythonMerged = 50;
    expect(laneOf(other.profile, FIRST_VIEW)).toBe(other.perf);
    other.perf.pythonUnmerged = 500;
    expect(laneOf(other.profile, FIRST_VIEW)).toBe(other.perf);
  });

  test('without merged stacks they are two lanes, and Python\'s comes first', () => {
    const { profile, perf, python, off } = recorded(false);
    expect(lanesShown(profile)).toEqual([perf, off, python]);
    expect(laneOf(profile, FIRST_VIEW)).toBe(python);
    expect(stackChoice(profile, perf, EVERYTHING)).toBeNull();
    expect(stackChoice(profile, python, EVERYTHING)).toBeNull();
  });
});
