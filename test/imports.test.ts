// The walls between the folders. Most are compiled too (a tsconfig per folder); this names the offender in one line.
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const folders = ['core', 'main', 'preload', 'renderer'];

function files(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return name === 'node_modules' ? [] : files(path);
    return /\.(ts|svelte)$/.test(name) ? [path] : [];
  });
}

/** Where an import leads: a path from the root for our own files, the package's name for others. */
function target(from: string, specifier: string): string {
  if (specifier.startsWith('#core/')) return `core/${specifier.slice(6)}`;
  if (specifier.startsWith('.')) return relative(root, resolve(dirname(from), specifier));
  return specifier;
}

/** `import ... from 'x'`, `export ... from 'x'`, `import('x')`. Type imports count: a wall is a wall. */
export function importsOf(text: string): string[] {
  const found = text.matchAll(/(?:(?<=[\s}*])from\s*|\bimport\s*\(\s*|^\s*import\s+)['"]([^'"\n]+)['"]/gm);
  return [...found].map((match) => match[1]);
}

const isPackage = (to: string, ...names: string[]) => names.some((name) => to === name || to.startsWith(`${name}/`));

/** The rule, as one function: null when the import may stand, else why not. */
export function verdict(file: string, to: string): string | null {
  const inFolder = (folder: string) => file.startsWith(`${folder}/`);
  const leads = (folder: string) => to.startsWith(`${folder}/`);
  const own = folders.some(leads);
  if (inFolder('core')) return leads('core') ? null : 'core imports nothing outside itself';
  if (inFolder('preload')) return to === 'electron' || leads('preload') ? null : 'preload imports electron only';
  if (inFolder('main')) {
    if (leads('renderer') || leads('preload')) return 'main never reaches into the page';
    if (isPackage(to, 'electron') && !inFolder('main/electron')) return 'only main/electron knows electron';
    if (leads('main/electron') && !inFolder('main/electron')) return 'nothing depends on a host';
    // Node's inspector speaks over a WebSocket: we are its client.
    if (to === 'ws' && file === 'main/profilers/node-client.ts') return null;
    if (isPackage(to, 'node:http', 'node:https', 'http', 'ws') && !inFolder('main/web')) return 'only main/web knows http';
    if (isPackage(to, 'svelte', '@xterm/xterm', 'bits-ui')) return 'main has no page';
    return null;
  }
  if (leads('main') || leads('preload')) return 'the page reaches main only through its bridge';
  if (to.startsWith('node:') || isPackage(to, 'electron', 'ws', 'sharp', 'node-pty')) return 'the page runs without Node';
  if (to.startsWith('core/protocol/rpc') && !inFolder('renderer/bridge') && !inFolder('renderer/state')) return 'the page reaches main only through its bridge';
  const allowed = ['svelte', '@xterm/xterm', '@xterm/addon-fit', 'bits-ui', '@lucide/svelte', '@fontsource-variable', '@fontsource'];
  return own || isPackage(to, ...allowed) || to.startsWith('renderer/') ? null : `the page does not use ${to}`;
}

describe('imports', () => {
  const all = folders.flatMap((folder) => files(join(root, folder)));

  test('every import keeps to the walls', () => {
    const broken = all.flatMap((path) => {
      const file = relative(root, path);
      return importsOf(readFileSync(path, 'utf8')).flatMap((specifier) => {
        const why = verdict(file, target(path, specifier));
        return why === null ? [] : [`${file} imports ${specifier}: ${why}`];
      });
    });
    expect(broken).toEqual([]);
    expect(all.length).toBeGreaterThan(50);
  });

  test('the rule refuses what it is for', () => {
    expect(verdict('core/model/lane.ts', 'node:fs')).not.toBeNull();
    expect(verdict('core/model/lane.ts', 'main/paths.ts')).not.toBeNull();
    expect(verdict('main/app/workbench.ts', 'electron')).not.toBeNull();
    expect(verdict('main/app/workbench.ts', 'node:http')).not.toBeNull();
    expect(verdict('main/record/recording.ts', 'main/electron/window.ts')).not.toBeNull();
    expect(verdict('renderer/App.svelte', 'main/paths.ts')).not.toBeNull();
    expect(verdict('renderer/views/home/Home.svelte', 'core/protocol/rpc')).not.toBeNull();
    expect(verdict('preload/index.ts', 'core/protocol/api')).not.toBeNull();
    expect(verdict('core/read/folded.ts', 'core/model/profile')).toBeNull();
    expect(importsOf("import a from './a.ts';\nexport { b } from '#core/b';\nconst c = await import('node:fs');\nimport './d.css';\nadd('--from', seconds(1), 'x');"))
      .toEqual(['./a.ts', '#core/b', 'node:fs', './d.css']);
  });

  test('no file is over 500 lines without a reason at its head', () => {
    const long = all.flatMap((path) => {
      const lines = readFileSync(path, 'utf8').split('\n');
      return lines.length > 501 && !/^(\/\/|<!--|\/\*).*long because/i.test(lines[0]) ? [`${relative(root, path)}: ${lines.length} lines`] : [];
    });
    expect(long).toEqual([]);
  });
});
