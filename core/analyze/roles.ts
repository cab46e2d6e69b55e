// What a thread is for: the main thread of a process, a data loader's worker, one of a pool. Told from structure and names.
import type { FunctionId, ProcessId, ThreadId } from '#core/model/ids';
import type { Profile } from '#core/model/profile';

export type Role = 'main' | 'loader' | 'pool' | 'other';

/** Python functions that only a worker process runs: multiprocessing's spawn, torch's and others' data loaders. */
const WORKER_FUNCTIONS = new Set(['_worker_loop', 'spawn_main', '_process_worker', '_loader_worker', 'worker_loop']);
/** Of a spawned or forkserver worker's command line. */
const WORKER_COMMAND = /--multiprocessing-fork|from multiprocessing\.(?:spawn|forkserver) import/;
/** A process of multiprocessing that loads nothing. */
const TRACKER_COMMAND = /multiprocessing\.(?:resource_tracker|semaphore_tracker)/;

/**
 * Roles of a profile's threads, worked out for all that came since. A forked worker has its parent's command line: it is known by its
 * stacks, so it may become a loader later.
 */
export class Roles {
  readonly #profile: Profile;
  /** By process row: a worker, as its command or its stacks say. */
  #workers = new Set<number>();
  #processes = 0;
  #processChanges = 0;
  #functions = 0;
  #workerFunctions = new Set<number>();
  /** By stack: 1 where a worker's function is in it. */
  #inWorker = new Uint8Array(1024);
  #stacks = 0;
  /** By lane: how far its rows were looked at. */
  readonly #seen: { chunk: number; row: number; thinnings: number }[] = [];
  /** By process: how many threads have this stem in their name. */
  #stems = new Map<number, Map<string, number>>();
  #threads = 0;
  #threadChanges = 0;
  #revision = 0;

  constructor(profile: Profile) {
    this.#profile = profile;
    this.update();
  }

  /** Changes when a role may have changed. */
  get revision(): number {
    return this.#revision;
  }

  update(): void {
    this.#takeProcesses();
    this.#takeStacks();
    this.#takeThreads();
  }

