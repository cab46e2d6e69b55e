import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CallFrames } from '#core/native/cfi';
import { ElfFile } from '#core/native/elf';
import { memorySource } from '#core/native/file-view';
import { SymbolTable, loadSymbols } from '#core/native/symbols';

const program = new URL('../../fixtures/perf/work_nofp', import.meta.url).pathname;
const bytes = new Uint8Array(readFileSync(program));
const hasReadelf = spawnSync('readelf', ['--version']).status === 0;
if (!hasReadelf) console.log('skipped: our unwinding rules beside readelf\'s, there is no readelf (apt-get install binutils)');

function open(image: Uint8Array): ElfFile {
  const elf = ElfFile.open(memorySource(image));
  if (elf === null) throw new Error('no ELF file');
  return elf;
}

/** Name of the function at an address, from the first table that knows it. */
function nameAt(elf: ElfFile, va: number): string {
  for (const area of elf.symbolAreas()) {
    const table = loadSymbols(elf, area);
    const found = table.find(va);
    if (found !== null) return table.name(found.index);
  }
  return '';
}

/** Columns of `readelf --debug-dump=frames-interp`, as DWARF numbers. */
const COLUMNS: Readonly<Record<string, number>> = { rbx: 3, rbp: 6, r12: 12, r13: 13, r14: 14, r15: 15, ra: 16 };

/** Compares all our rows of a file with readelf's. Returns [rows, the first few that differ]. */
function compareRows(path: string): [rows: number, differences: string[]] {
  const frames = new CallFrames(open(new Uint8Array(readFileSync(path))));
  const text = spawnSync('readelf', ['--debug-dump=frames-interp', '-W', path], { maxBuffer: 1 << 28 }).stdout.toString('latin1');
  let columns: string[] = [];
  let rows = 0;
  let inFde = false;
  const differences: string[] = [];
  for (const line of text.split('\n')) {
    if (/ FDE /.test(line)) inFde = true;
    else if (/ CIE /.test(line)) inFde = false;
    else if (/^\s+LOC/.test(line)) columns = line.trim().split(/\s+/).slice(2);
    else if (inFde && /^[0-9a-f]{16} /.test(line) && !/\(r/.test(line)) {
      rows++;
      const [place, ...fields] = line.trim().split(/\s+/);
      const row = frames.row(parseInt(place, 16));
      const ours = row === null ? ['none'] : [
        row.cfaRegister === 7 ? `rsp+${row.cfaOffset}` : row.cfaRegister === 6 ? `rbp+${row.cfaOffset}` : row.cfaRegister < 0 ? 'exp' : fields[0],
        ...columns.map((column, i) => {
          const register = COLUMNS[column] as number | undefined;
          if (register === undefined) return fields[i + 1];
          const value = row.values[register];
          return ['u', 'u', `c${value >= 0 ? '+' : ''}${value}`, `v${value >= 0 ? '+' : ''}${value}`, 'reg', 'exp', 'vexp'][row.kinds[register]];
        }),
      ];
      const theirs = fields.slice(0, columns.length + 1).map((field, i) => (i > 0 && field === 's' ? 'u' : field));
      if (ours.join(' ') !== theirs.join(' ') && differences.length < 5) differences.push(`${place}: ours ${ours.join(' ')}, readelf ${theirs.join(' ')}`);
    }
  }
  return [rows, differences];
}

describe('an ELF file', () => {
  test('gives its functions by address, and nothing outside them', () => {
    const elf = open(bytes);
    const symbols = execFileSync('nm', ['--defined-only', '-S', program]).toString().split('\n')
      .map((line) => /^([0-9a-f]{16}) ([0-9a-f]{16}) [tT] (\w+)/.exec(line)).filter((match) => match !== null);
    expect(symbols.length).toBeGreaterThan(5);
    for (const [, start, size, name] of symbols) {
      const at = parseInt(start, 16);
      expect(nameAt(elf, at)).toBe(name);
      expect(nameAt(elf, at + parseInt(size, 16) - 1)).toBe(name);
    }
    expect(nameAt(elf, 0x10)).toBe('');
  });

  test('has the build id that readelf prints', () => {
    const printed = /Build ID: ([0-9a-f]+)/.exec(execFileSync('readelf', ['-n', program]).toString());
    expect(open(bytes).buildId).toBe(printed?.[1]);
  });

  test('without section headers still has its dynamic symbols, its build id and its rules', () => {
    const library = '/usr/lib/x86_64-linux-gnu/libstdc++.so.6';
    if (!existsSync(library)) {
      console.log(`skipped: no ${library}`);
      return;
    }
    const whole = new Uint8Array(readFileSync(library));
    const bare = whole.slice();
    // e_shoff, e_shnum, e_shstrndx
    bare.fill(0, 40, 48);
    bare.fill(0, 60, 64);
    const elf = open(bare);
    expect(elf.sections).toEqual([]);
    expect(elf.buildId).toBe(open(whole).buildId);
    const area = elf.symbolAreas()[0];
    expect(area.count).toBe(open(whole).symbolAreas().find((a) => a.dynamic)?.count);
    expect(new CallFrames(elf).count).toBe(new CallFrames(open(whole)).count);
  });

  test('without a search table finds the same rules by walking .eh_frame', () => {
    const elf = open(bytes);
    const broken = bytes.slice();
    const header = elf.ehFrameHeader();
    if (header === null) throw new Error('no .eh_frame_hdr');
    broken[header.offset] = 9;
    const frames = new CallFrames(elf);
    const scanned = new CallFrames(open(broken));
    expect(scanned.count).toBe(frames.count);
    for (let va = 0x1000; va < 0x1400; va++) expect(scanned.row(va)).toEqual(frames.row(va));
  });

  test.skipIf(!hasReadelf)('has the unwinding rules that readelf prints, row by row', () => {
    expect(compareRows(program)).toEqual([expect.any(Number), []]);
    const loader = '/lib64/ld-linux-x86-64.so.2';
    if (!existsSync(loader)) return;
    const [rows, differences] = compareRows(loader);
    expect(rows).toBeGreaterThan(1000);
    expect(differences).toEqual([]);
  });
});

describe('a symbol table', () => {
  /** An ELF file of nothing but `count` functions of 16 bytes, in a shuffled order. */
  function manySymbols(count: number): Uint8Array {
    const image = new Uint8Array(64 + 4 * 64 + count * 24 + count * 8 + 72);
    const view = new DataView(image.buffer);
    image.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
    view.setUint16(18, 62, true);
    view.setUint32(40, 64, true);
    view.setUint16(58, 64, true);
    view.setUint16(60, 3, true);
    const symbols = 64 + 4 * 64;
    const names = symbols + count * 24;
    const section = (index: number, type: number, offset: number, size: number, link: number): void => {
      const at = 64 + index * 64;
      view.setUint32(at + 4, type, true);
      view.setUint32(at + 24, offset, true);
      view.setUint32(at + 32, size, true);
      view.setUint32(at + 40, link, true);
    };
    section(1, 2, symbols, count * 24, 2);
    section(2, 3, names, count * 8 + 8, 0);
    for (let i = 0; i < count; i++) {
      const at = symbols + i * 24;
      const number = (i * 7919) % count;
      view.setUint32(at, i * 8 + 8, true);
      image[at + 4] = 0x12;
      view.setUint16(at + 6, 1, true);
      view.setUint32(at + 8, 0x1000 + number * 16, true);
      view.setUint32(at + 16, 16, true);
      image.set(new TextEncoder().encode(`f${number}`.slice(0, 7)), names + i * 8 + 8);
    }
    return image;
  }

  test('of 200,003 functions in any order loads in many small steps and finds each', () => {
    const elf = open(manySymbols(200_003));
    const steps = SymbolTable.load(elf, elf.symbolAreas()[0]);
    let count = 0;
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) count++;
    expect(count).toBeGreaterThan(10);
    const table = step.value;
    expect(table.count).toBe(200_003);
    for (let number = 0; number < 200_003; number += 997) {
      const found = table.find(0x1000 + number * 16 + 5);
      expect(found?.start).toBe(0x1000 + number * 16);
      expect(table.name(found?.index ?? -1)).toBe(`f${number}`);
    }
    expect(table.find(0xfff)).toBeNull();
  });
});

