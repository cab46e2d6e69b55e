import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '#core/errors';
import type { Profile } from '#core/model/profile';
import type { ByteSource } from '#core/read/format';
import { deltasName, replaySegment } from '../record/deltas.ts';
import { fileSource, openError } from '../record/read-context.ts';
import type { RecordingFile } from './recording-file.ts';
import { RECORDING_JSON, parseRecording } from './recording-file.ts';
import { ZipReader } from './zip.ts';

/** A recording's files, whether they lie in a folder or in a .flamebench file. Names use slashes: `tables/stacks.arrow`. */
export interface Contents {
  readonly names: readonly string[];
  open(name: string): ByteSource | null;
  close(): void;
}

/** Throws UserError where there is nothing, or nothing that is a recording. */
export function openContents(path: string): Contents {
  let folder: boolean;
  try {
    folder = statSync(path).isDirectory();
  } catch (cause) {
    throw openError(path, cause);
  }
  if (!folder) {
    const zip = new ZipReader(path);
    return { names: [...zip.entries.keys()], open: (name) => zip.open(name), close: () => zip.close() };
  }
  const names = readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(path.endsWith('/') ? path.length : path.length + 1))
    .sort();
  return { names, open: (name) => (names.includes(name) ? fileSource(join(path, name)) : null), close: () => undefined };
}

/** recording.json of the contents. Throws UserError. */
export function recordingOf(contents: Contents, where: string): RecordingFile {
  const source = contents.open(RECORDING_JSON);
  if (source === null) throw new UserError('not-a-recording', `${where} is not a recording: it has no ${RECORDING_JSON}`);
  try {
    return parseRecording(new TextDecoder().decode(source.read(0, source.size)), where);
  } finally {
    source.close();
  }
}

/**
 * Rebuilds a profile from all segments of deltas.bin. A cut at the end of the last segment is what a kill -9 leaves: it is
 * counted in profile.skipped, like everything that could not be read. Throws UserError where there is nothing to read.
 */
export function* replay(contents: Contents, profile: Profile, where: string): Generator<{ done: number; total: number }> {
  const segments: ByteSource[] = [];
  for (let n = 0; ; n++) {
    const source = contents.open(deltasName(n));
    if (source === null) break;
    segments.push(source);
  }
  if (segments.length === 0) throw new UserError('no-tables', `${where} has no ${deltasName(0)}: there is nothing to show`);
  const total = segments.reduce((sum, segment) => sum + segment.size, 0);
  let before = 0;
  try {
    for (const segment of segments) {
      const steps = replaySegment(profile, segment);
      let step = steps.next();
      for (; step.done !== true; step = steps.next()) yield { done: before + step.value, total };
      const lost = step.value;
      before += segment.size;
      if (lost > 0) {
        profile.skip('bytes at the end of the tables that were cut', lost);
        break;
      }
    }
  } finally {
    for (const segment of segments) segment.close();
  }
}
