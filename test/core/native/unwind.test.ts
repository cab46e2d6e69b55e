import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AddressSpaces } from '#core/native/address-space';
import { endsInCall } from '#core/native/call-site';
import { CallFrames } from '#core/native/cfi';
import { ElfFile } from '#core/native/elf';
import { memorySource } from '#core/native/file-view';
import { NO_SOURCES } from '#core/native/sources';
import { loadSymbols } from '#core/native/symbols';
import { Unwinder } from '#core/native/unwind';
import type { Registers, StackEnd } from '#core/native/unwind';
import type { FrameId } from '#core/model/ids';
import { Profile } from '#core/model/profile';
import { FRAME_RULES } from '#core/model/tables';

const image = new Uint8Array(readFileSync(new URL('../../fixtures/perf/work_nofp', import.meta.url)));
const elf = ElfFile.open(memorySource(image)) as ElfFile;
const rules = new CallFrames(elf);
/** The same program without unwinding rules: no PT_GNU_EH_FRAME, no sections; its symbols go with them. */
const bare = withoutRules(image);

const PROGRAM = 0x5555_5555_0000;
const BARE = 0x6666_0000_0000;
const JIT = 0x7777_0000_0000;
const SP = 0x7fff_0000_1000;
const PID = 10;

function withoutRules(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  for (let i = 0; i < view.getUint16(56, true); i++) {
    const at = 64 + i * 56;
    if (view.getUint32(at, true) === 0x6474e550) view.setUint32(at, 0, true);
  }
  copy.fill(0, 40, 48);
  return copy;
}

function symbol(name: string): { start: number; end: number } {
  const line = symbols.find((entry) => entry.name === name);
  if (line === undefined) throw new Error(`no ${name}`);
  return line;
}

const symbols = (() => {
  const area = elf.symbolAreas()[0];
  const table = loadSymbols(elf, area);
  const list: { name: string; start: number; end: number }[] = [];
  for (let i = 0; i < area.count; i++) {
    const at = area.offset + i * 24;
    const start = elf.view.u64(at + 8);
    if ((elf.view.u8(at + 4) & 15) === 2 && start > 0) list.push({ name: table.name(i), start, end: start + elf.view.u64(at + 16) });
  }
  return list;
})();

/** The address after the first call in a function, as mapped at PROGRAM. */
function afterCall(name: string): number {
  const { start, end } = symbol(name);
  for (let va = start + 5; va < end; va++) {
    const offset = elf.offsetOf(va);
    if (image[offset - 5] === 0xe8 && endsInCall(image.subarray(offset - 7, offset)) && rules.row(va - 1)?.plain === true) return PROGRAM + va;
  }
  throw new Error(`no call in ${name}`);
}

/** A stack in memory, written by hand from SP upwards. */
class Memory {
  readonly words: number[] = [];

  push(...words: number[]): this {
    this.words.push(...words);
    return this;
  }

  /** Frames that were called in these functions, innermost first, each as large as its rules say; 0 as the last return address. */
  calls(...names: string[]): this {
    this.push(afterCall(names[0]));
    names.forEach((name, i) => {
      const row = rules.row(afterCall(name) - PROGRAM - 1);
      if (row === null || row.cfaRegister !== 7) throw new Error(`${name} does not count from the stack pointer`);
      for (let n = row.cfaOffset / 8 - 1; n > 0; n--) this.push(0x1111);
      this.push(i + 1 < names.length ? afterCall(names[i + 1]) : 0);
    });
    return this;
  }

  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.words.length * 8);
    const view = new DataView(bytes.buffer);
    this.words.forEach((word, i) => {
      view.setUint32(i * 8, word % 0x1_0000_0000, true);
      view.setUint32(i * 8 + 4, Math.floor(word / 0x1_0000_0000), true);
    });
    return bytes;
  }
}

