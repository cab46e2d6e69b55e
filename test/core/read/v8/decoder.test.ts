import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Profile } from '#core/model/profile';
import type { V8What, V8Window } from '#core/read/v8/decoder';
import { shareOut, V8Decoder } from '#core/read/v8/decoder';
import { skipped, tree } from '../reading.ts';

const ZERO = 1e12;
const frame = (functionName: string, url = '/app/x.js', lineNumber = 0) => ({ functionName, scriptId: '1', url, lineNumber, columnNumber: 0 });
const NODES = [
  { id: 1, callFrame: frame('(root)', '', -1), children: [2, 3, 4] }, { id: 2, callFrame: frame('(idle)', '', -1) },
  { id: 3, callFrame: frame('busy') }, { id: 4, callFrame: frame('other') },
];

function decoder(what: V8What): { profile: Profile; decoder: V8Decoder } {
  const profile = new Profile();
  return { profile, decoder: new V8Decoder(profile, { what, zeroAt: ZERO, directory: '/app', source: 'test', interval: 100 }) };
}

/** A window over [start, end] ms after time 0; V8's clock is in microseconds. */
function cpu(start: number, end: number, samples: readonly number[], onCpuMs?: number): [V8Window, Uint8Array] {
  const each = ((end - start) * 1000) / samples.length;
  const profile = { nodes: NODES, startTime: ZERO / 1000 + start * 1000, endTime: ZERO / 1000 + end * 1000, samples, timeDeltas: samples.map((_, i) => (i === 0 ? 0 : each)) };
  const window: V8Window = {
    start: ZERO + start * 1e6, end: ZERO + end * 1e6, threads: [{ own: 'main', tid: 7, name: 'main', pid: 7, process: 'server.js' }],
    ...(onCpuMs === undefined ? {} : { onCpu: [{ tid: 7, points: [ZERO + start * 1e6, 5e9, ZERO + end * 1e6, 5e9 + onCpuMs * 1e6] }] }),
  };
  return [window, Buffer.from(JSON.stringify({ profile }))];
}

function heap(at: number, run: number, samples: readonly (readonly [node: number, size: number, ordinal: number])[]): [V8Window, Uint8Array] {
  const head = { callFrame: frame('(root)', '', -1), selfSize: 0, id: 1, children: [
    { callFrame: frame('keep'), selfSize: 0, id: 2, children: [] }, { callFrame: frame('drop'), selfSize: 0, id: 3, children: [] }] };
  const window: V8Window = { start: ZERO + (at - 1) * 1e9, end: ZERO + at * 1e9, threads: [{ own: `main:${run}`, tid: 7, name: 'main', pid: 7 }] };
  return [window, Buffer.from(JSON.stringify({ profile: { head, samples: samples.map(([nodeId, size, ordinal]) => ({ nodeId, size, ordinal })) } }))];
}

