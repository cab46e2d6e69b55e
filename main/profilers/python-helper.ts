// Python without any permission: a helper that a launched Python imports when it starts (resources/python/sitecustomize.py). It samples the program's
// own frames and writes to a FIFO; the kernel's account of each thread, which anyone may read in /proc, says how long they ran and waited.
//
// PYTHONPATH: our folder stands first in it and stays there, in os.environ too, because that is how ranks and loaders come by it, whatever way they are
// started. The helper takes the folder off sys.path and runs the user's own sitecustomize, so that imports are what they would be without it. A Python
// that is started with -S, -I or -E never looks at it.
import { closeSync, constants, copyFileSync, existsSync, mkdirSync, openSync, readSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '#core/errors';
import type { LaneKind } from '#core/model/lane';
import type { Check, Target } from '#core/protocol/api';
import { isAlive } from '../processes/identity.ts';
import { argvOf, readProcLink } from '../processes/proc.ts';
import { runtimeOf } from '../processes/runtime.ts';
import { withDescendants } from '../processes/tree.ts';
import { RESOURCES } from '../paths.ts';
import { CpuAccount } from './account.ts';
import { makeFifos } from './control.ts';
import type { Profiler, Run, Running } from './profiler.ts';

const FILE = 'sitecustomize.py';
const READ_MS = 50;
/** Bytes and readings are handed on this often. */
const WINDOW_MS = 250;
const PIECE = 65_536;
/** Our own thread takes the interpreter's lock for each look: more looks would slow the program down. */
const MOST_HZ = 200;
/** A Python that said nothing for this long has not loaded the helper. */
const SILENT_NS = 5e9;
/** How long the last bytes of a target that has ended may take. */
const LAST_MS = 150;

export const pythonHelper: Profiler = {
  id: 'python-helper',
  lanes: ['cpu', 'off-cpu'],
  insteadOf: ['perf', 'py-spy'],
  launch: async (options, scratch, environment) => {
    const folder = await prepareHelper(scratch);
    await makeFifos([join(folder, 'fifo')]);
    writeRate(folder, rateOf(options.rate));
    return { environment: { ...pythonPath(folder, environment), FLAMEBENCH_PYTHON: folder }, before: [] };
  },
  check: async (target) => await Promise.resolve([verdict(target, 'cpu'), verdict(target, 'off-cpu')]),
  start: async (run) => await Promise.resolve(new HelperSession(run).running),
};

/**
 * What a launched command's environment needs so that every Python of this user's that it starts lets itself be attached to, where Yama allows that to
 * parents only (kernel.yama.ptrace_scope is 1).
 */
export async function tracerEnvironment(scratch: string, environment: Readonly<Record<string, string>>): Promise<Readonly<Record<string, string>>> {
  return { ...pythonPath(await prepareHelper(scratch), environment), FLAMEBENCH_PTRACER: '1' };
}

/** A folder with the helper alone. A copy in the recording's own: Python may write its compiled form beside it, and all of it goes with the recording. */
async function prepareHelper(scratch: string): Promise<string> {
  const folder = join(scratch, 'python');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  copyFileSync(join(RESOURCES, 'python', FILE), join(folder, FILE));
  return await Promise.resolve(folder);
}

function pythonPath(folder: string, environment: Readonly<Record<string, string>>): Record<string, string> {
  const before = environment['PYTHONPATH'] ?? '';
  // An empty entry would mean the current directory.
  return { PYTHONPATH: before === '' ? folder : `${folder}:${before}` };
}

/** Read by the helper twice a second; no file means the end. By rename: it is never read half. */
function writeRate(folder: string, hz: number): void {
  writeFileSync(join(folder, 'rate.new'), String(hz), { mode: 0o600 });
  renameSync(join(folder, 'rate.new'), join(folder, 'rate'));
}

function rateOf(wanted: number): number {
  return Math.min(MOST_HZ, Math.max(1, Math.round(wanted)));
}

function verdict(target: Target, lane: 'cpu' | 'off-cpu'): Check {
  const base = { profiler: 'python-helper', lane, version: '', command: '' };
  if (target.kind === 'attach') {
    return { ...base, state: 'no', text: 'A Python that runs already cannot be given a helper that samples it from inside: one that is started here can.' };
  }
  const text = lane === 'cpu'
    ? 'Python functions, sampled by a helper inside the program, with exact CPU time from /proc. It does not see native code, threads of C extensions, or a Python that is started with -S, -I or -E.'
    : 'How long Python threads wait, exact from /proc, with the Python function they wait in; without the reason, and without native threads.';
  return { ...base, state: 'partly', text };
}

class HelperSession {
  readonly running: Running;
  readonly #run: Run;
  readonly #folder: string;
  readonly #account: CpuAccount;
  readonly #stream: ReturnType<Run['windows']>;
  readonly #lanes: Set<LaneKind>;
  readonly #piece = new Uint8Array(PIECE);
  #file: number;
  #timer: NodeJS.Timeout | null = null;
  #bytes: Uint8Array[] = [];
  #start: number;
  #hz: number;
  #paused = false;
  /** Monotonic ns since when a Python runs that has said nothing; 0 while none does. */
  #silentSince = 0;
  #heard = false;
  #ended = false;
  #resolve: (end: { error: string }) => void = () => undefined;

  constructor(run: Run) {
    this.#run = run;
    this.#folder = join(run.scratch, 'python');
    const fifo = join(this.#folder, 'fifo');
    if (!existsSync(fifo)) throw new UserError('python-helper', 'The helper must be there when the program starts.');
    // Read and written by us: it has no end while programs come and go.
    this.#file = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
    this.#hz = rateOf(run.options.rate);
    this.#lanes = new Set(run.options.lanes);
    this.#start = run.now();
    this.#account = new CpuAccount(run.watched.map(({ pid }) => pid), true, () => run.now());
    this.#stream = run.windows({
      decoder: 'python-helper', id: 'python-helper', title: 'Python helper', watched: run.watched.map(({ pid }) => pid), directory: run.directory,
      source: `helper inside Python, ${this.#hz} Hz`, rateHz: this.#hz,
    });
    this.#account.start();
    this.#wait();
    this.running = {
      done: new Promise((resolve) => { this.#resolve = resolve; }),
      pause: async () => { this.#paused = true; this.#tellRate(); await Promise.resolve(); },
      resume: async () => { this.#paused = false; this.#tellRate(); await Promise.resolve(); },
      setRate: async (hz) => {
        this.#hz = Math.min(this.#hz, rateOf(hz));
        this.#tellRate();
        return await Promise.resolve(this.#hz);
      },
      setLane: async (lane, on) => {
        if (on) this.#lanes.add(lane);
        else this.#lanes.delete(lane);
        this.#tellRate();
        await Promise.resolve();
      },
      stop: async () => { await this.#end(); },
    };
  }

  #tellRate(): void {
    if (!this.#ended) writeRate(this.#folder, this.#paused || this.#lanes.size === 0 ? 0 : this.#hz);
  }

  #wait(): void {
    this.#timer = setTimeout(() => {
      this.#read();
      if (this.#run.now() - this.#start >= WINDOW_MS * 1e6) this.#push();
      if (!this.#run.watched.some((watched) => isAlive(watched))) void this.#end();
      else this.#wait();
    }, READ_MS);
  }

  #read(): void {
    for (;;) {
      let got: number;
      try {
        got = readSync(this.#file, this.#piece);
      } catch {
        // EAGAIN: all of it is read.
        return;
      }
      if (got === 0) return;
      this.#heard = true;
      this.#bytes.push(this.#piece.slice(0, got));
    }
  }

  #push(): void {
    const end = this.#run.now();
    this.#stream.push({ start: this.#start, end, threads: [], onCpu: this.#account.between(this.#start - 1e9, end), lanes: [...this.#lanes] }, Buffer.concat(this.#bytes));
    this.#bytes = [];
    this.#start = end;
    this.#watchSilence(end);
  }

  /** Says it when a Python runs and the helper does not. */
  #watchSilence(now: number): void {
    if (this.#heard || this.#paused) return;
    if (this.#silentSince === 0) {
      const python = withDescendants(this.#run.watched.map(({ pid }) => pid)).some((pid) => runtimeOf(pid, readProcLink(`/proc/${pid}/exe`) ?? '', argvOf(pid)).runtime === 'python');
      if (python) this.#silentSince = now;
    } else if (now - this.#silentSince > SILENT_NS) {
      this.#silentSince = Infinity;
      this.#run.notice({ id: 'python-helper-silent', level: 'warn', text: 'The helper inside Python says nothing: the program was started with -S, -I or -E, clears PYTHONPATH, or its Python is older than 3.7.', command: '' });
    }
  }

  async #end(): Promise<void> {
    if (!this.#ended) {
      this.#ended = true;
      if (this.#timer !== null) clearTimeout(this.#timer);
      // Programs that run on see that nobody listens any more.
      rmSync(join(this.#folder, 'rate'), { force: true });
      await new Promise((next) => setTimeout(next, LAST_MS));
      this.#read();
      this.#push();
      this.#account.stop();
      closeSync(this.#file);
      await this.#stream.close();
      this.#resolve({ error: '' });
    }
    await this.running.done;
  }
}
