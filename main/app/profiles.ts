// The profiles that are open: recordings, live or just ended, and files. The server holds them, whatever pages come and go.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { UserError, messageOf } from '#core/errors';
import type { Cursor } from '#core/model/delta';
import { startCursor, takeDelta } from '#core/model/delta';
import { Profile } from '#core/model/profile';
import type { Notice, Phase, ProfileRef, ProfileRow, ProfileStatus } from '#core/protocol/api';
import { isRecording } from '../library/open.ts';
import { MIME_TYPE, saveRecording } from '../library/save.ts';
import { DecoderHost } from '../record/decoder-host.ts';
import { fileName } from '../record/export.ts';
import { megabytes } from '../record/machine.ts';
import type { DecoderEvent, DecoderJob, ExportAsk, Summary } from '../record/messages.ts';
import type { Recording } from '../record/recording.ts';
import type { PtyTerminal, ShownTerminal } from '../record/terminal.ts';
import { titleTogether } from '../record/together.ts';
import { readPast } from './past.ts';
import type { Past } from './past.ts';

export interface DeltaAnswer {
  readonly bytes: Uint8Array;
  readonly cursor: Cursor;
  readonly complete: boolean;
}

export interface ExportAnswer {
  readonly name: string;
  readonly type: string;
  readonly bytes: Uint8Array;
}

/** One open profile. */
export interface OpenProfile {
  readonly id: ProfileRef;
  /** Row of the library, '' for a file. */
  readonly library: string;
  /** Folder or .flamebench file that holds it; '' where only this thread has it. */
  readonly place: string;
  title: string;
  readonly live: boolean;
  readonly terminals: readonly ShownTerminal[];
  status(): ProfileStatus;
  since(cursor: Cursor): Promise<DeltaAnswer>;
  export(ask: ExportAsk): Promise<ExportAnswer>;
  /** Another name, also in what its pages have of it. */
  rename(title: string): void;
  close(): Promise<void>;
}

/** A page that asks while the decoder is at work on a long step gets an empty answer after this. */
const PATIENCE_MS = 300;
/** How long a clean end may take when the server ends, and what then comes after it: `serve --stop` waits 30 s. */
const SHUTDOWN_MS = 18_000;
const LAST_MS = 6000;
/** A file that goes to a page as one message is held in memory twice. */
const LARGEST_EXPORT = 1_000_000_000;
// A delta that changes nothing, from the cursor that it was asked with: info 0 is what a new profile has.
const EMPTY_DELTA = takeDelta(new Profile(), { ...startCursor(), info: 0 }).bytes.slice();

/** Answers `since` within PATIENCE_MS: a question that the thread has not come to yet is not asked twice. */
class Asker {
  readonly #ask: (cursor: Cursor) => Promise<DeltaAnswer>;
  readonly #open = new Map<string, Promise<DeltaAnswer>>();

  constructor(ask: (cursor: Cursor) => Promise<DeltaAnswer>) {
    this.#ask = ask;
  }

