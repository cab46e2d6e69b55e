// A profiler's own bytes on disk: streams/ID.zst, ID.0001.zst and so on, each one zstd stream of five minutes, flushed every
// 250 ms so that a kill -9 loses no more. Segments follow each other byte for byte: only the first one has perf's header.
import { createWriteStream, readdirSync } from 'node:fs';
import type { WriteStream } from 'node:fs';
import { join } from 'node:path';
import { constants, createZstdCompress } from 'node:zlib';
import type { ZstdCompress } from 'node:zlib';
import { messageOf } from '#core/errors';
import { SEGMENT_MS } from './deltas.ts';

const FLUSH_MS = 250;
/** Bytes that wait for the disk before the reader is told to wait. */
const BACKLOG = 64 * 1024 * 1024;

export function streamFile(id: string, segment: number): string {
  return segment === 0 ? `${id}.zst` : `${id}.${String(segment).padStart(4, '0')}.zst`;
}

/** The segments of a stream that are in a folder, in order. */
export function streamFiles(folder: string, id: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  const rest = (name: string) => (name.startsWith(`${id}.`) ? name.slice(id.length + 1) : '');
  return names.filter((name) => /^(\d{4}\.)?zst$/.test(rest(name))).sort((a, b) => (rest(a) === 'zst' ? -1 : rest(b) === 'zst' ? 1 : a < b ? -1 : 1));
}

export class RawStream {
  readonly #folder: string;
  readonly #id: string;
  #segment = -1;
  #since = 0;
  #zstd: ZstdCompress | null = null;
  #closing: Promise<void>[] = [];
  #timer: NodeJS.Timeout;
  #dirty = false;
  #onFailed: (message: string) => void;
  #failed = false;

  constructor(folder: string, id: string, onFailed: (message: string) => void) {
    this.#folder = folder;
    this.#id = id;
    this.#onFailed = onFailed;
    this.#timer = setInterval(() => {
      if (this.#dirty) this.#zstd?.flush(constants.ZSTD_e_flush);
      this.#dirty = false;
    }, FLUSH_MS);
    this.#timer.unref();
  }

  /** Takes the bytes (they may not change any more). Returns false when the disk is so far behind that reading should wait. */
  write(bytes: Uint8Array): boolean {
    if (this.#failed) return true;
    if (this.#zstd === null || Date.now() - this.#since > SEGMENT_MS) this.#next();
    this.#dirty = true;
    this.#zstd?.write(bytes);
    return (this.#zstd?.writableLength ?? 0) < BACKLOG;
  }

  onDrain(listener: () => void): void {
    if (this.#zstd === null) listener();
    else this.#zstd.once('drain', listener);
  }

  /** Resolves when everything is on disk, or writing failed. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#zstd?.end();
    this.#zstd = null;
    await Promise.all(this.#closing);
  }

  #next(): void {
    this.#zstd?.end();
    const file: WriteStream = createWriteStream(join(this.#folder, streamFile(this.#id, ++this.#segment)), { mode: 0o600 });
    const zstd = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 1 } });
    this.#closing.push(new Promise((resolve) => {
      file.once('close', resolve);
    }));
    const fail = (error: unknown) => {
      zstd.destroy();
      file.destroy();
      if (this.#failed) return;
      this.#failed = true;
      this.#zstd = null;
      this.#onFailed(messageOf(error));
    };
    file.on('error', fail);
    zstd.on('error', fail);
    zstd.pipe(file);
    this.#zstd = zstd;
    this.#since = Date.now();
  }
}
