import type { FunctionId } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import type { FunctionFacts } from '#core/model/tables';
import { FUNCTION_OWN, FUNCTION_UNNAMED } from '#core/model/tables';
import type { Row } from './cfi.ts';
import { CodeModule } from './code-module.ts';
import type { Follows, Site } from './code-module.ts';
import { isOwnFile } from './own-code.ts';
import { PerfMap } from './perf-map.ts';

const PYTHON_PREFIX = 'py::';

/**
 * Code in a process's anonymous memory, named by its perf map. Addresses are absolute, so every process has a module of
 * its own, and the library of its frames carries the pid.
 */
export class JitModule extends CodeModule {
  readonly map: PerfMap;
  #directory: string;
  #functions = new Map<string, FunctionId>();
  #refresh: () => string;

  constructor(profile: Profile, pid: number, directory: string, refresh: () => string, inherited: PerfMap | null) {
    super(profile, `/tmp/perf-${pid}.map`);
    this.#directory = directory;
    this.#refresh = refresh;
    this.map = inherited === null ? new PerfMap() : inherited.copy();
  }

  row(): Row | null {
    return null;
  }

  follows(): Follows {
    return 'unknown';
  }

  /** A trampoline of `python -X perf`, which says where its caller is. */
  isPythonTrampoline(site: Site): boolean {
    return this.#nameAt(site.va).startsWith(PYTHON_PREFIX);
  }

  /** Reads what the map has gained and names frames again until `deadline` (Date.now() ms). Returns whether more waits. */
  refresh(deadline: number): boolean {
    if (this.unnamed.length > 0 && !this.renaming) {
      const before = this.map.count;
      this.map.add(this.#refresh());
      if (this.map.count !== before) this.renameUnnamed();
    }
    return this.renameMore(deadline);
  }

  protected functionAt(va: number): FunctionId {
    const entry = this.#nameAt(va);
    const known = this.#functions.get(entry);
    if (known !== undefined) return known;
    const fn = this.profile.functions.intern(entry === '' ? UNNAMED : jitFunction(entry, this.#directory));
    if (this.#functions.size > 200_000) this.#functions.clear();
    this.#functions.set(entry, fn);
    return fn;
  }

  #nameAt(va: number): string {
    const name = this.map.find(va);
    if (name !== '') return name;
    const more = this.#refresh();
    if (more === '') return '';
    this.map.add(more);
    return this.map.find(va);
  }
}

const UNNAMED: FunctionFacts = { name: '[anonymous code]', library: '[anon]', kind: 'native', flags: FUNCTION_UNNAMED };

/**
 * What a line of a perf map names (the signs before V8's names say how they were compiled): `py::qualname:file` of CPython, `JS:~name file:line:column` and its older spellings
 * of V8, `Lclass;::method` of Java agents.
 */
export function jitFunction(entry: string, directory: string): FunctionFacts {
  if (entry.startsWith(PYTHON_PREFIX)) {
    // The qualified name holds no colon; the file may.
    const colon = entry.indexOf(':', PYTHON_PREFIX.length);
    const name = colon < 0 ? entry.slice(PYTHON_PREFIX.length) : entry.slice(PYTHON_PREFIX.length, colon);
    const file = colon < 0 ? '' : entry.slice(colon + 1);
    return { name, file, kind: 'python', library: pythonPackage(file), flags: isOwnFile(file, directory) ? FUNCTION_OWN : 0 };
  }
  const script = /^(?:JS|LazyCompile|Function|Script|Eval|RegExp|Module):[~*^+-]?'?(.*)$/.exec(entry);
  if (script !== null) {
    const place = /^(.*?) ?((?:file:\/\/|node:|\/|\[)?[^ ]*):(\d+):(\d+)$/.exec(script[1]) ?? /^(.*?) ?((?:file:\/\/|node:|\/|\[)?[^ ]*):(\d+)$/.exec(script[1]);
    const file = (place?.[2] ?? '').replace(/^file:\/\//, '');
    const name = place === null ? script[1].trim() : place[1].trim();
    return { name: name === '' ? '(anonymous)' : name, file, kind: 'javascript', library: '', flags: isOwnFile(file, directory) ? FUNCTION_OWN : 0 };
  }
  if (/^L?[\w$/]+;::/.test(entry)) {
    return { name: entry.replace(/^L/, '').replace(/;::/, '.').replace(/\//g, '.'), kind: 'java', library: '[jit]' };
  }
  return { name: entry, kind: 'native', library: '[jit]' };
}

function pythonPackage(file: string): string {
  const match = /\/(?:site|dist)-packages\/([^/]+)/.exec(file);
  return match === null ? '' : match[1].replace(/\.py$/, '');
}
