// What py-spy's decoder hands on to be merged with native stacks.
import { expect, test } from 'vitest';
import { Profile } from '#core/model/profile';
import { PySpyDecoder } from '#core/read/py-spy/decoder';

interface Drawn {
  readonly header: string;
  readonly own: number;
  /** us. */
  readonly from: number;
  readonly to: number;
  readonly frames: readonly string[];
}

/** A chrometrace window of spans, one thread after the other. */
function windowOf(spans: readonly Drawn[]): Uint8Array {
  const events = spans.flatMap(({ header, own, from, to, frames }) => {
    const names = [header, ...frames];
    const event = (ph: 'B' | 'E', ts: number) => (name: string) => ({ args: { filename: name === header ? '' : '/app/a.py', line: 1 }, cat: 'py-spy', name, ph, pid: 7, tid: own, ts });
    return [...names.map(event('B', from)), ...names.toReversed().map(event('E', to))];
  });
  return new TextEncoder().encode(JSON.stringify(events));
}

function decoded(spans: readonly Drawn[], more: { text?: string } = {}): { told: string[]; tids: number[] } {
  const profile = new Profile();
  const told: string[] = [];
  const names = (stack: number) => profile.stacks.framesOf(stack as never).map((frame) => profile.functions.nameOf(profile.frames.functionOf(frame))).join(';');
  const decoder = new PySpyDecoder(profile, {
    zeroAt: 1e9, directory: '/app', source: 'py-spy', rateHz: 100,
    sink: {
      span: (pid, tid, from, to, stack) => told.push(`${pid}/${tid} ${from / 1e6}-${to / 1e6} ${names(stack)}`),
      covered: (pid, until) => told.push(`${pid} until ${until / 1e6}`),
    },
  });
  decoder.window({ start: 1e9, end: 1.5e9, threads: [{ own: '', tid: 7, name: '', pid: 7 }] }, more.text === undefined ? windowOf(spans) : new TextEncoder().encode(more.text));
  decoder.end();
  return { told, tids: [...profile.threads.tid.view()] };
}

test('every span with its thread, idle ones too, then how far the process is known', () => {
  expect(decoded([
    { header: 'thread (7): main', own: 1, from: 0, to: 200_000, frames: ['<module>', 'train'] },
    { header: 'thread (7): main', own: 1, from: 200_000, to: 300_000, frames: ['<module>', 'wait'] },
    { header: 'thread (9): helper', own: 2, from: 0, to: 300_000, frames: ['_bootstrap', 'run'] },
  ]).told).toEqual(['7/7 0-200 <module>;train', '7/7 200-300 <module>;wait', '7/9 0-300 _bootstrap;run', '7 until 300']);
});

test('threads whose id py-spy does not know: the program\'s own module runs in the first one', () => {
  const { told, tids } = decoded([
    { header: 'thread (0x7F12): ', own: 1, from: 0, to: 200_000, frames: ['<module>', 'train'] },
    { header: 'thread (0x7F34): ', own: 2, from: 0, to: 200_000, frames: ['_bootstrap', 'run'] },
  ]);
  expect(told).toEqual(['7/7 0-200 <module>;train', '7/0 0-200 _bootstrap;run', '7 until 200']);
  expect(tids).toEqual([7, 0]);
});

test('a window in which nothing ran is known as well; one that only counts says nothing of when', () => {
  expect(decoded([]).told).toEqual(['7 until 500']);
  expect(decoded([], { text: 'thread (7): main;train (/app/a.py:1) 12\n' }).told).toEqual([]);
});

test('a forked child has its parent\'s thread ids: each process keeps the stack that it was left with', () => {
  const event = (pid: number, ph: 'B' | 'E', ts: number, ...names: string[]) => names.map((name) => ({ args: { filename: name.startsWith('thread') ? '' : '/app/a.py', line: 1 }, cat: 'py-spy', name, ph, pid, tid: 1, ts }));
  // py-spy compares a thread with the one of the same id that it looked at before: here the other process's.
  const events = [
    ...event(7, 'B', 10_000, 'thread (7): Main', '<module>', 'train'),
    ...event(8, 'E', 10_100, 'train', '<module>', 'thread (7): Main'), ...event(8, 'B', 10_100, 'thread (8): Main', '<module>', 'decode'),
    ...event(7, 'E', 20_000, 'decode', '<module>', 'thread (8): Main'), ...event(7, 'B', 20_000, 'thread (7): Main', '<module>', 'wait'),
    ...event(8, 'E', 20_100, 'wait', '<module>', 'thread (7): Main'), ...event(8, 'B', 20_100, 'thread (8): Main', '<module>', 'decode'),
    ...event(8, 'E', 30_000, 'decode', '<module>', 'thread (8): Main'),
  ];
  expect(decoded([], { text: JSON.stringify(events) }).told).toEqual([
    '7/7 10-20 <module>;train', '7/7 20-30 <module>;wait', '8/8 10.1-20.1 <module>;decode', '8/8 20.1-30 <module>;decode', '7 until 30', '8 until 30',
  ]);
});

test('when a thread was last seen with a stack: at the last moment at which anything changed', () => {
  const profile = new Profile();
  const seen: string[] = [];
  const decoder = new PySpyDecoder(profile, {
    zeroAt: 1e9, directory: '/app', source: 'py-spy', rateHz: 100,
    sink: { span: (_, tid, from, to, __, at) => seen.push(`${tid}: ${from / 1e6}-${to / 1e6} seen ${(at ?? NaN) / 1e6}`), covered: () => {} },
  });
  decoder.window({ start: 1e9, end: 1.5e9, threads: [{ own: '', tid: 7, name: '', pid: 7 }] }, windowOf([
    { header: 'thread (7): main', own: 1, from: 0, to: 100_000, frames: ['<module>', 'train'] },
    { header: 'thread (7): main', own: 1, from: 100_000, to: 200_000, frames: ['<module>', 'wait'] },
  ]));
  decoder.end();
  // Alone nothing is known of the time between.
  expect(seen).toEqual(['7: 0-100 seen 0', '7: 100-200 seen 100']);
});
