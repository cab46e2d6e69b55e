// py-spy in windows of half a second: it writes its file only at the end, so live means one window after the other. The
// next one attaches before the last one is ended; the decoder cuts the overlap.
import { mkdir } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { UserError, messageOf } from '#core/errors';
import { startOf } from '../processes/identity.ts';
import { argvOf, readProcLink, statOf } from '../processes/proc.ts';
import { runtimeOf } from '../processes/runtime.ts';
import { withDescendants } from '../processes/tree.ts';
import { CpuAccount } from './account.ts';
import { findTool, foldersOf, versionOf } from './find-tool.ts';
import type { Profiler, Run, Running, Watched } from './profiler.ts';
import { checkPySpy, letsItselfBeTraced } from './py-spy-check.ts';
import { tracerEnvironment } from './python-helper.ts';
import { readSystem } from './system.ts';
import type { Window, WindowResult } from './py-spy-windows.ts';
import { PySpyShell } from './py-spy-windows.ts';

const WINDOW_MS = 500;
/** The first window is shorter: something is to be seen soon. */
const FIRST_WINDOW_MS = 250;
/** py-spy stops keeping up, and a blocking one the target, well below what perf can take. */
const MOST_HZ = 200;
const LEAST_HZ = 10;
/** Python processes that are looked at one by one; with `subprocesses` one py-spy follows a whole tree. */
const MOST_PROCESSES = 8;
/** How often in a row the first window may fail. */
const TRIES = 4;
/** How many windows in a row may fail afterwards. */
const MOST_LOST = 5;

export const pySpy: Profiler = {
  id: 'py-spy',
  lanes: ['cpu'],
  light: true,
  launch: async (_options, scratch, environment) => ({ environment: letsItselfBeTraced(readSystem()) ? await tracerEnvironment(scratch, environment) : {}, before: [] }),
  check: checkPySpy,
  start: startPySpy,
};

async function startPySpy(run: Run): Promise<Running> {
  const first = run.watched[0];
  if (first === undefined) throw new UserError('process-ended', 'There is no process to look at.');
  const argv = argvOf(first.pid);
  const tool = findTool('py-spy', foldersOf(argv, readProcLink(`/proc/${first.pid}/exe`) ?? ''));
  if (tool === null) throw new UserError('not-installed', 'py-spy is not installed.', { command: 'pipx install py-spy' });
  const version = await versionOf(tool);
  const launched = run.target.kind === 'launch';
  // Children that are wanted are followed, so that later ones are seen too: one py-spy for each tree.
  const follow = run.options.pySpy.subprocesses || (run.target.kind === 'attach' && run.target.children);
  const targets = launched ? roots(run.watched)
    : follow ? roots(run.watched).filter((watched) => withDescendants([watched.pid]).some((pid) => isPython(pid)))
      : run.watched.filter((watched) => isPython(watched.pid));
  if (targets.length === 0) {
    throw new UserError('not-python', `Process ${first.pid} is not a Python process, so py-spy has nothing to look at.`, { hint: 'perf shows its native stacks.' });
  }
  if (targets.length > MOST_PROCESSES) {
    run.notice({ id: 'py-spy-many', level: 'info', text: `py-spy looks at ${MOST_PROCESSES} of ${targets.length} Python processes.`, command: '' });
  }
  const rate = rateOf(run.options.rate);
  if (rate < run.options.rate) {
    run.notice({ id: 'py-spy-most', level: 'info', text: `py-spy samples ${rate} times a second; more would slow the program down.`, command: '' });
  }
  const stream = run.windows({
    decoder: 'py-spy', id: 'py-spy', title: `py-spy ${version}`, watched: targets.map((watched) => watched.pid), directory: run.directory,
    source: `py-spy ${rate} Hz${run.options.pySpy.gil ? ', holders of the lock only' : ''}`, rateHz: rate,
  });
  const losses = new Losses(run);
  const watches: Watch[] = [];
  try {
    for (const watched of targets.slice(0, MOST_PROCESSES)) watches.push(await Watch.open(run, tool, watched, rate, launched, follow, stream, losses));
    // A launched program is not Python yet: its windows begin when it is.
    if (!launched) await Promise.any(watches.map((watch) => watch.started)).catch((error: unknown) => { throw firstOf(error); });
  } catch (error) {
    await Promise.all(watches.map((watch) => watch.stop()));
    await stream.close();
    throw error;
  }
  const held = new Held(watches);
  let closing: Promise<void> | null = null;
  const close = (): Promise<void> => (closing ??= stream.close());
  const done = Promise.all(watches.map((watch) => watch.done)).then(async (errors) => {
    await close();
    return { error: errors.find((error) => error !== '') ?? '' };
  });
  return {
    pause: async () => { await held.pause(); },
    resume: async () => { await held.resume(); },
    setLane: async (lane, on) => {
      if (lane !== 'cpu') throw new UserError('lane', `py-spy has no lane ${lane}.`);
      await held.set(on);
    },
    setRate: async (hz) => {
      const rates = watches.map((watch) => watch.setRate(hz));
      return await Promise.resolve(Math.max(LEAST_HZ, ...rates));
    },
    stop: async () => {
      await Promise.all(watches.map((watch) => watch.stop()));
      await done;
    },
    done,
  };
}

