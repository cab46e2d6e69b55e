import type { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';

/** A file's bytes, decompressed. A stream that is cut fails after all that it held was handed out. */
export function unpacked(file: Readable, packing: 'zstd' | 'gzip' | 'none'): Readable {
  if (packing === 'none') return file;
  const unpacker = packing === 'zstd' ? createZstdDecompress() : createGunzip();
  file.on('error', (error) => unpacker.destroy(error));
  return file.pipe(unpacker);
}
