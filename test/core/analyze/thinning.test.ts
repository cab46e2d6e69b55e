import { expect, test } from 'vitest';
import { CallTree } from '#core/analyze/call-tree';
import { EVERYTHING } from '#core/analyze/view';
import { NO_STACK } from '#core/model/ids';
import { Profile } from '#core/model/profile';

test('a tree of a lane that thins itself keeps every weight, whole and in a range', () => {
  const profile = new Profile();
  const lane = profile.lanes[profile.addLane({ kind: 'cpu', unit: 'ns', name: 'x' }, 200_000)];
  const stacks = Array.from({ length: 50 }, (_, i) => profile.stacks.intern(NO_STACK, profile.frames.source(profile.functions.intern({ name: `f${i}`, kind: 'native' }))));
  const tree = new CallTree(profile, lane, EVERYTHING, false);
  const range = new CallTree(profile, lane, { ...EVERYTHING, ranges: [[0, 1e9]] }, false);
  for (let i = 0; i < 500_000; i++) {
    lane.push(i * 1000, 0, stacks[i % 50], 10);
    if (i % 30_000 === 0) tree.update();
  }
  tree.update();
  range.update();
  expect(lane.thinnings).toBeGreaterThan(1);
  expect([tree.total, tree.samples]).toEqual([5_000_000, 500_000]);
  expect([range.total, range.samples]).toEqual([5_000_000, 500_000]);
  const fresh = new CallTree(profile, lane, EVERYTHING, false);
  for (let node = 0; node < fresh.length; node++) expect(tree.totalOf(node)).toBe(fresh.totalOf(node));
});
