// heaptrack's interpreted text, as heaptrack_interpret writes it and heaptrack_print reads it, live or from a file:
// https://github.com/KDE/heaptrack, src/interpret/heaptrack_interpret.cpp and src/analyze/accumulatedtracedata.cpp at 0195be4.
//
//     v VERSION FORMAT          numbers are hexadecimal throughout
//     X command                 I PAGE-SIZE PAGES           A   attached: totals begin here          S suppression
//     s LENGTH text             string, counted from 1 (format 3; before it `s text`)
//     i IP MODULE [FUNCTION FILE LINE]...       instruction, counted from 1; innermost inlined call first
//     t IP PARENT               trace, counted from 1; PARENT 0 at a root
//     a SIZE TRACE              kind of allocation, counted from 0
//     + KIND, - KIND            allocated, freed            c MS   time        R PAGES   resident memory
//
// Bytes are numbers here until a name is read: 1.9 M lines take a third of a second.
import { UserError } from '#core/errors';
import type { ThreadId } from '#core/model/ids';
import { ns } from '#core/model/ids';
import type { Profile, Track } from '#core/model/profile';
import type { ChunkDecoder } from '../format.ts';
import { textOf } from '../lines.ts';
import { AllocationRows } from './rows.ts';
import { TraceNames } from './names.ts';

const NEWLINE = 10;
const SPACE = 32;
const PLUS = 43;
const MINUS = 45;

/** The newest format that is read: that of heaptrack 1.3 to 1.5. */
const NEWEST = 3;
/** A longer line is no line of heaptrack's: it is counted and left out. */
const LONGEST = 1_000_000;
/** A number of more hexadecimal digits is no exact number here, and no size or count; addresses may have all 16. */
const DIGITS = 13;
const ADDRESS_DIGITS = 16;

/** By byte: the value of a hexadecimal digit, 16 for a space, 17 for the end of a line, 255 for anything else. */
const HEX = new Uint8Array(256).fill(255);
for (let i = 0; i < 10; i++) HEX[48 + i] = i;
for (let i = 0; i < 6; i++) HEX[97 + i] = 10 + i;
HEX[SPACE] = 16;
HEX[NEWLINE] = 17;

export interface HeaptrackOptions {
  /** What the lanes say of their source; '' = heaptrack and its version, from the stream. */
  readonly source: string;
  /** Directory of the target, for "own code"; '' where unknown. */
  readonly directory: string;
  /** Thread row for the rows, made when the stream begins: heaptrack does not say which thread allocated. Absent: none. */
  readonly thread?: () => ThreadId;
  /** Wall-clock ns of time 0: a line `# started NS` before the stream then says when heaptrack's own time began. Absent: at 0. */
  readonly zeroWall?: number;
  /** Beside perf: no source files, so that a function is the same row in both, and no resident memory, which is measured anyway. */
  readonly beside?: boolean;
  /** Sets title, command and tool of the profile; the name of the file. */
  readonly describe?: string;
}

export class HeaptrackDecoder implements ChunkDecoder {
  readonly #profile: Profile;
  readonly #options: HeaptrackOptions;
  readonly #names: TraceNames;
  readonly #rows: AllocationRows;
  /** Format of the stream; -1 before its first line. */
  #format = -1;
  #version = '';
  #pageSize = 4096;
  #rss: Track | null = null;
  /** Begin of a line whose end has not come. */
  #rest = new Uint8Array(256);
  #restLength = 0;
  #overlong = false;
  /** By kind of allocation: bytes and trace. */
  #sizes = new Float64Array(1024);
  #traces = new Int32Array(1024);
  #kinds = 0;
  /** The kind that was allocated last, with nothing freed since. heaptrack_print's 0 for none is kept: its numbers are the measure. */
  #last = 0;
  /** ns since time 0 of heaptrack's own time 0. */
  #startedAt = 0;
  #ended = false;
  #suppressions = 0;
  #attached = false;

