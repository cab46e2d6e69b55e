// Kineto's JSON as bytes that come in chunks, cut anywhere: events one by one, without a string or an object for any of them.
//
//     {"schemaVersion": 1, ..., "traceEvents": [ {"ph":"X", ...}, ... ], "distributedInfo": ...}     or a bare list of events
//
// Only the current event is kept in memory. JSON is read strictly, so that damage is found where it is; reading then goes on at the
// next thing that begins like an event, and the damage is counted with its place. A file that breaks off is kept up to there.
import { ByteTable } from '../byte-table.ts';
import { Digits } from './digits.ts';
import type { TraceSink } from './event.ts';
import { TraceEvent } from './event.ts';
import { ARG_KEYS, eventKey, known, pastSpace, unescaped, wordsOf } from './words.ts';

/** An event longer than this is damage, not an event. */
const MOST_EVENT = 16 * 1024 * 1024;
const MOST_HEADER = 1024 * 1024;
/** Distinct names, ids or call stacks kept, in bytes: what comes after has the number of none. */
const MOST_TEXT = 256 * 1024 * 1024;
const PLACES = 3;
const LIST_KEY = '"traceEvents"';

const INCOMPLETE = -1;
const DAMAGED = -2;

const QUOTE = 0x22, BACKSLASH = 0x5c, OPEN = 0x7b, CLOSE = 0x7d, OPEN_LIST = 0x5b, CLOSE_LIST = 0x5d, COMMA = 0x2c, COLON = 0x3a;

type State = 'start' | 'object' | 'value' | 'resume' | 'events' | 'search' | 'done';

const ARGS = wordsOf(ARG_KEYS);
const LATIN = new TextDecoder('latin1');
const UTF8 = new TextDecoder('utf-8');

export class TraceScanner {
  readonly categories = new ByteTable();
  readonly names = new ByteTable();
  /** pids and tids, numbers and texts alike. */
  readonly ids = new ByteTable();
  /** Call stacks. */
  readonly texts = new ByteTable();
  events = 0;
  damaged = 0;
  /** Bytes in the unpacked file where damage was found: the first few. */
  readonly places: number[] = [];
  /** Texts that found no room any more. */
  dropped = 0;
  readonly #sink: TraceSink;
  readonly #event = new TraceEvent();
  #buffer = new Uint8Array(1 << 17);
  #length = 0;
  #at = 0;
  /** Bytes before the buffer's first. */
  #before = 0;
  /** An event that was not whole is tried again when so many bytes lie behind its start. */
  #wanted = 0;
  #state: State = 'start';
  /** Inside a value beside the events. */
  #depth = 0;
  #inText = false;
  #escaped = false;
  /** Bytes of the list's key that have just passed. */
  #matched = 0;
  #key = '';
  #value: Uint8Array[] = [];
  #valueLength = 0;
  #good = true;
  #bare = false;
  // What the last scalar was.
  #textStart = 0;
  #textEnd = 0;
  readonly #digits = new Digits();
  #problem = 0;
  readonly #used = new Map<ByteTable, number>();

  constructor(sink: TraceSink) {
    this.#sink = sink;
  }

