// Which Python function an evaluation frame runs, told from the copied stack itself: exact at the moment of the sample.
//
// CPython's evaluation loop (Python/ceval.c, from 3.11 on) keeps the next instruction's address in a register that calls
// preserve, and since 3.11 instructions lie inside their PyCodeObject (Include/cpython/code.h, co_code_adaptive at its end).
// So the registers that unwinding finds for an evaluation frame name the code object that runs there; names are read once from
// the process's memory. Which register it is depends on the compiler: it is learned by trying all of them.
//
// Calls from Python to Python do not call C since 3.11: of the functions that one evaluation frame runs, the stack tells the
// innermost. It also tells where the interpreter's own frame of that function lies (Include/internal/pycore_frame.h). Those
// frames lie one behind the other in a stack of their own, each as large as its function says, so what begins at one address
// nearly always has the same callers. They are read from the process's memory some ms later, when they may be others: again
// and again, and told only while no others were seen there. Where they are not known a marker stands in their place.
import { BP, BX, SP } from '#core/native/cfi';
import type { FrameId, FunctionId } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import { FUNCTION_OWN, FUNCTION_UNNAMED } from '#core/model/tables';
import type { Space } from '#core/native/address-space';
import type { NativeSources } from '#core/native/sources';
import type { FrameWatch } from '#core/native/unwind';
import { pythonFile } from './py-spy/python-files.ts';

/** Stands for the Python functions between a function that is known and C, where they are not certain. */
export const CALLERS_UNKNOWN = '[callers not known]';

const REGISTERS = [BX, BP, 12, 13, 14, 15] as const;
/** Words of an evaluation frame's own part of the stack that are tried too: some compilers keep the address there at times. */
const SLOTS = 14;
const PLACES = REGISTERS.length + SLOTS;
/** So many frames are tried before one place is chosen, and so large a share of them it must have told. */
const TRIED = 24;
const TELLS = 0.85;
const CONFIRMED = 6;
/** How often that is begun anew. */
const ROUNDS = 30;

/** Bytes before an address that are looked through for the start of its code object: most are small, none is larger. */
const NEAR = 4096;
const FAR = 65_536;
/** Pages without code are not looked at again until so many others were. */
const MOST_MISSES = 4096;
/** A process in which so many addresses belonged to no code object has none of this kind: an older Python. */
const HOPELESS = 400;
/** A code object is looked at again at its first uses, then at some. */
const YOUNG = 16;
const SOMETIMES = 32;
const MOST_CODES = 100_000;
const MOST_NAME = 4096;
/** Code objects have their type's name, and instructions of 2 bytes in them. */
const TYPE_NAME = 0x65646f63;

/** Frames of one evaluation frame; a loop in memory that changes while it is read ends here. */
const MOST_CALLERS = 512;
/** Places of frames that are kept of a process, and how often one is read again: the first times, then seldom. */
const MOST_PLACES = 50_000;
const READS = 8;
const AGAIN = 64;

/** Where CPython has a type's fields (Include/cpython/object.h). */
const TYPE_BASICSIZE = 32;
const TYPE_ITEMSIZE = 40;

