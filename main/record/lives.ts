// The profilers of a recording: started, paused, switched, ended; and what that means for each lane.
import { UserError, messageOf } from '#core/errors';
import type { LaneKind } from '#core/model/lane';
import type { LaneStatus, RecordOptions, Target } from '#core/protocol/api';
import type { RecordingFile } from '../library/recording-file.ts';
import { LIGHT_HZ } from '../profilers/profiler.ts';
import type { Profiler, Running } from '../profilers/profiler.ts';
import type { Candidate, Choice } from './choose.ts';
import { starters } from './choose.ts';
import type { LaneLife } from './lanes.ts';
import { laneStatuses } from './lanes.ts';
import { maskText } from './mask.ts';
import type { Notices } from './notices.ts';
import type { ProfilerRecord, ProfilerRun } from './run.ts';

/** How long a profiler's stop may take without anything being written or decoded before its processes are killed, and in all. */
const STOP_MS = 8000;
const LONGEST_STOP_MS = 120_000;
const LOOK_MS = 500;

export interface LivesOptions {
  readonly choice: Choice;
  readonly target: Target;
  readonly options: RecordOptions;
  readonly run: ProfilerRun;
  readonly file: RecordingFile;
  readonly notices: Notices;
  /** Some processes get light detail. */
  readonly light: boolean;
  /** Profilers whose part of the environment the launched command got. */
  readonly prepared: readonly string[];
  /** One stands: samples can come. */
  readonly stands: () => void;
  /** One ended with an error by itself. */
  readonly failed: (message: string) => void;
  /** One ended by itself, and nothing else is to come of it. */
  readonly ended: () => void;
  readonly changed: () => void;
  /** Bytes that wait undecoded. */
  readonly behind: () => number;
}

interface Life extends LaneLife {
  readonly detail: 'full' | 'light';
  readonly record: ProfilerRecord;
  state: LaneLife['state'];
  error: string;
  running: Running | null;
  /** Paused because all of its lanes are off: it cannot switch them by itself. */
  resting: boolean;
}

export class Lives {
  readonly #options: LivesOptions;
  readonly #lives: Life[] = [];
  /** Lanes that were switched off by hand. */
  readonly #off = new Set<LaneKind>();
  #stopping = false;
  #paused = false;

  constructor(options: LivesOptions) {
    this.#options = options;
  }

  /** Profilers that run. */
  get running(): number {
    return this.#lives.filter((life) => life.state === 'running').length;
  }

  /** Profilers that still attach. */
  get attaching(): number {
    return this.#lives.filter((life) => life.state === 'starting').length;
  }

  /** Why nothing could start; '' where something did, or was not to. */
  get failure(): string {
    return this.#lives.every((life) => life.state === 'failed') ? this.#lives.at(0)?.error ?? '' : '';
  }

  /** How many start with the recording. */
  get wanted(): number {
    return starters(this.#options.choice).length;
  }

  /** Starts those that were chosen. Resolves when each of them stands or has failed; never rejects. */
  async startAll(): Promise<void> {
    await Promise.all(starters(this.#options.choice).flatMap(({ profiler, lanes }) => [
      this.#start(profiler, lanes, 'full'), ...(this.#options.light && profiler.light === true ? [this.#start(profiler, lanes, 'light')] : []),
    ]));
  }

