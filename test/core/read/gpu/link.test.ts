// The linker by itself, as any source of GPU records uses it: nothing is lost, whatever comes and in whatever order.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FrameId } from '#core/model/ids';
import { Profile } from '#core/model/profile';
import { CALL, HostMoments, HostSlices, OP, PYTHON } from '#core/read/gpu/host';
import { COPY, GpuOperations, KERNEL, Launches, linkGpu } from '#core/read/gpu/link';
import { grouped, sortRows } from '#core/read/gpu/order';
import { tree } from '../reading.ts';

interface Host { readonly thread: number; readonly start: number; readonly duration: number; readonly name: string; readonly launch: number | null; readonly python: boolean }
interface Work { readonly process: number; readonly device: number; readonly stream: number; readonly start: number; readonly duration: number; readonly correlation: number; readonly bytes: number }

/** Thread n belongs to process n % 2. */
function link(host: readonly Host[], work: readonly Work[]): Profile {
  const profile = new Profile();
  const frame = (name: string, kind: 'native' | 'cuda'): FrameId => profile.frames.source(profile.functions.intern({ name, kind }));
  const process = [0, 1].map((pid) => profile.processes.add({ pid, name: `p${pid}` }));
  const threads = [0, 1, 2, 3].map((tid) => profile.threads.add({ process: process[tid % 2], tid, name: `t${tid}` }));
  const slices = new HostSlices();
  const launches = new Launches();
  const operations = new GpuOperations();
  for (const one of host) {
    const slice = slices.push(one.thread, one.start, one.duration, frame(one.name, 'native'), one.launch !== null ? CALL : one.python ? PYTHON : OP, -1, -1);
    if (one.launch !== null) launches.push(one.thread % 2, one.launch, slice, 0);
  }
  for (const one of work) {
    operations.process.push(one.process);
    operations.device.push(one.device);
    operations.stream.push(one.stream);
    operations.start.push(one.start);
    operations.duration.push(one.duration);
    operations.correlation.push(one.correlation);
    operations.external.push(-1);
    operations.frame.push(frame(`k${one.correlation}`, 'cuda'));
    operations.kind.push(one.bytes > 0 ? COPY : KERNEL);
    operations.bytes.push(one.bytes);
    operations.graph.push(-1);
  }
  linkGpu({
    profile, slices, moments: new HostMoments(), operations, launches, operators: () => new Launches(), threads, tolerance: 2, shift: 0, source: 'test', again: false,
    hostLane: { name: 'host', source: 'test' },
    gpuThread: (p, device, stream) => profile.threads.add({ process: process[p], tid: stream ?? -1, name: stream === null ? `p${p} GPU ${device}` : `p${p} GPU ${device} stream ${stream}` }),
  });
  return profile;
}

const hostArb = fc.array(fc.record({
  thread: fc.nat(3), start: fc.nat(1000), duration: fc.nat(200), name: fc.constantFrom('a', 'b', 'c'), launch: fc.option(fc.nat(30), { nil: null }), python: fc.boolean(),
}), { maxLength: 40 });
const workArb = fc.array(fc.record({
  process: fc.nat(1), device: fc.nat(1), stream: fc.nat(2), start: fc.nat(1500), duration: fc.nat(100), correlation: fc.nat(40), bytes: fc.constantFrom(0, 0, 64),
}), { minLength: 1, maxLength: 40 });

/** Gaps of each process's device: one nanosecond at a time. */
function idleOf(work: readonly Work[]): number {
  let idle = 0;
  for (const key of new Set(work.map((one) => `${one.process} ${one.device}`))) {
    const own = work.filter((one) => `${one.process} ${one.device}` === key);
    const first = Math.min(...own.map((one) => one.start));
    const last = Math.max(...own.map((one) => one.start));
    for (let at = first; at < last; at++) if (!own.some((one) => one.start <= at && at < one.start + one.duration)) idle++;
  }
  return idle;
}

