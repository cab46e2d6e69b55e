// One Node process: its inspector is found or opened, V8's profilers run on its threads, and the inspector is closed again.
import { UserError, messageOf } from '#core/errors';
import type { LaneKind } from '#core/model/lane';
import type { Run, Watched } from './profiler.ts';
import { isAlive, namespacePid } from '../processes/identity.ts';
import { argvOf, numbersIn, readProc } from '../processes/proc.ts';
import { delay } from './control.ts';
import type { Session, WorkerFacts } from './node-client.ts';
import { askForPath, askForVersion, Inspector, textOf } from './node-client.ts';
import type { Listener } from './node-process.ts';
import { inspectorPlaces, isLoopback, listenersOf, sameNetwork, signalState } from './node-process.ts';
import type { HeapMode, What } from './node-thread.ts';
import { NodeThread } from './node-thread.ts';

const WINDOW_MS = 500;
const FIRST_WINDOW_MS = 250;
const TURN_MS = 50;
/** How long Node takes to open its inspector after SIGUSR1, at most: a thread of its own does it, but the machine may be busy. */
const OPEN_MS = 3000;
const ANSWER_MS = 5000;
const CLOSE_MS = 1500;
/** How old a worker has to be before it is looked at. */
const WORKER_MS = 200;

/** What all processes of a recording share. */
export interface WatchOptions {
  readonly run: Run;
  /** Samples of the CPU a second. */
  readonly rate: number;
  readonly heapMode: HeapMode;
  /** Told the version of Node before the first window comes. */
  readonly started: (version: string) => void;
  readonly push: (what: What, window: Parameters<ReturnType<Run['windows']>['push']>[0], bytes: Uint8Array) => void;
  /** Inspectors of these processes were opened by us, by the environment: they are closed at the end. */
  readonly launched: boolean;
}

export class NodeWatch {
  readonly watched: Watched;
  /** `v24.1.0`. */
  readonly version: string;
  /** '' for a stop or the process's end. */
  readonly done: Promise<string>;
  readonly #options: WatchOptions;
  readonly #inspector: Inspector;
  readonly #place: Listener;
  readonly #opened: boolean;
  readonly #threads = new Set<NodeThread>();
  readonly #wanted = new Set<LaneKind>();
  #finish: (error: string) => void = () => undefined;
  #timer: NodeJS.Timeout | null = null;
  #rate: number;
  #paused = false;
  #windows = 0;
  #ending: Promise<void> | null = null;
  /** The program has ended and waits for us to leave. */
  #exiting = false;

