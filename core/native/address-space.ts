import type { FrameId, FunctionId, StringId } from '#core/model/ids';
import { EMPTY_STRING } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import type { FrameRule } from '#core/model/tables';
import { FRAME_RULES, FUNCTION_UNNAMED } from '#core/model/tables';
import type { CodeModule } from './code-module.ts';
import { openModule } from './elf-module.ts';
import type { ElfModule } from './elf-module.ts';
import { JitModule } from './jit-module.ts';
import { KernelNames } from './kernel-names.ts';
import { baseName, isOwnFile } from './own-code.ts';
import type { NativeSources } from './sources.ts';

const LEAF = FRAME_RULES.indexOf('leaf');
const GIVEN = FRAME_RULES.indexOf('given');
/** A process that maps more pieces of code than this has its oldest forgotten. */
const MAPPING_LIMIT = 200_000;

export interface MappingFacts {
  start: number;
  length: number;
  fileOffset: number;
  path: string;
  executable: boolean;
  /** hex or '' */
  buildId: string;
}

/** A piece of a process's executable memory. */
export interface CodeRange {
  start: number;
  end: number;
  readonly fileOffset: number;
  readonly path: string;
  readonly buildId: string;
  /** Set on first use: what the addresses belong to, and what to take from one to get the module's own. */
  module: CodeModule | null;
  bias: number;
}

export class Space {
  readonly pid: number;
  /** Sorted by start, without overlaps. */
  ranges: CodeRange[] = [];
  runtime: 'python' | 'other' | 'unknown' = 'unknown';
  jit: JitModule | null = null;
  #last: CodeRange | null = null;

  constructor(pid: number) {
    this.pid = pid;
  }

  find(pc: number): CodeRange | null {
    const last = this.#last;
    if (last !== null && pc >= last.start && pc < last.end) return last;
    const ranges = this.ranges;
    let low = 0;
    let high = ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ranges[middle].start <= pc) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return null;
    const range = ranges[low - 1];
    if (!(pc < range.end)) return null;
    this.#last = range;
    return range;
  }

  /** Cuts what was mapped there, then adds `range` unless it is null. */
  replace(start: number, end: number, range: CodeRange | null): void {
    this.#last = null;
    const ranges = this.ranges;
    let from = 0;
    let high = ranges.length;
    while (from < high) {
      const middle = (from + high) >>> 1;
      if (ranges[middle].end <= start) from = middle + 1;
      else high = middle;
    }
    let to = from;
    const pieces: CodeRange[] = [];
    while (to < ranges.length && ranges[to].start < end) {
      const old = ranges[to++];
      if (old.start < start) pieces.push({ ...old, end: start });
      if (old.end > end) pieces.push({ ...old, start: end, fileOffset: old.fileOffset + end - old.start });
    }
    if (range !== null) pieces.push(range);
    pieces.sort((a, b) => a.start - b.start);
    ranges.splice(from, to - from, ...pieces);
    if (ranges.length > MAPPING_LIMIT) ranges.splice(0, ranges.length - MAPPING_LIMIT);
  }
}

/**
 * The code of all processes of one recording: which file an address belongs to, and the frame that stands for it. A
 * frame's address is the ELF virtual address that was looked up: for a return address that is the byte before it.
 */
export class AddressSpaces {
  readonly stats: { framesByRule: number[]; unnamed: number } = { framesByRule: FRAME_RULES.map(() => 0), unnamed: 0 };
  #profile: Profile;
  #sources: NativeSources;
  #directory: string;
  #spaces = new Map<number, Space>();
  /** By path and build id. */
  #modules = new Map<string, ElfModule>();
  /** By path and pid, where the mapping has no build id: the module that was found for it. */
  #byPid = new Map<string, ElfModule>();
  #jits: JitModule[] = [];
  #kernel: KernelNames;
  #stitched = new Map<FrameId, FrameId>();
  #changesSeen = 0;

  /** `directory` is the target's: functions of files below it are the user's own. '' = nobody's. */
  constructor(profile: Profile, sources: NativeSources, options: { directory: string }) {
    this.#profile = profile;
    this.#sources = sources;
    this.#directory = options.directory;
    this.#kernel = new KernelNames(profile, sources);
  }

