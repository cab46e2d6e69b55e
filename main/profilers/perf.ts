// perf on running processes, its samples through a FIFO as they are taken. perf never starts the target: every way to end
// perf would then end the target too.
import { UserError, messageOf } from '#core/errors';
import { ns } from '#core/model/ids';
import type { LaneKind } from '#core/model/lane';
import { laneOff, laneOn } from '#core/read/perf/lane-marks';
import { checkIdentity, isAlive } from '../processes/identity.ts';
import { numbersIn } from '../processes/proc.ts';
import { withDescendants } from '../processes/tree.ts';
import { checkPerf } from './perf-check.ts';
import { delay } from './control.ts';
import { perfFailure } from './perf-errors.ts';
import { PerfLanes } from './perf-lanes.ts';
import type { PerfAim, PerfPlan } from './perf-plan.ts';
import { SIZES, SMALL_SIZES, eventsOf, faultsText, fitPlan, growthText, lighter, offCpuSource, offCpuText, pagesFor, privileged, sizesText, sourceText, stackSizeFor } from './perf-plan.ts';
import { PerfProcess, SampleStream } from './perf-process.ts';
import { ByteRate, MOST_BYTES } from './perf-rate.ts';
import { isExiting, loadOf, natureOf } from './perf-target.ts';
import { findPerf, timeEvent } from './perf-tool.ts';
import type { Profiler, Run, Running } from './profiler.ts';
import type { SystemFacts } from './system.ts';
import { MEMORY_TRACEPOINT, perfInstall, readSystem, tracefsReadable } from './system.ts';

export const perf: Profiler = {
  id: 'perf',
  lanes: ['cpu', 'off-cpu', 'memory', 'faults'],
  check: checkPerf,
  start: async (run) => {
    const session = await PerfSession.open(run);
    return session.running;
  },
};

const TRIES = 6;
/** After so many tries that failed because threads had ended, only threads that stay are attached to: what they start is followed. */
const TRIES_WITH_ALL = 3;
/** A thread that is there at both ends of this time stays, ms. */
const STAYS_MS = 30;
/** A target whose thread has exited is looked at again after this time, ms: it may be ending itself. */
const ENDING_MS = 100;
/** The second perf of a hand-over must sample before the cut: at least this long after its start. */
const LEAST_OVERLAP_NS = 1.2e9;
/** A seam longer than this is told, ns. */
const GAP_NS = 100e6;
/** Pauses between hand-overs: a program that ends old threads all the time would else be attached to without end. */
const FIRST_PAUSE_MS = 2000;
const LONGEST_PAUSE_MS = 60_000;

class PerfSession {
  readonly running: Running;
  #run: Run;
  #system: SystemFacts;
  #plan: PerfPlan;
  /** Which lanes are on, and what can fill them here. */
  #lanes: PerfLanes;
  #current: PerfProcess | null = null;
  #streams = 0;
  #starts = 0;
  #paused = false;
  #stopping = false;
  #restarted = false;
  /** A hand-over with the pause after it, and without. */
  #handing: Promise<void> | null = null;
  #taking: Promise<void> | null = null;
  /** Changes that were asked for, one after another. */
  #changes: Promise<unknown> = Promise.resolve();
  #rate: ByteRate;
  #pause = FIRST_PAUSE_MS;
  #resolve: (end: { error: string }) => void = () => {};