  private constructor(options: WatchOptions, watched: Watched, inspector: Inspector, place: Listener, opened: boolean, version: string) {
    this.#options = options;
    this.watched = watched;
    this.version = version;
    this.#inspector = inspector;
    this.#place = place;
    this.#opened = opened;
    this.#rate = options.rate;
    this.done = new Promise((resolve) => { this.#finish = resolve; });
  }

  /**
   * Finds the inspector of a process, or opens it by SIGUSR1 where `open` says so, and starts the profilers of `lanes`. `more`: other
   * processes are still to be opened, and each opens the same port, so this one moves to a free one. Throws UserError where that cannot be.
   */
  static async attach(options: WatchOptions, watched: Watched, open: boolean, more: boolean, lanes: readonly LaneKind[]): Promise<NodeWatch> {
    const { pid } = watched;
    if (!sameNetwork(pid)) throw new UserError('inspector', `The inspector of process ${pid} listens inside its container, which cannot be reached from here.`, { hint: 'Start Flamebench in the same container.' });
    let found = await firstThat(inspectorPlaces(pid));
    let opened = options.launched;
    if (found === null) {
      if (!open) throw new UserError('inspector', `Process ${pid} has no inspector open.`);
      found = await openInspector(watched);
      opened = true;
      if (more) found = await move(pid, found);
    }
    const { place, path } = found;
    const version = await askForVersion(place.host, place.port);
    const inspector = await Inspector.connect(place.host, place.port, path);
    try {
      // First of all: the program's end waits for us then and says so, and its last window is not lost. An end before this was said is told by the
      // second answer: there is no place left where JavaScript could run. Neither runs any.
      const late = `Process ${pid} does not answer its inspector: its JavaScript may be waiting in a call that takes long.`;
      await inTime(inspector.call('NodeRuntime.notifyWhenWaitingForDisconnect', { enabled: true }).catch(() => null), late);
      const ended = await inTime(inspector.call('Runtime.globalLexicalScopeNames').then(() => false, () => true), late);
      if (ended) throw new UserError('process-ended', `Process ${pid} has ended.`);
      // The socket is this process's own, so its number is known; a program that was there before is asked all the same.
      if (!options.launched) {
        const own = Number(await inTime(evaluate(inspector, 'process.pid'), late));
        if (own !== namespacePid(pid)) throw new UserError('inspector', `The inspector on port ${place.port} is that of process ${own}, not of process ${pid}.`);
      }
      options.started(version);
      const watch = new NodeWatch(options, watched, inspector, place, opened, version);
      await watch.#begin(lanes);
      return watch;
    } catch (error) {
      const over = error instanceof UserError && error.code === 'process-ended';
      if (opened && !over) inspector.tell('Runtime.evaluate', { expression: 'process._debugEnd()' });
      if (!over) await delay(20);
      inspector.leave();
      throw error;
    }
  }

  async setLane(lane: LaneKind, on: boolean): Promise<void> {
    if (on) this.#wanted.add(lane);
    else this.#wanted.delete(lane);
    await Promise.all([...this.#threads].map((thread) => this.#apply(thread)));
  }

  /** Another rate: V8 has to start anew for it. */
  async setRate(hz: number): Promise<void> {
    this.#rate = hz;
    if (this.#paused || !this.#wanted.has('cpu')) return;
    await Promise.all([...this.#threads].map(async (thread) => {
      await thread.stopCpu();
      await thread.startCpu(hz);
    }));
  }

  async pause(): Promise<void> {
    this.#paused = true;
    await Promise.all([...this.#threads].map(async (thread) => {
      await thread.stopCpu();
      // What is held goes on being followed: it could not be told afterwards.
      if (this.#options.heapMode === 'allocated') await thread.stopHeap();
    }));
  }

  async resume(): Promise<void> {
    this.#paused = false;
    await Promise.all([...this.#threads].map((thread) => this.#apply(thread)));
  }

  /** Ends the profilers, closes an inspector that we opened, and leaves. */
  stop(): Promise<void> {
    this.#ending ??= this.#end('');
    return this.#ending;
  }

  async #begin(lanes: readonly LaneKind[]): Promise<void> {
    const { pid } = this.watched;
    for (const lane of lanes) this.#wanted.add(lane);
    void this.#inspector.waiting.then(() => {
      this.#exiting = true;
      return this.stop();
    });
    void this.#inspector.ended.then(async () => {
      // A process that is killed closes its files a moment before it is gone.
      await delay(100);
      this.#ending ??= this.#end(isAlive(this.watched) ? `The inspector of process ${pid} was closed by something else.` : '');
    });
    const main = this.#thread(this.#inspector, pid, readProc(`/proc/${pid}/task/${pid}/comm`)?.trim() ?? '');
    // Known before it starts: a program that ends meanwhile has its profilers stopped before we leave.
    this.#threads.add(main);
    await inTime(this.#startFirst(main), `V8 in process ${pid} does not start its profiler: its JavaScript may be waiting in a call that takes long.`, 30_000);
    this.#timer = setInterval(() => this.#turn(), TURN_MS);
    await this.#inspector.followWorkers((worker) => void this.#addWorker(worker));
  }

  async #startFirst(main: NodeThread): Promise<void> {
    if (this.#wanted.has('cpu')) await main.startCpu(this.#rate);
    if (this.#wanted.has('memory')) await main.startHeap();
  }

  #turn(): void {
    const due = this.#windows === 0 ? FIRST_WINDOW_MS : WINDOW_MS;
    for (const thread of this.#threads) thread.turn(due, this.#paused);
  }

  #thread(session: Session, tid: number, name: string): NodeThread {
    const { run, heapMode, push } = this.#options;
    const { pid } = this.watched;
    return new NodeThread({
      session, heapMode, now: () => run.now(),
      facts: { pid, tid, name, process: programOf(pid) },
      push: (what, window, bytes) => {
        this.#windows++;
        push(what, window, bytes);
      },
      complain: (id, text) => run.notice({ id: `node-${pid}-${id}`, level: 'warn', text: `Process ${pid}, ${name}: ${text}`, command: '' }),
    });
  }

  async #addWorker({ session, title, url }: WorkerFacts): Promise<void> {
    // One that is over at once has little to show, and is told nothing while it ends.
    await Promise.race([delay(WORKER_MS), session.ended]);
    if (session.over || this.#ending !== null) return;
    // In the worker's own thread the kernel says which one it is: PID/task/TID, in the program's namespace of pids.
    const link = await evaluate(session, "(process.getBuiltinModule?.('fs') ?? require('fs')).readlinkSync('/proc/thread-self')").catch(() => '');
    const inner = /\/task\/(\d+)$/.exec(link)?.[1];
    const tid = inner === undefined ? 0 : outerTid(this.watched.pid, Number(inner));
    const number = /\[worker (\d+)\]/.exec(title)?.[1] ?? '';
    const file = url.slice(url.lastIndexOf('/') + 1);
    const thread = this.#thread(session, tid, `worker ${number}${file === '' || file.startsWith('[') ? '' : ` ${file.slice(0, 40)}`}`.trim());
    this.#threads.add(thread);
    void session.ended.then(() => this.#threads.delete(thread));
    await this.#apply(thread);
  }

  async #apply(thread: NodeThread): Promise<void> {
    const { run } = this.#options;
    try {
      if (this.#wanted.has('cpu') && !this.#paused) await thread.startCpu(this.#rate);
      else await thread.stopCpu();
      if (this.#wanted.has('memory')) await thread.startHeap();
      else await thread.stopHeap();
    } catch (error) {
      run.notice({ id: `node-${this.watched.pid}-start`, level: 'warn', text: `Process ${this.watched.pid}, ${thread.facts.name}: ${messageOf(error)}`, command: '' });
    }
  }

  async #end(error: string): Promise<void> {
    const { run } = this.#options;
    const { pid } = this.watched;
    if (this.#timer !== null) clearInterval(this.#timer);
    await Promise.all([...this.#threads].map((thread) => thread.last(this.#exiting)));
    if (!this.#exiting) this.#inspector.tell('NodeWorker.disable');
    const close = this.#opened && !this.#exiting;
    if (close && isAlive(this.watched)) {
      // It closes the port and ends every connection, without an answer.
      this.#inspector.tell('Runtime.evaluate', { expression: 'process._debugEnd()' });
      for (let waited = 0; waited < CLOSE_MS && this.#listens(); waited += 20) await Promise.race([delay(20), this.#inspector.ended]);
    }
    this.#inspector.leave();
    if (close && isAlive(this.watched) && this.#listens()) {
      run.notice({ id: `node-${pid}-open`, level: 'warn', text: `The inspector of process ${pid} could not be closed: its JavaScript did not answer. Port ${this.#place.port} of ${this.#place.host} stays open until it ends.`, command: '' });
    }
    this.#finish(error);
  }

  #listens(): boolean {
    return listenersOf(this.watched.pid).some((listener) => listener.port === this.#place.port);
  }
}

/** The first place where an inspector answers. */
async function firstThat(places: readonly Listener[]): Promise<{ place: Listener; path: string } | null> {
  for (const place of places) {
    const path = await askForPath(place.host, place.port);
    if (path !== null) return { place, path };
  }
  return null;
}

/** Sends SIGUSR1 where that is safe, and finds the port that opens. Throws UserError where it is not, or nothing opens. */
async function openInspector(watched: Watched): Promise<{ place: Listener; path: string }> {
  const { pid } = watched;
  for (;;) {
    const state = signalState(pid);
    if (state === 'young') {
      // A Node that is still starting would be ended by the signal.
      await delay(100);
      continue;
    }
    const why = refusal(pid, state);
    if (why !== '') throw new UserError('inspector', why);
    break;
  }
  if (!isAlive(watched)) throw new UserError('process-ended', `Process ${pid} has ended.`);
  const before = new Set(listenersOf(pid).map((listener) => listener.inode));
  try {
    process.kill(pid, 'SIGUSR1');
  } catch (cause) {
    throw new UserError('inspector', `Process ${pid} may not be asked to open its inspector: ${messageOf(cause)}`, { cause });
  }
  for (let waited = 0; waited < OPEN_MS; waited += 25) {
    await delay(25);
    const fresh = listenersOf(pid).filter((listener) => !before.has(listener.inode) && isLoopback(listener.host));
    const found = await firstThat(fresh);
    if (found !== null) return found;
    if (!isAlive(watched)) throw new UserError('process-ended', `Process ${pid} has ended.`);
  }
  // Nothing new: its inspector was open all the time, on a port of its own, or the usual port is another process's.
  const found = await firstThat(listenersOf(pid).filter((listener) => isLoopback(listener.host)));
  if (found !== null) return found;
  throw new UserError('inspector', `Process ${pid} did not open its inspector within ${OPEN_MS / 1000} s of SIGUSR1. Its usual port, 9229, may be taken by another process; its standard error says so then.`);
}

/** Has a process's inspector open again on a port of the system's choice; where that fails it stays where it was. */
async function move(pid: number, found: { place: Listener; path: string }): Promise<{ place: Listener; path: string }> {
  const inspector = await Inspector.connect(found.place.host, found.place.port, found.path);
  const before = new Set(listenersOf(pid).map((listener) => listener.inode));
  // Closing ends this connection, so no answer comes.
  inspector.tell('Runtime.evaluate', { expression: "{ const i = process.getBuiltinModule?.('inspector') ?? require('inspector'); i.close(); i.open(0, '127.0.0.1'); }", includeCommandLineAPI: true, silent: true });
  for (let waited = 0; waited < OPEN_MS; waited += 25) {
    await delay(25);
    const moved = await firstThat(listenersOf(pid).filter((listener) => !before.has(listener.inode) && isLoopback(listener.host)));
    if (moved !== null) {
      inspector.leave();
      return moved;
    }
  }
  inspector.leave();
  return found;
}

/** Why SIGUSR1 is not sent to a process; '' where it may be. */
export function refusal(pid: number, state: ReturnType<typeof signalState>): string {
  switch (state) {
    case 'ready': case 'unseen': case 'young': return '';
    case 'gone': return `Process ${pid} has ended.`;
    case 'deaf': return `Process ${pid} would be ended by SIGUSR1, the signal that opens Node's inspector: nothing in it takes that signal. Start it with --inspect to have V8's profilers.`;
    case 'own': return `Process ${pid} has a handler of its own for SIGUSR1, the signal that opens Node's inspector: the signal would do what the program means by it. Start it with --inspect to have V8's profilers.`;
    case 'foreign': return `Process ${pid} belongs to another user. Start Flamebench as that user or as root.`;
  }
}

async function evaluate(session: Session, expression: string): Promise<string> {
  return textOf(await session.call('Runtime.evaluate', { expression, includeCommandLineAPI: true, silent: true }), 'result', 'value');
}

async function inTime<T>(work: Promise<T>, why: string, ms = ANSWER_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => { timer = setTimeout(() => reject(new UserError('inspector', why)), ms); });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A thread's number as we see it, from the one in its own namespace of pids. */
function outerTid(pid: number, inner: number): number {
  if (namespacePid(pid) === pid) return inner;
  return numbersIn(`/proc/${pid}/task`).find((tid) => /^NSpid:.*\s(\d+)$/m.exec(readProc(`/proc/${pid}/task/${tid}/status`) ?? '')?.[1] === String(inner)) ?? 0;
}

function programOf(pid: number): string {
  const words = argvOf(pid).slice(1);
  // After -e and -p comes the program's text.
  const script = words.some((word) => /^-[a-z]*[ep]$|^--(?:eval|print)$/.test(word)) ? undefined : words.find((word) => !word.startsWith('-'));
  return script === undefined ? 'node' : script.slice(script.lastIndexOf('/') + 1);
}