  /** Notes a mapping; older ones that it overlaps are cut. Addresses from 2^53 on are ignored. */
  map(pid: number, mapping: MappingFacts): void {
    const end = mapping.start + mapping.length;
    if (!(mapping.start >= 0 && mapping.length > 0 && end <= Number.MAX_SAFE_INTEGER)) return;
    let space = this.#spaces.get(pid);
    if (space === undefined) {
      space = new Space(pid);
      this.#spaces.set(pid, space);
    }
    if (!mapping.executable) {
      space.replace(mapping.start, end, null);
      return;
    }
    const path = mapping.path.replace(/ \(deleted\)$/, '');
    const known = space.find(mapping.start);
    if (
      known !== null && known.start === mapping.start && known.end === end && known.path === path &&
      known.fileOffset === mapping.fileOffset && (known.buildId === mapping.buildId || mapping.buildId === '')
    ) return;
    if (space.runtime === 'unknown' && /^(?:lib)?python\d/.test(baseName(path))) space.runtime = 'python';
    space.replace(mapping.start, end, {
      start: mapping.start, end, fileOffset: mapping.fileOffset, path, buildId: mapping.buildId, module: null, bias: 0,
    });
  }

  /** Kernel text or a module, by the low 48 bits of its start. */
  mapKernel(start48: number, length: number, path: string): void {
    this.#kernel.map(start48, length, path);
  }

  /** A child starts with its parent's maps. */
  fork(parent: number, child: number): void {
    if (parent === child) return;
    const from = this.#spaces.get(parent);
    if (from === undefined) return;
    const space = new Space(child);
    space.runtime = from.runtime;
    // Anonymous code belongs to a process: the child's frames are its own.
    space.ranges = from.ranges.map((range) => (range.module instanceof JitModule ? { ...range, module: null } : { ...range }));
    if (from.jit !== null) space.jit = this.#makeJit(child, from.jit);
    this.#spaces.set(child, space);
  }

  exec(pid: number): void {
    this.#spaces.set(pid, new Space(pid));
  }

  exit(pid: number): void {
    const jit = this.#spaces.get(pid)?.jit ?? null;
    this.#spaces.delete(pid);
    if (jit === null) return;
    jit.refresh(Infinity);
    this.#jits = this.#jits.filter((other) => other !== jit);
  }

  /** Overrides the guess from the mapped files. The trampoline rule is for Python only. */
  setRuntime(pid: number, runtime: 'python' | 'other'): void {
    this.space(pid).runtime = runtime;
  }

  /** Inserts what /proc/PID/maps says now: after lost records, or for a process that no record told of. False when it is gone. */
  readMaps(pid: number): boolean {
    const text = this.#sources.maps(pid);
    if (text === null) return false;
    for (const mapping of parseMaps(text)) if (mapping.executable) this.map(pid, mapping);
    return true;
  }

  /**
   * The frame of a place in a process. With rule `leaf` or `given` the address itself is looked up; with any other it is a
   * return address and the byte before it is looked up.
   */
  userFrame(pid: number, pc: number, rule: FrameRule): FrameId {
    const index = FRAME_RULES.indexOf(rule);
    this.stats.framesByRule[index]++;
    const lookup = index === LEAF || index === GIVEN ? pc : pc - 1;
    const range = this.locate(this.space(pid), lookup);
    if (range === null) return this.unmappedFrame(lookup, rule);
    const module = range.module as CodeModule;
    return module.frame(module.site(lookup - range.bias), index);
  }

  /** The frame of a kernel address, given by its low 48 bits. */
  kernelFrame(address48: number, leaf: boolean): FrameId {
    this.stats.framesByRule[FRAME_RULES.indexOf(leaf ? 'leaf' : 'call-chain')]++;
    return this.#kernel.frame(address48, leaf);
  }

