// Memory of real programs: pages that are touched, and bytes from mmap, mremap and brk, against what the programs are known to do.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { StackId } from '#core/model/ids';
import type { Lane } from '#core/model/lane';
import { Profile } from '#core/model/profile';
import { PerfDecoder } from '#core/read/perf/decoder';
import { buildProgram } from '../../../support/build-program.ts';
import { decode, fixture } from './reference.ts';
import { TRACEPOINTS, WHY_NOT, now, options, record, run, sleep } from './live.ts';

const MB = 1 << 20;
const GRAPH = 'call-graph=dwarf,stack-size=4096';
const FAULTS = ['-e', `page-faults/period=64,${GRAPH}/`];
const CALLS = [
  ...['mmap', 'munmap', 'mremap'].flatMap((call) => ['-e', `syscalls:sys_enter_${call}/call-graph=no/`]),
  ...['mmap', 'brk', 'mremap'].flatMap((call) => ['-e', `syscalls:sys_exit_${call}/${GRAPH}/`]),
];
const RAW = [
  '-e', 'raw_syscalls:sys_enter/call-graph=no/', '--filter', 'id==9||id==11||id==25',
  '-e', `raw_syscalls:sys_exit/${GRAPH}/`, '--filter', 'id==9||id==12||id==25',
];
const events = (more: readonly string[]) => ['--call-graph', 'dwarf,8192', '-e', 'cpu-clock/freq=99/', ...more, '--switch-events'];
const MEMORY = { memory: 'perf mmap and brk', faults: 'perf page-faults' };

const compiler = spawnSync('cc', ['--version']).status === 0 ? '' : 'no C compiler';
const none = WHY_NOT !== '' || compiler !== '';
const noCalls = none || TRACEPOINTS === null;
if (compiler !== '') console.log(`skipped: memory of C programs, ${compiler}`);

/** Sum of the weights and counts of rows whose stack has a function. */
function sumOf(profile: Profile, lane: Lane | null, name: string): { weight: number; count: number; gains: number } {
  const has = new Map<number, boolean>();
  const sum = { weight: 0, count: 0, gains: 0 };
  for (const chunk of lane?.chunks ?? []) {
    for (let row = 0; row < chunk.rows; row++) {
      const stack = chunk.stack[row];
      let found = has.get(stack);
      if (found === undefined) has.set(stack, (found = profile.stacks.framesOf(stack as StackId).some((frame) => profile.functions.nameOf(profile.frames.functionOf(frame)) === name)));
      if (!found) continue;
      sum.weight += chunk.weight.get(row);
      sum.count += chunk.count.get(row);
      sum.gains += Math.max(0, chunk.weight.get(row));
    }
  }
  return sum;
}

test('a recording of the mapper: bytes, calls and faults, and what is held as it ends', () => {
  const { profile } = decode(fixture('memory.pipe'), MEMORY);
  const rows = profile.lanes.map((lane) => `${lane.kind} ${lane.name}: ${lane.kind === 'memory' ? `${lane.total / MB} MB in ${lane.samples} calls` : `${lane.samples}`}`);
  // 10 kept, 5 grown, 5 left of the heap.
  expect(rows.filter((row) => row.startsWith('memory'))).toEqual(['memory perf mmap: 75 MB in 47 calls', 'memory perf mmap held: 20 MB in 47 calls']);
  expect(profile.lane('faults', 'page-faults')?.total).toBe((profile.lane('faults')?.samples ?? 0) * 2);
  expect([...profile.skipped.keys()].filter((what) => !what.startsWith('kernel addresses'))).toEqual([]);
});

test.skipIf(none)('pages that are touched, by the function that touches them', async () => {
  const program = buildProgram('page_toucher', ['-O2', '-g', '-fomit-frame-pointer']) ?? '';
  const { profile, printed } = await run([program], events(FAULTS), MEMORY);
  const lane = profile.lane('faults');
  expect([lane?.name, lane?.unit, lane?.source]).toEqual(['page-faults', 'count', 'perf page-faults']);
  const [first, second] = ['first', 'second'].map((name) => sumOf(profile, lane, name));
  const [, ofFirst, ofSecond, minor] = /faults (\d+) (\d+) minor (\d+)/.exec(printed) ?? [];
  console.log(`page faults: first ${first.weight} of ${ofFirst}, second ${second.weight} of ${ofSecond}, in all ${lane?.total} (kernel: ${minor}), ${lane?.samples} samples`);
  // Each row stands for 64 faults; one period at the edge may be of the other.
  expect(Math.abs(first.weight - Number(ofFirst))).toBeLessThanOrEqual(128);
  expect(Math.abs(second.weight - Number(ofSecond))).toBeLessThanOrEqual(128);
  expect(sumOf(profile, lane, 'again').weight).toBeLessThanOrEqual(64);
  expect(first.count).toBe(first.weight / 64);
});

