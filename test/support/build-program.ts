import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const programs = new URL('../programs/', import.meta.url).pathname;
let folder = '';

/** Compiles test/programs/NAME.c with these options and returns the program's path; null where there is no compiler. */
export function buildProgram(name: string, options: readonly string[] = ['-O2', '-g'], as = name, strip = false): string | null {
  if (folder === '') {
    folder = mkdtempSync(join(tmpdir(), 'flamebench-programs-'));
    process.once('exit', () => { rmSync(folder, { recursive: true, force: true }); });
  }
  const path = join(folder, as);
  try {
    execFileSync('cc', [...options, '-pthread', join(programs, `${name}.c`), '-o', path, '-ldl'], { stdio: ['ignore', 'ignore', 'pipe'] });
    if (strip) execFileSync('strip', [path]);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
  return path;
}