  push(chunk: Uint8Array): void {
    if (this.#at > 0) {
      this.#buffer.copyWithin(0, this.#at, this.#length);
      this.#before += this.#at;
      this.#length -= this.#at;
      this.#at = 0;
    }
    const needed = this.#length + chunk.length;
    if (needed > this.#buffer.length) {
      const bigger = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
      bigger.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = bigger;
    }
    this.#buffer.set(chunk, this.#length);
    this.#length = needed;
    if (needed >= this.#wanted) this.#run(false);
  }

  /** No more bytes. What is left is handed on as far as it is whole. */
  end(): { readonly cutEvent: boolean; readonly cutList: boolean } {
    this.#run(true);
    const cutEvent = this.#state === 'events' && this.#at < this.#length;
    const cutList = this.#state === 'events' || this.#state === 'search' || this.#state === 'value' || (this.#state === 'object' && !this.#bare);
    return { cutEvent, cutList };
  }

  /** The text of a name, with its escapes resolved. */
  textOf(table: ByteTable, id: number): string {
    if (id < 0) return '';
    return unescaped(UTF8.decode(table.get(id)));
  }

  #run(last: boolean): void {
    this.#wanted = 0;
    for (;;) {
      const before = this.#at;
      const state = this.#state;
      switch (state) {
        case 'start': this.#begin(); break;
        case 'object': this.#object(); break;
        case 'value': this.#skipValue(); break;
        case 'resume': this.#resume(); break;
        case 'events': this.#list(last); break;
        case 'search': this.#search(); break;
        case 'done': this.#at = this.#length; return;
      }
      if ((this.#at === before && this.#state === state) || this.#wanted > 0) return;
    }
  }

  #skipSpace(): number {
    const bytes = this.#buffer;
    let at = this.#at;
    while (at < this.#length && isSpace(bytes[at])) at++;
    return (this.#at = at);
  }

  #begin(): void {
    const bytes = this.#buffer;
    if (this.#before + this.#at === 0 && this.#length >= 3 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) this.#at = 3;
    const at = this.#skipSpace();
    if (at >= this.#length || bytes[at] === 0xef) return;
    this.#bare = bytes[at] === OPEN_LIST;
    this.#state = this.#bare ? 'events' : 'object';
    if (this.#bare || bytes[at] === OPEN) this.#at = at + 1;
  }

  // Between the pairs of the outermost object.
  #object(): void {
    const bytes = this.#buffer;
    const at = this.#skipSpace();
    if (at >= this.#length) return;
    const byte = bytes[at];
    if (byte === COMMA) { this.#at = at + 1; return; }
    if (byte === CLOSE) { this.#at = at + 1; this.#state = 'done'; return; }
    if (byte !== QUOTE) { this.#harm(at); this.#at = at + 1; return; }
    const end = this.#text(at);
    if (end === DAMAGED || (end === INCOMPLETE && this.#length - at > MOST_HEADER)) { this.#harm(at); this.#at = at + 1; return; }
    if (end === INCOMPLETE) return;
    let next = end;
    while (next < this.#length && isSpace(bytes[next])) next++;
    if (next >= this.#length) return;
    if (bytes[next] !== COLON) { this.#harm(next); this.#at = end; return; }
    next++;
    while (next < this.#length && isSpace(bytes[next])) next++;
    if (next >= this.#length) return;
    this.#good = true;
    this.#key = LATIN.decode(bytes.subarray(this.#textStart, this.#textEnd));
    this.#at = next;
    if (this.#key === 'traceEvents' && bytes[next] === OPEN_LIST) {
      this.#at = next + 1;
      this.#state = 'events';
      return;
    }
    this.#state = 'value';
    this.#depth = 0;
    this.#inText = this.#escaped = false;
    this.#matched = 0;
    this.#value = [];
    this.#valueLength = 0;
  }

  // A value beside the events: of any length, kept only while it is short.
  #skipValue(): void {
    const bytes = this.#buffer;
    const start = this.#at;
    let at = start;
    let over = false;
    for (; at < this.#length; at++) {
      const byte = bytes[at];
      this.#matched = byte === LIST_KEY.charCodeAt(this.#matched) ? this.#matched + 1 : byte === QUOTE ? 1 : 0;
      if (this.#matched === LIST_KEY.length) {
        this.#at = at + 1;
        this.#inText = !this.#inText;
        this.#valueLength = MOST_HEADER + 1;
        this.#state = 'resume';
        return;
      }
      if (this.#inText) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) this.#inText = false;
        else if (byte === 10) {
          // A line end in a text: its end is missing.
          this.#harm(at);
          this.#inText = false;
        }
        continue;
      }
      if (byte === QUOTE) this.#inText = true;
      else if (byte === OPEN || byte === OPEN_LIST) this.#depth++;
      else if (byte === CLOSE || byte === CLOSE_LIST) {
        if (this.#depth === 0) { over = true; break; }
        this.#depth--;
      } else if (byte === COMMA && this.#depth === 0) { over = true; break; }
    }
    this.#valueLength += at - start;
    if (this.#valueLength <= MOST_HEADER) this.#value.push(bytes.slice(start, at));
    else this.#value = [];
    this.#at = at;
    if (!over) return;
    this.#state = 'object';
    if (this.#valueLength <= MOST_HEADER) {
      const all = new Uint8Array(this.#valueLength);
      let to = 0;
      for (const part of this.#value) { all.set(part, to); to += part.length; }
      this.#sink.headerValue(this.#key, UTF8.decode(all).trim());
    }
    this.#value = [];
  }

  // The list's key inside another value: where `: [` follows, that value was damaged and has no end.
  #resume(): void {
    const bytes = this.#buffer;
    let at = this.#skipSpace();
    if (at < this.#length && bytes[at] === COLON) at++;
    else if (at < this.#length) { this.#state = 'value'; return; }
    while (at < this.#length && isSpace(bytes[at])) at++;
    if (at >= this.#length) return;
    this.#state = 'value';
    if (bytes[at] !== OPEN_LIST) return;
    this.#harm(at);
    this.#at = at + 1;
    this.#state = 'events';
    this.#value = [];
  }

  // Between the events of the list: as many as are whole.
  #list(last: boolean): void {
    const bytes = this.#buffer;
    for (;;) {
      const at = this.#skipSpace();
      if (at >= this.#length) return;
      const byte = bytes[at];
      if (byte === COMMA) { this.#at = at + 1; continue; }
      if (byte === CLOSE_LIST) {
        this.#at = at + 1;
        this.#state = this.#bare ? 'done' : 'object';
        return;
      }
      if (byte !== OPEN) {
        this.#harm(at);
        this.#state = 'search';
        return;
      }
      const event = this.#event;
      event.reset(this.#before + at);
      this.#problem = at;
      let end = this.#eventAt(at);
      if (end === INCOMPLETE && this.#length - at <= MOST_EVENT) {
        // Counted from the event's start: `push` moves it to the front first.
        if (!last) this.#wanted = (this.#length - at) * 2;
        return;
      }
      if (end === INCOMPLETE || end - at > MOST_EVENT) {
        this.#problem = at + 1;
        end = DAMAGED;
      }
      if (end < 0) {
        this.#harm(this.#problem);
        this.#at = Math.max(this.#problem, at + 1);
        this.#state = 'search';
        return;
      }
      this.#at = end;
      this.#good = true;
      this.events++;
      this.#sink.event(event);
    }
  }

  // After damage: on to the next brace that begins an event.
  #search(): void {
    const bytes = this.#buffer;
    for (let at = this.#at; ; at++) {
      at = bytes.indexOf(OPEN, at);
      if (at < 0 || at >= this.#length) { this.#at = this.#length; return; }
      let next = at + 1;
      while (next < this.#length && isSpace(bytes[next])) next++;
      if (next + 6 > this.#length) { this.#at = at; return; }
      if (bytes[next] !== QUOTE) continue;
      const word = LATIN.decode(bytes.subarray(next, next + 6));
      if (!/^"(ph"|cat"|name"|pid"|ts")/.test(word)) continue;
      this.#at = at;
      this.#state = 'events';
      return;
    }
  }

  #harm(at: number): void {
    // Damage that follows damage, without anything good between them, is the same.
    if (!this.#good) return;
    this.#good = false;
    this.damaged++;
    if (this.places.length < PLACES) this.places.push(this.#before + at);
  }

  #eventAt(start: number): number {
    const bytes = this.#buffer;
    const length = this.#length;
    const event = this.#event;
    let at = start + 1;
    for (;;) {
      at = pastSpace(bytes, at, length);
      if (at >= length) return INCOMPLETE;
      if (bytes[at] === CLOSE) return at + 1;
      at = this.#keyAt(at);
      if (at < 0) return at;
      const key = eventKey(bytes, this.#textStart, this.#textEnd);
      if (key === 8 && bytes[at] === OPEN) at = this.#argsAt(at);
      else at = this.#scalar(at, key >= 0);
      if (at < 0) return at;
      switch (key) {
        case 0: event.phase = this.#textEnd - this.#textStart === 1 ? bytes[this.#textStart] : 0; break;
        case 1: event.category = this.#intern(this.categories); break;
        case 2: event.name = this.#intern(this.names); break;
        case 3: event.pid = this.#intern(this.ids); break;
        case 4: event.tid = this.#intern(this.ids); break;
        case 5: event.micros = Number.isNaN(this.#digits.value) ? NaN : this.#digits.whole; event.nanos = this.#digits.thousandths; break;
        case 6: event.duration = Number.isNaN(this.#digits.value) ? -1 : this.#digits.whole * 1000 + this.#digits.thousandths; break;
        case 7: event.flow = this.#digits.value; break;
        default: break;
      }
    }
  }

  #argsAt(start: number): number {
    const bytes = this.#buffer;
    const length = this.#length;
    const event = this.#event;
    let at = start + 1;
    for (;;) {
      at = pastSpace(bytes, at, length);
      if (at >= length) return INCOMPLETE;
      if (bytes[at] === CLOSE) return at + 1;
      at = this.#keyAt(at);
      if (at < 0) return at;
      const key = known(ARGS, bytes, this.#textStart, this.#textEnd);
      at = this.#scalar(at, key >= 0);
      if (at < 0) return at;
      if (key < 0) continue;
      const number = this.#digits.value;
      switch (key) {
        case 19: event.callStack = this.#intern(this.texts); continue;
        case 20: event.argName = this.#intern(this.names); continue;
        default: break;
      }
      if (Number.isNaN(number)) continue;
      switch (key) {
        case 0: case 1: event.external = number; break;
        case 2: event.correlation = number; break;
        case 3: event.stream = number; break;
        case 4: case 15: event.device = number; break;
        case 5: case 10: event.bytes = number; break;
        case 6: event.pythonId = number; break;
        case 7: event.pythonParent = number; break;
        case 8: event.sequence = number; break;
        case 9: event.forwardThread = number; break;
        case 11: event.address = number; break;
        case 12: event.allocated = number; break;
        case 13: event.reserved = number; break;
        case 14: event.deviceType = number; break;
        case 16: event.order = number; break;
        case 17: event.graph = number; break;
        case 18: event.graphNode = number; break;
        case 21: event.pythonThread = number; break;
        default: break;
      }
    }
  }

  /** A key with its colon; the key's bytes are #textStart to #textEnd. Where its value begins. */
  #keyAt(start: number): number {
    const bytes = this.#buffer;
    if (bytes[start] !== QUOTE) return this.#bad(start);
    let at = this.#text(start);
    if (at < 0) return at;
    while (at < this.#length && isSpace(bytes[at])) at++;
    if (at >= this.#length) return INCOMPLETE;
    if (bytes[at] !== COLON) return this.#bad(at);
    at++;
    while (at < this.#length && isSpace(bytes[at])) at++;
    return at >= this.#length ? INCOMPLETE : at;
  }

  /** A text: its bytes are #textStart to #textEnd. Where it ends. */
  #text(start: number): number {
    const bytes = this.#buffer;
    const length = this.#length;
    for (let at = start + 1; at < length; at++) {
      const byte = bytes[at];
      if (byte === QUOTE) {
        this.#textStart = start + 1;
        this.#textEnd = at;
        return at + 1;
      }
      if (byte === BACKSLASH) at++;
      // A line end in a text: its end is missing.
      else if (byte === 10) return this.#bad(at);
    }
    return INCOMPLETE;
  }

  /** Any value. A number is in #digits; of a list or an object only the end is found. `wanted`: the number is. */
  #scalar(start: number, wanted: boolean): number {
    const bytes = this.#buffer;
    const length = this.#length;
    const first = bytes[start];
    this.#digits.value = NaN;
    if (first === QUOTE) {
      const end = this.#text(start);
      if (wanted && end > 0 && this.#textEnd > this.#textStart && this.#textEnd - this.#textStart < 20) this.#digits.read(bytes, this.#textStart, this.#textEnd);
      return end;
    }
    if (first === OPEN || first === OPEN_LIST) return this.#nested(start);
    let at = start;
    while (at < length) {
      const byte = bytes[at];
      if (byte === COMMA || byte === CLOSE || byte === CLOSE_LIST || byte <= 32) break;
      if (byte === QUOTE || byte === OPEN || byte === COLON) return this.#bad(at);
      at++;
    }
    if (at >= length) return INCOMPLETE;
    if (at === start) return this.#bad(at);
    this.#textStart = start;
    this.#textEnd = at;
    if (wanted) this.#digits.read(bytes, start, at);
    return at;
  }

  #nested(start: number): number {
    const bytes = this.#buffer;
    const length = this.#length;
    let depth = 0;
    this.#textStart = this.#textEnd = start;
    for (let at = start; at < length; at++) {
      const byte = bytes[at];
      if (byte === QUOTE) {
        for (at++; at < length && bytes[at] !== QUOTE; at++) {
          if (bytes[at] === BACKSLASH) at++;
          else if (bytes[at] === 10) return this.#bad(at);
        }
      } else if (byte === OPEN || byte === OPEN_LIST) {
        if (byte === OPEN && depth > 0 && this.#isEvent(at)) return this.#bad(at);
        depth++;
      } else if ((byte === CLOSE || byte === CLOSE_LIST) && --depth === 0) return at + 1;
    }
    return INCOMPLETE;
  }

  /** Whether an object begins as events do: inside another value the end of that one is missing. */
  #isEvent(at: number): boolean {
    const bytes = this.#buffer;
    let next = at + 1;
    while (next < this.#length && isSpace(bytes[next])) next++;
    return bytes[next] === QUOTE && bytes[next + 1] === 0x70 && bytes[next + 2] === 0x68 && bytes[next + 3] === QUOTE && next + 3 < this.#length;
  }

  #bad(at: number): number {
    this.#problem = at;
    return DAMAGED;
  }

  #intern(table: ByteTable): number {
    const [start, end] = [this.#textStart, this.#textEnd];
    const known = table.find(this.#buffer, start, end);
    if (known >= 0) return known;
    const used = (this.#used.get(table) ?? 0) + end - start + 16;
    if (used > MOST_TEXT) {
      this.dropped++;
      return -1;
    }
    this.#used.set(table, used);
    return table.add(this.#buffer, start, end);
  }
}

function isSpace(byte: number): boolean {
  return byte === 32 || (byte >= 9 && byte <= 13);
}
