// Folded stacks: `root;caller;leaf weight` a line (Brendan Gregg's FlameGraph), also with two weights (difffolded.pl), and
// py-spy's `--format raw` (https://github.com/benfred/py-spy, src/flamegraph.rs), whose frames are `function (file:line)` and
// whose roots may be `process PID:"command"` and `thread (TID): name`.
import type { FrameId, ProcessId, StackId, ThreadId } from '#core/model/ids';
import { NO_PROCESS, NO_STACK, NO_THREAD } from '#core/model/ids';
import type { Lane } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import type { FunctionFacts } from '#core/model/tables';
import { UserError } from '#core/errors';
import type { ChunkDecoder, Match, ReadContext, StreamFormat } from './format.ts';
import { headLines, LineSplitter, textOf } from './lines.ts';

export const folded: StreamFormat = {
  id: 'folded',
  title: 'folded stacks',
  extensions: ['.folded', '.collapsed', '.txt'],
  input: 'chunks',
  match: (head) => (looksPython(head) ? 'no' : matchFolded(head)),
  open: (profile, context) => new FoldedDecoder(profile, context, false),
};

export const pySpyRaw: StreamFormat = {
  id: 'py-spy-raw',
  title: 'py-spy raw text',
  extensions: ['.raw.txt', '.raw', '.txt'],
  input: 'chunks',
  match: (head) => (looksPython(head) ? matchFolded(head) : 'no'),
  open: (profile, context) => new FoldedDecoder(profile, context, true),
};

