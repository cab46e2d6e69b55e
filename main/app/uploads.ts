// Files that a page sends: kept in a private temporary folder until they are read.
import { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { UserError } from '#core/errors';
import { diskSpace, megabytes } from '../record/machine.ts';

interface Upload {
  readonly name: string;
  readonly folder: string;
  readonly path: string;
  readonly size: number;
  readonly file: FileHandle;
  at: number;
}

export class Uploads {
  readonly #uploads = new Map<string, Upload>();

  /** Throws UserError where the disk has no room for it. */
  async begin(name: string, size: number): Promise<string> {
    const space = await diskSpace(tmpdir());
    if (size > space.usable) throw new UserError('disk-full', `${name} has ${megabytes(size)}, and the disk of ${tmpdir()} has ${megabytes(Math.max(0, space.usable))} to spare`, { hint: 'Give its path instead: it is then read where it lies.' });
    const folder = mkdtempSync(join(tmpdir(), 'flamebench-upload-'));
    const safe = basename(name).replace(/[^\p{L}\p{N}._ -]/gu, '_').slice(-120);
    const path = join(folder, safe === '' || /^\.+$/.test(safe) ? 'file' : safe);
    const id = folder.slice(-6) + String(this.#uploads.size);
    this.#uploads.set(id, { name, folder, path, size, file: await open(path, 'wx', 0o600), at: 0 });
    return id;
  }

  /** Appends the next bytes. Throws UserError for more than was said. */
  async chunk(id: string, bytes: Uint8Array): Promise<void> {
    const upload = this.#get(id);
    if (upload.at + bytes.length > upload.size) throw new UserError('upload', `${upload.name} was to have ${upload.size} bytes, more came`);
    const at = upload.at;
    upload.at += bytes.length;
    for (let done = 0; done < bytes.length;) done += (await upload.file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
  }

  /** The whole file; `discard` removes it. Throws UserError while bytes are missing. */
  async take(id: string): Promise<{ path: string; name: string; discard: () => void }> {
    const upload = this.#get(id);
    if (upload.at !== upload.size) throw new UserError('upload', `${upload.name} came with ${upload.at} of ${upload.size} bytes`);
    this.#uploads.delete(id);
    await upload.file.close();
    return { path: upload.path, name: upload.name, discard: () => rmSync(upload.folder, { recursive: true, force: true }) };
  }

  async close(): Promise<void> {
    for (const upload of this.#uploads.values()) {
      await upload.file.close();
      rmSync(upload.folder, { recursive: true, force: true });
    }
    this.#uploads.clear();
  }

  #get(id: string): Upload {
    const upload = this.#uploads.get(id);
    if (upload === undefined) throw new UserError('upload', 'this upload is not known', { hint: 'Send the file again.' });
    return upload;
  }
}
