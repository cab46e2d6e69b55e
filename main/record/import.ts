// A file of another program, read into a profile: unpacked where it is packed, its format told from its first bytes.
import { closeSync, createReadStream, mkdtempSync, openSync, readSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UserError, messageOf } from '#core/errors';
import type { Profile } from '#core/model/profile';
import type { ChunkDecoder, Format } from '#core/read/format';
import { HEAD_BYTES, detect } from '#core/read/index';
import { Breather } from './breather.ts';
import type { DecoderEvent } from './messages.ts';
import { fileSource, openError, readContext } from './read-context.ts';
import { unpacked } from './unpack.ts';

export type Packing = 'zstd' | 'gzip' | 'none';
/** A decoder that reads front to back gets pieces of this size: about a millisecond of work each. */
const PIECE = 64 * 1024;

/**
 * Reads `path` (shown as `name`) to its end. Throws UserError where nothing could be read; what came before stays in the
 * profile. A cut packing is counted and what came before the cut is kept.
 */
export async function importFile(profile: Profile, path: string, name: string, emit: (event: DecoderEvent) => void): Promise<void> {
  let size: number;
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) throw new UserError('is-directory', `${path} is a directory`, { hint: 'Open a file in it, or a recording folder with a recording.json.' });
    size = stat.size;
  } catch (cause) {
    throw cause instanceof UserError ? cause : openError(path, cause);
  }
  const { format, packing, inner } = await formatOfFile(path, name);
  profile.info.title = inner;
  profile.info.format = format.id;
  profile.touch();
  const what = `Reading ${format.title}`;
  emit({ t: 'progress', done: 0, total: size, what });
  if (format.input === 'chunks') await readStream(profile, format, path, inner, packing, (done) => emit({ t: 'progress', done, total: size, what }));
  else await readFile(profile, format, path, inner, packing, size, (done, total) => emit({ t: 'progress', done, total, what }));
  if (profile.info.title === '') profile.info.title = inner;
  profile.info.live = false;
  profile.touch();
}

/** The format of a file from its first bytes, how it is packed, and its name without that. Throws UserError where nothing knows it. */
export async function formatOfFile(path: string, name: string): Promise<{ format: Format; packing: Packing; inner: string }> {
  const packing = packingOf(path);
  const inner = packing === 'none' ? name : name.replace(/\.(gz|zst|zstd)$/i, '');
  return { format: detect(await headOf(path, packing), inner), packing, inner };
}

async function readStream(profile: Profile, format: Extract<Format, { input: 'chunks' }>, path: string, name: string, packing: Packing, progress: (done: number) => void): Promise<void> {
  await pushFile(profile, format.open(profile, readContext(name)), path, packing, progress);
}

/** Unpacks a file into a decoder, to its end. `progress` gets bytes of the file. */
export async function pushFile(profile: Profile, decoder: ChunkDecoder, path: string, packing: Packing, progress: (done: number) => void): Promise<void> {
  const breather = new Breather();
  const file = createReadStream(path, { highWaterMark: PIECE });
  let told = 0;
  try {
    for await (const piece of unpacked(file, packing)) {
      decoder.push(piece as Uint8Array);
      if (file.bytesRead - told > 1_000_000) {
        told = file.bytesRead;
        progress(told);
      }
      await breather.pause();
    }
  } catch (error) {
    if (error instanceof UserError || packing === 'none') throw error;
    profile.skip(`the ${packing} packing ends early or is damaged: ${messageOf(error)}`);
  }
  decoder.end();
}

// A format that seeks needs plain bytes on disk: a packed file is unpacked into a private folder first.
async function readFile(profile: Profile, format: Extract<Format, { input: 'file' }>, path: string, name: string, packing: Packing, size: number, progress: (done: number, total: number) => void): Promise<void> {
  const scratch = packing === 'none' ? '' : mkdtempSync(join(tmpdir(), 'flamebench-'));
  try {
    let plain = path;
    if (packing !== 'none') {
      plain = join(scratch, 'unpacked');
      const fd = openSync(plain, 'wx', 0o600);
      try {
        for await (const piece of unpacked(createReadStream(path), packing)) writeSync(fd, piece as Uint8Array);
      } catch (error) {
        profile.skip(`the ${packing} packing ends early or is damaged: ${messageOf(error)}`);
      } finally {
        closeSync(fd);
      }
    }
    const source = fileSource(plain);
    try {
      format.read(profile, source, readContext(name), (done) => progress(done, packing === 'none' ? size : source.size));
    } finally {
      source.close();
    }
  } finally {
    if (scratch !== '') rmSync(scratch, { recursive: true, force: true });
  }
}

function packingOf(path: string): Packing {
  const fd = openSync(path, 'r');
  try {
    const magic = new Uint8Array(4);
    readSync(fd, magic, 0, 4, 0);
    if (magic[0] === 0x1f && magic[1] === 0x8b) return 'gzip';
    if (magic[0] === 0x28 && magic[1] === 0xb5 && magic[2] === 0x2f && magic[3] === 0xfd) return 'zstd';
    return 'none';
  } finally {
    closeSync(fd);
  }
}

async function headOf(path: string, packing: Packing): Promise<Uint8Array> {
  const file = createReadStream(path, { highWaterMark: PIECE });
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const piece of unpacked(file, packing)) {
      pieces.push(piece as Uint8Array);
      length += (piece as Uint8Array).length;
      if (length >= HEAD_BYTES) break;
    }
  } catch (error) {
    if (length === 0) throw new UserError('unpack', `${path} is packed with ${packing}, and the packing is damaged: ${messageOf(error)}`);
  } finally {
    file.destroy();
  }
  return Buffer.concat(pieces).subarray(0, HEAD_BYTES);
}
