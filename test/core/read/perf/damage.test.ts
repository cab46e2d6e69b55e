// The same bytes cut anywhere give the same profile; damaged bytes give what is whole, and a count of what is not.
import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { UserError } from '#core/errors';
import { startCursor, takeDelta } from '#core/model/delta';
import { Profile } from '#core/model/profile';
import { NO_SOURCES } from '#core/native/sources';
import { PerfDecoder } from '#core/read/perf/decoder';
import { readPerfData } from '#core/read/perf/format';
import { PerfShared } from '#core/read/perf/threads';
import { memorySource, readContext } from '../../../../main/record/read-context.ts';
import { OTHERS, decode, fixture, ourSamples, twinSources } from './reference.ts';

/** All that a profile says, without the order in which its strings came. */
function content(profile: Profile): unknown {
  const { threads, marks } = profile;
  return {
    samples: ourSamples(profile), stacks: profile.stacks.length, skipped: [...profile.skipped].sort(),
    threads: Array.from({ length: threads.length }, (_, i) => [threads.tid.get(i), threads.generation.get(i), threads.onCpu.get(i), threads.waiting.get(i), threads.blocked.get(i)]),
    marks: Array.from({ length: marks.length }, (_, i) => [marks.start.get(i), marks.end.get(i), marks.value.get(i)]),
    lanes: profile.lanes.map((lane) => [lane.name, lane.rows, lane.samples, lane.total]),
  };
}

/** What a recording's stream says of its lanes of memory. */
const lanesOf = (name: string) => (name === 'memory.pipe' ? { memory: 'perf mmap and brk', faults: 'perf page-faults' } : {});

test.each(['zstd.pipe', 'killed.pipe', 'unprivileged.pipe', 'lost.pipe', 'memory.pipe'])('%s in chunks of 1, 7 and 100 bytes and whole', (name) => {
  const bytes = fixture(name);
  const whole = content(decode(bytes, lanesOf(name), bytes.length).profile);
  for (const chunk of [1, 7, 100, 65_536]) expect(content(decode(bytes, lanesOf(name), chunk).profile), `chunks of ${chunk}`).toEqual(whole);
});

test.each(['unprivileged.pipe', 'launch-multiproc.pipe', 'zstd.pipe'])('%s cut at every fiftieth: samples are those of the whole, ever more', (name) => {
  const bytes = fixture(name);
  const key = (sample: { time: number; tid: number; frames: { address: number }[] }) =>
    `${sample.time} ${sample.tid} ${sample.frames.map((frame) => frame.address).join(' ')}`;
  const whole = new Set(ourSamples(decode(bytes).profile).map(key));
  let before = 0;
  for (let part = 1; part <= 50; part++) {
    const cut = Math.floor((bytes.length * part) / 50);
    const { profile, decoder } = decode(bytes.subarray(0, cut));
    const samples = ourSamples(profile);
    expect(samples.length).toBeGreaterThanOrEqual(before);
    before = samples.length;
    for (const sample of samples) expect(whole.has(key(sample))).toBe(true);
    expect(decoder.stats.bytes).toBe(cut);
  }
  expect(before).toBe(whole.size);
});

test('a record of size zero: all before it is kept, all behind it is counted', () => {
  const bytes = fixture('unprivileged.pipe');
  const end = recordStarts(bytes).find((at) => at > bytes.length / 2) ?? 0;
  const broken = bytes.slice();
  broken.fill(0, end, end + 8);
  const { profile } = decode(broken);
  expect(ourSamples(profile)).toEqual(ourSamples(decode(bytes.subarray(0, end)).profile));
  expect(profile.skipped.get('bytes behind a perf record of an impossible size')).toBe(bytes.length - end);
});

