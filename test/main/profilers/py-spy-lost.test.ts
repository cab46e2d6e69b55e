// A py-spy that crashes or is killed costs its own window only.
import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { findTool } from '../../../main/profilers/find-tool.ts';
import type { Running } from '../../../main/profilers/profiler.ts';
import { pySpy } from '../../../main/profilers/py-spy.ts';
import { PlainRun, endTargets, startTarget, wait } from '../../support/plain-run.ts';

const program = new URL('../../programs/known_shares.py', import.meta.url).pathname;
const real = findTool('py-spy');
const fakable = real !== null && existsSync('/usr/bin/python3') && !existsSync('/usr/bin/py-spy');
if (!fakable) console.log('skipped: a py-spy of our own is not found first here');
if (real === null) console.log('skipped: py-spy is not installed here');

const { PATH } = process.env;
const fakes: string[] = [];
let run: PlainRun | null = null;
afterEach(() => {
  process.env.PATH = PATH;
  endTargets();
  run?.remove();
  for (const fake of fakes.splice(0)) rmSync(fake, { recursive: true, force: true });
});

/** A py-spy that is the real one, but for the windows (from 1) for which the shell's condition on `$n` holds: those crash. */
async function withCrashes(condition: string): Promise<{ run: PlainRun; running: Running }> {
  const fake = mkdtempSync(join(tmpdir(), 'flamebench-fake-'));
  fakes.push(fake);
  const path = join(fake, 'py-spy');
  writeFileSync(path, `#!/bin/sh
if [ "$1" = record ]; then
  echo x >> ${fake}/windows
  n=$(wc -l < ${fake}/windows)
  if [ ${condition} ]; then echo 'py-spy> Sampling process 100 times a second.'; sleep 0.1; kill -SEGV $$; fi
fi
exec ${real ?? ''} "$@"
`);
  chmodSync(path, 0o755);
  process.env.PATH = `${fake}${delimiter}${PATH ?? ''}`;
  // Not pyenv's: an interpreter's own folder, where py-spy may be too, is searched first.
  const { pid } = await startTarget('/usr/bin/python3', [program]);
  run = new PlainRun([pid]);
  return { run, running: await pySpy.start(run) };
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let i = 0; i < 300 && !holds(); i++) await wait(100);
  expect(holds(), what).toBe(true);
}

const lost = (of: PlainRun): string => of.notices.filter((notice) => notice.id === 'py-spy-lost').at(-1)?.text ?? '';

test.skipIf(!fakable)('every third window crashes: the others come', async () => {
  const { run, running } = await withCrashes('$((n % 3)) = 0');
  await until('three windows were lost', () => lost(run).includes('3 windows'));
  const there = run.windowStreams[0].windows.length;
  expect(there).toBeGreaterThanOrEqual(4);
  await until('windows go on', () => run.windowStreams[0].windows.length > there);
  await running.stop();
  expect(await running.done).toEqual({ error: '' });
  expect(lost(run)).toMatch(/^py-spy crashed \(SIGSEGV\)\. \d windows of up to 500 ms have no Python samples; the others are kept\.$/);
  expect(run.left()).toEqual([]);
}, 40_000);

test.skipIf(!fakable)('five in a row are enough', async () => {
  const { run, running } = await withCrashes('$n -gt 2');
  expect((await running.done).error).toBe('py-spy crashed (SIGSEGV). That happened 5 times in a row, so it was not started again. What had arrived is kept.');
  expect(run.windowStreams[0].windows).toHaveLength(2);
  expect(run.windowStreams[0].closed).toBe(true);
  expect(run.left()).toEqual([]);
}, 40_000);

test.skipIf(real === null)('the real one, killed alone in mid-recording', async () => {
  const { pid } = await startTarget(findTool('python3') ?? '/usr/bin/python3', [program]);
  run = new PlainRun([pid]);
  const watched = run;
  const running = await pySpy.start(run);
  await until('a window came', () => watched.windowStreams[0].windows.length > 0);
  const window = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).find((name) => {
    try {
      return readFileSync(`/proc/${name}/comm`, 'utf8').trim() === 'py-spy' && readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(`\0--pid\0${pid}\0`);
    } catch {
      return false;
    }
  });
  expect(window).toBeDefined();
  process.kill(Number(window), 'SIGKILL');
  await until('it is told', () => lost(watched) !== '');
  const there = run.windowStreams[0].windows.length;
  await until('windows go on', () => watched.windowStreams[0].windows.length > there + 1);
  await running.stop();
  expect(await running.done).toEqual({ error: '' });
  expect(lost(run)).toBe('py-spy was killed (SIGKILL). 1 window of up to 500 ms has no Python samples; the others are kept.');
  expect(process.kill(pid, 0)).toBe(true);
  expect(run.left()).toEqual([]);
}, 40_000);
