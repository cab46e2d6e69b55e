// One perf: its pseudo-terminal, its control FIFOs, its FIFO of samples.
import { closeSync, constants, openSync } from 'node:fs';
import { writtenBy } from '../processes/proc.ts';
import { Control, delay } from './control.ts';
import type { PerfAim, PerfPlan } from './perf-plan.ts';
import { eventsOf, perfArgv } from './perf-plan.ts';
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
  readonly plan: PerfPlan;
  #run: Run;
  /** Names of events that were switched off. */
  #off = new Set<string>();
  #paused = false;
  /** Characters that it printed so far. */
  #printed = 0;
  #control: Control;
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;

  private constructor(run: Run, plan: PerfPlan, aim: PerfAim, control: Control, terminal: Terminal, stream: SampleStream) {
    this.#run = run;
    this.plan = plan;
    this.aim = aim;
    this.#control = control;
    this.terminal = terminal;
    terminal.onOutput((text) => {
      this.#printed += text.length;
      this.output = (this.output + text).slice(-KEEP_OUTPUT);
    });
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
    this.#paused = !on;
    if (this.exit !== null) return;
    if (on && this.#off.size > 0) {
      for (const { name } of eventsOf(this.plan)) if (!this.#off.has(name)) await this.#ask(`enable ${name}`);
      return;
    }
    if (!this.plan.features.ping && this.#timer !== null) {
      // Without `ping` the wake-up is `enable`, which would end the pause.
      clearInterval(this.#timer);
      this.#timer = on ? setInterval(() => { this.#control.send(this.#wake); }, PING_MS) : null;
    }
    await this.#ask(on ? 'enable' : 'disable');
  }

  /** Empties the ring buffers once. */
  async ping(): Promise<void> {
    if (this.exit === null) await this.#ask(this.#wake);
  }

  /**
   * Lets these of its events sample and no others. False where this perf cannot: then nothing may be taken for granted, and
   * another one must take over. Its first event stays on: it carries the records of switches and mappings.
   */
  async choose(names: readonly string[]): Promise<boolean> {
    // Names on the control FIFO are as old as `ping` is.
    if (!this.plan.features.ping || this.exit !== null) return false;
    const all = eventsOf(this.plan).map(({ name }) => name);
    // The beginning of a call comes first and goes last, so that no end is seen alone.
    for (const name of [...all.filter((one) => names.includes(one)), ...all.filter((one) => !names.includes(one)).reverse()]) {
      const on = names.includes(name);
      if (on === !this.#off.has(name)) continue;
      if (!this.#paused && !await this.#toggle(name, on)) return false;
      if (on) this.#off.delete(name);
      else this.#off.add(name);
    }
    return true;
  }

  /** perf acknowledges a name that it does not know too; what it prints tells. */
  async #toggle(name: string, on: boolean): Promise<boolean> {
    const from = this.#printed;
    const done = `Event ${name} ${on ? 'enabled' : 'disabled'}`;
    await this.#ask(`${on ? 'enable' : 'disable'} ${name}`);
    const said = () => this.output.slice(Math.max(0, this.output.length - (this.#printed - from))).replaceAll(/\r?\n/g, '\n');
    for (let waited = 0; waited < 500 && this.exit === null; waited += 5) {
      const text = said();
      if (text.includes(done)) return true;
      if (text.includes(`can't find '${name}'`)) return false;
      await delay(5);
    }
    return false;
  }

  async #ask(command: string): Promise<void> {
    const answer = this.#control.next(() => true, 1000);
    this.#control.send(command);
    await Promise.race([answer, this.exited]);
  }

  /** Ends perf and keeps everything: `stop` where it knows that, then SIGINT, then SIGKILL, each where perf writes nothing more and does not end. The target goes on. */
  async stop(): Promise<PerfEnd> {
    if (this.#stopped) return await this.ended;
    this.#stopped = true;
    this.#silence();
    if (this.exit === null) {
      if (this.plan.features.ping) this.#control.send('stop');
      else this.terminal.kill('SIGINT');
      if (!await this.#ends(5000, 15_000)) this.terminal.kill('SIGINT');
      if (!await this.#ends(3000, 60_000)) this.terminal.kill('SIGKILL');
    }
    return await this.ended;
  }

  /** Whether perf ended because it was asked to. */
  get stopped(): boolean {
    return this.#stopped;
  }

  get #wake(): string {
    return this.plan.features.ping ? 'ping' : 'enable';
  }

  #silence(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Whether perf ends; false when it has written nothing for so long, or takes longer than `mostMs`. A busy machine needs time for what lies in its buffers. */
  async #ends(stillMs: number, mostMs: number): Promise<boolean> {
    let written = writtenBy(this.terminal.pid);
    const until = performance.now() + mostMs;
    for (let at = performance.now(); performance.now() < Math.min(until, at + stillMs);) {
      if (await Promise.race([this.exited.then(() => true), delay(100).then(() => this.exit !== null)])) return true;
      const now = writtenBy(this.terminal.pid);
      if (now !== written) at = performance.now();
      written = now;
    }
    return this.exit !== null;
  }
}