test('records of unknown types are passed over and counted', () => {
  const bytes = fixture('unprivileged.pipe');
  const at = recordStarts(bytes).at(-1) ?? 0;
  const strange = new Uint8Array([77, 0, 0, 0, 0, 0, 12, 0, 1, 2, 3, 4, 200, 0, 0, 0, 0, 0, 8, 0, 55, 0, 0, 0, 0, 0, 8, 0]);
  const mixed = new Uint8Array(bytes.length + strange.length);
  mixed.set(bytes.subarray(0, at));
  mixed.set(strange, at);
  mixed.set(bytes.subarray(at), at + strange.length);
  const { profile } = decode(mixed);
  expect(ourSamples(profile)).toEqual(ourSamples(decode(bytes).profile));
  expect(profile.skipped.get('perf records of an unknown type')).toBe(2);
});

test('COMPRESSED2 (perf 6.16): the same bytes with a size of their own and padding', () => {
  const bytes = fixture('zstd.pipe');
  const parts: Uint8Array[] = [bytes.subarray(0, 16)];
  const starts = [...recordStarts(bytes), bytes.length];
  for (let i = 0; i + 1 < starts.length; i++) {
    const record = bytes.subarray(starts[i], starts[i + 1]);
    const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
    if (view.getUint32(0, true) !== 81) {
      parts.push(record);
      continue;
    }
    const data = record.subarray(8);
    const size = 16 + Math.ceil(data.length / 8) * 8;
    const next = new Uint8Array(size);
    const head = new DataView(next.buffer);
    head.setUint32(0, 83, true);
    head.setUint16(6, size, true);
    head.setUint32(8, data.length, true);
    next.set(data, 16);
    parts.push(next);
  }
  const { profile } = decode(new Uint8Array(Buffer.concat(parts)));
  expect(ourSamples(profile)).toEqual(ourSamples(decode(bytes).profile));
});

test('nothing, half a header, a file where a stream was expected', () => {
  expect(() => decode(new Uint8Array(0))).toThrow(/no bytes of perf came/);
  expect(() => decode(fixture('zstd.pipe').subarray(0, 10))).toThrow(/only 10 bytes/);
  expect(() => decode(fixture('cpu-fp.file.data'))).toThrow(/a perf.data file, not a stream/);
  expect(decode(fixture('zstd.pipe').subarray(0, 16)).profile.lanes).toEqual([]);
});

/** Starts of the records of a pipe-mode stream. */
function recordStarts(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const starts: number[] = [];
  for (let at = 16; at + 8 <= bytes.length;) {
    starts.push(at);
    const type = view.getUint32(at, true);
    const size = view.getUint16(at + 6, true);
    at += size + (type === 66 ? Math.ceil(view.getUint32(at + 8, true) / 8) * 8 : 0);
  }
  return starts;
}

const mutations = fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.oneof(fc.constantFrom(0, 255, 1, 128), fc.nat(255)), fc.integer({ min: 1, max: 8 })), { minLength: 1, maxLength: 40 });

/** Damaged anywhere: either a UserError or a profile no larger than its bytes allow. */
function survives(bytes: Uint8Array, damage: readonly (readonly [number, number, number])[], read: (bytes: Uint8Array) => Profile): void {
  const broken = bytes.slice();
  for (const [place, value, length] of damage) {
    const at = Math.floor(place * (broken.length - 1));
    broken.fill(value, at, at + length);
  }
  try {
    const profile = read(broken);
    expect(profile.stacks.length).toBeLessThan(broken.length * 40);
    expect(profile.threads.length).toBeLessThan(broken.length * 4);
    for (const lane of profile.lanes) expect(lane.rows).toBeLessThan(broken.length * 4);
    expect(takeDelta(profile, startCursor(), 1e9).complete).toBe(true);
  } catch (thrown) {
    if (!(thrown instanceof UserError)) throw thrown;
  }
}

