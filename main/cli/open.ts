// Opens what the user named: a .flamebench file, a recording's folder, a profile of another program, or `-`.
import { createReadStream, createWriteStream, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { open as openFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf, UserError } from '#core/errors';
import { Profile } from '#core/model/profile';
import type { Format } from '#core/read/format';
import { detect, HEAD_BYTES } from '#core/read/index';
import type { DecoderEvent } from '../record/messages.ts';
import { unpacked } from '../record/unpack.ts';
import { keep, removeAtExit } from './cleanup.ts';
import type { CliIo } from './io.ts';
import { UsageError } from './io.ts';
import { Progress } from './progress.ts';

/** A named input that can be read more than once; standard input was copied to a private file. */
export interface Input {
  readonly path: string;
  /** As it is shown. */
  readonly name: string;
  readonly kind: 'recording' | 'file';
  /** Removes what was made for it. */
  close(): void;
}

/** Looks at what was named. Throws UserError where it is not there, empty or unreadable. */
export async function openInput(path: string, io: CliIo): Promise<Input> {
  if (path === '-') return await spoolStdin(new StdinReader(io));
  let stat;
  try {
    stat = statSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UserError('no-file', code === 'ENOENT' || code === 'ENOTDIR' ? `there is no file ${path}` : `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
  const name = basename(path) === '' ? path : basename(path);
  if (stat.isDirectory()) {
    if (existsSync(join(path, 'recording.json'))) return { path, name, kind: 'recording', close: () => undefined };
    throw new UserError('is-directory', `${path} is a directory, and no recording of Flamebench`, { hint: 'Name a file in it.' });
  }
  // A pipe or a device can be read once only, like standard input.
  if (!stat.isFile()) return await spooled(createReadStream(path), name);
  if (stat.size === 0) throw new UserError('empty-file', `${path} is empty`, { hint: 'Was the recording stopped before its first sample?' });
  return { path, name, kind: await kindOf(path), close: () => undefined };
}

async function kindOf(path: string): Promise<Input['kind']> {
  const head = await firstBytes(path, 256);
  // Our own ZIP names its type in its first entry.
  return head.subarray(0, 4).toString('latin1') === 'PK\x03\x04' && head.includes('application/vnd.flamebench+zip') ? 'recording' : 'file';
}

async function firstBytes(path: string, length: number): Promise<Buffer> {
  let file;
  try {
    file = await openFile(path, 'r');
    const head = Buffer.alloc(length);
    const { bytesRead } = await file.read(head, 0, length, 0);
    return head.subarray(0, bytesRead);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UserError('read', `${path} cannot be read: ${code === 'EACCES' ? 'no permission' : messageOf(error)}`, { cause: error });
  } finally {
    await file?.close();
  }
}

/** Standard input whose beginning can be looked at before it is decided how the rest is read. */
export class StdinReader {
  #chunks: AsyncIterator<Uint8Array>;
  #head: Uint8Array[] = [];

  /** Throws UsageError where standard input is a terminal. */
  constructor(io: CliIo) {
    if (io.stdinIsTTY) throw new UsageError('standard input is a terminal: pipe a profile into it');
    this.#chunks = io.stdin[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  }

  /** Up to the first HEAD_BYTES. */
  async head(): Promise<Uint8Array> {
    let length = this.#head.reduce((sum, chunk) => sum + chunk.length, 0);
    while (length < HEAD_BYTES) {
      const { done, value } = await this.#chunks.next();
      if (done === true) break;
      this.#head.push(value);
      length += value.length;
    }
    return Buffer.concat(this.#head).subarray(0, HEAD_BYTES);
  }

  /** Everything, the head first. Once only. */
  async *all(): AsyncGenerator<Uint8Array> {
    yield* this.#head.splice(0);
    for (;;) {
      const { done, value } = await this.#chunks.next();
      if (done === true) return;
      yield value;
    }
  }
}

/** Lays standard input down in a private file. */
export async function spoolStdin(stdin: StdinReader): Promise<Input> {
  return await spooled(Readable.from(stdin.all()), 'standard input');
}

// Formats are told by content, some have to seek: what comes through a pipe is laid down first, memory stays bounded.
async function spooled(from: NodeJS.ReadableStream, name: string): Promise<Input> {
  const folder = mkdtempSync(join(tmpdir(), 'flamebench-'));
  removeAtExit(folder);
  const close = () => {
    rmSync(folder, { recursive: true, force: true });
    keep(folder);
  };
  const path = join(folder, 'input');
  try {
    await pipeline(from, createWriteStream(path, { mode: 0o600 }));
    if (statSync(path).size === 0) throw new UserError('empty-file', `${name} is empty`);
    return { path, name, kind: await kindOf(path), close };
  } catch (error) {
    close();
    throw error instanceof UserError ? error : new UserError('read', `${name} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** Reads an input whole. Damage after the first sample is counted in the profile, not thrown. */
export async function readProfile(input: Input, io: CliIo): Promise<Profile> {
  // Loaded here: folding text needs neither, and starts sooner without.
  return await withProgress(io, async (profile, emit) => {
    if (input.kind === 'recording') await (await import('../record/load.ts')).loadRecording(profile, input.path, emit);
    else await (await import('../record/import.ts')).importFile(profile, input.path, input.name, emit);
  });
}

/** One profile of several inputs where all are traces of the ranks of one job: they share a clock. null where they are not. */
export async function readTogether(inputs: readonly Input[], io: CliIo): Promise<Profile | null> {
  if (inputs.length < 2 || inputs.some((input) => input.kind !== 'file')) return null;
  const { belongTogether, importTogether } = await import('../record/together.ts');
  if (!await belongTogether(inputs)) return null;
  return await withProgress(io, (profile, emit) => importTogether(profile, inputs, emit));
}

async function withProgress(io: CliIo, read: (profile: Profile, emit: (event: DecoderEvent) => void) => Promise<void>): Promise<Profile> {
  const profile = new Profile();
  const progress = new Progress(io);
  try {
    await read(profile, (event) => {
      if (event.t === 'progress') progress.update(event.what, event.done, event.total);
    });
  } finally {
    progress.clear();
  }
  return profile;
}

/** Opens and reads what was named, and removes what was made for it: one file, or the traces of the ranks of one job. Throws UsageError for other files together. */
export async function openProfile(paths: readonly string[], io: CliIo): Promise<Profile> {
  const inputs: Input[] = [];
  try {
    for (const path of paths) inputs.push(await openInput(path, io));
    if (inputs.length === 1) return await readProfile(inputs[0], io);
    const together = await readTogether(inputs, io);
    if (together === null) throw new UsageError('several files are read together only where all are traces of the PyTorch profiler. One profile of others: flamebench convert IN... -o OUT');
    return together;
  } finally {
    for (const input of inputs) input.close();
  }
}

export type Packing = 'zstd' | 'gzip' | 'none';

/** The format of a file and how it is packed, without reading it whole. */
export async function formatOf(input: Input): Promise<{ format: Format; packing: Packing }> {
  const magic = await firstBytes(input.path, 4);
  const packing: Packing = magic[0] === 0x1f && magic[1] === 0x8b ? 'gzip' : magic.readUInt32LE(0) === 0xfd2fb528 ? 'zstd' : 'none';
  const file = createReadStream(input.path);
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const piece of unpacked(file, packing)) {
      pieces.push(piece as Uint8Array);
      length += (piece as Uint8Array).length;
      if (length >= HEAD_BYTES) break;
    }
  } catch (error) {
    if (length === 0) throw new UserError('unpack', `${input.name} is packed with ${packing}, and the packing is damaged: ${messageOf(error)}`, { cause: error });
  } finally {
    file.destroy();
  }
  return { format: detect(Buffer.concat(pieces).subarray(0, HEAD_BYTES), input.name), packing };
}
