// ZIP as PKWARE's APPNOTE.TXT 6.3.10 has it: written with method 0 (store) only, so that entries can be read by place; read
// with methods 0 and 8 (deflate), because people pack again. Sizes beyond 4 GB use the ZIP64 records.
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { crc32, inflateRawSync } from 'node:zlib';
import { UserError, messageOf } from '#core/errors';
import type { ByteSource } from '#core/read/format';
import { fileSource, memorySource } from '../record/read-context.ts';

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const LIMIT = 0xffff_ffff;
/** An entry that must be inflated is held in memory: no larger than this, whatever it claims. */
const LARGEST_INFLATED = 1 << 30;
const PIECE = 1 << 20;

interface Written {
  readonly name: Buffer;
  readonly crc: number;
  readonly size: number;
  readonly offset: number;
}

/** Writes a ZIP front to back; each entry's head is completed when its bytes are there. */
export class ZipWriter {
  readonly #fd: number;
  readonly #entries: Written[] = [];
  #at = 0;

  /** Makes the file (0600, it must not exist). */
  constructor(path: string) {
    this.#fd = openSync(path, 'wx', 0o600);
  }

  get bytes(): number {
    return this.#at;
  }

  add(name: string, bytes: Uint8Array): void {
    this.addSource(name, memorySource(bytes));
  }

