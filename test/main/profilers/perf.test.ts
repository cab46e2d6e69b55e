import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { threadsOf } from '../../../main/processes/identity.ts';
import { statOf } from '../../../main/processes/proc.ts';
import { findTool } from '../../../main/profilers/find-tool.ts';
import { perf } from '../../../main/profilers/perf.ts';
import { isExiting } from '../../../main/profilers/perf-target.ts';
import { findPerf } from '../../../main/profilers/perf-tool.ts';
import { PlainRun, endTargets, startTarget, wait } from '../../support/plain-run.ts';
import type { PlainStream } from '../../support/plain-run.ts';

const programs = new URL('../../programs/', import.meta.url).pathname;
const python = findTool('python3') ?? '/usr/bin/python3';
const tool = await findPerf();
const missing = !tool.found || process.geteuid?.() !== 0;
if (missing) console.log(tool.found ? 'skipped: these tests need root' : `skipped: perf does not run here: ${tool.said}`);

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

/** Records of a pipe-mode stream by type; -1 counts bytes after the last whole record. */
function records(stream: PlainStream): Map<number, number> {
  const bytes = Buffer.concat(stream.chunks);
  const counts = new Map<number, number>();
  if (bytes.length < 16) return counts;
  expect(bytes.toString('latin1', 0, 8)).toBe('PERFILE2');
  let at = 16;
  while (at + 8 <= bytes.length) {
    const type = bytes.readUInt32LE(at);
    const size = bytes.readUInt16LE(at + 6);
    if (size < 8 || at + size > bytes.length) break;
    counts.set(type, (counts.get(type) ?? 0) + 1);
    at += size;
  }
  counts.set(-1, bytes.length - at);
  return counts;
}

const SAMPLE = 9;
const FINISHED_INIT = 82;

/** Waits for so many samples: on a busy machine the program gets little of a CPU. */
async function samples(stream: PlainStream, count: number): Promise<number> {
  for (let i = 0; i < 100 && (records(stream).get(SAMPLE) ?? 0) <= count; i++) await wait(100);
  return records(stream).get(SAMPLE) ?? 0;
}

/** perf processes that are children of ours. */
function perfChildren(): string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).filter((name) => {
    const stat = statOf(Number(name));
    return stat !== null && stat.ppid === process.pid && (stat.comm === 'perf' || stat.comm === 'sh') && stat.state !== 'Z';
  });
}

test.skipIf(missing)('samples come within a second, stop leaves the target and nothing of ours', async () => {
  const { pid } = await startTarget(python, [`${programs}known_shares.py`]);
  const run = newRun([pid]);
  const running = await perf.start(run);
  const stream = run.streams[0];
  const before = stream.bytes;
  await wait(1000);
  expect(stream.bytes).toBeGreaterThan(before);
  expect(run.now() - stream.lastAt).toBeLessThan(1e9);
  expect(await samples(stream, 10)).toBeGreaterThan(10);
  await running.stop();
  expect(await running.done).toEqual({ error: '' });
  expect(stream.ended).toBe(true);
  const counts = records(stream);
  expect(counts.get(FINISHED_INIT)).toBe(1);
  expect(counts.get(-1)).toBe(0);
  expect(run.terminals[0].exit).toEqual({ code: 0, signal: null });
  expect(run.left()).toEqual([]);
  expect(perfChildren()).toEqual([]);
  expect(statOf(pid)?.state).toMatch(/[RS]/);
  expect(stream.facts).toMatchObject({ decoder: 'perf', stacks: 'dwarf', rateHz: 99, watched: [pid], source: expect.stringContaining('copied stacks of 8 KB') as string });
});

test.skipIf(missing)('a pause stops samples and a resume brings them back', async () => {
  const { pid } = await startTarget(python, [`${programs}known_shares.py`]);
  const run = newRun([pid]);
  const running = await perf.start(run);
  await wait(500);
  await running.pause();
  await wait(300);
  const paused = run.streams[0].bytes;
  await wait(600);
  // Rounds go on; samples of 8 KB do not.
  expect(run.streams[0].bytes - paused).toBeLessThan(4000);
  await running.resume();
  await wait(600);
  expect(run.streams[0].bytes - paused).toBeGreaterThan(20_000);
  await running.stop();
});

