import { UserError } from '#core/errors';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Appends values and whole columns to one growing buffer. Little-endian, as every machine we run on. Columns are
 * aligned to 8 bytes, so that the reader can use them in place.
 */
export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  length = 0;

  constructor(capacity = 4096) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  u8(value: number): void {
    this.#room(1);
    this.#bytes[this.length++] = value;
  }

  u32(value: number): void {
    this.#room(4);
    this.#view.setUint32(this.length, value, true);
    this.length += 4;
  }

  f64(value: number): void {
    this.#room(8);
    this.#view.setFloat64(this.length, value, true);
    this.length += 8;
  }

  string(value: string): void {
    const bytes = encoder.encode(value);
    this.u32(bytes.length);
    this.bytes(bytes);
  }

  bytes(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** A column: its length in rows, padding to 8 bytes, its bytes. */
  column(values: Int32Array | Uint32Array | Float64Array): void {
    this.u32(values.length);
    this.#room(8);
    while (this.length % 8 !== 0) this.#bytes[this.length++] = 0;
    this.bytes(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }

  /** What was written; valid until the next write. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.length);
  }

  #room(bytes: number): void {
    if (this.length + bytes <= this.#bytes.length) return;
    const bigger = new Uint8Array(Math.max(this.#bytes.length * 2, this.length + bytes));
    bigger.set(this.#bytes.subarray(0, this.length));
    this.#bytes = bigger;
    this.#view = new DataView(bigger.buffer);
  }
}

/** Reads what ByteWriter wrote. Every read is checked: a damaged file is a UserError, never a crash. */
export class ByteReader {
  #bytes: Uint8Array;
  #view: DataView;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#bytes.length - this.at;
  }

  u8(): number {
    this.#need(1);
    return this.#bytes[this.at++];
  }

  u32(): number {
    this.#need(4);
    const value = this.#view.getUint32(this.at, true);
    this.at += 4;
    return value;
  }

  f64(): number {
    this.#need(8);
    const value = this.#view.getFloat64(this.at, true);
    this.at += 8;
    return value;
  }

  string(): string {
    return decoder.decode(this.bytes(this.u32()));
  }

  /** The next bytes, without a copy. */
  bytes(length: number): Uint8Array {
    this.#need(length);
    const bytes = this.#bytes.subarray(this.at, this.at + length);
    this.at += length;
    return bytes;
  }

  int32(): Int32Array<ArrayBuffer> {
    return new Int32Array(this.#column(4));
  }

  uint32(): Uint32Array<ArrayBuffer> {
    return new Uint32Array(this.#column(4));
  }

  float64(): Float64Array<ArrayBuffer> {
    return new Float64Array(this.#column(8));
  }

  // A copy: the message may start anywhere in its buffer, and rows outlive it.
  #column(size: number): ArrayBuffer {
    const rows = this.u32();
    this.at += (8 - (this.at % 8)) % 8;
    const bytes = this.bytes(rows * size);
    const copy = new Uint8Array(bytes.length);
    copy.set(bytes);
    return copy.buffer;
  }

  #need(bytes: number): void {
    if (this.at + bytes > this.#bytes.length) {
      throw new UserError('delta-cut', `a delta of ${this.#bytes.length} bytes ends at byte ${this.at}, ${bytes} more were expected`);
    }
  }
}
