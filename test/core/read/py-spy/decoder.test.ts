import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ThreadId } from '#core/model/ids';
import { Profile } from '#core/model/profile';
import type { PySpyWindow } from '#core/read/py-spy/decoder';
import { PySpyDecoder } from '#core/read/py-spy/decoder';
import { pythonFile } from '#core/read/py-spy/python-files';

const MS = 1e6;

/** A window drawn as text: one line a span, `thread from-to ms stack`. */
function trace(drawing: string): string {
  const events: object[] = [];
  const open = new Map<number, { name: string; stack: string[] }>();
  const event = (ph: 'B' | 'E', thread: number, ts: number, name: string, file: string, line: number): void => {
    events.push({ args: { filename: file, line }, cat: 'py-spy', name, ph, pid: 7, tid: thread * 1000, ts });
  };
  for (const row of drawing.trim().split('\n')) {
    const match = /^(\d+) (\w+) +(\d+)-(\d+) +(\S+)$/.exec(row.trim());
    if (match === null) throw new Error(`no span: ${row}`);
    const [tid, from, to] = [Number(match[1]), Number(match[3]) * 1000, Number(match[4]) * 1000];
    open.set(tid, { name: match[2], stack: match[5].split(';') });
    const header = `thread (${tid}): ${match[2]}`;
    event('B', tid, from, header, '', 0);
    for (const name of match[5].split(';')) event('B', tid, from, name, `/app/${name}.py`, 1);
    for (const name of match[5].split(';').reverse()) event('E', tid, to, name, `/app/${name}.py`, 1);
    event('E', tid, to, header, '', 0);
  }
  return JSON.stringify(events);
}

function decoder(profile = new Profile()): { profile: Profile; feed(start: number, text: string, more?: Partial<PySpyWindow>): void } {
  const target = new PySpyDecoder(profile, { zeroAt: 1e9, directory: '/app', source: 'py-spy', rateHz: 100 });
  return {
    profile,
    feed: (start, text, more = {}) => {
      target.window({ start: 1e9 + start * MS, end: 1e9 + (start + 500) * MS, threads: [], ...more }, new TextEncoder().encode(text));
    },
  };
}

/** Rows of the lane: `thread stack: times in ms`. */
function picture(profile: Profile): string[] {
  const rows = new Map<string, number[]>();
  for (const chunk of profile.lane('cpu', 'py-spy')?.chunks ?? []) {
    for (let i = 0; i < chunk.rows; i++) {
      const names = profile.stacks.framesOf(chunk.stack[i] as never).map((frame) => profile.functions.nameOf(profile.frames.functionOf(frame)));
      const key = `${profile.threads.nameOf(chunk.thread[i] as ThreadId)} ${names.join(';')}`;
      rows.set(key, [...(rows.get(key) ?? []), chunk.timeAt(i) / MS]);
    }
  }
  return [...rows].map(([key, times]) => `${key}: ${times.join(' ')}`);
}

test('spans become samples on the grid of the rate', () => {
  const { profile, feed } = decoder();
  feed(5, trace(`
    7 main 10-38 a;b
    7 main 38-60 a;c
    8 io   20-50 poll`));
  expect(picture(profile)).toEqual(['main a;b: 20 30 40', 'main a;c: 50 60', 'io poll: 30 40 50']);
  const lane = profile.lane('cpu', 'py-spy');
  expect(lane).toMatchObject({ unit: 'ns', total: 8 * 10 * MS, samples: 8 });
  expect(profile.functions.isOwn(0 as never)).toBe(true);
  expect(profile.info.durationNs).toBe(65 * MS);
});

test('windows that overlap never count twice, in whatever order their threads come', () => {
  const { profile, feed } = decoder();
  feed(0, trace('7 main 0-100 a'));
  feed(60, trace(`
    7 main 0-90 a
    8 late 0-90 b`));
  expect(picture(profile)).toEqual(['main a: 0 10 20 30 40 50 60 70 80 90 100 110 120 130 140', 'late b: 100 110 120 130 140']);
  expect(profile.marks.length).toBe(0);
});

