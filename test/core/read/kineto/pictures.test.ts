// A large trace shows a picture before it is read to its end, and the same one in the end as if it had come at once. What a page that
// follows by deltas has is what the decoder has.
import { expect, test } from 'vitest';
import { Profile } from '#core/model/profile';
import { applyDelta, startCursor, takeDelta } from '#core/model/delta';
import { kineto } from '#core/read/kineto/format';
import type { Event } from './making.ts';
import { everything, gpu, slice, trace } from './making.ts';

const PADDING = 'x'.repeat(4000);

/** About 20 MB: operators first, then launches and their kernels. */
function large(): string {
  const events: Event[] = [];
  const steps = 2400;
  for (let i = 0; i < steps; i++) events.push(slice('cpu_op', 'aten::mm', i * 100, 80, { 'External id': i + 1, padding: PADDING }));
  for (let i = 0; i < steps; i++) {
    events.push(slice('cuda_runtime', 'cudaLaunchKernel', i * 100 + 10, 20, { correlation: i + 1, padding: PADDING }));
    events.push(gpu('kernel', i % 2 === 0 ? 'even' : 'odd', i * 100 + 40, 50, { correlation: i + 1 }));
  }
  return trace(events);
}

test('first picture before the end; the page follows', () => {
  const bytes = new Uint8Array(Buffer.from(large()));
  const context = { name: 'x.json', openFile: () => null, inflater: () => { throw new Error('nothing is packed'); } };
  const profile = new Profile();
  const page = new Profile();
  let cursor = startCursor();
  const follow = (): void => {
    for (;;) {
      const { bytes: delta, cursor: next, empty } = takeDelta(profile, cursor);
      if (empty) return;
      applyDelta(page, delta);
      cursor = next;
    }
  };
  const decoder = kineto.open(profile, context);
  let early = -1;
  for (let at = 0; at < bytes.length; at += 1 << 16) {
    decoder.push(bytes.subarray(at, at + (1 << 16)));
    if (early < 0 && profile.lanes.some((lane) => lane.rows > 0)) {
      early = at;
      follow();
      expect(page.lanes.map((lane) => [lane.kind, lane.name])).toEqual([['cuda', 'cuda'], ['gpu-idle', 'gpu-idle'], ['other', 'torch ops']]);
    }
  }
  expect(early).toBeGreaterThan(0);
  expect(early).toBeLessThan(bytes.length * 0.9);
  decoder.end();
  follow();
  const whole = new Profile();
  const once = kineto.open(whole, context);
  once.push(bytes);
  once.end();
  expect(everything(profile) === everything(whole)).toBe(true);
  expect(everything(page)).toBe(everything(profile));
  expect(profile.lane('cuda')?.total).toBe(2400 * 50_000);
});
