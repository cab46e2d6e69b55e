import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CallTree } from '#core/analyze/call-tree';
import { heldAt, memoryMeasures, peakOf, upTo } from '#core/analyze/memory';
import { EVERYTHING } from '#core/analyze/view';
import { UserError } from '#core/errors';
import type { FrameId, StackId } from '#core/model/ids';
import { NO_STACK } from '#core/model/ids';
import type { Lane } from '#core/model/lane';
import { Profile } from '#core/model/profile';
import { HeaptrackDecoder } from '#core/read/heaptrack/decoder';
import { AllocationRows } from '#core/read/heaptrack/rows';
import { FORMATS, detect } from '#core/read/index';
import { picture, treeText } from '../../support/stacks.ts';
import { read, skipped } from './reading.ts';
import { pieces, sharedData } from './shared-data.ts';

const fixture = (name: string): Uint8Array => new Uint8Array(readFileSync(join(import.meta.dirname, '../../fixtures/heaptrack', name)));

/** A file of the shared data, unpacked; null (with the reason printed) where it is absent. */
function shared(path: string): Uint8Array | null {
  if (path.endsWith('.gz') || path.endsWith('.txt')) return sharedData(`others/heaptrack/${path}`);
  const packed = sharedData(`others/heaptrack/${path}`);
  return packed === null ? null : new Uint8Array(zstdDecompressSync(packed));
}

function lanes(profile: Profile): { allocated: Lane; held: Lane; temporary: Lane; allocations: Lane } {
  const lane = (name: string): Lane => {
    const found = profile.lane('memory', name);
    if (found === null) throw new Error(`no lane ${name}`);
    return found;
  };
  return { allocated: lane('heaptrack'), held: lane('heaptrack held'), temporary: lane('heaptrack temporary'), allocations: lane('heaptrack allocations') };
}

/** What heaptrack_print says of a file: calls, temporary ones, bytes at the peak, bytes that leak. */
function totals(profile: Profile): { calls: number; temporary: number; peak: number; leaked: number; blocks: number } {
  const { allocated, held, temporary, allocations } = lanes(profile);
  expect(allocations.total).toBe(allocated.samples);
  expect(temporary.samples).toBe(temporary.total);
  return { calls: allocated.samples, temporary: temporary.total, peak: peakOf(profile, held, null).bytes, leaked: held.total, blocks: held.samples };
}

/**
 * Weight of a lane up to a moment by the names in its stacks, as heaptrack_print's flame graph can have them: it leaves out
 * `operator new`, what is between the angles of a template and all that calls `main` or a static initialisation, and it has
 * inlined calls in another order.
 */
function byNames(profile: Profile, lane: Lane, until: number): Map<string, number> {
  const sums = new Map<string, number>();
  for (const chunk of lane.chunks) {
    for (let row = 0; row < chunk.rows; row++) {
      if (chunk.timeAt(row) > until) continue;
      const frames = profile.stacks.framesOf(chunk.stack[row] as StackId).map((frame) => namesOfFrame(profile, frame));
      const stop = frames.findLastIndex((names) => /^(main|__libc_start_main|__static_initialization_and_destruction_0)$/.test(names.at(-1) ?? ''));
      const key = keyOf(frames.slice(Math.max(0, stop)).flat());
      sums.set(key, (sums.get(key) ?? 0) + chunk.weight.get(row));
    }
  }
  return sums;
}

