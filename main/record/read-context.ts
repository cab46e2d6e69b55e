import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import { UserError, messageOf } from '#core/errors';
import type { ByteSource, Inflater, ReadContext } from '#core/read/format';
import { Growth } from './unpack.ts';

/** A file as bytes by place. Throws UserError where it cannot be opened or is a directory. */
export function fileSource(path: string): ByteSource {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (cause) {
    throw openError(path, cause);
  }
  const stat = fstatSync(fd);
  if (stat.isDirectory()) {
    closeSync(fd);
    throw new UserError('is-directory', `${path} is a directory`, { hint: 'Open a file in it.' });
  }
  return {
    size: stat.size,
    read: (offset, length) => {
      const bytes = new Uint8Array(Math.max(0, Math.min(length, stat.size - offset)));
      let at = 0;
      while (at < bytes.length) {
        const got = readSync(fd, bytes, at, bytes.length - at, offset + at);
        if (got === 0) break;
        at += got;
      }
      return at === bytes.length ? bytes : bytes.subarray(0, at);
    },
    close: () => closeSync(fd),
  };
}

/** Bytes in memory as a source. */
export function memorySource(bytes: Uint8Array): ByteSource {
  return { size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length), close: () => undefined };
}

export function openError(path: string, cause: unknown): UserError {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return new UserError('no-file', `there is no file ${path}`, { cause });
  if (code === 'EACCES' || code === 'EPERM') return new UserError('no-access', `${path} may not be read: permission denied`, { hint: 'Its owner can change that.', cause });
  return new UserError('open', `${path} cannot be opened: ${messageOf(cause)}`, { cause });
}

/** What a decoder may ask of us. */
export function readContext(fileName: string): ReadContext {
  return {
    name: fileName,
    openFile: (path) => {
      try {
        return fileSource(path);
      } catch {
        // "null where there is none" is the contract: a decoder counts what it could not name.
        return null;
      }
    },
    inflater,
  };
}

/** The part of a node:zlib stream that its types leave out: the synchronous path under `unzipSync` and its kin. */
interface Engine {
  _handle: { close: () => void } | null;
  _processChunk(bytes: Uint8Array, flush: number): Buffer | undefined;
  close: () => void;
  removeAllListeners(event: 'error'): void;
  on(event: 'error', listener: () => void): void;
}

/** A decompressor that is fed piece by piece, synchronously, and never ended: a live `perf -z` is one unfinished stream. */
function inflater(kind: 'zstd' | 'gzip'): Inflater {
  const engine = (kind === 'zstd' ? createZstdDecompress() : createGunzip()) as unknown as Engine;
  const growth = new Growth();
  const flush = kind === 'zstd' ? constants.ZSTD_e_flush : constants.Z_SYNC_FLUSH;
  return {
    push: (bytes) => {
      if (bytes.length === 0) return bytes;
      // The synchronous path closes its engine after each call: closing is put off, so that the next piece finds it open.
      const handle = engine._handle;
      if (handle === null) throw new UserError('inflate', `the ${kind} stream was damaged before: it cannot be read further`);
      const { close } = handle;
      const closeEngine = engine.close;
      handle.close = () => undefined;
      engine.close = () => undefined;
      try {
        // A copy: the engine writes its next piece over this one.
        const plain = new Uint8Array(engine._processChunk(bytes, flush) ?? []);
        growth.packed += bytes.length;
        growth.add(plain.length);
        return plain;
      } catch (cause) {
        if (cause instanceof UserError) throw cause;
        throw new UserError('inflate', `a ${kind} stream is damaged: ${messageOf(cause)}`, { cause });
      } finally {
        handle.close = close;
        engine.close = closeEngine;
        engine._handle = handle;
        // Each call leaves a listener behind; the error that was thrown is emitted once more, later.
        engine.removeAllListeners('error');
        engine.on('error', () => undefined);
      }
    },
  };
}
