// What ran while a box waited: a loader program with a known truth, recorded by perf and py-spy, and steps of the same program.
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CallTree } from '#core/analyze/call-tree';
import { formatPercent, formatTime } from '#core/analyze/format';
import { resolve } from '#core/analyze/resolve';
import { Roles } from '#core/analyze/roles';
import { stepsOf } from '#core/analyze/steps';
import type { ViewValue } from '#core/analyze/view';
import { EVERYTHING, FIRST_VIEW } from '#core/analyze/view';
import type { Lane } from '#core/model/lane';
import { Profile } from '#core/model/profile';
import { openRecording } from '../../../main/library/open.ts';
import { findTool } from '../../../main/profilers/find-tool.ts';
import { startWhile, whileText } from '../../../renderer/views/recording/while.ts';
import { Host, startTarget } from './helpers.ts';

const missing = ['perf', 'py-spy', 'python3'].filter((tool) => findTool(tool) === null);
if (missing.length > 0) console.log(`skipped: what ran while the main thread waited, because ${missing.join(' and ')} is not installed`);

const PROGRAM = fileURLToPath(new URL('../../programs/loader_wait.py', import.meta.url));

let home: string;
const children: ChildProcess[] = [];
const hosts: Host[] = [];
beforeEach(() => { home = mkdtempSync(join(tmpdir(), 'fb-while-')); });
afterEach(() => {
  for (const host of hosts.splice(0)) host.child.kill('SIGKILL');
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(home, { recursive: true, force: true });
});

/** `seconds`: 0 = until the program ends. */
async function record(args: readonly string[], seconds: number): Promise<Profile> {
  const host = new Host([home, ...args], { HOST_PROFILERS: 'perf,py-spy', HOST_OPTIONS: JSON.stringify({ lanes: ['cpu', 'off-cpu'], duration: seconds }) });
  hosts.push(host);
  await host.until((report) => report.end !== undefined);
  await host.exited;
  return await openRecording(host.reports[0].folder ?? '');
}

/** The box of a function that has most, where its path does not go through another one. */
function widest(tree: CallTree, name: string): number {
  let best = -1;
  for (let node = 0; node < tree.length; node++) if (tree.refOf(node).name === name && (best < 0 || tree.totalOf(node) > tree.totalOf(best))) best = node;
  return best;
}

function laneWith(profile: Profile, kind: Lane['kind']): Lane {
  const lane = profile.lanes.find((one) => one.kind === kind && one.mergedRows > 0 && one.name !== 'preempted');
  if (lane === undefined) throw new Error(`no ${kind} lane with merged stacks`);
  return lane;
}

describe.skipIf(missing.length > 0)('a loader program', () => {
  test('while __next__ waits the workers decode', async () => {
    const pid = await startTarget(['python3', PROGRAM], children);
    const profile = await record(['attach', String(pid)], 8);
    const { threads, processes } = profile;
    const off = laneWith(profile, 'off-cpu');
    const cpu = laneWith(profile, 'cpu');
    const main = Array.from({ length: threads.length }, (_, row) => row).filter((row) => threads.tid.get(row) === pid && processes.pid.get(threads.process.get(row)) === pid);
    const roles = new Roles(profile);
    const workers = Array.from({ length: threads.length }, (_, row) => row).filter((row) => roles.of(row) === 'loader');
    expect(new Set(workers.map((row) => threads.process.get(row))).size).toBe(2);

    const waiting = new CallTree(profile, off, { ...EVERYTHING, threads: main }, false);
    const next = widest(waiting, '__next__');
    expect(next).toBeGreaterThanOrEqual(0);
    const tab: { view: ViewValue } = { view: FIRST_VIEW };
    startWhile({ get view() { return tab.view; }, change: (part) => { tab.view = { ...tab.view, ...part }; } }, waiting, next);
    const { selection } = tab.view;
    console.log(whileText(profile, selection));
    expect(whileText(profile, selection)?.text).toBe('while __next__ waits');

    const share = (name: string, during: boolean): number => {
      const ours = { ...(during ? resolve(profile, cpu, selection) : EVERYTHING), threads: workers };
      const tree = new CallTree(profile, cpu, ours, false);
      let sum = 0;
      for (let node = 0; node < tree.length; node++) if (tree.refOf(node).name === name) sum += tree.totalOf(node);
      console.log(`${name} has ${formatPercent(sum / tree.total)} of the workers' ${formatTime(tree.total)}${during ? ' meanwhile' : ''}`);
      return sum / tree.total;
    };
    // 60 of 100 ms over all.
    expect(share('decode', false)).toBeLessThan(0.75);
    expect(share('shuffle', false)).toBeGreaterThan(0.25);
    expect(share('decode', true)).toBeGreaterThanOrEqual(0.9);
  });

  test('its steps: a period found in its waiting; told by marks where it tells them', async () => {
    const told = await record(['launch', 'python3', PROGRAM, '30', 'sleep'], 0);
    const steps = stepsOf(told);
    console.log(steps === null ? 'no steps' : `${steps.list.length} steps from ${steps.from}, median ${formatTime(steps.median)}`);
    expect([steps?.from, steps?.list.length, steps?.list[7].text]).toEqual(['marks', 30, 'batch 7']);

    // The same recording without its marks.
    const plain = new Profile();
    for (const part of ['lanes', 'tracks'] as const) (plain[part] as unknown[]).push(...told[part]);
    const found = stepsOf(Object.assign(plain, { strings: told.strings, functions: told.functions, frames: told.frames, stacks: told.stacks, processes: told.processes, threads: told.threads, info: told.info }));
    console.log(found === null ? 'no period' : `${found.list.length} turns found, median ${formatTime(found.median)}, ${found.text}`);
    expect(found?.from).toBe('waiting');
    expect(found?.list.length).toBeGreaterThan(20);
    expect(Math.abs((found?.median ?? 0) - (steps?.median ?? 0))).toBeLessThan(10e6);
  });
});
