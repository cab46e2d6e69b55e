import { closeSync, openSync, readFileSync, readSync, readlinkSync, fstatSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { parseMaps } from '#core/native/address-space';
import { memorySource } from '#core/native/file-view';
import type { NativeSources } from '#core/native/sources';
import type { ByteSource } from '#core/read/format';
import { debugPlaces, hasBuildId } from './debug-files.ts';
import { CAREFULLY, OpenFiles } from './files.ts';

/** A perf map is looked for again this often while there is none. */
const RETRY_MS = 250;
const MAP_CHUNK = 1 << 20;
/** What one call hands out at most, and a map gives in all. */
const MAP_CALL = 32 << 20;
const MAP_TOTAL = 1 << 30;
/** Perf maps that are followed at once; one that is dropped is read from its start when it is asked for again. */
const MAP_LIMIT = 256;
/** Processes whose memory is open at once. */
const MEMORY_LIMIT = 256;
const VDSO_LIMIT = 1 << 20;

interface FollowedMap {
  fd: number;
  offset: number;
  decoder: StringDecoder;
  lookedAt: number;
}

/** Files, maps and kernel symbols of this machine, as its processes see them. x86-64 Linux. Close it when the recording has ended. */
export class LiveSources implements NativeSources {
  #files: OpenFiles;
  #perfMaps = new Map<number, FollowedMap>();
  readonly #readsMemory: boolean;
  /** Open /proc/PID/mem by pid, -1 where it may not be read. */
  #memories = new Map<number, number>();
  #vdso: ByteSource | null | undefined = undefined;
  /** Text from elsewhere (an elevated shell) in place of our own view of /proc/kallsyms. */
  #kallsyms: string | null;

  /**
   * `kallsyms` is what a privileged helper read, where we ourselves may not. `memory` false: the processes are over, and who
   * has their ids now is somebody else.
   */
  constructor(options: { openFiles?: number; kallsyms?: string; memory?: boolean } = {}) {
    this.#readsMemory = options.memory ?? true;
    this.#files = new OpenFiles(options.openFiles ?? 512);
    this.#kallsyms = options.kallsyms ?? null;
  }

  elf(path: string, pid: number, buildId: string): ByteSource | null {
    for (const place of [`/proc/${pid}/root${path}`, path]) {
      const source = this.#files.open(place);
      if (source !== null && hasBuildId(source, buildId)) return source;
    }
    return this.#deleted(path, pid, buildId);
  }

  debugFile(path: string, pid: number, buildId: string, debugLink: string): ByteSource | null {
    for (const place of debugPlaces(path, buildId, debugLink, [`/proc/${pid}/root`, ''])) {
      const source = this.#files.open(place);
      if (source !== null && hasBuildId(source, buildId)) return source;
    }
    return null;
  }

  /** All processes of a kernel share one vdso image (of their word size): any that can be read will do, ours too. */
  vdso(pid: number): ByteSource | null {
    this.#vdso ??= readVdso(process.pid) ?? readVdso(pid);
    return this.#vdso;
  }

  kallsyms(): string | null {
    const steps = this.kallsymsSteps();
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
    }
  }

  /** The kernel makes the text (5 MB) while it is read, 4 KB a call: 60 ms in all. */
  *kallsymsSteps(): Generator<undefined, string | null> {
    let text = this.#kallsyms;
    if (text === null) {
      let file: number;
      try {
        file = openSync('/proc/kallsyms', 'r');
      } catch {
        return null;
      }
      const pieces: string[] = [];
      try {
        const buffer = Buffer.alloc(1 << 16);
        for (let calls = 1; ; calls++) {
          const got = readSync(file, buffer, 0, buffer.length, null);
          if (got === 0) break;
          pieces.push(buffer.toString('latin1', 0, got));
          if (calls % 32 === 0) yield undefined;
        }
      } catch {
        return null;
      } finally {
        closeSync(file);
      }
      text = pieces.join('');
    }
    return /^0{16} \w \S+\n0{16} /.test(text) && !/^(?!0{16})[0-9a-f]{16} [tT] /m.test(text) ? null : text;
  }

  perfMap(pid: number): string {
    const now = Date.now();
    let map = this.#perfMaps.get(pid);
    if (map === undefined) {
      map = { fd: -1, offset: 0, decoder: new StringDecoder('utf8'), lookedAt: -Infinity };
      this.#perfMaps.set(pid, map);
      for (const [other, oldest] of this.#perfMaps) {
        if (this.#perfMaps.size <= MAP_LIMIT) break;
        if (oldest.fd >= 0) closeSync(oldest.fd);
        this.#perfMaps.delete(other);
      }
    }
    if (map.fd < 0) {
      if (now - map.lookedAt < RETRY_MS) return '';
      map.lookedAt = now;
      map.fd = openPerfMap(pid);
      if (map.fd < 0) return '';
    }
    const parts: string[] = [];
    const size = Math.min(MAP_TOTAL, fstatSync(map.fd).size);
    // Written anew: its lines win over those that we had.
    if (size < map.offset) map.offset = 0;
    const end = Math.min(size, map.offset + MAP_CALL);
    if (map.offset >= end) return '';
    const chunk = new Uint8Array(Math.min(MAP_CHUNK, end - map.offset));
    while (map.offset < end) {
      const got = readSync(map.fd, chunk, 0, Math.min(chunk.length, end - map.offset), map.offset);
      if (got === 0) break;
      map.offset += got;
      parts.push(map.decoder.write(chunk.subarray(0, got)));
    }
    return parts.join('');
  }

  maps(pid: number): string | null {
    try {
      return readFileSync(`/proc/${pid}/maps`, 'utf8');
    } catch {
      return null;
    }
  }

  memory(pid: number, address: number, length: number): Uint8Array | null {
    if (!this.#readsMemory) return null;
    let file = this.#memories.get(pid);
    if (file === undefined) {
      if (this.#memories.size >= MEMORY_LIMIT) this.#closeMemories();
      file = openMemory(pid);
      this.#memories.set(pid, file);
    }
    if (file < 0) return null;
    const bytes = new Uint8Array(length);
    try {
      // Nothing at all: it is another program now, or none.
      if (readSync(file, bytes, 0, length, address) === length) return bytes;
    } catch {
      return null;
    }
    closeSync(file);
    this.#memories.delete(pid);
    return null;
  }

  close(): void {
    this.#files.closeAll();
    this.#closeMemories();
    for (const map of this.#perfMaps.values()) if (map.fd >= 0) closeSync(map.fd);
    this.#perfMaps.clear();
  }

  #closeMemories(): void {
    for (const file of this.#memories.values()) if (file >= 0) closeSync(file);
    this.#memories.clear();
  }

  /** A file that was deleted or replaced since it was mapped is still there for the process that maps it. */
  #deleted(path: string, pid: number, buildId: string): ByteSource | null {
    const text = this.maps(pid);
    if (text === null) return null;
    for (const mapping of parseMaps(text)) {
      if (mapping.path !== path) continue;
      const range = `${mapping.start.toString(16)}-${(mapping.start + mapping.length).toString(16)}`;
      const source = this.#files.open(`/proc/${pid}/map_files/${range}`);
      if (source !== null && hasBuildId(source, buildId)) return source;
      return null;
    }
    return null;
  }
}

/** The perf map under the pid that the process has in its own namespace, in its own /tmp. -1 where there is none. */
function openPerfMap(pid: number): number {
  let own = pid;
  try {
    const match = /^NSpid:.*?(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
    if (match !== null) own = Number(match[1]);
  } catch {
    // Gone: its map may still lie in our /tmp.
  }
  const places = [`/proc/${pid}/root/tmp/perf-${own}.map`, `/tmp/perf-${pid}.map`];
  for (const place of places) {
    try {
      const fd = openSync(place, CAREFULLY);
      if (fstatSync(fd).isFile()) return fd;
      closeSync(fd);
    } catch {
      // The next place.
    }
  }
  return -1;
}

/** -1 where it may not be read. */
function openMemory(pid: number): number {
  try {
    return openSync(`/proc/${pid}/mem`, 'r');
  } catch {
    return -1;
  }
}

function readVdso(pid: number): ByteSource | null {
  let fd = -1;
  try {
    const mapping = parseMaps(readFileSync(`/proc/${pid}/maps`, 'utf8')).find((m) => m.path === '[vdso]');
    if (mapping === undefined || mapping.length > VDSO_LIMIT) return null;
    fd = openSync(`/proc/${pid}/mem`, 'r');
    const bytes = new Uint8Array(mapping.length);
    const got = readSync(fd, bytes, 0, bytes.length, mapping.start);
    return got === bytes.length ? memorySource(bytes) : null;
  } catch {
    return null;
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}

/** The directory of a running process, for "own code"; '' when it cannot be seen. */
export function directoryOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return '';
  }
}
