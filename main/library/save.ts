import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { dirname, basename, join } from 'node:path';
import { UserError, messageOf } from '#core/errors';
import type { Contents } from './contents.ts';
import { openContents, recordingOf } from './contents.ts';
import { RECORDING_JSON } from './recording-file.ts';
import type { RecordingFile } from './recording-file.ts';
import { ZipWriter } from './zip.ts';

export const MIME_TYPE = 'application/vnd.flamebench+zip';
/** Said wherever raw streams are asked for. */
export const RAW_WARNING = 'The file holds copied stack memory: passwords, keys and data of the recorded program may be in it. Give it only to people who may see those.';

/**
 * Saves a recording (a folder, or a .flamebench file) as one .flamebench file: the same tree as a ZIP that any unzip opens.
 * Copied stack memory (perf's streams) is left out unless `withRaw`. The file appears whole, by rename; an existing file is
 * replaced (callers that must not, look first). Throws UserError where it cannot be written.
 */
export async function saveRecording(from: string, outFile: string, options: { readonly withRaw: boolean }): Promise<{ readonly bytes: number; readonly warnings: readonly string[] }> {
  const contents = openContents(from);
  try {
    const recording = recordingOf(contents, from);
    if (recording.state === 'running') throw new UserError('still-running', 'this recording is still running', { hint: 'Stop it first.' });
    return await writeZip(contents, recording, outFile, options.withRaw);
  } finally {
    contents.close();
  }
}

async function writeZip(contents: Contents, recording: RecordingFile, outFile: string, withRaw: boolean): Promise<{ bytes: number; warnings: string[] }> {
  const temporary = join(dirname(outFile), `.${basename(outFile)}.${randomBytes(4).toString('hex')}`);
  const warnings: string[] = [];
  let zip: ZipWriter;
  try {
    zip = new ZipWriter(temporary);
  } catch (cause) {
    throw new UserError('save', `${outFile} cannot be written: ${messageOf(cause)}`, { cause });
  }
  try {
    const secret = new Set(recording.streams.filter((stream) => stream.decoder === 'perf').map((stream) => stream.id));
    const streams = contents.names.filter((name) => name.startsWith('streams/'));
    // Left out are also streams that recording.json does not name: nothing says what they hold.
    const open = (name: string) => recording.streams.some((stream) => !secret.has(stream.id) && name.startsWith(`streams/${stream.id}.`));
    const kept = streams.filter((name) => withRaw || open(name));
    const raw = kept.some((name) => !open(name));
    if (raw) warnings.push(RAW_WARNING);
    zip.add('mimetype', new TextEncoder().encode(MIME_TYPE));
    const shown: RecordingFile = { ...recording, running: [], raw };
    zip.add(RECORDING_JSON, new TextEncoder().encode(`${JSON.stringify(shown, null, 1)}\n`));
    const wanted = contents.names.filter((name) => /^deltas(\.\d{4})?\.bin$|^terminal(-\d+)?\.cast$|^tables\/[\w.-]+\.arrow$/.test(name));
    for (const name of [...wanted, ...kept]) {
      const source = contents.open(name);
      if (source === null) continue;
      try {
        zip.addSource(name, source);
      } finally {
        source.close();
      }
      // A large recording is copied piece by piece; the loop is given back between files.
      await new Promise((next) => setImmediate(next));
    }
    zip.finish();
    renameSync(temporary, outFile);
    syncFolder(dirname(outFile));
    return { bytes: zip.bytes, warnings };
  } catch (cause) {
    if (existsSync(temporary)) {
      zip.abandon();
      rmSync(temporary, { force: true });
    }
    if (cause instanceof UserError) throw cause;
    throw new UserError('save', `${outFile} cannot be written: ${messageOf(cause)}`, { hint: 'Is the disk full?', cause });
  }
}

function syncFolder(folder: string): void {
  try {
    const fd = openSync(folder, 'r');
    fsyncSync(fd);
    closeSync(fd);
  } catch {
    // Some file systems do not sync folders; the file itself is on disk.
  }
}
