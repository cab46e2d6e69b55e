// Callers of Python functions that Python called: read from the interpreter's own frames (Include/internal/pycore_frame.h).
//
// Those frames lie one behind the other in a stack of their own, each as large as its function says, so what begins at one address
// nearly always has the same callers. They are read from the process's memory some ms after a sample, when they may be others:
// again and again, and told only while no others were seen there.
import type { FrameId } from '#core/model/ids';
import type { Code, PythonMemory } from './python-memory.ts';
import { FRAME_BYTES, u64 } from './python-memory.ts';

/** Frames of one evaluation frame; a loop in memory that changes while it is read ends here. */
const MOST_CALLERS = 512;
/** Places of frames that are kept of a process, and how often one is read again: the first times, then seldom. */
const MOST_PLACES = 50_000;
const READS = 8;
const AGAIN = 64;
/** What was right so often is looked at less. */
const OLD = 1000;
const SELDOM = 1024;

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
  readonly byCode: Map<number, OwnCallers>;
}

/** The callers of one function at one place. */
interface OwnCallers {
  chain: Chain;
  seen: number;
  /** Sightings at the place when they became these. */
  since: number;
  several: boolean;
  /** Whether none of them has several callers itself, as of so many changes. */
  certain: boolean;
  checked: number;
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
const DEEP = 64;
const WELL_KNOWN = 16;

/** The interpreter's frames of one process. */
export class PythonCallers {
  readonly #memory: PythonMemory;
  /** By address of the interpreter's frame. */
  readonly #places = new Map<number, Place>();
  /** How often a place was seen with other callers than before. */
  #changes = 0;

  constructor(memory: PythonMemory) {
    this.#memory = memory;
  }

  get #layout(): FrameLayout {
    return this.#memory.eleven ? ELEVEN : LATER;
  }

  /** Start of the code object that an interpreter's frame at an address has; NaN where it is none. */
  codeOf(address: number): number {
    const bytes = address > 0xffff && address < 0x8000_0000_0000 && address % 8 === 0 ? this.#memory.memory(address, FRAME_BYTES) : null;
    return bytes === null ? NaN : u64(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), this.#layout.code);
  }

  /** The callers of the function whose interpreter's frame is at an address, leaf first, as far as C called; null where they are not certain. */
  of(address: number, code: Code): readonly FrameId[] | null {
    if (!(address > 0xffff && address < 0x8000_0000_0000)) return null;
    let place = this.#places.get(address);
    if (place === undefined) {
      if (this.#places.size >= MOST_PLACES) this.#places.clear();
      this.#places.set(address, (place = newPlace()));
    }
    const uses = ++place.uses;
    if (uses <= READS || uses % (uses < OLD ? AGAIN : SELDOM) === 0 || (uses & (uses - 1)) === 0) this.#readCallers(address);
    const own = place.byCode.get(code.start);
    if (own === undefined || own.several || own.seen < TWICE || severalAt(place)) return null;
    // Where one of them has had several callers itself, what was seen is one way of several.
    if (own.checked !== this.#changes) {
      own.certain = own.chain.addresses.every((caller) => !severalAt(this.#places.get(caller)));
      own.checked = this.#changes;
    }
    return own.certain ? own.chain.frames : null;
  }

  /** Whether a place was seen often, and never with this code. */
  doubts(address: number, code: Code): boolean {
    const place = this.#places.get(address);
    return place === undefined || (place.seen >= WELL_KNOWN && !place.byCode.has(code.start));
  }

  /** Reads the frames from one on up to where C called; all of them are seen with their callers. */
  #readCallers(address: number): void {
    const layout = this.#layout;
    const starts: number[] = [];
    const addresses: number[] = [];
    const frames: FrameId[] = [];
    let below = NaN;
    for (let at = address; ;) {
      const bytes = starts.length < MOST_CALLERS ? this.#memory.memory(at, FRAME_BYTES) : null;
      if (bytes === null) return;
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      if (layout.entry < 0 && bytes[layout.owner] === OWNED_BY_C) break;
      const code = this.#memory.startingAt(u64(view, layout.code));
      if (code === null) return;
      // A frame that was left is overwritten by others: only what lies exactly before the next one called it.
      if (below === below && bytes[layout.owner] === OWNED_BY_THREAD && at + code.frameSize !== below) return;
      starts.push(code.start);
      addresses.push(at);
      frames.push(this.#memory.plainFrame(code));
      if (layout.entry >= 0 && bytes[layout.entry] !== 0) break;
      below = bytes[layout.owner] === OWNED_BY_THREAD ? at : NaN;
      at = u64(view, layout.previous);
      // At the bottom of a thread there is nothing before.
      if (at === 0) break;
    }
    // Of deep recursion only the innermost: each of its frames would keep all others.
    for (let i = 0; i < (starts.length > DEEP ? 1 : starts.length); i++) {
      let place = this.#places.get(addresses[i]);
      if (place === undefined) this.#places.set(addresses[i], (place = newPlace()));
      if (see(place, starts[i], { frames: frames.slice(i + 1), addresses: addresses.slice(i + 1), key: starts.slice(i + 1).join(' ') })) this.#changes++;
    }
  }
}

function newPlace(): Place {
  return { uses: 0, key: '', seen: 0, changed: 0, byCode: new Map() };
}

/** Whether what began at a place had one caller, then another: what a program did at its start does not count for ever. */
function severalAt(place: Place | undefined): boolean {
  return place !== undefined && place.changed > 0 && place.seen - place.changed < AGES;
}

/** Returns whether it is a change that may make others uncertain, or certain again. */
function see(place: Place, code: number, chain: Chain): boolean {
  place.seen++;
  const changed = place.seen > 1 && place.key !== chain.key;
  if (changed) place.changed = place.seen;
  place.key = chain.key;
  const own = place.byCode.get(code);
  if (own === undefined) {
    if (place.byCode.size < 64) place.byCode.set(code, { chain, seen: 1, since: place.seen, several: false, certain: false, checked: -1 });
  } else if (own.chain.key === chain.key) {
    own.seen++;
    if (place.seen - own.since > AGES) own.several = false;
  } else {
    own.chain = chain;
    own.seen = 1;
    own.since = place.seen;
    own.several = true;
    own.checked = -1;
  }
  return changed || place.seen === place.changed + AGES;
}
