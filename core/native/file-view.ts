import type { ByteSource } from '#core/read/format';

const PAGE_BITS = 14;
const PAGE_SIZE = 1 << PAGE_BITS;
const PAGE_MASK = PAGE_SIZE - 1;
/** 256 pages of 16 KB: 4 MB a file at most. */
const PAGE_LIMIT = 256;
/** No table that we read at once is larger; a sparse file of a terabyte may claim one that is. */
const READ_LIMIT = 256 * 1024 * 1024;
const latin = new TextDecoder('latin1');

/** A place in a file that does not hold what its format says. Never leaves core/native. */
export class BadBinary extends Error {}

/** Little-endian numbers out of a file that is read in cached pages, so that a library of a gigabyte costs what is touched. */
export class FileView {
  readonly size: number;
  #source: ByteSource;
  #pages = new Map<number, Uint8Array>();
  #page: Uint8Array = new Uint8Array(0);
  #pageNumber = -1;

  constructor(source: ByteSource) {
    this.#source = source;
    this.size = source.size;
  }

  close(): void {
    this.#pages.clear();
    this.#source.close();
  }

  /** One byte. Throws BadBinary outside the file, as all reads here do. */
  u8(at: number): number {
    if (!(at >= 0 && at < this.size)) throw new BadBinary(`read at ${at} of ${this.size} bytes`);
    const number = Math.floor(at / PAGE_SIZE);
    if (number !== this.#pageNumber) this.#turnTo(number);
    const index = at & PAGE_MASK;
    if (index >= this.#page.length) throw new BadBinary(`the file ends before ${at}`);
    return this.#page[index];
  }

  u16(at: number): number {
    return this.u8(at) | (this.u8(at + 1) << 8);
  }

  i32(at: number): number {
    return this.u8(at) | (this.u8(at + 1) << 8) | (this.u8(at + 2) << 16) | (this.u8(at + 3) << 24);
  }

  u32(at: number): number {
    return this.i32(at) >>> 0;
  }

  /** As a number: exact below 2^53, which every address in a file is. */
  u64(at: number): number {
    return this.u32(at) + this.u32(at + 4) * 0x1_0000_0000;
  }

  i64(at: number): number {
    return this.u32(at) + this.i32(at + 4) * 0x1_0000_0000;
  }

  /** `length` bytes past the page cache, for tables that are read once. */
  bytes(at: number, length: number): Uint8Array {
    if (!(at >= 0 && length >= 0 && length <= READ_LIMIT && at + length <= this.size)) throw new BadBinary(`read of ${length} at ${at} of ${this.size} bytes`);
    const bytes = this.#source.read(at, length);
    if (bytes.length < length) throw new BadBinary(`the file ends before ${at + length}`);
    return bytes;
  }

  /** Text up to the next zero byte, `limit` bytes at most. */
  text(at: number, limit = 32768): string {
    let out = '';
    while (limit > 0) {
      this.u8(at);
      const from = at & PAGE_MASK;
      const end = Math.min(this.#page.length, from + limit);
      const zero = this.#page.subarray(from, end).indexOf(0);
      out += latin.decode(this.#page.subarray(from, zero < 0 ? end : from + zero));
      if (zero >= 0) return out;
      at += end - from;
      limit -= end - from;
      if (at >= this.size) return out;
    }
    return out;
  }

  #turnTo(number: number): void {
    let page = this.#pages.get(number);
    if (page === undefined) {
      page = this.#source.read(number * PAGE_SIZE, Math.min(PAGE_SIZE, this.size - number * PAGE_SIZE));
      if (this.#pages.size >= PAGE_LIMIT) {
        // Oldest first; a page that is still wanted comes back from the kernel's cache in microseconds.
        for (const old of this.#pages.keys()) {
          this.#pages.delete(old);
          if (this.#pages.size < PAGE_LIMIT / 2) break;
        }
      }
      this.#pages.set(number, page);
    }
    this.#page = page;
    this.#pageNumber = number;
  }
}

/** Bytes in memory as a source. */
export function memorySource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    read: (offset, length) => bytes.subarray(offset, Math.min(bytes.length, offset + length)),
    close: () => undefined,
  };
}