  of(thread: number): Role {
    const { threads, processes } = this.#profile;
    const process = threads.process.get(thread);
    if (process >= 0 && this.#workers.has(process)) return 'loader';
    if (process >= 0 && threads.tid.get(thread) === processes.pid.get(process)) return 'main';
    return this.poolOf(thread) === '' ? 'other' : 'pool';
  }

  /** Whether a process is a data loader's worker. */
  isLoader(process: number): boolean {
    return this.#workers.has(process);
  }

  /** The common stem of a pool's threads: `ThreadPoolExecutor-0` of `ThreadPoolExecutor-0_3`; '' where the thread is in none. */
  poolOf(thread: number): string {
    const { threads, processes } = this.#profile;
    const process = threads.process.get(thread);
    if (process >= 0 && threads.tid.get(thread) === processes.pid.get(process)) return '';
    const stem = stemOf(threads.nameOf(thread as ThreadId));
    return stem !== '' && (this.#stems.get(process)?.get(stem) ?? 0) > 1 ? stem : '';
  }

  #takeProcesses(): void {
    const { processes, strings } = this.#profile;
    if (processes.length === this.#processes && processes.changes.length === this.#processChanges) return;
    // A command may come, or change, later.
    this.#processes = processes.length;
    this.#processChanges = processes.changes.length;
    for (let row = 0; row < processes.length; row++) {
      const command = strings.values[processes.command.get(row)];
      if (WORKER_COMMAND.test(command) && !TRACKER_COMMAND.test(command)) this.#addWorker(row);
    }
  }

  #addWorker(process: number): void {
    if (this.#workers.has(process)) return;
    this.#workers.add(process);
    this.#revision++;
  }

  #takeStacks(): void {
    const { functions, frames, stacks, lanes, threads, processes } = this.#profile;
    const before = this.#workerFunctions.size;
    for (; this.#functions < functions.length; this.#functions++) {
      if (WORKER_FUNCTIONS.has(functions.nameOf(this.#functions as FunctionId)) && functions.kindOf(this.#functions as FunctionId) === 'python') this.#workerFunctions.add(this.#functions);
    }
    if (this.#workerFunctions.size === 0) return;
    if (this.#workerFunctions.size !== before) {
      this.#stacks = 0;
      this.#seen.length = 0;
    }
    if (stacks.length > this.#inWorker.length) {
      const more = new Uint8Array(Math.max(stacks.length, this.#inWorker.length * 2));
      more.set(this.#inWorker);
      this.#inWorker = more;
    }
    const within = this.#inWorker;
    for (; this.#stacks < stacks.length; this.#stacks++) {
      const prefix = stacks.prefix.get(this.#stacks);
      within[this.#stacks] = (prefix >= 0 && within[prefix] === 1) || this.#workerFunctions.has(frames.function.get(stacks.frame.get(this.#stacks))) ? 1 : 0;
    }
    for (const [i, lane] of lanes.entries()) {
      const at = this.#seen[i]?.thinnings === lane.thinnings ? this.#seen[i] : (this.#seen[i] = { chunk: 0, row: 0, thinnings: lane.thinnings });
      for (; at.chunk < lane.chunks.length; at.chunk++, at.row = 0) {
        const chunk = lane.chunks[at.chunk];
        const derived = lane.mergedRows > 0;
        const to = derived ? chunk.mergedRows : chunk.rows;
        for (; at.row < to; at.row++) {
          const own = chunk.stack[at.row];
          const merged = chunk.merged === null ? -1 : chunk.merged[at.row];
          if (!(own >= 0 && within[own] === 1) && !(merged >= 0 && within[merged] === 1)) continue;
          const thread = chunk.thread[at.row];
          const process = thread < 0 ? -1 : threads.process.get(thread);
          // The function may be another one of the same name: a worker is somebody's child.
          if (process >= 0 && processes.parent.get(process) >= 0) this.#addWorker(process);
        }
        if (at.chunk === lane.chunks.length - 1 || to < chunk.rows) break;
      }
    }
  }

  #takeThreads(): void {
    const { threads } = this.#profile;
    if (threads.length === this.#threads && threads.changes.length === this.#threadChanges) return;
    let renamed = threads.length < this.#threads;
    for (let i = this.#threadChanges; i < threads.changes.length && !renamed; i++) renamed = threads.changes.get(i) < this.#threads;
    if (renamed) {
      this.#stems.clear();
      this.#threads = 0;
    }
    for (; this.#threads < threads.length; this.#threads++) {
      const stem = stemOf(threads.nameOf(this.#threads as ThreadId));
      if (stem === '') continue;
      const process = threads.process.get(this.#threads);
      let stems = this.#stems.get(process);
      if (stems === undefined) this.#stems.set(process, (stems = new Map()));
      stems.set(stem, (stems.get(stem) ?? 0) + 1);
    }
    this.#threadChanges = threads.changes.length;
    this.#revision++;
  }
}

/** A name without the number at its end: `worker` of `worker-12`, `worker/12`, `worker_0`; '' where it has none, or nothing else. */
export function stemOf(name: string): string {
  const match = /^(.*?\D)[-_/:# ]?\(?\d+\)?$/.exec(name);
  return match === null ? '' : match[1].replace(/[-_/:# (]+$/, '');
}

/** Rank of a process: its own, else that of the nearest parent that has one; -1 where there is none. */
export function rankOf(profile: Profile, process: number): number {
  const { processes } = profile;
  for (let row = process, steps = 0; row >= 0 && row < processes.length && steps < 64; row = processes.parent.get(row), steps++) {
    const rank = processes.rank.get(row as ProcessId);
    if (rank >= 0) return rank;
  }
  return -1;
}
