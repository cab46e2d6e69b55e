import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NativeSources } from '#core/native/sources';
import type { ByteSource } from '#core/read/format';
import { debugPlaces, hasBuildId } from './debug-files.ts';
import { OpenFiles } from './files.ts';

/**
 * Files for a finished recording or a perf.data, which may come from elsewhere: only files that carry the recorded build
 * id, or any from a folder that the user named (it holds either the paths below it, or the files side by side). The
 * kernel's symbols and perf maps come from that folder only (`kallsyms`, `perf-PID.map`): this machine's say nothing.
 */
export class OfflineSources implements NativeSources {
  #files = new OpenFiles(512);
  #folder: string;
  #given = new Set<number>();

  /** `folder` '' = none. */
  constructor(folder = '') {
    this.#folder = folder;
  }

  elf(path: string, _pid: number, buildId: string): ByteSource | null {
    if (this.#folder !== '') {
      const base = path.slice(path.lastIndexOf('/') + 1);
      for (const place of [join(this.#folder, path), join(this.#folder, base)]) {
        const source = this.#files.open(place);
        if (source !== null && hasBuildId(source, buildId)) return source;
      }
    }
    if (buildId === '') return null;
    for (const place of [path, ...debugPlaces(path, buildId, '', []).filter((cached) => cached.endsWith('/elf'))]) {
      const source = this.#files.open(place);
      if (source !== null && hasBuildId(source, buildId)) return source;
    }
    return null;
  }

  debugFile(path: string, _pid: number, buildId: string, debugLink: string): ByteSource | null {
    if (buildId === '' && this.#folder === '') return null;
    const roots = this.#folder === '' ? [''] : [this.#folder, ''];
    for (const place of debugPlaces(path, buildId, debugLink, roots)) {
      if (buildId === '' && !place.startsWith(this.#folder)) continue;
      const source = this.#files.open(place);
      if (source !== null && hasBuildId(source, buildId)) return source;
    }
    return null;
  }

  vdso(): ByteSource | null {
    return this.#folder === '' ? null : this.#files.open(join(this.#folder, '[vdso]'));
  }

  kallsyms(): string | null {
    return this.#folder === '' ? null : textOf(join(this.#folder, 'kallsyms'));
  }

  perfMap(pid: number): string {
    if (this.#folder === '' || this.#given.has(pid)) return '';
    this.#given.add(pid);
    return textOf(join(this.#folder, `perf-${pid}.map`)) ?? '';
  }

  maps(): string | null {
    return null;
  }

  close(): void {
    this.#files.closeAll();
  }
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return null;
  }
}
