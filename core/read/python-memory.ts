// Code objects of a running CPython (3.11 and later), read from its memory: which function an address of an instruction belongs to.
//
// Instructions lie inside their PyCodeObject (Include/cpython/code.h, co_code_adaptive at its end). An object is found by going
// back from the address to the first word that is the address of the type of code objects, and that type by its name and sizes:
// no symbols are needed.
import type { FrameId, FunctionId } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import { FUNCTION_OWN } from '#core/model/tables';
import type { NativeSources } from '#core/native/sources';
import { pythonFile } from './py-spy/python-files.ts';

/** Bytes before an address that are looked through for the start of its code object: most are small, none is larger. */
const NEAR = 4096;
const FAR = 65_536;
/** Pages without code are not looked at again until so many others were. */
const MOST_MISSES = 4096;
/** A process in which so many addresses belonged to no code object has none of this kind: an older Python. */
const HOPELESS = 400;
/** A code object is looked at again at its first uses, then at some, and at few when it was there for long. */
const YOUNG = 16;
const SOMETIMES = 32;
const OLD = 1000;
const SELDOM = 1024;
const MOST_CODES = 100_000;
const MOST_NAME = 4096;
/** Code objects have their type's name, and instructions of 2 bytes in them. */
const TYPE_NAME = 0x65646f63;
/** Where CPython has a type's fields (Include/cpython/object.h). */
const TYPE_BASICSIZE = 32;
const TYPE_ITEMSIZE = 40;
/** Size of an interpreter's frame before its variables, in 3.11. */
export const FRAME_BYTES = 72;

/** A code object of a process. Addresses in its memory. */
export interface Code {
  readonly start: number;
  readonly end: number;
  /** Where its instructions begin. */
  readonly instructions: number;
  /** Bytes that its interpreter's frame takes. */
  readonly frameSize: number;
  /** -1 where its names could not be read. */
  readonly fn: FunctionId | -1;
  readonly firstLine: number;
  /** Its fields as they were read. */
  readonly fields: Uint8Array;
  uses: number;
  readonly lines: Uint8Array;
  /** Frames by line. */
  readonly frames: Map<number, FrameId>;
}

/** The code of one process. */
export class PythonMemory {
  /** Size of a code object before its instructions; 0 until one was found. */
  header = 0;
  readonly #profile: Profile;
  readonly #sources: NativeSources;
  readonly #directory: string;
  readonly #pid: number;
  /** Sorted by start. */
  readonly #all: Code[] = [];
  /** Address of the type of code objects; 0 until it was found. */
  #type = 0;
  /** Addresses that are no type of code objects. */
  readonly #others = new Set<number>();
  readonly #misses = new Set<number>();
  #failed = 0;

  /** `directory` is the target's, for own code. */
  constructor(profile: Profile, sources: NativeSources, directory: string, pid: number) {
    this.#profile = profile;
    this.#sources = sources;
    this.#directory = directory;
    this.#pid = pid;
  }

  /** Nothing of this kind was found where much was looked at: an older Python, or memory that may not be read. */
  get hopeless(): boolean {
    return this.#failed > HOPELESS;
  }

  /** Whether it has 3.11's layout, which later versions changed. */
  get eleven(): boolean {
    return this.header === 184;
  }

  /** The code object that an address of an instruction belongs to. */
  find(address: number): Code | null {
    if (!(address > 0xffff && address < 0x8000_0000_0000) || address % 2 !== 0) return null;
    let code = this.#known(address);
    // Code of a module's body is gone after its import, and its place is another's.
    if (code !== null && (++code.uses <= YOUNG || code.uses % (code.uses < OLD ? SOMETIMES : SELDOM) === 0) && !this.#stillThere(code)) {
      this.#all.splice(this.#all.indexOf(code), 1);
      code = null;
    }
    code ??= this.#read(address);
    return code === null || code.fn === -1 ? null : code;
  }

