// V8's CPU and heap profilers over Node's inspector: nothing has to be installed, neither here nor in the program.
//
// A running Node opens its inspector on SIGUSR1, which is a risk that the user accepts first (node-check.ts). A launched one gets it by
// NODE_OPTIONS: a free port, and no line on standard error, where a signal would open the usual port, print two lines and come seconds later.
// What the environment reaches are Node programs under the command alone; the profilers start as soon as the port is there.
import { UserError, messageOf } from '#core/errors';
import type { LaneKind } from '#core/model/lane';
import type { RecordOptions } from '#core/protocol/api';
import { isAlive, startOf } from '../processes/identity.ts';
import { withDescendants } from '../processes/tree.ts';
import { delay } from './control.ts';
import { checkNode, NODE_PROFILER, riskOf } from './node-check.ts';
import { inspectorPlaces, isNode } from './node-process.ts';
import { HEAP_INTERVAL } from './node-thread.ts';
import type { HeapMode, What } from './node-thread.ts';
import { NodeWatch } from './node-watch.ts';
import type { Profiler, Run, Running, Watched } from './profiler.ts';

/** V8 is asked to look more often by nobody who wants a program to run on. */
const MOST_HZ = 1000;
const MOST_PROCESSES = 16;
const OPTIONS = '--inspect=127.0.0.1:0 --inspect-publish-uid=http';
/** How often new processes are looked for; at the start of a launch more often. */
const LOOK_MS = 300;
const FIRST_LOOK_MS = 25;
const FIRST_LOOKS = 200;

export const nodeInspector: Profiler = {
  id: NODE_PROFILER,
  lanes: ['cpu', 'memory'],
  risk: riskOf,
  launch: prepare,
  check: checkNode,
  start: (run) => new NodeRun(run).start(),
};

function prepare(_options: RecordOptions, _scratch: string, environment: Readonly<Record<string, string>>): Promise<{ environment: Readonly<Record<string, string>>; before: readonly string[] }> {
  const given = environment['NODE_OPTIONS'] ?? '';
  // An inspector that the command has anyway is used as it is.
  if (/--inspect\b(?!-publish-uid)/.test(given)) return Promise.resolve({ environment: {}, before: [] });
  return Promise.resolve({ environment: { NODE_OPTIONS: given === '' ? OPTIONS : `${given} ${OPTIONS}` }, before: [] });
}

/** V8's profilers on all Node processes of a recording. */
class NodeRun {
  readonly #run: Run;
  readonly #launched: boolean;
  readonly #follow: boolean;
  readonly #heapMode: HeapMode;
  readonly #lanes: Set<LaneKind>;
  readonly #watches = new Map<number, NodeWatch>();
  /** Processes that were tried, by pid and start. */
  readonly #tried = new Set<string>();
  readonly #streams = new Map<What, ReturnType<Run['windows']>>();
  readonly #errors: string[] = [];
  #rate: number;
  #paused = false;
  #stopping = false;
  #version = '';
  #finish: (end: { error: string }) => void = () => undefined;

  constructor(run: Run) {
    this.#run = run;
    this.#launched = run.target.kind === 'launch';
    this.#follow = this.#launched || (run.target.kind === 'attach' && run.target.children);
    this.#heapMode = run.options.memory === 'full' ? 'allocated' : 'held';
    this.#lanes = new Set(run.options.lanes.filter((lane) => lane === 'cpu' || lane === 'memory'));
    this.#rate = Math.min(MOST_HZ, Math.max(1, Math.round(run.options.rate)));
  }