/** What py-spy takes for a rate that is asked for, Hz. */
function rateOf(hz: number): number {
  return Math.min(MOST_HZ, Math.max(1, Math.round(hz)));
}

/** Windows run while the recording is not paused and the lane is on. */
class Held {
  readonly #watches: readonly Watch[];
  #paused = false;
  #on = true;

  constructor(watches: readonly Watch[]) {
    this.#watches = watches;
  }

  async pause(): Promise<void> {
    this.#paused = true;
    await this.#apply();
  }

  async resume(): Promise<void> {
    this.#paused = false;
    await this.#apply();
  }

  async set(on: boolean): Promise<void> {
    this.#on = on;
    await this.#apply();
  }

  async #apply(): Promise<void> {
    if (this.#on && !this.#paused) for (const watch of this.#watches) watch.resume();
    else await Promise.all(this.#watches.map((watch) => watch.pause()));
  }
}

/** Processes of the list that have no other one of it above them. */
function roots(watched: readonly Watched[]): Watched[] {
  const pids = new Set(watched.map((one) => one.pid));
  return watched.filter((one) => {
    for (let pid = statOf(one.pid)?.ppid ?? 0, steps = 0; pid > 1 && steps < 100; pid = statOf(pid)?.ppid ?? 0, steps++) {
      if (pids.has(pid)) return false;
    }
    return true;
  });
}

export function isPython(pid: number): boolean {
  return runtimeOf(pid, readProcLink(`/proc/${pid}/exe`) ?? '', argvOf(pid)).runtime === 'python';
}

function firstOf(error: unknown): unknown {
  return error instanceof AggregateError ? error.errors[0] : error;
}

/** Why a window failed: the signal that ended it, else the first line that py-spy printed about it, in our words where we know it. */
export function pySpyMessage(log: string, pid: number, status = 1): string {
  if (status > 128) {
    const name = Object.entries(constants.signals).find(([, number]) => number === status - 128)?.[0] ?? `signal ${status - 128}`;
    return name === 'SIGKILL' ? 'py-spy was killed (SIGKILL).' : `py-spy crashed (${name}).`;
  }
  const lines = log.split('\n').map((line) => line.replace(/^(?:py-spy> ?)?(?:Error: ?)?/, '').trim()).filter((line) => line !== '');
  const line = lines.find((one) => !/^(Sampling process|Stopped sampling|Wrote |Visit |You can use)/.test(one) && !/^\s*\d+:/.test(one)) ?? '';
  if (/Failed to get process executable name|No such process|os error 3\b/i.test(line)) return `Process ${pid} has ended.`;
  if (/Failed to find python version|No python processes found/i.test(line)) return `py-spy finds no Python in process ${pid}.`;
  if (/Permission Denied|Operation not permitted|os error (1|13)\b/i.test(line)) return `py-spy may not look at process ${pid}: permission denied.`;
  if (/unsupported (?:version of )?python|unsupported version/i.test(line)) return `py-spy cannot read this version of Python: ${line}`;
  return line === '' ? 'py-spy ended without a message.' : `py-spy: ${line.slice(0, 300)}`;
}

type Stream = ReturnType<Run['windows']>;

/** Windows that were lost, of all processes that are looked at: one message that counts. */
class Losses {
  #run: Run;
  #count = 0;

