import type { ProcessId, ThreadId } from '#core/model/ids';
import type { Profile } from '#core/model/profile';

/** Finds the rows of processes and threads that another decoder of the same profile may have made already. */
export class ThreadRows {
  #profile: Profile;
  #processes = new Map<number, ProcessId>();
  #threads = new Map<string, ThreadId>();
  #nameless = new Map<string, ThreadId>();
  #processRows = 0;
  #threadRows = 0;

  constructor(profile: Profile) {
    this.#profile = profile;
  }

  /** Whether a process has a row. */
  has(pid: number): boolean {
    this.#catchUp();
    return this.#processes.has(pid);
  }

  /** Row of a thread, made if new. `own` tells threads apart whose `tid` is not known (0). */
  row(pid: number, tid: number, own: string, name: string): ThreadId {
    this.#catchUp();
    const { processes, threads } = this.#profile;
    let process = this.#processes.get(pid);
    if (process === undefined) {
      process = processes.add({ pid, name: `process ${pid}` });
      this.#processes.set(pid, process);
      this.#processRows = processes.length;
    }
    const known = tid === 0 ? this.#nameless.get(`${pid}:${own}`) : this.#threads.get(`${process}:${tid}`);
    if (known !== undefined) {
      // Python's name says more than the kernel's, which is the program's for most threads.
      if (name !== '') threads.rename(known, name);
      return known;
    }
    const row = threads.add({ process, tid, name: name === '' ? (tid === 0 ? `thread ${own}` : `thread ${tid}`) : name });
    if (tid === 0) this.#nameless.set(`${pid}:${own}`, row);
    else this.#threads.set(`${process}:${tid}`, row);
    this.#threadRows = threads.length;
    return row;
  }

  // The newest row of a pid or tid is the one that lives now.
  #catchUp(): void {
    const { processes, threads } = this.#profile;
    for (; this.#processRows < processes.length; this.#processRows++) {
      this.#processes.set(processes.pid.get(this.#processRows), this.#processRows as ProcessId);
    }
    for (; this.#threadRows < threads.length; this.#threadRows++) {
      const key = `${threads.process.get(this.#threadRows)}:${threads.tid.get(this.#threadRows)}`;
      this.#threads.set(key, this.#threadRows as ThreadId);
    }
  }
}
