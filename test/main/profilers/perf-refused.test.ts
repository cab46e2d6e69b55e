// A lane that cannot run here never stops the others: a perf that refuses one thing after another, as kernels do.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { LaneKind } from '#core/model/lane';
import { Profile } from '#core/model/profile';
import { NO_SOURCES } from '#core/native/sources';
import { PerfDecoder } from '#core/read/perf/decoder';
import { findTool } from '../../../main/profilers/find-tool.ts';
import { perf } from '../../../main/profilers/perf.ts';
import { findPerf } from '../../../main/profilers/perf-tool.ts';
import { readContext } from '../../../main/record/read-context.ts';
import { PlainRun, endTargets, startTarget, wait } from '../../support/plain-run.ts';

const programs = new URL('../../programs/', import.meta.url).pathname;
const python = findTool('python3') ?? '/usr/bin/python3';
const tool = await findPerf();
const missing = !tool.found || process.geteuid?.() !== 0;
if (missing) console.log(tool.found ? 'skipped: these tests need root' : `skipped: perf does not run here: ${tool.said}`);

let folder = '';
const path = process.env.PATH;
const runs: PlainRun[] = [];
beforeAll(() => { folder = mkdtempSync(join(tmpdir(), 'flamebench-refusing-')); });
afterAll(() => { rmSync(folder, { recursive: true, force: true }); });
afterEach(() => {
  process.env.PATH = path;
  endTargets();
  for (const run of runs.splice(0)) run.remove();
});

/** A perf in front of the real one: `perf record` with a word among its arguments says this and ends. */
function refuse(name: string, refusals: readonly { readonly word: string; readonly says: string; readonly code: number }[]): void {
  const own = join(folder, name);
  mkdirSync(own, { recursive: true });
  const cases = refusals.map(({ word, says, code }) => `  case "$*" in *${word}*) printf '${says.replaceAll("'", "'\\''")}\\n' >&2; exit ${code};; esac`);
  writeFileSync(join(own, 'perf'), `#!/bin/sh\nif [ "$1" = record ]; then\n${cases.join('\n')}\nfi\nexec ${tool.found ? tool.path : 'perf'} "$@"\n`, { mode: 0o755 });
  process.env.PATH = `${own}:${path}`;
}

async function start(lanes: readonly LaneKind[]): Promise<{ run: PlainRun; running: Awaited<ReturnType<typeof perf.start>> }> {
  const { pid } = await startTarget(python, [`${programs}known_shares.py`]);
  const run = new PlainRun([pid], { lanes });
  runs.push(run);
  return { run, running: await perf.start(run) };
}

/** What the last perf was started with. */
const argvOf = (run: PlainRun): string => run.terminals.at(-1)?.argv.join(' ') ?? '';

test.skipIf(missing)('switches without stacks where samples of them are refused', async () => {
  refuse('switches', [{ word: 'context-switches', says: 'Error:\\nNo permission to enable context-switches event.', code: 255 }, { word: 'sched_switch', says: 'Error:\\nNo permission to enable sched:sched_switch event.', code: 255 }]);
  const { run, running } = await start(['cpu', 'off-cpu', 'faults']);
  await wait(300);
  await running.stop();
  expect(argvOf(run)).not.toContain('context-switches');
  expect(argvOf(run)).toContain('page-faults');
  expect(run.streams.at(-1)?.bytes).toBeGreaterThan(10_000);
  // The first try had opened its stream, which says more of waiting than there is: the decoder sees that there are no stacks.
  expect(run.streams).toHaveLength(1);
  const profile = new Profile();
  const { facts, chunks } = run.streams[0];
  if (facts.decoder !== 'perf') throw new Error('a stream of perf');
  const decoder = new PerfDecoder(profile, {
    zeroAt: run.zeroAt, stacks: facts.stacks, rateHz: facts.rateHz, directory: '', source: facts.source, live: false, sources: NO_SOURCES, context: readContext('test'), offCpu: facts.offCpu ?? '',
  });
  for (const chunk of chunks) decoder.push(chunk);
  decoder.end();
  expect(profile.lane('off-cpu')?.source).toBe('perf switch records, without stacks; reasons of longer waits from /proc');
}, 20_000);

test.skipIf(missing)('page faults refused: the rest records, and it is said', async () => {
  refuse('faults', [{ word: 'page-faults', says: "event syntax error: 'page-faults/name=page-faults,period=64/'", code: 129 }]);
  const { run, running } = await start(['cpu', 'off-cpu', 'memory']);
  await wait(300);
  expect(run.notices.at(-1)).toMatchObject({ id: 'perf-memory', text: 'Page faults are not recorded: perf may not count them here.' });
  await expect(running.setLane?.('faults', true)).rejects.toThrow(/may not count page faults/);
  await running.stop();
  expect(run.streams.at(-1)?.bytes).toBeGreaterThan(10_000);
  expect(argvOf(run)).toContain('cpu-clock/freq=99/');
}, 20_000);

test.skipIf(missing)('buffers that may not be locked: smaller ones', async () => {
  refuse('pages', [{ word: '-m\\ [1-9][0-9][0-9]', says: 'Permission error mapping pages.\\nConsider increasing /proc/sys/kernel/perf_event_mlock_kb', code: 255 }]);
  const { run, running } = await start(['cpu']);
  await running.stop();
  expect(argvOf(run)).toContain('-m 64 ');
  expect(run.notices).toEqual([]);
}, 20_000);

test.skipIf(missing)('perf_event_open refused altogether is said in one line', async () => {
  refuse('all', [{ word: 'record', says: 'perf_event_open(..., PERF_FLAG_FD_CLOEXEC) failed with unexpected error 1 (Operation not permitted)\\nError:\\nkernel does not support recording context switch events', code: 234 }]);
  await expect(start(['cpu', 'off-cpu', 'memory'])).rejects.toThrow(/refuses perf_event_open/);
}, 20_000);
