// deltas.bin: every delta of a profile's tables as it was made. A record is u32 length, u32 CRC-32 of the stored bytes, the
// bytes; they are a delta (core/model/delta.ts, first byte DELTA_VERSION) or a zstd frame of one (first byte 0x28).
// A file may end anywhere: the first record that is short or does not match its sum ends it.
import { closeSync, openSync, writeSync } from 'node:fs';
import { crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { join } from 'node:path';
import { UserError, messageOf } from '#core/errors';
import type { Cursor } from '#core/model/delta';
import { applyDelta, startCursor, takeDelta } from '#core/model/delta';
import type { Profile } from '#core/model/profile';
import type { ByteSource } from '#core/read/format';

const ZSTD_FIRST_BYTE = 0x28;
const COMPRESS_FROM = 256;
/** One record of a recording holds at most this: a larger length is damage, and the memory of a reader stays bounded. */
const LARGEST_RECORD = 256 * 1024 * 1024;
export const SEGMENT_MS = 5 * 60 * 1000;

/** Name of the n-th segment: deltas.bin, deltas.0001.bin and so on. */
export function deltasName(segment: number): string {
  return segment === 0 ? 'deltas.bin' : `deltas.${String(segment).padStart(4, '0')}.bin`;
}

/** Appends what a profile gained to the segments of a folder. Writes are synchronous and small. */
export class DeltaWriter {
  #folder: string;
  #profile: Profile;
  #cursor: Cursor = startCursor();
  #file: number;
  #segment = 0;
  #segmentSince = Date.now();
  /** What ended the writing; '' while it works. */
  failed = '';
  bytes = 0;

  constructor(folder: string, profile: Profile) {
    this.#folder = folder;
    this.#profile = profile;
    this.#file = openSync(join(folder, deltasName(0)), 'w', 0o600);
  }

  /** Writes all rows since the last call. Never throws: a full disk sets `failed` and ends the writing. */
  flush(): void {
    if (this.failed !== '') return;
    try {
      for (;;) {
        const delta = takeDelta(this.#profile, this.#cursor, 4_000_000);
        if (!delta.empty || this.#profile.open.length > 0) this.#append(delta.bytes);
        this.#cursor = delta.cursor;
        if (delta.complete) break;
      }
    } catch (error) {
      this.failed = messageOf(error);
    }
  }

  close(): void {
    this.flush();
    closeSync(this.#file);
  }

  #append(delta: Uint8Array): void {
    if (Date.now() - this.#segmentSince > SEGMENT_MS) {
      closeSync(this.#file);
      this.#file = openSync(join(this.#folder, deltasName(++this.#segment)), 'w', 0o600);
      this.#segmentSince = Date.now();
    }
    const stored = delta.length < COMPRESS_FROM ? delta : zstdCompressSync(delta);
    const record = Buffer.allocUnsafe(8 + stored.length);
    record.writeUInt32LE(stored.length, 0);
    record.writeUInt32LE(crc32(stored), 4);
    record.set(stored, 8);
    for (let at = 0; at < record.length;) at += writeSync(this.#file, record, at);
    this.bytes += record.length;
  }
}

/**
 * Applies the records of one segment, one at a step; yields the bytes done. Returns bytes that could not be read at its end:
 * 0 for a whole segment. Throws UserError where a whole record is not a delta that this version reads.
 */
export function* replaySegment(profile: Profile, file: ByteSource): Generator<number, number> {
  let at = 0;
  while (at + 8 <= file.size) {
    const head = file.read(at, 8);
    const view = new DataView(head.buffer, head.byteOffset, 8);
    const length = view.getUint32(0, true);
    if (length === 0 || length > LARGEST_RECORD || at + 8 + length > file.size) break;
    const stored = file.read(at + 8, length);
    if (crc32(stored) !== view.getUint32(4, true)) break;
    applyDelta(profile, stored[0] === ZSTD_FIRST_BYTE ? unpack(stored, at) : stored);
    at += 8 + length;
    yield at;
  }
  return file.size - at;
}

function unpack(stored: Uint8Array, at: number): Uint8Array {
  try {
    return zstdDecompressSync(stored, { maxOutputLength: LARGEST_RECORD * 4 });
  } catch (cause) {
    throw new UserError('deltas', `the record at byte ${at} of the tables cannot be unpacked: ${messageOf(cause)}`, { cause });
  }
}
