// A recording whose lanes were switched and that was paused, decoded again from its raw streams: what was off is off again.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FIRST_OPTIONS } from '#core/protocol/api';
import { MARK_KINDS } from '#core/model/profile';
import type { Profile } from '#core/model/profile';
import { openRecording } from '../../../main/library/open.ts';
import { findTool } from '../../../main/profilers/find-tool.ts';
import { loadProfile } from '../../../main/record/load.ts';
import type { Recording } from '../../../main/record/recording.ts';
import { startRecording } from '../../../main/record/start.ts';

const missing = findTool('perf') === null;
if (missing) console.log('skipped: decoding again what was switched and paused, because there is no perf');

let home: string;
let target: ChildProcess;
let recording: Recording | null = null;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'fb-again-'));
  // Works for some ms, then waits for some.
  target = spawn(process.execPath, ['-e', 'setInterval(() => { for (const end = Date.now() + 6; Date.now() < end;) Math.sqrt(Math.random()); }, 10);'], { stdio: 'ignore' });
});
afterEach(async () => {
  await recording?.dispose();
  recording = null;
  target.kill('SIGKILL');
  rmSync(home, { recursive: true, force: true });
});

const pass = (ms: number) => new Promise((next) => { setTimeout(next, ms); });

/** Rows and weight by lane and thread, of threads with more than some rows: one that sleeps all the time is known from /proc alone. */
function threadsOf(profile: Profile): Map<string, { rows: number; total: number }> {
  const all = new Map<string, { rows: number; total: number }>();
  for (const lane of profile.lanes) {
    for (const chunk of lane.chunks) {
      for (let row = 0; row < chunk.rows; row++) {
        const key = `${lane.kind} ${lane.name} ${profile.threads.tid.get(chunk.thread[row])}`;
        const sum = all.get(key) ?? { rows: 0, total: 0 };
        all.set(key, { rows: sum.rows + 1, total: sum.total + chunk.weight.get(row) });
      }
    }
  }
  for (const [key, { rows }] of all) if (rows < 20) all.delete(key);
  return all;
}

function marksOf(profile: Profile): string[] {
  const { marks } = profile;
  const all: string[] = [];
  for (let row = 0; row < marks.length; row++) all.push(`${MARK_KINDS[marks.kind.get(row)]} ${marks.start.get(row)} ${marks.end.get(row)} ${marks.value.get(row)} ${profile.strings.values[marks.text.get(row)]}`);
  return all.sort();
}

/** Weight of a lane's rows by tenths of a second. */
function byTime(profile: Profile, kind: 'cpu' | 'off-cpu'): number[] {
  const sums: number[] = [];
  for (const lane of profile.lanes) {
    if (lane.kind !== kind) continue;
    for (const chunk of lane.chunks) {
      for (let row = 0; row < chunk.rows; row++) {
        const slot = Math.floor(chunk.timeAt(row) / 1e8);
        sums[slot] = (sums[slot] ?? 0) + chunk.weight.get(row);
      }
    }
  }
  return Array.from(sums, (sum) => sum ?? 0);
}

test.skipIf(missing)('lanes that were switched off and on, and a pause, are what they were', async () => {
  const running = recording = await startRecording({
    target: { kind: 'attach', processes: [{ pid: target.pid ?? 0, start: 0 }], children: false }, options: { ...FIRST_OPTIONS, profilers: ['perf'], lanes: ['cpu', 'off-cpu'] }, terminal: 'pty', home,
  });
  await expect.poll(() => running.status().samples, { timeout: 20_000 }).toBeGreaterThan(50);
  await running.setLane('cpu', false);
  await pass(600);
  await running.setLane('cpu', true);
  await pass(600);
  await running.pause(true);
  await pass(600);
  await running.pause(false);
  await pass(600);
  await running.setLane('off-cpu', false);
  await pass(600);
  await running.setLane('off-cpu', true);
  await pass(600);
  await running.stop();
  const opened = await openRecording(running.folder);
  const { profile: again, run } = loadProfile({ kind: 'decode', path: running.folder }, () => undefined);
  await run();

  expect(marksOf(again)).toEqual(marksOf(opened));
  expect(again.lanes.map((lane) => `${lane.kind} ${lane.name}`)).toEqual(opened.lanes.map((lane) => `${lane.kind} ${lane.name}`));
  const second = threadsOf(again);
  for (const [name, { rows, total }] of threadsOf(opened)) {
    const now = second.get(name) ?? { rows: 0, total: 0 };
    console.log(`${name}: ${rows} rows ${(total / 1e6).toFixed(1)} ms; decoded again ${now.rows} rows ${(now.total / 1e6).toFixed(1)} ms`);
    // What was exact to the last switch ends at the last record where nobody asks the kernel any more.
    expect(Math.abs(now.total - total), name).toBeLessThanOrEqual(total * 0.02 + 20e6);
  }
  // Nothing of a lane in the time that it was off, but for its edges.
  for (const kind of ['cpu', 'off-cpu'] as const) {
    const now = byTime(again, kind);
    const gap = marksOf(again).map((mark) => mark.split(' ')).find(([what, , , value]) => what === 'gap' && Number(value) === (kind === 'cpu' ? 1 : 2));
    expect(gap).toBeDefined();
    const [from, to] = [Math.ceil(Number(gap?.[1]) / 1e8), Math.floor(Number(gap?.[2]) / 1e8)];
    expect(to - from).toBeGreaterThanOrEqual(3);
    for (let slot = from; slot < to; slot++) expect([kind, slot, now[slot] ?? 0]).toEqual([kind, slot, 0]);
  }
});
