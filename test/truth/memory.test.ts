// Programs that know what memory they take, recorded by the command line: pages touched, a leak, temporary allocations.
import { afterAll, describe, expect, test } from 'vitest';
import { findTool } from '../../main/profilers/find-tool.ts';
import { buildProgram } from '../support/build-program.ts';
import { here, missing, noCompiler, record, under } from './recorded.ts';

afterAll(() => here.remove());
const program = (name: string): string => buildProgram(name, ['-O1', '-g']) ?? '';

async function skips(what: string, tool: 'perf' | 'heaptrack'): Promise<boolean> {
  const why = noCompiler || (tool === 'perf' ? await missing('cpu') : findTool('heaptrack') === null ? 'heaptrack is not installed' : '');
  if (why !== '') console.log(`skipped: ${what}, ${why}`);
  return why !== '';
}

describe('memory', () => {
  test('pages that are touched: every fault below the function that touches', async () => {
    if (await skips('page_toucher.c', 'perf')) return;
    const { profile, out } = await record('pages', [program('page_toucher')], '--profiler', 'perf', '--lanes', 'cpu,memory');
    const [, first, second] = (/faults (\d+) (\d+)/.exec(out) ?? []).map(Number);
    const lane = profile.lane('faults');
    if (lane === null) throw new Error('no lane of page faults');
    console.log(`faults: first ${under(profile, lane, 'first')} of ${first}, second ${under(profile, lane, 'second')} of ${second}`);
    // A sample stands for 64 faults.
    expect(Math.abs(under(profile, lane, 'first') - first)).toBeLessThanOrEqual(128);
    expect(Math.abs(under(profile, lane, 'second') - second)).toBeLessThanOrEqual(128);
  }, 30_000);

  test('a leak: what is taken, and what is held at the end', async () => {
    if (await skips('leak.c', 'heaptrack')) return;
    const { profile } = await record('leak', [program('leak')], '--lanes', 'memory', '--memory', 'full');
    const taken = profile.lane('memory', 'heaptrack');
    const held = profile.lane('memory', 'heaptrack held');
    if (taken === null || held === null) throw new Error(`lanes: ${profile.lanes.map((lane) => lane.name).join(', ')}`);
    expect([under(profile, taken, 'load'), under(profile, taken, 'grow')]).toEqual([1_000_000, 100_000]);
    expect(held.total).toBe(100_000);
  }, 30_000);

  test('temporary allocations are counted below what makes them', async () => {
    if (await skips('temporary.c', 'heaptrack')) return;
    const { profile } = await record('temporary', [program('temporary')], '--lanes', 'memory', '--memory', 'full');
    const taken = profile.lane('memory', 'heaptrack');
    const temporary = profile.lane('memory', 'heaptrack temporary');
    if (taken === null || temporary === null) throw new Error(`lanes: ${profile.lanes.map((lane) => lane.name).join(', ')}`);
    expect([under(profile, taken, 'scratch'), under(profile, taken, 'pairs')]).toEqual([20_000 * 64, 10_000 * 100]);
    expect([under(profile, temporary, 'scratch'), under(profile, temporary, 'pairs')]).toEqual([20_000, 0]);
  }, 30_000);
});
