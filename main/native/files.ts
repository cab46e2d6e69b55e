import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { UserError, messageOf } from '#core/errors';
import type { ByteSource } from '#core/read/format';

/** Paths come from a process that may mean harm: a FIFO there must not hold us up, a terminal must not become ours. */
export const CAREFULLY = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

interface Slot {
  readonly path: string;
  readonly identity: string;
  readonly size: number;
  fd: number;
}

/**
 * Files that stay open, so that they can be read after they were deleted or their process has gone. Beyond `limit` the
 * one that was used longest ago is closed; it is opened again by its path when it is still the same file.
 */
export class OpenFiles {
  #limit: number;
  /** By device and inode, in order of use. */
  #open = new Map<string, Slot>();

  constructor(limit = 512) {
    this.#limit = limit;
  }

  get count(): number {
    return this.#open.size;
  }

  /** A regular file, or null where there is none that may be read. */
  open(path: string): ByteSource | null {
    let fd: number;
    try {
      fd = openSync(path, CAREFULLY);
    } catch {
      return null;
    }
    const stat = fstatSync(fd);
    if (!stat.isFile()) {
      closeSync(fd);
      return null;
    }
    const identity = `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeMs}`;
    const known = this.#open.get(identity);
    if (known !== undefined) closeSync(fd);
    const slot = known ?? { path, identity, size: stat.size, fd };
    this.#touch(slot);
    return {
      size: slot.size,
      read: (offset, length) => this.#read(slot, offset, length),
      // Others may read the same file; the limit closes what nobody uses.
      close: () => undefined,
    };
  }

  closeAll(): void {
    for (const slot of this.#open.values()) {
      closeSync(slot.fd);
      slot.fd = -1;
    }
    this.#open.clear();
  }

  #touch(slot: Slot): void {
    this.#open.delete(slot.identity);
    this.#open.set(slot.identity, slot);
    for (const [identity, oldest] of this.#open) {
      if (this.#open.size <= this.#limit) break;
      this.#open.delete(identity);
      closeSync(oldest.fd);
      oldest.fd = -1;
    }
  }

  #read(slot: Slot, offset: number, length: number): Uint8Array {
    if (slot.fd < 0) this.#reopen(slot);
    else this.#touch(slot);
    const wanted = Math.max(0, Math.min(length, slot.size - offset));
    const bytes = new Uint8Array(wanted);
    try {
      let done = 0;
      while (done < wanted) {
        const got = readSync(slot.fd, bytes, done, wanted - done, offset + done);
        if (got === 0) break;
        done += got;
      }
      return done === wanted ? bytes : bytes.subarray(0, done);
    } catch (error) {
      throw new UserError('file-read', `${slot.path} could not be read at ${offset}: ${messageOf(error)}`, { cause: error });
    }
  }

  #reopen(slot: Slot): void {
    try {
      slot.fd = openSync(slot.path, CAREFULLY);
    } catch (error) {
      throw new UserError('file-gone', `${slot.path} is gone, so its names and unwinding rules are too`, { cause: error });
    }
    const stat = fstatSync(slot.fd);
    if (`${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeMs}` !== slot.identity) {
      closeSync(slot.fd);
      slot.fd = -1;
      throw new UserError('file-changed', `${slot.path} was replaced while it was in use`);
    }
    this.#touch(slot);
  }
}
