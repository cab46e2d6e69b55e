// Which Python function an evaluation frame runs, told from the copied stack itself: exact at the moment of the sample.
//
// CPython's evaluation loop (Python/ceval.c, from 3.11 on) keeps the next instruction's address in a register that calls
// preserve, and since 3.11 instructions lie inside their PyCodeObject (Include/cpython/code.h, co_code_adaptive at its end).
// So the registers that unwinding finds for an evaluation frame name the code object that runs there; names are read once from
// the process's memory. Which register it is depends on the compiler: it is learned by trying all of them.
//
// Calls from Python to Python do not call C since 3.11: of the functions that one evaluation frame runs, the stack tells the
// innermost. Its callers are python-callers.ts's; where they are not known a marker stands in their place.
import { BP, BX, SP } from '#core/native/cfi';
import type { FrameId, FunctionId } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import { FUNCTION_UNNAMED } from '#core/model/tables';
import type { Space } from '#core/native/address-space';
import type { NativeSources } from '#core/native/sources';
import type { FrameWatch } from '#core/native/unwind';
import { PythonCallers } from './python-callers.ts';
import { PythonMemory } from './python-memory.ts';

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

interface Process {
  readonly memory: PythonMemory;
  readonly callers: PythonCallers;
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
  readonly #processes = new WeakMap<Space, Process>();
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
    const process = this.#processOf(space);
    const { memory, callers } = process;
    if (memory.hopeless) return;
    const all = leaf ? this.#running : this.#calling;
    let learned = all.get(fn);
    if (learned === undefined) {
      learned = { tries: 0, rounds: 0, hits: new Uint32Array(PLACES), confirmed: new Uint32Array(PLACES), frames: new Uint32Array(PLACES), framePlace: -1, place: -1 };
      all.set(fn, learned);
    }
    if (learned.place === -2) return;
    if (learned.place === -1) {
      this.#learn(process, learned, registers, word, into);
      return;
    }
    const address = valueAt(learned.place, registers, word);
    const code = memory.find(address);
    if (code === null) return;
    const above = learned.framePlace < 0 ? null : callers.of(valueAt(learned.framePlace, registers, word), code);
    // Between two instructions the place may still hold the one before: then it does not go with the frame.
    if (leaf && above === null && (learned.framePlace < 0 || callers.doubts(valueAt(learned.framePlace, registers, word), code))) return;
    this.told = true;
    into.push(memory.frame(code, address));
    if (above === null) into.push(this.#gap());
    else for (const caller of above) into.push(caller);
  }

  /** Tries all places. Says something only where all that tell say the same, and the process's memory too. */
  #learn({ memory, callers }: Process, learned: Learned, registers: Float64Array, word: (address: number) => number, into: FrameId[]): void {
    const values = Array.from({ length: PLACES }, (_, place) => valueAt(place, registers, word));
    const found = values.map((value) => memory.find(value));
    // Before its type is known nothing can be found.
    if (memory.header === 0) return;
    learned.tries++;
    const told = [...new Set(found.filter((code) => code !== null))];
    if (told.length > 0) {
      const running = values.map((value) => callers.codeOf(value));
      for (const [place, code] of found.entries()) {
        if (code === null) continue;
        learned.hits[place]++;
        if (running.includes(code.start)) learned.confirmed[place]++;
      }
      for (const [place, start] of running.entries()) if (told.some((code) => code.start === start)) learned.frames[place]++;
      if (told.length === 1 && running.includes(told[0].start)) {
        into.push(memory.frame(told[0], values[found.indexOf(told[0])]));
        into.push(this.#gap());
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

  /** Callers that are not certain. */
  #gap(): FrameId {
    return (this.#unknown ??= this.#profile.frames.source(this.#profile.functions.intern({ name: CALLERS_UNKNOWN, kind: 'marker' })));
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

  #processOf(space: Space): Process {
    let process = this.#processes.get(space);
    if (process === undefined) {
      const memory = new PythonMemory(this.#profile, this.#sources, this.#directory, space.pid);
      this.#processes.set(space, (process = { memory, callers: new PythonCallers(memory) }));
    }
    return process;
  }
}

/** What a place of a frame holds: a register, then words of the stack from its stack pointer on. */
function valueAt(place: number, registers: Float64Array, word: (address: number) => number): number {
  return place < REGISTERS.length ? registers[REGISTERS[place]] : word(registers[SP] + (place - REGISTERS.length) * 8);
}