  /** Whether a code object is the one that was read: the same size, file and name. */
  #stillThere(code: Code): boolean {
    const { fields } = code;
    const bytes = fields.length === 0 ? null : this.memory(code.start, fields.length);
    return bytes !== null && same(bytes, fields, 8, 24) && same(bytes, fields, 112, 128);
  }

  #known(address: number): Code | null {
    const all = this.#all;
    let low = 0;
    let high = all.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (all[middle].start <= address) low = middle + 1;
      else high = middle;
    }
    const code = low === 0 ? null : all[low - 1];
    return code !== null && address >= code.instructions && address < code.end ? code : null;
  }

  #read(address: number): Code | null {
    const miss = Math.floor(address / 256);
    if (this.#misses.has(miss)) return null;
    const code = this.#look(address);
    if (code === null) {
      if (this.#misses.size >= MOST_MISSES) this.#misses.clear();
      this.#misses.add(miss);
      if (this.#type === 0) this.#failed++;
      return null;
    }
    if (this.#all.length >= MOST_CODES) this.#all.length = 0;
    const at = this.#all.findIndex((one) => one.start > code.start);
    if (at < 0) this.#all.push(code);
    else this.#all.splice(at, 0, code);
    return code;
  }

  /** Looks backwards for the start of the code object: the first word of its type is its second one. */
  #look(address: number): Code | null {
    const top = address - (address % 8);
    for (let size = NEAR; size <= FAR; size *= 16) {
      const bytes = this.memory(top - size, size) ?? (size === NEAR ? this.memory(top - (top % 4096), top % 4096) : null);
      if (bytes === null) return null;
      const from = top - bytes.length;
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      for (let at = bytes.length - 8; at >= 8; at -= 8) {
        const value = u64(view, at);
        if (this.#type === 0 ? !this.#isCodeType(value) : value !== this.#type) continue;
        const start = from + at - 8;
        const length = at + 16 <= bytes.length ? u64(view, at + 8) : NaN;
        const instructions = start + this.header;
        const end = instructions + length * 2;
        return address >= instructions && address < end && length < 1e6 ? this.#codeAt(start, instructions, end) : null;
      }
      if (this.#type === 0 || bytes.length < size) return null;
    }
    return null;
  }

  #isCodeType(value: number): boolean {
    if (!(value > 0xffff && value < 0x8000_0000_0000) || value % 8 !== 0 || this.#others.has(value)) return false;
    const bytes = this.memory(value, 48);
    if (bytes !== null) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const header = u64(view, TYPE_BASICSIZE);
      if (header >= 120 && header <= 512 && u64(view, TYPE_ITEMSIZE) === 2) {
        const name = this.memory(u64(view, 24), 5);
        if (name !== null && name[4] === 0 && new DataView(name.buffer, name.byteOffset).getUint32(0, true) === TYPE_NAME) {
          this.#type = value;
          this.header = header;
          this.#misses.clear();
          this.#others.clear();
          return true;
        }
      }
    }
    if (this.#others.size < 100_000) this.#others.add(value);
    return false;
  }

  /** Reads names and lines: of the pointers to strings in a code object the file's is the first, the function's the second. */
  #codeAt(start: number, instructions: number, end: number): Code {
    const none: Code = { start, end, instructions, frameSize: 0, fn: -1, firstLine: 0, fields: new Uint8Array(0), uses: 0, lines: new Uint8Array(0), frames: new Map() };
    const bytes = this.memory(start, this.header);
    if (bytes === null) return none;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    // 3.11 has 4 bytes of counters before its numbers that later versions do not have.
    const { eleven } = this;
    const file = this.#string(u64(view, 112), eleven);
    const name = this.#string(u64(view, 120), eleven);
    if (file === null || name === null || name === '') return none;
    const { library, own } = pythonFile(file, this.#directory);
    const fn = this.#profile.functions.intern({ name, file, library, kind: 'python', flags: own ? FUNCTION_OWN : 0 });
    const table = u64(view, 136);
    const size = this.memory(table + 16, 8);
    const length = size === null ? 0 : u64(new DataView(size.buffer, size.byteOffset), 0);
    const lines = length > 0 && length < 1e6 ? this.memory(table + 32, length) : null;
    // Words for its variables and values, and the frame's own.
    const frameSize = 8 * (eleven ? view.getUint32(68, true) + view.getUint32(76, true) + FRAME_BYTES / 8 : view.getUint32(76, true));
    return { start, end, instructions, frameSize, fn, firstLine: view.getUint32(eleven ? 72 : 68, true), fields: bytes, uses: 0, lines: lines ?? new Uint8Array(0), frames: new Map() };
  }

  /** A str object (Include/cpython/unicodeobject.h), compact as all names are. */
  #string(address: number, eleven: boolean): string | null {
    const bytes = this.memory(address, 40);
    if (bytes === null) return null;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const length = u64(view, 16);
    const state = view.getUint32(32, true);
    const kind = (state >>> 2) & 7;
    const ascii = ((state >>> 6) & 1) === 1;
    if (!(length <= MOST_NAME) || (kind !== 1 && kind !== 2 && kind !== 4) || ((state >>> 5) & 1) === 0) return null;
    if (length === 0) return '';
    const text = this.memory(address + (eleven ? 48 : 40) + (ascii ? 0 : eleven ? 24 : 16), length * kind);
    if (text === null) return null;
    const letters: string[] = [];
    const of = new DataView(text.buffer, text.byteOffset, text.byteLength);
    for (let i = 0; i < length; i++) {
      const letter = kind === 1 ? text[i] : kind === 2 ? of.getUint16(i * 2, true) : of.getUint32(i * 4, true);
      letters.push(letter <= 0x10ffff ? String.fromCodePoint(letter) : '\ufffd');
    }
    return letters.join('');
  }

  /** The code object at an address, read if it is new; null where there is none, or none that can be named. */
  startingAt(start: number): Code | null {
    const instructions = start + this.header;
    const code = this.#known(instructions) ?? (Number.isSafeInteger(instructions) ? this.#read(instructions) : null);
    return code === null || code.fn === -1 ? null : code;
  }

  /** The frame of a function at the line before the instruction that comes next. */
  frame(code: Code, address: number): FrameId {
    // The address is that of what comes next.
    const line = lineAt(code.lines, code.firstLine, Math.max(0, address - code.instructions - 2));
    let frame = code.frames.get(line);
    if (frame === undefined) code.frames.set(line, (frame = this.#profile.frames.source(code.fn as FunctionId, line)));
    return frame;
  }

  /** A frame of a function whose line at that moment is not known. */
  plainFrame(code: Code): FrameId {
    let frame = code.frames.get(0);
    if (frame === undefined) code.frames.set(0, (frame = this.#profile.frames.source(code.fn as FunctionId, 0)));
    return frame;
  }

  /** Bytes of the process, null where they cannot be read. */
  memory(address: number, length: number): Uint8Array | null {
    return length > 0 && address > 0 && Number.isSafeInteger(address) ? (this.#sources.memory?.(this.#pid, address, length) ?? null) : null;
  }
}

function same(a: Uint8Array, b: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function u64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000;
}

/**
 * The line of the instruction at an offset in bytes, 0 where it has none. The table is that of Objects/locations.md (3.11 and
 * later): entries of a first byte with kind and length, then numbers of 6 bits a byte.
 */
export function lineAt(table: Uint8Array, firstLine: number, offset: number): number {
  let line = firstLine;
  let at = 0;
  let end = 0;
  const number = (): number => {
    let value = 0;
    for (let shift = 0; at < table.length && shift < 30; shift += 6) {
      const byte = table[at++];
      value |= (byte & 63) << shift;
      if ((byte & 64) === 0) break;
    }
    return value;
  };
  while (at < table.length) {
    const first = table[at++];
    const kind = (first >>> 3) & 15;
    end += ((first & 7) + 1) * 2;
    let shown = true;
    if (kind === 15) shown = false;
    else if (kind >= 10 && kind <= 12) {
      line += kind - 10;
      at += 2;
    } else if (kind >= 13) {
      const value = number();
      line += (value & 1) === 1 ? -(value >>> 1) : value >>> 1;
      if (kind === 14) {
        number();
        number();
        number();
      }
    } else at += 1;
    if (offset < end) return shown ? Math.max(0, line) : 0;
  }
  return firstLine;
}
