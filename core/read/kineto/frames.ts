// Frames of a trace's names. A name is only text: what it is depends on the category of its event.
import type { FrameId } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import { FUNCTION_OWN } from '#core/model/tables';
import type { FunctionFacts } from '#core/model/tables';
import { readableName } from '#core/native/demangle';
import { pythonFile } from '../py-spy/python-files.ts';

export const ROLES = ['python', 'op', 'annotation', 'runtime', 'driver', 'kernel', 'copy'] as const;
export type FrameRole = (typeof ROLES)[number];

/** `torch/nn/modules/linear.py(114): forward`. */
const PLACE = /^(.+?)\((\d+)\): (.*)$/s;
/** Modules of Python itself that are one file: traces name files without the directory they were found in. */
const STANDARD = new Set(('abc argparse ast asyncio base64 bdb bisect bz2 calendar cmd code codecs codeop collections concurrent contextlib contextvars copy copyreg cProfile csv ctypes ' +
  'dataclasses datetime decimal difflib dis email enum fileinput fnmatch fractions functools gc genericpath getopt getpass gettext glob gzip hashlib heapq hmac html http imp importlib inspect io ' +
  'ipaddress json keyword linecache locale logging lzma mimetypes multiprocessing ntpath numbers opcode operator optparse os pathlib pdb pickle pickletools pkgutil platform posixpath pprint profile ' +
  'pstats pty queue quopri random re reprlib runpy sched secrets selectors shelve shlex shutil signal site socket socketserver sqlite3 sre_compile sre_constants sre_parse ssl stat statistics string ' +
  'stringprep struct subprocess symtable sysconfig tabnanny tarfile tempfile textwrap threading timeit token tokenize trace traceback tracemalloc types typing unittest urllib uuid warnings wave weakref ' +
  'xml zipapp zipfile zipimport zoneinfo').split(' '));

/** The step's number of `ProfilerStep#12`, -1 for anything else. */
export function stepNumber(name: string): number {
  const match = /^ProfilerStep#(\d{1,9})$/.exec(name);
  return match === null ? -1 : Number(match[1]);
}

/** A name without what makes each of its events unique: numbers of steps and of operators. */
export function plainName(name: string): string {
  if (name.startsWith('ProfilerStep#')) return 'ProfilerStep';
  const comma = name.indexOf(', ');
  return comma > 0 && /^, (?:op_id|seq|sizes|input_op_ids) = /.test(name.slice(comma)) ? name.slice(0, comma) : name;
}

/** What a Python name is: file and line where it has them. The line is the function's first. */
export function pythonFunction(name: string): { facts: FunctionFacts; line: number } {
  const match = PLACE.exec(name);
  if (match === null) {
    // A method of C, which has the address of one object in its name.
    const builtin = name.startsWith('<built-in ') || name.startsWith("<method '") || name.startsWith('<slot wrapper');
    return { facts: { name: name.replace(/ at 0x[0-9a-f]+/g, ''), kind: builtin ? 'native' : 'python' }, line: 0 };
  }
  const [, file, line, fn] = match;
  const known = pythonFile(file, '');
  let { library } = known;
  let own = false;
  if (!file.startsWith('<') && library === '') {
    const relative = !file.startsWith('/');
    const first = file.replace(/^\.\//, '').split('/')[0];
    if (relative) library = first.replace(/\.pyc?$/, '');
    // A package may be anybody's; a single file beside the program is the program's.
    own = relative ? first === file && !STANDARD.has(library) : !/^\/(?:usr|opt|lib)\//.test(file);
  }
  return { facts: { name: fn, file, library, kind: 'python', flags: own ? FUNCTION_OWN : 0 }, line: Number(line) < 0x7fffffff ? Number(line) : 0 };
}

function factsOf(role: Exclude<FrameRole, 'python'>, name: string): FunctionFacts {
  switch (role) {
    case 'op': return { name: plainName(name), library: name.includes('::') ? 'torch' : '', kind: 'native' };
    case 'annotation': return { name: plainName(name), kind: 'python' };
    case 'runtime': return { name, library: name.startsWith('hip') ? 'HIP runtime' : 'CUDA runtime', kind: 'native' };
    case 'driver': return { name, library: name.startsWith('hip') ? 'HIP driver' : 'CUDA driver', kind: 'native' };
    case 'kernel': return { name: readableName(name).name, kind: 'cuda' };
    case 'copy': return { name, kind: 'gpu-copy' };
  }
}

/** Frames by the number of a name and its role, each made once. */
export class TraceFrames {
  readonly #profile: Profile;
  readonly #name: (id: number) => string;
  readonly #known: Int32Array<ArrayBuffer>[] = ROLES.map(() => new Int32Array(0));
  readonly #stacks = new Map<number, readonly FrameId[]>();

  /** `name` gives the text of a number; -1 is a name that is not there. */
  constructor(profile: Profile, name: (id: number) => string) {
    this.#profile = profile;
    this.#name = name;
  }

  frame(role: FrameRole, id: number): FrameId {
    const place = ROLES.indexOf(role);
    let known = this.#known[place];
    if (id + 1 >= known.length) {
      const bigger = new Int32Array(Math.max(id + 2, known.length * 2, 256)).fill(-1);
      bigger.set(known);
      known = this.#known[place] = bigger;
    }
    if (known[id + 1] < 0) known[id + 1] = this.#make(role, id < 0 ? '[unnamed]' : this.#name(id));
    return known[id + 1] as FrameId;
  }

  /** Frames of a `Call stack` (innermost first, ended by `;`), root first. */
  callStack(id: number, text: string): readonly FrameId[] {
    const known = this.#stacks.get(id);
    if (known !== undefined) return known;
    const frames = text.split(';').filter((part) => part !== '').reverse().map((part) => this.#make('python', part));
    this.#stacks.set(id, frames);
    return frames;
  }

  #make(role: FrameRole, name: string): FrameId {
    const { functions, frames } = this.#profile;
    if (role === 'python') {
      const { facts, line } = pythonFunction(name);
      return frames.source(functions.intern(facts), line);
    }
    return frames.source(functions.intern(factsOf(role, name === '' ? '[unnamed]' : name)));
  }
}
