// Two streams of one recording: whatever becomes of the second one, every sample is there once.
import { expect, test } from 'vitest';
import type { ProcessId } from '#core/model/ids';
import { Profile } from '#core/model/profile';
import { NO_SOURCES } from '#core/native/sources';
import { PerfDecoder } from '#core/read/perf/decoder';
import { PerfShared } from '#core/read/perf/threads';
import { readContext } from '../../../../main/record/read-context.ts';
import { decode, fixture, ourSamples } from './reference.ts';

const bytes = fixture('multi-python.pipe');
const alone = decode(bytes);
const rows = ourSamples(alone.profile).map((one) => `${one.tid} ${one.event} ${one.time}`).sort();
const end = alone.profile.info.durationNs;
const start = Math.min(...ourSamples(alone.profile).map((one) => one.time));

interface Two { readonly profile: Profile; readonly first: PerfDecoder; readonly second: PerfDecoder }

function two(from: number): Two {
  const profile = new Profile();
  const shared = new PerfShared(profile, { sources: NO_SOURCES, directory: '' });
  const options = { zeroAt: 0, stacks: 'dwarf' as const, rateHz: 99, directory: '', source: 'test', live: false, sources: NO_SOURCES, context: readContext('test'), shared };
  return { profile, first: new PerfDecoder(profile, options), second: new PerfDecoder(profile, { ...options, from }) };
}

const rowsOf = (profile: Profile) => ourSamples(profile).map((one) => `${one.tid} ${one.event} ${one.time}`).sort();
const half = Math.floor(bytes.length / 2);
const early = start + (end - start) * 0.1;

test('the second takes over: the seam is a moment that both saw', () => {
  const { profile, first, second } = two(early);
  first.push(bytes.subarray(0, half));
  second.push(bytes);
  first.push(bytes.subarray(half));
  first.end();
  second.end();
  expect(rowsOf(profile)).toEqual(rows);
  expect(second.stats.samples).toBeGreaterThan(0);
  expect(profile.threads.length).toBe(alone.profile.threads.length);
});

test.each([0.02, 0.3, 0.7, 0.95])('the second ends after %d of its stream: the first goes on as if there had been none', (share) => {
  const { profile, first, second } = two(early);
  first.push(bytes.subarray(0, half));
  second.push(bytes.subarray(0, Math.floor(bytes.length * share)));
  first.push(bytes.subarray(half, Math.floor(half * 1.5)));
  second.end();
  first.push(bytes.subarray(Math.floor(half * 1.5)));
  first.end();
  expect(rowsOf(profile)).toEqual(rows);
  expect(first.stats.cut).toBe(0);
});

test('the second ends first because the program does: what it saw after the first one is there', () => {
  const { profile, first, second } = two(early);
  first.push(bytes.subarray(0, half));
  second.push(bytes);
  second.end();
  first.end();
  expect(rowsOf(profile)).toEqual(rows);
});

test('rows of threads that another decoder made are taken over', () => {
  const profile = new Profile();
  const tids = ourSamples(alone.profile).map((one) => ({ pid: one.pid, tid: one.tid }));
  const process: ProcessId = profile.processes.add({ pid: tids[0].pid, name: `process ${tids[0].pid}` });
  profile.threads.add({ process, tid: tids[0].tid, name: 'MainThread' });
  const decoder = new PerfDecoder(profile, {
    zeroAt: 0, stacks: 'dwarf', rateHz: 99, directory: '', source: 'test', live: false, sources: NO_SOURCES, context: readContext('test'),
  });
  decoder.push(bytes);
  decoder.end();
  const keys = Array.from({ length: profile.threads.length }, (_, row) => `${profile.threads.process.get(row)} ${profile.threads.tid.get(row)} ${profile.threads.generation.get(row)}`);
  expect(new Set(keys).size).toBe(keys.length);
  expect(profile.threads.length).toBe(alone.profile.threads.length);
  expect(profile.processes.length).toBe(alone.profile.processes.length);
  expect(profile.processes.nameOf(process)).toBe(alone.profile.processes.nameOf(0 as ProcessId));
});
