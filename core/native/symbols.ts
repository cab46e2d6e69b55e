import type { ElfFile, SymbolArea } from './elf.ts';
import { BadBinary } from './file-view.ts';

const CHUNK_ENTRIES = 16_384;
/** Entries that one step merges. */
const MERGE_ENTRIES = 65_536;
const BEST_OF = 64;
/** A symbol that contains others (a hot part within a big function) is looked for this many entries back. */
const LOOK_BACK = 16;

export interface FoundSymbol {
  /** Index in the table of the file: one per function, for caches. */
  readonly index: number;
  readonly start: number;
}

/**
 * The functions of one symbol table, found by address. Only one Float64 per function is kept: (address - base) *
 * 2^bits + index, sorted. Sizes and names are read from the file when they are asked for.
 */
export class SymbolTable {
  #elf: ElfFile;
  #area: SymbolArea;
  #keys: Float64Array;
  /** Entries of a table fit into this factor, so that address and index share a double exactly. */
  #factor: number;

  private constructor(elf: ElfFile, area: SymbolArea, keys: Float64Array, factor: number) {
    this.#elf = elf;
    this.#area = area;
    this.#keys = keys;
    this.#factor = factor;
  }

  get count(): number {
    return this.#keys.length;
  }

  /**
   * Reads a table in steps: each `next()` takes a few milliseconds at most, so that a table of a million symbols loads
   * beside other work. The last one returns the table.
   */
  static *load(elf: ElfFile, area: SymbolArea): Generator<undefined, SymbolTable> {
    const factor = 2 ** Math.ceil(Math.log2(Math.max(2, area.count)));
    const most = Math.floor(Number.MAX_SAFE_INTEGER / factor) - 1;
    let keys = new Float64Array(area.count);
    let count = 0;
    for (let from = 0; from < area.count; from += CHUNK_ENTRIES) {
      const entries = Math.min(CHUNK_ENTRIES, area.count - from);
      const first = count;
      try {
        const bytes = elf.view.bytes(area.offset + from * 24, entries * 24);
        const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        for (let i = 0; i < entries; i++) {
          const at = i * 24;
          // st_info's type: 2 = FUNC, 10 = IFUNC; NOTYPE (0) only with a section, as in assembly.
          const type = bytes[at + 4] & 15;
          const section = data.getUint16(at + 6, true);
          if (section === 0 || (type !== 2 && type !== 10 && type !== 0) || (type === 0 && section >= 0xff00)) continue;
          const va = data.getUint32(at + 8, true) + data.getUint32(at + 12, true) * 0x1_0000_0000 - elf.base;
          if (va < 0 || va > most) continue;
          keys[count++] = va * factor + from + i;
        }
      } catch (error) {
        if (!(error instanceof BadBinary)) throw error;
        break;
      }
      keys.subarray(first, count).sort();
      yield undefined;
    }
    keys = keys.slice(0, count);
    let merged = new Float64Array(count);
    // The chunks are not of equal length once entries are left out, so runs are found, not counted.
    for (;;) {
      const runs = findRuns(keys);
      if (runs.length <= 2) break;
      for (let r = 0; r + 1 < runs.length; r += 2) {
        yield* mergeRuns(keys, merged, runs[r], runs[r + 1], r + 2 < runs.length ? runs[r + 2] : runs[r + 1]);
        yield undefined;
      }
      [keys, merged] = [merged, keys];
    }
    return new SymbolTable(elf, area, keys, factor);
  }

  /** The function at a virtual address, or null. */
  find(va: number): FoundSymbol | null {
    const keys = this.#keys;
    const factor = this.#factor;
    const target = va - this.#elf.base;
    if (!(target >= 0)) return null;
    const limit = (target + 1) * factor;
    let low = 0;
    let high = keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (keys[middle] < limit) low = middle + 1;
      else high = middle;
    }
    try {
      let best: FoundSymbol | null = null;
      let bestScore = -1;
      let nearest = -1;
      for (let i = low - 1, looked = 0; i >= 0 && looked < BEST_OF; i--, looked++) {
        const start = Math.floor(keys[i] / factor);
        if (best !== null && start !== best.start - this.#elf.base) break;
        if (best === null && looked >= LOOK_BACK && start !== nearest) break;
        if (nearest < 0) nearest = start;
        const index = keys[i] % factor;
        const entry = this.#area.offset + index * 24;
        const size = this.#elf.view.u64(entry + 16);
        // Assembly has functions without a size: they reach to the next symbol.
        if (size === 0 ? start !== nearest : target >= start + size) continue;
        const score = this.#score(entry, size);
        if (score > bestScore) {
          bestScore = score;
          best = { index, start: start + this.#elf.base };
        }
      }
      return best;
    } catch (error) {
      if (error instanceof BadBinary) return null;
      throw error;
    }
  }

  /** Name as it stands in the file; '' where it cannot be read. */
  name(index: number): string {
    try {
      const at = this.#elf.view.u32(this.#area.offset + index * 24);
      if (at >= this.#area.namesSize) return '';
      return this.#elf.view.text(this.#area.names + at);
    } catch (error) {
      if (error instanceof BadBinary) return '';
      throw error;
    }
  }

  /** Among symbols of one address: a function with a size, then global before weak before local, then fewer underscores. */
  #score(entry: number, size: number): number {
    const info = this.#elf.view.u8(entry + 4);
    const bind = info >> 4;
    const at = this.#elf.view.u32(entry);
    if (at === 0 || at >= this.#area.namesSize) return -1;
    let underscores = 0;
    while (underscores < 3 && this.#elf.view.u8(this.#area.names + at + underscores) === 0x5f) underscores++;
    return (size > 0 ? 64 : 0) + ((info & 15) !== 0 ? 32 : 0) + (bind === 1 ? 16 : bind === 2 ? 8 : 4) + (3 - underscores);
  }
}

/** Starts of the ascending runs, then the length. */
function findRuns(keys: Float64Array): number[] {
  const runs = [0];
  for (let i = 1; i < keys.length; i++) if (keys[i] < keys[i - 1]) runs.push(i);
  runs.push(keys.length);
  return runs;
}

function* mergeRuns(from: Float64Array, to: Float64Array, start: number, middle: number, end: number): Generator<undefined, void> {
  let left = start;
  let right = middle;
  for (let at = start; at < end;) {
    for (const stop = Math.min(end, at + MERGE_ENTRIES); at < stop; at++) {
      to[at] = right >= end || (left < middle && from[left] <= from[right]) ? from[left++] : from[right++];
    }
    if (at < end) yield undefined;
  }
}

/** Loads a table at once. */
export function loadSymbols(elf: ElfFile, area: SymbolArea): SymbolTable {
  const steps = SymbolTable.load(elf, area);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
