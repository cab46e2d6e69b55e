// Every lane on the command line: what was held and when, what is known of each lane here, and the options that record them.
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { inside, scratch } from './run.ts';
import { schema, violations } from './schema.ts';

const here = scratch();
afterAll(() => here.remove());
const HEAP = new URL('../../fixtures/heaptrack/heaptrack-c.txt', import.meta.url).pathname;

interface Top {
  readonly lane: string;
  readonly event: string;
  readonly moment?: string;
  readonly total: number;
  readonly rows: readonly { readonly function: string; readonly self: number }[];
}

async function top(...args: readonly string[]): Promise<Top> {
  const { out, code, err } = await inside(['top', HEAP, '--json', ...args]);
  expect([code, err]).toEqual([0, '']);
  const json = JSON.parse(out) as Top;
  expect(violations(json, schema('top'))).toEqual([]);
  return json;
}

describe('held memory', () => {
  // heaptrack_print says of the same file: peak 279.55K, leaked 205.82K (its K is 1,000), 8,401 calls, 8,200 temporary.
  test('at its peak, at the end, grown in a range', async () => {
    const peak = await top('--lane', 'memory', '--moment', 'peak');
    expect([peak.event, peak.moment, (peak.total / 1000).toFixed(2)]).toEqual(['heaptrack held', 'peak', '279.55']);
    const held = await top('--moment', 'held');
    expect([held.event, (held.total / 1000).toFixed(2)]).toEqual(['heaptrack held', '205.82']);
    const grown = await top('--moment', 'grown', '--from', '1');
    expect(grown.total).toBeGreaterThan(0);
    expect(grown.total).toBeLessThan(held.total);
    // A lane of held memory by its name is what is held at the end.
    expect(await top('--lane', 'heaptrack held')).toMatchObject({ moment: 'held', total: held.total });
  });
  test('the other lanes of the source by their names', async () => {
    expect(await top('--lane', 'heaptrack')).toMatchObject({ lane: 'memory', event: 'heaptrack', rows: expect.arrayContaining([expect.objectContaining({ function: 'grow' })]) as unknown });
    expect(await top('--lane', 'heaptrack temporary')).toMatchObject({ total: 8200 });
    expect(await top('--lane', 'heaptrack allocations')).toMatchObject({ total: 8401 });
  });
  test('exports take the moment too', async () => {
    const folded = await inside(['convert', HEAP, '--moment', 'peak', '-o', '-']);
    expect(folded.out.trimEnd().split('\n').reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)).toBe(Math.round((await top('--moment', 'peak')).total));
    const leaked = await inside(['convert', HEAP, '--moment', 'held', '-o', here.file('held.speedscope.json')]);
    expect(leaked.code).toBe(0);
    const { profiles } = JSON.parse(readFileSync(here.file('held.speedscope.json'), 'utf8')) as { profiles: { endValue: number }[] };
    expect(profiles.reduce((sum, one) => sum + one.endValue, 0)).toBe((await top('--moment', 'held')).total);
    const picture = await inside(['convert', HEAP, '--moment', 'peak', '-o', here.file('peak.svg')]);
    expect([picture.code, picture.err]).toEqual([0, '']);
    expect(readFileSync(here.file('peak.svg'), 'utf8')).toContain('grow');
  });
  test('a profile without it says how it is recorded; a wrong word is wrong usage', async () => {
    const folded = here.file('cpu.folded');
    const { writeFileSync } = await import('node:fs');
    writeFileSync(folded, 'main;work 10\n');
    expect(await inside(['top', folded, '--moment', 'peak'])).toMatchObject({ code: 1, err: expect.stringContaining('--memory full') as string });
    expect(await inside(['top', HEAP, '--moment', 'later'])).toMatchObject({ code: 2, err: expect.stringContaining('held, grown, peak') as string });
    expect(await inside(['top', HEAP, '--lane', 'heaptrack', '--moment', 'peak'])).toMatchObject({ code: 0 });
  });
  test('info lists every lane with its kind, name, source, and what lies beside them', async () => {
    const { out } = await inside(['info', HEAP, '--json']);
    const json = JSON.parse(out) as { lanes: { kind: string; name: string; source: string }[]; tracks: { name: string }[] };
    expect(violations(json, schema('info'))).toEqual([]);
    expect(json.lanes.map(({ kind, name }) => `${kind}: ${name}`)).toEqual(['memory: heaptrack', 'memory: heaptrack held', 'memory: heaptrack temporary', 'memory: heaptrack allocations']);
    expect(json.tracks.map(({ name }) => name)).toContain('rss');
  });
});

describe('what is known before', () => {
  test('doctor tells each lane, with the best profiler first and all of them below', async () => {
    const { out, code } = await inside(['doctor', '--json']);
    expect(code).toBe(0);
    const json = JSON.parse(out) as { lanes: { lane: string; state: string; text: string; profilers: string[] }[]; checks: { profiler: string; lane: string; state: string }[] };
    expect(violations(json, schema('doctor'))).toEqual([]);
    expect(json.lanes.map(({ lane }) => lane)).toEqual(['cpu', 'off-cpu', 'memory', 'faults', 'cuda']);
    for (const { lane, state, text, profilers } of json.lanes) {
      expect(text).not.toBe('');
      const able = json.checks.filter((check) => check.lane === lane && (check.state === 'ready' || check.state === 'partly')).map(({ profiler }) => profiler);
      expect([lane, new Set(profilers)]).toEqual([lane, new Set(able)]);
      expect(state === 'ready' || state === 'partly').toBe(able.length > 0);
    }
    const text = await inside(['doctor']);
    for (const title of ['CPU: ', 'Off-CPU: ', 'Memory: ', 'CUDA: ']) expect(text.out).toContain(`\n${title}`);
  });
  test('options of a recording are checked', async () => {
    const wrong = async (...args: readonly string[]) => (await inside(['record', ...args, '--', 'true'])).err;
    expect(await wrong('--lanes', 'cpu,brain')).toContain('--lanes brain');
    expect(await wrong('--memory', 'deep')).toContain('light, full');
    expect(await wrong('--max-cost', '101')).toContain('at most 100');
    const help = (await inside(['record', '--help'])).out;
    for (const option of ['--lanes', '--memory', '--max-cost', '--marks', '--accept-risk']) expect(help).toContain(option);
    const completion = (await inside(['completion', 'bash'])).out;
    expect(completion).toContain('--memory) COMPREPLY=($(compgen -W "light full"');
    expect(completion).toContain('--moment) COMPREPLY=($(compgen -W "held grown peak"');
  });
});