  async since(cursor: Cursor): Promise<DeltaAnswer> {
    const key = JSON.stringify(cursor);
    let answer = this.#open.get(key);
    if (answer === undefined) {
      answer = this.#ask(cursor);
      this.#open.set(key, answer);
    }
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => { timer = setTimeout(() => resolve(null), PATIENCE_MS); });
    try {
      const first = await Promise.race([answer, late]);
      if (first === null) return { bytes: EMPTY_DELTA, cursor, complete: false };
      this.#open.delete(key);
      return first;
    } catch (error) {
      this.#open.delete(key);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}

class RecordingProfile implements OpenProfile {
  readonly id: string;
  readonly library: string;
  readonly place: string;
  title: string;
  readonly #recording: Recording;
  readonly #asker: Asker;

  constructor(recording: Recording) {
    this.#recording = recording;
    this.id = recording.id;
    this.library = recording.id;
    this.place = recording.folder;
    this.title = recording.title;
    this.#asker = new Asker((cursor) => recording.since(cursor));
  }

  get live(): boolean {
    return this.#recording.live;
  }

  get recording(): Recording {
    return this.#recording;
  }

  get terminals(): readonly PtyTerminal[] {
    return this.#recording.terminals;
  }

  status(): ProfileStatus {
    return this.#recording.status();
  }

  since(cursor: Cursor): Promise<DeltaAnswer> {
    return this.#asker.since(cursor);
  }

  async export(ask: ExportAsk): Promise<ExportAnswer> {
    if (ask.format === 'flamebench') return await exportPlace(this.place, this.title);
    return await this.#recording.export(ask);
  }

  rename(title: string): void {
    this.title = title;
    this.#recording.rename(title);
  }

  close(): Promise<void> {
    return this.#recording.dispose();
  }
}

class FileProfile implements OpenProfile {
  readonly id: string;
  readonly library: string;
  readonly place: string;
  readonly live = false;
  readonly terminals: readonly ShownTerminal[];
  title: string;
  readonly #host: DecoderHost;
  readonly #asker: Asker;
  #phase: Phase = 'opening';
  #progress: ProfileStatus['progress'] = null;
  #summary: Summary | null = null;
  #notices: Notice[];
  readonly #past: Past | null;
  /** Resolves when it is known to be readable: at the first progress, or when all is loaded. Rejects where it is not. */
  readonly readable: Promise<void>;
  readonly loaded: Promise<void>;

  constructor(options: { job: Exclude<DecoderJob, { kind: 'live' }>; title: string; library: string; place: string; past: Past | null; changed: (profile: FileProfile) => void }) {
    this.id = randomBytes(8).toString('hex');
    this.library = options.library;
    this.place = options.place;
    this.title = options.title;
    this.#past = options.past;
    this.terminals = options.past?.terminals ?? [];
    this.#notices = [...(options.past?.notices ?? [])];
    let begun = (): void => undefined;
    const first = new Promise<void>((resolve) => { begun = resolve; });
    this.#host = new DecoderHost(options.job, (event: DecoderEvent) => {
      if (event.t !== 'progress') return;
      this.#progress = { done: event.done, total: event.total, what: event.what };
      begun();
    });
    this.#asker = new Asker(async (cursor) => {
      const { summary, ...delta } = await this.#host.call('since', { cursor });
      this.#summary = summary;
      return delta;
    });
    this.loaded = this.#host.loaded.then(async () => {
      this.#phase = 'done';
      this.#progress = null;
      this.#summary = await this.#host.call('summary', null).catch(() => null);
      if (this.title === '') this.title = this.#summary?.info.title ?? '';
      options.changed(this);
    }, (error: unknown) => {
      this.#phase = 'failed';
      this.#progress = null;
      const hint = error instanceof UserError ? error.hint : '';
      this.#notices.push({ id: 'open', level: 'bad', text: hint === '' ? messageOf(error) : `${messageOf(error)}. ${hint}`, command: error instanceof UserError ? error.command : '' });
      options.changed(this);
    });
    this.readable = Promise.race([first, this.#host.loaded]);
  }

  status(): ProfileStatus {
    return {
      phase: this.#phase, elapsed: this.#summary?.durationNs ?? 0, samples: this.#summary?.samples ?? 0, lost: this.#past?.lost ?? 0, ownCpu: null, profilerCpu: null,
      targetCost: null, paused: false, progress: this.#progress, notices: this.#notices, lanes: [], rate: 0, target: null,
    };
  }

  since(cursor: Cursor): Promise<DeltaAnswer> {
    return this.#asker.since(cursor);
  }

  async export(ask: ExportAsk): Promise<ExportAnswer> {
    if (ask.format !== 'flamebench') return await this.#host.call('export', ask);
    if (this.#phase === 'opening') throw new UserError('still-opening', 'this file is still being read');
    if (this.place !== '') return await exportPlace(this.place, this.title);
    const folder = mkdtempSync(join(tmpdir(), 'flamebench-save-'));
    try {
      await this.#host.call('tree', { folder });
      return await exportPlace(folder, this.title);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  rename(title: string): void {
    this.title = title;
    this.#host.tell({ t: 'info', info: { title } });
  }

  close(): Promise<void> {
    return this.#host.close();
  }
}

async function exportPlace(place: string, title: string): Promise<ExportAnswer> {
  const folder = mkdtempSync(join(tmpdir(), 'flamebench-save-'));
  try {
    const path = join(folder, 'saved');
    const { bytes } = await saveRecording(place, path, { withRaw: false });
    if (bytes > LARGEST_EXPORT) throw new UserError('export', `the file would have ${megabytes(bytes)}: more than a page takes at once`, { command: `flamebench convert ${place} -o ${fileName(title)}.flamebench` });
    return { name: `${fileName(title)}.flamebench`, type: MIME_TYPE, bytes: readFileSync(path) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export class Profiles {
  readonly #open = new Map<ProfileRef, OpenProfile>();
  readonly #listChanged: () => void;
  readonly #statusChanged: (profile: ProfileRef) => void;

  constructor(options: { listChanged: () => void; statusChanged: (profile: ProfileRef) => void }) {
    this.#listChanged = options.listChanged;
    this.#statusChanged = options.statusChanged;
  }

  get rows(): ProfileRow[] {
    return [...this.#open.values()].map(({ id, title, live, library }) => ({ id, title, live, library }));
  }

  get all(): readonly OpenProfile[] {
    return [...this.#open.values()];
  }

  get recordings(): readonly Recording[] {
    return this.all.flatMap((profile) => (profile instanceof RecordingProfile && profile.live ? [profile.recording] : []));
  }

  /** Throws UserError where it is not open. */
  get(id: ProfileRef): OpenProfile {
    const profile = this.#open.get(id);
    if (profile === undefined) throw new UserError('no-profile', 'this profile is not open any more', { hint: 'Open it again from the list.' });
    return profile;
  }

  /** The recording that runs under this id. Throws UserError where none does. */
  recording(id: ProfileRef): Recording {
    const profile = this.get(id);
    if (!(profile instanceof RecordingProfile)) throw new UserError('not-a-recording', 'this profile was opened, it is not being recorded');
    return profile.recording;
  }

  addRecording(recording: Recording): ProfileRef {
    this.#open.set(recording.id, new RecordingProfile(recording));
    recording.subscribe(() => this.#statusChanged(recording.id));
    void recording.sealed.then(() => this.#listChanged());
    this.#listChanged();
    return recording.id;
  }

  /** Opens a recording or a file by path. Resolves when it is known to be readable; throws UserError where it is not. */
  async openPath(given: string, options: { title?: string; library?: string; discard?: () => void } = {}): Promise<ProfileRef> {
    const path = resolve(given);
    const ours = isRecording(path);
    const place = ours && options.discard === undefined ? path : '';
    const known = this.all.find((profile) => place !== '' && profile.place === place && profile.status().phase !== 'failed');
    if (known !== undefined) return known.id;
    const title = options.title ?? '';
    const job = ours ? { kind: 'recording' as const, path } : { kind: 'file' as const, path, name: title === '' ? basename(path) : title };
    return await this.#openFile({ job, title: title === '' ? titleOfPath(path, ours) : title, library: options.library ?? '', place, past: ours ? readPast(path) : null }, options.discard);
  }

  /** Opens traces of the ranks of one job as one profile. */
  async openTogether(paths: readonly string[]): Promise<ProfileRef> {
    const files = paths.map((path) => ({ path: resolve(path), name: basename(path) }));
    return await this.#openFile({ job: { kind: 'together', files }, title: titleTogether(files), library: '', place: '', past: null });
  }

  /** Decodes the raw streams of a recording folder again: a profile of its own beside the recorded one. */
  async decodeAgain(folder: string, title: string): Promise<ProfileRef> {
    return await this.#openFile({ job: { kind: 'decode', path: folder }, title: `${title} (decoded again)`, library: '', place: '', past: readPast(folder) });
  }

  /** Closes a profile. A live recording is not stopped: it stays open until it has ended. */
  async close(id: ProfileRef): Promise<void> {
    const profile = this.#open.get(id);
    if (profile === undefined || profile.live) return;
    this.#open.delete(id);
    this.#listChanged();
    await profile.close();
  }

  /** Ends everything: recordings are stopped cleanly and kept. */
  async shutdown(): Promise<void> {
    await Promise.all(this.all.map(async (profile) => {
      const closed = profile.close().then(() => true, () => true);
      if (await Promise.race([closed, late(SHUTDOWN_MS)])) return;
      // Something does not end by itself. Its thread is ended; what is on disk completes the folder.
      if (profile instanceof RecordingProfile) await Promise.race([profile.recording.abandon(), late(LAST_MS)]);
    }));
    this.#open.clear();
  }

  async #openFile(options: Omit<ConstructorParameters<typeof FileProfile>[0], 'changed'>, discard?: () => void): Promise<ProfileRef> {
    const profile = new FileProfile({ ...options, changed: (changed) => { this.#statusChanged(changed.id); this.#listChanged(); } });
    void profile.loaded.then(discard);
    try {
      await profile.readable;
    } catch (error) {
      await profile.close();
      throw error;
    }
    this.#open.set(profile.id, profile);
    this.#listChanged();
    return profile.id;
  }
}

function titleOfPath(path: string, ours: boolean): string {
  if (!ours) return basename(path);
  return statSync(path).isDirectory() ? '' : basename(path, '.flamebench');
}

async function late(ms: number): Promise<false> {
  await new Promise((resolve) => { setTimeout(resolve, ms).unref(); });
  return false;
}
