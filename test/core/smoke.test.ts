import { expect, test } from 'vitest';
import { applyDelta, startCursor, takeDelta } from '#core/model/delta';
import { NO_STACK, ns } from '#core/model/ids';
import { Profile } from '#core/model/profile';

test('a profile is rebuilt from its deltas at any limit', () => {
  const from = new Profile();
  const process = from.processes.add({ pid: 10, name: 'train' });
  const thread = from.threads.add({ process, tid: 10, name: 'main' });
  const lane = from.lanes[from.addLane({ kind: 'cpu', unit: 'ns', name: 'cpu-clock' })];
  for (let i = 0; i < 5000; i++) {
    const main = from.frames.source(from.functions.intern({ name: 'main', kind: 'native' }));
    const leaf = from.frames.source(from.functions.intern({ name: `f${i % 300}`, kind: 'python' }), i % 7);
    lane.add({ time: ns(i * 1e7), thread, stack: from.stacks.intern(from.stacks.intern(NO_STACK, main), leaf), weight: 1e7 + (i % 3) });
  }
  for (const limit of [1, 1000, 1e6]) {
    const to = new Profile();
    let cursor = startCursor();
    for (let rounds = 0; rounds < 100_000; rounds++) {
      const delta = takeDelta(from, cursor, limit === 1 ? 300 + rounds : limit);
      applyDelta(to, delta.bytes);
      cursor = delta.cursor;
      if (delta.complete) break;
    }
    expect(to.lanes[0].rows).toBe(5000);
    expect(to.lanes[0].total).toBe(from.lanes[0].total);
    expect(to.stacks.length).toBe(from.stacks.length);
    expect(to.strings.values).toEqual(from.strings.values);
    expect(to.lanes[0].chunks.map((c) => c.rows)).toEqual(from.lanes[0].chunks.map((c) => c.rows));
  }
});