interface Code {
  readonly start: number;
  readonly end: number;
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

/** Callers that were seen together. */
interface Chain {
  /** Leaf first; and where their own frames begin. */
  readonly frames: readonly FrameId[];
  readonly addresses: readonly number[];
  readonly key: string;
}

/** What was seen of the callers of frames that begin at one address. */
interface Place {
  uses: number;
  /** The callers that were seen last, of whatever function; how often any were, and when others were last. */
  key: string;
  seen: number;
  changed: number;
  /**
   * By start of the code that began here. Other functions' callers say little of it: what is read some ms later is what lasts.
   */
  readonly byCode: Map<number, { chain: Chain; seen: number; since: number; several: boolean }>;
}

/** Offsets in an interpreter's frame. */
interface FrameLayout {
  readonly code: number;
  readonly previous: number;
  readonly owner: number;
  /** Where a byte says that it was entered from C; -1 where a frame of its own (owner 3) stands before it instead. */
  readonly entry: number;
}
const ELEVEN: FrameLayout = { code: 32, previous: 48, owner: 69, entry: 68 };
const LATER: FrameLayout = { code: 0, previous: 8, owner: 70, entry: -1 };
const OWNED_BY_THREAD = 0;
const OWNED_BY_C = 3;
/** So often a function must have been seen with the same callers. */
const TWICE = 2;
/** Other callers than now are forgotten after so many sightings. */
const AGES = 200;
const FRAME_BYTES = 72;

/** What is known of one process's code. */
interface Codes {
  /** By address of the interpreter's frame. */
  readonly places: Map<number, Place>;
  /** Sorted by start. */
  readonly all: Code[];
  /** Address of the type of code objects; 0 until it was found. */
  type: number;
  /** Size of a code object before its instructions. */
  header: number;
  /** Addresses that are no type of code objects. */
  readonly others: Set<number>;
  readonly misses: Set<number>;
  failed: number;
}

/** Which place tells, by evaluation function. */
interface Learned {
  tries: number;
  rounds: number;
  readonly hits: Uint32Array;
  /** How often the process's memory said the same of the interpreter's frame: a place may hold what ran before. */
  readonly confirmed: Uint32Array;
  /** How often a place held the address of that frame. */
  readonly frames: Uint32Array;
  /** Which place does, -1 where none. */
  framePlace: number;
  /** -1 while it is learned, -2 where none tells. */
  place: number;
}

export class PythonCode implements FrameWatch {
  /** A stack has named a Python function. */
  told = false;
  readonly #profile: Profile;
  readonly #sources: NativeSources;
  readonly #directory: string;
  readonly #codes = new WeakMap<Space, Codes>();
  /** By function row: of evaluation frames that called something, and of those that ran themselves. */
  readonly #calling = new Map<number, Learned>();
  readonly #running = new Map<number, Learned>();
  #unknown: FrameId | null = null;
  /** By function row: 1 evaluates, 2 does not. */
  #kinds = new Uint8Array(1024);

  constructor(profile: Profile, sources: NativeSources, directory: string) {
    this.#profile = profile;
    this.#sources = sources;
    this.#directory = directory;
  }

