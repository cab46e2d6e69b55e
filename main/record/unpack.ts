import { Transform } from 'node:stream';
import type { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { formatCount } from '#core/analyze/format';
import { UserError } from '#core/errors';

/** A text of one letter packs a thousandfold; no profile does. Small files may: their beginning is not measured. */
const MOST_RATIO = 1000;
const FREE_BYTES = 256 * 1024 * 1024;

/** Bounds what packed bytes may grow to. */
export class Growth {
  packed = 0;
  #plain = 0;
  readonly #free: number;

  constructor(free = FREE_BYTES) {
    this.#free = free;
  }

  /** Throws UserError where the packing is one that only fills memory or disk. */
  add(bytes: number): void {
    this.#plain += bytes;
    if (this.#plain > this.#free && this.#plain > this.packed * MOST_RATIO) {
      throw new UserError('unpack-bomb', `${formatCount(this.packed)} packed bytes hold more than ${formatCount(this.#plain)}: no profile packs so well, so reading ends here`);
    }
  }
}

/**
 * A file's bytes, decompressed. A stream that is cut fails after all that it held was handed out; one that unpacks to
 * more than any profile does fails with UserError `unpack-bomb`. `free`: bytes that are never too many.
 */
export function unpacked(file: Readable, packing: 'zstd' | 'gzip' | 'none', free = FREE_BYTES): Readable {
  if (packing === 'none') return file;
  const unpacker = packing === 'zstd' ? createZstdDecompress() : createGunzip();
  const growth = new Growth(free);
  const bound = new Transform({
    transform: (bytes: Buffer, _encoding, done) => {
      try {
        // Packed bytes are read ahead of what they bring: counting all that went in errs to the harmless side.
        growth.packed = unpacker.bytesWritten;
        growth.add(bytes.length);
        done(null, bytes);
      } catch (error) {
        done(error as Error);
      }
    },
  });
  file.on('error', (error) => unpacker.destroy(error));
  unpacker.on('error', (error) => bound.destroy(error));
  bound.on('close', () => {
    unpacker.destroy();
    file.destroy();
  });
  file.pipe(unpacker);
  return unpacker.pipe(bound);
}
