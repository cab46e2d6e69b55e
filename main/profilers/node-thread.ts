// V8's profilers on one thread of a Node process (the main one or a worker), in windows.
//
// CPU. A window is Profiler.start, half a second, Profiler.stop. Starting the first profile of a thread makes V8 walk its whole heap for code:
// 0.2 ms in a small program, 120 to 480 ms in a large one (measured with the TypeScript compiler). So where a start takes long one more profile,
// the keeper, is held open beside the windows: with it a start takes 1 to 6 ms. It is made anew every ten minutes, since it grows by some KB a
// second. It takes a word of JavaScript, so small and short programs go without.
// A program that has ended and waits for us is told nothing that runs JavaScript: Node 20 dies of that (SIGSEGV, measured).
//
// Memory. `held`: one sampling heap profile for all of the recording, read again and again. `allocated`: a profile for each window that keeps
// samples of collected objects too. V8 can do one of both at a time.
import { messageOf } from '#core/errors';
import { readProc } from '../processes/proc.ts';
import type { Session } from './node-client.ts';
import type { WindowFacts } from './profiler.ts';

const KEEPER_MS = 600_000;
/** A start that takes longer than this is worth a keeper. */
const SLOW_START_MS = 8;
const ACCOUNT_MS = 50;
/** Readings older than any window, flat points. */
const MOST_POINTS = 2 * 20 * 120;
/** Bytes between two samples of the heap, on average. */
export const HEAP_INTERVAL = 32_768;
const HEAP_MS = 1000;
/** Reading what is held takes the thread about 10 ms a megabyte: it may cost 1 %. */
const HEAP_MS_PER_MB = 1000;
/** How long a thread that does not answer is waited for at a stop. */
const LAST_MS = 2000;

export type HeapMode = 'held' | 'allocated';
export type What = 'cpu' | HeapMode;

export interface ThreadFacts {
  readonly pid: number;
  /** Of the operating system; 0 where the thread would not say. */
  readonly tid: number;
  readonly name: string;
  /** Name of the program, for the row of the process. */
  readonly process: string;
}

export interface ThreadOptions {
  readonly session: Session;
  readonly facts: ThreadFacts;
  readonly heapMode: HeapMode;
  readonly now: () => number;
  readonly push: (what: What, window: WindowFacts, bytes: Uint8Array) => void;
  /** Something that does not work on this thread, once each. */
  readonly complain: (id: string, text: string) => void;
}

let runs = 0;

export class NodeThread {
  readonly #options: ThreadOptions;
  readonly #account: ThreadAccount;
  #intervalUs = 10_000;
  /** The CPU profiler runs; monotonic ns of the window's start. */
  #cpuSince = 0;
  #cpuAsked: Promise<void> | null = null;
  #keeper = '';
  #keeperAt = 0;
  /** The heap profiler runs; another number is another profile, which begins from nothing. */
  #heapRun = 0;
  #heapSince = 0;
  #heapAsked: Promise<void> | null = null;
  #heapEvery = HEAP_MS;
  /** The program has ended: no JavaScript can run. */
  #exiting = false;

  constructor(options: ThreadOptions) {
    this.#options = options;
    this.#account = new ThreadAccount(options.facts.pid, options.facts.tid, options.now);
  }

  get facts(): ThreadFacts {
    return this.#options.facts;
  }