  at(space: Space, frame: FrameId, leaf: boolean, registers: Float64Array, word: (address: number) => number, into: FrameId[]): void {
    if (space.runtime === 'other' || this.#sources.memory === undefined) return;
    const fn = this.#profile.frames.functionOf(frame);
    if (!this.#evaluates(fn)) return;
    const codes = this.#codesOf(space);
    if (codes.failed > HOPELESS) return;
    const all = leaf ? this.#running : this.#calling;
    let learned = all.get(fn);
    if (learned === undefined) {
      learned = { tries: 0, rounds: 0, hits: new Uint32Array(PLACES), confirmed: new Uint32Array(PLACES), frames: new Uint32Array(PLACES), framePlace: -1, place: -1 };
      all.set(fn, learned);
    }
    if (learned.place === -2) return;
    if (learned.place === -1) {
      this.#learn(space.pid, codes, learned, registers, word, into);
      return;
    }
    const address = valueAt(learned.place, registers, word);
    const code = this.#find(space.pid, codes, address);
    if (code === null) return;
    const callers = learned.framePlace < 0 ? null : this.#callersOf(space.pid, codes, valueAt(learned.framePlace, registers, word), code);
    // Between two instructions the place may still hold the one before: then it does not go with the frame.
    if (leaf && callers === null) return;
    this.told = true;
    into.push(this.#frame(code, address));
    if (callers === null) into.push(this.#unknown ??= this.#profile.frames.source(this.#profile.functions.intern({ name: CALLERS_UNKNOWN, kind: 'marker' })));
    else for (const caller of callers) into.push(caller);
  }

  /** Tries all places. Says something only where all that tell say the same, and the process's memory too. */
  #learn(pid: number, codes: Codes, learned: Learned, registers: Float64Array, word: (address: number) => number, into: FrameId[]): void {
    const values = Array.from({ length: PLACES }, (_, place) => valueAt(place, registers, word));
    const found = values.map((value) => this.#find(pid, codes, value));
    // Before its type is known nothing can be found.
    if (codes.type === 0) return;
    learned.tries++;
    const told = [...new Set(found.filter((code) => code !== null))];
    if (told.length > 0) {
      const running = values.map((value) => this.#codeOfFrame(pid, codes, value));
      for (const [place, code] of found.entries()) {
        if (code === null) continue;
        learned.hits[place]++;
        if (running.includes(code.start)) learned.confirmed[place]++;
      }
      for (const [place, start] of running.entries()) if (told.some((code) => code.start === start)) learned.frames[place]++;
      if (told.length === 1 && running.includes(told[0].start)) {
        into.push(this.#frame(told[0], values[found.indexOf(told[0])]));
        into.push(this.#unknown ??= this.#profile.frames.source(this.#profile.functions.intern({ name: CALLERS_UNKNOWN, kind: 'marker' })));
      }
    }
    if (learned.tries >= TRIED) this.#choose(learned);
  }

  #choose(learned: Learned): void {
    const { hits, confirmed, tries } = learned;
    let best = -1;
    for (let place = 0; place < PLACES; place++) {
      if (hits[place] >= tries * TELLS && (best < 0 || confirmed[place] > confirmed[best])) best = place;
    }
    // Calls that are short are over when memory is read: what is right is confirmed at times, by chance seldom.
    if (best >= 0 && confirmed[best] >= CONFIRMED) {
      learned.place = best;
      let frame = -1;
      for (let place = 0; place < PLACES; place++) if (learned.frames[place] >= CONFIRMED && (frame < 0 || learned.frames[place] > learned.frames[frame])) frame = place;
      learned.framePlace = frame;
    } else if (tries >= TRIED * 4) {
      // What ran first may have been over each time, as imports are.
      learned.tries = 0;
      for (const counts of [hits, confirmed, learned.frames]) counts.fill(0);
      if (++learned.rounds >= ROUNDS) learned.place = -2;
    }
  }

  /** Start of the code object that an interpreter's frame at an address has; NaN where it is none. */
  #codeOfFrame(pid: number, codes: Codes, address: number): number {
    const bytes = address > 0xffff && address < 0x8000_0000_0000 && address % 8 === 0 ? this.#memory(pid, address, FRAME_BYTES) : null;
    return bytes === null ? NaN : u64(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), layoutOf(codes).code);
  }

  /** The callers of the function whose interpreter's frame is at an address, leaf first, as far as C called; null where they are not certain. */
  #callersOf(pid: number, codes: Codes, address: number, code: Code): readonly FrameId[] | null {
    if (!(address > 0xffff && address < 0x8000_0000_0000)) return null;
    let place = codes.places.get(address);
    if (place === undefined) {
      if (codes.places.size >= MOST_PLACES) codes.places.clear();
      codes.places.set(address, (place = newPlace()));
    }
    const uses = ++place.uses;
    if (uses <= READS || uses % AGAIN === 0 || (uses & (uses - 1)) === 0) this.#readCallers(pid, codes, address);
    const own = place.byCode.get(code.start);
    if (own === undefined || own.several || own.seen < TWICE || severalAt(place)) return null;
    // Where one of them has had several callers itself, what was seen is one way of several.
    for (const caller of own.chain.addresses) if (severalAt(codes.places.get(caller))) return null;
    return own.chain.frames;
  }

  /** Reads the frames from one on up to where C called; all of them are seen with their callers. */
  #readCallers(pid: number, codes: Codes, address: number): void {
    const layout = layoutOf(codes);
    const starts: number[] = [];
    const addresses: number[] = [];
    const frames: FrameId[] = [];
    let below = NaN;
    for (let at = address; ;) {
      const bytes = starts.length < MOST_CALLERS ? this.#memory(pid, at, FRAME_BYTES) : null;
      if (bytes === null) return;
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      if (layout.entry < 0 && bytes[layout.owner] === OWNED_BY_C) break;
      const code = this.#codeStartingAt(pid, codes, u64(view, layout.code));
      if (code === null || code.fn === -1) return;
      // A frame that was left is overwritten by others: only what lies exactly before the next one called it.
      if (below === below && bytes[layout.owner] === OWNED_BY_THREAD && at + code.frameSize !== below) return;
      starts.push(code.start);
      addresses.push(at);
      frames.push(this.#plainFrame(code));
      if (layout.entry >= 0 && bytes[layout.entry] !== 0) break;
      below = bytes[layout.owner] === OWNED_BY_THREAD ? at : NaN;
      at = u64(view, layout.previous);
      // At the bottom of a thread there is nothing before.
      if (at === 0) break;
    }
    for (let i = 0; i < starts.length; i++) {
      let place = codes.places.get(addresses[i]);
      if (place === undefined) codes.places.set(addresses[i], (place = newPlace()));
      see(place, starts[i], { frames: frames.slice(i + 1), addresses: addresses.slice(i + 1), key: starts.slice(i + 1).join(' ') });
    }
  }

  /** The code object at an address, read if it is new; null where there is none. */
  #codeStartingAt(pid: number, codes: Codes, start: number): Code | null {
    const instructions = start + codes.header;
    return this.#known(codes, instructions) ?? (Number.isSafeInteger(instructions) ? this.#read(pid, codes, instructions) : null);
  }

  /** A frame of a function whose line at that moment is not known. */
  #plainFrame(code: Code): FrameId {
    let frame = code.frames.get(0);
    if (frame === undefined) code.frames.set(0, (frame = this.#profile.frames.source(code.fn as FunctionId, 0)));
    return frame;
  }

  #evaluates(fn: FunctionId): boolean {
    if (fn >= this.#kinds.length) {
      const bigger = new Uint8Array(Math.max(fn + 1, this.#kinds.length * 2));
      bigger.set(this.#kinds);
      this.#kinds = bigger;
    }
    const known = this.#kinds[fn];
    if (known !== 0) return known === 1;
    const { functions } = this.#profile;
    // A name may still come, for the frame: then it is another function.
    if ((functions.flags.get(fn) & FUNCTION_UNNAMED) !== 0) return false;
    const evaluates = functions.kindOf(fn) === 'interpreter' && functions.nameOf(fn).startsWith('_PyEval_EvalFrame');
    this.#kinds[fn] = evaluates ? 1 : 2;
    return evaluates;
  }

  #codesOf(space: Space): Codes {
    let codes = this.#codes.get(space);
    if (codes === undefined) {
      codes = { places: new Map(), all: [], type: 0, header: 0, others: new Set(), misses: new Set(), failed: 0 };
      this.#codes.set(space, codes);
    }
    return codes;
  }

  /** The code object that an address of an instruction belongs to. */
  #find(pid: number, codes: Codes, address: number): Code | null {
    if (!(address > 0xffff && address < 0x8000_0000_0000) || address % 2 !== 0) return null;
    let code = this.#known(codes, address);
    // Code of a module's body is gone after its import, and its place is another's.
    if (code !== null && (++code.uses <= YOUNG || code.uses % SOMETIMES === 0) && !this.#stillThere(pid, code)) {
      codes.all.splice(codes.all.indexOf(code), 1);
      code = null;
    }
    code ??= this.#read(pid, codes, address);
    return code === null || code.fn === -1 ? null : code;
  }

  /** Whether a code object is the one that was read: the same size, file and name. */
  #stillThere(pid: number, code: Code): boolean {
    const { fields } = code;
    const bytes = fields.length === 0 ? null : this.#memory(pid, code.start, fields.length);
    return bytes !== null && same(bytes, fields, 8, 24) && same(bytes, fields, 112, 128);
  }

  #known(codes: Codes, address: number): Code | null {
    const { all } = codes;
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

  #read(pid: number, codes: Codes, address: number): Code | null {
    const miss = Math.floor(address / 256);
    if (codes.misses.has(miss)) return null;
    const code = this.#look(pid, codes, address);
    if (code === null) {
      if (codes.misses.size >= MOST_MISSES) codes.misses.clear();
      codes.misses.add(miss);
      if (codes.type === 0) codes.failed++;
      return null;
    }
    if (codes.all.length >= MOST_CODES) codes.all.length = 0;
    const at = codes.all.findIndex((one) => one.start > code.start);
    if (at < 0) codes.all.push(code);
    else codes.all.splice(at, 0, code);
    return code;
  }

  /** Looks backwards for the start of the code object: the first word of its type is its second one. */
  #look(pid: number, codes: Codes, address: number): Code | null {
    const top = address - (address % 8);
    for (let size = NEAR; size <= FAR; size *= 16) {
      const bytes = this.#memory(pid, top - size, size) ?? (size === NEAR ? this.#memory(pid, top - (top % 4096), top % 4096) : null);
      if (bytes === null) return null;
      const from = top - bytes.length;
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      for (let at = bytes.length - 8; at >= 8; at -= 8) {
        const value = u64(view, at);
        if (codes.type === 0 ? !this.#isCodeType(pid, codes, value) : value !== codes.type) continue;
        const start = from + at - 8;
        const length = at + 16 <= bytes.length ? u64(view, at + 8) : NaN;
        const instructions = start + codes.header;
        const end = instructions + length * 2;
        return address >= instructions && address < end && length < 1e6 ? this.#codeAt(pid, codes, start, instructions, end) : null;
      }
      if (codes.type === 0 || bytes.length < size) return null;
    }
    return null;
  }

  #isCodeType(pid: number, codes: Codes, value: number): boolean {
    if (!(value > 0xffff && value < 0x8000_0000_0000) || value % 8 !== 0 || codes.others.has(value)) return false;
    const bytes = this.#memory(pid, value, 48);
    if (bytes !== null) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const header = u64(view, TYPE_BASICSIZE);
      if (header >= 120 && header <= 512 && u64(view, TYPE_ITEMSIZE) === 2) {
        const name = this.#memory(pid, u64(view, 24), 5);
        if (name !== null && name[4] === 0 && new DataView(name.buffer, name.byteOffset).getUint32(0, true) === TYPE_NAME) {
          codes.type = value;
          codes.header = header;
          codes.misses.clear();
          codes.others.clear();
          return true;
        }
      }
    }
    if (codes.others.size < 100_000) codes.others.add(value);
    return false;
  }

