import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder that holds dist/ and resources/: the checkout, or the package's archive. */
export const ROOT = findRoot(dirname(fileURLToPath(import.meta.url)));

/** Shipped files: example recording, fonts, schemas. */
export const RESOURCES = join(ROOT, 'resources');

/** The built page. */
export const PAGE = join(ROOT, 'dist', 'renderer');

// From source this file lies in main/, from a bundle in dist/main/: the first folder upwards that has both is it. In a
// package the archive's unpacked twin is taken, which is a real folder: programs, threads and libraries need one.
function findRoot(here: string): string {
  const from = here.replace(/\bapp\.asar(?=[/\\]|$)/, 'app.asar.unpacked');
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'resources')) && existsSync(join(folder, 'package.json'))) return folder;
    if (folder === dirname(folder)) return from;
  }
}
