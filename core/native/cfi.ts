import type { ElfFile } from './elf.ts';
import { BadBinary } from './file-view.ts';
import type { FileView } from './file-view.ts';

// .eh_frame: Linux Standard Base Core 5.0, chapter 10.6; call frame instructions: DWARF 5, section 6.4.2.

/** x86-64 DWARF register numbers. */
export const BX = 3, BP = 6, SP = 7, RA = 16;
export const REGISTER_COUNT = 17;
const STATE_LIMIT = 64;
const FDE_LIMIT = 1 << 20;
/** A file without a search table gets one of ours, up to this many functions. */
const SCAN_LIMIT = 2_000_000;

/** How a register of the caller is found. */
export const SAME = 0, UNDEFINED = 1, OFFSET = 2, VAL_OFFSET = 3, REGISTER = 4, EXPRESSION = 5, VAL_EXPRESSION = 6;

/** Rules of one pc. An expression is named by its place in the file, `value` * 65536 + length. */
export interface Row {
  /** DWARF register that the CFA is counted from; -1 = an expression at `cfaOffset`, packed as above. */
  readonly cfaRegister: number;
  readonly cfaOffset: number;
  /** By DWARF register. */
  readonly kinds: Uint8Array;
  readonly values: Float64Array;
  /** The frame was made by a signal: its caller was interrupted, not calling. */
  readonly signal: boolean;
  /** All rules are "same" or "at CFA + offset", and the return address is at CFA - 8: the quick path. */
  readonly plain: boolean;
  /** First virtual address of the function as the table has it. */
  readonly start: number;
}

interface Cie {
  readonly codeAlign: number;
  readonly dataAlign: number;
  readonly returnRegister: number;
  readonly pointerEncoding: number;
  readonly augmented: boolean;
  readonly signal: boolean;
  readonly code: number;
  readonly end: number;
}

interface State {
  cfaRegister: number;
  cfaOffset: number;
  kinds: Uint8Array;
  values: Float64Array;
}

/** Unwinding rules of one ELF file, read on demand: the search table once, everything else by page. */
export class CallFrames {
  #elf: ElfFile;
  #view: FileView;
  /** Pairs (function, FDE) relative to #tableBase, or absolute pairs of our own scan. */
  #table: Int32Array | Float64Array = new Int32Array(0);
  #tableBase = 0;
  #loaded = false;
  #cies = new Map<number, Cie | null>();
  #at = 0;

  constructor(elf: ElfFile) {
    this.#elf = elf;
    this.#view = elf.view;
  }

  /** How many functions the search table names. */
  get count(): number {
    this.#load();
    return this.#table.length / 2;
  }

  /** The rules at a virtual address, or null where the file has none (or has nonsense). */
  row(va: number): Row | null {
    this.#load();
    try {
      const fde = this.#find(va);
      return fde < 0 ? null : this.#evaluate(fde, va);
    } catch (error) {
      if (error instanceof BadBinary) return null;
      throw error;
    }
  }

  #load(): void {
    if (this.#loaded) return;
    this.#loaded = true;
    try {
      if (!this.#readHeader()) this.#scan();
    } catch (error) {
      if (!(error instanceof BadBinary)) throw error;
    }
  }

  #readHeader(): boolean {
    const area = this.#elf.ehFrameHeader();
    if (area === null) return false;
    const view = this.#view;
    if (view.u8(area.offset) !== 1 || view.u8(area.offset + 3) !== 0x3b) return false;
    this.#at = area.offset + 4;
    this.#pointer(view.u8(area.offset + 1), area.va - area.offset, area.va);
    const count = this.#pointer(view.u8(area.offset + 2), area.va - area.offset, area.va);
    const start = this.#at;
    if (!(count > 0) || start + count * 8 > area.offset + area.size) return false;
    const bytes = view.bytes(start, count * 8);
    this.#table = new Int32Array(bytes.slice().buffer, 0, count * 2);
    this.#tableBase = area.va;
    return true;
  }

  /** No usable search table: walks .eh_frame once. */
  #scan(): void {
    const section = this.#elf.section('.eh_frame');
    if (section === null) return;
    const pairs: number[] = [];
    const end = Math.min(section.offset + section.size, this.#view.size);
    for (let at = section.offset; at + 8 <= end && pairs.length < SCAN_LIMIT * 2;) {
      const length = this.#view.u32(at);
      if (length === 0 || length === 0xffffffff) break;
      if (this.#view.u32(at + 4) !== 0) {
        const cie = this.#cie(at + 4 - this.#view.u32(at + 4));
        if (cie !== null) {
          this.#at = at + 8;
          pairs.push(this.#pointer(cie.pointerEncoding, section.va - section.offset, 0), section.va + at - section.offset);
        }
      }
      at += length + 4;
    }
    const order = Array.from({ length: pairs.length / 2 }, (_, i) => i).sort((a, b) => pairs[a * 2] - pairs[b * 2]);
    const table = new Float64Array(pairs.length);
    order.forEach((from, to) => {
      table[to * 2] = pairs[from * 2];
      table[to * 2 + 1] = pairs[from * 2 + 1];
    });
    this.#table = table;
  }

  /** File offset of the FDE whose function starts last before `va`, -1 = none. */
  #find(va: number): number {
    const table = this.#table;
    const target = va - this.#tableBase;
    let low = 0;
    let high = table.length / 2;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (table[middle * 2] <= target) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? -1 : this.#elf.offsetOf(table[low * 2 - 1] + this.#tableBase);
  }

