import { describe, expect, test } from 'vitest';
import { CallTree } from '#core/analyze/call-tree';
import { EVERYTHING, FIRST_VIEW } from '#core/analyze/view';
import type { Selection } from '#core/analyze/view';
import { laneOf, mergedText, sourceText, usualLane } from '#core/analyze/words';
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
    const { profile, perf } = recorded(true);
    const tree = (selection: Selection) => new CallTree(profile, perf, selection, false);
    expect(sourceText(profile, tree(EVERYTHING))).toBe('perf 99 Hz + py-spy 100 Hz, 75 % of Python samples merged');
    expect(sourceText(profile, tree({ ...EVERYTHING, stacks: 'own' }))).toBe('perf 99 Hz');
    perf.pythonMerged = 999;
    expect(mergedText(perf)).toBe('99 % of Python samples merged');
  });

  test('without merged stacks they are two lanes, and Python\'s comes first', () => {
    const { profile, perf, python, off } = recorded(false);
    expect(lanesShown(profile)).toEqual([perf, off, python]);
    expect(laneOf(profile, FIRST_VIEW)).toBe(python);
    expect(stackChoice(profile, perf, EVERYTHING)).toBeNull();
    expect(stackChoice(profile, python, EVERYTHING)).toBeNull();
  });
});