test('a short gap is bridged and marked, a long one is marked', () => {
  const { profile, feed } = decoder();
  feed(0, trace('7 main 0-50 a'));
  feed(80, trace('7 main 0-20 b'));
  feed(300, trace('7 main 0-20 c'));
  expect(picture(profile)).toEqual(['main a: 0 10 20 30 40 50 60 70', 'main b: 80 90', 'main c: 300 310']);
  const marks = Array.from({ length: profile.marks.length }, (_, i) => [profile.marks.start.get(i) / MS, profile.marks.end.get(i) / MS]);
  expect(marks).toEqual([[50, 80], [100, 300]]);
});

describe('idle is told from active by the account of the kernel', () => {
  const spans = trace(`
    7 main 0-100 work
    7 main 100-400 sleep`);
  const onCpu = [{ tid: 7, points: [1e9, 5e9, 1e9 + 100 * MS, 5e9 + 100 * MS, 1e9 + 400 * MS, 5e9 + 101 * MS] }];
  test('idle samples are left out', () => {
    const { profile, feed } = decoder();
    feed(0, spans, { onCpu });
    expect(picture(profile)).toEqual(['main work: 0 10 20 30 40 50 60 70 80 90']);
  });
  test('or stand under [idle] where they are asked for', () => {
    const { profile, feed } = decoder();
    feed(0, spans, { onCpu, idle: true });
    expect(picture(profile).map((row) => row.split(':')[0])).toEqual(['main work', 'main sleep;[idle]']);
    expect(profile.lane('cpu', 'py-spy')?.rows).toBe(40);
  });
  test('a thread that gets a quarter of a CPU has a quarter of the samples', () => {
    const { profile, feed } = decoder();
    feed(0, trace('7 main 0-400 work'), { onCpu: [{ tid: 7, points: [1e9, 0, 1e9 + 400 * MS, 100 * MS] }] });
    expect(profile.lane('cpu', 'py-spy')?.rows).toBe(10);
  });
  test('a kernel without an account leaves what is known to wait', () => {
    const { profile, feed } = decoder();
    const events = JSON.stringify([
      { args: { filename: '/usr/lib/python3.11/threading.py', line: 3 }, name: 'wait', ph: 'B', pid: 7, tid: 1, ts: 0 },
      { args: { filename: '/usr/lib/python3.11/threading.py', line: 3 }, name: 'wait', ph: 'E', pid: 7, tid: 1, ts: 90_000 },
    ]);
    feed(0, events, { onCpu: [{ tid: 7, points: [0, 0, 9e9, 0] }], threads: [{ own: '1', tid: 7, name: 'pool', pid: 7 }] });
    expect(profile.lane('cpu')?.rows ?? 0).toBe(0);
    // A thread without a sample makes no row.
    expect(profile.threads.length).toBe(0);
  });
});

test('rows of threads that another decoder made are used', () => {
  const profile = new Profile();
  const process = profile.processes.add({ pid: 7, name: 'train.py' });
  const thread = profile.threads.add({ process, tid: 7, name: 'python3' });
  decoder(profile).feed(0, trace('7 MainThread 0-50 a'));
  expect(profile.threads.length).toBe(1);
  expect(profile.threads.nameOf(thread)).toBe('MainThread');
});

test('beside perf, windows wait for the rows of their process, but not for ever', () => {
  const profile = new Profile();
  const { feed } = decoder(profile);
  const threads = [{ own: '', tid: 7, name: '', pid: 7 }];
  feed(0, trace('7 MainThread 0-50 a'), { beside: true, threads });
  expect(profile.threads.length).toBe(0);
  profile.threads.add({ process: profile.processes.add({ pid: 7, name: 'train.py' }), tid: 7, name: 'python3' });
  feed(50, trace('7 MainThread 0-50 b'), { beside: true, threads });
  expect(picture(profile)).toEqual(['MainThread a: 0 10 20 30 40', 'MainThread b: 50 60 70 80 90']);
  expect(profile.threads.length).toBe(1);

  const alone = decoder();
  for (let i = 0; i < 3; i++) alone.feed(i * 50, trace('7 MainThread 0-50 a'), { beside: true, threads });
  expect(alone.profile.lanes).toHaveLength(0);
  alone.feed(150, trace('7 MainThread 0-50 a'), { beside: true, threads });
  expect(alone.profile.lane('cpu')?.rows).toBe(20);
});

