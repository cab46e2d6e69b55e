// A Python program recorded by perf and py-spy together: its CPU lane shows its own functions, then the library's.
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CallTree } from '#core/analyze/call-tree';
import { EVERYTHING, FIRST_VIEW } from '#core/analyze/view';
import { laneOf, sourceText } from '#core/analyze/words';
import type { Profile } from '#core/model/profile';
import { openRecording } from '../../../main/library/open.ts';
import { findTool } from '../../../main/profilers/find-tool.ts';
import { loadProfile } from '../../../main/record/load.ts';
import { Host, startTarget } from './helpers.ts';

const missing = ['perf', 'py-spy', 'python3'].filter((tool) => findTool(tool) === null);
if (missing.length > 0) console.log(`skipped: Python and native together, because ${missing.join(' and ')} is not installed`);

const program = (name: string) => fileURLToPath(new URL(`../../programs/${name}`, import.meta.url));

let home: string;
const children: ChildProcess[] = [];
const hosts: Host[] = [];
beforeEach(() => { home = mkdtempSync(join(tmpdir(), 'fb-merged-')); });
afterEach(() => {
  for (const host of hosts.splice(0)) host.child.kill('SIGKILL');
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(home, { recursive: true, force: true });
});

/** Records a program until perf and py-spy have so many samples together; the folder of the recording. */
async function record(name: string, samples: number): Promise<string> {
  const pid = await startTarget(['python3', program(name)], children);
  const host = new Host([home, 'attach', String(pid)], { HOST_PROFILERS: 'perf,py-spy' });
  hosts.push(host);
  await host.until((report) => (report.samples ?? 0) > samples);
  host.child.kill('SIGINT');
  await host.until((report) => report.end !== undefined);
  await host.exited;
  return host.reports[0].folder ?? '';
}

/** Shares of the whole by function and by what it calls directly, in percent. */
function shares(profile: Profile): { of: (name: string) => number; under: (caller: string, callee: string) => number; merged: number } {
  const lane = laneOf(profile, FIRST_VIEW);
  if (lane === null) throw new Error('nothing was recorded');
  const tree = new CallTree(profile, lane, EVERYTHING, false);
  expect([lane.name === 'py-spy', tree.merged, lane.mergedRows]).toEqual([false, true, lane.rows]);
  const merged = (100 * lane.pythonMerged) / (lane.pythonMerged + lane.pythonUnmerged);
  console.log(`${profile.info.title}: ${lane.samples} samples, ${sourceText(profile, tree)}`);
  const sum = (fits: (node: number) => boolean) => {
    let total = 0;
    for (let node = 0; node < tree.length; node++) if (fits(node)) total += tree.totalOf(node);
    return (100 * total) / tree.total;
  };
  const name = (node: number) => (node < 0 ? '' : tree.refOf(node).name);
  return { of: (wanted) => sum((node) => name(node) === wanted), under: (caller, callee) => sum((node) => name(node) === callee && name(tree.parent(node)) === caller), merged };
}

test.skipIf(missing.length > 0)('the shares of Python functions are those of the program', async () => {
  const folder = await record('known_shares.py', 900);
  const profile = await openRecording(folder);
  const { of, merged } = shares(profile);
  console.log(`hot ${of('hot').toFixed(1)} %, warm ${of('warm').toFixed(1)} % (75 and 25)`);
  expect(merged).toBeGreaterThan(75);
  expect(Math.abs((100 * of('hot')) / (of('hot') + of('warm')) - 75)).toBeLessThan(8);
  // The stack begins natively and goes on in Python.
  expect(of('_PyEval_EvalFrameDefault')).toBeLessThan(25);
  // The program is gone, and with it the memory that told some of its functions.
  const again = loadProfile({ kind: 'decode', path: folder }, () => undefined);
  await again.run();
  const second = shares(again.profile);
  for (const name of ['hot', 'warm']) expect([name, Math.abs(second.of(name) - of(name)) < 4]).toEqual([name, true]);
});

test.skipIf(missing.length > 0)('native functions stand below the Python function that called them; decoded again it is the same', async () => {
  const folder = await record('native_calls.py', 1200);
  const profile = await openRecording(folder);
  const { of, under, merged } = shares(profile);
  expect(merged).toBeGreaterThan(75);
  const right = under('pack', 'zlib_compress') + under('help_pack', 'zlib_compress');
  console.log(`zlib_compress ${of('zlib_compress').toFixed(1)} %, of it below pack and help_pack ${((100 * right) / of('zlib_compress')).toFixed(1)} %`);
  expect(right / of('zlib_compress')).toBeGreaterThan(0.9);

  const again = loadProfile({ kind: 'decode', path: folder }, () => undefined);
  await again.run();
  const second = shares(again.profile);
  // There is no process any more whose memory says what ran: time alone tells, where it does.
  expect(second.of('pack')).toBeGreaterThan(0);
});
