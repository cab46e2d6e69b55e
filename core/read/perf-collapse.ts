// Folds `perf script` text straight from bytes to lines `comm;root;...;leaf total`, as FlameGraph's stackcollapse-perf.pl
// does with its default options, line for line: https://github.com/brendangregg/FlameGraph (stackcollapse-perf.pl).
// Two differences, both on purpose: the last sample of a file without a blank line at its end is kept, and one-line
// samples (no call chains) are folded.
//
// Frame lines repeat, so each distinct one (less its address) is understood once and then found by its bytes. A stack is a
// path in a trie from leaf to root, then comm: the order of the text, so nothing is turned round until the end.
import { Float64Column } from '#core/model/column';
import type { FrameId, StackId } from '#core/model/ids';
import { NO_STACK } from '#core/model/ids';
import { StackTable } from '#core/model/tables';
import { ByteTable } from './byte-table.ts';
import { LineSplitter } from './lines.ts';

/** The script's switches of the same names. All false is its default. */
export interface CollapseOptions {
  readonly pid?: boolean;
  readonly tid?: boolean;
  readonly addrs?: boolean;
  /** Marks kernel functions with `_[k]`. */
  readonly kernel?: boolean;
  /** Marks functions of perf maps with `_[j]`. */
  readonly jit?: boolean;
}

const SKIPPED = -2;
const UNSEEN = -3;
/** Distinct frame lines that are remembered before the memory is emptied: bounds hostile input, not real files. */
const MOST_LINES = 2_000_000;

// Longer lines are never one-line samples; the bound keeps the expression's work small.
const ONE_LINE_LIMIT = 4096;
const ONE_LINE = /^(\S.*?) (\d+)(?:\/(\d+))? (?:\[\d+\] )?\d+\.\d+: (?:(\d+) )?(\S+): ([0-9a-f]+) (.+ \(.*\))$/s;
// Only run on text that ends in the last `)` of its line and has a ` (`: then it does not search.
const STACK_LINE = /^[ \t\r\f\v]*(\w+)[ \t\r\f\v]*([^\n]+) \(([^\n]*)\)/;

/** The line up to its last `)` where that closes a ` (`, else null. */
function closed(text: string): string | null {
  const end = text.lastIndexOf(')');
  return end > 0 && text.lastIndexOf(' (', end - 1) >= 0 ? text.slice(0, end + 1) : null;
}

/** The line as the script's expression for frames takes it: address, name, object. */
function matchStack(text: string): [string, string, string] | null {
  const whole = closed(text);
  const match = whole === null ? null : STACK_LINE.exec(whole);
  return match === null ? null : [match[1], match[2], match[3]];
}

function isSpace(byte: number): boolean {
  return byte === 32 || (byte >= 9 && byte <= 13);
}

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57;
}

function isWord(byte: number): boolean {
  return isDigit(byte) || (byte >= 97 && byte <= 122) || (byte >= 65 && byte <= 90) || byte === 95;
}

/** One code unit a byte: keeps any bytes whole and sorts as bytes. */
function binaryText(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let at = start; at < end; at += 8192) {
    text += String.fromCharCode.apply(null, bytes.subarray(at, Math.min(end, at + 8192)) as unknown as number[]);
  }
  return text;
}

function isText(bytes: Uint8Array, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false;
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false;
  return true;
}

function numberAt(bytes: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at++) value = value * 10 + bytes[at] - 48;
  return value;
}

/** Strips `:u`, `:pppH` and the like: what a one-line sample is compared by. */
function eventBase(event: string): string {
  return event.replace(/:[ukhvpPGHSDIWebu]+$/, '');
}

