// Bundles main (for Electron and packages) and the preload. In a checkout the command line and the browser host run
// from source; Electron's own Node gets plain JavaScript.
import { readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import type { InputOptions } from 'rolldown';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

// Native modules stay where npm put them: they find their binaries beside themselves.
const NATIVE = ['node-pty', 'sharp', 'electron'];
const core = { '#core': join(root, 'core') };

/** A thread is started by its file's name, so each keeps its own. */
function threadFiles(): Record<string, string> {
  const found: Record<string, string> = {};
  for (const folder of ['main/record', 'main/app', 'main/library', 'main/export']) {
    for (const name of readdirSync(join(root, folder)).filter((file) => file.endsWith('-thread.ts'))) {
      found[name.slice(0, -3)] = join(root, folder, name);
    }
  }
  return found;
}

async function write(options: InputOptions, format: 'es' | 'cjs', folder: string, extension: string): Promise<void> {
  const bundle = await rolldown({
    platform: 'node',
    resolve: { alias: core, extensions: ['.ts', '.js'] },
    external: [/^node:/, ...NATIVE],
    logLevel: 'warn',
    ...options,
  });
  // Everything flat in one folder: a thread's URL is relative to whichever file names it.
  await bundle.write({ dir: join(root, folder), format, entryFileNames: `[name].${extension}`, chunkFileNames: `[name]-[hash].${extension}`, sourcemap: true });
  await bundle.close();
}

export async function bundleMain(): Promise<void> {
  rmSync(join(root, 'dist/main'), { recursive: true, force: true });
  await write({
    input: { electron: join(root, 'main/electron/index.ts'), cli: join(root, 'main/cli/bin.ts'), ...threadFiles() },
  }, 'es', 'dist/main', 'js');
  await write({ input: { index: join(root, 'preload/index.ts') } }, 'cjs', 'dist/preload', 'cjs');
}
