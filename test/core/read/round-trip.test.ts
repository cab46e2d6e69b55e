// What is written is read back: same trees, threads, files, lines, units.
import { expect, test } from 'vitest';
import type { ViewValue } from '#core/analyze/view';
import { FIRST_PICTURE, FIRST_VIEW } from '#core/analyze/view';
import { folded, speedscope } from '#core/write/index';
import { read, tree } from './reading.ts';
import { sharedData, textOf } from './shared-data.ts';

const PERF = [
  'train 10/11 [003] 1.0: 250 cpu-clock: ', '\tff leaf (/lib/x.so)', '\tfe main (/bin/train)', '',
  'train 10/11 [003] 2.0: 250 cpu-clock: ', '\tff other (/lib/x.so)', '\tfe main (/bin/train)', '',
  'V8 Worker 10/12 [003] 3.0: 100 cpu-clock: ', '\tff main (/bin/train)', '',
].join('\n');

function write(view: Partial<ViewValue>, what = folded, input: string | Uint8Array = PERF): string {
  return textOf(what.write(read(input, 'x.txt').profile, { ...FIRST_VIEW, ...view }, FIRST_PICTURE));
}

test('folded: the thread is the root, the selection is kept, leaf first where inverted', () => {
  expect(write({})).toBe('V8_Worker;main 100\ntrain;main;leaf 250\ntrain;main;other 250\n');
  expect(write({ selection: { ...FIRST_VIEW.selection, threads: [0] } })).toBe('train;main;leaf 250\ntrain;main;other 250\n');
  expect(write({ selection: { ...FIRST_VIEW.selection, ranges: [[5e8, 1.5e9]] } })).toBe('train;main;other 250\n');
  expect(write({ inverted: true })).toBe('leaf;main;train 250\nmain;V8_Worker 100\nother;main;train 250\n');
  expect(write({ selection: { ...FIRST_VIEW.selection, transforms: [{ kind: 'drop', fn: { name: 'leaf', file: '', library: 'x.so' } }] } })).not.toContain('leaf');
});

test('folded text goes out as it came in', () => {
  const text = 'a;b;c 2.5\na;sys_[k] 1\nmain;f_[j];g_[i] 7\n';
  expect(write({}, folded, text)).toBe(text);
  const python = 'MainThread;<module> (/x/run.py);f (/x/run.py) 21\n';
  expect(write({}, folded, python)).toBe(python);
});

test('speedscope: read back it is the same', () => {
  for (const input of [PERF, 'thread (12): MainThread;<module> (/x/run.py:59);f (/x/run.py:3) 21\n', 'a;b 2.5\n']) {
    const before = read(input, 'x').profile;
    const { profile, format } = read(textOf(speedscope.write(before, FIRST_VIEW, FIRST_PICTURE)), 'x.speedscope.json');
    expect(format.id).toBe('speedscope');
    expect(tree(profile)).toBe(tree(before));
    expect([...profile.frames.line.view()].sort()).toEqual([...before.frames.line.view()].sort());
    expect(profile.lanes[0].unit).toBe(before.lanes[0].unit);
    if (before.threads.length > 0) {
      expect(profile.threads.nameOf(0 as never)).toBe(before.threads.nameOf(0 as never));
      expect(profile.threads.tid.get(0)).toBe(before.threads.tid.get(0));
    }
  }
});

test('speedscope: of others, twice through', () => {
  const bytes = sharedData('others/py-spy/cs336-bpe/profile.speedscope.json');
  if (bytes === null) return;
  const first = read(bytes, 'x.json').profile;
  const text = textOf(speedscope.write(first, FIRST_VIEW, FIRST_PICTURE));
  const json = JSON.parse(text) as { shared: { frames: unknown[] }; profiles: { samples: number[][]; weights: number[]; endValue: number }[] };
  for (const profile of json.profiles) {
    expect(profile.samples.length).toBe(profile.weights.length);
    for (const stack of profile.samples) for (const frame of stack) expect(frame).toBeLessThan(json.shared.frames.length);
  }
  expect(tree(read(text, 'x.json').profile)).toBe(tree(first));
});