  #evaluate(fde: number, va: number): Row | null {
    const view = this.#view;
    const length = view.u32(fde);
    if (length < 8 || length > FDE_LIMIT) return null;
    const end = fde + 4 + length;
    const back = view.u32(fde + 4);
    if (back === 0) return null;
    const cie = this.#cie(fde + 4 - back);
    if (cie === null || cie.returnRegister !== RA) return null;
    const toVa = this.#elf.vaOf(fde) - fde;
    this.#at = fde + 8;
    const start = this.#pointer(cie.pointerEncoding, toVa, 0);
    const size = this.#pointer(cie.pointerEncoding & 15, 0, 0);
    if (!(va >= start && va < start + size)) return null;
    if (cie.augmented) {
      const skip = this.#uleb(end);
      this.#at += skip;
    }
    const state: State = { cfaRegister: SP, cfaOffset: 8, kinds: new Uint8Array(REGISTER_COUNT), values: new Float64Array(REGISTER_COUNT) };
    const from = this.#at;
    this.#run(cie.code, cie.end, cie, state, null, Infinity, start, toVa);
    const initial = copyOf(state);
    this.#run(from, end, cie, state, initial, va, start, toVa);
    const { kinds, values } = state;
    let plain = (state.cfaRegister === SP || state.cfaRegister === BP) && kinds[RA] === OFFSET && values[RA] === -8;
    for (const register of [BX, BP, 12, 13, 14, 15]) plain &&= kinds[register] === SAME || kinds[register] === OFFSET;
    plain &&= kinds[SP] === SAME && !cie.signal;
    return { cfaRegister: state.cfaRegister, cfaOffset: state.cfaOffset, kinds, values, signal: cie.signal, plain, start };
  }

  #cie(at: number): Cie | null {
    const known = this.#cies.get(at);
    if (known !== undefined) return known;
    let cie: Cie | null = null;
    const before = this.#at;
    try {
      cie = this.#readCie(at);
    } catch (error) {
      if (!(error instanceof BadBinary)) throw error;
    }
    this.#at = before;
    if (this.#cies.size > 100_000) this.#cies.clear();
    this.#cies.set(at, cie);
    return cie;
  }

  #readCie(at: number): Cie | null {
    const view = this.#view;
    const length = view.u32(at);
    if (length < 9 || length > FDE_LIMIT || view.u32(at + 4) !== 0) return null;
    const end = at + 4 + length;
    const version = view.u8(at + 8);
    if (version !== 1 && version !== 3 && version !== 4) return null;
    const augmentation = view.text(at + 9, 16);
    this.#at = at + 10 + augmentation.length;
    if (version === 4) this.#at += 2;
    if (augmentation.startsWith('eh')) this.#at += 8;
    const codeAlign = this.#uleb(end);
    const dataAlign = this.#sleb(end);
    const returnRegister = version === 1 ? view.u8(this.#at++) : this.#uleb(end);
    let pointerEncoding = 0;
    let signal = false;
    const augmented = augmentation.startsWith('z');
    if (augmented) {
      const data = this.#uleb(end);
      const code = this.#at + data;
      for (const letter of augmentation.slice(1)) {
        if (letter === 'R') pointerEncoding = view.u8(this.#at++);
        else if (letter === 'P') {
          const encoding = view.u8(this.#at++);
          this.#pointer(encoding & 0x7f, 0, 0);
        } else if (letter === 'L') this.#at++;
        else if (letter === 'S') signal = true;
        else break;
      }
      this.#at = code;
    }
    if (this.#at > end) return null;
    return { codeAlign, dataAlign, returnRegister, pointerEncoding, augmented, signal, code: this.#at, end };
  }

  /** Runs call frame instructions until the location passes `target`. */
  #run(from: number, end: number, cie: Cie, state: State, initial: State | null, target: number, start: number, toVa: number): void {
    const view = this.#view;
    const stack: State[] = [];
    let location = start;
    this.#at = from;
    while (this.#at < end) {
      const op = view.u8(this.#at++);
      const low = op & 0x3f;
      switch (op >> 6) {
        case 1:
          location += low * cie.codeAlign;
          if (location > target) return;
          continue;
        case 2:
          this.#set(state, low, OFFSET, this.#uleb(end) * cie.dataAlign);
          continue;
        case 3:
          restore(state, initial, low);
          continue;
        default:
      }
      switch (op) {
        case 0x00: break;
        case 0x01: location = this.#pointer(cie.pointerEncoding, toVa, 0); break;
        case 0x02: location += view.u8(this.#at++) * cie.codeAlign; break;
        case 0x03: location += view.u16(this.#at) * cie.codeAlign; this.#at += 2; break;
        case 0x04: location += view.u32(this.#at) * cie.codeAlign; this.#at += 4; break;
        case 0x05: { const r = this.#uleb(end); this.#set(state, r, OFFSET, this.#uleb(end) * cie.dataAlign); break; }
        case 0x06: restore(state, initial, this.#uleb(end)); break;
        case 0x07: this.#set(state, this.#uleb(end), UNDEFINED, 0); break;
        case 0x08: this.#set(state, this.#uleb(end), SAME, 0); break;
        case 0x09: { const r = this.#uleb(end); this.#set(state, r, REGISTER, this.#uleb(end)); break; }
        case 0x0a:
          if (stack.length >= STATE_LIMIT) throw new BadBinary('too many saved states');
          stack.push(copyOf(state));
          break;
        case 0x0b: {
          const saved = stack.pop();
          if (saved === undefined) throw new BadBinary('no saved state');
          Object.assign(state, saved);
          break;
        }
        case 0x0c: state.cfaRegister = this.#uleb(end); state.cfaOffset = this.#uleb(end); break;
        case 0x0d: state.cfaRegister = this.#uleb(end); break;
        case 0x0e: state.cfaOffset = this.#uleb(end); break;
        case 0x0f: state.cfaRegister = -1; state.cfaOffset = this.#block(end); break;
        case 0x10: { const r = this.#uleb(end); this.#set(state, r, EXPRESSION, this.#block(end)); break; }
        case 0x11: { const r = this.#uleb(end); this.#set(state, r, OFFSET, this.#sleb(end) * cie.dataAlign); break; }
        case 0x12: state.cfaRegister = this.#uleb(end); state.cfaOffset = this.#sleb(end) * cie.dataAlign; break;
        case 0x13: state.cfaOffset = this.#sleb(end) * cie.dataAlign; break;
        case 0x14: { const r = this.#uleb(end); this.#set(state, r, VAL_OFFSET, this.#uleb(end) * cie.dataAlign); break; }
        case 0x15: { const r = this.#uleb(end); this.#set(state, r, VAL_OFFSET, this.#sleb(end) * cie.dataAlign); break; }
        case 0x16: { const r = this.#uleb(end); this.#set(state, r, VAL_EXPRESSION, this.#block(end)); break; }
        // GNU_window_save and GNU_args_size say nothing about x86-64 callers.
        case 0x2d: break;
        case 0x2e: this.#uleb(end); break;
        case 0x2f: { const r = this.#uleb(end); this.#set(state, r, OFFSET, -this.#uleb(end) * cie.dataAlign); break; }
        default: throw new BadBinary(`call frame instruction ${op}`);
      }
      if (location > target) return;
    }
  }

  /** Registers that an unwinder does not follow (SSE) are passed over. */
  #set(state: State, register: number, kind: number, value: number): void {
    if (register >= REGISTER_COUNT) return;
    state.kinds[register] = kind;
    state.values[register] = value;
  }

  #block(end: number): number {
    const length = this.#uleb(end);
    const at = this.#at;
    if (length > 65_535 || at + length > end) throw new BadBinary('expression past its end');
    this.#at = at + length;
    return at * 65_536 + length;
  }

  #uleb(end: number): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10 && this.#at < end; i++) {
      const byte = this.#view.u8(this.#at++);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw new BadBinary('number without an end');
  }

  #sleb(end: number): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10 && this.#at < end; i++) {
      const byte = this.#view.u8(this.#at++);
      value += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte < 0x80) return (byte & 0x40) !== 0 ? value - scale : value;
    }
    throw new BadBinary('number without an end');
  }

  /** An encoded pointer at #at; `toVa` turns a file offset into an address. */
  #pointer(encoding: number, toVa: number, dataBase: number): number {
    if (encoding === 0xff) return 0;
    const at = this.#at;
    const view = this.#view;
    let value: number;
    switch (encoding & 15) {
      case 0x0: case 0x4: value = view.u64(at); this.#at += 8; break;
      case 0xc: value = view.i64(at); this.#at += 8; break;
      case 0x1: value = this.#uleb(at + 10); break;
      case 0x9: value = this.#sleb(at + 10); break;
      case 0x2: value = view.u16(at); this.#at += 2; break;
      case 0xa: value = (view.u16(at) << 16) >> 16; this.#at += 2; break;
      case 0x3: value = view.u32(at); this.#at += 4; break;
      case 0xb: value = view.i32(at); this.#at += 4; break;
      default: throw new BadBinary(`pointer encoding ${encoding}`);
    }
    switch (encoding & 0xf0) {
      case 0x00: return value;
      case 0x10: return value + at + toVa;
      case 0x30: return value + dataBase;
      default: throw new BadBinary(`pointer encoding ${encoding}`);
    }
  }
}

function copyOf(state: State): State {
  return { cfaRegister: state.cfaRegister, cfaOffset: state.cfaOffset, kinds: state.kinds.slice(), values: state.values.slice() };
}

function restore(state: State, initial: State | null, register: number): void {
  if (initial === null || register >= REGISTER_COUNT) return;
  state.kinds[register] = initial.kinds[register];
  state.values[register] = initial.values[register];
}
