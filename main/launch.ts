import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ROOT } from './paths.ts';
import { serve } from './web/serve.ts';

type Electron = { readonly path: string } | { readonly because: string };

/**
 * Opens the workbench: in Electron, or, where it cannot start, in the browser host with one line that gives the URL and
 * the reason. Resolves with the exit code.
 */
export async function openWorkbench(files: readonly string[], io: { print: (line: string) => void; warn: (line: string) => void }): Promise<number> {
  const electron = await findElectron();
  let because: string;
  if ('path' in electron) {
    const ended = await runElectron(electron.path, files);
    if (ended === null) return 0;
    if (ended.afterMs > 5000) return ended.code;
    because = `browser host: Electron ended at once with exit code ${ended.code}`;
  } else {
    because = electron.because;
  }
  return await serve({ port: null, files, json: false, because, print: io.print, warn: io.warn });
}

/** Electron's program, or why there is none. Fetches it once on a machine with a display, as Electron's own package does. */
async function findElectron(): Promise<Electron> {
  const folder = join(ROOT, 'node_modules', 'electron');
  const override = process.env.ELECTRON_OVERRIDE_DIST_PATH;
  if (override !== undefined) {
    const path = join(override, 'electron');
    return isProgram(path) ? { path } : { because: `browser host: ${path} is not a program` };
  }
  if (!process.env.DISPLAY && !process.env.WAYLAND_DISPLAY) return { because: 'browser host: there is no display here' };
  if (process.getuid?.() === 0) return { because: 'browser host: as root Electron would need its sandbox off' };
  if (!existsSync(folder)) return { because: 'browser host: Electron is not installed' };
  const installed = programOf(folder);
  if (installed !== null) return { path: installed };
  const code = await new Promise<number | null>((done) => {
    const child = spawn(process.execPath, [join(folder, 'install.js')], { stdio: ['ignore', 'ignore', 'ignore'], timeout: 180_000 });
    child.on('error', () => done(null));
    child.on('exit', done);
  });
  const fetched = programOf(folder);
  return code === 0 && fetched !== null ? { path: fetched } : { because: 'browser host: Electron could not be fetched' };
}

function programOf(folder: string): string | null {
  try {
    const path = join(folder, 'dist', readFileSync(join(folder, 'path.txt'), 'utf8').trim());
    return isProgram(path) ? path : null;
  } catch {
    return null;
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** null for a clean end. */
function runElectron(program: string, files: readonly string[]): Promise<{ code: number; afterMs: number } | null> {
  const began = performance.now();
  return new Promise((done) => {
    const child = spawn(program, [ROOT, ...files.map((file) => resolve(file))], { stdio: 'inherit' });
    // Ctrl-C reaches Electron through the terminal's process group; we stay to report its end.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
    child.on('error', () => done({ code: 127, afterMs: performance.now() - began }));
    child.on('exit', (code, signal) => done(code === 0 || signal !== null ? null : { code: code ?? 1, afterMs: performance.now() - began }));
  });
}