const lane = (profile: Profile, name: string) => {
  const found = profile.lanes.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no lane ${name}`);
  return found;
};

describe('CPU windows', () => {
  test('without an account a sample counts until the next one; idle is said, not drawn', () => {
    const { profile, decoder: v8 } = decoder('cpu');
    v8.window(...cpu(0, 100, [3, 3, 2, 2, 4]));
    v8.window(...cpu(100, 200, [2, 2, 2, 2, 3]));
    v8.end();
    expect(tree(profile)).toBe('busy 60000000 self 60000000\nother 20000000 self 20000000');
    expect(profile.info.notes).toEqual(['V8 in main of process 7 was idle for 0.120 of 0.200 s. That is no CPU time and is in no box.']);
    expect(profile.processes.nameOf(0 as never)).toBe('server.js');
    expect(profile.info.durationNs).toBe(200e6);
    expect(skipped(profile)).toEqual({});
  });
  test('with one the samples share out the CPU time of the thread', () => {
    const { profile, decoder: v8 } = decoder('cpu');
    v8.window(...cpu(0, 100, [3, 3, 3, 4, 2], 40));
    expect(tree(profile)).toBe('busy 30000000 self 30000000\nother 10000000 self 10000000');
    // A window without a sample of its own keeps its time for the next one.
    v8.window(...cpu(100, 200, [2, 2, 2, 2, 2], 7));
    v8.window(...cpu(200, 300, [2, 4, 2, 2, 2], 3));
    expect(lane(profile, 'v8').total).toBe(50e6);
    expect(tree(profile)).toBe('busy 30000000 self 30000000\nother 20000000 self 20000000');
  });
  test('slices: time goes to the samples that were there', () => {
    const busy = new Float64Array([10, 10, 10, 10]);
    const left = shareOut([0, 0, 100e6, 0, 200e6, 80e6], 0, 200e6, new Float64Array([0, 50e3, 110e3, 160e3]), 0, busy, 0);
    expect([...busy]).toEqual([0, 0, 40e6, 40e6]);
    expect(left).toBe(0);
  });
  test('a window of another clock is placed by when it came', () => {
    const { profile, decoder: v8 } = decoder('cpu');
    const [window, bytes] = cpu(0, 100, [3, 3]);
    v8.window({ ...window, start: ZERO + 9e9, end: ZERO + 9.1e9 }, bytes);
    expect(lane(profile, 'v8').chunks[0].timeAt(0)).toBe(9e9);
    expect(skipped(profile)).toEqual({ 'windows of V8 on another clock (placed by when they came)': 1 });
  });
  test('two threads, and bytes that are none', () => {
    const { profile, decoder: v8 } = decoder('cpu');
    const [window, bytes] = cpu(0, 100, [3]);
    v8.window(window, bytes);
    v8.window({ ...window, threads: [{ own: 'worker 1', tid: 0, name: 'worker 1', pid: 7 }] }, bytes);
    v8.window(window, Buffer.from('{"profile":{"no'));
    v8.window({ ...window, threads: [] }, bytes);
    expect(tree(profile, lane(profile, 'v8'), true)).toBe('main 100000000\n  busy 100000000 self 100000000\nworker 1 100000000\n  busy 100000000 self 100000000');
    expect(skipped(profile)).toEqual({ 'windows of V8 that could not be read': 2 });
  });
});

describe('memory windows', () => {
  test('held: gains and losses; what was sampled and dropped in between is known by number', () => {
    const { profile, decoder: v8 } = decoder('held');
    v8.window(...heap(1, 1, [[2, 300, 1], [3, 500, 4]]));
    expect(tree(profile, lane(profile, 'v8 heap held'))).toBe('drop 500 self 500\nkeep 300 self 300');
    // Samples 2 and 3 were dropped; each counts as one that was seen does on average.
    expect(tree(profile, lane(profile, 'v8 heap'))).toBe('[collected before it was seen] 800 self 800\ndrop 500 self 500\nkeep 300 self 300');
    v8.window(...heap(2, 1, [[2, 300, 1], [2, 100, 5]]));
    expect(tree(profile, lane(profile, 'v8 heap held'))).toBe('drop 0\nkeep 400 self 400');
    expect(lane(profile, 'v8 heap').total).toBe(1700);
    const rows = lane(profile, 'v8 heap held').chunks[0];
    expect([0, 1, 2, 3].map((row) => `${rows.timeAt(row) / 1e9} s ${rows.weight.get(row)}`).sort()).toEqual(['1 s 300', '1 s 500', '2 s -500', '2 s 100']);
  });
  test('held: a profiler that starts anew takes back what the one before held', () => {
    const { profile, decoder: v8 } = decoder('held');
    v8.window(...heap(1, 1, [[2, 300, 1]]));
    v8.window(...heap(5, 2, [[3, 50, 1]]));
    expect(tree(profile, lane(profile, 'v8 heap held'))).toBe('drop 50 self 50\nkeep 0');
    expect(lane(profile, 'v8 heap').total).toBe(350);
  });
  test('allocated: each window is what was allocated in it', () => {
    const { profile, decoder: v8 } = decoder('allocated');
    v8.window(...heap(1, 0, [[2, 300, 1], [3, 500, 2], [3, 500, 3]]));
    v8.window(...heap(2, 0, [[3, 500, 1]]));
    expect(profile.lanes.map((one) => one.name)).toEqual(['v8 heap']);
    expect(tree(profile)).toBe('drop 1500 self 1500\nkeep 300 self 300');
    expect(profile.lanes[0].samples).toBe(4);
  });
});

test('anything that is JSON is read or counted, never crashes', () => {
  fc.assert(fc.property(fc.json(), fc.constantFrom<V8What>('cpu', 'held', 'allocated'), (text, what) => {
    const { decoder: v8 } = decoder(what);
    const [window] = cpu(0, 100, [3], 10);
    v8.window(window, Buffer.from(text));
    v8.window(window, Buffer.from(`{"profile":{"nodes":[{"id":1,"callFrame":${text}}],"samples":${text},"timeDeltas":${text},"head":{"callFrame":{"functionName":"a"},"children":[${text}]}}}`));
    v8.end();
  }), { numRuns: 300 });
});
