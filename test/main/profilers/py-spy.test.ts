import { afterEach, expect, test } from 'vitest';
import { Profile } from '#core/model/profile';
import { PySpyDecoder } from '#core/read/py-spy/decoder';
import { findTool } from '../../../main/profilers/find-tool.ts';
import { pySpy } from '../../../main/profilers/py-spy.ts';
import { PlainRun, endTargets, startTarget, wait } from '../../support/plain-run.ts';

const programs = new URL('../../programs/', import.meta.url).pathname;
const python = findTool('python3') ?? '/usr/bin/python3';
const missing = findTool('py-spy') === null;
if (missing) console.log('skipped: py-spy is not installed here');

const runs: PlainRun[] = [];
afterEach(() => {
  endTargets();
  for (const run of runs.splice(0)) run.remove();
});

function newRun(...facts: ConstructorParameters<typeof PlainRun>): PlainRun {
  const run = new PlainRun(...facts);
  runs.push(run);
  return run;
}

function decode(run: PlainRun): Profile {
  const profile = new Profile();
  const stream = run.windowStreams[0];
  if (stream.facts.decoder !== 'py-spy') throw new Error('another stream');
  const decoder = new PySpyDecoder(profile, { zeroAt: run.zeroAt, directory: run.directory, source: stream.facts.source, rateHz: stream.facts.rateHz });
  for (const { window, bytes } of stream.windows) decoder.window(window, bytes);
  decoder.end();
  return profile;
}

/** Weight by function of the leaf, in ms, for one thread's name. */
function leaves(profile: Profile, thread: string): Map<string, number> {
  const sums = new Map<string, number>();
  for (const chunk of profile.lane('cpu', 'py-spy')?.chunks ?? []) {
    for (let i = 0; i < chunk.rows; i++) {
      if (profile.threads.nameOf(chunk.thread[i] as never) !== thread) continue;
      const frame = profile.stacks.frame.get(chunk.stack[i]);
      const name = profile.functions.nameOf(profile.frames.functionOf(frame as never));
      sums.set(name, (sums.get(name) ?? 0) + chunk.weight.get(i) / 1e6);
    }
  }
  return sums;
}

test.skipIf(missing)('windows give the shares of a program that is known', async () => {
  const { pid } = await startTarget(python, [`${programs}known_shares.py`]);
  const run = newRun([pid], { rate: 200 }, { directory: programs.slice(0, -1) });
  const running = await pySpy.start(run);
  await wait(8000);
  await running.stop();
  expect(await running.done).toEqual({ error: '' });
  expect(process.kill(pid, 0)).toBe(true);
  expect(run.windowStreams[0].closed).toBe(true);
  expect(run.terminals.every((terminal) => terminal.exit !== null)).toBe(true);
  const profile = decode(run);
  const main = leaves(profile, 'MainThread');
  const hot = main.get('hot') ?? 0;
  const warm = main.get('warm') ?? 0;
  console.log(run.windowStreams[0].windows.length, hot, warm, [...main], profile.skipped, run.terminals[0].text, run.notices, profile.marks.length, run.left());
  expect(hot / (hot + warm)).toBeGreaterThan(0.70);
  expect(hot / (hot + warm)).toBeLessThan(0.80);
});
test.skipIf(missing)('idle is told from active', async () => {
  const { pid } = await startTarget(python, [`${programs}part_idle.py`]);
  const run = newRun([pid], { rate: 100 });
  const running = await pySpy.start(run);
  await wait(6000);
  await running.stop();
  const profile = decode(run);
  console.log([...leaves(profile, 'MainThread')], [...leaves(profile, 'hashing')], profile.marks.length, profile.skipped);
});