test.each(['zstd.pipe', 'unprivileged.pipe', 'launch-multiproc.pipe', 'lost.pipe', 'dwarf-c-nofp.pipe', 'memory.pipe'])('fuzz: %s', (name) => {
  const bytes = fixture(name).subarray(0, 300_000);
  fc.assert(fc.property(mutations, (damage) => survives(bytes, damage, (broken) => decode(broken, lanesOf(name), 4096).profile)), { numRuns: 30 });
  // With the sizes of the records left as they are, all of the stream is read, whatever its records say.
  const starts = recordStarts(bytes);
  const read = (broken: Uint8Array) => {
    for (const at of starts) broken.set(bytes.subarray(at + 6, at + 8), at + 6);
    broken.set(bytes.subarray(0, 16));
    return decode(broken, { sources: twinSources(), ...lanesOf(name) }, 65_536).profile;
  };
  fc.assert(fc.property(mutations, fc.nat(1000), (damage, seed) => {
    const more = [...damage];
    // A few bytes in many records, the fields of the attrs among them.
    for (let i = 0; i < 200; i++) more.push([((i * 7919 + seed * 104_729) % 1_000_003) / 1_000_003, (i * seed) & 255, 1 + (i % 4)]);
    survives(bytes, more, read);
  }), { numRuns: 25 });
});

const FILES = ['quipper/perf.data.branch-4.14', 'quipper/perf.data.lost_samples-4.4', 'quipper/perf.data.singleprocess-3.4', 'linux-perf-data/sleep.compressed.data', 'linux-perf-data/sleep.data'];
const PRESENT = existsSync(OTHERS);
if (!PRESENT) console.log(`skipped: fuzzing other people's files, there is no ${OTHERS}`);

function readFile(bytes: Uint8Array): Profile {
  const profile = new Profile();
  readPerfData(profile, memorySource(bytes), readContext('fuzz'), () => undefined);
  return profile;
}

test.skipIf(!PRESENT).each(FILES)('fuzz: %s', (name) => {
  const bytes = new Uint8Array(readFileSync(`${OTHERS}/${name}`));
  fc.assert(fc.property(mutations, (damage) => survives(bytes, damage, readFile)), { numRuns: 60 });
  // Damage to the header alone, where the offsets are.
  fc.assert(fc.property(mutations, (damage) => survives(bytes, damage.map(([place, value, length]) => [place * (104 / bytes.length), value, length] as const), readFile)), { numRuns: 60 });
});

test('two streams of one recording decoded one after the other: no sample twice', () => {
  const bytes = fixture('unprivileged.pipe');
  // Cut behind a round: perf ended in an orderly way.
  const view = new DataView(bytes.buffer);
  const rounds = recordStarts(bytes).filter((at) => view.getUint32(at, true) === 68);
  const cut = (rounds[Math.floor(rounds.length * 0.6)] ?? 0) + 8;
  const whole = decode(bytes);
  const profile = new Profile();
  const shared = new PerfShared(profile, { sources: NO_SOURCES, directory: '' });
  const options = { zeroAt: 0, stacks: 'fp', rateHz: 0, directory: '', source: '', live: false, sources: NO_SOURCES, context: readContext('x'), shared } as const;
  const first = new PerfDecoder(profile, options);
  first.push(bytes.subarray(0, cut));
  first.end();
  // The second stream saw all of it too.
  const second = new PerfDecoder(profile, { ...options, from: 1 });
  second.push(bytes);
  second.end();
  const name = (one: { time: number; tid: number }) => `${one.time} ${one.tid}`;
  const got = ourSamples(profile).map(name);
  const all = new Set(ourSamples(whole.profile).map(name));
  expect(new Set(got).size).toBe(got.length);
  expect(got.every((one) => all.has(one))).toBe(true);
  // The CPUs were not read at one moment: a few ms of one of them lie before the seam and came only in the second stream.
  console.log(`two streams: ${got.length} of ${all.size} samples`);
  expect(got.length).toBeGreaterThanOrEqual(all.size * 0.9);
  expect(() => {
    const third = new PerfDecoder(profile, options);
    third.end();
  }).toThrow(/no bytes of perf came/);
});
