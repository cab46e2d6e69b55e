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

  /** Reads the symbols when frames wait for them. Nothing is ever left for a later call. */
  resolve(): boolean {
    if (this.#state !== 'wanted') return false;
    this.#state = 'loaded';
    const text = this.#sources.kallsyms();
    if (text !== null) this.#symbols = KernelSymbols.parse(text);
    for (const { frame, address } of this.#waiting) {
      const fn = this.#functionAt(address);
      if (fn !== this.#profile.frames.functionOf(frame)) this.#profile.frames.setFunction(frame, fn);
    }
    if (this.#symbols !== null) this.#waiting = [];
    else this.#profile.skip('kernel addresses stay without names: /proc/kallsyms is not readable', this.#waiting.length);
    return false;
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
