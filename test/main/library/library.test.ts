import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ns, NO_STACK } from '#core/model/ids';
import { Profile } from '#core/model/profile';
import { Library } from '../../../main/library/library.ts';
import { isRecording, openRecording } from '../../../main/library/open.ts';
import { parseRecording, readRecordingFile, writeRecordingFile } from '../../../main/library/recording-file.ts';
import { saveRecording } from '../../../main/library/save.ts';
import { writeTree } from '../../../main/library/tree.ts';
import { ZipReader, ZipWriter } from '../../../main/library/zip.ts';

let home: string;
beforeEach(() => { home = mkdtempSync(join(tmpdir(), 'fb-library-')); });
afterEach(() => rmSync(home, { recursive: true, force: true }));

function sample(title: string): Profile {
  const profile = new Profile();
  profile.info.title = title;
  profile.info.startedAt = title.length;
  profile.info.durationNs = 1e9;
  const thread = profile.threads.add({ process: profile.processes.add({ pid: 10, name: title }), tid: 10, name: 'main' });
  const lane = profile.lanes[profile.addLane({ kind: 'cpu', unit: 'ns', name: 'cpu-clock' })];
  for (let i = 0; i < 3000; i++) {
    const main = profile.frames.source(profile.functions.intern({ name: 'main', kind: 'native' }));
    const leaf = profile.frames.source(profile.functions.intern({ name: `f${i % 50}`, kind: i % 3 === 0 ? 'native' : 'python' }));
    lane.add({ time: ns(i * 1e6), thread, stack: profile.stacks.intern(profile.stacks.intern(NO_STACK, main), leaf), weight: 1e6 });
  }
  return profile;
}

function put(id: string, title = id): string {
  const folder = join(home, 'recordings', id);
  mkdirSync(folder, { recursive: true });
  writeTree(sample(title), folder);
  return folder;
}

test('names, notes, tags and one baseline are kept beside the recordings', () => {
  const library = new Library(home);
  const before = put('one');
  put('two-longer');
  const untouched = readFileSync(join(before, 'recording.json'));
  expect(library.list().map((row) => row.id)).toEqual(['two-longer', 'one']);
  expect(library.list()[1].mix.map(({ kind, share }) => [kind, Number(share.toFixed(2))])).toEqual([['python', 0.67], ['native', 0.33]]);
  library.update('one', { title: 'First try', notes: 'slow loader', tags: ['loader'], baseline: true });
  library.update('two-longer', { baseline: true });
  expect(new Library(home).list()).toMatchObject([{ id: 'two-longer', baseline: true }, { id: 'one', title: 'First try', notes: 'slow loader', tags: ['loader'], baseline: false }]);
  expect(readFileSync(join(before, 'recording.json'))).toEqual(untouched);
  expect(() => library.update('../etc', { title: 'x' })).toThrow(/no recording/);
  expect(() => library.folderOf('..')).toThrow(/no recording/);
});

test('delete moves aside, restore brings back, the next session forgets', () => {
  const library = new Library(home);
  put('one');
  library.update('one', { notes: 'keep me' });
  library.delete('one');
  expect(library.list()).toEqual([]);
  library.restore('one');
  expect(library.list()).toMatchObject([{ id: 'one', notes: 'keep me' }]);
  library.delete('one');
  const next = new Library(home);
  next.emptyTrash();
  expect(() => next.restore('one')).toThrow(/gone for good/);
  expect(JSON.parse(readFileSync(join(home, 'library.json'), 'utf8'))).toEqual({ version: 1, entries: {} });
});

test('a damaged library.json is kept aside and said', () => {
  const library = new Library(home);
  put('one');
  writeFileSync(join(home, 'library.json'), '{ "version": 1, "entr');
  expect(() => library.list()).toThrow(/could not be read/);
  expect(library.list()).toHaveLength(1);
});

test('a running recording is not listed and not deleted; one whose owner is gone is an orphan', () => {
  const library = new Library(home);
  const folder = put('live');
  const file = readRecordingFile(folder);
  const start = Number(readFileSync('/proc/self/stat', 'utf8').split(') ')[1].split(' ')[19]);
  writeRecordingFile(folder, { ...file, state: 'running', running: [{ pid: process.pid, start, role: 'owner' }] });
  expect(library.list()).toEqual([]);
  expect(library.orphans()).toEqual([]);
  expect(() => library.delete('live')).toThrow(/still running/);
  // Same pid, another process: the owner is gone.
  writeRecordingFile(folder, { ...file, state: 'running', running: [{ pid: process.pid, start: start + 1, role: 'owner' }] });
  expect(new Library(home).orphans().map((orphan) => orphan.id)).toEqual(['live']);
});

test('a recording opens the same from its folder, from its file, and up to wherever its tables were cut', async () => {
  const folder = put('one');
  const file = join(home, 'one.flamebench');
  await saveRecording(folder, file, { withRaw: false });
  expect([isRecording(folder), isRecording(file), isRecording(home), isRecording(join(home, 'none'))]).toEqual([true, true, false, false]);
  for (const path of [folder, file]) {
    const profile = await openRecording(path);
    expect([profile.lanes[0].rows, profile.lanes[0].total, profile.info.title]).toEqual([3000, 3e9, 'one']);
  }
  const size = statSync(join(folder, 'deltas.bin')).size;
  truncateSync(join(folder, 'deltas.bin'), size - 7);
  const cut = await openRecording(folder);
  expect([...cut.skipped.keys()]).toEqual(['bytes at the end of the tables that were cut']);
});

test('what is no recording, damaged or newer says so in one line', async () => {
  const folder = put('one');
  await expect(openRecording(join(home, 'none'))).rejects.toThrow(/there is no file/);
  await expect(openRecording(home)).rejects.toThrow(/is not a recording: it has no recording.json/);
  writeFileSync(join(home, 'text.flamebench'), 'not a zip');
  await expect(openRecording(join(home, 'text.flamebench'))).rejects.toThrow(/is not a ZIP file/);
  const file = readRecordingFile(folder);
  const text = (version: object, rest: object = {}) => JSON.stringify({ ...file, version, ...rest });
  expect(() => parseRecording(text({ major: 2, minor: 0 }), 'x')).toThrow(/written in format 2\.0, this Flamebench reads up to 1/);
  expect(parseRecording(text({ major: 1, minor: 9 }, { later: true }), 'x').title).toBe('one');
  expect(() => parseRecording(text({ major: 1, minor: 0 }, { lanes: [{ kind: 'sideways' }] }), 'x')).toThrow(/damaged at lanes\.0\.kind/);
  rmSync(join(folder, 'deltas.bin'));
  await expect(openRecording(folder)).rejects.toThrow(/nothing to show/);
});

test('a ZIP cut or bent anywhere is a clear error or the right bytes, never a crash', () => {
  const path = join(home, 'z.zip');
  const zip = new ZipWriter(path);
  zip.add('mimetype', Buffer.from('x'));
  zip.add('a/b.bin', Buffer.alloc(5000, 'abc'));
  zip.finish();
  const whole = readFileSync(path);
  for (let at = 0; at < whole.length; at += 97) {
    for (const bytes of [whole.subarray(0, at), Buffer.concat([whole.subarray(0, at), Buffer.from([whole[at] ^ 0xff]), whole.subarray(at + 1)])]) {
      writeFileSync(path, bytes);
      try {
        const reader = new ZipReader(path);
        for (const name of reader.entries.keys()) reader.open(name)?.read(0, 10_000);
        reader.close();
      } catch (error) {
        expect((error as Error).name).toBe('UserError');
      }
    }
  }
  expect(existsSync(path)).toBe(true);
});