  /** Copies a source of any size in pieces. */
  addSource(name: string, source: ByteSource): void {
    const encoded = Buffer.from(name, 'utf8');
    const offset = this.#at;
    // 20 bytes of ZIP64 sizes are always there, so that the head has one length whatever the size turns out to be.
    const head = localHead(encoded, 0, 0);
    this.#write(head);
    let crc = 0;
    let size = 0;
    while (size < source.size) {
      const piece = source.read(size, PIECE);
      if (piece.length === 0) break;
      crc = crc32(piece, crc);
      size += piece.length;
      this.#write(piece);
    }
    writeSync(this.#fd, localHead(encoded, crc, size), 0, head.length, offset);
    this.#entries.push({ name: encoded, crc, size, offset });
  }

  /** Writes the directory, makes sure that all is on disk, closes. */
  finish(): void {
    const start = this.#at;
    for (const entry of this.#entries) this.#write(centralHead(entry));
    const size = this.#at - start;
    const many = this.#entries.length;
    if (start > LIMIT || size > LIMIT || many > 0xffff) {
      const end64 = Buffer.alloc(56);
      end64.writeUInt32LE(END64, 0);
      end64.writeBigUInt64LE(44n, 4);
      end64.writeUInt16LE(45, 12);
      end64.writeUInt16LE(45, 14);
      end64.writeBigUInt64LE(BigInt(many), 24);
      end64.writeBigUInt64LE(BigInt(many), 32);
      end64.writeBigUInt64LE(BigInt(size), 40);
      end64.writeBigUInt64LE(BigInt(start), 48);
      const locator = Buffer.alloc(20);
      locator.writeUInt32LE(LOCATOR64, 0);
      locator.writeBigUInt64LE(BigInt(this.#at), 8);
      locator.writeUInt32LE(1, 16);
      this.#write(end64);
      this.#write(locator);
    }
    const end = Buffer.alloc(22);
    end.writeUInt32LE(END, 0);
    end.writeUInt16LE(Math.min(many, 0xffff), 8);
    end.writeUInt16LE(Math.min(many, 0xffff), 10);
    end.writeUInt32LE(Math.min(size, LIMIT), 12);
    end.writeUInt32LE(Math.min(start, LIMIT), 16);
    this.#write(end);
    fsyncSync(this.#fd);
    closeSync(this.#fd);
  }

  /** Gives up: closes without a directory. */
  abandon(): void {
    closeSync(this.#fd);
  }

  #write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) done += writeSync(this.#fd, bytes, done, bytes.length - done, this.#at + done);
    this.#at += bytes.length;
  }
}

// Flag 0x0800: the name is UTF-8. The time is fixed (1 January 1980), so that equal contents give equal files.
const FLAGS = 0x0800;
const DATE = 0x21;

// `mimetype` must lie at a fixed place without extra fields, as in other ZIP-based documents, so that `file` can tell it.
function hasExtra(name: Buffer): boolean {
  return !name.equals(Buffer.from('mimetype'));
}

function localHead(name: Buffer, crc: number, size: number): Buffer {
  const extra = hasExtra(name) ? 20 : 0;
  const large = extra > 0 && size >= LIMIT;
  const head = Buffer.alloc(30 + name.length + extra);
  head.writeUInt32LE(LOCAL, 0);
  head.writeUInt16LE(large ? 45 : 20, 4);
  head.writeUInt16LE(FLAGS, 6);
  head.writeUInt16LE(DATE, 12);
  head.writeUInt32LE(crc, 14);
  head.writeUInt32LE(large ? LIMIT : size, 18);
  head.writeUInt32LE(large ? LIMIT : size, 22);
  head.writeUInt16LE(name.length, 26);
  head.writeUInt16LE(extra, 28);
  head.set(name, 30);
  // Id 1 is ZIP64; 0xd935 is the id that Android's zipalign uses for padding and that readers skip.
  if (extra > 0) sizes64(head, 30 + name.length, large ? 1 : 0xd935, large ? size : 0);
  return head;
}

function sizes64(head: Buffer, at: number, id: number, size: number): void {
  head.writeUInt16LE(id, at);
  head.writeUInt16LE(16, at + 2);
  head.writeBigUInt64LE(BigInt(size), at + 4);
  head.writeBigUInt64LE(BigInt(size), at + 12);
}

function centralHead(entry: Written): Buffer {
  const large = entry.size >= LIMIT || entry.offset >= LIMIT;
  const extra = large ? 28 : 0;
  const head = Buffer.alloc(46 + entry.name.length + extra);
  head.writeUInt32LE(CENTRAL, 0);
  // Made on Unix, so that the mode below counts: a plain file, 0600.
  head.writeUInt16LE((3 << 8) | 45, 4);
  head.writeUInt16LE(large ? 45 : 20, 6);
  head.writeUInt16LE(FLAGS, 8);
  head.writeUInt16LE(DATE, 14);
  head.writeUInt32LE(entry.crc, 16);
  head.writeUInt32LE(large ? LIMIT : entry.size, 20);
  head.writeUInt32LE(large ? LIMIT : entry.size, 24);
  head.writeUInt16LE(entry.name.length, 28);
  head.writeUInt16LE(extra, 30);
  head.writeUInt32LE((0o100600 << 16) >>> 0, 38);
  head.writeUInt32LE(large ? LIMIT : entry.offset, 42);
  head.set(entry.name, 46);
  if (large) {
    const at = 46 + entry.name.length;
    sizes64(head, at, 1, entry.size);
    head.writeUInt16LE(24, at + 2);
    head.writeBigUInt64LE(BigInt(entry.offset), at + 20);
  }
  return head;
}

export interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly stored: number;
  readonly size: number;
  readonly offset: number;
}

/** A ZIP file opened for reading by entry. Throws UserError where it is not one, or damaged. */
export class ZipReader {
  readonly entries = new Map<string, ZipEntry>();
  readonly #file: ByteSource;
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    this.#file = fileSource(path);
    try {
      this.#readDirectory();
    } catch (error) {
      this.#file.close();
      if (error instanceof UserError) throw error;
      throw this.#damaged(messageOf(error));
    }
  }

  /** An entry as bytes by place; null where there is none of this name. */
  open(name: string): ByteSource | null {
    const entry = this.entries.get(name);
    if (entry === undefined) return null;
    const head = this.#file.read(entry.offset, 30);
    if (head.length < 30 || u32(head, 0) !== LOCAL) throw this.#damaged(`the entry ${name} does not begin at byte ${entry.offset}`);
    const start = entry.offset + 30 + u16(head, 26) + u16(head, 28);
    if (start + entry.stored > this.#file.size) throw this.#damaged(`the entry ${name} ends behind the file`);
    if (entry.method === 0) {
      return {
        size: entry.size,
        read: (offset, length) => this.#file.read(start + offset, Math.max(0, Math.min(length, entry.size - offset))),
        close: () => undefined,
      };
    }
    if (entry.method !== 8) throw this.#damaged(`the entry ${name} is packed with method ${entry.method}, known are 0 and 8`);
    if (entry.size > LARGEST_INFLATED) throw this.#damaged(`the entry ${name} would take ${entry.size} bytes of memory`);
    try {
      const bytes = inflateRawSync(this.#file.read(start, entry.stored), { maxOutputLength: Math.max(1, entry.size) });
      if (crc32(bytes) !== entry.crc) throw new Error('its checksum differs');
      return memorySource(bytes);
    } catch (error) {
      throw this.#damaged(`the entry ${name} cannot be unpacked: ${messageOf(error)}`);
    }
  }

  close(): void {
    this.#file.close();
  }

  #readDirectory(): void {
    const file = this.#file;
    const tail = file.read(Math.max(0, file.size - 65_557), 65_557);
    let end = tail.length - 22;
    while (end >= 0 && u32(tail, end) !== END) end--;
    if (end < 0) throw new UserError('not-a-zip', `${this.#path} is not a ZIP file, or its end is missing`);
    let many = u16(tail, end + 10);
    let size = u32(tail, end + 12);
    let start = u32(tail, end + 16);
    if (end >= 20 && u32(tail, end - 20) === LOCATOR64) {
      const end64 = file.read(u64(tail, end - 12), 56);
      if (end64.length < 56 || u32(end64, 0) !== END64) throw this.#damaged('its ZIP64 directory is missing');
      many = u64(end64, 32);
      size = u64(end64, 40);
      start = u64(end64, 48);
    }
    if (start + size > file.size) throw this.#damaged('its directory lies behind its end');
    const directory = file.read(start, size);
    let at = 0;
    for (let i = 0; i < many; i++) {
      if (at + 46 > directory.length || u32(directory, at) !== CENTRAL) throw this.#damaged(`entry ${i} of ${many} is missing in its directory`);
      const nameLength = u16(directory, at + 28), extraLength = u16(directory, at + 30);
      const name = Buffer.from(directory.subarray(at + 46, at + 46 + nameLength)).toString('utf8');
      const entry = { name, method: u16(directory, at + 10), crc: u32(directory, at + 16), stored: u32(directory, at + 20), size: u32(directory, at + 24), offset: u32(directory, at + 42) };
      large(entry, directory.subarray(at + 46 + nameLength, at + 46 + nameLength + extraLength));
      if (entry.method === 0 && entry.stored !== entry.size) throw this.#damaged(`the entry ${name} has two sizes`);
      this.entries.set(name, entry);
      at += 46 + nameLength + extraLength + u16(directory, at + 32);
    }
  }

  #damaged(what: string): UserError {
    return new UserError('zip-damaged', `${this.#path} is damaged: ${what}`);
  }
}

/** Takes sizes and offset from the ZIP64 extra field, where the 32-bit ones say so. */
function large(entry: { stored: number; size: number; offset: number }, extra: Uint8Array): void {
  for (let at = 0; at + 4 <= extra.length; at += 4 + u16(extra, at + 2)) {
    if (u16(extra, at) !== 1) continue;
    let from = at + 4;
    const next = () => { from += 8; return u64(extra, from - 8); };
    if (entry.size === LIMIT) entry.size = next();
    if (entry.stored === LIMIT) entry.stored = next();
    if (entry.offset === LIMIT) entry.offset = next();
    return;
  }
}

function u16(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8);
}

function u32(bytes: Uint8Array, at: number): number {
  return (u16(bytes, at) | (u16(bytes, at + 2) << 16)) >>> 0;
}

function u64(bytes: Uint8Array, at: number): number {
  return u32(bytes, at) + u32(bytes, at + 4) * 0x1_0000_0000;
}
