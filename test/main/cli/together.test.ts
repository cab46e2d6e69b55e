// Traces of the ranks of one job, named together.
import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openRecording } from '../../../main/library/open.ts';
import { inside, scratch } from './run.ts';

const KERNEL = 'void at::native::vectorized_elementwise_kernel<4, float>(int, float)';
const folder = scratch();
const ranks = [folder.file('rank0.pt.trace.json'), folder.file('rank1.pt.trace.json.gz')];

/** One operator that launches one kernel of 10 us, 3 ms later for each rank. */
function trace(rank: number): string {
  const event = (cat: string, name: string, ts: number, dur: number, tid: number, args: object = {}) => ({ ph: 'X', cat, name, pid: cat === 'kernel' ? rank : 40, tid, ts: ts + rank * 3000, dur, args });
  return JSON.stringify({
    schemaVersion: 1, deviceProperties: [{ id: rank, name: 'GPU' }], distributedInfo: { backend: 'nccl', rank, world_size: 2 },
    traceEvents: [
      event('cpu_op', 'aten::add', 100, 20, 40), event('cuda_runtime', 'cudaLaunchKernel', 105, 5, 40, { correlation: 1 }),
      event('kernel', KERNEL, 130, 10, 7, { correlation: 1, device: rank, stream: 7 }),
    ],
  });
}

beforeAll(() => {
  writeFileSync(ranks[0], trace(0));
  writeFileSync(ranks[1], gzipSync(trace(1)));
});
afterAll(() => folder.remove());

test('info and top read them as one profile with ranks', async () => {
  const { code, out } = await inside(['info', ...ranks, '--json']);
  expect(code).toBe(0);
  const facts = JSON.parse(out) as { title: string; format: string; processes: number; lanes: { kind: string; total: number }[] };
  expect(facts).toMatchObject({ title: 'rank0.pt.trace.json and rank1.pt.trace.json', format: 'kineto', processes: 2 });
  expect(facts.lanes.find((lane) => lane.kind === 'cuda')?.total).toBe(20_000);
  expect((await inside(['info', ...ranks])).out).toMatch(/processes +2: .*rank 0.*rank 1/);
  const one = JSON.parse((await inside(['top', ...ranks, '--rank', '1', '--json'])).out) as { total: number; rows: { function: string }[] };
  expect([one.total, one.rows.some((row) => row.function === KERNEL)]).toEqual([10_000, true]);
  // Text has the name that boxes have.
  const { out: text } = await inside(['top', ...ranks]);
  expect(text).toContain('vectorized_elementwise_kernel<4, float>');
  expect(text).not.toContain('(int, float)');
});

test('convert makes one recording of them, on one clock', async () => {
  const job = folder.file('job.flamebench');
  expect((await inside(['convert', ...ranks, '-o', job])).code).toBe(0);
  const profile = await openRecording(job);
  expect([...profile.processes.rank.view()].sort()).toEqual([0, 1]);
  const times = profile.lane('cuda')?.chunks.flatMap((chunk) => Array.from({ length: chunk.rows }, (_, row) => chunk.timeAt(row))) ?? [];
  expect(times.sort((a, b) => a - b)).toEqual([30_000, 3_030_000]);
});

test('other files together are told what to do', async () => {
  const other = folder.file('other.folded');
  writeFileSync(other, 'a;b 3\n');
  const { code, err } = await inside(['top', ranks[0], other]);
  expect(code).toBe(2);
  expect(err).toContain('flamebench convert IN... -o OUT');
});
