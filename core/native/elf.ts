import { BadBinary, FileView } from './file-view.ts';
import type { ByteSource } from '#core/read/format';

// ELF-64: the System V gABI, chapter 4 and 5; .gnu_debuglink: the gdb manual, "Separate Debug Files".

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_NOTE = 4;
const PT_GNU_EH_FRAME = 0x6474e550;
const SHT_SYMTAB = 2;
const SHT_NOTE = 7;
const SHT_NOBITS = 8;
const SHT_DYNSYM = 11;
export const MACHINE_X86_64 = 62;
/** More than any linker makes; keeps a hostile header from costing memory. */
const HEADER_LIMIT = 65_536;
/** Symbols of one table that are read at most. */
const SYMBOL_LIMIT = 10_000_000;

export interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly va: number;
  readonly fileSize: number;
  readonly executable: boolean;
}

export interface Section {
  readonly name: string;
  readonly type: number;
  readonly offset: number;
  readonly va: number;
  readonly size: number;
  readonly link: number;
}

/** A place both in the file and in memory. */
export interface Area {
  readonly offset: number;
  readonly va: number;
  readonly size: number;
}

/** Where a symbol table (24 bytes an entry) and its names lie in the file. */
export interface SymbolArea {
  readonly offset: number;
  readonly count: number;
  readonly names: number;
  readonly namesSize: number;
  readonly dynamic: boolean;
}

/** A little-endian ELF-64 file, read by range. Section headers are used where they are whole; program headers suffice. */
export class ElfFile {
  readonly view: FileView;
  readonly machine: number;
  readonly segments: readonly Segment[];
  readonly sections: readonly Section[];
  /** Lower-case hex, '' where there is none. */
  readonly buildId: string;
  /** Least virtual address of a loaded segment. */
  readonly base: number;

  /** null when the bytes are no little-endian ELF-64 file. */
  static open(source: ByteSource): ElfFile | null {
    try {
      return new ElfFile(new FileView(source));
    } catch (error) {
      if (error instanceof BadBinary) return null;
      throw error;
    }
  }

  private constructor(view: FileView) {
    this.view = view;
    if (view.size < 64 || view.u32(0) !== 0x464c457f || view.u8(4) !== 2 || view.u8(5) !== 1) throw new BadBinary('no ELF-64 file');
    this.machine = view.u16(18);
    this.segments = readSegments(view);
    this.sections = readSections(view);
    let base = Infinity;
    for (const segment of this.segments) if (segment.type === PT_LOAD) base = Math.min(base, segment.va - segment.va % 4096);
    this.base = base === Infinity ? 0 : base;
    this.buildId = this.#readBuildId();
  }

  close(): void {
    this.view.close();
  }

  section(name: string): Section | null {
    return this.sections.find((section) => section.name === name && section.type !== SHT_NOBITS) ?? null;
  }

  /** Virtual address of a file offset, -1 where nothing is loaded from there. */
  vaOf(offset: number): number {
    for (const segment of this.segments) {
      if (segment.type === PT_LOAD && offset >= segment.offset && offset < segment.offset + segment.fileSize) return offset - segment.offset + segment.va;
    }
    return -1;
  }

  /**
   * What to take from a file offset to have the virtual address, for a mapping of code. The kernel maps whole pages, so a
   * mapping may begin before its segment, in bytes that another segment holds too: the executable one counts.
   */
  vaShift(fileOffset: number, length: number): number {
    for (const strict of [true, false]) {
      for (const segment of this.segments) {
        if (segment.type !== PT_LOAD || (strict && !segment.executable)) continue;
        const from = segment.offset - segment.offset % 4096;
        if (fileOffset < segment.offset + segment.fileSize && fileOffset + length > from) return segment.offset - segment.va;
      }
    }
    return 0;
  }

  /** File offset of a virtual address, -1 where the file has no bytes for it. */
  offsetOf(va: number): number {
    for (const segment of this.segments) {
      if (segment.type === PT_LOAD && va >= segment.va && va < segment.va + segment.fileSize) return va - segment.va + segment.offset;
    }
    return -1;
  }

  ehFrameHeader(): Area | null {
    for (const segment of this.segments) {
      if (segment.type === PT_GNU_EH_FRAME && segment.fileSize >= 8) return { offset: segment.offset, va: segment.va, size: segment.fileSize };
    }
    return this.section('.eh_frame_hdr');
  }

  /** Symbol tables, the full one first. */
  symbolAreas(): SymbolArea[] {
    const areas: SymbolArea[] = [];
    for (const type of [SHT_SYMTAB, SHT_DYNSYM]) {
      for (const section of this.sections) {
        if (section.type !== type) continue;
        const names = this.sections[section.link] as Section | undefined;
        if (names === undefined || names.type === SHT_NOBITS) continue;
        if (section.offset + section.size > this.view.size || names.offset > this.view.size) continue;
        areas.push({
          offset: section.offset, count: Math.min(SYMBOL_LIMIT, Math.floor(section.size / 24)), names: names.offset,
          namesSize: Math.min(names.size, this.view.size - names.offset), dynamic: type === SHT_DYNSYM,
        });
      }
    }
    if (areas.length === 0) {
      const dynamic = this.#dynamicSymbols();
      if (dynamic !== null) areas.push(dynamic);
    }
    return areas;
  }

