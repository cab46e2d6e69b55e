// One recording, from start to seal: its folder, its threads, its target and its profilers.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { UserError, messageOf } from '#core/errors';
import type { Cursor } from '#core/model/delta';
import { ns } from '#core/model/ids';
import type { LaneKind } from '#core/model/lane';
import type { LaneStatus, Notice, Phase, ProfileStatus } from '#core/protocol/api';
import type { RecordingFile } from '../library/recording-file.ts';
import { writeRecordingFile } from '../library/recording-file.ts';
import { startOf } from '../processes/identity.ts';
import { DecoderHost } from './decoder-host.ts';
import { firstFile, infoOf } from './first-file.ts';
import { knownOf } from './known-process.ts';
import { Lives } from './lives.ts';
import { Losses } from './losses.ts';
import { commitOf, diskSpace, megabytes } from './machine.ts';
import type { DecoderCalls, DecoderEvent, ExportAsk, Mix, Summary } from './messages.ts';
import { Meters } from './meters.ts';
import { Notices } from './notices.ts';
import type { Parts, RecordingEnd, RecordingEvent } from './request.ts';
import { reopen, watchThread } from './reopen.ts';
import { MOST_RAW, dropOldest } from './retention.ts';
import { ProfilerRun } from './run.ts';
import { Streams } from './streams.ts';
import type { PtyTerminal } from './terminal.ts';

const METER_MS = 250;
const DISK_MS = 1000;
/** A command that waits for its profilers is let go after this long, whatever they do: sudo may be asking for a password. */
const STAND_MS = 120_000;
/** How long profilers have to end by themselves once the target has: then they are asked to, which keeps all that they have. */
const AFTER_TARGET_MS = 300;
/** Bytes behind that are said: a fraction of a second of a busy stream. */
const NOTEWORTHY = 16_000_000;

export class Recording {
  readonly id: string;
  readonly folder: string;
  readonly done: Promise<RecordingEnd>;
  /** Resolves when the folder is complete; earlier than `done` where a launched command runs on. Never rejects. */
  readonly sealed: Promise<void>;
  readonly #parts: Parts;
  readonly #file: RecordingFile;
  #decoder: DecoderHost;
  readonly #streams: Streams;
  readonly #run: ProfilerRun;
  readonly #meters: Meters;
  readonly #notices: Notices;
  readonly #lives: Lives;
  readonly #listeners = new Set<(event: RecordingEvent) => void>();
  readonly #timers: NodeJS.Timeout[] = [];
  #phase: Phase = 'starting';
  #summary: Summary | null = null;
  readonly #lost = new Losses();
  #behind = 0;
  #pausedAt = 0;
  #durationSet = false;
  /** Monotonic ns of the stop or the target's end: what comes after it is our own work. */
  #endedAt = 0;
  #decoderLost = false;
  #error = '';
  #stopping: Promise<void> | null = null;
  #finishDone: (end: RecordingEnd) => void = () => undefined;
  #finishSealed: () => void = () => undefined;
  #saveTimer: NodeJS.Timeout | null = null;
  /** Lanes as they were when the stop began: what they did, once nothing runs any more. */
  #lastLanes: LaneStatus[] | null = null;

