// Our own recordings against what `perf script` printed of the same bytes.
import { expect, test } from 'vitest';
import { Profile } from '#core/model/profile';
import { FRAME_RULES } from '#core/model/tables';
import type { PerfDecoder } from '#core/read/perf/decoder';
import { readPerfData } from '#core/read/perf/format';
import { memorySource, readContext } from '../../../../main/record/read-context.ts';
import type { Comparison } from './reference.ts';
import { compare, decode, fixture, missingTwin, nameDifferences, ourSamples, scriptOf, twinSources } from './reference.ts';

const LIBC = '/usr/lib/x86_64-linux-gnu/libc.so.6';

function counts(samples: readonly { event: string }[]): Record<string, number> {
  const out: Record<string, number> = {};
  for (const sample of samples) out[sample.event] = (out[sample.event] ?? 0) + 1;
  return out;
}

/** All events that have a lane, compared; every sample of perf is the same or a leaf-side part of ours. */
function laidBeside(name: string, profile: Profile, dwarf: boolean): Record<string, Comparison> {
  const reference = scriptOf(name);
  const ours = ourSamples(profile);
  const out: Record<string, Comparison> = {};
  for (const event of Object.keys(counts(ours))) {
    out[event] = compare(reference.filter((one) => one.event === event), ours.filter((one) => one.event === event), dwarf);
  }
  return out;
}

function print(name: string, decoder: PerfDecoder): void {
  const { roots, truncated, lost, rules } = decoder.stats.stacks;
  const copied = roots + truncated + lost;
  const byRule = FRAME_RULES.map((rule, i) => `${rule} ${rules[i]}`).filter((_, i) => rules[i] > 0).join(', ');
  console.log(`${name}: ${copied === 0 ? 'call chains' : `${roots} of ${copied} copied stacks reach a root`}; frames: ${byRule}`);
}

const DEPTH = { perf: expect.any(Number) as number, ours: expect.any(Number) as number };
const same = (samples: number) => ({ samples, same: samples, prefix: 0, stops: new Map(), depth: DEPTH, exceptions: new Map(), examples: [] });

test('six events, switches and rounds: a Python program with loaders', () => {
  const { profile, decoder } = decode(fixture('multi-python.pipe'));
  print('multi-python', decoder);
  const script = counts(scriptOf('multi-python.pipe'));
  const ours = Object.fromEntries(decoder.stats.events.filter((one) => one.samples > 0).map((one) => [one.name, one.samples]));
  expect(ours).toEqual(script);
  expect(laidBeside('multi-python.pipe', profile, false)).toEqual({
    'cpu-clock': same(97), 'page-faults': same(6), 'syscalls:sys_enter_brk': same(2),
  });
  expect([...profile.skipped.keys()].filter((what) => !what.startsWith('kernel addresses'))).toEqual(['waits that had begun before the recording: their stacks are not known']);
  expect(profile.info).toMatchObject({ tool: 'perf 6.1.187', host: 'vm', kernel: '6.18.44-fc-v669' });
  // Each thread's times are all of the time that was watched, to the nanosecond.
  const threads = profile.threads;
  const total = (row: number) => threads.onCpu.get(row) + threads.waiting.get(row) + threads.blocked.get(row);
  expect(threads.length).toBe(3);
  expect(new Set([total(0), total(1), total(2)]).size).toBe(1);
  // What the rows of the lane carry is what the clocks say, and close to what the samples alone would have said.
  const onCpu = threads.onCpu.get(0) + threads.onCpu.get(1) + threads.onCpu.get(2);
  const lane = profile.lane('cpu');
  expect(lane?.total).toBe(onCpu);
  expect(Math.abs(onCpu / (97e9 / 99) - 1)).toBeLessThan(0.02);
});

test('a file of `perf record` without a pipe', () => {
  const profile = new Profile();
  const decoder = readPerfData(profile, memorySource(fixture('cpu-fp.file.data')), readContext('cpu-fp'), () => undefined);
  print('cpu-fp', decoder);
  const reference = scriptOf('cpu-fp.file.data');
  const ours = ourSamples(profile).map((one) => ({ ...one, time: one.time + decoder.zeroNs }));
  expect(compare(reference, ours, false)).toEqual(same(391));
  expect(reference.reduce((least, one) => Math.min(least, one.time), Infinity)).toBeLessThanOrEqual(decoder.zeroNs);
  expect(profile.info.command).toContain('perf record');
  expect(profile.lane('cpu')?.source).toBe('perf 199 Hz, call chains');
});

test.each(['killed.pipe', 'zstd.pipe', 'unprivileged.pipe', 'lost.pipe', 'launch-multiproc.pipe'])('call chains of %s are perf script\'s', (name) => {
  const { profile, decoder } = decode(fixture(name));
  print(name, decoder);
  const script = scriptOf(name);
  const ours = Object.fromEntries(decoder.stats.events.filter((one) => one.samples > 0).map((one) => [one.name, one.samples]));
  expect(ours).toEqual(counts(script));
  for (const [event, one] of Object.entries(laidBeside(name, profile, false))) expect({ event, ...one }).toEqual({ event, ...same(counts(script)[event]) });
});

