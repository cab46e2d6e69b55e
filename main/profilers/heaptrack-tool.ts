// Where heaptrack and its parts are. Its own script says where they lie beside it; distributions differ.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findTool, realPath, versionOf } from './find-tool.ts';
import type { SystemFacts } from './system.ts';

export interface HeaptrackTool {
  /** `1.4.0`; '' where it does not say. */
  readonly version: string;
  /** Turns what was recorded into names. */
  readonly interpret: string;
  /** Loaded into a program that starts, and into one that runs. */
  readonly preload: string;
  readonly inject: string;
}

/** heaptrack with all its parts; null where it is not installed, or not whole. */
export async function findHeaptrack(): Promise<HeaptrackTool | null> {
  const script = findTool('heaptrack');
  if (script === null) return null;
  const folder = dirname(realPath(script));
  let text = '';
  try {
    text = readFileSync(script, 'utf8');
  } catch {
    // Its usual places are looked at all the same.
  }
  const said = (name: string): string[] => {
    const path = new RegExp(`^${name}="([^"$]+)"`, 'm').exec(text)?.[1];
    return path === undefined ? [] : [join(folder, path)];
  };
  const libraries = [...said('LIB_REL_PATH'), ...['lib/heaptrack', 'lib64/heaptrack'].map((path) => join(folder, '..', path))];
  const programs = [...said('LIBEXEC_REL_PATH'), ...libraries.map((path) => join(path, 'libexec')), join(folder, '../libexec')];
  const first = (folders: readonly string[], name: string): string | null => {
    const found = folders.map((path) => join(path, name)).find((path) => existsSync(path));
    return found === undefined ? null : realPath(found);
  };
  const interpret = first(programs, 'heaptrack_interpret');
  const preload = first(libraries, 'libheaptrack_preload.so');
  if (interpret === null || preload === null) return null;
  return { version: await versionOf(script), interpret, preload, inject: first(libraries, 'libheaptrack_inject.so') ?? '' };
}

/** The command that installs heaptrack here; '' where that is not known. */
export function heaptrackInstall(facts: SystemFacts): string {
  const sudo = facts.root ? '' : 'sudo ';
  const is = (name: string): boolean => facts.distribution.split(/\s+/).includes(name);
  if (is('debian') || is('ubuntu')) return `${sudo}apt-get install -y heaptrack`;
  if (is('fedora') || is('rhel') || is('centos')) return `${sudo}dnf install -y heaptrack`;
  if (is('arch')) return `${sudo}pacman -S --noconfirm heaptrack`;
  if (is('suse') || is('opensuse')) return `${sudo}zypper install -y heaptrack`;
  return '';
}