  /** Reads names and lines: of the pointers to strings in a code object the file's is the first, the function's the second. */
  #codeAt(pid: number, codes: Codes, start: number, instructions: number, end: number): Code {
    const none: Code = { start, end, instructions, frameSize: 0, fn: -1, firstLine: 0, fields: new Uint8Array(0), uses: 0, lines: new Uint8Array(0), frames: new Map() };
    const bytes = this.#memory(pid, start, codes.header);
    if (bytes === null) return none;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    // 3.11 has 4 bytes of counters before its numbers that later versions do not have.
    const eleven = codes.header === 184;
    const file = this.#string(pid, u64(view, 112), eleven);
    const name = this.#string(pid, u64(view, 120), eleven);
    if (file === null || name === null || name === '') return none;
    const { library, own } = pythonFile(file, this.#directory);
    const fn = this.#profile.functions.intern({ name, file, library, kind: 'python', flags: own ? FUNCTION_OWN : 0 });
    const table = u64(view, 136);
    const size = this.#memory(pid, table + 16, 8);
    const length = size === null ? 0 : u64(new DataView(size.buffer, size.byteOffset), 0);
    const lines = length > 0 && length < 1e6 ? this.#memory(pid, table + 32, length) : null;
    // Words for its variables and values, and the frame's own.
    const frameSize = 8 * (eleven ? view.getUint32(68, true) + view.getUint32(76, true) + FRAME_BYTES / 8 : view.getUint32(76, true));
    return { start, end, instructions, frameSize, fn, firstLine: view.getUint32(eleven ? 72 : 68, true), fields: bytes, uses: 0, lines: lines ?? new Uint8Array(0), frames: new Map() };
  }