  /** Starts the CPU profiler. Throws UserError where V8 refuses. */
  async startCpu(hz: number): Promise<void> {
    if (this.#cpuSince > 0) return;
    const { session, now } = this.#options;
    this.#intervalUs = Math.max(100, Math.round(1e6 / hz));
    this.#account.start();
    this.#cpuSince = now();
    try {
      await session.call('Profiler.enable');
      await session.call('Profiler.setSamplingInterval', { interval: this.#intervalUs });
      this.#cpuSince = now();
      await session.call('Profiler.start');
    } catch (error) {
      this.#cpuSince = 0;
      this.#account.stop();
      throw error;
    }
  }

  /** Ends the CPU profiler; its last window is handed on. */
  async stopCpu(): Promise<void> {
    if (this.#cpuSince === 0) return;
    await this.#cpuAsked;
    if (this.#cpuSince === 0) return;
    await this.#cpuWindow(false);
    this.#cpuSince = 0;
    if (this.#keeper !== '' && !this.#exiting) this.#console('profileEnd', this.#keeper);
    this.#keeper = '';
    if (!this.#exiting) this.#options.session.tell('Profiler.disable');
    this.#account.stop();
  }

  /** Starts the heap profiler. Throws UserError where V8 refuses (another program's profiler runs on the thread). */
  async startHeap(): Promise<void> {
    if (this.#heapRun > 0) return;
    this.#heapRun = ++runs;
    this.#heapSince = this.#options.now();
    try {
      await this.#beginHeap();
    } catch (error) {
      this.#heapRun = 0;
      throw error;
    }
  }

  /** Ends the heap profiler after one more reading. */
  async stopHeap(): Promise<void> {
    if (this.#heapRun === 0) return;
    await this.#heapAsked;
    if (this.#heapRun === 0) return;
    await this.#heapWindow(false);
    this.#heapRun = 0;
    if (!this.#exiting) this.#options.session.tell('HeapProfiler.disable');
  }

  /** Takes the windows that are due: `cpuMs` is how long a window of CPU is. A thread that has not answered the last time is left alone. */
  turn(cpuMs: number, paused: boolean): void {
    const now = this.#options.now();
    if (this.#cpuSince > 0 && this.#cpuAsked === null && now - this.#cpuSince >= cpuMs * 1e6) {
      this.#cpuAsked = this.#cpuWindow(true).catch((error: unknown) => this.#options.complain('cpu', messageOf(error))).finally(() => { this.#cpuAsked = null; });
    }
    // While paused what is held goes on being followed: it could not be told afterwards.
    if (this.#heapRun > 0 && !paused && this.#heapAsked === null && now - this.#heapSince >= this.#heapEvery * 1e6) {
      this.#heapAsked = this.#heapWindow(true).catch((error: unknown) => this.#options.complain('heap', messageOf(error))).finally(() => { this.#heapAsked = null; });
    }
  }

  /** The last windows, also where the thread no longer answers in time. `exiting`: the program has ended and waits for us. */
  async last(exiting: boolean): Promise<void> {
    this.#exiting = exiting;
    const patience = new Promise<void>((resolve) => { setTimeout(resolve, LAST_MS).unref(); });
    await Promise.race([patience, Promise.all([this.stopCpu().catch(() => undefined), this.stopHeap().catch(() => undefined)])]);
    this.#account.stop();
  }

  // Stop and start leave together: the thread answers both before it goes on, so no time of the program lies between them.
  async #cpuWindow(more: boolean): Promise<void> {
    const { session, now, push } = this.#options;
    const start = this.#cpuSince;
    const stopped = session.call('Profiler.stop');
    const started = more ? session.call('Profiler.start') : null;
    const began = now();
    const bytes = await stopped;
    const end = now();
    if (bytes !== null) {
      this.#account.read();
      push('cpu', { start, end, threads: [this.#row(0)], onCpu: this.#account.between(start, end) }, bytes);
    }
    if (started === null) return;
    await started;
    this.#cpuSince = began;
    if (this.#exiting || session.over) return;
    // Both were answered one right after the other: what lies between is the start.
    const slow = now() - end > SLOW_START_MS * 1e6;
    if (this.#keeper === '' ? slow : now() - this.#keeperAt > KEEPER_MS * 1e6) await this.#keep();
  }

  async #keep(): Promise<void> {
    const old = this.#keeper;
    this.#keeperAt = this.#options.now();
    this.#keeper = `flamebench-${++runs}`;
    await this.#options.session.call('Runtime.evaluate', evaluation('profile', this.#keeper)).catch(() => { this.#keeper = ''; });
    if (old !== '') this.#console('profileEnd', old);
  }

  #console(command: string, title: string): void {
    this.#options.session.tell('Runtime.evaluate', evaluation(command, title));
  }

  async #beginHeap(): Promise<void> {
    const all = this.#options.heapMode === 'allocated';
    await this.#options.session.call('HeapProfiler.startSampling', {
      samplingInterval: HEAP_INTERVAL, includeObjectsCollectedByMajorGC: all, includeObjectsCollectedByMinorGC: all,
    });
  }

  async #heapWindow(more: boolean): Promise<void> {
    const { session, now, push, heapMode } = this.#options;
    const start = this.#heapSince;
    const began = now();
    const keep = heapMode === 'held' && more;
    const answer = session.call(keep ? 'HeapProfiler.getSamplingProfile' : 'HeapProfiler.stopSampling');
    const begun = more && !keep ? this.#beginHeap() : null;
    const bytes = await answer;
    if (bytes !== null) {
      push(heapMode, { start, end: now(), threads: [this.#row(heapMode === 'held' ? this.#heapRun : 0)] }, bytes);
      if (keep) this.#heapEvery = Math.max(HEAP_MS, (bytes.length / 1e6) * HEAP_MS_PER_MB);
    }
    await begun;
    this.#heapSince = began;
  }

  #row(run: number): WindowFacts['threads'][number] {
    const { pid, tid, name, process } = this.#options.facts;
    return { own: run === 0 ? name : `${name}:${run}`, tid, name, pid, process };
  }
}

/** `profile` and `profileEnd` of the console's own commands: what the program made of its `console` does not matter. */
function evaluation(command: string, title: string): object {
  return { expression: `${command}(${JSON.stringify(title)})`, includeCommandLineAPI: true, silent: true };
}

/** The kernel's account of one thread's time on a CPU, read again and again. */
class ThreadAccount {
  readonly #path: string;
  readonly #tid: number;
  readonly #now: () => number;
  readonly #points: number[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(pid: number, tid: number, now: () => number) {
    this.#path = tid === 0 ? '' : `/proc/${pid}/task/${tid}/schedstat`;
    this.#tid = tid;
    this.#now = now;
  }

  start(): void {
    if (this.#path === '' || this.#timer !== null) return;
    this.read();
    this.#timer = setInterval(() => this.read(), ACCOUNT_MS);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  read(): void {
    const text = this.#path === '' ? null : readProc(this.#path);
    if (text === null) return;
    this.#points.push(this.#now(), Number(text.split(' ', 1)[0]));
    if (this.#points.length > MOST_POINTS) this.#points.splice(0, MOST_POINTS / 2);
  }

  /** Readings that cover [start, end]. */
  between(start: number, end: number): { tid: number; points: number[] }[] {
    const points = this.#points;
    let first = 0;
    while (first + 2 < points.length && points[first + 2] <= start) first += 2;
    let last = points.length - 2;
    while (last - 2 > first && points[last - 2] >= end) last -= 2;
    return last > first ? [{ tid: this.#tid, points: points.slice(first, last + 2) }] : [];
  }
}
