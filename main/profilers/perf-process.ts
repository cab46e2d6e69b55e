// One perf: its pseudo-terminal, its control FIFOs, its FIFO of samples.
import { closeSync, constants, openSync } from 'node:fs';
import { Control, delay } from './control.ts';
import type { PerfAim, PerfPlan } from './perf-plan.ts';
import { perfArgv } from './perf-plan.ts';
import type { Run, StreamFacts, Terminal } from './profiler.ts';

/** Any command wakes perf, which then empties its ring buffers: the picture trails by half of this. */
const PING_MS = 50;
/** perf opens 40,000 files a second; 20,000 of them and a busy machine need some time. */
const READY_MS = 30_000;
const KEEP_OUTPUT = 64 << 10;

// Only `-o -` is perf's pipe mode, and in a terminal standard output must be redirected. argv is passed untouched and
// the pid stays perf's.
const REDIRECT = ['sh', '-c', 'exec "$@" > "$F"', 'sh'];

export interface PerfEnd {
  readonly code: number | null;
  readonly signal: number | null;
}

/**
 * A FIFO with its reader and decoder. It is held open until a perf stands, so that a perf that fails before it wrote
 * anything ends nothing: the next try writes into the same stream.
 */
export class SampleStream {
  readonly path: string;
  readonly facts: StreamFacts;
  /** Resolves when the last byte is decoded. */
  readonly done: Promise<void>;
  #hold: number | null;

  private constructor(path: string, facts: StreamFacts, done: Promise<void>) {
    this.path = path;
    this.facts = facts;
    this.done = done;
    this.#hold = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  }

  static async open(run: Run, facts: StreamFacts): Promise<SampleStream> {
    const fifo = await run.fifo(facts);
    return new SampleStream(fifo.path, facts, fifo.done);
  }

  /** From here on the stream ends with perf; at once where there is none. */
  letGo(): void {
    if (this.#hold !== null) closeSync(this.#hold);
    this.#hold = null;
  }
}

export class PerfProcess {
  readonly aim: PerfAim;
  readonly terminal: Terminal;
  /** Resolve when perf is gone, and when its last byte is decoded too. */
  readonly ended: Promise<PerfEnd>;
  readonly exited: Promise<PerfEnd>;
  /** perf's exit, before its bytes are decoded. */
  exit: PerfEnd | null = null;
  output = '';
  /** Time from start to the first answer, ns. */
  attachNs = 0;
  #run: Run;
  #plan: PerfPlan;
  #control: Control;
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;

  private constructor(run: Run, plan: PerfPlan, aim: PerfAim, control: Control, terminal: Terminal, stream: SampleStream) {
    this.#run = run;
    this.#plan = plan;
    this.aim = aim;
    this.#control = control;
    this.terminal = terminal;
    terminal.onOutput((text) => { this.output = (this.output + text).slice(-KEEP_OUTPUT); });
    this.exited = terminal.done.then((end) => {
      this.exit = end;
      this.#silence();
      control.close();
      return end;
    });
    this.ended = this.exited.then(async (end) => {
      await stream.done;
      return end;
    });
  }

  /** Starts a perf. Resolves at once; `ready` tells when it samples. Throws where FIFOs or the terminal cannot be made. */
  static async start(run: Run, plan: PerfPlan, aim: PerfAim, stream: SampleStream, name: string): Promise<PerfProcess> {
    const control = await Control.open(run.scratch, name);
    try {
      const argv = perfArgv(plan, aim, control.commands, control.answers);
      const terminal = run.pty('perf', [...REDIRECT, ...argv], { F: stream.path, LC_ALL: 'C' });
      run.cost(terminal.pid);
      return new PerfProcess(run, plan, aim, control, terminal, stream);
    } catch (error) {
      control.close();
      throw error;
    }
  }

  /** True when perf answers its first command, which it does once all is attached and described; false when it ended. */
  async ready(): Promise<boolean> {
    const started = this.#run.now();
    const answer = this.#control.next(() => true, READY_MS);
    this.#control.send(this.#wake);
    const first = await Promise.race([answer.then((line) => line !== null), this.exited.then(() => false)]);
    if (this.exit !== null) return false;
    if (!first) {
      this.output += '\nperf did not answer within 30 s';
      this.terminal.kill('SIGKILL');
      await this.exited;
      return false;
    }
    this.attachNs = this.#run.now() - started;
    this.#timer = setInterval(() => { this.#control.send(this.#wake); }, PING_MS);
    return true;
  }

  /** Stops or continues sampling; resolves when perf says so (0.2 ms). */
  async sample(on: boolean): Promise<void> {
    if (this.exit !== null) return;
    if (!this.#plan.features.ping && this.#timer !== null) {
      // Without `ping` the wake-up is `enable`, which would end the pause.
      clearInterval(this.#timer);
      this.#timer = on ? setInterval(() => { this.#control.send(this.#wake); }, PING_MS) : null;
    }
    const answer = this.#control.next(() => true, 1000);
    this.#control.send(on ? 'enable' : 'disable');
    await Promise.race([answer, this.exited]);
  }

  /** Empties the ring buffers once. */
  async ping(): Promise<void> {
    if (this.exit !== null) return;
    const answer = this.#control.next(() => true, 1000);
    this.#control.send(this.#wake);
    await Promise.race([answer, this.exited]);
  }

  /** Ends perf and keeps everything: `stop` where it knows that, then SIGINT, then SIGKILL. The target goes on. */
  async stop(): Promise<PerfEnd> {
    if (this.#stopped) return await this.ended;
    this.#stopped = true;
    this.#silence();
    if (this.exit === null) {
      if (this.#plan.features.ping) this.#control.send('stop');
      else this.terminal.kill('SIGINT');
      if (!await this.#within(5000)) this.terminal.kill('SIGINT');
      if (!await this.#within(3000)) this.terminal.kill('SIGKILL');
    }
    return await this.ended;
  }

  /** Whether perf ended because it was asked to. */
  get stopped(): boolean {
    return this.#stopped;
  }

  get #wake(): string {
    return this.#plan.features.ping ? 'ping' : 'enable';
  }

  #silence(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  async #within(ms: number): Promise<boolean> {
    return await Promise.race([this.exited.then(() => true), delay(ms).then(() => this.exit !== null)]);
  }
}