/** Push chunks of text, `end()`, then read `lines()`. */
export class PerfCollapser {
  /** Lines that are neither header, frame, comment nor blank. */
  unrecognised = 0;
  /** Headers of other events than the first. */
  otherEvents = 0;
  /** Samples folded. */
  samples = 0;
  #options: CollapseOptions;
  #lines = new LineSplitter((bytes, start, end) => this.#line(bytes, start, end));
  #seen = new ByteTable();
  /** Text id of each line in `#seen`; SKIPPED for a process name in parentheses, UNSEEN where it must be read again. */
  #textOfLine: number[] = [];
  /** Comms seen before, and the root that each gives. */
  #comms = new ByteTable();
  #names: string[] = [];
  #texts: string[] = [];
  #textIds = new Map<string, number>();
  #stacks = new StackTable();
  #counts = new Float64Column();
  #hit = new Set<StackId>();

  // The open sample, as the script keeps it.
  #name = '';
  #java = false;
  #period = 1;
  #top: StackId = NO_STACK;
  #event = '';
  /** A one-line sample that is folded unless stack lines follow it. */
  #single: { name: string; event: string; period: number; frame: string } | null = null;

  constructor(options: CollapseOptions = {}) {
    this.#options = options;
  }

  push(chunk: Uint8Array): void {
    this.#lines.push(chunk);
  }

  end(): void {
    this.#lines.end();
    this.#finishSample();
  }

  /** Lines longer than a megabyte, which were cut. */
  get cut(): number {
    return this.#lines.cut;
  }