  /** Name in .gnu_debuglink, '' where there is none. */
  debugLink(): string {
    const section = this.section('.gnu_debuglink');
    if (section === null || section.size < 5) return '';
    try {
      const name = this.view.text(section.offset, Math.min(section.size, 4096));
      return name.includes('/') ? '' : name;
    } catch (error) {
      if (error instanceof BadBinary) return '';
      throw error;
    }
  }

  #readBuildId(): string {
    for (const section of this.sections) {
      if (section.type === SHT_NOTE) {
        const id = findBuildId(this.view, section.offset, section.size);
        if (id !== '') return id;
      }
    }
    for (const segment of this.segments) {
      if (segment.type === PT_NOTE) {
        const id = findBuildId(this.view, segment.offset, segment.fileSize);
        if (id !== '') return id;
      }
    }
    return '';
  }

  /** Without section headers, the dynamic segment tells where the loader finds its symbols; the hash tables tell how many. */
  #dynamicSymbols(): SymbolArea | null {
    const segment = this.segments.find((s) => s.type === PT_DYNAMIC);
    if (segment === undefined) return null;
    let symbols = -1, names = -1, namesSize = 0, hash = -1, gnuHash = -1;
    try {
      const end = Math.min(segment.offset + segment.fileSize, segment.offset + 16 * 4096);
      for (let at = segment.offset; at + 16 <= end; at += 16) {
        const tag = this.view.u64(at);
        const value = this.view.u64(at + 8);
        if (tag === 0) break;
        if (tag === 6) symbols = this.offsetOf(value);
        else if (tag === 5) names = this.offsetOf(value);
        else if (tag === 10) namesSize = value;
        else if (tag === 4) hash = this.offsetOf(value);
        else if (tag === 0x6ffffef5) gnuHash = this.offsetOf(value);
      }
      if (symbols < 0 || names < 0) return null;
      const most = Math.min(SYMBOL_LIMIT, Math.floor((this.view.size - symbols) / 24));
      const count = hash >= 0 ? this.view.u32(hash + 4) : gnuHash >= 0 ? countGnuHash(this.view, gnuHash, most) : Math.floor((names - symbols) / 24);
      if (!(count > 0)) return null;
      return { offset: symbols, count: Math.min(count, most, SYMBOL_LIMIT), names, namesSize: Math.min(namesSize, this.view.size - names), dynamic: true };
    } catch (error) {
      if (error instanceof BadBinary) return null;
      throw error;
    }
  }
}

function readSegments(view: FileView): Segment[] {
  const at = view.u64(32);
  const size = view.u16(54);
  const count = view.u16(56);
  const segments: Segment[] = [];
  if (size < 56 || count === 0) return segments;
  for (let i = 0; i < count && at + (i + 1) * size <= view.size; i++) {
    const p = at + i * size;
    segments.push({
      type: view.u32(p), executable: (view.u32(p + 4) & 1) !== 0, offset: view.u64(p + 8), va: view.u64(p + 16), fileSize: view.u64(p + 32),
    });
  }
  return segments;
}

/** Section headers; none when the table is cut off or senseless, as in a stripped or damaged file. */
function readSections(view: FileView): Section[] {
  const at = view.u64(40);
  const size = view.u16(58);
  let count = view.u16(60);
  let namesIndex = view.u16(62);
  if (at === 0 || size < 64 || at + size > view.size) return [];
  if (count === 0) count = view.u64(at + 32);
  if (namesIndex === 0xffff) namesIndex = view.u32(at + 40);
  if (count > HEADER_LIMIT || at + count * size > view.size || namesIndex >= count) return [];
  const namesAt = view.u64(at + namesIndex * size + 24);
  const namesSize = view.u64(at + namesIndex * size + 32);
  const sections: Section[] = [];
  for (let i = 0; i < count; i++) {
    const s = at + i * size;
    const nameAt = view.u32(s);
    const inside = nameAt < namesSize && namesAt + nameAt < view.size;
    sections.push({
      name: inside ? view.text(namesAt + nameAt, 64) : '', type: view.u32(s + 4), va: view.u64(s + 16), offset: view.u64(s + 24),
      size: view.u64(s + 32), link: view.u32(s + 40),
    });
  }
  return sections;
}

function findBuildId(view: FileView, from: number, size: number): string {
  try {
    const end = Math.min(from + size, from + 65_536, view.size);
    for (let at = from; at + 12 <= end;) {
      const nameSize = view.u32(at);
      const length = view.u32(at + 4);
      const data = at + 12 + Math.ceil(nameSize / 4) * 4;
      if (view.u32(at + 8) === 3 && nameSize === 4 && view.u32(at + 12) === 0x00554e47 && length > 0 && length <= 64 && data + length <= view.size) {
        let id = '';
        for (let i = 0; i < length; i++) id += view.u8(data + i).toString(16).padStart(2, '0');
        return id;
      }
      at = data + Math.ceil(length / 4) * 4;
    }
  } catch (error) {
    if (!(error instanceof BadBinary)) throw error;
  }
  return '';
}

/** The last chain of a GNU hash table ends with the last symbol. */
function countGnuHash(view: FileView, at: number, most: number): number {
  const buckets = view.u32(at);
  const first = view.u32(at + 4);
  const bloom = view.u32(at + 8);
  const bucketsAt = at + 16 + bloom * 8;
  let last = 0;
  for (let i = 0; i < buckets && i < most; i++) last = Math.max(last, view.u32(bucketsAt + i * 4));
  if (last < first) return first;
  const chains = bucketsAt + buckets * 4;
  while (last < most && (view.u32(chains + (last - first) * 4) & 1) === 0) last++;
  return last + 1;
}
