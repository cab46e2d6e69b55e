import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Profile } from '#core/model/profile';
import { loadRecording } from '../record/load.ts';
import { RECORDING_JSON } from './recording-file.ts';

/**
 * Reads a recording (a folder, or a .flamebench file) into a profile, in this thread: for the command line.
 * Throws UserError where it is missing, damaged, or newer than this Flamebench.
 */
export async function openRecording(path: string): Promise<Profile> {
  const profile = new Profile();
  await loadRecording(profile, path, () => undefined);
  return profile;
}

/** Whether a path is a recording of ours: a folder with a recording.json, or a ZIP (whatever it holds) that ends in .flamebench or begins with our mimetype. */
export function isRecording(path: string): boolean {
  try {
    if (statSync(path).isDirectory()) return statSync(join(path, RECORDING_JSON)).isFile();
    const fd = openSync(path, 'r');
    try {
      const head = Buffer.alloc(64);
      readSync(fd, head, 0, 64, 0);
      if (head.readUInt32LE(0) !== 0x04034b50) return false;
      return path.endsWith('.flamebench') || head.toString('latin1', 30).startsWith('mimetypeapplication/vnd.flamebench');
    } finally {
      closeSync(fd);
    }
  } catch {
    // Not there, or not ours to read: opening it will say so.
    return false;
  }
}