describe('nothing is lost', () => {
  test('sums are exact for any input, and do not depend on its order', () => {
    fc.assert(fc.property(hostArb, workArb, fc.integer(), (host, work, seed) => {
      const profile = link(host, work);
      const sum = (lane: string): number => (profile.lanes.find((one) => one.name === lane)?.chunks ?? []).reduce((all, chunk) => {
        for (let row = 0; row < chunk.rows; row++) {
          expect(chunk.weight.get(row)).toBeGreaterThanOrEqual(0);
          all += chunk.weight.get(row);
        }
        return all;
      }, 0);
      expect(sum('cuda')).toBe(work.reduce((all, one) => all + one.duration, 0));
      expect(profile.lane('cuda')?.samples).toBe(work.length);
      expect(sum('gpu-idle')).toBe(idleOf(work));
      expect(sum('copied bytes')).toBe(work.reduce((all, one) => all + one.bytes, 0));
      // A thread has one stack at a time: its time is the union of its intervals.
      let union = 0;
      for (let thread = 0; thread < 4; thread++) {
        for (let at = 0; at < 1200; at++) if (host.some((one) => one.thread === thread && one.start <= at && at < one.start + one.duration)) union++;
      }
      expect(sum('host')).toBe(union);
      const order = <T>(list: readonly T[]): T[] => list.map((one, i) => ({ one, key: Math.sin(seed % 1000 + i) })).sort((a, b) => a.key - b.key).map(({ one }) => one);
      const shuffled = link(order(host), order(work));
      const text = (p: Profile): string => p.lanes.map((lane) => `${lane.name}\n${tree(p, lane, true)}`).join('\n');
      expect(text(shuffled)).toBe(text(profile));
    }), { numRuns: 120, seed: 3 });
  }, 60_000);

  test('equal correlation ids of two processes are two launches', () => {
    const profile = link(
      [{ thread: 0, start: 0, duration: 10, name: 'launch of 0', launch: 1, python: false }, { thread: 1, start: 0, duration: 10, name: 'launch of 1', launch: 1, python: false }],
      [0, 1].map((process) => ({ process, device: 0, stream: 7, start: 20, duration: 5 + process, correlation: 1, bytes: 0 })),
    );
    expect(tree(profile, profile.lane('cuda') ?? undefined, true)).toBe(
      'p0 GPU 0 stream 7 5\n  launch of 0 5\n    k1 5 self 5\np1 GPU 0 stream 7 6\n  launch of 1 6\n    k1 6 self 6');
  });
});

describe('sorting', () => {
  test('many rows, wide and equal keys: stable', () => {
    const sequences = Float64Array.from({ length: 6000 }, (_, i) => (i % 1000) * 3 + Math.floor(i / 1000) * 700);
    const inSequences = Int32Array.from({ length: 6000 }, (_, i) => i);
    sortRows(inSequences, sequences);
    expect([...inSequences]).toEqual(Array.from({ length: 6000 }, (_, i) => i).sort((a, b) => sequences[a] - sequences[b] || a - b));
    for (const [length, span] of [[10, 5], [5000, 3], [20_000, 1e5], [20_000, 1e13], [9000, 2 ** 33]] as const) {
      const keys = Float64Array.from({ length }, (_, i) => Math.floor(((i * 7919) % 10_007) / 10_007 * span) - span / 2);
      const rows = Int32Array.from({ length }, (_, i) => i);
      sortRows(rows, keys);
      const expected = Array.from({ length }, (_, i) => i).sort((a, b) => keys[a] - keys[b] || a - b);
      expect([...rows]).toEqual(expected);
    }
  });
  test('groups', () => {
    const { rows, starts } = grouped(Int32Array.from([2, 0, 2, 1, 0]), 5, 4);
    expect([[...rows], [...starts]]).toEqual([[1, 4, 3, 0, 2], [0, 2, 3, 5, 5]]);
  });
});
