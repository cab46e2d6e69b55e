// The decoder thread dies in the middle of a recording: what it had decoded is sealed from deltas.bin, and it is said.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { startCursor } from '#core/model/delta';
import { FIRST_OPTIONS } from '#core/protocol/api';
import { openRecording } from '../../../main/library/open.ts';
import { readRecordingFile } from '../../../main/library/recording-file.ts';
import type { Profiler, Run } from '../../../main/profilers/profiler.ts';
import { Profiles } from '../../../main/app/profiles.ts';
import { startRecording } from '../../../main/record/start.ts';

const home = mkdtempSync(join(tmpdir(), 'fb-lost-'));
const target = spawn('sleep', ['60'], { stdio: 'ignore' });
afterAll(() => {
  target.kill('SIGKILL');
  rmSync(home, { recursive: true, force: true });
});

/** Pushes one window of a made-up py-spy; then the test has its run. */
function standIn(got: (run: Run, stop: () => void) => void): Profiler {
  return {
    id: 'stand-in', lanes: ['cpu'],
    check: () => Promise.resolve([{ profiler: 'stand-in', lane: 'cpu', state: 'ready', version: '', text: '', command: '' }]),
    start: (run) => {
      let end: (value: { error: string }) => void = () => undefined;
      const done = new Promise<{ error: string }>((resolve) => { end = resolve; });
      const windows = run.windows({ decoder: 'py-spy', id: 'made-up', title: 'made up', watched: [target.pid ?? 0], directory: '', source: 'made up', rateHz: 100 });
      const now = run.now();
      windows.push({ start: now - 5e8, end: now, threads: [{ own: '', tid: target.pid ?? 0, name: '', pid: target.pid ?? 0 }] }, new TextEncoder().encode('hot (a.py:1) 40\n'));
      got(run, () => end({ error: '' }));
      return Promise.resolve({ done, pause: async () => undefined, resume: async () => undefined, stop: async () => { await windows.close(); end({ error: '' }); } });
    },
  };
}

async function samplesOnDisk(recording: { folder: string; status(): { samples: number }; since(cursor: ReturnType<typeof startCursor>): Promise<unknown> }): Promise<void> {
  for (;;) {
    await recording.since(startCursor());
    if (recording.status().samples === 40) break;
    await new Promise((next) => setTimeout(next, 50));
  }
  // Two flushes later they are in deltas.bin.
  await new Promise((next) => setTimeout(next, 500));
}

test('sealed from what was on disk, still shown, and it is said', async () => {
  let run: Run | null = null;
  const recording = await startRecording({
    target: { kind: 'attach', processes: [{ pid: target.pid ?? 0, start: 0 }], children: false }, options: FIRST_OPTIONS, terminal: 'pty', home, profilers: [standIn((given) => { run = given; })],
  });
  await samplesOnDisk(recording);
  // A message that the thread cannot take ends it.
  (run as Run | null)?.mark(null as never);
  const end = await recording.done;
  expect(end.error).toMatch(/decoder stopped/);
  expect(recording.status()).toMatchObject({ phase: 'done', samples: 40 });
  expect(recording.status().notices.find(({ id }) => id === 'decoder')?.text).toMatch(/What it had decoded is kept/);
  const file = readRecordingFile(recording.folder);
  expect(file).toMatchObject({ state: 'sealed', running: [], lanes: [{ samples: 40 }] });
  expect(existsSync(join(recording.folder, 'tables', 'stacks.arrow'))).toBe(true);
  expect((await openRecording(recording.folder)).lanes[0].samples).toBe(40);
  // Its pages go on with the thread that read the disk.
  expect((await recording.since(startCursor())).bytes.length).toBeGreaterThan(100);
  await recording.dispose();
});

test('the server ends although its decoder is gone', async () => {
  let run: Run | null = null;
  const profiles = new Profiles({ listChanged: () => undefined, statusChanged: () => undefined });
  const recording = await startRecording({
    target: { kind: 'attach', processes: [{ pid: target.pid ?? 0, start: 0 }], children: false }, options: FIRST_OPTIONS, terminal: 'pty', home, profilers: [standIn((given) => { run = given; })],
  });
  profiles.addRecording(recording);
  await samplesOnDisk(recording);
  (run as Run | null)?.mark(null as never);
  await profiles.shutdown();
  expect(readRecordingFile(recording.folder)).toMatchObject({ state: 'sealed', lanes: [{ samples: 40 }] });
});