  /** A str object (Include/cpython/unicodeobject.h), compact as all names are. */
  #string(pid: number, address: number, eleven: boolean): string | null {
    const bytes = this.#memory(pid, address, 40);
    if (bytes === null) return null;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const length = u64(view, 16);
    const state = view.getUint32(32, true);
    const kind = (state >>> 2) & 7;
    const ascii = ((state >>> 6) & 1) === 1;
    if (!(length <= MOST_NAME) || (kind !== 1 && kind !== 2 && kind !== 4) || ((state >>> 5) & 1) === 0) return null;
    if (length === 0) return '';
    const text = this.#memory(pid, address + (eleven ? 48 : 40) + (ascii ? 0 : eleven ? 24 : 16), length * kind);
    if (text === null) return null;
    const letters: string[] = [];
    const of = new DataView(text.buffer, text.byteOffset, text.byteLength);
    for (let i = 0; i < length; i++) {
      const letter = kind === 1 ? text[i] : kind === 2 ? of.getUint16(i * 2, true) : of.getUint32(i * 4, true);
      letters.push(letter <= 0x10ffff ? String.fromCodePoint(letter) : '\ufffd');
    }
    return letters.join('');
  }

  #frame(code: Code, address: number): FrameId {
    // The address is that of what comes next.
    const line = lineAt(code.lines, code.firstLine, Math.max(0, address - code.instructions - 2));
    let frame = code.frames.get(line);
    if (frame === undefined) code.frames.set(line, (frame = this.#profile.frames.source(code.fn as FunctionId, line)));
    return frame;
  }

  #memory(pid: number, address: number, length: number): Uint8Array | null {
    return length > 0 && address > 0 && Number.isSafeInteger(address) ? (this.#sources.memory?.(pid, address, length) ?? null) : null;
  }
}