function machine(perfMap = ''): { unwind: (regs: Partial<Registers>, stack: Uint8Array, tid?: number) => [StackEnd, string]; unwinder: Unwinder; spaces: AddressSpaces } {
  const profile = new Profile();
  let map = perfMap;
  const spaces = new AddressSpaces(profile, {
    ...NO_SOURCES,
    elf: (path) => (path === '/work' ? memorySource(image) : path === '/bare' ? memorySource(bare) : null),
    perfMap: () => { const text = map; map = ''; return text; },
  }, { directory: '' });
  const text = { length: 0x100000, fileOffset: 0, executable: true, buildId: '' };
  spaces.map(PID, { ...text, start: PROGRAM, path: '/work' });
  spaces.map(PID, { ...text, start: BARE, path: '/bare' });
  spaces.map(PID, { ...text, start: JIT, path: '' });
  const unwinder = new Unwinder(spaces);
  const into: FrameId[] = [];
  return {
    unwinder, spaces,
    unwind: (regs, stack, tid = PID) => {
      const end = unwinder.unwind(PID, tid, { ip: 0, sp: SP, bp: 0, bx: 0, r12: 0, r13: 0, r14: 0, r15: 0, ...regs }, stack, into);
      const names = into.map((frame) => {
        const rule = FRAME_RULES[profile.frames.rule.get(frame)];
        return profile.functions.nameOf(profile.frames.functionOf(frame)).replace(/\+0x.*\]/, ']') + (rule === 'leaf' || rule === 'eh-frame' ? '' : ` (${rule})`);
      });
      return [end, names.join(' < ')];
    },
  };
}

const leaf = PROGRAM + symbol('leaf_math').start;