  async pause(): Promise<void> {
    this.#paused = true;
    await Promise.all(this.#active().filter((life) => !life.resting).map((life) => life.running?.pause()));
  }

  async resume(): Promise<void> {
    this.#paused = false;
    await Promise.all(this.#active().filter((life) => !life.resting).map((life) => life.running?.resume()));
  }

  /** Ends all of them; those that take too long are told of. */
  async stopAll(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#active().map((life) => this.#stopOne(life)));
  }

  /** Resolves when all that run have ended by themselves. */
  async ends(): Promise<void> {
    await Promise.all(this.#active().map((life) => life.running?.done.catch(() => undefined)));
  }

  /** What each lane is doing. `live`: lanes can be switched now. */
  lanes(live: boolean): LaneStatus[] {
    const { choice, options } = this.#options;
    return laneStatuses({ choice, asked: options.lanes, off: this.#off, lives: this.#lives, live, canSwitch: (kind) => this.#switchable(kind) });
  }

  /**
   * Switches a lane on or off: by the profilers that fill it; where none of them runs, one that can fill it is started. Throws UserError
   * where it cannot be switched.
   */
  async setLane(kind: LaneKind, on: boolean): Promise<void> {
    if (this.#stopping) throw new UserError('lane', 'this recording is ending');
    await this.#setOne(kind, on);
    // Page faults are a part of memory: they come and go with it, unless they were asked for by themselves.
    const faults = this.#active().some((life) => life.lanes.has('faults') && life.lanes.has('memory'));
    if (kind === 'memory' && faults && !this.#options.options.lanes.includes('faults') && this.#off.has('faults') === on) await this.#setOne('faults', on);
    this.#options.changed();
  }

  async #setOne(kind: LaneKind, on: boolean): Promise<void> {
    const filling = this.#active().filter((life) => this.#fills(life, kind));
    if (!on && filling.length === 0) throw new UserError('lane', `the lane ${kind} is not being recorded`);
    // A lane of which a part goes on is not off.
    const lasting = on ? undefined : this.#lasting(filling, kind);
    if (lasting !== undefined) throw new UserError('lane', `the lane ${kind} cannot be switched off: ${lasting.profiler.id} ${lasting.running?.goesOn === true ? 'takes it from its start to its end' : 'takes it with its other lanes'}`);
    const errors: unknown[] = [];
    const done: Life[] = [];
    for (const life of filling) {
      try {
        if (await this.#switch(life, kind, on)) done.push(life);
      } catch (error) {
        errors.push(error);
      }
    }
    if (!on && errors.length > 0) {
      for (const life of done) await this.#switch(life, kind, true).catch((error: unknown) => errors.push(error));
      throw errors[0];
    }
    let switched = done.length;
    if (on && switched === 0) {
      const spare = this.#spare(kind);
      if (spare !== null) {
        await this.#start(spare.profiler, [kind], 'full', errors);
        switched = errors.length === 0 ? 1 : 0;
      }
    }
    if (switched === 0) {
      if (errors.length > 0) throw errors[0];
      throw new UserError('lane', on ? this.#reason(kind) : `the lane ${kind} is not being recorded`);
    }
    if (on) this.#off.delete(kind);
    else this.#off.add(kind);
  }

  /** Has all profilers that can take fewer samples a second. Returns the rate of the one that takes most; null where none could. */
  async setRate(hz: number): Promise<number | null> {
    const results = await Promise.all(this.#active().map(async (life) => {
      if (life.running?.setRate === undefined) return null;
      try {
        const taken = await life.running.setRate(life.detail === 'light' ? Math.min(hz, LIGHT_HZ) : hz);
        // The rate of a recording is that of its full detail.
        return life.detail === 'light' ? null : taken;
      } catch (error) {
        this.#options.notices.add({ id: `rate-${life.profiler.id}`, level: 'warn', text: `${life.profiler.id} could not take another rate: ${messageOf(error)}`, command: '' });
        return null;
      }
    }));
    const taken = results.filter((one) => one !== null);
    return taken.length === 0 ? null : Math.max(...taken);
  }

  #active(): Life[] {
    return this.#lives.filter((life) => life.state === 'running');
  }

  #fills(life: Life, kind: LaneKind): boolean {
    const candidate = this.#options.choice.candidates.find((one) => one.profiler === life.profiler);
    return life.lanes.has(kind) || (candidate?.possible.includes(kind) ?? false);
  }

  #switchable(kind: LaneKind): boolean {
    if (this.#stopping) return false;
    const filling = this.#active().filter((life) => this.#fills(life, kind));
    if (this.#lasting(filling, kind) !== undefined) return false;
    if (filling.some((life) => this.#canSwitch(life, kind))) return true;
    return !filling.some((life) => life.lanes.has(kind)) && this.#spare(kind) !== null;
  }

  /** One that takes the lane, whatever is asked of it. */
  #lasting(filling: readonly Life[], kind: LaneKind): Life | undefined {
    return filling.find((life) => life.lanes.has(kind) && !this.#canSwitch(life, kind));
  }

  #canSwitch(life: Life, kind: LaneKind): boolean {
    return life.running?.setLane !== undefined || this.#isAlone(life, kind);
  }

  /** Whether it has this one lane, so that a pause of it is a pause of the lane. */
  #isAlone(life: Life, kind: LaneKind): boolean {
    return life.lanes.size === 1 && life.lanes.has(kind) && life.running?.goesOn !== true;
  }

  async #switch(life: Life, kind: LaneKind, on: boolean): Promise<boolean> {
    const { running } = life;
    if (running === null || (!on && !life.lanes.has(kind))) return false;
    if (running.setLane !== undefined) {
      await running.setLane(kind, on);
    } else if (this.#isAlone(life, kind)) {
      life.resting = !on;
      if (!this.#paused) await (on ? running.resume() : running.pause());
    } else {
      return false;
    }
    if (on) life.lanes.add(kind);
    return true;
  }

  /** A profiler that does not run and could fill the lane. */
  #spare(kind: LaneKind): Candidate | null {
    const { choice, target, prepared } = this.#options;
    return choice.candidates.find(({ profiler, possible }) => {
      if (!possible.includes(kind)) return false;
      // What a command needs from its start cannot be given to it later.
      if (target.kind === 'launch' && profiler.launch !== undefined && !prepared.includes(profiler.id)) return false;
      const last = this.#lives.findLast((life) => life.profiler === profiler);
      return last === undefined || last.state === 'ended' || last.state === 'failed';
    }) ?? null;
  }

  #reason(kind: LaneKind): string {
    const status = this.lanes(true).find((lane) => lane.kind === kind);
    return status === undefined || status.text === '' ? `nothing here records ${kind}` : status.text;
  }

  /** Errors go to `errors` where it is given (somebody waits for the answer), else into a notice. */
  async #start(profiler: Profiler, lanes: readonly LaneKind[], detail: 'full' | 'light', errors: unknown[] | null = null): Promise<void> {
    const { file, run, notices } = this.#options;
    const record = { id: profiler.id, title: profiler.id, argv: [] as string[], exitCode: null as number | null, signal: null as number | null, error: '' };
    file.profilers.push(record);
    const life: Life = { profiler, detail, record, lanes: new Set(lanes), state: 'starting', error: '', running: null, resting: false };
    this.#lives.push(life);
    try {
      const running = await profiler.start(run.of(record, lanes, detail));
      if (this.#stopping) {
        life.state = 'ended';
        await running.stop();
        return;
      }
      life.running = running;
      life.state = 'running';
      if (this.#paused) await running.pause();
      this.#options.stands();
      void running.done.then(({ error }) => this.#ended(life, record, error), (error: unknown) => this.#ended(life, record, messageOf(error)));
    } catch (error) {
      if (detail === 'light') {
        // Of processes in light detail one that is no Python, or has ended, is no news: they have their tracks.
        this.#lives.splice(this.#lives.indexOf(life), 1);
        record.error = maskText(messageOf(error));
        this.#options.changed();
        return;
      }
      life.state = 'failed';
      life.error = record.error = maskText(messageOf(error));
      if (errors !== null) {
        errors.push(error);
      } else {
        notices.add({ id: `failed-${profiler.id}`, level: 'bad', text: record.error, command: error instanceof UserError ? error.command : '' });
      }
    }
    this.#options.changed();
  }

  #ended(life: Life, record: { error: string }, error: string): void {
    if (life.state === 'ended') return;
    life.state = error === '' ? 'ended' : 'failed';
    life.error = record.error = maskText(error);
    this.#options.changed();
    if (error !== '' && !this.#stopping) {
      this.#options.failed(life.error);
      this.#options.notices.add({ id: `ended-${life.profiler.id}`, level: 'bad', text: error, command: '' });
    }
    this.#options.ended();
  }

  async #stopOne(life: Life): Promise<void> {
    const { notices } = this.#options;
    const { id } = life.profiler;
    try {
      const stopped = (life.running?.stop() ?? Promise.resolve()).then(() => true);
      if (await this.#within(life, stopped)) {
        life.state = 'ended';
        return;
      }
      stopped.catch(() => undefined);
      const how = this.#options.run.written(life.record) === '' ? '; what it sent is kept' : ' and was killed; its last samples may be missing';
      notices.add({ id: `late-${id}`, level: 'warn', text: `${id} did not end when it was asked to${how}.`, command: '' });
    } catch (error) {
      notices.add({ id: `stop-${id}`, level: 'warn', text: `${id} did not end cleanly: ${messageOf(error)}`, command: '' });
    }
    life.state = 'ended';
  }

  /** Whether a stop comes to its end: as long as its profiler writes or its bytes are decoded, it is waited for. */
  async #within(life: Life, stopped: Promise<boolean>): Promise<boolean> {
    const began = performance.now();
    let before = '';
    for (let at = began; performance.now() < Math.min(began + LONGEST_STOP_MS, at + STOP_MS);) {
      let timer: NodeJS.Timeout | undefined;
      const look = new Promise<false>((resolve) => { timer = setTimeout(() => resolve(false), LOOK_MS); });
      const done = await Promise.race([stopped, look]);
      clearTimeout(timer);
      if (done) return true;
      const now = `${this.#options.run.written(life.record)} ${this.#options.behind()}`;
      if (now !== before) at = performance.now();
      before = now;
    }
    return false;
  }
}