test('perf was killed: the cut record is counted, all before it is there', () => {
  const { profile } = decode(fixture('killed.pipe'));
  expect(profile.skipped.get('bytes of a perf record that was cut off at the end')).toBe(75);
  expect(profile.lane('cpu')?.samples).toBe(405);
});

test('lost records: one mark over the time that the CPU was silent, and the count once', () => {
  const told: number[] = [];
  const { profile, decoder } = decode(fixture('lost.pipe'), { onLost: (count, start, end) => told.push(count, (end - start) / 1e6) });
  expect(profile.skipped.get('samples lost by perf')).toBe(5803);
  expect(decoder.stats.lost).toBe(5803);
  expect(profile.marks.length).toBe(1);
  expect(profile.marks.value.get(0)).toBe(5803);
  expect(told[0]).toBe(5803);
  // The reader slept for about a second.
  expect(told[1]).toBeGreaterThan(300);
  expect(told[1]).toBeLessThan(1800);
});

test('fork and exec: generations, parents, exact time of threads that no sample fell into', () => {
  const { profile } = decode(fixture('launch-multiproc.pipe'));
  const { threads, processes } = profile;
  const lines: string[] = [];
  for (let row = 0; row < threads.length; row++) {
    const process = threads.process.get(row);
    const parent = processes.parent.get(process);
    lines.push(`${threads.tid.get(row)}.${threads.generation.get(row)} ${threads.nameOf(row as never)} in ${processes.nameOf(process as never)}, child of ${parent < 0 ? '-' : processes.pid.get(parent)}`);
  }
  expect(lines).toMatchInlineSnapshot(`
    [
      "23675.0 perf-exec in python3, child of -",
      "23675.1 python3 in python3, child of -",
      "23677.0 python3 in python3, child of 23675",
      "23677.1 python3 in python3, child of 23675",
      "23678.0 python3 in work_fp, child of 23675",
      "23678.1 work_fp in work_fp, child of 23675",
      "23679.0 python3 in python3, child of 23675",
      "23680.0 compute in work_fp, child of 23675",
      "23682.0 sleeper in work_fp, child of 23675",
      "23683.0 lock-a in work_fp, child of 23675",
      "23684.0 lock-b in work_fp, child of 23675",
      "23685.0 alloc-io in work_fp, child of 23675",
      "23686.0 python3 in python3, child of 23675",
    ]
  `);
  const sum = [...threads.onCpu.view()].filter((one) => one > 0).reduce((a, b) => a + b, 0);
  expect(profile.lane('cpu')?.total).toBe(sum);
});

const MISSING_C = missingTwin([LIBC]);
if (MISSING_C !== '') console.log(`skipped: copied stacks of C, this machine's ${MISSING_C} is not the recorded one`);

test.skipIf(MISSING_C !== '')('copied stacks of C without frame pointers', () => {
  const { profile, decoder } = decode(fixture('dwarf-c-nofp.pipe'), { sources: twinSources() });
  print('dwarf-c-nofp', decoder);
  expect(laidBeside('dwarf-c-nofp.pipe', profile, true)).toEqual({ 'cpu-clock': same(76) });
  expect(decoder.stats.stacks).toMatchObject({ roots: 76, truncated: 0, lost: 0 });
  const names = nameDifferences(scriptOf('dwarf-c-nofp.pipe'), ourSamples(profile));
  // libc's static functions have names only in its debug file, which this machine may lack.
  expect([...names.keys()].filter((one) => !one.includes('[libc.so.6+'))).toEqual([]);
});

const MISSING_PYTHON = missingTwin([LIBC, '/usr/bin/python3.11']);
if (MISSING_PYTHON !== '') console.log(`skipped: copied stacks of Debian's Python, this machine's ${MISSING_PYTHON} is not the recorded one`);

test.skipIf(MISSING_PYTHON !== '')('copied stacks of Debian\'s Python', () => {
  const { profile, decoder } = decode(fixture('dwarf-python.pipe'), { sources: twinSources() });
  print('dwarf-python', decoder);
  expect(laidBeside('dwarf-python.pipe', profile, true)).toEqual({ 'cpu-clock': same(86) });
  expect(decoder.stats.stacks).toMatchObject({ roots: 86, truncated: 0, lost: 0 });
});

const MISSING_312 = missingTwin([LIBC, '/root/.pyenv/versions/3.12.1/bin/python3.12', '/root/.pyenv/versions/3.12.1/lib/libpython3.12.so.1.0']);
if (MISSING_312 !== '') console.log(`skipped: trampolines of Python 3.12, this machine's ${MISSING_312} is not the recorded one`);

test.skipIf(MISSING_312 !== '')('trampolines of `python -X perf`: perf stops at the first, we go on to the root', () => {
  const { profile, decoder } = decode(fixture('trampoline-python312.pipe'), { sources: twinSources() });
  print('trampoline-python312', decoder);
  expect(laidBeside('trampoline-python312.pipe', profile, true)).toEqual({ 'cpu-clock': { ...same(32), same: 0, prefix: 32, stops: new Map([['python3: perf-23816.map', 32]]) } });
  expect(decoder.stats.stacks).toMatchObject({ roots: 32, truncated: 0, lost: 0 });
});