  constructor(run: Run) {
    this.#run = run;
  }

  add(why: string): void {
    const windows = ++this.#count === 1 ? '1 window' : `${this.#count} windows`;
    this.#run.notice({ id: 'py-spy-lost', level: 'warn', text: `${why} ${windows} of up to ${WINDOW_MS} ms ${this.#count === 1 ? 'has' : 'have'} no Python samples; the others are kept.`, command: '' });
  }
}

/** py-spy on one process (or one tree), window after window. */
class Watch {
  readonly done: Promise<string>;
  /** Resolves when the first window samples. */
  readonly started: Promise<void>;
  #run: Run;
  #shell: PySpyShell;
  #watched: Watched;
  #rate: number;
  #stream: Stream;
  #account: CpuAccount;
  #wanted: 'run' | 'pause' | 'stop' = 'run';
  #wake: () => void = () => {};
  #idleNow: Promise<void> = Promise.resolve();
  #markStarted: () => void = () => {};
  #markFailed: (error: UserError) => void = () => {};
  #sampled = false;
  /** A window was handed on. */
  #taken = false;
  #behind = 0;
  /** What it keeps up with, as far as is known, Hz. */
  #most = MOST_HZ;
  /** Windows in a row that failed. */
  #failed = 0;
  #losses: Losses;

