// Chunks of bytes, cut anywhere, to lines. No string is made here: a line is a range of bytes, so that a decoder can look
// it up in a table of lines that it has seen, and a file of any size passes through a buffer of one line.

const NEWLINE = 10;
const RETURN = 13;

/** Called once a line, without its line end. The bytes are valid only during the call. */
export type OnLine = (bytes: Uint8Array, start: number, end: number) => void;

type Encoding = 'unknown' | 'utf-8' | 'utf-16le' | 'utf-16be';

/**
 * Splits chunks into lines ended by LF or CRLF. A byte order mark is dropped; UTF-16 (known by its mark) is turned into
 * UTF-8. A line is handed on up to `maxLength` bytes: what is longer is cut, and `cut` counts such lines.
 */
export class LineSplitter {
  /** Lines longer than the limit so far. */
  cut = 0;
  /** Lines handed on so far: the number of the current line, from 1. */
  line = 0;
  #onLine: OnLine;
  #maxLength: number;
  #rest = new Uint8Array(256);
  #restLength = 0;
  #overlong = false;
  #encoding: Encoding = 'unknown';
  #start: number[] = [];
  #decoder: InstanceType<typeof TextDecoder> | null = null;
  #encoder = new TextEncoder();

  constructor(onLine: OnLine, maxLength = 1_000_000) {
    this.#onLine = onLine;
    this.#maxLength = maxLength;
  }

  push(chunk: Uint8Array): void {
    if (this.#encoding === 'unknown') {
      // Three bytes are enough to know the mark; they may come one by one.
      const known = this.#start.length;
      for (let i = 0; i < chunk.length && this.#start.length < 3; i++) this.#start.push(chunk[i]);
      if (this.#start.length < 3) return;
      this.#begin(chunk.subarray(this.#start.length - known));
    } else {
      this.#feed(chunk);
    }
  }

  /** No more bytes: hands on the last line where it has no line end. */
  end(): void {
    if (this.#encoding === 'unknown') this.#begin(new Uint8Array(0));
    if (this.#decoder !== null) this.#bytes(this.#encoder.encode(this.#decoder.decode()));
    if (this.#restLength > 0 || this.#overlong) this.#emit(this.#rest, 0, this.#restLength);
    this.#restLength = 0;
  }

  #begin(chunk: Uint8Array): void {
    const [a, b, c] = this.#start;
    let skip = 0;
    this.#encoding = 'utf-8';
    if (a === 0xff && b === 0xfe) [this.#encoding, skip] = ['utf-16le', 2];
    else if (a === 0xfe && b === 0xff) [this.#encoding, skip] = ['utf-16be', 2];
    else if (a === 0xef && b === 0xbb && c === 0xbf) skip = 3;
    if (this.#encoding !== 'utf-8') this.#decoder = new TextDecoder(this.#encoding);
    this.#feed(Uint8Array.from(this.#start.slice(skip)));
    this.#feed(chunk);
  }

  #feed(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#bytes(this.#decoder === null ? chunk : this.#encoder.encode(this.#decoder.decode(chunk, { stream: true })));
  }

  #bytes(chunk: Uint8Array): void {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start);
      if (end < 0) break;
      if (this.#restLength === 0 && !this.#overlong) {
        this.#emit(chunk, start, end);
      } else {
        this.#keep(chunk, start, end);
        this.#emit(this.#rest, 0, this.#restLength);
        this.#restLength = 0;
      }
      start = end + 1;
    }
    if (start < chunk.length) this.#keep(chunk, start, chunk.length);
  }

  #keep(chunk: Uint8Array, start: number, end: number): void {
    // One byte over the limit is kept, so that a line of exactly the limit is not called cut.
    let take = end - start;
    if (this.#restLength + take > this.#maxLength + 1) {
      take = Math.max(0, this.#maxLength + 1 - this.#restLength);
      this.#overlong = true;
    }
    const needed = this.#restLength + take;
    if (needed > this.#rest.length) {
      const bigger = new Uint8Array(Math.max(needed, this.#rest.length * 2));
      bigger.set(this.#rest.subarray(0, this.#restLength));
      this.#rest = bigger;
    }
    this.#rest.set(chunk.subarray(start, start + take), this.#restLength);
    this.#restLength = needed;
  }

  #emit(bytes: Uint8Array, start: number, end: number): void {
    this.line++;
    if (end > start && !this.#overlong && bytes[end - 1] === RETURN) end--;
    if (this.#overlong || end - start > this.#maxLength) {
      this.cut++;
      this.#overlong = false;
      end = Math.min(end, start + this.#maxLength);
    }
    this.#onLine(bytes, start, end);
  }
}

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** The text of a range of bytes; bytes that are not UTF-8 become U+FFFD. */
export function textOf(bytes: Uint8Array, start: number, end: number): string {
  return UTF8.decode(bytes.subarray(start, end));
}

/** The lines of the head of a file, as text; the last one, which may be cut, is left out unless it is the only one. */
export function headLines(head: Uint8Array, limit = 200): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter((bytes, start, end) => {
    if (lines.length < limit) lines.push(textOf(bytes, start, Math.min(end, start + 4096)));
  });
  splitter.push(head);
  splitter.end();
  if (lines.length > 1 && head[head.length - 1] !== NEWLINE && head.length >= 65_536 && lines.length < limit) lines.pop();
  return lines;
}
