// Process and thread rows of one trace, or of several windows of one program. A trace is of one process (one rank); its GPUs' streams
// are thread rows of that process.
import type { ProcessId, ThreadId } from '#core/model/ids';
import type { Profile } from '#core/model/profile';

/** Lends rows that are there already; null = make them. For windows that are captured while a program is recorded. */
export interface KnownRows {
  process(pid: number): ProcessId | null;
  thread(pid: number, tid: number): ThreadId | null;
}

export interface HostThread {
  readonly pid: string;
  readonly tid: string;
}

export class TraceRows {
  rank = -1;
  /** By pid: its name in the trace. */
  readonly processNames = new Map<string, string>();
  /** By `pid tid`. */
  readonly threadNames = new Map<string, string>();
  readonly deviceNames = new Map<number, string>();
  readonly #profile: Profile;
  readonly #known: KnownRows | null;
  readonly #processes = new Map<string, ProcessId>();
  readonly #threads = new Map<string, ThreadId>();
  readonly #gpu = new Map<string, ThreadId>();
  /** Threads whose rows are ours to name. */
  readonly #own = new Map<string, HostThread>();

  constructor(profile: Profile, known: KnownRows | null) {
    this.#profile = profile;
    this.#known = known;
  }

  /** The process of a pid; made once. */
  process(pid: string): ProcessId {
    let row = this.#processes.get(pid);
    if (row === undefined) {
      const number = /^\d{1,9}$/.test(pid) ? Number(pid) : 0;
      row = this.#known?.process(number) ?? this.#profile.processes.add({ pid: number, name: this.#processName(pid), rank: this.rank });
      this.#processes.set(pid, row);
    }
    return row;
  }

  #processName(pid: string): string {
    const name = this.processNames.get(pid) ?? '';
    return name !== '' ? name : pid === '' ? 'process' : `process ${pid}`;
  }

  /** The row of a host's thread. `main`: pid of threads that the trace could not place (pid 0). */
  thread(thread: HostThread, main: string): ThreadId {
    const { pid, tid } = thread;
    const key = `${pid} ${tid}`;
    let row = this.#threads.get(key);
    if (row === undefined) {
      const owner = isPlaced(pid) ? pid : main;
      const process = this.process(owner);
      const id = /^-?\d{1,9}$/.test(tid) ? Number(tid) : 0;
      const known = id > 0 ? (this.#known?.thread(Number(owner), id) ?? null) : null;
      row = known ?? this.#profile.threads.add({ process, tid: id, name: this.#threadName(pid, tid) });
      if (known === null) this.#own.set(key, thread);
      this.#threads.set(key, row);
    }
    return row;
  }

  #threadName(pid: string, tid: string): string {
    if (!isPlaced(pid) || /^0(?:\D|$)/.test(tid)) return 'other Python threads';
    const name = this.threadNames.get(`${pid} ${tid}`) ?? '';
    // `thread 1262 (pt_autograd_0)`: the number stands beside it anyway.
    const inner = /^thread -?\d+ \((.+)\)$/.exec(name);
    return inner !== null ? inner[1] : name !== '' ? name : `thread ${tid}`;
  }

  /** Names, ranks: a trace has them at its end. */
  complete(): void {
    const { processes, threads: rows } = this.#profile;
    for (const [pid, row] of this.#processes) {
      if ((this.#known?.process(Number(pid)) ?? null) !== null) continue;
      if (processes.nameOf(row) !== this.#processName(pid)) processes.rename(row, this.#processName(pid));
      if (this.rank >= 0 && processes.rank.get(row) !== this.rank) {
        processes.rank.set(row, this.rank);
        processes.changes.push(row);
      }
    }
    for (const [key, { pid, tid }] of this.#own) {
      const row = this.#threads.get(key);
      if (row !== undefined) rows.rename(row, this.#threadName(pid, tid));
    }
    for (const [key, row] of this.#gpu) rows.rename(row, this.#gpuName(key));
  }

  gpuThread(pid: string, device: number, stream: number | null): ThreadId {
    const key = `${pid} ${device} ${stream ?? ''}`;
    let row = this.#gpu.get(key);
    if (row === undefined) {
      row = this.#profile.threads.add({ process: this.process(pid), tid: stream ?? device, name: this.#gpuName(key) });
      this.#gpu.set(key, row);
    }
    return row;
  }

  #gpuName(key: string): string {
    const [, device, stream] = key.split(' ');
    if (stream !== '') return `GPU ${device} stream ${stream}`;
    const name = this.deviceNames.get(Number(device));
    return name === undefined ? `GPU ${device}` : `GPU ${device}: ${name}`;
  }
}

/** Whether a pid is one of a host's process. 0 and -1 stand for "not known". */
export function isPlaced(pid: string): boolean {
  return /^[1-9]\d*$/.test(pid);
}