  private constructor(run: Run, shell: PySpyShell, watched: Watched, rate: number, launched: boolean, follow: boolean, stream: Stream, losses: Losses) {
    this.#losses = losses;
    this.#run = run;
    this.#shell = shell;
    this.#watched = watched;
    this.#rate = rate;
    this.#stream = stream;
    this.#account = new CpuAccount([watched.pid], follow, () => run.now());
    this.started = new Promise((resolve, reject) => {
      this.#markStarted = resolve;
      this.#markFailed = reject;
    });
    this.started.catch(() => { /* told by `done` too */ });
    this.done = this.#loop(launched).catch((error: unknown) => messageOf(error)).then(async (error) => {
      this.#account.stop();
      await this.#shell.close();
      this.#markFailed(new UserError('py-spy', error === '' ? `Process ${watched.pid} has ended.` : error));
      return error;
    });
  }

  static async open(run: Run, tool: string, watched: Watched, rate: number, launched: boolean, follow: boolean, stream: Stream, losses: Losses): Promise<Watch> {
    const { gil } = run.options.pySpy;
    const name = `py-spy-${watched.pid}`;
    await mkdir(join(run.scratch, name), { mode: 0o700 });
    // --idle always: see core/read/py-spy/decoder.ts. --nonblocking always: a blocking py-spy stops the target at each
    // sample, which costs it up to 10 % and reads as waiting in perf's account.
    const shell = await PySpyShell.open(run, name, [
      tool, 'record', '--pid', String(watched.pid), '--nonblocking', '--threads',
      ...(gil ? ['--gil', '--format', 'raw', '--full-filenames'] : ['--idle', '--format', 'chrometrace']),
      ...(follow ? ['--subprocesses'] : []),
    ]);
    return new Watch(run, shell, watched, rate, launched, follow, stream, losses);
  }

  async pause(): Promise<void> {
    if (this.#wanted === 'stop') return;
    this.#wanted = 'pause';
    this.#wake();
    await this.#idleNow;
  }

  resume(): void {
    if (this.#wanted !== 'pause') return;
    this.#wanted = 'run';
    this.#wake();
  }

  /** From the next window on; never more than py-spy was found to keep up with. Returns what is taken then, Hz. */
  setRate(hz: number): number {
    this.#rate = Math.min(this.#most, Math.max(LEAST_HZ, rateOf(hz)));
    return this.#rate;
  }

  async stop(): Promise<void> {
    this.#wanted = 'stop';
    this.#wake();
    await this.done;
  }

  /** Why it ended: '' for a stop or the target's end. */
  async #loop(launched: boolean): Promise<string> {
    if (launched) {
      while (!isPython(this.#watched.pid)) {
        if (this.#stopping() || !this.#alive()) return '';
        await this.#sleep(50);
      }
    }
    this.#account.start();
    for (;;) {
      while (this.#paused()) await this.#sleep(60_000);
      if (this.#stopping()) return '';
      const failure = await this.#stretch();
      // A launched program may be over before py-spy could look: that is its right, not a failure.
      if (!this.#alive() || this.#shell.gone) return this.#sampled || launched ? '' : failure;
      if (failure === '') continue;
      if (this.#sampled) {
        if (this.#lost()) return `${failure} That happened ${this.#failed} times in a row, so it was not started again. What had arrived is kept.`;
        await this.#sleep(50 * this.#failed);
        continue;
      }
      // A young interpreter cannot be read yet, and a stack that changes under a reader may fail once.
      if (this.#failed >= (launched ? 40 : TRIES)) return failure;
      await this.#sleep(launched ? 100 : 300);
    }
  }

  #lost(): boolean {
    return this.#failed >= MOST_LOST;
  }

  /** Windows without a break until a pause, a stop, the target's end or a window that failed before the next one stood, whose error is returned. */
  async #stretch(): Promise<string> {
    let current = await this.#shell.start(this.#rate);
    let failure = '';
    const finished = (async () => {
      for (;;) {
        if (await this.#shell.sampling(current, 3000) && !this.#sampled) {
          this.#sampled = true;
          this.#markStarted();
          this.#shell.say(`looks at process ${this.#watched.pid} ${this.#rate} times a second, in windows of ${WINDOW_MS} ms`);
        }
        const left = (this.#taken ? WINDOW_MS : FIRST_WINDOW_MS) - (this.#run.now() - current.start) / 1e6;
        await Promise.race([this.#sleep(Math.max(0, left)), current.ended]);
        const more = this.#wanted === 'run' && current.status === null && this.#alive();
        const next: Window | null = more ? await this.#shell.start(this.#rate).catch(() => null) : null;
        if (next !== null) await this.#shell.sampling(next, 1500);
        failure = this.#take(current, await this.#shell.finish(current));
        if (next === null) return;
        // One window is lost; the next one samples already.
        if (failure !== '' && this.#lost()) {
          this.#take(next, await this.#shell.finish(next));
          return;
        }
        current = next;
      }
    })();
    this.#idleNow = finished;
    await finished;
    return failure;
  }

  /** Hands a window on; the text of what went wrong, '' when nothing did. */
  #take(window: Window, result: WindowResult): string {
    if (result.bytes.length > 0) {
      this.#stream.push({
        start: window.start, end: result.end, threads: [{ own: '', tid: this.#watched.pid, name: '', pid: this.#watched.pid }],
        onCpu: this.#run.options.pySpy.gil ? [] : this.#account.between(window.start - 1e8, result.end), idle: this.#run.options.pySpy.idle, beside: this.#beside(),
      }, result.bytes);
    }
    this.#slower(result.log);
    if (result.status === 0) {
      this.#failed = 0;
      this.#taken ||= result.bytes.length > 0;
      return '';
    }
    this.#failed++;
    const message = pySpyMessage(result.log, this.#watched.pid, result.status);
    if (this.#alive()) {
      this.#shell.say(message);
      if (this.#sampled) this.#losses.add(message);
    }
    return message;
  }

  #beside(): boolean {
    const { profilers } = this.#run.options;
    return profilers.length === 0 || profilers.includes('perf');
  }

  /** Lowers the rate when py-spy says twice that it is behind. */
  #slower(log: string): void {
    if (!/behind in sampling/.test(log)) {
      this.#behind = 0;
      return;
    }
    if (++this.#behind < 2 || this.#rate <= LEAST_HZ) return;
    this.#behind = 0;
    this.#most = this.#rate = Math.max(LEAST_HZ, Math.round(this.#rate / 2));
    const text = `py-spy could not keep up and now samples ${this.#rate} times a second.`;
    this.#shell.say(text);
    this.#run.notice({ id: 'py-spy-rate', level: 'warn', text, command: '' });
  }

  #alive(): boolean {
    const start = startOf(this.#watched.pid);
    return start !== null && (this.#watched.start === 0 || start === this.#watched.start);
  }

  #stopping(): boolean {
    return this.#wanted === 'stop';
  }

  #paused(): boolean {
    return this.#wanted === 'pause';
  }

  /** Waits; a pause, a resume or a stop ends the wait. */
  async #sleep(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
