// A recording of four lanes, from several profilers and decoders: the same after a kill -9 and recovery, and when its raw streams are decoded again.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CallTree } from '#core/analyze/call-tree';
import { functionsTable } from '#core/analyze/functions';
import { EVERYTHING } from '#core/analyze/view';
import { usualLane } from '#core/analyze/words';
import type { FunctionId } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import { Library } from '../../../main/library/library.ts';
import { openRecording } from '../../../main/library/open.ts';
import { recoverAll } from '../../../main/library/recover.ts';
import { readRecordingFile } from '../../../main/library/recording-file.ts';
import { findTool } from '../../../main/profilers/find-tool.ts';
import { loadProfile } from '../../../main/record/load.ts';
import { Host } from './helpers.ts';

const missing = ['perf', 'py-spy', 'heaptrack', 'python3'].filter((tool) => findTool(tool) === null);
if (missing.length > 0) console.log(`skipped: recordings of four lanes, because there is no ${missing.join(', ')}`);

const PROGRAM = new URL('../../programs/known_shares.py', import.meta.url).pathname;
const PYTHON = '/usr/bin/python3';

let home: string;
let app: Host | null = null;
beforeEach(() => { home = mkdtempSync(join(tmpdir(), 'fb-four-')); });
afterEach(() => {
  app?.child.kill('SIGKILL');
  app = null;
  rmSync(home, { recursive: true, force: true });
});

function host(seconds: string): Host {
  app = new Host([home, 'launch', PYTHON, PROGRAM, seconds], { HOST_OPTIONS: JSON.stringify({ profilers: [], lanes: ['cpu', 'off-cpu', 'memory', 'cuda'], memory: 'full', mostCost: 0 }) });
  return app;
}

interface LaneSum {
  readonly samples: number;
  readonly total: number;
  /** Weight by thread and function at the leaf; by thread alone where perf took it. */
  readonly parts: Map<string, number>;
}

/**
 * What every lane holds: samples, weight, and what it is of. While a program runs, perf's decoder may read in its memory which Python function an
 * interpreter is in; when its stream is decoded again that memory is gone, and py-spy's stacks alone say it. So perf's leaves are not compared.
 */
function lanesOf(profile: Profile): Map<string, LaneSum> {
  const lanes = new Map<string, LaneSum>();
  for (const lane of profile.lanes) {
    const parts = new Map<string, number>();
    const perf = lane.name !== 'py-spy' && !lane.name.startsWith('heaptrack');
    let total = 0;
    for (const chunk of lane.chunks) {
      for (let row = 0; row < chunk.rows; row++) {
        const stack = chunk.stack[row];
        const weight = chunk.weight.get(row);
        const name = stack < 0 ? '' : profile.functions.nameOf(profile.frames.functionOf(profile.stacks.frame.get(stack) as never) as FunctionId);
        const key = `${chunk.thread[row] < 0 ? -1 : profile.threads.tid.get(chunk.thread[row])} ${perf ? '' : name}`;
        parts.set(key, (parts.get(key) ?? 0) + weight);
        total += weight;
      }
    }
    lanes.set(`${lane.kind} ${lane.name}`, { samples: lane.samples, total, parts });
  }
  return lanes;
}

async function decodedAgain(folder: string): Promise<Profile> {
  const { profile, run } = loadProfile({ kind: 'decode', path: folder }, () => undefined);
  await run();
  return profile;
}

/** Both hold the same lanes with the same rows. */
function expectSame(actual: Profile, expected: Profile): void {
  const a = lanesOf(actual);
  const b = lanesOf(expected);
  expect([...a.keys()].sort()).toEqual([...b.keys()].sort());
  for (const [name, lane] of b) {
    const other = a.get(name);
    expect([name, other?.samples]).toEqual([name, lane.samples]);
    expect(Math.abs((other?.total ?? 0) - lane.total)).toBeLessThanOrEqual(Math.abs(lane.total) * 1e-6 + 1);
    for (const [part, weight] of lane.parts) expect([name, part, Math.round(other?.parts.get(part) ?? 0)]).toEqual([name, part, Math.round(weight)]);
  }
}

test.skipIf(missing.length > 0)('sealed, opened and decoded again: the same lanes with the same rows', async () => {
  const last = await host('2').until((report) => report.end !== undefined);
  expect(last.end).toMatchObject({ exitCode: 0, error: '' });
  const folder = app?.reports[0].folder ?? '';
  const opened = await openRecording(folder);
  const kinds = new Set(opened.lanes.filter((lane) => lane.rows > 0).map((lane) => lane.kind));
  expect([...kinds].sort()).toEqual(expect.arrayContaining(['cpu', 'memory', 'off-cpu']));
  expect(new Set(readRecordingFile(folder).streams.map((stream) => stream.decoder)).size).toBeGreaterThanOrEqual(3);
  const again = await decodedAgain(folder);
  expectSame(again, opened);
  const share = (profile: Profile, ...names: string[]) => {
    const lane = profile.lane('cpu', usualLane(profile, 'cpu')?.name);
    if (lane === null) throw new Error('there is no CPU lane');
    const tree = new CallTree(profile, lane, EVERYTHING, false);
    const weights = new Map(functionsTable(tree).map((row) => [profile.functions.nameOf(row.fn), row.total]));
    return names.reduce((sum, name) => sum + (weights.get(name) ?? 0), 0) / tree.total;
  };
  expect(Math.abs(share(opened, 'hot') / share(opened, 'hot', 'warm') - 0.75)).toBeLessThan(0.15);
  // Decoded again, a stack of py-spy's that is not certain gives what all possible ones share.
  for (const profile of [opened, again]) expect(share(profile, 'main')).toBeGreaterThan(0.6);
  expect(again.tracks.map((track) => [track.name, track.time.length])).toEqual(opened.tracks.map((track) => [track.name, track.time.length]));
  const ranks = (profile: Profile) => Array.from({ length: profile.processes.length }, (_, row) => `${profile.processes.pid.get(row)} ${profile.processes.nameOf(row as never)} ${profile.processes.rank.get(row)}`);
  expect(ranks(again)).toEqual(ranks(opened));
});

test.skipIf(missing.length > 0)('killed with -9 in the middle: what had come of each lane is there, and can be decoded again', async () => {
  const running = host('30');
  const { samples: first = 0 } = await running.until((report) => (report.samples ?? 0) > 400);
  // All lanes have begun by then, and what is counted here is older than the last flush.
  const { samples: seen = 0 } = await running.until((report) => (report.samples ?? 0) > first + 1500);
  await new Promise((next) => setTimeout(next, 600));
  running.child.kill('SIGKILL');
  await running.exited;
  const folder = running.reports[0].folder ?? '';
  const [recovered] = await recoverAll(new Library(home));
  expect(recovered.error).toBe('');
  expect(recovered.samples).toBeGreaterThanOrEqual(seen);
  const opened = await openRecording(folder);
  const lanes = lanesOf(opened);
  for (const kind of ['cpu ', 'off-cpu ', 'memory ']) expect([...lanes].filter(([name, lane]) => name.startsWith(kind) && lane.samples > 0)).not.toEqual([]);
  // The raw streams are flushed as often as the tables: neither has much more than the other.
  const again = lanesOf(await decodedAgain(folder));
  for (const [name, lane] of lanes) {
    if (lane.samples < 100) continue;
    expect([name, (again.get(name)?.samples ?? 0) > lane.samples * 0.5]).toEqual([name, true]);
  }
});