  private constructor(run: Run, system: SystemFacts, plan: PerfPlan, lanes: PerfLanes) {
    this.#run = run;
    this.#system = system;
    this.#plan = plan;
    this.#lanes = lanes;
    this.#rate = new ByteRate((bytes) => { this.#lighten(bytes); });
    this.running = {
      done: new Promise((resolve) => { this.#resolve = resolve; }),
      pause: async () => { await this.#sample(false); },
      resume: async () => { await this.#sample(true); },
      setLane: async (kind, on) => { await this.#inTurn(() => this.#switch(kind, on)); },
      setRate: async (hz) => await this.#inTurn(() => this.#setRate(hz)),
      stop: async () => { await this.#stop(); },
    };
  }

  static async open(run: Run): Promise<PerfSession> {
    for (const watched of run.watched) {
      // One of several may have ended; the only one may not.
      if (run.watched.length === 1) checkIdentity(watched);
    }
    const system = readSystem();
    const tool = await findPerf();
    if (!tool.found) throw new UserError('not-installed', tool.said === '' ? 'perf is not installed.' : `perf does not run here: ${tool.said}`, { command: perfInstall(system) });
    if (!tool.features.control) throw new UserError('perf-old', `perf ${tool.version} cannot be read while it runs; 5.10 or newer is needed.`, { command: perfInstall(system) });
    const may = privileged(system);
    const lanes = new PerfLanes(run, {
      offCpu: offCpuSource(system, tool.features, tracefsReadable()) ?? 'none', growth: tracefsReadable(MEMORY_TRACEPOINT) ? 'syscalls' : 'none', faults: true,
    });
    const plan: PerfPlan = lanes.plan({
      path: tool.path, features: tool.features, event: await timeEvent(tool), rate: Math.max(1, Math.round(run.options.rate)),
      stacks: run.options.stacks === 'fp' ? 'fp' : 'dwarf', stackSize: stackSizeFor(run.watched.map(({ pid }) => natureOf(pid, run.target.kind === 'launch'))),
      userOnly: !may && (system.paranoid ?? 2) >= 2, pages: pagesFor(system), elevate: [], ...(run.small === true ? SMALL_SIZES : SIZES),
      cpu: false, offCpu: 'none', faults: false, growth: 'none',
    });
    const session = new PerfSession(run, system, plan, lanes);
    if (!plan.cpu && plan.offCpu === 'none' && !plan.faults) throw new UserError('perf-switches', `perf ${tool.version} cannot tell when threads wait.`, { hint: 'Install a newer perf.' });
    const { process: first } = await session.#attach(() => undefined);
    session.#adopt(first);
    run.onThreadExit((pid, tid) => { session.#threadExited(pid, tid); });
    if (plan.userOnly) {
      run.notice({
        id: 'perf-user-only', level: 'info', command: 'sudo sysctl -w kernel.perf_event_paranoid=1',
        text: `Kernel functions are not shown: perf_event_paranoid is ${system.paranoid ?? 2}.`,
      });
    }
    // Children that came while perf attached to their parents are in nobody's list; parents inherit from now on.
    if (session.#missing(first).length > 0) session.#handOver('children that were started meanwhile');
    return session;
  }

  /**
   * Starts a perf on what is there now, with as many tries as the reasons for failing allow. `from` says where its stream
   * takes over from the one before, monotonic ns.
   */
  async #attach(from: () => number | undefined): Promise<{ process: PerfProcess; stream: SampleStream }> {
    let stream: SampleStream | null = null;
    try {
      for (let turn = 1, vanished = 0; ; turn++) {
        const { plan, aim, left, dropped } = vanished < TRIES_WITH_ALL ? this.#aim() : await this.#aimAtStaying();
        stream ??= await this.#openStream(plan, aim, from());
        const process = await PerfProcess.start(this.#run, plan, aim, stream, `perf-${++this.#starts}`);
        if (await process.ready()) {
          if (left > 0) this.#run.notice({ id: 'perf-threads', level: 'warn', text: `${left} threads are left out: perf opens a file for each thread and CPU, and the limit is reached.`, command: '' });
          if (dropped !== '') this.#run.notice({ id: 'perf-files', level: 'warn', text: `${dropped[0].toUpperCase()}${dropped.slice(1)} not recorded: perf opens a file for each thread, CPU and event, and the limit is reached.`, command: '' });
          const good = stream;
          stream = null;
          good.letGo();
          return { process, stream: good };
        }
        const end = await process.exited;
        const failure = perfFailure(process.output, end.code, end.signal, aim.pids, this.#system);
        if (failure.kind === 'vanished') vanished++;
        if (turn >= TRIES || !this.#remedy(failure.kind, failure.option, failure.error.message)) throw failure.error;
        if (failure.wrote) {
          // Its stream holds a beginning without samples; another beginning needs a stream of its own.
          stream.letGo();
          await stream.done;
          stream = null;
        }
      }
    } finally {
      stream?.letGo();
    }
  }

  async #openStream(plan: PerfPlan, aim: PerfAim, from: number | undefined): Promise<SampleStream> {
    this.#streams++;
    const faults = faultsText(plan);
    const memory = growthText(plan);
    return await SampleStream.open(this.#run, {
      decoder: 'perf', id: this.#streams === 1 ? 'perf' : `perf-${this.#streams}`, title: 'perf', watched: aim.pids, stacks: plan.stacks,
      directory: this.#run.directory, source: sourceText(plan), rateHz: plan.rate, ...(plan.offCpu === 'none' ? {} : { offCpu: offCpuText(plan) }),
      ...(faults === '' ? {} : { faults }), ...(memory === '' ? {} : { memory }), ...(from === undefined ? {} : { from }),
    });
  }

  /** Changes the plan so that another try makes sense; false where none does. */
  #remedy(kind: ReturnType<typeof perfFailure>['kind'], option: string, message: string): boolean {
    switch (kind) {
      case 'vanished': return this.#alive();
      case 'memory': {
        if (this.#plan.pages <= 16) return false;
        this.#plan = { ...this.#plan, pages: this.#plan.pages > 64 ? 64 : 16 };
        return true;
      }
      case 'event': {
        if (/sched:|context-switches/.test(message)) return this.#lessOffCpu();
        if (/syscalls/.test(message)) return this.#lessMemory();
        if (/page-faults/.test(message)) return this.#lessMemory() || this.#lessMemory();
        if (this.#plan.event === 'cpu-clock') return false;
        this.#plan = { ...this.#plan, event: 'cpu-clock' };
        return true;
      }
      case 'option': {
        const features = { ...this.#plan.features };
        if (option === 'buildid-mmap') features.buildIdMmap = false;
        else if (option === 'no-bpf-event' || option === 'bpf-event') features.noBpfEvent = false;
        else if (option === 'switch-events') features.switchEvents = false;
        else return false;
        this.#plan = { ...this.#plan, features };
        return true;
      }
      case 'permission': {
        // A kernel that is stricter than its number says. Waits without stacks come before no kernel functions at all; and frames of the program alone may still be allowed.
        if (this.#plan.growth !== 'none') return this.#lessMemory();
        if (this.#lessOffCpu()) return true;
        if (this.#plan.userOnly) return false;
        this.#plan = { ...this.#plan, userOnly: true };
        return true;
      }
      case 'files': return this.#lessMemory();
      case 'seccomp': case 'killed': case 'other': return false;
    }
  }

  /** The next less demanding source of waiting time; false where there is none. */
  #lessOffCpu(): boolean {
    const { offCpu } = this.#plan;
    if (offCpu === 'none' || offCpu === 'switches') return false;
    this.#plan = this.#lanes.adapt(this.#plan, { offCpu: offCpu === 'sched_switch' ? 'context-switches' : 'switches' });
    return true;
  }

  /** The same for memory: first its system calls go, then page faults. */
  #lessMemory(): boolean {
    const { growth, faults } = this.#plan;
    if (growth === 'none' && !faults) return false;
    this.#plan = this.#lanes.adapt(this.#plan, growth === 'none' ? { faults: false } : { growth: 'none' });
    this.#run.notice({
      id: 'perf-memory', level: 'warn', command: '',
      text: growth === 'none' ? 'Page faults are not recorded: perf may not count them here.' : 'mmap and brk are not recorded: perf may not use the tracepoints of system calls here. Page faults show where memory is touched.',
    });
    return true;
  }

  /** Processes to attach to now: those that were asked for and still run, with their children where that is wanted. */
  #pids(): number[] {
    const roots = this.#run.watched.filter((watched) => isAlive(watched)).map(({ pid }) => pid);
    return this.#run.target.kind === 'launch' || this.#run.target.children ? withDescendants(roots) : roots;
  }

  #aim(): Aimed {
    const pids = this.#pids();
    if (pids.length === 0) {
      const first = this.#run.watched[0]?.pid ?? 0;
      throw new UserError('process-ended', this.#run.watched.length === 1 ? `Process ${first} has ended.` : 'All chosen processes have ended.');
    }
    return fitPlan(this.#plan, pids.map((pid) => loadOf(pid)).filter((load) => load.tids.length > 0), this.#system);
  }

  /** The threads that do not come and go. */
  async #aimAtStaying(): Promise<Aimed> {
    const list = (): number[] => this.#pids().flatMap((pid) => numbersIn(`/proc/${pid}/task`));
    const before = new Set(list());
    await delay(STAYS_MS);
    const tids = list().filter((tid) => before.has(tid));
    return tids.length === 0 ? this.#aim() : { plan: this.#plan, aim: { pids: this.#pids(), tids }, left: 0, dropped: '' };
  }

  /**
   * Descendants that were not in perf's list. Most are inherited (their parent was attached to when they were started),
   * which cannot be told from outside; a hand-over too many costs 0.2 s of CPU time, a missing worker the recording.
   */
  #missing(process: PerfProcess): number[] {
    if (process.aim.tids.length > 0) return [];
    const known = new Set(process.aim.pids);
    return this.#pids().filter((pid) => !known.has(pid));
  }

  #alive(): boolean {
    return this.#run.watched.some((watched) => isAlive(watched));
  }

  /** Whether a process of the target lives and has a thread that is not just exiting. */
  #staying(): boolean {
    return this.#run.watched.some((watched) => isAlive(watched) && numbersIn(`/proc/${watched.pid}/task`).some((tid) => !isExiting(watched.pid, tid)));
  }

  #adopt(process: PerfProcess): void {
    this.#current = process;
    this.#rate.watch(process.terminal.pid);
    void process.ended.then(async (end) => {
      // A hand-over and a stop take their own perf down.
      if (this.#current !== process || process.stopped) return;
      await this.#died(process, end.code, end.signal);
    });
  }

  async #died(process: PerfProcess, code: number | null, signal: number | null): Promise<void> {
    await this.#taking;
    if (this.#stopping || this.#current !== process) return;
    // perf ends by itself, with 0, when the last of its processes did.
    if (code === 0 || !this.#alive()) {
      this.#end('');
      return;
    }
    const failure = perfFailure(process.output, code, signal, process.aim.pids, this.#system);
    if (!this.#restarted && failure.kind === 'killed') {
      this.#restarted = true;
      const since = this.#run.now();
      if (!this.#paused) this.#run.mark(laneOff(null, since));
      try {
        const { process: next } = await this.#attach(() => undefined);
        if (this.#stopping) {
          await next.stop();
          return;
        }
        this.#adopt(next);
        if (this.#paused) await next.sample(false);
        else {
          const back = this.#run.now();
          this.#run.mark(laneOn(null, since, back));
          this.#run.mark({ kind: 'gap', start: ns(since), end: ns(back), text: 'perf was killed and started again' });
        }
        this.#run.notice({ id: 'perf-restarted', level: 'warn', text: `${failure.error.message} It was started again; what had arrived is kept.`, command: '' });
        return;
      } catch (error) {
        this.#run.notice({ id: 'perf-died', level: 'bad', text: `${failure.error.message} It could not be started again: ${messageOf(error)}`, command: '' });
      }
    } else {
      this.#run.notice({ id: 'perf-died', level: 'bad', text: `${failure.error.message} What had arrived is kept.`, command: failure.error.command });
    }
    this.#end(failure.error.message);
  }

  #end(error: string): void {
    this.#current = null;
    this.#rate.stop();
    this.#lanes.close(this.#run.now());
    for (const wake of this.#waiters) wake();
    this.#resolve({ error });
  }

  /** perf spins at 100 % of a CPU once a thread that it attached to has exited, so another one takes over. */
  #threadExited(pid: number, tid: number): void {
    if (this.#current === null) return;
    this.#handOver(`thread ${tid} of process ${pid} has exited`);
  }

  #handOver(why: string): void {
    // The one that is under way attaches to what is there now.
    if (this.#handing !== null || this.#taking !== null || this.#stopping) return;
    const taking = this.#begin(this.#takeOver(why, true));
    // Its end does not wait for the pause that follows.
    this.#handing = taking
      .catch((error: unknown) => {
        // Not even that is news when the target ends.
        if (!this.#staying()) return;
        // The first perf goes on; nothing is lost but a CPU's time.
        this.#run.notice({ id: 'perf-hand-over', level: 'info', text: `perf could not be started anew (${messageOf(error)}); it goes on and takes more CPU time.`, command: '' });
      })
      .then(async () => {
        if (this.#current !== null) await this.#wait(this.#pause);
        this.#pause = Math.min(LONGEST_PAUSE_MS, this.#pause * 2);
      })
      .finally(() => { this.#handing = null; });
  }

  /** One at a time: `#taking` is there as long as it goes on. */
  #begin<T>(work: Promise<T>): Promise<T> {
    const taking: Promise<void> = work.then(() => undefined, () => undefined).then(() => {
      if (this.#taking === taking) this.#taking = null;
    });
    this.#taking = taking;
    return work;
  }

  /** Another perf with another plan. Answers the moment from which on its samples count, monotonic ns. Throws UserError where that fails: the one before goes on. */
  async #changeTo(plan: PerfPlan, why: string): Promise<number> {
    while (this.#taking !== null) await this.#taking;
    const before = this.#plan;
    this.#plan = plan;
    try {
      const cut = await this.#begin(this.#takeOver(why, false));
      if (cut === null) throw new UserError('perf-ended', 'The recording is ending.');
      return cut;
    } catch (error) {
      this.#plan = before;
      throw error;
    }
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#changes.then(work, work);
    this.#changes = turn.catch(() => undefined);
    return await turn;
  }

  async #switch(kind: LaneKind, on: boolean): Promise<void> {
    if (!this.#lanes.differs(kind, on)) return;
    const plan = this.#lanes.planWith(this.#plan, kind, on);
    const current = this.#current;
    if (current === null || this.#stopping) throw new UserError('perf-ended', 'perf does not record any more.');
    const asked = this.#run.now();
    if (this.#lanes.opened(current.plan, plan) && await current.choose(eventsOf(plan).map(({ name }) => name))) {
      this.#plan = plan;
      // What was taken before an event went counts; what comes when it is back counts at once.
      this.#lanes.set(kind, on, on ? asked : this.#run.now());
      return;
    }
    const cut = await this.#changeTo(plan, `${kind} was switched ${on ? 'on' : 'off'}`);
    this.#lanes.set(kind, on, cut);
  }

  async #setRate(hz: number): Promise<number> {
    const rate = Math.max(1, Math.round(hz));
    if (rate === this.#plan.rate) return rate;
    if (this.#plan.cpu && !this.#stopping && this.#current !== null) await this.#changeTo({ ...this.#plan, rate }, `${rate} samples a second`);
    else this.#plan = { ...this.#plan, rate };
    return this.#plan.rate;
  }

  /** perf writes more than can be kept up with: half the stack, half the faults. */
  #lighten(bytes: number): void {
    void this.#inTurn(async () => {
      if (this.#stopping || this.#current === null) return;
      const rate = `${Math.round(bytes / 1e6)} MB a second`;
      const plan = lighter(this.#plan, bytes / MOST_BYTES);
      if (plan === null) {
        this.#run.notice({ id: 'perf-bytes', level: 'warn', text: `perf writes ${rate}, with the smallest stacks already. Choose fewer processes or lanes, or a lower rate.`, command: '' });
        return;
      }
      await this.#changeTo(plan, `it wrote ${rate}`);
      this.#run.notice({ id: 'perf-bytes', level: 'info', text: `perf wrote ${rate}, more than 40: it takes less now (${sizesText(plan)}). Deep stacks may be cut.`, command: '' });
    }).catch((error: unknown) => {
      if (this.#staying()) this.#run.notice({ id: 'perf-bytes', level: 'warn', text: `perf writes ${Math.round(bytes / 1e6)} MB a second and could not be started with less (${messageOf(error)}).`, command: '' });
    });
  }

  /** Null where there is nothing to take over any more. `exits`: because of threads that exit, which may be the end of it all. */
  async #takeOver(why: string, exits: boolean): Promise<number | null> {
    const old = this.#current;
    if (old === null || old.exit !== null || !this.#alive()) return null;
    if (exits) await this.#wait(ENDING_MS);
    if (this.#stopping || this.#current !== old || old.exit !== null || !this.#staying()) return null;
    // Each beginning has its own cut; the first one that was told ends the old stream's rows, so that a later one leaves a gap.
    let firstCut = Infinity;
    const { process: next, stream } = await this.#attach(() => {
      const cut = Math.round(this.#run.now() + Math.max(LEAST_OVERLAP_NS, old.attachNs * 3));
      firstCut = Math.min(firstCut, cut);
      return cut;
    });
    const cut = stream.facts.decoder === 'perf' ? stream.facts.from ?? firstCut : firstCut;
    const covered = Math.max(cut, this.#run.now() - next.attachNs * 0.2);
    if (covered - firstCut > GAP_NS) {
      this.#run.mark({ kind: 'gap', start: ns(firstCut), end: ns(covered), text: 'perf was being started anew' });
    }
    // Both sample now. What is before the cut is the old one's, what is after it the new one's.
    await this.#wait(Math.max(0, (cut - this.#run.now()) / 1e6) + 20);
    await old.ping();
    if (this.#stopping) {
      await next.stop();
      return null;
    }
    // The old one goes on, with all of its rows: only a successor that stands when it ends takes them over.
    if (next.exit !== null) throw new UserError('perf-successor', 'the second perf ended at once');
    this.#adopt(next);
    if (this.#paused) await next.sample(false);
    await old.stop();
    this.#run.unnotice('perf-hand-over');
    this.#run.mark({ kind: 'hand-over', start: ns(cut), end: ns(cut), text: `perf was started anew: ${why}` });
    return cut;
  }

  #waiters = new Set<() => void>();

  /** Waits, at most until the session stops. */
  async #wait(ms: number): Promise<void> {
    if (this.#stopping) return;
    let wake: () => void = () => {};
    await Promise.race([delay(ms), new Promise<void>((resolve) => { wake = resolve; this.#waiters.add(resolve); })]);
    this.#waiters.delete(wake);
  }

  async #sample(on: boolean): Promise<void> {
    if (this.#paused === !on) return;
    this.#paused = !on;
    // The decoder must know before it reads what comes after the pause, and what came before it must not be cut.
    if (on) this.#run.mark(laneOn(null, 0, this.#run.now()));
    await this.#current?.sample(on);
    if (!on) this.#run.mark(laneOff(null, this.#run.now()));
  }

  async #stop(): Promise<void> {
    if (!this.#stopping) {
      this.#stopping = true;
      this.#rate.stop();
      this.#lanes.close(this.#run.now());
      for (const wake of this.#waiters) wake();
      const current = this.#current;
      await Promise.all([current?.stop(), this.#handing, this.#changes]);
      if (this.#current !== current) await this.#current?.stop();
      this.#resolve({ error: '' });
    }
    await this.running.done;
  }
}

interface Aimed {
  readonly plan: PerfPlan;
  readonly aim: PerfAim;
  readonly left: number;
  readonly dropped: string;
}
