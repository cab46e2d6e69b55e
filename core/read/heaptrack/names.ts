// Strings, instructions and traces of a heaptrack stream as functions, frames and stacks.
import type { FrameId, FunctionId, StackId } from '#core/model/ids';
import { NO_STACK } from '#core/model/ids';
import { Int32Column } from '#core/model/column';
import type { Profile } from '#core/model/profile';
import type { FunctionKind, InlinedCall } from '#core/model/tables';
import { FUNCTION_OWN, FUNCTION_UNNAMED } from '#core/model/tables';
import { readableName } from '#core/native/demangle';
import { baseName, isOwnFile } from '#core/native/own-code';

/** Longest chain of callers that becomes a stack: what is deeper hangs on its root. */
const DEEPEST = 8192;

export class TraceNames {
  readonly #profile: Profile;
  readonly #directory: string;
  readonly #files: boolean;
  readonly #strings: string[] = [''];
  /** By instruction, from 1: its frame, -1 for one that could not be read. */
  readonly #frames = new Int32Column();
  /** By trace, from 1: its stack, and how deep it is. */
  readonly #stacks = new Int32Column();
  readonly #depths = new Int32Column();
  #unknown: FrameId | null = null;

  /** `files`: functions carry their source file, where the stream names one. */
  constructor(profile: Profile, options: { directory: string; files: boolean }) {
    this.#profile = profile;
    this.#directory = options.directory;
    this.#files = options.files;
    this.#frames.push(-1);
    this.#stacks.push(NO_STACK);
    this.#depths.push(0);
  }

  string(text: string): void {
    this.#strings.push(text);
  }

  /** `places`: function, file and line of each call at the address, the innermost first. */
  instruction(ip: number, module: number, places: readonly number[]): void {
    const { strings, frames } = this.#profile;
    const path = this.#strings[module] ?? '';
    const calls: InlinedCall[] = [];
    for (let i = 0; i + 2 < places.length; i += 3) calls.unshift({ function: this.#function(places[i], places[i + 1], path), line: Math.min(places[i + 2], 0x7fffffff) });
    const outer = calls.shift() ?? { function: this.#function(0, 0, path), line: 0 };
    // The address is where the code lay in the process: a key for the frame, no address in the file.
    const frame = frames.native(strings.intern(path), ip, 'given', outer.function);
    if (outer.line > 0 || calls.length > 0) frames.setFunction(frame, outer.function, outer.line, calls);
    this.#frames.push(frame);
  }

  /** Adds a trace; false where it names an instruction or a caller that has not come. */
  trace(ip: number, parent: number): boolean {
    const known = ip > 0 && ip < this.#frames.length && parent < this.#stacks.length;
    const depth = known ? this.#depths.get(parent) + 1 : 1;
    const frame = known ? (this.#frames.get(ip) as FrameId) : this.#unknownFrame();
    const caller = !known || depth > DEEPEST ? NO_STACK : (this.#stacks.get(parent) as StackId);
    this.#stacks.push(this.#profile.stacks.intern(caller, frame));
    this.#depths.push(depth > DEEPEST ? 1 : depth);
    // A trace of address 0 is heaptrack's own way to say that it could not unwind.
    return known || ip === 0;
  }

  stackOf(trace: number): StackId {
    return trace > 0 && trace < this.#stacks.length ? (this.#stacks.get(trace) as StackId) : this.#profile.stacks.intern(NO_STACK, this.#unknownFrame());
  }

  #function(name: number, file: number, path: string): FunctionId {
    const library = baseName(path);
    const flags = isOwnFile(path, this.#directory) ? FUNCTION_OWN : 0;
    const text = this.#strings[name] ?? '';
    const { functions } = this.#profile;
    // Places without a name are one function a library: their addresses mean nothing outside of the process.
    if (text === '') return functions.intern({ name: library === '' ? '[unknown]' : `[${library}]`, library, kind: library === '' ? 'unknown' : 'native', flags: flags | FUNCTION_UNNAMED });
    const source = this.#strings[file] ?? '';
    const { readable, kind } = named(text, source);
    return functions.intern({ name: readable, library, kind, flags, file: this.#files ? source : '' });
  }

  #unknownFrame(): FrameId {
    this.#unknown ??= this.#profile.frames.source(this.#profile.functions.intern({ name: '[unknown]', kind: 'unknown' }));
    return this.#unknown;
  }
}

/**
 * heaptrack has demangled as C++: what it took for C++ may be Rust's older scheme, whose parts it parted and whose escapes and
 * hash it left. Put together again as the symbol was, it is read as every other one is.
 */
function named(text: string, file: string): { readable: string; kind: FunctionKind } {
  if (/::h[0-9a-f]{16}$/.test(text) && text.length < 10_000) {
    const { name, language } = readableName(`_ZN${text.split('::').map((part) => `${part.length}${part}`).join('')}E`);
    if (language === 'rust') return { readable: name, kind: 'rust' };
  }
  const { name, language } = /^_?_[RZ]/.test(text) ? readableName(text) : { name: text, language: 'other' };
  if (language === 'rust' || /\.rs$/.test(file)) return { readable: name, kind: 'rust' };
  return { readable: name, kind: name.startsWith('_PyEval_') ? 'interpreter' : 'native' };
}
