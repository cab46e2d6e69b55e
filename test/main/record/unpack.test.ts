// Packed input: what hostile packing may grow to, and the one private part of node:zlib that live `perf -z` needs.
import { Readable } from 'node:stream';
import { constants, createGunzip, createZstdDecompress, gzipSync, zstdCompressSync, createZstdCompress } from 'node:zlib';
import { expect, test } from 'vitest';
import { readContext } from '../../../main/record/read-context.ts';
import { unpacked } from '../../../main/record/unpack.ts';

async function read(bytes: Uint8Array, packing: 'zstd' | 'gzip', free: number): Promise<number> {
  let length = 0;
  for await (const piece of unpacked(Readable.from([bytes]), packing, free)) length += (piece as Uint8Array).length;
  return length;
}

test('packing that only fills memory is refused with its numbers; a dense file of usual size is read', async () => {
  const zeros = new Uint8Array(20_000_000);
  await expect(read(zstdCompressSync(zeros), 'zstd', 1_000_000)).rejects.toThrow(/packed bytes hold more than .* reading ends here/);
  await expect(read(gzipSync(zeros), 'gzip', 1_000_000)).rejects.toThrow(/reading ends here/);
  expect(await read(zstdCompressSync(zeros), 'zstd', 30_000_000)).toBe(20_000_000);
});

test('a cut stream still fails after what it held', async () => {
  const whole = gzipSync(Buffer.from('words '.repeat(100_000)));
  await expect(read(whole.subarray(0, whole.length - 10), 'gzip', 1e9)).rejects.toThrow(/unexpected end/);
});

test('node:zlib still has the synchronous step that an unfinished stream needs', () => {
  for (const engine of [createGunzip(), createZstdDecompress()]) {
    // Were this to fail with a new Node: main/record/read-context.ts builds its inflater on it.
    expect(typeof (engine as unknown as { _processChunk?: unknown })._processChunk).toBe('function');
  }
});

test('a zstd stream that is never ended gives each piece at once, in any cut', async () => {
  const packer = createZstdCompress();
  const pieces: Buffer[] = [];
  packer.on('data', (piece: Buffer) => pieces.push(piece));
  for (const word of ['first ', 'second ', 'third']) {
    packer.write(word);
    await new Promise<void>((done) => { packer.flush(constants.ZSTD_e_flush, done); });
  }
  const bytes = Buffer.concat(pieces);
  for (const size of [1, 7, bytes.length]) {
    const inflater = readContext('live').inflater('zstd');
    let text = '';
    for (let at = 0; at < bytes.length; at += size) text += Buffer.from(inflater.push(bytes.subarray(at, at + size))).toString();
    expect(text).toBe('first second third');
  }
  packer.destroy();
  const broken = readContext('live').inflater('zstd');
  expect(() => broken.push(Buffer.from('these are no packed bytes at all'))).toThrow(/zstd stream is damaged/);
});
