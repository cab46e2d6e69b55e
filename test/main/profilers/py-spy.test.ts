import { afterEach, expect, test } from 'vitest';
import { Profile } from '#core/model/profile';
import { PySpyDecoder } from '#core/read/py-spy/decoder';
import { cpuTimeOf } from '../../../main/processes/cpu.ts';
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

/** Names of the functions that count as own code; the waiting threads' are idle and leave no row. */
function own(profile: Profile): string[] {
  const names = new Set<string>();
  for (let fn = 0; fn < profile.functions.length; fn++) {
    if (profile.functions.isOwn(fn as never)) names.add(profile.functions.nameOf(fn as never));
  }
  for (const idle of ['sleeper', 'waiter']) names.delete(idle);
  return [...names].sort();
}

test.skipIf(missing)('windows give the shares of a program that is known', async () => {
  const { pid } = await startTarget(python, [`${programs}known_shares.py`]);
  const run = newRun([pid], { rate: 200 }, { directory: programs.slice(0, -1) });
  const running = await pySpy.start(run);
  // 1,500 samples at 200 Hz are 7.5 s of the program's own CPU time, however busy this machine is.
  for (let i = 0; i < 300 && (cpuTimeOf(pid) ?? 0) < 7.9e9; i++) await wait(100);
  await running.stop();
  expect(await running.done).toEqual({ error: '' });
  expect(process.kill(pid, 0)).toBe(true);
  expect(run.windowStreams[0].closed).toBe(true);
  expect(run.terminals.every((terminal) => terminal.exit !== null)).toBe(true);
  const profile = decode(run);
  const main = leaves(profile, 'MainThread');
  const hot = main.get('hot') ?? 0;
  const warm = main.get('warm') ?? 0;
  const samples = profile.lane('cpu')?.rows ?? 0;
  expect(samples).toBeGreaterThan(200);
  expect(Object.fromEntries(profile.skipped)).toEqual({});
  expect(run.terminals).toHaveLength(1);
  expect(run.terminals[0].text).toContain(`looks at process ${pid} 200 times a second`);
  expect(run.left()).toEqual([]);
  expect(own(profile)).toEqual(['<module>', 'hot', 'main', 'warm']);
  // Three quarters, within 5 points at 1,500 samples; fewer samples know it less well.
  expect(Math.abs(hot / (hot + warm) - 0.75)).toBeLessThan(0.05 * Math.max(1, Math.sqrt(1500 / samples)));
});

test.skipIf(missing)('a thread that rests counts for what it works', async () => {
  const { pid } = await startTarget(python, [`${programs}part_idle.py`]);
  const run = newRun([pid], { rate: 100 });
  const running = await pySpy.start(run);
  await wait(4000);
  await running.stop();
  const main = leaves(decode(run), 'MainThread');
  // Its stack is `rest` for three quarters of the time: those are not CPU time.
  expect(main.get('burst') ?? 0).toBeGreaterThan((main.get('rest') ?? 0) * 3);
  expect(main.get('burst') ?? 0).toBeLessThan(2200);
});

test.skipIf(missing)('a pause, a resume and the end of the target', async () => {
  const { pid, child } = await startTarget(python, [`${programs}known_shares.py`]);
  const run = newRun([pid]);
  const running = await pySpy.start(run);
  await running.pause();
  const paused = run.windowStreams[0].windows.length;
  expect(paused).toBeGreaterThan(0);
  await wait(800);
  expect(run.windowStreams[0].windows.length).toBe(paused);
  await running.resume();
  await wait(1300);
  expect(run.windowStreams[0].windows.length).toBeGreaterThan(paused);
  child.kill('SIGKILL');
  expect(await running.done).toEqual({ error: '' });
  expect(run.left()).toEqual([]);
});

test.skipIf(missing)('holders of the lock alone', async () => {
  const { pid } = await startTarget(python, [`${programs}part_idle.py`]);
  const run = newRun([pid], { pySpy: { idle: false, gil: true, subprocesses: false } });
  const running = await pySpy.start(run);
  await wait(2500);
  await running.stop();
  const profile = decode(run);
  expect(leaves(profile, 'MainThread').get('burst')).toBeGreaterThan(100);
  // The other thread hashes without the lock.
  expect(leaves(profile, 'hashing').get('hashing') ?? 0).toBeLessThan(leaves(profile, 'MainThread').get('burst') ?? 0);
});

test.skipIf(missing)('a shell with Python below it, followed with its children', async () => {
  const { pid } = await startTarget('bash', ['-c', `${python} ${programs}known_shares.py & wait`]);
  const run = newRun([pid], {}, { children: true });
  const running = await pySpy.start(run);
  await wait(1500);
  await running.stop();
  const profile = decode(run);
  expect(leaves(profile, 'MainThread').get('hot')).toBeGreaterThan(100);
  const child = profile.processes.pid.get(0);
  expect(child).not.toBe(pid);
  process.kill(child, 'SIGKILL');
});

test.skipIf(missing)('what is no Python is told in one line', async () => {
  const { pid } = await startTarget('bash', ['-c', 'echo up; exec sleep 20']);
  await expect(pySpy.start(newRun([pid]))).rejects.toThrow(`Process ${pid} is not a Python process`);
  expect((await pySpy.check({ kind: 'attach', processes: [{ pid, start: 0 }], children: false }))[0]).toMatchObject({ state: 'no' });
});

test.skipIf(missing)('a generator that is read in the moment between two turns still has its callers', async () => {
  const { pid } = await startTarget(python, [`${programs}generators.py`]);
  const run = newRun([pid], { rate: 200 }, { directory: programs.slice(0, -1) });
  const running = await pySpy.start(run);
  for (let i = 0; i < 200 && (cpuTimeOf(pid) ?? 0) < 2.5e9; i++) await wait(100);
  await running.stop();
  const profile = decode(run);
  const roots = new Map<string, number>();
  for (const chunk of profile.lane('cpu', 'py-spy')?.chunks ?? []) {
    for (let i = 0; i < chunk.rows; i++) {
      const root = profile.functions.nameOf(profile.frames.functionOf(profile.stacks.framesOf(chunk.stack[i] as never)[0]));
      roots.set(root, (roots.get(root) ?? 0) + 1);
    }
  }
  console.log(`generators: outermost functions ${JSON.stringify([...roots])}`);
  expect(roots.get('<module>')).toBeGreaterThan(200);
  expect((roots.get('<genexpr>') ?? 0) + (roots.get('square') ?? 0)).toBeLessThanOrEqual(1);
}, 40_000);

test.skipIf(missing)('its lane is switched off and on again, and its rate changed, while it runs', async () => {
  const { pid } = await startTarget(python, [`${programs}known_shares.py`]);
  const run = newRun([pid], { rate: 50 });
  const running = await pySpy.start(run);
  const windows = (): number => run.windowStreams[0].windows.length;
  for (let i = 0; i < 100 && windows() < 1; i++) await wait(50);
  await running.setLane?.('cpu', false);
  const off = windows();
  await running.pause();
  await running.resume();
  await wait(700);
  expect(windows()).toBe(off);
  expect(await running.setRate?.(150)).toBe(150);
  expect(await running.setRate?.(100_000)).toBe(200);
  expect(await running.setRate?.(25)).toBe(25);
  await running.setLane?.('cpu', true);
  for (let i = 0; i < 100 && windows() < off + 2; i++) await wait(50);
  expect(windows()).toBeGreaterThanOrEqual(off + 2);
  await expect(running.setLane?.('off-cpu', true)).rejects.toThrow('no lane');
  await running.stop();
  expect(await running.done).toEqual({ error: '' });
}, 30_000);
