import type { FrameId, FunctionId } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import { FUNCTION_UNNAMED } from '#core/model/tables';
import { KernelSymbols } from './kallsyms.ts';
import type { NativeSources } from './sources.ts';

const CACHE_LIMIT = 200_000;

/** Frames of kernel addresses. The symbols (5 MB of text) are read at the first `resolve` after a kernel frame was seen. */
export class KernelNames {
  #profile: Profile;
  #sources: NativeSources;
  #state: 'untouched' | 'wanted' | 'loaded' = 'untouched';
  #symbols: KernelSymbols | null = null;
  #ranges: { start: number; end: number; name: string }[] = [];
  #frames = new Map<number, FrameId>();
  #waiting: { frame: FrameId; address: number }[] = [];
  #functions = new Map<string, FunctionId>();
  #loading: Generator<undefined, void> | null = null;

  constructor(profile: Profile, sources: NativeSources) {
    this.#profile = profile;
    this.#sources = sources;
  }

  get unnamedFrames(): number {
    return this.#waiting.length;
  }

  map(start: number, length: number, path: string): void {
    if (this.#ranges.length < 100_000) this.#ranges.push({ start, end: start + length, name: path });
  }

  frame(address48: number, leaf: boolean): FrameId {
    const key = address48 * 2 + (leaf ? 1 : 0);
    const known = this.#frames.get(key);
    if (known !== undefined) return known;
    if (this.#state === 'untouched') this.#state = 'wanted';
    const address = leaf ? address48 : address48 - 1;
    const fn = this.#functionAt(address);
    const before = this.#profile.frames.length;
    const frame = this.#profile.frames.native(this.#profile.strings.intern('[kernel.kallsyms]'), address, leaf ? 'leaf' : 'call-chain', fn);
    if (frame >= before && this.#state === 'wanted') this.#waiting.push({ frame, address });
    if (this.#frames.size > CACHE_LIMIT) this.#frames.clear();
    this.#frames.set(key, frame);
    return frame;
  }

  /** Reads the symbols when frames wait for them, until `deadline` (Date.now() ms). Returns whether more waits. */
  resolve(deadline: number): boolean {
    if (this.#state !== 'wanted') return false;
    this.#loading ??= this.#load();
    for (;;) {
      if (this.#loading.next().done === true) {
        this.#state = 'loaded';
        this.#loading = null;
        return false;
      }
      if (Date.now() >= deadline) return true;
    }
  }

  *#load(): Generator<undefined, void> {
    const text = this.#sources.kallsymsSteps === undefined ? this.#sources.kallsyms() : yield* this.#sources.kallsymsSteps();
    yield undefined;
    if (text !== null) this.#symbols = yield* KernelSymbols.steps(text);
    yield undefined;
    if (this.#symbols === null) {
      this.#profile.skip('kernel addresses stay without names: /proc/kallsyms is not readable', this.#waiting.length);
      return;
    }
    // Frames that come meanwhile have their names already, and wait in vain: looked up once more, nothing changes.
    for (let done = 1; this.#waiting.length > 0; done++) {
      const { frame, address } = this.#waiting[this.#waiting.length - 1];
      const fn = this.#functionAt(address);
      if (fn !== this.#profile.frames.functionOf(frame)) this.#profile.frames.setFunction(frame, fn);
      this.#waiting.pop();
      if (done % 64 === 0) yield undefined;
    }
  }

  #functionAt(address: number): FunctionId {
    const range = this.#rangeAt(address);
    const found = this.#symbols?.find(address) ?? null;
    if (found !== null && !(range !== '' && range.startsWith('bpf_prog_'))) return this.#function(found.name, found.module || '[kernel]', 0);
    if (range.startsWith('bpf_')) return this.#function(range, '[bpf]', 0);
    const module = range === '' || range.startsWith('[kernel') ? '[kernel]' : moduleName(range);
    return this.#function(module, module, FUNCTION_UNNAMED);
  }

  #function(name: string, library: string, flags: number): FunctionId {
    const key = `${library}\n${name}`;
    let fn = this.#functions.get(key);
    if (fn === undefined) {
      fn = this.#profile.functions.intern({ name, library, kind: 'kernel', flags });
      this.#functions.set(key, fn);
    }
    return fn;
  }

  #rangeAt(address: number): string {
    // Later ranges (modules, BPF programs) are the more exact ones.
    for (let i = this.#ranges.length - 1; i >= 0; i--) {
      if (address >= this.#ranges[i].start && address < this.#ranges[i].end) return this.#ranges[i].name;
    }
    return '';
  }
}

function moduleName(path: string): string {
  const base = path.slice(path.lastIndexOf('/') + 1).replace(/\.ko(\.\w+)?$/, '').replaceAll('-', '_');
  return base.startsWith('[') ? base : `[${base}]`;
}