  /** The folded lines, sorted by bytes, as chunks of text. */
  *lines(): Iterable<Uint8Array> {
    const totals = new Map<string, number>();
    for (const stack of this.#hit) {
      const parts: string[] = [];
      for (let at: number = stack; at >= 0; at = this.#stacks.prefix.get(at)) parts.push(this.#texts[this.#stacks.frame.get(at)]);
      const key = parts.join(';');
      totals.set(key, (totals.get(key) ?? 0) + this.#counts.get(stack));
    }
    let text = '';
    for (const key of [...totals.keys()].sort(compareUnits)) {
      text += `${key} ${totals.get(key)}\n`;
      if (text.length > 65_536) {
        yield bytesOf(text);
        text = '';
      }
    }
    if (text !== '') yield bytesOf(text);
  }

  #line(bytes: Uint8Array, start: number, end: number): void {
    if (start === end) return this.#finishSample();
    const first = bytes[start];
    if (first === 35) return;
    if (!isSpace(first) && this.#header(bytes, start, end)) return;
    this.#stackLine(bytes, start, end);
  }

  #finishSample(): void {
    if (this.#single !== null) this.#foldSingle();
    if (this.#name === '') return;
    this.#count(this.#stacks.intern(this.#top, this.#text(this.#name) as FrameId), this.#period);
    this.#top = NO_STACK;
    this.#name = '';
  }

  #count(stack: StackId, period: number): void {
    while (this.#counts.length <= stack) this.#counts.push(0);
    this.#counts.set(stack, this.#counts.get(stack) + period);
    this.#hit.add(stack);
    this.samples++;
  }

  /** The line as the first line of a sample: `comm pid[/tid] ...`. False where it is none. */
  #header(bytes: Uint8Array, start: number, end: number): boolean {
    // comm is the shortest text of two bytes or more that is followed by spaces, digits[/digits] and a space.
    let nameEnd = -1;
    let pidStart = 0, pidEnd = 0, tidStart = 0, tidEnd = 0;
    for (let i = start + 2; i < end; ) {
      if (!isSpace(bytes[i])) { i++; continue; }
      let at = i;
      while (at < end && isSpace(bytes[at])) at++;
      pidStart = at;
      while (at < end && isDigit(bytes[at])) at++;
      pidEnd = at;
      while (at < end && bytes[at] === 47) at++;
      tidStart = at;
      while (at < end && isDigit(bytes[at])) at++;
      tidEnd = at;
      if (pidEnd > pidStart && at < end && isSpace(bytes[at])) { nameEnd = i; break; }
      i = Math.max(pidStart, i + 1);
    }
    if (nameEnd < 0) return false;

    let last = end;
    while (last > start && isSpace(bytes[last - 1])) last--;
    let period = 0;
    if (bytes[last - 1] === 58) {
      // `...: [period] event:`; only such a line tells its event.
      let at = last - 1;
      while (at > start && !isSpace(bytes[at - 1])) at--;
      const eventStart = at;
      while (at > start && isSpace(bytes[at - 1])) at--;
      if (eventStart < last - 1 && at < eventStart && at > start) {
        const digitsEnd = at;
        while (at > start && isDigit(bytes[at - 1])) at--;
        const digitsStart = at;
        if (digitsStart < digitsEnd) while (at > start && isSpace(bytes[at - 1])) at--;
        if (at > start && bytes[at - 1] === 58) {
          if (this.#single !== null) this.#foldSingle();
          if (this.#event === '') this.#event = binaryText(bytes, eventStart, last - 1);
          else if (!isText(bytes, eventStart, last - 1, this.#event)) { this.otherEvents++; return true; }
          period = numberAt(bytes, digitsStart, digitsEnd);
        }
      }
    } else if (bytes[last - 1] === 41 && this.#oneLine(bytes, start, end)) {
      return true;
    }
    if (this.#single !== null) this.#foldSingle();
    // No period, or one of 0, counts one.
    this.#period = period === 0 ? 1 : period;
    if (this.#options.pid !== true && this.#options.tid !== true) {
      let comm = this.#comms.find(bytes, start, nameEnd);
      if (comm < 0) {
        if (this.#comms.length >= MOST_LINES) { this.#comms = new ByteTable(); this.#names = []; this.#comms.find(bytes, start, nameEnd); }
        comm = this.#comms.add(bytes, start, nameEnd);
        this.#names.push(binaryText(bytes, start, nameEnd).replaceAll(' ', '_'));
      }
      this.#name = this.#names[comm];
      this.#java = this.#name === 'java';
      return true;
    }
    const hasTid = tidEnd > tidStart && !isText(bytes, tidStart, tidEnd, '0');
    const first = binaryText(bytes, pidStart, pidEnd);
    const pid = hasTid ? first : '?';
    const tid = hasTid ? binaryText(bytes, tidStart, tidEnd) : first;
    this.#setName(`${binaryText(bytes, start, nameEnd)}-${this.#options.tid === true ? `${pid}/${tid}` : pid}`);
    return true;
  }

  #setName(name: string): void {
    this.#name = name.replaceAll(' ', '_');
    this.#java = this.#name === 'java';
  }

  /** A whole sample on one line, as perf prints it without call chains; kept until the next line shows that none follows. */
  #oneLine(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start > ONE_LINE_LIMIT) return false;
    const text = binaryText(bytes, start, end);
    if (!/\d\.\d+:\s/.test(text)) return false;
    // With runs of spaces made single the expression below cannot try them in many ways.
    const match = ONE_LINE.exec(text.trim().replace(/\s+/g, ' '));
    if (match === null) return false;
    if (this.#single !== null) this.#foldSingle();
    if (this.#name !== '') this.#finishSample();
    const [, comm, pid, tid, period, event, pc, rest] = match;
    let name = comm;
    if (this.#options.tid === true) name += tid === undefined ? `-?/${pid}` : `-${pid}/${tid}`;
    else if (this.#options.pid === true) name += tid === undefined ? '-?' : `-${pid}`;
    this.#single = { name, event, period: period === undefined || period === '0' ? 1 : Number(period), frame: `${pc} ${rest}` };
    return true;
  }

  #foldSingle(): void {
    const single = this.#single;
    this.#single = null;
    if (single === null) return;
    if (this.#event === '') this.#event = single.event;
    else if (eventBase(single.event) !== eventBase(this.#event)) { this.otherEvents++; return; }
    const [name, java, top] = [this.#name, this.#java, this.#top];
    this.#setName(single.name);
    const match = matchStack(single.frame);
    const frame = match === null ? SKIPPED : this.#textOfFrame(...match);
    const leaf = frame >= 0 ? this.#stacks.intern(NO_STACK, frame as FrameId) : NO_STACK;
    this.#count(this.#stacks.intern(leaf, this.#text(this.#name) as FrameId), single.period);
    [this.#name, this.#java, this.#top] = [name, java, top];
  }

  #stackLine(bytes: Uint8Array, start: number, end: number): void {
    if (this.#name === '' || this.#single !== null) {
      if (this.#oneLine(bytes, start, end)) return;
      if (this.#single !== null) {
        // Stack lines follow after all: the line was a header with something behind its event.
        const { name } = this.#single;
        this.#single = null;
        this.#setName(name);
        this.#period = 1;
      } else {
        if (matchStack(binaryText(bytes, start, Math.min(end, start + ONE_LINE_LIMIT))) === null) this.unrecognised++;
        return;
      }
    }
    let at = start;
    while (at < end && isSpace(bytes[at])) at++;
    const pcStart = at;
    while (at < end && isWord(bytes[at])) at++;
    const pcEnd = at;
    while (at < end && isSpace(bytes[at])) at++;
    let text = UNSEEN;
    if (pcEnd > pcStart && this.#options.addrs !== true) {
      const seed = this.#java ? 1 : 0;
      const line = this.#seen.find(bytes, at, end, seed);
      if (line >= 0) {
        text = this.#textOfLine[line];
      } else {
        // Where the rest alone is no frame, the expression may still match by giving back letters of the address.
        const rest = closed(binaryText(bytes, at, end));
        const open = rest === null ? 0 : rest.lastIndexOf(' (');
        if (rest !== null && open > 0) text = this.#textOfFrame('', rest.slice(0, open), rest.slice(open + 2, -1));
        if (this.#seen.length >= MOST_LINES) { this.#seen = new ByteTable(); this.#textOfLine = []; this.#seen.find(bytes, at, end, seed); }
        this.#seen.add(bytes, at, end, seed);
        this.#textOfLine.push(text);
      }
    }
    if (text === UNSEEN) {
      const match = matchStack(binaryText(bytes, start, end));
      if (match === null) { this.unrecognised++; return; }
      text = this.#textOfFrame(...match);
    }
    if (text >= 0) this.#top = this.#stacks.intern(this.#top, text as FrameId);
  }

  /** Text of a frame as the script writes it; several functions joined by `;` where inlined calls (`a->b`) stand in it. */
  #textOfFrame(address: string, given: string, library: string): number {
    const name = given.replace(/\+0x[\da-f]+$/, '');
    if (name.startsWith('(')) return SKIPPED;
    const pieces = name.split('->');
    while (pieces.length > 0 && pieces[pieces.length - 1] === '') pieces.pop();
    if (pieces.length === 0) return SKIPPED;
    const done: string[] = [];
    for (const piece of pieces) {
      let text = piece;
      if (text === '[unknown]') {
        text = library === '[unknown]' ? 'unknown' : library.replace(/.*\//s, '');
        text = this.#options.addrs === true ? `[${text} <${address}>]` : `[${text}]`;
      }
      text = text.replaceAll(';', ':');
      // Not a Go method such as `http.(*Client).Do`: what follows the first parenthesis is arguments.
      if (!/\.\([^\n]*\)\./.test(text)) text = text.replace(/\((?!anonymous namespace\))[^\n]*/, '');
      text = text.replace(/["']/g, '');
      if (this.#java && text.includes('/')) text = text.replace(/^L/, '');
      if (done.length > 0) {
        if (!text.includes('_[i]')) text += '_[i]';
      } else if (this.#options.kernel === true && /^\[|vmlinux$/.test(library) && !library.includes('unknown')) {
        text += '_[k]';
      } else if (this.#options.jit === true && /\/tmp\/perf-\d+\.map/.test(library)) {
        text += '_[j]';
      }
      done.push(text);
    }
    return this.#text(done.join(';'));
  }

  #text(text: string): number {
    let id = this.#textIds.get(text);
    if (id === undefined) {
      id = this.#texts.push(text) - 1;
      this.#textIds.set(text, id);
    }
    return id;
  }
}

function compareUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function bytesOf(binary: string): Uint8Array {
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
