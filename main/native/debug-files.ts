import { readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { ElfFile } from '#core/native/elf';
import type { ByteSource } from '#core/read/format';

/** Whether the bytes are an ELF file with this build id. An empty id accepts everything. */
export function hasBuildId(source: ByteSource, buildId: string): boolean {
  if (buildId === '') return true;
  const own = ElfFile.open(source)?.buildId ?? '';
  // perf writes 20 bytes always, with zeros after a shorter id.
  return own === buildId || (own !== '' && buildId.startsWith(own) && /^0*$/.test(buildId.slice(own.length)));
}

/**
 * Where a separate debug file of `path` may lie, best first, as gdb and perf look for it: by build id, in perf's own
 * cache, by the name in .gnu_debuglink.
 */
export function debugPlaces(path: string, buildId: string, debugLink: string, roots: readonly string[]): string[] {
  const places: string[] = [];
  const id = /^[0-9a-f]{6,}$/.test(buildId) ? buildId : '';
  for (const root of roots) {
    if (id !== '') places.push(`${root}/usr/lib/debug/.build-id/${id.slice(0, 2)}/${id.slice(2)}.debug`);
    if (debugLink !== '') {
      const folder = dirname(path);
      places.push(`${root}${join(folder, '.debug', debugLink)}`, `${root}/usr/lib/debug${join(folder, debugLink)}`);
      // Debian merged /lib into /usr/lib; its debug files kept the old or took the new path.
      if (folder.startsWith('/usr/')) places.push(`${root}/usr/lib/debug${join(folder.slice(4), debugLink)}`);
      else places.push(`${root}/usr/lib/debug/usr${join(folder, debugLink)}`);
      const beside = `${root}${join(folder, debugLink)}`;
      if (beside !== `${root}${path}`) places.push(beside);
    }
  }
  if (id !== '') {
    const cache = join(homedir(), '.debug', '.build-id', id.slice(0, 2), id.slice(2));
    places.push(join(cache, 'debug'), join(cache, 'elf'));
    try {
      for (const name of readdirSync(join(homedir(), '.cache', 'debuginfod_client', id))) {
        if (name === 'debuginfo') places.push(join(homedir(), '.cache', 'debuginfod_client', id, name));
      }
    } catch {
      // No such cache: the usual case.
    }
  }
  return places;
}
