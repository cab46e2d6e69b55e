// Records about processes, threads and mappings: COMM, FORK, EXIT, MMAP, MMAP2.
import type { Block } from './framer.ts';
import type { HeaderReader } from './header.ts';
import { MISC_COMM_EXEC, MISC_MMAP_BUILD_ID, MISC_MMAP_DATA, RECORD, cString, hex, low48, u64 } from './layout.ts';
import type { PerfShared } from './threads.ts';

const PROT_EXEC = 4;
const KERNEL_PID = -1;

export class TaskReader {
  #shared: PerfShared;
  #header: HeaderReader;

  constructor(shared: PerfShared, header: HeaderReader) {
    this.#shared = shared;
    this.#header = header;
  }

  /**
   * Takes one record; those that say nothing about tasks are passed over. `time` is null for what perf made up at its start;
   * `exact`: threads that begin here are timed; `tellsExec`: COMM says whether an exec made it;
   * `repeated`: from before a hand-over, told already. False when the record is too short for its kind.
   */
  read(block: Block, at: number, type: number, time: number | null, exact: boolean, tellsExec: boolean, repeated = false): boolean {
    const { view, bytes } = block;
    const size = view.getUint16(at + 6, true);
    const misc = view.getUint16(at + 4, true);
    const end = at + size;
    switch (type) {
      case RECORD.COMM:
        if (size < 17) return false;
        this.#shared.comm(view.getInt32(at + 8, true), view.getInt32(at + 12, true), cString(bytes, at + 16, end), tellsExec ? (misc & MISC_COMM_EXEC) !== 0 : null, time, repeated);
        return true;
      case RECORD.FORK:
        if (size < 24) return false;
        this.#shared.fork(view.getInt32(at + 8, true), view.getInt32(at + 12, true), view.getInt32(at + 16, true), view.getInt32(at + 20, true), time, exact, repeated);
        return true;
      case RECORD.EXIT:
        if (size < 24) return false;
        if (time !== null) this.#shared.exit(view.getInt32(at + 8, true), view.getInt32(at + 16, true), time);
        return true;
      case RECORD.MMAP:
        if (size < 41) return false;
        this.#map(block, at, time, (misc & MISC_MMAP_DATA) === 0, cString(bytes, at + 40, end), '');
        return true;
      case RECORD.MMAP2: {
        if (size < 73) return false;
        const idSize = bytes[at + 40];
        const buildId = (misc & MISC_MMAP_BUILD_ID) !== 0 && idSize <= 20 ? hex(bytes, at + 44, idSize) : '';
        this.#map(block, at, time, (view.getUint32(at + 64, true) & PROT_EXEC) !== 0, cString(bytes, at + 72, end), buildId);
        return true;
      }
      default:
        return true;
    }
  }

  #map(block: Block, at: number, time: number | null, executable: boolean, path: string, buildId: string): void {
    const { view } = block;
    const pid = view.getInt32(at + 8, true);
    const length = u64(view, at + 24);
    const spaces = this.#shared.spaces;
    if (pid === KERNEL_PID) {
      spaces.mapKernel(low48(view, at + 16), length, path);
      return;
    }
    // perf's own list of what was there, at its start.
    if (time === null && path === '[heap]') this.#shared.heaps.set(pid, u64(view, at + 16) + length);
    spaces.map(pid, {
      start: u64(view, at + 16), length, fileOffset: u64(view, at + 32), path, executable,
      buildId: buildId !== '' ? buildId : this.#header.buildIds.get(path) ?? '',
    });
  }
}
