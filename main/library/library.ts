// The list of recordings in a data folder. Names, notes, tags and the baseline are kept beside the recordings (library.json),
// never in them: a recording that is sent on says nothing of what was thought about it.
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { UserError, messageOf } from '#core/errors';
import type { LibraryRow } from '#core/protocol/api';
import { makePrivate, recordingsFolder } from '../record/data-folder.ts';
import { isAlive } from '../processes/identity.ts';
import type { RecordingFile } from './recording-file.ts';
import { RECORDING_JSON, readRecordingFile } from './recording-file.ts';

const ENTRY = v.object({ title: v.optional(v.string()), notes: v.optional(v.string()), tags: v.optional(v.array(v.string())), baseline: v.optional(v.boolean()) });
const LIBRARY = v.object({ version: v.literal(1), entries: v.record(v.string(), ENTRY) });
type Entry = v.InferOutput<typeof ENTRY>;

export interface LibraryChange {
  readonly title?: string | undefined;
  readonly notes?: string | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly baseline?: boolean | undefined;
}

export class Library {
  readonly #home: string;
  readonly #folder: string;
  readonly #trash: string;
  /** Facts of folders by id, with the time of the recording.json that they came from. */
  readonly #cache = new Map<string, { at: number; file: RecordingFile; bytes: number }>();

  constructor(home: string) {
    this.#home = home;
    this.#folder = recordingsFolder(home);
    this.#trash = join(home, 'trash');
    makePrivate(this.#trash);
  }

  /** All recordings that are complete, newest first. Folders that cannot be read are left out: `broken` names them. */
  list(): LibraryRow[] {
    const entries = this.#read();
    const rows: LibraryRow[] = [];
    for (const id of this.#ids()) {
      const known = this.#facts(id);
      if (known === null || known.file.state === 'running') continue;
      const { file, bytes } = known;
      const entry = entries[id] ?? {};
      rows.push({
        id, title: entry.title ?? file.title, command: file.command, host: file.host, commit: file.commit, startedAt: file.startedAt,
        durationNs: file.durationNs, lanes: file.lanes.map(({ kind, samples }) => ({ kind, samples })), mix: file.mix, notes: entry.notes ?? '',
        tags: entry.tags ?? [], baseline: entry.baseline ?? false, recovered: file.state === 'recovered', bytes,
      });
    }
    return rows.sort((a, b) => b.startedAt - a.startedAt);
  }

  /** Folder of a recording. Throws UserError where there is none of this id. */
  folderOf(id: string): string {
    if (!this.#has(id)) throw new UserError('no-recording', `there is no recording ${id} in ${this.#folder}`);
    return join(this.#folder, id);
  }

  /** The name that the library shows; '' where the recording's own is shown. */
  titleOf(id: string): string {
    return this.#read()[id]?.title ?? '';
  }

  /** Changes what is said about a recording. One recording is the baseline: choosing one takes it from the other. */
  update(id: string, change: LibraryChange): void {
    this.folderOf(id);
    const entries = this.#read();
    if (change.baseline === true) for (const entry of Object.values(entries)) delete entry.baseline;
    const entry: Entry = { ...entries[id] };
    if (change.title !== undefined) entry.title = change.title;
    if (change.notes !== undefined) entry.notes = change.notes;
    if (change.tags !== undefined) entry.tags = [...change.tags];
    if (change.baseline !== undefined) entry.baseline = change.baseline;
    entries[id] = entry;
    this.#write(entries);
  }

  /** Moves a recording aside. Throws UserError while it runs. */
  delete(id: string): void {
    const folder = this.folderOf(id);
    if (this.#facts(id)?.file.state === 'running') throw new UserError('still-running', 'this recording is still running', { hint: 'Stop it first.' });
    renameSync(folder, join(this.#trash, id));
    this.#cache.delete(id);
  }

  /** Brings a deleted recording back. Throws UserError when it is gone for good. */
  restore(id: string): void {
    if (!isName(id) || !existsSync(join(this.#trash, id))) throw new UserError('no-recording', `the recording ${id} is gone for good`);
    renameSync(join(this.#trash, id), join(this.#folder, id));
  }

  /** Removes for good what was deleted before this session. */
  emptyTrash(): void {
    const entries = this.#read();
    let changed = false;
    for (const id of readdirSync(this.#trash)) {
      rmSync(join(this.#trash, id), { recursive: true, force: true });
      if (id in entries) {
        delete entries[id];
        changed = true;
      }
    }
    if (changed) this.#write(entries);
  }

  /** Folders that say that they are running, though whoever ran them is gone. */
  orphans(): { readonly id: string; readonly folder: string; readonly file: RecordingFile }[] {
    const found: { id: string; folder: string; file: RecordingFile }[] = [];
    for (const id of this.#ids()) {
      const file = this.#facts(id)?.file;
      if (file === undefined || file.state !== 'running') continue;
      const owner = file.running.find((process) => process.role === 'owner');
      if (owner !== undefined && isAlive(owner)) continue;
      // A folder whose owner has not written itself down yet is younger than its first second.
      if (owner === undefined && Date.now() - file.startedAt < 10_000) continue;
      found.push({ id, folder: join(this.#folder, id), file });
    }
    return found;
  }

  #ids(): string[] {
    return readdirSync(this.#folder).filter((id) => this.#has(id));
  }

  #has(id: string): boolean {
    return isName(id) && existsSync(join(this.#folder, id, RECORDING_JSON));
  }

  #facts(id: string): { file: RecordingFile; bytes: number } | null {
    const folder = join(this.#folder, id);
    try {
      const at = statSync(join(folder, RECORDING_JSON)).mtimeMs;
      const known = this.#cache.get(id);
      if (known?.at === at) return known;
      const fresh = { at, file: readRecordingFile(folder), bytes: sizeOf(folder) };
      this.#cache.set(id, fresh);
      return fresh;
    } catch {
      // Damaged, newer, or just being deleted: not listed. Opening it by its path says what is wrong.
      return null;
    }
  }

  #read(): Record<string, Entry> {
    let text: string;
    try {
      text = readFileSync(join(this.#home, 'library.json'), 'utf8');
    } catch {
      // Nothing was ever written about a recording.
      return {};
    }
    try {
      return v.parse(LIBRARY, JSON.parse(text)).entries;
    } catch (cause) {
      const kept = join(this.#home, `library.damaged-${Date.now()}.json`);
      renameSync(join(this.#home, 'library.json'), kept);
      throw new UserError('library', `library.json could not be read (${messageOf(cause)}); it was kept as ${kept}`, { hint: 'Names, notes and tags start anew. Try again.', cause });
    }
  }

  #write(entries: Record<string, Entry>): void {
    const path = join(this.#home, 'library.json');
    writeFileSync(`${path}.${process.pid}`, `${JSON.stringify({ version: 1, entries }, null, 1)}\n`, { mode: 0o600 });
    renameSync(`${path}.${process.pid}`, path);
  }
}

function isName(id: string): boolean {
  return /^[\w-]+$/.test(id);
}

function sizeOf(folder: string): number {
  let bytes = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += statSync(join(entry.parentPath, entry.name)).size;
  }
  return bytes;
}
