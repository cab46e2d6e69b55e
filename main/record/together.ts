// Several traces of the PyTorch profiler, one a rank of a job, read into one profile on one clock.
import { statSync } from 'node:fs';
import { basename } from 'node:path';
import { UserError } from '#core/errors';
import type { Profile } from '#core/model/profile';
import { kineto, KinetoTogether } from '#core/read/kineto/format';
import { formatOfFile, pushFile } from './import.ts';
import type { DecoderEvent } from './messages.ts';

/** A file and what it is called. */
export interface NamedFile {
  readonly path: string;
  readonly name: string;
}

/** Whether these are several files and all of them traces that belong together. What cannot be read does not: who opens it alone says why. */
export async function belongTogether(files: readonly NamedFile[]): Promise<boolean> {
  if (files.length < 2) return false;
  for (const { path, name } of files) {
    try {
      if (!statSync(path).isFile() || (await formatOfFile(path, name)).format !== kineto) return false;
    } catch {
      // The answer is no: opened alone it says what is wrong with it.
      return false;
    }
  }
  return true;
}

/** What their profile is called: `rank0.json and 7 more`. */
export function titleTogether(files: readonly NamedFile[]): string {
  const first = basename(files[0].name).replace(/\.(gz|zst|zstd)$/i, '');
  return files.length === 2 ? `${first} and ${basename(files[1].name).replace(/\.(gz|zst|zstd)$/i, '')}` : `${first} and ${files.length - 1} more`;
}

/** Reads them one after another. Throws UserError where none holds anything; one that does not is counted in `skipped`. */
export async function importTogether(profile: Profile, files: readonly NamedFile[], emit: (event: DecoderEvent) => void): Promise<void> {
  profile.info.title = titleTogether(files);
  const sizes = files.map(({ path }) => statSync(path).size);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const what = `Reading ${files.length} traces of the PyTorch profiler`;
  emit({ t: 'progress', done: 0, total, what });
  const together = new KinetoTogether(profile);
  let before = 0;
  for (const [n, { path, name }] of files.entries()) {
    const { format, packing, inner } = await formatOfFile(path, name);
    if (format !== kineto) throw new UserError('together', `${name} is no trace of the PyTorch profiler`);
    const from = before;
    await pushFile(profile, together.open(inner), path, packing, (done) => emit({ t: 'progress', done: from + done, total, what }));
    before += sizes[n];
  }
  together.end();
  profile.info.live = false;
  profile.touch();
}