test.skipIf(missing)('another perf takes over when a thread that was there at attach exits', async () => {
  const { pid } = await startTarget(python, [`${programs}old_thread.py`, '1.5']);
  const old = threadsOf(pid).map(({ tid }) => tid).filter((tid) => tid !== pid);
  expect(old).toHaveLength(1);
  const run = newRun([pid]);
  const running = await perf.start(run);
  for (let i = 0; i < 100 && threadsOf(pid).length > 1; i++) await wait(50);
  run.threadExited(pid, old[0]);
  for (let i = 0; i < 100 && run.marks.length === 0; i++) await wait(100);
  await wait(500);
  expect(run.streams).toHaveLength(2);
  const [first, second] = run.streams;
  expect(first.ended).toBe(true);
  expect(second.facts.decoder === 'perf' && second.facts.from !== undefined).toBe(true);
  expect(run.marks).toMatchObject([{ kind: 'hand-over' }]);
  // The old one had records until the cut (a busy machine may leave the target waiting for a while), the new one from there.
  const cut = run.marks[0].start;
  expect(first.lastAt).toBeGreaterThan(cut - 500e6);
  expect(await samples(second, 10)).toBeGreaterThan(10);
  const spinning = statOf(run.costs[1])?.ticks ?? 0;
  await wait(1000);
  expect((statOf(run.costs[1])?.ticks ?? 0) - spinning).toBeLessThan(60);
  await running.stop();
  expect(run.notices).toEqual([]);
  expect(run.left()).toEqual([]);
  expect(perfChildren()).toEqual([]);
});

test.skipIf(missing)('perf that is killed is started again once, then its end is told', async () => {
  const { pid } = await startTarget(python, [`${programs}known_shares.py`]);
  const run = newRun([pid]);
  const running = await perf.start(run);
  await wait(300);
  process.kill(run.costs[0], 'SIGKILL');
  for (let i = 0; i < 50 && run.notices.length === 0; i++) await wait(100);
  expect(run.notices).toMatchObject([{ id: 'perf-restarted', text: expect.stringContaining('SIGKILL') as string }]);
  expect(await samples(run.streams[1], 5)).toBeGreaterThan(5);
  // No time of the gap is anybody's.
  expect(run.marks.map(({ kind, value }) => `${kind} ${value ?? 0}`)).toEqual(['pause 1000', 'pause 1001', 'gap 0']);
  process.kill(run.costs[1], 'SIGKILL');
  expect((await running.done).error).toContain('SIGKILL');
  expect(run.streams.every((stream) => stream.ended)).toBe(true);
  expect(run.left()).toEqual([]);
});

test.skipIf(missing)('the end of the target ends perf without an error', async () => {
  const { pid, child } = await startTarget(python, [`${programs}known_shares.py`]);
  const run = newRun([pid]);
  const running = await perf.start(run);
  await wait(300);
  child.kill('SIGKILL');
  expect(await running.done).toEqual({ error: '' });
  expect(run.left()).toEqual([]);
});

test.skipIf(missing)('threads that exit because the target ends start no other perf', async () => {
  const { pid, child } = await startTarget(python, [`${programs}old_thread.py`, '60']);
  const old = threadsOf(pid).map(({ tid }) => tid).filter((tid) => tid !== pid);
  expect(old.some((tid) => isExiting(pid, tid))).toBe(false);
  const run = newRun([pid]);
  const running = await perf.start(run);
  await wait(300);
  // Its threads are told first, as the decoder tells them, while the process itself is still there.
  run.threadExited(pid, old[0]);
  child.kill('SIGKILL');
  expect(await running.done).toEqual({ error: '' });
  expect(isExiting(pid, old[0])).toBe(true);
  await wait(300);
  expect(run.streams).toHaveLength(1);
  expect(run.terminals).toHaveLength(1);
  expect(run.notices.filter((notice) => notice.level !== 'info' || notice.id.startsWith('perf-hand'))).toEqual([]);
  expect(run.marks).toEqual([]);
  expect(run.left()).toEqual([]);
});

test.skipIf(missing)('existing children are attached to, and a process that is gone is told in plain words', async () => {
  const { pid } = await startTarget('bash', ['-c', `${python} ${programs}known_shares.py & wait`]);
  const run = newRun([pid], {}, { children: true });
  const running = await perf.start(run);
  const { watched } = run.streams[0].facts;
  try {
    expect(await samples(run.streams[0], 10)).toBeGreaterThan(10);
    expect(watched.length).toBe(2);
  } finally {
    await running.stop();
    for (const child of watched) if (child !== pid) process.kill(child, 'SIGKILL');
  }
  const gone = Number(execFileSync('sh', ['-c', 'echo $$'], { encoding: 'utf8' }));
  await expect(perf.start(newRun([gone]))).rejects.toThrow(`Process ${gone} has ended.`);
  expect((await perf.check({ kind: 'attach', processes: [{ pid: gone, start: 0 }], children: false }))[0]).toMatchObject({ state: 'no', text: expect.stringContaining('has ended') as string });
});
