// Where a result goes: standard output for `-`, else a file that appears whole, by rename.
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { UserError } from '#core/errors';
import { keep, removeAtExit } from './cleanup.ts';
import type { CliIo } from './io.ts';
import { print } from './io.ts';

/** Refuses a path that stands or cannot be written, before any work is done. */
export async function checkOutput(path: string, force: boolean): Promise<void> {
  if (path === '-') return;
  const found = await stat(path).catch(() => null);
  if (found?.isDirectory() === true) throw new UserError('output', `${path} is a directory`, { hint: 'Name a file in it.' });
  // A device or a pipe (/dev/stdout) is written to as it is.
  if (found !== null && found.isFile() && !force) throw new UserError('exists', `${path} exists`, { hint: 'Give another name, or --force to replace it.' });
  const folder = await stat(dirname(path)).catch(() => null);
  if (folder === null || !folder.isDirectory()) throw new UserError('output', `there is no directory ${dirname(path)}`, { command: `mkdir -p ${quoted(dirname(path))}` });
  await access(found !== null && !found.isFile() ? path : dirname(path), constants.W_OK).catch(() => {
    throw new UserError('output', `${path} cannot be written: no permission`, { hint: 'Choose another directory.' });
  });
}

/** Writes chunks to a path or to standard output. A file is complete or not there at all. Returns bytes written. */
export async function writeOutput(io: CliIo, path: string, chunks: Iterable<Uint8Array>): Promise<number> {
  let bytes = 0;
  if (path === '-') {
    for (const chunk of chunks) {
      bytes += chunk.length;
      if (chunk.length > 0) await print(io.stdout, chunk);
    }
    return bytes;
  }
  const found = await stat(path).catch(() => null);
  const direct = found !== null && !found.isFile();
  const target = direct ? path : temporaryName(path);
  if (!direct) removeAtExit(target);
  try {
    const file = await open(target, direct ? 'w' : 'wx', 0o644);
    try {
      for (const chunk of chunks) {
        bytes += chunk.length;
        await file.writeFile(chunk);
      }
      if (!direct) await file.sync();
    } finally {
      await file.close();
    }
    if (!direct) await rename(target, path);
  } catch (error) {
    if (!direct) await rm(target, { force: true });
    if (error instanceof UserError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UserError('output', `${path} cannot be written: ${code === 'ENOSPC' ? 'the disk is full' : message}`, { cause: error });
  } finally {
    keep(target);
  }
  return bytes;
}

/** A name beside `path` that nothing else uses. */
export function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(4).toString('hex')}`);
}

export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