test('raw windows, for holders of the lock, with processes and odd names', () => {
  const { profile, feed } = decoder();
  feed(0, [
    'process 9:"python -c a;b;c";thread (9): Main;Thread;<module> (/app/t.py:5);f (/app/t.py:2) 3',
    'thread (10): io;g (/usr/lib/python3.11/queue.py:171) 1',
    'not a line',
    'f (x.py:1) 99999999',
  ].join('\n'), { threads: [{ own: '', tid: 7, name: '', pid: 7 }] });
  expect(profile.lane('cpu')?.total).toBe(4 * 10 * MS);
  expect([...profile.skipped.values()]).toEqual([2]);
  expect(profile.processes.pid.get(0)).toBe(9);
  expect(profile.processes.pid.get(1)).toBe(7);
});

test('windows that are broken are counted, and their good front is kept', () => {
  const { profile, feed } = decoder();
  const whole = trace('7 main 0-50 a');
  feed(0, '');
  feed(0, '[{"ph":');
  feed(0, 'null');
  feed(0, '[1, {"name":"x","ph":"B","pid":"7","tid":1,"ts":1}, {"name":"x","ph":"E","pid":7,"tid":1,"ts":0}]');
  expect(profile.lane('cpu')?.rows ?? 0).toBe(0);
  expect([...profile.skipped.keys()].sort()).toEqual([
    'empty py-spy windows', 'py-spy events that do not fit', 'py-spy lines that do not fit', 'py-spy windows that could not be read',
  ]);
  feed(0, whole.slice(0, -30));
  expect(profile.skipped.get('py-spy windows that were cut off')).toBe(1);
  expect(picture(profile)).toEqual(['main a: 0 10 20 30 40']);
});

test('nothing that a window may hold throws', () => {
  const event = fc.record({
    name: fc.oneof(fc.constantFrom('a', 'b', 'thread (5): x', 'process 9:"q"'), fc.string()), ph: fc.constantFrom('B', 'E', 'X'), pid: fc.oneof(fc.nat(20), fc.double()),
    tid: fc.nat(3), ts: fc.oneof(fc.nat(1_000_000), fc.double()), args: fc.option(fc.record({ filename: fc.string(), line: fc.oneof(fc.nat(), fc.double(), fc.constant(null)) }), { nil: undefined }),
  });
  fc.assert(fc.property(fc.oneof(fc.array(event).map((events) => JSON.stringify(events)), fc.string(), fc.string().map((text) => `[${text}`)), (text) => {
    const { profile, feed } = decoder();
    feed(0, text);
    feed(400, text, { idle: true });
    expect(profile.lane('cpu')?.rows ?? 0).toBeLessThan(20_000);
  }), { numRuns: 300 });
});

test('a time that no window can have makes no endless rows', () => {
  const { profile, feed } = decoder();
  feed(0, trace('7 main 0-900000000000 a'));
  expect(profile.lane('cpu')?.rows).toBe(150);
});

test('files are sorted by their path', () => {
  expect(pythonFile('/app/model/net.py', '/app')).toEqual({ library: 'model', own: true });
  expect(pythonFile('/app/train.py', '/app/')).toEqual({ library: 'train', own: true });
  expect(pythonFile('/app/venv/lib/python3.11/site-packages/torch/nn/modules/linear.py', '/app')).toEqual({ library: 'torch', own: false });
  expect(pythonFile('/root/.pyenv/versions/3.11.7/lib/python3.11/threading.py', '/root')).toEqual({ library: 'threading', own: false });
  expect(pythonFile('/usr/lib/python3/dist-packages/numpy/core/x.py', '')).toEqual({ library: 'numpy', own: false });
  expect(pythonFile('<frozen importlib._bootstrap>', '/app')).toEqual({ library: 'importlib', own: false });
  expect(pythonFile('<string>', '/app')).toEqual({ library: '', own: false });
  expect(pythonFile('/elsewhere/x.py', '/app')).toEqual({ library: '', own: false });

});