describe('a copied stack', () => {
  test('is followed by its rules to the root', () => {
    const { unwind, unwinder } = machine();
    expect(unwind({ ip: leaf }, new Memory().calls('mid_compute', 'top_compute', 'th_compute').bytes()))
      .toEqual(['root', 'leaf_math < mid_compute < top_compute < th_compute']);
    expect(unwinder.ends).toEqual({ root: 1, truncated: 0, lost: 0, stitched: 0 });
  });

  test('that is cut ends as truncated, and takes its callers from the last whole one of its thread', () => {
    const stack = new Memory().calls('mid_compute', 'top_compute', 'th_compute').bytes();
    const fresh = machine();
    expect(fresh.unwind({ ip: leaf }, stack.subarray(0, stack.length - 8))).toEqual(['truncated', 'leaf_math < mid_compute < top_compute < th_compute']);
    expect(fresh.unwind({ ip: leaf }, stack.subarray(0, 8))).toEqual(['truncated', 'leaf_math < mid_compute']);
    const { unwind, unwinder } = machine();
    unwind({ ip: leaf }, stack);
    expect(unwind({ ip: leaf + 1 }, stack.subarray(0, 8))).toEqual(['root', 'leaf_math < mid_compute < top_compute (stitched) < th_compute (stitched)']);
    // Another thread has another stack, though its addresses may be the same.
    expect(unwind({ ip: leaf }, stack.subarray(0, 8), 11)).toEqual(['truncated', 'leaf_math < mid_compute']);
    unwinder.forget(PID);
    expect(unwind({ ip: leaf }, stack.subarray(0, 8))).toEqual(['truncated', 'leaf_math < mid_compute']);
    expect(unwinder.ends).toEqual({ root: 2, truncated: 2, lost: 0, stitched: 1 });
  });

  test('goes on by the saved frame pointer where code has no rules', () => {
    const { unwind } = machine();
    const bp = SP + 16;
    const memory = new Memory().push(0x1111, 0x2222, SP + 0x300).calls('mid_compute', 'th_compute');
    expect(unwind({ ip: BARE + 0x1200, bp }, memory.bytes())).toEqual(['root', '[bare] < mid_compute (saved-bp) < th_compute']);
  });

  test('does not believe a frame pointer whose return address follows no call', () => {
    const { unwind } = machine();
    const memory = new Memory().push(SP + 0x300, leaf + 1, 0x3333).calls('mid_compute', 'th_compute');
    expect(unwind({ ip: BARE + 0x1200, bp: SP }, memory.bytes())).toEqual(['root', '[bare] < mid_compute (scan) < th_compute']);
  });

  test('walks a JIT by frame pointers alone, as long as they go upwards', () => {
    const { unwind } = machine();
    const memory = new Memory().push(SP + 16, JIT + 0x500, SP + 32, JIT + 0x600, SP + 0x400).calls('mid_compute', 'th_compute');
    expect(unwind({ ip: JIT + 0x100, bp: SP }, memory.bytes()))
      .toEqual(['root', '[anonymous code] < [anonymous code] (saved-bp) < [anonymous code] (saved-bp) < mid_compute (saved-bp) < th_compute']);
  });

  test('passes through the trampolines of a Python process, and of no other', () => {
    const memory = new Memory().push(JIT + 0x10, 0x1111).calls('mid_compute', 'th_compute');
    const python = machine(`${JIT.toString(16)} 100 py::step:/app/train.py\n`);
    python.spaces.setRuntime(PID, 'python');
    expect(python.unwind({ ip: leaf }, memory.bytes())).toEqual(['root', 'leaf_math < step < mid_compute (trampoline) < th_compute']);
    const other = machine();
    expect(other.unwind({ ip: leaf }, memory.bytes())).toEqual(['root', 'leaf_math < [anonymous code] < mid_compute (scan) < th_compute']);
  });

  test('starts at a call into nowhere', () => {
    const { unwind } = machine();
    expect(unwind({ ip: 0 }, new Memory().calls('mid_compute', 'th_compute').bytes())).toEqual(['root', '[unmapped address] < mid_compute (scan) < th_compute']);
  });

  test('within the table of jumps to libraries follows its odd rule', () => {
    const { unwind } = machine();
    const plt = elf.section('.plt');
    if (plt === null) throw new Error('no .plt');
    // The second half of an entry has pushed a number: the rule computes that from the address (an expression).
    const memory = new Memory().push(0x5).calls('mid_compute', 'th_compute');
    expect(unwind({ ip: PROGRAM + plt.va + 16 + 11 }, memory.bytes())).toEqual(['root', '[jump to another library] < mid_compute < th_compute']);
    expect(unwind({ ip: PROGRAM + plt.va + 16 }, new Memory().calls('mid_compute', 'th_compute').bytes())).toEqual(['root', '[jump to another library] < mid_compute < th_compute']);
  });

  test('of nonsense is lost, not wrong', () => {
    const { unwind } = machine();
    expect(unwind({ ip: BARE + 0x1200 }, new Memory().push(...new Array<number>(600).fill(0x1234)).bytes())[0]).toBe('lost');
    expect(unwind({ ip: leaf }, new Uint8Array(0))[0]).toBe('truncated');
    expect(unwind({ ip: 2 ** 63, sp: 2 ** 64 }, new Uint8Array(100))[0]).toBe('lost');
    // Addresses beyond 2^53 are not exact: nothing is read there, and no search stands still.
    for (const sp of [2 ** 53 - 8, 2 ** 53, 2 ** 60 + 4096, 2 ** 64 - 4096, Number.NaN]) {
      const words = new Memory().push(...new Array<number>(600).fill(0x1234));
      expect(unwind({ ip: BARE + 0x1200, sp, bp: sp }, words.bytes())).toEqual(['lost', '[bare]']);
      expect(unwind({ ip: leaf, sp, bp: 2 ** 60 }, words.bytes())[1]).toBe('leaf_math');
    }
  });

  test('of any words ends, with a bounded number of frames', () => {
    const { unwinder } = machine(`${JIT.toString(16)} 100 py::step:/app/train.py\n`);
    const word = fc.oneof(
      fc.constantFrom(afterCall('mid_compute'), afterCall('top_compute'), afterCall('th_compute'), leaf, JIT + 0x10, JIT + 0x400, BARE + 0x1200, 0, 2 ** 64 - 2048),
      fc.integer({ min: 0, max: 80 }).map((n) => SP + n * 8), fc.integer({ min: 0, max: 0x4000 }).map((n) => PROGRAM + n),
    );
    fc.assert(fc.property(fc.array(word, { maxLength: 80 }), fc.array(word, { minLength: 7, maxLength: 7 }), fc.integer({ min: 0, max: 7 }), fc.constantFrom(SP, SP + 4, 0, 2 ** 53 - 64, 2 ** 53, 2 ** 63, 2 ** 64 - 2048), (words, regs, cut, sp) => {
      const into: FrameId[] = [];
      const stack = new Memory().push(...words).bytes();
      const [ip, bp, bx, r12, r13, r14, r15] = regs;
      unwinder.unwind(PID, PID, { ip, sp, bp, bx, r12, r13, r14, r15 }, stack.subarray(0, Math.max(0, stack.length - cut)), into);
      expect(into.length).toBeGreaterThan(0);
      expect(into.length).toBeLessThanOrEqual(512);
    }), { numRuns: 2000 });
  });
});