function newPlace(): Place {
  return { uses: 0, key: '', seen: 0, changed: 0, byCode: new Map() };
}

/** Whether what began at a place had one caller, then another: what a program did at its start does not count for ever. */
function severalAt(place: Place | undefined): boolean {
  return place !== undefined && place.changed > 0 && place.seen - place.changed < AGES;
}

function see(place: Place, code: number, chain: Chain): void {
  place.seen++;
  if (place.seen > 1 && place.key !== chain.key) place.changed = place.seen;
  place.key = chain.key;
  const own = place.byCode.get(code);
  if (own === undefined) {
    if (place.byCode.size < 64) place.byCode.set(code, { chain, seen: 1, since: place.seen, several: false });
  } else if (own.chain.key === chain.key) {
    own.seen++;
    if (place.seen - own.since > AGES) own.several = false;
  } else {
    own.chain = chain;
    own.seen = 1;
    own.since = place.seen;
    own.several = true;
  }
}

function layoutOf(codes: Codes): FrameLayout {
  return codes.header === 184 ? ELEVEN : LATER;
}

/** What a place of a frame holds: a register, then words of the stack from its stack pointer on. */
function valueAt(place: number, registers: Float64Array, word: (address: number) => number): number {
  return place < REGISTERS.length ? registers[REGISTERS[place]] : word(registers[SP] + (place - REGISTERS.length) * 8);
}

function same(a: Uint8Array, b: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (a[i] !== b[i]) return false;
  return true;
}

function u64(view: DataView, at: number): number {
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
