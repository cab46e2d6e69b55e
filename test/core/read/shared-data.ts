import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

const ROOTS = [join(import.meta.dirname, '../../../../shared/data'), process.env['FLAMEBENCH_DATA'] ?? ''];

/** Bytes of a file of the shared data (unpacked where it is .gz or .xz), or null, with the reason printed, where it is absent. */
export function sharedData(path: string): Uint8Array | null {
  for (const root of ROOTS) {
    if (root === '') continue;
    const file = join(root, path);
    if (existsSync(file)) return file.endsWith('.gz') ? gunzipSync(readFileSync(file)) : new Uint8Array(readFileSync(file));
    if (existsSync(`${file}.xz`)) return new Uint8Array(execFileSync('xz', ['-dc', `${file}.xz`], { maxBuffer: 1 << 30 }));
  }
  console.log(`skipped: ${path} is not here (it is expected under ../shared/data)`);
  return null;
}

/** The bytes in pieces of `size`. */
export function* pieces(bytes: Uint8Array, size: number): Iterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export function textOf(chunks: Iterable<Uint8Array>): string {
  return Buffer.concat([...chunks]).toString('utf8');
}