  async start(): Promise<Running> {
    const done = new Promise<{ error: string }>((resolve) => { this.#finish = resolve; });
    if (!this.#launched) await this.#attachAll();
    const loop = this.#look();
    return {
      done,
      pause: async () => {
        this.#paused = true;
        await this.#each((watch) => watch.pause());
      },
      resume: async () => {
        this.#paused = false;
        await this.#each((watch) => watch.resume());
      },
      setLane: async (lane, on) => {
        if (lane !== 'cpu' && lane !== 'memory') throw new UserError('lane', `V8's profilers do not record ${lane}.`);
        if (on) this.#lanes.add(lane);
        else this.#lanes.delete(lane);
        await this.#each((watch) => watch.setLane(lane, on));
      },
      setRate: async (hz) => {
        this.#rate = Math.min(MOST_HZ, Math.max(1, Math.round(hz)));
        await this.#each((watch) => watch.setRate(this.#rate));
        return this.#rate;
      },
      stop: async () => {
        this.#stopping = true;
        await this.#each((watch) => watch.stop());
        await loop;
        await done;
      },
    };
  }

  /** Attaches to what is there; throws UserError where it can be done with none of them. */
  async #attachAll(): Promise<void> {
    const nodes = this.#nodes();
    if (nodes.length === 0) throw new UserError('not-node', `Process ${this.#run.watched[0]?.pid ?? 0} is not a Node process, so V8's profilers have nothing to look at.`);
    if (nodes.length > MOST_PROCESSES) {
      this.#run.notice({ id: 'node-many', level: 'info', text: `V8's profilers look at ${MOST_PROCESSES} of ${nodes.length} Node processes.`, command: '' });
    }
    const chosen = nodes.slice(0, MOST_PROCESSES);
    for (const [n, watched] of chosen.entries()) await this.#attach(watched, n + 1 < chosen.length);
    if (this.#watches.size > 0) return;
    throw new UserError('inspector', this.#errors[0] ?? `Process ${nodes[0].pid} has ended.`);
  }

  /** New processes are attached to as they come, until the recording or its processes end. */
  async #look(): Promise<void> {
    for (let looks = 0; !this.#stopping; looks++) {
      await delay(this.#launched && looks < FIRST_LOOKS ? FIRST_LOOK_MS : LOOK_MS);
      if (this.#stopping) break;
      const alive = this.#run.watched.some((watched) => isAlive(watched));
      if (!alive && this.#watches.size === 0) break;
      if (!this.#follow) {
        if (this.#watches.size === 0) break;
        continue;
      }
      const fresh = this.#nodes().filter((watched) => !this.#tried.has(keyOf(watched)));
      for (const watched of fresh) {
        if (this.#stopping || this.#watches.size >= MOST_PROCESSES) break;
        // Its inspector opens a moment after it has become Node.
        if (this.#launched && inspectorPlaces(watched.pid).length === 0) continue;
        await this.#attach(watched, false);
      }
    }
    await Promise.all([...this.#watches.values()].map((watch) => watch.stop()));
    await Promise.all([...this.#streams.values()].map((stream) => stream.close()));
    // A process that could not be watched is no failure beside others that were.
    this.#finish({ error: this.#version === '' && !this.#launched ? this.#errors[0] ?? '' : '' });
  }

  async #attach(watched: Watched, more: boolean): Promise<void> {
    const run = this.#run;
    this.#tried.add(keyOf(watched));
    const open = !this.#launched && run.options.risks.includes(NODE_PROFILER);
    try {
      const watch = await NodeWatch.attach(
        { run, rate: this.#rate, heapMode: this.#heapMode, launched: this.#launched, push: (what, window, bytes) => this.#stream(what).push(window, bytes), started: (version) => this.#started(version) },
        watched, open, more, [...this.#lanes],
      );
      this.#watches.set(watched.pid, watch);
      if (this.#paused) await watch.pause();
      if (this.#stopping) await watch.stop();
      void watch.done.then((error) => {
        this.#watches.delete(watched.pid);
        if (error === '' || this.#stopping) return;
        run.notice({ id: `node-${watched.pid}`, level: 'warn', text: `${error} Its windows so far are kept.`, command: '' });
      });
    } catch (error) {
      const text = !open && !this.#launched && inspectorPlaces(watched.pid).length === 0 ? `V8's profilers were not used on process ${watched.pid}: opening its inspector is a risk that was not accepted.` : messageOf(error);
      this.#errors.push(text);
      // A process that is over is no news.
      if (this.#watches.size > 0 && isAlive(watched)) run.notice({ id: `node-${watched.pid}`, level: 'warn', text, command: '' });
    }
  }

  #started(version: string): void {
    if (this.#version === '') this.#version = version;
  }

  #nodes(): Watched[] {
    const roots = this.#run.watched.filter((watched) => isAlive(watched));
    if (!this.#follow) return roots.filter((watched) => isNode(watched.pid));
    const found: Watched[] = [];
    for (const pid of withDescendants(roots.map((watched) => watched.pid))) {
      const start = startOf(pid);
      if (start !== null && isNode(pid)) found.push({ pid, start });
    }
    return found;
  }

  #stream(what: What): ReturnType<Run['windows']> {
    let stream = this.#streams.get(what);
    if (stream === undefined) {
      const interval = what === 'cpu' ? 0 : HEAP_INTERVAL;
      stream = this.#run.windows({
        decoder: 'v8', what, id: `v8-${what}`, title: `V8 of Node ${this.#version.replace(/^v/, '')}`, watched: this.#run.watched.map((watched) => watched.pid),
        directory: this.#run.directory, source: sourceOf(what, this.#rate), rateHz: what === 'cpu' ? this.#rate : 0, interval,
      });
      this.#streams.set(what, stream);
    }
    return stream;
  }

  async #each(work: (watch: NodeWatch) => Promise<void>): Promise<void> {
    await Promise.all([...this.#watches.values()].map(work));
  }
}

function sourceOf(what: What, rate: number): string {
  switch (what) {
    case 'cpu': return `V8 CPU profiler, ${rate} Hz`;
    case 'held': return 'V8 heap profiler, a sample every 32 KiB';
    case 'allocated': return 'V8 heap profiler, a sample every 32 KiB, with what was collected';
  }
}

function keyOf(watched: Watched): string {
  return `${watched.pid}:${watched.start}`;
}