describe('a damaged ELF file', () => {
  function readEverything(image: Uint8Array): void {
    const elf = ElfFile.open(memorySource(image));
    if (elf === null) return;
    const frames = new CallFrames(elf);
    for (let va = 0x1000; va < 0x1400; va += 7) frames.row(va);
    for (const area of elf.symbolAreas()) {
      const table = loadSymbols(elf, area);
      for (let va = 0x1000; va < 0x1400; va += 50) {
        const found = table.find(va);
        if (found !== null) table.name(found.index);
      }
    }
    elf.debugLink();
    elf.vaShift(0x1000, 4096);
  }

  test('is read without an error, whatever bytes are changed', () => {
    const place = fc.oneof(
      fc.integer({ min: 0, max: bytes.length - 1 }), fc.integer({ min: 0, max: 900 }), fc.integer({ min: bytes.length - 2000, max: bytes.length - 1 }),
      fc.integer({ min: 0x2000, max: 0x2600 }),
    );
    fc.assert(fc.property(fc.array(fc.tuple(place, fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 20 }), (changes) => {
      const image = bytes.slice();
      for (const [at, value] of changes) image[at] = value;
      readEverything(image);
    }), { numRuns: 400 });
  });

  test('is read without an error, wherever it is cut', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: bytes.length }), (length) => {
      readEverything(bytes.slice(0, length));
    }), { numRuns: 200 });
  });
});
