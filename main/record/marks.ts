// Steps that a program tells by itself: a line a mark, written to a file or FIFO whose name is in $FLAMEBENCH_MARKS.
//
//     step 17                       the time is that of reading: exact to a few milliseconds
//     @8123456789012 step 17        nanoseconds of CLOCK_MONOTONIC: time.monotonic_ns(), clock_gettime
//     @8123.456789 step 17          seconds of it, told by the point: time.monotonic()
//
// A mark begins a step, which lasts until the next mark; the last one until the recording ends. The text may be missing.
import { closeSync, constants, fstatSync, openSync, readSync, readlinkSync, statSync, watch, writeFileSync } from 'node:fs';
import type { FSWatcher, Stats } from 'node:fs';
import { Socket } from 'node:net';
import { isAbsolute, join, resolve } from 'node:path';
import { ns } from '#core/model/ids';
import type { MarkFacts } from '#core/model/profile';
import type { Notice, Target } from '#core/protocol/api';
import { readProc, readProcLink } from '../processes/proc.ts';
import type { Watched } from '../profilers/profiler.ts';
import { maskText } from './mask.ts';

/** The variable that names the file or FIFO. */
export const MARKS_VARIABLE = 'FLAMEBENCH_MARKS';
/** Our own file of a launched command, in the recording's folder. It stays there: the command may write to it after the recording. */
export const MARKS_FILE = 'marks';
/** How often a file is looked at where the kernel does not tell of changes, and one that is not there yet, ms. */
const POLL_MS = 100;
/** Bytes that are read at once. */
const PIECE = 65_536;
/** Longest line; what is longer is no mark. */
const MOST_LINE = 4096;
/** Letters of a mark's text that are kept. */
const MOST_TEXT = 120;
/** Marks of one recording. */
const MOST_MARKS = 200_000;
/** A time that lies so far ahead of now is none of this clock, ns. */
const AHEAD = 1e9;

export interface MarksOptions {
  /** RecordOptions.marks. */
  readonly named: string;
  readonly target: Target;
  /** Attached processes, the first one first; empty for a launch. */
  readonly watched: readonly Watched[];
  /** The environment that a launched command gets, ours included. */
  readonly environment: Readonly<Record<string, string>>;
  /** The recording's folder. */
  readonly folder: string;
}

/** Where marks go to. Times are monotonic ns. */
export interface MarkSink {
  readonly zeroAt: number;
  mark(facts: MarkFacts): void;
  /** What was no mark. */
  skip(what: string, count: number): void;
  notice(notice: Notice): void;
  now(): number;
}

export interface Marks {
  /** For a launched command. */
  readonly environment: Readonly<Record<string, string>>;
  /** Begins to read. */
  begin(sink: MarkSink): void;
  /** Reads what is there and ends the last step at `at` (monotonic ns). Nothing is read afterwards. */
  close(at: number): void;
}

interface Source {
  readonly path: string;
  /** A file that was there before the recording is read from its end on. */
  readonly fromEnd: boolean;
  /** Whose file it must be, where the target named it; -1 where the user did. */
  readonly owner: number;
  /** Why somebody should know when it cannot be read. */
  readonly wanted: boolean;
}

/**
 * Finds out where the target's marks come from: `named`, else what $FLAMEBENCH_MARKS of the target says (of the first attached process
 * that has it), else, for a launch, a file of ours that is made here. Reading begins with `begin`.
 */
export function startMarks(options: MarksOptions): Marks {
  const { named, target, environment, folder } = options;
  if (target.kind === 'launch') {
    const directory = target.directory === '' ? process.cwd() : target.directory;
    const given = environment[MARKS_VARIABLE] ?? '';
    const path = named !== '' ? resolve(directory, named) : given !== '' ? resolve(directory, given) : join(folder, MARKS_FILE);
    const ours = named === '' && given === '';
    if (ours) writeFileSync(path, '', { mode: 0o600, flag: 'wx' });
    const variable = given === '' ? { [MARKS_VARIABLE]: path } : {};
    return reader({ path, fromEnd: !ours, owner: -1, wanted: !ours }, variable);
  }
  if (named !== '') return reader({ path: resolve(named), fromEnd: true, owner: -1, wanted: true }, {});
  for (const { pid } of options.watched) {
    const source = sourceOf(pid);
    if (source !== null) return reader(source, {});
  }
  return { environment: {}, begin: () => undefined, close: () => undefined };
}