test.skipIf(noCalls).each([['a tracepoint for each call', CALLS], ['the tracepoints of all calls, filtered', RAW]])('bytes from mmap, mremap and brk, by who asked: %s', async (_, calls) => {
  const program = buildProgram('mapper', ['-O2', '-g', '-fomit-frame-pointer']) ?? '';
  const { profile, decoder } = await run([program], events(calls), MEMORY);
  const allocated = profile.lane('memory', 'perf mmap');
  const held = profile.lane('memory', 'perf mmap held');
  expect([allocated?.unit, held?.unit, held?.source]).toEqual(['bytes', 'bytes', 'perf mmap and brk']);
  const of = (name: string) => {
    const sum = sumOf(profile, allocated, name);
    return { bytes: sum.weight / MB, calls: sum.count, held: sumOf(profile, held, name).weight / MB };
  };
  expect(of('keeps')).toEqual({ bytes: 10, calls: 10, held: 10 });
  expect(of('gives_back')).toEqual({ bytes: 40, calls: 20, held: 0 });
  expect(sumOf(profile, held, 'free_all').weight).toBe(0);
  expect(of('grows')).toEqual({ bytes: 5, calls: 5, held: 5 });
  expect(of('heap')).toEqual({ bytes: 8, calls: 8, held: 5 });
  expect(of('in_thread')).toEqual({ bytes: 12, calls: 4, held: 0 });
  expect(of('no_memory').bytes).toBe(0);
  // The loader and the C library take a little themselves.
  const rest = (allocated?.total ?? 0) / MB - 75;
  console.log(`mapper: ${allocated?.samples} calls, ${(allocated?.total ?? 0) / MB} MB, of them the C library's ${rest} MB; ${decoder.stats.skippedRecords} records skipped`, [...profile.skipped]);
  expect(rest).toBeGreaterThanOrEqual(0);
  expect(rest).toBeLessThan(2);
  // Threads are credited for what they map, and it goes back in the thread that mapped it.
  const byThread = new Map<number, number>();
  for (const chunk of held?.chunks ?? []) for (let row = 0; row < chunk.rows; row++) byThread.set(chunk.thread[row], (byThread.get(chunk.thread[row]) ?? 0) + chunk.weight.get(row));
  expect([...byThread.values()].filter((bytes) => bytes === 0).length).toBeGreaterThanOrEqual(4);
});

test.skipIf(noCalls)('attached to a program that runs: its heap counts from where it is', async () => {
  const program = buildProgram('mapper', ['-O2', '-g', '-fomit-frame-pointer']) ?? '';
  const target = spawn(program, ['stop'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const pid = target.pid ?? 0;
  const profile = new Profile();
  try {
    while (!/^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) await sleep(10);
    const recording = record(pid, events(CALLS), (ready) => new PerfDecoder(profile, options(now(), ready, MEMORY)));
    await recording.ready;
    target.kill('SIGCONT');
    await recording.ended;
  } finally {
    target.kill('SIGKILL');
  }
  const allocated = profile.lane('memory', 'perf mmap');
  expect(sumOf(profile, allocated, 'heap').weight).toBe(8 * MB);
  expect(sumOf(profile, profile.lane('memory', 'perf mmap held'), 'heap').weight).toBe(5 * MB);
  expect(sumOf(profile, allocated, 'keeps').weight).toBe(10 * MB);
});

test.skipIf(noCalls)('without the text for its lanes a file with these events has plain lanes of them', async () => {
  const program = buildProgram('mapper', ['-O2', '-g', '-fomit-frame-pointer']) ?? '';
  const { profile } = await run([program], events(CALLS));
  expect(profile.lane('memory')).toBeNull();
  expect(profile.lane('other', 'syscalls:sys_exit_mmap')?.samples).toBeGreaterThan(30);
});