/** Names without places that have none, without what is in angles, and without their order. */
function keyOf(names: readonly string[]): string {
  return names.filter((name) => !/^(\[|0x|operator new(\[\])?\(unsigned (long|int)\)$)/.test(name) && !/\boperator\b/.test(name)).map((name) => {
    let depth = 0;
    let text = '';
    for (const letter of name) {
      if (letter === '>') depth--;
      else if (letter === '<') depth++;
      else if (depth === 0) text += letter;
    }
    return text;
  }).sort().join(';');
}

function namesOfFrame(profile: Profile, frame: FrameId): string[] {
  const inlined = profile.frames.inlined.get(frame) ?? [];
  return [profile.functions.nameOf(profile.frames.functionOf(frame)), ...inlined.map((call) => profile.functions.nameOf(call.function))];
}

describe('totals are those of heaptrack_print', () => {
  // Totals in bytes and before suppression are from heaptrack's own tests (KDE/heaptrack, tests/auto/tst_parser.cpp), the
  // others rounded by heaptrack_print beside the files.
  test('a C program', () => {
    const { profile, format } = read(fixture('heaptrack-c.txt'), 'heaptrack.few.123');
    expect(format.id).toBe('heaptrack');
    expect(totals(profile)).toEqual({ calls: 8401, temporary: 8200, peak: 279_552, leaked: 205_824, blocks: 201 });
    expect(profile.info).toMatchObject({ tool: 'heaptrack 1.4.0', command: './few', durationNs: 2.134e9, notes: [] });
    expect(skipped(profile)).toEqual({});
    const rss = profile.tracks.find((track) => track.name === 'rss');
    expect(Math.max(...(rss?.value.view() ?? []))).toBe(4_124_672);
    expect(profile.processes.pid.get(0)).toBe(123);
    expect(memoryMeasures(profile, profile.lanes[0]).map(({ key }) => key)).toEqual(['allocated', 'grown', 'held', 'peak', 'temporary', 'allocations']);
  });
  const files: [string, ReturnType<typeof totals>][] = [
    ['kde/heaptrack.david.18594.gz', { calls: 2896, temporary: 729, peak: 996_970, leaked: 30_463, blocks: 37 }],
    ['kde/heaptrack.embedded_lsan_suppressions.84207.zst', { calls: 5, temporary: 0, peak: 72_714, leaked: 10, blocks: 4 }],
    ['kde/heaptrack.heaptrack_gui.99454.zst', { calls: 278_534, temporary: 35_481, peak: 12_222_213, leaked: 1_047_379, blocks: 15_417 }],
    ['web-ui/heaptrack.lelouch.88322.zst', { calls: 939, temporary: 63, peak: 260_872, leaked: 82_775, blocks: 107 }],
  ];
  test.each(files)('%s', (path, wanted) => {
    const bytes = shared(path);
    if (bytes === null) return;
    const { profile } = read(bytes, path.slice(path.lastIndexOf('/') + 1).replace(/\.(gz|zst)$/, ''));
    expect(totals(profile)).toEqual(wanted);
    expect(skipped(profile)).toEqual({});
    // By stack, as its own flame graph of the peak has it. Its names of Rust have escapes and hashes.
    const text = path.includes('lelouch') ? null : sharedData(`others/heaptrack/${path}.flamegraph-peak.folded`);
    if (text === null) return;
    const theirs = new Map<string, number>();
    for (const line of Buffer.from(text).toString().split('\n')) {
      const at = line.lastIndexOf('; ');
      if (at < 0) continue;
      const key = keyOf(line.slice(0, at).split(';').map((name) => name.replace(/ \([^()]*\.\w+\)$/, '')));
      theirs.set(key, (theirs.get(key) ?? 0) + Number(line.slice(at + 2)));
    }
    const { held } = lanes(profile);
    const ours = byNames(profile, held, peakOf(profile, held, null).time);
    expect([...theirs].filter(([key, bytes]) => (ours.get(key) ?? 0) !== bytes).slice(0, 5).map(([key, bytes]) => [key, bytes, ours.get(key)])).toEqual([]);
  });
  test('what is suppressed is said', () => {
    const bytes = shared('kde/heaptrack.embedded_lsan_suppressions.84207.zst');
    if (bytes === null) return;
    expect(read(bytes, 'x').profile.info.notes.join()).toMatch(/2 suppressions/);
  });
  test('Rust has its names back', () => {
    const bytes = shared('web-ui/heaptrack.lelouch.88322.zst');
    if (bytes === null) return;
    const { profile } = read(bytes, 'x');
    const names = Array.from({ length: profile.functions.length }, (_, fn) => profile.functions.nameOf(fn as never));
    expect(names).toContain('<toml::de::Deserializer as serde_core::de::Deserializer>::deserialize_struct');
    expect(names.filter((name) => /\$LT\$|::h[0-9a-f]{16}$/.test(name))).toEqual([]);
  });
});

const HEAD = 'v 10400 3\nX ./prog --fast\nI 1000 5e298d\ns b /home/u/pro\ns c /lib/libc.so\ns 4 main\ns 6 prog.c\ns 5 inner\ns 6 middle\ns 3 h.h\ns 6 malloc\n';

/** `text` after a head with strings 1 pro, 2 libc, 3 main, 4 prog.c, 5 inner, 6 middle, 7 h.h, 8 malloc. */
function program(text: string, size?: number): Profile {
  return read(HEAD + text.trim().split('\n').map((line) => line.trim()).join('\n') + '\n', 'heaptrack.prog.7', size).profile;
}

describe('frames', () => {
  test('inlined calls stand between their function and its callee; places without a name are their library', () => {
    const profile = program(`
      i 1000 1 3 4 a
      i 2000 1 5 7 3 6 7 9 3 4 b
      i 3000 2
      i 4000 2 8
      i 5000 0
      t 1 0
      t 2 1
      t 3 2
      t 4 2
      t 5 0
      a 10 3
      a 20 4
      a 40 5
      + 0
      + 1
      + 2
    `);
    expect(treeText(new CallTree(profile, lanes(profile).allocated, EVERYTHING, false), () => '')).toBe(picture(`
      [unknown] 64 (64)
      main 48
        main 48
          middle 48
            inner 48
              [libc.so] 16 (16)
              malloc 32 (32)
    `));
    const row = (name: string): [string, string, string] => {
      const fn = Array.from({ length: profile.functions.length }, (_, i) => i).find((i) => profile.functions.nameOf(i as never) === name) ?? -1;
      return [profile.functions.fileOf(fn as never), profile.functions.libraryOf(fn as never), profile.functions.kindOf(fn as never)];
    };
    expect([row('main'), row('inner'), row('malloc')]).toEqual([['prog.c', 'pro', 'native'], ['h.h', 'pro', 'native'], ['', 'libc.so', 'native']]);
    const frame = profile.stacks.framesOf(lanes(profile).allocated.chunks[0].stack[0] as StackId)[1];
    expect(profile.frames.line.get(frame)).toBe(11);
    expect(profile.frames.inlined.get(frame)?.map(({ line }) => line)).toEqual([9, 3]);
  });
  test('beside perf a function has no file, so that it is the same row; own code is told by its place', () => {
    const profile = new Profile();
    const decoder = new HeaptrackDecoder(profile, { source: 's', directory: '/home/u', beside: true });
    decoder.push(Buffer.from(`${HEAD}i 1000 1 3 4 a\nt 1 0\na 8 1\n+ 0\nR 100\n`));
    decoder.end();
    const known = profile.functions.length;
    expect(profile.functions.intern({ name: 'main', library: 'pro', kind: 'native', flags: 1 })).toBeLessThan(known);
    expect(profile.tracks).toHaveLength(0);
    expect(profile.info.command).toBe('');
  });
});

const PLACES = 'i 1000 1 3\ni 2000 1 5\ni 3000 1 6\nt 1 0\nt 2 1\nt 3 1\na 64 2\na 32 3\n';

describe('time', () => {
  test('the peak between two events is exact, by stack', () => {
    // inner is 100 bytes, middle 50. Within 50 ms: up to 350 bytes, and down to 50 again.
    const profile = program(`${PLACES}
      + 0
      c a
      + 0
      + 0
      + 1
      - 0
      - 0
      - 0
      c 5a
      + 0
    `);
    const { held } = lanes(profile);
    const peak = peakOf(profile, held, null);
    expect(peak).toEqual({ time: 10e6, bytes: 350 });
    const at = (ranges: typeof EVERYTHING.ranges): string => treeText(new CallTree(profile, held, { ...EVERYTHING, ranges }, false));
    expect(at(upTo(peak.time))).toBe(picture(`
      main 350
        inner 300 (300)
        middle 50 (50)
    `));
    expect([heldAt(profile, held, 9e6), heldAt(profile, held, 10e6), heldAt(profile, held, 11e6), heldAt(profile, held, 90e6)]).toEqual([0, 350, 50, 150]);
  });
  test('a rise that is not the highest of all stands out too; steady work makes no more rows', () => {
    const spike = program(`${PLACES}
      ${'+ 0\n'.repeat(50)}
      c 64
      ${'- 0\n'.repeat(45)}
      c c8
      ${'+ 1\n'.repeat(20)}
      ${'- 1\n'.repeat(20)}
      c 12c
    `);
    const { held } = lanes(spike);
    expect(peakOf(spike, held, null)).toEqual({ time: 0, bytes: 5000 });
    expect(peakOf(spike, held, [[150e6, 1e9]]).bytes).toBe(1500);
    const steady = program(`${PLACES}+ 0\n${Array.from({ length: 100 }, (_, i) => `c ${(i * 50 + 50).toString(16)}\n- 0\n+ 0`).join('\n')}`);
    expect(lanes(steady).held.rows).toBe(1);
    expect(lanes(steady).allocated.rows).toBe(101);
  });
  test('attached: totals begin there', () => {
    const profile = program(`${PLACES}
      + 0
      A
      + 1
      + 1
      - 1
    `);
    expect(totals(profile)).toEqual({ calls: 2, temporary: 1, peak: 100, leaked: 50, blocks: 1 });
    expect(profile.info.notes.join()).toMatch(/attached to a running program/);
  });
  test('its clock may begin later than the recording', () => {
    const profile = new Profile();
    const decoder = new HeaptrackDecoder(profile, { source: 's', directory: '', zeroWall: 1_700_000_000_000_000_000 });
    decoder.push(Buffer.from(`# started 1700000000500000000\n${HEAD}${PLACES}c a\n+ 0\n`));
    decoder.end();
    expect(lanes(profile).allocated.chunks[0].timeAt(0)).toBeCloseTo(510e6, -4);
  });
  test('equals a plain account of every event, whatever the events are', () => {
    const event = fc.oneof(fc.record({ kind: fc.nat(2), free: fc.boolean() }), fc.integer({ min: 1, max: 90 }));
    fc.assert(fc.property(fc.array(event, { maxLength: 120 }), (events) => {
      const live = [0, 0, 0];
      const sizes = [100, 50, 7];
      let [held, peak, calls, temporary, last, now] = [0, 0, 0, 0, 0, 0];
      const lines: string[] = [];
      for (const one of events) {
        if (typeof one === 'number') lines.push(`c ${(now += one).toString(16)}`);
        else if (one.free && live[one.kind] > 0) {
          lines.push(`- ${one.kind}`);
          live[one.kind]--;
          held -= sizes[one.kind];
          if (last === one.kind) temporary++;
          last = 0;
        } else {
          lines.push(`+ ${one.kind}`);
          live[one.kind]++;
          calls++;
          held += sizes[one.kind];
          last = one.kind;
          peak = Math.max(peak, held);
        }
      }
      if (calls === 0) return;
      const profile = program(`${PLACES}a 7 1\n${lines.join('\n')}`);
      expect(totals(profile)).toEqual({ calls, temporary, peak, leaked: held, blocks: live[0] + live[1] + live[2] });
    }), { numRuns: 150 });
  });
  test('a long recording gets longer spans, and its sums stay whole', () => {
    const profile = new Profile();
    const rows = new AllocationRows(profile, 1000);
    rows.begin('s', 0);
    const places = Array.from({ length: 10 }, (_, i) => rows.place(profile.stacks.intern(NO_STACK, profile.frames.source(profile.functions.intern({ name: `f${i}`, kind: 'native' })))));
    for (let ms = 0; ms < 100_000; ms += 50) {
      rows.time(ms * 1e6);
      for (const place of places) rows.allocated(place, 10);
    }
    rows.end();
    const { allocated, held } = lanes(profile);
    expect([allocated.samples, allocated.total, held.total]).toEqual([20_000, 200_000, 200_000]);
    // A thousand rows at 50 ms, a thousand at 100, and so on.
    expect(allocated.rows).toBeLessThan(6000);
    expect(allocated.rows).toBeGreaterThan(3000);
  });
});

describe('input', () => {
  test.each([1, 7, 100])('in pieces of %i bytes it is the same', (size) => {
    for (const name of ['heaptrack-c.txt', 'heaptrack-slowalloc.txt']) {
      const [whole, cut] = [read(fixture(name), name).profile, read(fixture(name), name, size).profile];
      expect(totals(cut)).toEqual(totals(whole));
      expect([cut.stacks.length, cut.lanes.map((lane) => lane.rows), skipped(cut)]).toEqual([whole.stacks.length, whole.lanes.map((lane) => lane.rows), skipped(whole)]);
    }
  });
  test('older formats: strings without a length', () => {
    const profile = read(`v 10000 2\nX ./p\ns /bin/p\ns operator new(unsigned long)\ni 10 1 2\nt 1 0\na 8 1\n+ 0\n`, 'x').profile;
    expect(treeText(new CallTree(profile, profile.lanes[0], EVERYTHING, false))).toBe('operator new(unsigned long) 8 (8)');
    expect(read('v 10200\nX ./p\ns /bin/p\ni 10 1\nt 1 0\na 8 1\n+ 0\n', 'x').format.id).toBe('heaptrack');
  });
  test.each([
    ['what was not interpreted', () => fixture('heaptrack-slowalloc.raw.txt'), /before it was interpreted/],
    ['a format of before 1.0', () => Buffer.from('v 10000\nX ./p\n+ 8 1 10\n'), /before 1\.0/],
    ['a format of tomorrow', () => Buffer.from('v 20000 9\nX ./p\n'), /format 9 .*2\.0\.0.*up to 3/],
    ['no allocation', () => Buffer.from(HEAD), /no allocation/],
  ])('%s is refused in one sentence', (_, bytes, message) => {
    expect(() => read(bytes(), 'heaptrack.p.1')).toThrow(message);
    try {
      read(bytes(), 'heaptrack.p.1');
    } catch (error) {
      expect(error).toBeInstanceOf(UserError);
    }
  });
  test('a live stream that says nothing, and one that ends in its first line', () => {
    const decoder = (): HeaptrackDecoder => new HeaptrackDecoder(new Profile(), { source: 's', directory: '' });
    expect(() => decoder().end()).toThrow(/wrote nothing/);
    const cut = decoder();
    cut.push(Buffer.from('v 104'));
    expect(() => cut.end()).toThrow(/wrote nothing/);
    expect(() => decoder().push(Buffer.from('# started 5\nhello\n'))).toThrow(/does not begin/);
  });
  test('what is damaged is counted, and the rest is read', () => {
    const profile = program(`${PLACES}
      + 0
      + 99
      - zz
      a 10
      a 123456789abcdef01 1
      t 77 1
      t 1 9999
      i zz 1
      ? what
      c zz
      R -1
      s 7f longer than its line
      + 1
    `);
    expect(totals(profile)).toMatchObject({ calls: 2, leaked: 150 });
    expect(skipped(profile)).toEqual({
      'allocations of no known kind': 2, 'damaged lines': 6, 'traces of an unknown place': 2, 'lines of no known kind': 1,
    });
  });
  test('cut in mid-line, and a line without an end', () => {
    const cut = read(fixture('heaptrack-c.txt').subarray(0, 40_003), 'x').profile;
    expect(skipped(cut)).toEqual({ 'last line, which was cut': 1 });
    expect(totals(cut).calls).toBeGreaterThan(3000);
    const long = read(Buffer.concat([Buffer.from(HEAD + PLACES), Buffer.alloc(3_000_000, 'x'), Buffer.from('\n+ 0\n')]), 'x', 65_536).profile;
    expect([totals(long).calls, skipped(long)]).toEqual([1, { 'lines longer than 1 MB': 1 }]);
  });
  test('a chain of callers of any length ends', () => {
    const depth = 30_000;
    const lines = Array.from({ length: depth }, (_, i) => `t 1 ${i.toString(16)}`);
    const profile = program(`${PLACES.split('\n').slice(0, 3).join('\n')}\n${lines.join('\n')}\na 8 ${depth.toString(16)}\n+ 0`);
    const { allocated } = lanes(profile);
    expect(profile.stacks.framesOf(allocated.chunks[0].stack[0] as StackId).length).toBeLessThan(10_000);
    expect(allocated.total).toBe(8);
  });
  test('mutated files never do worse than a message', () => {
    const base = fixture('heaptrack-c.txt').subarray(0, 12_000);
    const lanesAreFinite = (profile: Profile): void => {
      for (const lane of profile.lanes) expect(Number.isFinite(lane.total) && Number.isFinite(lane.samples)).toBe(true);
    };
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(base.length - 1), fc.nat(255)), { minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 5000 }), (changes, size) => {
      const bytes = base.slice();
      for (const [at, value] of changes) bytes[at] = value;
      const profile = new Profile();
      const decoder = new HeaptrackDecoder(profile, { source: '', directory: '/', describe: 'x' });
      try {
        for (const piece of pieces(bytes, size)) decoder.push(piece);
        decoder.end();
      } catch (error) {
        expect(error).toBeInstanceOf(UserError);
      }
      lanesAreFinite(profile);
      for (const lane of profile.lanes) if (lane.name === 'heaptrack held') expect(Number.isFinite(peakOf(profile, lane, null).bytes)).toBe(true);
    }), { numRuns: 80 });
  });
  test('it is told from its content', () => {
    expect(detect(Buffer.from('v 10400 3\nX ./a\n'), 'anything').id).toBe('heaptrack');
    expect(detect(Buffer.from('v 10400 3\n'), 'heaptrack.a.1').id).toBe('heaptrack');
    for (const text of ['v 1.0 2.0 3.0\nf 1 2 3\n', 'v 1 2 3\nvn 1 0 0\n', 'a;b 3\n', 'v 1 2\nhello\n']) expect(FORMATS.find(({ id }) => id === 'heaptrack')?.match(Buffer.from(text), 'x')).toBe('no');
  });
});