const WEIGHT = /^(.*\S)\s+(\d+(?:\.\d*)?)\s*$/s;
const COMMENT = /^(#|\/\/)/;
/** How many lines are read before it is decided whether there is one weight a line or two. */
const DECIDE_AFTER = 100;

function matchFolded(head: Uint8Array): Match {
  if (head.includes(0) && !isUtf16(head)) return 'no';
  let good = 0, bad = 0, deep = 0;
  for (const line of headLines(head)) {
    if (line.trim() === '' || COMMENT.test(line)) continue;
    // A long line was cut by headLines: its weight is not in sight.
    if (line.length >= 4096 && line.includes(';')) { good++; deep++; continue; }
    const match = WEIGHT.exec(line);
    if (match === null) { bad++; continue; }
    good++;
    if (match[1].includes(';')) deep++;
  }
  if (good === 0 || bad > good) return 'no';
  return deep * 2 >= good && bad * 10 <= good ? 'yes' : 'maybe';
}

function isUtf16(head: Uint8Array): boolean {
  return (head[0] === 0xff && head[1] === 0xfe) || (head[0] === 0xfe && head[1] === 0xff);
}

const PLACE = /^(.+) \((.+?)(?::(\d+))?\)$/s;
const PROCESS = /^process (\d+):"(.*)"$/s;
const THREAD = /^thread \((0x[0-9a-f]+|\d+)\)(?:: ?(.*))?$/is;

function looksPython(head: Uint8Array): boolean {
  let lines = 0, python = 0;
  for (const line of headLines(head, 50)) {
    if (line.trim() === '' || COMMENT.test(line)) continue;
    lines++;
    if (/(^|;)(thread \((0x[0-9a-fA-F]+|\d+)\)|process \d+:")/.test(line) || / \([^;()]*(\.py[xd]?|<[^;]*>)(:\d+)?\)(;| )/.test(line)) python++;
  }
  return lines > 0 && python * 2 >= lines;
}

class FoldedDecoder implements ChunkDecoder {
  #profile: Profile;
  #python: boolean;
  #lines: LineSplitter;
  /** The first lines, until it is known whether they carry two weights. */
  #waiting: string[] | null = [];
  #two = false;
  #lane: Lane | null = null;
  #after: Lane | null = null;
  #frames = new Map<string, FrameId>();
  #processes = new Map<number, ProcessId>();
  #threads = new Map<string, ThreadId>();
  #rows = 0;

  constructor(profile: Profile, context: ReadContext, python: boolean) {
    this.#profile = profile;
    this.#python = python;
    profile.info.format = python ? 'py-spy-raw' : 'folded';
    profile.info.title ||= context.name;
    profile.info.tool ||= python ? 'py-spy' : 'folded stacks';
    profile.touch();
    this.#lines = new LineSplitter((bytes, start, end) => this.#line(textOf(bytes, start, end)));
  }

  push(chunk: Uint8Array): void {
    this.#lines.push(chunk);
  }

  end(): void {
    this.#lines.end();
    this.#decide();
    if (this.#lines.cut > 0) this.#profile.skip('lines longer than 1 MB were cut', this.#lines.cut);
    if (this.#rows === 0) {
      throw new UserError('no-samples', `no folded stack in ${this.#lines.line} lines`, { hint: 'A line is `caller;callee weight`.' });
    }
  }

  #line(line: string): void {
    if (line.trim() === '') return;
    if (COMMENT.test(line)) return this.#profile.skip('comment lines');
    if (this.#waiting === null) return this.#row(line);
    this.#waiting.push(line);
    if (this.#waiting.length >= DECIDE_AFTER) this.#decide();
  }

  #decide(): void {
    const lines = this.#waiting;
    this.#waiting = null;
    if (lines === null || lines.length === 0) return;
    let one = 0, two = 0;
    for (const line of lines) {
      const match = WEIGHT.exec(line);
      if (match === null) continue;
      const second = WEIGHT.exec(match[1]);
      if (second !== null && (second[1].includes(';') || !/\s/.test(second[1]))) two++;
      else one++;
    }
    this.#two = !this.#python && two > 0 && two > one * 9;
    for (const line of lines) this.#row(line);
  }

  #lanes(): Lane {
    if (this.#lane === null) {
      const source = this.#python ? 'py-spy raw text' : 'folded stacks';
      const add = (name: string) => this.#profile.lanes[this.#profile.addLane({ kind: 'cpu', unit: 'count', name, source })];
      this.#lane = add(this.#python ? 'py-spy' : this.#two ? 'before' : 'samples');
      if (this.#two) this.#after = add('after');
    }
    return this.#lane;
  }

  #row(line: string): void {
    const match = WEIGHT.exec(line);
    const second = match === null || !this.#two ? null : WEIGHT.exec(match[1]);
    if (match === null || (this.#two && second === null)) {
      return this.#profile.skip('lines without a stack and a number');
    }
    let text = match[1];
    let weight = Number(match[2]);
    const lane = this.#lanes();
    if (second !== null) {
      this.#after?.push(0, NO_THREAD, this.#stack(second[1]).stack, weight, 1);
      text = second[1];
      weight = Number(second[2]);
    }
    const { stack, thread } = this.#stack(text);
    lane.push(0, thread, stack, weight, Number.isInteger(weight) && !this.#two ? weight : 1);
    this.#rows++;
  }

  #stack(text: string): { stack: StackId; thread: ThreadId } {
    let process: ProcessId = NO_PROCESS;
    let thread: ThreadId = NO_THREAD;
    let stack: StackId = NO_STACK;
    let root = true;
    for (const part of splitFrames(text, this.#python)) {
      if (this.#python && root) {
        const isProcess = PROCESS.exec(part);
        if (isProcess !== null) {
          process = this.#process(Number(isProcess[1]), isProcess[2], process);
          continue;
        }
        const isThread = THREAD.exec(part);
        if (isThread !== null) {
          thread = this.#thread(isThread[1], isThread[2] ?? '', process);
          continue;
        }
        root = false;
      }
      stack = this.#profile.stacks.intern(stack, this.#frame(part));
    }
    if (thread === NO_THREAD && process !== NO_PROCESS) thread = this.#thread('0', '', process);
    if (stack === NO_STACK) stack = this.#profile.stacks.intern(NO_STACK, this.#frame('[no stack]'));
    return { stack, thread };
  }

  #frame(part: string): FrameId {
    let frame = this.#frames.get(part);
    if (frame === undefined) {
      const { line, ...facts } = this.#python ? pythonFunction(part) : { ...plainFunction(part), line: 0 };
      frame = this.#profile.frames.source(this.#profile.functions.intern(facts), line);
      if (this.#frames.size < 2_000_000) this.#frames.set(part, frame);
    }
    return frame;
  }

  #process(pid: number, command: string, parent: ProcessId): ProcessId {
    const row = Math.min(pid, 0x7fffffff);
    let process = this.#processes.get(row);
    if (process === undefined) {
      process = this.#profile.processes.add({ pid: row, name: programOf(command), command, parent });
      this.#processes.set(row, process);
    }
    return process;
  }

  #thread(id: string, name: string, process: ProcessId): ThreadId {
    const key = `${process} ${id} ${name}`;
    let thread = this.#threads.get(key);
    if (thread === undefined) {
      const tid = Number(id);
      let owner = process;
      if (owner === NO_PROCESS) owner = this.#processes.get(-1) ?? this.#unnamedProcess();
      thread = this.#profile.threads.add({ process: owner, tid: tid <= 0x7fffffff ? tid : this.#threads.size + 1, name: name === '' && tid !== 0 ? `thread ${id}` : name });
      this.#threads.set(key, thread);
    }
    return thread;
  }

  #unnamedProcess(): ProcessId {
    const process = this.#profile.processes.add({ pid: 0, name: 'python' });
    this.#processes.set(-1, process);
    return process;
  }
}

/** Frames at `;`, except in the command of a `process` root, which is quoted and may hold some. */
function splitFrames(text: string, python: boolean): string[] {
  const parts = text.split(';');
  if (!python || !text.startsWith('process ')) return parts;
  const joined: string[] = [];
  for (let i = 0; i < parts.length; i++) {
    let part = parts[i];
    if (/^process \d+:"/.test(part)) while (!part.endsWith('"') && i + 1 < parts.length) part += `;${parts[++i]}`;
    joined.push(part);
  }
  return joined;
}

/** The name of the program of a command line: the script for an interpreter. */
function programOf(command: string): string {
  const words = command.split(' ').filter((word) => word !== '');
  const base = (path: string) => path.slice(path.lastIndexOf('/') + 1);
  const first = base(words[0] ?? '');
  if (/^python[\d.]*$/.test(first)) {
    const script = words.slice(1).find((word) => !word.startsWith('-'));
    if (script !== undefined) return base(script);
  }
  return first === '' ? 'process' : first;
}

/** A frame of FlameGraph's own folded text: `_[k]`, `_[j]`, `_[i]` say kernel, just-in-time compiled, inlined. */
function plainFunction(part: string): FunctionFacts {
  const mark = /^(.+)_\[([kji])\]$/s.exec(part);
  if (mark === null) return { name: part, kind: kindByName(part) };
  if (mark[2] === 'k') return { name: mark[1], library: '[kernel]', kind: 'kernel' };
  if (mark[2] === 'j') return { name: mark[1], library: '[jit]', kind: /^L?[a-z]\w*\/.*[:.]/.test(mark[1]) ? 'java' : 'unknown' };
  return { name: mark[1], library: '[inlined]', kind: kindByName(mark[1]) };
}

function kindByName(name: string): FunctionFacts['kind'] {
  if (name === '[unknown]' || name === '') return 'unknown';
  if (/^\[.*\]$/.test(name)) return 'marker';
  if (/\.py(:\d+)?\)?$/.test(name)) return 'python';
  return 'native';
}

/** A frame of py-spy: `function (file:line)`; `symbol (library)` for native ones. */
function pythonFunction(part: string): FunctionFacts & { line: number } {
  const place = part.endsWith(')') ? PLACE.exec(part) : null;
  if (place === null) return { name: part, kind: kindByName(part), line: 0 };
  const [, name, file, digits] = place;
  const line = digits === undefined ? 0 : Math.min(Number(digits), 0x7fffffff);
  if (/\.py[xd]?$/.test(file) || /^<.*>$/.test(file)) return { name, file, kind: 'python', line };
  if (/\.so(\.[\d.]+)?$/.test(file) || digits === undefined) {
    return { name, library: file.slice(file.lastIndexOf('/') + 1), kind: 'native', line, flags: /^0x[0-9a-f]+$/.test(name) ? 2 : 0 };
  }
  return { name, file, kind: /\.rs$/.test(file) ? 'rust' : 'native', line };
}