  /**
   * Loads symbol tables that were put off and patches the frames that waited for them. One call takes about `budgetMs`
   * (no step of a large table takes longer than a few ms). Returns whether more waits.
   */
  resolveNames(budgetMs: number): boolean {
    const deadline = Date.now() + budgetMs;
    let more = this.#kernel.resolve(deadline);
    for (const module of this.#modules.values()) {
      if (!module.waiting) continue;
      if (Date.now() >= deadline) {
        more = true;
        break;
      }
      if (module.loadMore(deadline)) more = true;
    }
    for (const jit of this.#jits) if (jit.refresh(deadline)) more = true;
    this.#renameStitched();
    let unnamed = this.#kernel.unnamedFrames;
    for (const module of this.#modules.values()) unnamed += module.unnamedFrames;
    for (const jit of this.#jits) unnamed += jit.unnamedFrames;
    this.stats.unnamed = unnamed;
    return more;
  }

  /** For the unwinder. */
  space(pid: number): Space {
    let space = this.#spaces.get(pid);
    if (space === undefined) {
      space = new Space(pid);
      this.#spaces.set(pid, space);
      this.readMaps(pid);
    }
    return space;
  }

  /** The range of an address with its module opened, or null where no code is mapped. For the unwinder. */
  locate(space: Space, pc: number): CodeRange | null {
    const range = space.find(pc);
    if (range !== null && range.module === null) this.#open(space, range);
    return range;
  }

  /** A frame for an address outside all code: a jump into nowhere, or a mapping that was never told. */
  unmappedFrame(pc: number, rule: FrameRule): FrameId {
    const fn: FunctionId = this.#profile.functions.intern({ name: '[unmapped address]', library: '', kind: 'unknown', flags: FUNCTION_UNNAMED });
    return this.#profile.frames.native(EMPTY_STRING, Number.isSafeInteger(pc) && pc >= 0 ? pc : 0, rule, fn);
  }

  /** The same place as `frame`, marked as taken from an earlier stack. For the unwinder. */
  stitchedFrame(frame: FrameId): FrameId {
    const known = this.#stitched.get(frame);
    if (known !== undefined) return known;
    const { frames } = this.#profile;
    const stitched = frames.native(frames.library.get(frame) as StringId, frames.address.get(frame), 'stitched', frames.functionOf(frame));
    this.#stitched.set(frame, stitched);
    return stitched;
  }

  /** Stitched frames follow the frames that they were made from. */
  #renameStitched(): void {
    const { frames } = this.#profile;
    if (frames.changes.length === this.#changesSeen) return;
    for (const [from, to] of this.#stitched) {
      const fn = frames.functionOf(from);
      if (fn !== frames.functionOf(to)) frames.setFunction(to, fn);
    }
    this.#changesSeen = frames.changes.length;
  }

  #open(space: Space, range: CodeRange): void {
    if (!isFile(range.path)) {
      space.jit ??= this.#makeJit(space.pid, null);
      range.module = space.jit;
      range.bias = 0;
      return;
    }
    const module = this.#moduleOf(space.pid, range.path, range.buildId);
    range.module = module;
    range.bias = range.start - range.fileOffset + (module.elf?.vaShift(range.fileOffset, range.end - range.start) ?? 0);
    if (range.path === '[vdso]') range.bias = range.start - (module.elf?.base ?? 0);
  }

  #moduleOf(pid: number, path: string, buildId: string): ElfModule {
    const key = path === '[vdso]' ? path : `${path}\n${buildId}`;
    const keyed = buildId !== '' || path === '[vdso]';
    const known = keyed ? this.#modules.get(key) : this.#byPid.get(`${path}\n${pid}`);
    if (known !== undefined) return known;
    let module = openModule(this.#profile, this.#sources, path, pid, buildId, isOwnFile(path, this.#directory));
    if (keyed) {
      this.#modules.set(key, module);
      return module;
    }
    // Containers may have different files under one path: the file's own build id, else its size, tells them apart.
    const own = `${path}\n${module.elf === null ? '' : module.elf.buildId || `size ${module.elf.view.size}`}`;
    const same = this.#modules.get(own);
    if (same !== undefined) {
      if (module.elf !== null) module.elf.close();
      module = same;
    } else this.#modules.set(own, module);
    if (this.#byPid.size > 100_000) this.#byPid.clear();
    this.#byPid.set(`${path}\n${pid}`, module);
    return module;
  }

  #makeJit(pid: number, parent: JitModule | null): JitModule {
    const jit = new JitModule(this.#profile, pid, this.#directory, () => this.#sources.perfMap(pid), parent?.map ?? null);
    this.#jits.push(jit);
    return jit;
  }
}

/** Whether a mapping's path names a file that may be ELF. */
function isFile(path: string): boolean {
  if (path === '[vdso]') return true;
  return path.startsWith('/') && !path.startsWith('//') && !path.startsWith('/memfd:') && !path.startsWith('/SYSV') &&
    !path.startsWith('/dev/') && !path.startsWith('/anon_hugepage') && !path.startsWith('/[');
}

/** Lines of /proc/PID/maps, as proc(5) describes them. Lines that are none are passed over. */
export function parseMaps(text: string): MappingFacts[] {
  const mappings: MappingFacts[] = [];
  for (const line of text.split('\n')) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) \S+ \d+ *(.*)$/.exec(line);
    if (match === null) continue;
    const start = parseInt(match[1], 16);
    mappings.push({
      start, length: parseInt(match[2], 16) - start, fileOffset: parseInt(match[4], 16),
      path: match[5] === '' ? '//anon' : match[5].replace(/ \(deleted\)$/, ''), executable: match[3][2] === 'x', buildId: '',
    });
  }
  return mappings;
}
