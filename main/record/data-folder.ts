import { chmodSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The data folder: $FLAMEBENCH_HOME, else $XDG_DATA_HOME/flamebench, else ~/.local/share/flamebench. Made (0700) where it is missing. */
export function dataFolder(home?: string): string {
  const folder = home ?? process.env['FLAMEBENCH_HOME'] ?? join(process.env['XDG_DATA_HOME'] ?? join(homedir(), '.local', 'share'), 'flamebench');
  makePrivate(folder);
  return folder;
}

/** Where recordings live in a data folder. */
export function recordingsFolder(home: string): string {
  const folder = join(home, 'recordings');
  makePrivate(folder);
  return folder;
}

/** Makes a folder that only its owner enters, whatever the umask says. One that was there is left as it is: it may be shared. */
export function makePrivate(folder: string): void {
  if (mkdirSync(folder, { recursive: true, mode: 0o700 }) !== undefined) chmodSync(folder, 0o700);
}