  constructor(profile: Profile, options: HeaptrackOptions) {
    this.#profile = profile;
    this.#options = options;
    this.#names = new TraceNames(profile, { directory: options.directory, files: options.beside !== true });
    this.#rows = new AllocationRows(profile);
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    if (this.#restLength > 0 || this.#overlong) {
      const end = chunk.indexOf(NEWLINE);
      this.#keep(chunk, 0, end < 0 ? chunk.length : end + 1);
      if (end < 0) return;
      if (this.#overlong) this.#profile.skip('lines longer than 1 MB');
      else this.#lines(this.#rest, 0, this.#restLength);
      this.#restLength = 0;
      this.#overlong = false;
      at = end + 1;
    }
    at = this.#lines(chunk, at, chunk.length);
    if (at < chunk.length) this.#keep(chunk, at, chunk.length);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    // A last line without its end was cut: its numbers may be too.
    if (this.#restLength > 0 || this.#overlong) this.#profile.skip('last line, which was cut');
    if (this.#format < 0) {
      throw new UserError('no-samples', 'heaptrack wrote nothing', { hint: 'Was the program ended before it allocated anything?' });
    }
    this.#rows.end();
    if (this.#suppressions > 0) this.#note(`${this.#suppressions} suppressions in the file are not applied: leaks that they name are shown.`);
    if (this.#rows.samples === 0 && this.#options.describe !== undefined) {
      throw new UserError('no-samples', 'there is no allocation in this recording of heaptrack', { hint: 'Was it cut off at its beginning?' });
    }
  }

  /** Whole lines from `at` to `end`; returns where the first line begins that has no end yet. */
  #lines(bytes: Uint8Array, at: number, end: number): number {
    const rows = this.#rows;
    while (at < end) {
      const type = bytes[at];
      if ((type === PLUS || type === MINUS) && at + 3 < end && bytes[at + 1] === SPACE && this.#format > 0) {
        // By far the most lines: one number, read where it stands.
        let next = at + 2;
        let kind = 0;
        let digit = HEX[bytes[next]];
        while (digit < 16 && next < at + 10) {
          kind = kind * 16 + digit;
          digit = ++next < end ? HEX[bytes[next]] : 255;
        }
        if (next >= end) return at;
        if (digit === 17 && next > at + 2 && kind < this.#kinds) {
          if (type === PLUS) {
            rows.allocated(this.#traces[kind], this.#sizes[kind]);
            this.#last = kind;
          } else {
            rows.freed(this.#traces[kind], this.#sizes[kind], this.#last === kind);
            this.#last = 0;
          }
          at = next + 1;
          continue;
        }
      }
      const newline = bytes.indexOf(NEWLINE, at);
      if (newline < 0 || newline >= end) return at;
      this.#line(bytes, at, newline > at && bytes[newline - 1] === 13 ? newline - 1 : newline);
      at = newline + 1;
    }
    return at;
  }

  #line(bytes: Uint8Array, start: number, end: number): void {
    if (end === start) return;
    const type = String.fromCharCode(bytes[start]);
    if (type === '#') return this.#comment(bytes, start, end);
    if (this.#format < 0) return this.#first(bytes, start, end);
    const numbers = new Numbers(bytes, start + 2, end);
    switch (type) {
      case 't': return this.#trace(numbers);
      case 'a': return this.#kind(numbers);
      case 'i': return this.#instruction(numbers);
      case 's': return this.#string(bytes, start, end, numbers);
      case 'c': return this.#time(numbers);
      case 'R': return this.#resident(numbers);
      case '+':
      case '-':
        return this.#profile.skip('allocations of no known kind');
      case 'I':
        this.#pageSize = numbers.next() || 4096;
        return;
      case 'X': return this.#command(textOf(bytes, Math.min(start + 2, end), end));
      case 'A': return this.#attach();
      case 'S':
        this.#suppressions++;
        return;
      case 'x':
      case 'm':
        if (this.#kinds > 0) return this.#profile.skip('lines of no known kind');
        throw new UserError('heaptrack-raw', 'this is what heaptrack recorded before it was interpreted (heaptrack --raw): it has addresses and no names', {
          hint: 'Interpret it on the machine that recorded it, then open the result.',
          command: 'zstd -dc FILE.raw.zst | /usr/lib/heaptrack/libexec/heaptrack_interpret | zstd > FILE.zst',
        });
      default:
        return this.#profile.skip('lines of no known kind');
    }
  }

  #first(bytes: Uint8Array, start: number, end: number): void {
    const match = /^v ([0-9a-f]{1,8})(?: ([0-9a-f]{1,8}))?\s*$/.exec(textOf(bytes, start, Math.min(end, start + 100)));
    if (match === null) throw new UserError('not-heaptrack', 'this does not begin as a recording of heaptrack does: with a line `v` and its version');
    const version = parseInt(match[1], 16);
    this.#version = `${version >> 16}.${(version >> 8) & 255}.${version & 255}`;
    // Before 1.0 the program's version was raised to 1.2 and stood for the format's.
    const format = match[2] === undefined ? (version === 0x010200 ? 1 : 0) : parseInt(match[2], 16);
    if (format === 0) throw new UserError('heaptrack-old', 'this was recorded by a heaptrack before 1.0, whose format is not read', { hint: 'Record it again with a newer heaptrack.' });
    if (format > NEWEST) {
      throw new UserError('heaptrack-new', `this is format ${format} of heaptrack (written by ${this.#version}); formats up to ${NEWEST} are read`, { hint: 'Open it with a newer Flamebench.' });
    }
    this.#format = format;
    if (this.#options.thread !== undefined) this.#rows.thread = this.#options.thread();
    this.#rows.begin(this.#options.source === '' ? `heaptrack ${this.#version}, every allocation` : this.#options.source, this.#startedAt);
    const { info } = this.#profile;
    if (this.#options.describe !== undefined) {
      info.format = 'heaptrack';
      info.title ||= this.#options.describe;
      info.tool ||= `heaptrack ${this.#version}`;
      this.#profile.touch();
    }
  }

  #comment(bytes: Uint8Array, start: number, end: number): void {
    if (this.#format >= 0 || this.#options.zeroWall === undefined) return;
    const match = /^# started (\d{10})(\d{9})?/.exec(textOf(bytes, start, Math.min(end, start + 100)));
    // A `date` without nanoseconds gives seconds alone.
    if (match !== null) this.#startedAt = Number(match[1]) * 1e9 + Number(match[2] ?? 0) - this.#options.zeroWall;
  }

  #command(command: string): void {
    if (this.#options.describe === undefined || command === '') return;
    const { info, processes, threads } = this.#profile;
    info.command = command;
    const program = command.split(' ')[0];
    const name = program.slice(program.lastIndexOf('/') + 1);
    // heaptrack.PROGRAM.PID, as heaptrack names its files.
    const pid = Number(/^heaptrack\..+\.(\d{1,9})(\.|$)/.exec(this.#options.describe)?.[1] ?? 0);
    this.#rows.thread = threads.add({ process: processes.add({ pid, name, command }), tid: 0, name: `all of ${name}` });
    this.#profile.touch();
  }

  #attach(): void {
    if (this.#attached) return;
    this.#attached = true;
    this.#note('heaptrack was attached to a running program: what it had allocated before is not in here, neither in what was held nor in the peak.');
    this.#rows.restart();
  }

  #note(text: string): void {
    // Read again, its notes are there already.
    if (this.#profile.info.notes.includes(text)) return;
    this.#profile.info.notes = [...this.#profile.info.notes, text];
    this.#profile.touch();
  }

  #trace(numbers: Numbers): void {
    const ip = numbers.next();
    const parent = numbers.next();
    if (numbers.bad) this.#profile.skip('damaged lines');
    // A trace that was not readable still takes its number.
    if (!this.#names.trace(numbers.bad ? -1 : ip, numbers.bad ? 0 : parent)) this.#profile.skip('traces of an unknown place');
  }

  #kind(numbers: Numbers): void {
    const size = numbers.next();
    const trace = numbers.next();
    if (numbers.bad) return this.#profile.skip('damaged lines');
    if (this.#kinds === this.#sizes.length) {
      const sizes = new Float64Array(this.#kinds * 2);
      sizes.set(this.#sizes);
      this.#sizes = sizes;
      const traces = new Int32Array(this.#kinds * 2);
      traces.set(this.#traces);
      this.#traces = traces;
    }
    this.#sizes[this.#kinds] = size;
    this.#traces[this.#kinds++] = this.#rows.place(this.#names.stackOf(trace));
  }

  #instruction(numbers: Numbers): void {
    const ip = numbers.next(ADDRESS_DIGITS);
    const module = numbers.next();
    const places: number[] = [];
    if (numbers.bad) this.#profile.skip('damaged lines');
    while (!numbers.bad && numbers.more) {
      const fn = numbers.next();
      places.push(fn, numbers.more ? numbers.next() : 0, numbers.more ? numbers.next() : 0);
    }
    this.#names.instruction(ip, module, places);
  }

  #string(bytes: Uint8Array, start: number, end: number, numbers: Numbers): void {
    let at = start + 2;
    let to = end;
    if (this.#format >= 3) {
      const length = numbers.next();
      at = numbers.at;
      if (numbers.bad || at + length > end) this.#profile.skip('damaged lines');
      else to = at + length;
    }
    this.#names.string(textOf(bytes, Math.min(at, to), to));
  }

  #time(numbers: Numbers): void {
    const ms = numbers.next();
    if (numbers.bad || ms > 1e12) return this.#profile.skip('damaged lines');
    this.#rows.time(ms * 1e6);
    this.#profile.reach(ns(this.#startedAt + ms * 1e6));
  }

  #resident(numbers: Numbers): void {
    const pages = numbers.next();
    if (numbers.bad) return this.#profile.skip('damaged lines');
    if (this.#options.beside === true) return;
    this.#rss ??= this.#profile.tracks[this.#profile.addTrack({ name: 'rss', unit: 'bytes' })];
    this.#rss.add(ns(this.#startedAt + this.#rows.now), pages * this.#pageSize);
  }

  #keep(chunk: Uint8Array, start: number, end: number): void {
    if (this.#overlong) return;
    const needed = this.#restLength + end - start;
    if (needed > LONGEST) {
      this.#overlong = true;
      this.#restLength = 0;
      return;
    }
    if (needed > this.#rest.length) {
      const bigger = new Uint8Array(Math.max(needed, this.#rest.length * 2));
      bigger.set(this.#rest.subarray(0, this.#restLength));
      this.#rest = bigger;
    }
    this.#rest.set(chunk.subarray(start, end), this.#restLength);
    this.#restLength = needed;
  }
}

/** Hexadecimal numbers of a line, each ended by one space. */
class Numbers {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  at: number;
  /** A number was missing, too long, or none. */
  bad = false;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.#bytes = bytes;
    this.at = at;
    this.#end = end;
  }

  get more(): boolean {
    return this.at < this.#end;
  }

  next(digits = DIGITS): number {
    let value = 0;
    const start = this.at;
    let at = start;
    for (; at < this.#end; at++) {
      const digit = HEX[this.#bytes[at]];
      if (digit === 16) break;
      if (digit > 16) this.bad = true;
      value = value * 16 + digit;
    }
    if (at === start || at - start > digits) this.bad = true;
    this.at = at + 1;
    return value;
  }
}