  /** Made by startRecording. */
  constructor(parts: Parts) {
    this.#parts = parts;
    this.id = parts.id;
    this.folder = parts.folder;
    this.done = new Promise((resolve) => { this.#finishDone = resolve; });
    this.sealed = new Promise((resolve) => { this.#finishSealed = resolve; });
    this.#notices = new Notices(parts.notices, () => this.#emit('status'));
    this.#file = firstFile({ ...parts, target: parts.request.target, options: parts.request.options });
    this.#file.running = [{ pid: process.pid, start: startOf(process.pid) ?? 0, role: 'owner' }];
    writeRecordingFile(this.folder, this.#file);
    this.#decoder = new DecoderHost({ kind: 'live', zeroAt: parts.zeroAt, folder: this.folder, info: infoOf(this.#file), known: knownOf([...parts.watched, ...parts.light]) }, (event) => this.#hear(event));
    this.#streams = new Streams({ decoder: this.#decoder, folder: this.folder, scratch: join(this.folder, 'scratch'), onDiskFailed: (message) => this.#diskFailed(message) });
    this.#run = new ProfilerRun({
      target: parts.request.target, options: parts.request.options, watched: parts.watched, light: parts.light, small: parts.small, directory: parts.facts.directory, folder: this.folder,
      startedAt: parts.startedAt, terminal: parts.launched?.terminal ?? null, streams: this.#streams, decoder: this.#decoder,
      notice: (notice) => this.notice(notice), unnotice: (id) => this.unnotice(id),
      changed: () => {
        this.#emit('terminals');
        // At once: a crash in the next moment must find whom to end.
        this.#save();
      },
    });
    this.#lives = new Lives({
      choice: parts.choice, target: parts.request.target, options: parts.request.options, run: this.#run, file: this.#file, notices: this.#notices, prepared: parts.prepared, light: parts.light.length > 0,
      stands: () => this.#stands(), failed: (message) => { this.#error ||= message; }, ended: () => this.#profilerEnded(), behind: () => this.#behind,
      changed: () => {
        this.#saveSoon();
        this.#emit('status');
      },
    });
    const { options, target } = parts.request;
    this.#meters = new Meters({
      decoder: () => this.#decoder, watched: [...parts.watched, ...parts.light], children: target.kind === 'launch' || target.children, rate: options.rate, mostCost: options.mostCost,
      setRate: (hz) => this.#lives.setRate(hz), notice: (id, level, text) => this.notice({ id, level, text, command: '' }),
      now: () => this.#run.now(), child: (pid) => { this.#run.costly.add(pid); },
    });
  }

  get title(): string {
    return this.#file.title;
  }

  /** Pseudo-terminals of the command and the profilers, in order of their start. */
  get terminals(): readonly PtyTerminal[] {
    return this.#run.terminals;
  }

  get notes(): readonly string[] { return this.#summary?.info.notes ?? []; }

  get live(): boolean {
    return this.#phase === 'starting' || this.#phase === 'recording' || this.#phase === 'stopping';
  }

  /** Returns the function that ends listening. */
  subscribe(listener: (event: RecordingEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  status(): ProfileStatus {
    const { facts, zeroAt } = this.#parts;
    return {
      phase: this.#phase,
      elapsed: this.live ? (this.#endedAt || Number(process.hrtime.bigint())) - zeroAt : this.#file.durationNs,
      samples: this.#summary?.samples ?? 0,
      lost: this.#lost.count,
      ...this.#meters.status,
      paused: this.#pausedAt > 0,
      progress: this.#phase === 'stopping' && this.#behind > 0 ? { done: 0, total: this.#behind, what: 'Decoding what waits on disk' } : null,
      notices: this.#notices.all,
      lanes: this.#lastLanes ?? this.#lives.lanes(this.#phase === 'recording'),
      target: { name: facts.name, pid: facts.pid, runtime: facts.runtime, text: facts.text },
    };
  }

  /** Rows since a cursor; the empty cursor gives everything. */
  async since(cursor: Cursor): Promise<{ bytes: Uint8Array<ArrayBuffer>; cursor: Cursor; complete: boolean }> {
    // Its thread was lost: another one reads what is on disk as soon as the folder is complete.
    if (this.#decoderLost) await this.sealed;
    const { summary, ...delta } = await this.#decoder.call('since', { cursor });
    this.#summary = summary;
    return delta;
  }

  async export(ask: ExportAsk): Promise<{ name: string; type: string; bytes: Uint8Array }> {
    return await this.#decoder.call('export', ask);
  }

  notice(notice: Notice): void {
    this.#notices.add(notice);
  }

  unnotice(id: string): void {
    this.#notices.remove(id);
  }

  /** Pauses or resumes the profilers; the target runs on either way. */
  async pause(paused: boolean): Promise<void> {
    if (this.#phase !== 'recording' || paused === this.#pausedAt > 0) return;
    if (paused) {
      this.#pausedAt = this.#run.now();
      await this.#lives.pause();
    } else {
      this.#run.mark({ kind: 'pause', start: ns(this.#pausedAt), end: ns(this.#run.now()), text: 'paused' });
      this.#pausedAt = 0;
      await this.#lives.resume();
    }
    this.#emit('status');
  }

  /** Switches a lane on or off while it records. Throws UserError where that cannot be. */
  async setLane(lane: LaneKind, on: boolean): Promise<void> {
    if (this.#phase !== 'recording') throw new UserError('lane', 'lanes are switched while a recording runs');
    await this.#lives.setLane(lane, on);
  }

  /** Ends the recording and keeps it. An attached target is not touched; a launched one runs on. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Ends the decoder thread: the profile cannot be asked any more. Ends a launched command that still runs in our terminal. */
  async dispose(): Promise<void> {
    await this.stop();
    this.hangUp();
    await this.#decoder.close();
  }

  /** What its pages call it; recording.json keeps the name that it was made with. */
  rename(title: string): void {
    this.#decoder.tell({ t: 'info', info: { title } });
    this.#emit('status');
  }

  /** Ends a launched command that still runs in our terminal. */
  hangUp(): void {
    if (this.#parts.launched?.terminal?.running === true) this.#parts.launched.terminal.kill('SIGHUP');
  }

  /** Ends the decoder thread at once, while a stop waits for it: the folder is completed from what is on disk. */
  async abandon(): Promise<void> {
    await this.#decoder.close();
    await this.sealed;
  }

  /** Starts profilers in the background; resolves when the threads stand. */
  async begin(): Promise<void> {
    await this.#decoder.loaded;
    void this.#decoder.died.then((reason) => this.#decoderDied(reason));
    await this.#meters.begin();
    void commitOf(this.#parts.facts.directory).then((commit) => {
      if (commit === '') return;
      this.#file.commit = commit;
      this.#decoder.tell({ t: 'info', info: { commit } });
      this.#saveSoon();
    });
    this.#timers.push(setInterval(() => this.#measure(), METER_MS), setInterval(() => void this.#watchDisk(), DISK_MS));
    this.#measure();
    void this.#parts.launched?.done.then((end) => this.#launchedEnded(end), () => undefined);
    this.#parts.marks.begin({
      zeroAt: this.#parts.zeroAt, mark: (facts) => this.#run.mark(facts), skip: (what, count) => this.#decoder.tell({ t: 'skip', what, count }),
      notice: (notice) => this.notice(notice), now: () => this.#run.now(),
    });
    void this.#startProfilers();
  }

  async #startProfilers(): Promise<void> {
    const { launched, request } = this.#parts;
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => { timer = setTimeout(resolve, STAND_MS); });
    await Promise.race([patience, this.#lives.startAll()]);
    clearTimeout(timer);
    if (request.strict === true && this.#lives.running < this.#lives.wanted && launched !== null) {
      launched.kill('SIGKILL');
      await this.stop();
      return;
    }
    launched?.go();
    if (this.#stopping !== null) return;
    if (launched !== null) this.#startDuration();
    if (this.#lives.running === 0 && launched === null) {
      await this.stop();
      return;
    }
    this.#phase = 'recording';
    this.#emit('status');
    this.#startDuration();
  }

  /** The duration counts from the first moment that samples can come. */
  #startDuration(): void {
    const { duration } = this.#parts.request.options;
    if (this.#durationSet || !(duration > 0)) return;
    this.#durationSet = true;
    this.#timers.push(setTimeout(() => void this.stop(), duration * 1000));
  }

  /** A profiler stands. Its samples are shown while another one still attaches; a command runs only when all of them stand. */
  #stands(): void {
    if (this.#parts.launched !== null || this.#stopping !== null) return;
    this.#phase = 'recording';
    this.#emit('status');
    this.#startDuration();
  }

  #profilerEnded(): void {
    // The command runs on without profilers; its recording has nothing more to come.
    if (this.#lives.running > 0 || this.#lives.attaching > 0 || this.#phase !== 'recording') return;
    if (this.#parts.launched === null && !this.#meters.target(this.#run.now()).alive) void this.#targetEnded();
    else void this.stop();
  }

  #launchedEnded(end: { code: number | null; signal: number | null }): void {
    this.#file.exit = end;
    void this.#targetEnded();
  }

  async #targetEnded(): Promise<void> {
    if (this.#stopping !== null) return;
    this.#endedAt ||= this.#run.now();
    this.notice({ id: 'target-ended', level: 'info', text: this.#file.exit === null ? 'The target has ended.' : `${this.#parts.facts.name} has ended.`, command: '' });
    const patience = new Promise((resolve) => { setTimeout(resolve, AFTER_TARGET_MS).unref(); });
    await Promise.race([patience, this.#lives.ends()]);
    await this.stop();
  }

  async #stop(): Promise<void> {
    const wasPaused = this.#pausedAt;
    this.#lastLanes = this.#lives.lanes(false);
    this.#phase = 'stopping';
    this.#endedAt ||= this.#run.now();
    const watch = watchThread(this.#decoder);
    this.#emit('status');
    if (wasPaused > 0) this.#run.mark({ kind: 'pause', start: ns(wasPaused), end: ns(this.#run.now()), text: 'paused' });
    this.#pausedAt = 0;
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all([this.#lives.stopAll(), this.#meters.end()]);
    // A lane that could not start is no error of a recording that has others.
    this.#error ||= this.#lives.failure;
    await this.#run.endChildren();
    this.#parts.marks.close(this.#endedAt);
    this.#parts.launched?.go();
    await this.#streams.close();
    await this.#seal(this.#endedAt - this.#parts.zeroAt);
    clearInterval(watch);
    rmSync(join(this.folder, 'scratch'), { recursive: true, force: true });
    this.#finishSealed();
    this.#phase = this.#error !== '' && (this.#summary?.samples ?? 0) === 0 ? 'failed' : 'done';
    this.#emit('status');
    // `record -- CMD` ends with its command; in the window a command may run on in its terminal.
    const { launched, request } = this.#parts;
    const end = launched !== null && request.terminal === 'inherit' ? await launched.done : this.#file.exit;
    this.#finishDone({ error: this.#error, exitCode: end?.code ?? null, signal: end?.signal ?? null });
  }

  async #seal(durationNs: number): Promise<void> {
    const file = this.#file;
    try {
      const { summary, mix, gaps, failed, bytes } = await this.#sealTables();
      this.#summary = summary;
      if (failed !== '') this.notice({ id: 'disk', level: 'bad', text: `Writing to ${this.folder} failed (${failed}): ${megabytes(bytes)} of tables are on disk, the rest is only in memory. Save it elsewhere before you close it.`, command: '' });
      file.durationNs = Math.max(durationNs, summary.durationNs);
      this.#apply(summary, mix);
      file.gaps = gaps.map((gap) => ({ ...gap }));
    } catch (error) {
      this.#error ||= messageOf(error);
      file.durationNs = durationNs;
    }
    file.state = 'sealed';
    file.running = [];
    file.lost = this.#lost.count;
    file.exact = [[0, file.durationNs]];
    this.#decoder.tell({ t: 'info', info: { durationNs: file.durationNs } });
    if (this.#saveTimer !== null) clearTimeout(this.#saveTimer);
    this.#save();
  }

  /** The decoder's own tables, or, where its thread is lost, what deltas.bin has of them. */
  async #sealTables(): Promise<DecoderCalls['seal']['answer']> {
    if (!this.#decoderLost) {
      try {
        return await this.#decoder.call('seal', { notes: [] });
      } catch (error) {
        if (!this.#decoderLost) this.#decoderDied(error instanceof UserError ? error : new UserError('decoder', messageOf(error)));
      }
    }
    await this.#decoder.close();
    const { host, sealed } = await reopen(this.folder);
    this.#decoder = host;
    return sealed;
  }

  #apply(summary: Summary, mix: Mix): void {
    this.#file.lanes = summary.lanes.map(({ kind, name, samples }) => ({ kind, name, samples }));
    this.#file.mix = mix.map((part) => ({ ...part }));
  }

  #hear(event: DecoderEvent): void {
    switch (event.t) {
      case 'streamDone':
        // A perf that was to take over when the target ended has nothing to say: all rows are in the stream before it.
        if (event.error !== '') this.notice({ id: `decode-${event.stream}`, level: this.#endedAt > 0 && this.#takesOver(event.stream) ? 'info' : 'bad', text: `${event.stream} could not be read further: ${event.error}. Its raw bytes are kept.`, command: '' });
        this.#streams.streamDone(event.stream);
        return;
      case 'threadExit':
        this.#run.threadExit(event.pid, event.tid);
        return;
      case 'lost':
        this.#lost.add(event.count, event.start, event.end);
        this.notice({ id: 'lost', level: 'warn', text: this.#lost.text(this.#summary?.samples ?? 0), command: '' });
        return;
      case 'behind':
        this.#behind = event.bytes;
        if (event.bytes > NOTEWORTHY) this.notice({ id: 'behind', level: 'warn', text: `The picture is behind: ${megabytes(event.bytes)} wait on disk to be decoded. Nothing is lost.`, command: '' });
        else if (event.bytes === 0) this.unnotice('behind');
        return;
      case 'diskFailed':
        this.#diskFailed(event.message);
        return;
      case 'firstRows':
        this.#emit('status');
        return;
      case 'loaded':
      case 'progress':
      case 'finishedInit':
        return;
    }
  }

  #takesOver(id: string): boolean {
    return this.#streams.facts.some((stream) => stream.id === id && stream.decoder === 'perf' && stream.from !== undefined);
  }

  #decoderDied(reason: UserError): void {
    if (!this.live || this.#decoderLost) return;
    this.#decoderLost = true;
    const text = reason.code === 'closed' ? 'The decoder was ended because it did not answer' : reason.message;
    this.#error ||= text;
    this.notice({ id: 'decoder', level: 'bad', text: `${text}. What it had decoded is kept; raw bytes that came later are in ${this.folder} and can be decoded again.`, command: '' });
    this.#streams.decoderDied();
    void this.stop();
  }

  #measure(): void {
    const now = this.#run.now();
    const reading = this.#meters.measure(now, this.#run.costly);
    if (!reading.alive && this.#parts.launched === null && this.#phase === 'recording') void this.#targetEnded();
  }

  async #watchDisk(): Promise<void> {
    this.#meters.measureOwn();
    if (this.#summary === null || this.#phase === 'recording') {
      await this.#decoder.call('summary', null).then((summary) => { this.#summary = summary; }, () => undefined);
    }
    if (this.#summary !== null && this.#phase === 'recording' && this.#pausedAt === 0) await this.#meters.taken(this.#run.now(), this.#summary.lanes, this.#streams.facts);
    const dropped = this.#stopping === null ? dropOldest(join(this.folder, 'streams')) : [];
    if (dropped.length > 0) this.notice({ id: 'raw', level: 'info', text: `The newest ${megabytes(MOST_RAW)} of raw bytes are kept; older ones were removed. The tables are whole.`, command: '' });
    const space = await diskSpace(this.folder).catch(() => null);
    if (space === null || space.usable > 0 || this.#stopping !== null) return;
    this.#diskFailed(`${megabytes(space.free)} of ${megabytes(space.total)} are left, and a recording never uses the last tenth`);
  }

  // The tables in memory are whole: the recording ends here, and can be saved to another disk.
  #diskFailed(message: string): void {
    this.#streams.keepNothing();
    this.#error ||= `the disk is full: ${message}`;
    this.notice({ id: 'disk', level: 'bad', text: `The recording ended because its disk is full: ${message}. What was recorded until now is kept in ${this.folder}.`, command: '' });
    void this.stop();
  }

  #saveSoon(): void {
    if (this.#file.state !== 'running') return;
    this.#saveTimer ??= setTimeout(() => {
      this.#saveTimer = null;
      this.#save();
    }, 100);
  }

  #save(): void {
    const file = this.#file;
    file.streams = this.#streams.facts.map((stream) => ({ ...stream, watched: [...stream.watched] }));
    file.notices = this.#notices.all.map((notice) => ({ ...notice }));
    file.terminals = this.#run.casts.map((cast) => ({ ...cast }));
    file.raw = file.streams.some((stream) => stream.decoder === 'perf');
    if (file.state === 'running') {
      const owner = file.running.filter((one) => one.role === 'owner');
      file.running = [...owner, ...this.#run.children.map((child) => ({ ...child, role: 'profiler' as const }))];
      const { launched } = this.#parts;
      if (launched !== null) file.running.push({ pid: launched.pid, start: launched.start, role: 'target' });
    }
    try {
      writeRecordingFile(this.folder, file);
    } catch (error) {
      this.#error ||= messageOf(error);
      this.notice({ id: 'disk', level: 'bad', text: `recording.json in ${this.folder} could not be written: ${messageOf(error)}`, command: '' });
    }
  }

  #emit(event: RecordingEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}