/** What $FLAMEBENCH_MARKS of a running process names, as a path that we can open; null where it has none or may not be asked. */
function sourceOf(pid: number): Source | null {
  const environment = readProc(`/proc/${pid}/environ`);
  const found = environment === null ? null : new RegExp(`(?:^|\\0)${MARKS_VARIABLE}=([^\\0]+)`).exec(environment);
  if (found === null) return null;
  const directory = readProcLink(`/proc/${pid}/cwd`) ?? '/';
  const path = isAbsolute(found[1]) ? found[1] : join(directory, found[1]);
  const owner = Number(/^Uid:\s+(\d+)/m.exec(readProc(`/proc/${pid}/status`) ?? '')?.[1] ?? -1);
  // In a container the path is another one for us.
  const elsewhere = linkOf(`/proc/${pid}/ns/mnt`) !== linkOf('/proc/self/ns/mnt') || (readProcLink(`/proc/${pid}/root`) ?? '/') !== '/';
  return { path: elsewhere ? join(`/proc/${pid}/root`, path) : path, fromEnd: true, owner, wanted: true };
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function reader(source: Source, environment: Readonly<Record<string, string>>): Marks {
  let tail: Tail | null = null;
  return {
    environment,
    begin: (sink) => { tail ??= new Tail(source, sink); },
    close: (at) => {
      tail?.close(at);
      tail = null;
    },
  };
}

/** FIFOs of recordings that ended, by path. */
const drained = new Map<string, Socket>();

/** Reads a file as it grows, or a FIFO, and makes steps of its lines. */
class Tail {
  readonly #source: Source;
  readonly #sink: MarkSink;
  readonly #lines: MarkLines;
  readonly #decode: (bytes: Uint8Array) => void;
  #file = -1;
  #offset = 0;
  #socket: Socket | null = null;
  #watcher: FSWatcher | null = null;
  #timer: NodeJS.Timeout | null = null;
  #first = true;
  #failed = '';

  constructor(source: Source, sink: MarkSink) {
    this.#source = source;
    this.#sink = sink;
    this.#lines = new MarkLines(sink);
    this.#decode = (bytes) => this.#lines.push(bytes, sink.now());
    this.#look();
    this.#timer = setInterval(() => this.#look(), POLL_MS);
    this.#timer.unref();
  }

  close(at: number): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#watcher?.close();
    if (this.#socket !== null) this.#drain(this.#socket);
    else if (this.#file >= 0) {
      this.#read();
      closeSync(this.#file);
    }
    this.#file = -1;
    this.#lines.finish(at);
  }

  /**
   * Takes what still is in a FIFO, and goes on to empty it as long as we run: its writer would be killed by SIGPIPE if its last reader
   * went, and would wait for ever if nobody read.
   */
  #drain(socket: Socket): void {
    empty(this.#file, this.#decode);
    socket.removeListener('data', this.#decode);
    socket.resume();
    drained.get(this.#source.path)?.destroy();
    drained.set(this.#source.path, socket);
  }

  #look(): void {
    if (this.#file >= 0) {
      if (this.#socket === null) this.#read();
      return;
    }
    const { path, fromEnd, owner, wanted } = this.#source;
    const first = this.#first;
    this.#first = false;
    try {
      // A FIFO is opened for writing too, so that it does not end whenever its last writer closes it. Never first for reading alone: a
      // writer that waited would go on, and be killed if that end was closed before the other stood.
      const file = openSync(path, (statSync(path).isFIFO() ? constants.O_RDWR : constants.O_RDONLY) | constants.O_NONBLOCK);
      const stat = fstatSync(file);
      const why = whyNot(stat, owner);
      if (why !== '') {
        closeSync(file);
        this.#tell(`Marks are not read from ${path}: ${why}.`);
        return;
      }
      if (stat.isFIFO()) {
        this.#file = file;
        const before = drained.get(path);
        if (before !== undefined) {
          // An earlier recording's: from now on the lines are ours, and what was written before is none of them.
          before.destroy();
          drained.delete(path);
          empty(file, () => undefined);
        }
        this.#socket = new Socket({ fd: file, readable: true, writable: false });
        this.#socket.on('data', this.#decode);
        this.#socket.on('error', (error) => this.#tell(`Marks can no longer be read from ${path}: ${error.message}.`));
        this.#socket.unref();
        return;
      }
      this.#file = file;
      // What was there before the recording is no mark of it. A file that comes later is all ours.
      this.#offset = fromEnd && first ? stat.size : 0;
      // Polling alone would do: this is for the time of a mark that has none of its own.
      this.#watcher = watch(path, () => this.#read());
      this.#watcher.on('error', () => this.#watcher?.close());
      this.#watcher.unref();
      this.#read();
    } catch (error) {
      // It may be made by the target in a moment.
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      if (wanted && code !== 'ENOENT') this.#tell(`Marks cannot be read from ${path}: ${error instanceof Error ? error.message : String(error)}.`);
    }
  }

  #read(): void {
    if (this.#file < 0) return;
    const piece = Buffer.allocUnsafe(PIECE);
    try {
      // A file that was emptied begins again.
      if (fstatSync(this.#file).size < this.#offset) this.#offset = 0;
      for (let pieces = 0; pieces < 16; pieces++) {
        const got = readSync(this.#file, piece, 0, PIECE, this.#offset);
        if (got === 0) return;
        this.#offset += got;
        this.#decode(piece.subarray(0, got));
      }
    } catch (error) {
      this.#tell(`Marks can no longer be read from ${this.#source.path}: ${error instanceof Error ? error.message : String(error)}.`);
    }
  }

  #tell(text: string): void {
    if (this.#failed === text) return;
    this.#failed = text;
    this.#sink.notice({ id: 'marks', level: 'warn', text, command: '' });
  }
}

/** Reads what is in a FIFO now. */
function empty(file: number, take: (bytes: Uint8Array) => void): void {
  const piece = Buffer.allocUnsafe(PIECE);
  try {
    for (let got = 1; got > 0;) {
      got = readSync(file, piece, 0, PIECE, null);
      take(piece.subarray(0, got));
    }
  } catch {
    // EAGAIN: it is empty.
  }
}

/** Why a file is not read; '' where it is. */
function whyNot(stat: Stats, owner: number): string {
  if (!stat.isFile() && !stat.isFIFO()) return 'it is neither a file nor a FIFO';
  // The target names it, and we may read more than the target may.
  if (owner >= 0 && stat.uid !== owner) return 'it belongs to another user than the target';
  return '';
}

/** Lines cut anywhere in, steps out. */
export class MarkLines {
  readonly #sink: Pick<MarkSink, 'zeroAt' | 'mark' | 'skip'>;
  #rest = '';
  #dropping = false;
  readonly #decoder = new TextDecoder();
  /** The step that goes on. */
  #open: { readonly start: number; readonly text: string } | null = null;
  #steps = 0;

  constructor(sink: Pick<MarkSink, 'zeroAt' | 'mark' | 'skip'>) {
    this.#sink = sink;
  }

  /** `now`: monotonic ns, the time of lines that have none. */
  push(bytes: Uint8Array, now: number): void {
    const text = this.#rest + this.#decoder.decode(bytes, { stream: true });
    const lines = text.split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line, now);
    if (this.#rest.length <= MOST_LINE) return;
    // Nobody's mark: what follows up to the next line end goes with it.
    this.#rest = '';
    if (!this.#dropping) this.#sink.skip(TOO_LONG, 1);
    this.#dropping = true;
  }

  /** The end of the recording ends the last step. A last line without its end is one. */
  finish(at: number): void {
    if (this.#rest.trim() !== '') this.#line(this.#rest, at);
    this.#rest = '';
    this.#end(at);
    this.#open = null;
  }

  #line(raw: string, now: number): void {
    if (this.#dropping) {
      this.#dropping = false;
      return;
    }
    if (raw.length > MOST_LINE) {
      this.#sink.skip(TOO_LONG, 1);
      return;
    }
    const line = raw.trim();
    if (line === '') return;
    const given = /^@(\d{1,19})(\.\d{1,12})?(?:\s+|$)/.exec(line);
    if (given === null && line.startsWith('@')) {
      this.#sink.skip('lines of marks whose time cannot be read', 1);
      return;
    }
    const time = given === null ? now : given[2] === undefined ? Number(given[1]) : Math.round(Number(given[1]) * 1e9 + Number(`0${given[2]}`) * 1e9);
    if (time < this.#sink.zeroAt || time > now + AHEAD) {
      this.#sink.skip('marks with a time outside of the recording', 1);
      return;
    }
    if (this.#open !== null && time < this.#open.start) {
      this.#sink.skip('marks with a time before the mark before them', 1);
      return;
    }
    if (this.#steps >= MOST_MARKS) {
      this.#sink.skip(`marks beyond the first ${MOST_MARKS}`, 1);
      return;
    }
    this.#end(time);
    // A control character in a title would do no good anywhere.
    const text = line.slice(given?.[0].length ?? 0).replace(/\p{Cc}+/gu, ' ').trim();
    this.#open = { start: time, text: cut(maskText(text)) };
  }

  #end(at: number): void {
    if (this.#open === null) return;
    const { start, text } = this.#open;
    this.#sink.mark({ kind: 'step', start: ns(start), end: ns(Math.max(start, at)), text, value: ++this.#steps });
  }
}

const TOO_LONG = 'lines of marks that are too long';

function cut(text: string): string {
  return text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT - 1)}…` : text;
}
