import type { FunctionId } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import { FUNCTION_OWN, FUNCTION_UNNAMED } from '#core/model/tables';
import { UserError } from '#core/errors';
import { CallFrames } from './cfi.ts';
import type { Row } from './cfi.ts';
import { endsInCall } from './call-site.ts';
import { CodeModule } from './code-module.ts';
import type { Follows, Site } from './code-module.ts';
import { readableName } from './demangle.ts';
import type { Section, SymbolArea } from './elf.ts';
import { ElfFile, MACHINE_X86_64 } from './elf.ts';
import { BadBinary } from './file-view.ts';
import type { NativeSources } from './sources.ts';
import { baseName } from './own-code.ts';
import { SymbolTable } from './symbols.ts';

/** Tables up to this many entries load at once (a few ms); larger ones wait for `loadMore`. */
const AT_ONCE = 100_000;

interface Table {
  readonly symbols: SymbolTable;
  readonly functions: Map<number, FunctionId>;
}

/** One mapped ELF file: its rules, its names, its code bytes. Shared by all processes that map it. */
export class ElfModule extends CodeModule {
  readonly elf: ElfFile | null;
  readonly frames: CallFrames | null;
  #base: string;
  #flags: number;
  #tables: Table[] | null = null;
  #waiting: { elf: ElfFile; area: SymbolArea }[] = [];
  #loading: Generator<undefined, SymbolTable> | null = null;
  #openDebug: () => ElfFile | null;
  #plt: readonly Section[];

  constructor(profile: Profile, path: string, elf: ElfFile | null, own: boolean, openDebug: () => ElfFile | null) {
    super(profile, path);
    this.elf = elf;
    this.frames = elf !== null && elf.machine === MACHINE_X86_64 ? new CallFrames(elf) : null;
    this.#base = path.startsWith('[') ? path : baseName(path);
    this.#flags = own ? FUNCTION_OWN : 0;
    this.#openDebug = openDebug;
    this.#plt = elf?.sections.filter((section) => section.name.startsWith('.plt')) ?? [];
    if (elf !== null && this.frames === null) profile.skip(`${this.#base}: code of another processor, only x86-64 is unwound`);
  }

  /** A large symbol table waits to be read, or frames wait for its names. */
  get waiting(): boolean {
    return this.#waiting.length > 0 || this.#loading !== null || this.renaming;
  }

  row(site: Site): Row | null {
    if (site.row !== undefined) return site.row;
    const row = this.#guarded(null, () => this.frames?.row(site.va) ?? null);
    site.row = row;
    return row;
  }

  follows(site: Site): Follows {
    if (site.afterCall !== undefined) return site.afterCall;
    const follows = this.#guarded<Follows>('unknown', () => {
      const elf = this.elf;
      if (elf === null) return 'unknown';
      const end = elf.offsetOf(site.va) + 1;
      if (end <= 1) return 'no';
      const bytes = new Uint8Array(Math.min(7, end));
      for (let i = 0; i < bytes.length; i++) bytes[i] = elf.view.u8(end - bytes.length + i);
      return endsInCall(bytes) ? 'yes' : 'no';
    });
    site.afterCall = follows;
    return follows;
  }

  protected functionAt(va: number): FunctionId {
    this.#tables ??= this.#openTables();
    // Before the symbols: those without a size (_init) would reach over it.
    if (this.#plt.some((section) => va >= section.va && va < section.va + section.size)) {
      return this.profile.functions.intern({ name: '[jump to another library]', library: this.#base, kind: 'native', flags: this.#flags });
    }
    for (const table of this.#tables) {
      const found = table.symbols.find(va);
      if (found === null) continue;
      const known = table.functions.get(found.index);
      if (known !== undefined) return known;
      const name = table.symbols.name(found.index);
      if (name === '') continue;
      const readable = readableName(name);
      const fn = this.profile.functions.intern({
        name: readable.name, library: this.#base, flags: this.#flags,
        kind: readable.language === 'rust' ? 'rust' : readable.name.startsWith('_PyEval_') ? 'interpreter' : 'native',
      });
      table.functions.set(found.index, fn);
      return fn;
    }
    // All addresses of a function share its start, so that a stripped function is one function in the tree.
    const start = this.#guarded(va, () => this.frames?.row(va)?.start ?? va);
    return this.profile.functions.intern({
      name: `[${this.#base}+0x${start.toString(16)}]`, library: this.#base, kind: 'native', flags: this.#flags | FUNCTION_UNNAMED,
    });
  }

  /** Reads on until `deadline` (Date.now() ms). Returns whether something is left. */
  loadMore(deadline: number): boolean {
    while (this.#waiting.length > 0 || this.#loading !== null) {
      if (this.#loading === null) {
        const next = this.#waiting[0];
        this.#loading = SymbolTable.load(next.elf, next.area);
      }
      const loading = this.#loading;
      const step = this.#guarded(null, () => loading.next());
      if (step === null || step.done === true) {
        this.#waiting.shift();
        this.#loading = null;
        if (step?.done === true && this.#tables !== null) {
          // The full table goes before the dynamic one that stood in for it.
          this.#tables.unshift({ symbols: step.value, functions: new Map() });
          this.renameUnnamed();
        }
      }
      if (Date.now() >= deadline) return true;
    }
    return this.renameMore(deadline);
  }

  #openTables(): Table[] {
    const elf = this.elf;
    if (elf === null) return [];
    return this.#guarded([], () => {
      const candidates = elf.symbolAreas().map((area) => ({ elf, area }));
      if (!candidates.some((candidate) => !candidate.area.dynamic)) {
        const debug = this.#openDebug();
        if (debug !== null) candidates.unshift(...debug.symbolAreas().filter((area) => !area.dynamic).map((area) => ({ elf: debug, area })));
      }
      const tables: Table[] = [];
      let later = false;
      for (const candidate of candidates) {
        if (candidate.area.count > AT_ONCE) {
          // A large dynamic table says nothing that a full one does not.
          if (!later) this.#waiting.push(candidate);
          later = true;
          continue;
        }
        const steps = SymbolTable.load(candidate.elf, candidate.area);
        let step = steps.next();
        while (step.done !== true) step = steps.next();
        tables.push({ symbols: step.value, functions: new Map() });
      }
      return tables;
    });
  }

  /** Damaged files and files that cannot be read any more are counted and otherwise like files that are not there. */
  #guarded<T>(otherwise: T, read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof BadBinary) && !(error instanceof UserError)) throw error;
      this.profile.skip(`${this.#base}: could not be read for names or unwinding`);
      return otherwise;
    }
  }
}

/** Opens what is mapped under `path`, with its separate debug file on demand. */
export function openModule(profile: Profile, sources: NativeSources, path: string, pid: number, buildId: string, own: boolean): ElfModule {
  let elf: ElfFile | null = null;
  try {
    const source = path === '[vdso]' ? sources.vdso(pid) : sources.elf(path, pid, buildId);
    if (source !== null) elf = ElfFile.open(source);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    profile.skip(`${baseName(path)}: ${error.message}`);
  }
  return new ElfModule(profile, path, elf, own, () => {
    if (elf === null || path === '[vdso]') return null;
    const source = sources.debugFile(path, pid, elf.buildId, elf.debugLink());
    const debug = source === null ? null : ElfFile.open(source);
    if (debug === null || (debug.buildId !== '' && elf.buildId !== '' && debug.buildId !== elf.buildId)) return null;
    return debug;
  });
}
