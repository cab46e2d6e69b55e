// Bytes cut anywhere, broken anywhere, in any order.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UserError } from '#core/errors';
import { detect } from '#core/read/index';
import { read, skipped } from '../reading.ts';
import { sharedData } from '../shared-data.ts';
import { everything, gpu, micros, slice, trace } from './making.ts';

const SMALL = 'others/kineto/hta/critical_path__cuda_event_sync__event_sync_trace.json.gz';
const MEDIUM = 'others/kineto/tracelens/h100-bert-small.json.gz';
const CPU = 'recorded/torch-cpu/profiler-stack-shapes-memory.json.gz';

const EVENTS = [
  slice('python_function', 'größe.py(5): f"x', 0, 100, { 'Python id': 1, 'Python parent id': null }),
  slice('cpu_op', 'aten::mm', 10, 30, { 'External id': 10, 'Input Dims': [[1, 2], []], 'Input type': ['a}"]{', ''] }),
  slice('cuda_runtime', 'cudaLaunchKernel', 12.5, 10, { correlation: 77 }),
  gpu('kernel', 'k<int>(a, b)', 40.125, 5.5, { correlation: 77, grid: [1, 2, 3] }),
];

describe('which format', () => {
  test('a Kineto trace is told from other trace events, wherever its head is', () => {
    const of = (text: string, name = 'x.json'): string => detect(Buffer.from(text), name).id;
    expect(of('{"schemaVersion": 1, "deviceProperties": [')).toBe('kineto');
    expect(of('{"traceEvents": [{"ph": "X", "cat": "cpu_op", "name"')).toBe('kineto');
    expect(of('[{"ph": "X", "cat": "cuda_runtime", "name"')).toBe('kineto');
    expect(of('{"metadata": {"a": 1}, "traceEvents": [{"ph": "X", "cat": "kernel", "name": "x"')).toBe('kineto');
    expect(of('{"traceEvents": [{"ph": "B", "cat": "py-spy", "name"')).toBe('chrome-trace');
    expect(of('[{"ph":"B","name":"a"}]')).toBe('chrome-trace');
    for (const path of [SMALL, MEDIUM, CPU, 'others/kineto/hta/call_stack__backward_thread.json']) {
      const bytes = sharedData(path);
      if (bytes !== null) expect(detect(bytes.subarray(0, 65_536), path).id, path).toBe('kineto');
    }
  });
});

describe('chunks', () => {
  test('any size gives the same', () => {
    const text = trace(EVENTS, { distributedInfo: { rank: 3 } });
    const whole = everything(read(text, 'x.json').profile);
    for (let size = 1; size < 60; size++) expect(everything(read(text, 'x.json', size).profile)).toBe(whole);
    expect(whole).toContain('f"x 100000 self');
    expect(read(text, 'x.json', 1).profile.strings.values).toContain('größe.py');
  });
  test.each([SMALL, MEDIUM, CPU])('recorded: %s', (path) => {
    const bytes = sharedData(path);
    if (bytes === null) return;
    const whole = everything(read(bytes, path).profile);
    for (const size of [1, 7, 100]) expect(everything(read(bytes, path, size).profile) === whole, `chunks of ${size}`).toBe(true);
  });
});

describe('order', () => {
  test.each([SMALL, MEDIUM, CPU])('shuffled events give the same: %s', (path) => {
    const bytes = sharedData(path);
    if (bytes === null) return;
    const file = JSON.parse(Buffer.from(bytes).toString().replace(/("baseTimeNanoseconds": )(\d+)/, '$1"$2"')) as { traceEvents: unknown[] };
    const whole = everything(read(JSON.stringify(file), path).profile);
    let seed = 7;
    const random = (): number => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
    for (let run = 0; run < 3; run++) {
      const events = file.traceEvents;
      for (let i = events.length - 1; i > 0; i--) {
        const j = Math.floor(random() * (i + 1));
        [events[i], events[j]] = [events[j], events[i]];
      }
      // The list first, the rest of the header after it.
      const { traceEvents, ...header } = file;
      const shuffled = everything(read(JSON.stringify({ traceEvents, ...header }), path).profile);
      expect(shuffled === whole, shuffled.slice(0, 400)).toBe(true);
    }
  });
});

describe('damage', () => {
  const READ = 'damaged places in the JSON (read on at the next event)';
  const text = trace(EVENTS);
  const expectKernel = (broken: string, damage: Record<string, number>): void => {
    const { profile } = read(broken, 'x.json');
    expect(skipped(profile)).toEqual(damage);
    expect(micros(profile, profile.lane('cuda'))).toContain('k<int>(a, b) 5.5 self 5.5');
  };
  test('an event that is broken is left out, with its place', () => {
    expectKernel(text.replace('"aten::mm"', '"aten::"mm"'), { [READ]: 1 });
    expectKernel(text.replace('"aten::mm",', '"aten::mm\n'), { [READ]: 1 });
    expectKernel(text.replace('[[1,2],[]]', '[[1,2'), { [READ]: 1 });
    expectKernel(text.replace('"dur":30,', '"dur":30'), { [READ]: 1 });
    expectKernel(text.replace('},\n{"ph":"X","cat":"cpu_op"', '\n{"ph":"X","cat":"cpu_op"'), { [READ]: 1 });
    const { profile } = read(text.replace('"aten::mm"', '"aten::"mm"'), 'x.json');
    expect(profile.info.notes[0]).toBe(`x.json is damaged at byte ${Buffer.from(text.replace('"aten::mm"', '"aten::"mm"')).indexOf('mm"')} of its text: events there are left out.`);
  });
  test('a head that is broken does not hide the events', () => {
    expectKernel(text.replace('"name": "Toy GPU"', '"name": "Toy GPU').replace('"deviceProperties"', '\n"deviceProperties"'), { [READ]: 1 });
    expectKernel(text.replace('[{"id"', '[{{"id"'), { [READ]: 1 });
    expectKernel(text.replace('"name": "Toy GPU"', '"name": "Toy GPU\n'), { [READ]: 1 });
    expectKernel(text.replace('"schemaVersion": 1', '"schemaVersion": {"traceEvents": 1, "a": "traceEvents", "b": ["]}"]}'), {});
  });
  test('trailing commas, a bare list, a byte order mark, escapes, values that are no JSON', () => {
    expectKernel(text.replace('}\n],', '},\n],'), {});
    expectKernel(text.replace('"dur":30', '"dur":30,"tdur":nan'), {});
    expectKernel(`\ufeff${text}`, {});
    expectKernel(`[${EVENTS.map((event) => JSON.stringify(event)).join(',')}]`, {});
    expectKernel(`[${EVENTS.map((event) => JSON.stringify(event)).join(',')},`, { 'missing end of the event list (kept as it is)': 1 });
    expectKernel(text.replace('"schemaVersion": 1,', '"schemaVersion": 1, "a": {"b": [1, "]}"]}, , "c": tru,'), {});
    expectKernel(text.replace('"ts":10,', '"ts":"10",').replace('"ts":0,', '"ts":0e0,'), {});
  });
  test('events that say too little', () => {
    const { profile } = read(trace([...EVENTS, { name: 'x' }, { ph: 'X', cat: 'cpu_op', name: 'a', pid: 1, tid: 1 }, { ph: 'X', cat: 'cpu_op', name: 'a', pid: 1, tid: 1, ts: 5 }, { ph: 'C', ts: 1, name: 'c' },
      { ph: 'X', cat: 'cpu_op', name: 'a', pid: 1, tid: 1, ts: 1e300, dur: 1 }, { ph: 'B', ts: 1, name: 'b' }, { ph: 'X', cat: 'new thing', name: 'a', pid: 'x', tid: 1, ts: 1, dur: 1 }]), 'x.json');
    expect(skipped(profile)).toEqual({
      'events without a phase': 1, 'events without a time of the trace': 2, 'events without a length': 1, 'hardware counters (not shown)': 1,
      'events of phase "B" (no intervals)': 1, 'events of category "new thing" (not known)': 1,
    });
  });
  test('nothing to show is said', () => {
    for (const empty of ['{"schemaVersion": 1, "deviceProperties": []}', '{"schemaVersion": 1, "traceEvents": []}', '{"schemaVersion": 1, "traceEvents": [{"ph": "X", "cat": "cp']) {
      expect(() => read(empty, 'x.json')).toThrow(/x.json holds no operator, function or GPU work/);
    }
  });

  test.each([SMALL, MEDIUM])('cut anywhere: what came before is kept: %s', (path) => {
    const bytes = sharedData(path);
    if (bytes === null) return;
    let before = 0;
    for (let part = 1; part <= 24; part++) {
      const end = Math.floor((bytes.length * part) / 24) - 3;
      try {
        const { profile } = read(bytes.subarray(0, end), path);
        const kept = profile.lanes.reduce((sum, lane) => sum + lane.samples, 0);
        expect(profile.skipped.get('damaged places in the JSON (read on at the next event)')).toBe(undefined);
        expect(profile.lane('cuda')?.samples ?? 0).toBeGreaterThanOrEqual(before);
        before = profile.lane('cuda')?.samples ?? 0;
        expect(kept).toBeGreaterThan(0);
      } catch (error) {
        expect(error).toBeInstanceOf(UserError);
      }
    }
    expect(before).toBeGreaterThan(0);
  });

  test('damage of any kind ends in a profile or a clear message', () => {
    const original = new Uint8Array(Buffer.from(trace([...EVENTS, ...EVENTS.map((event) => ({ ...event, ts: Number(event['ts']) + 1000 }))])));
    fc.assert(fc.property(
      fc.array(fc.tuple(fc.nat(original.length - 1), fc.constantFrom('flip', 'drop', 'insert'), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 12 }), fc.integer({ min: 1, max: 300 }),
      (changes, size) => {
        let bytes = [...original];
        for (const [at, how, byte] of changes) {
          const place = Math.min(at, bytes.length - 1);
          if (how === 'flip') bytes[place] = byte;
          else if (how === 'drop') bytes = [...bytes.slice(0, place), ...bytes.slice(place + (byte % 40) + 1)];
          else bytes.splice(place, 0, byte, 0x7b, 0x22);
          if (bytes.length === 0) bytes = [0x7b];
        }
        try {
          const { profile } = read(Uint8Array.from([...Buffer.from('{"schemaVersion": 1, "deviceProperties": [], '), ...bytes.slice(1)]), 'x.json', size);
          for (const lane of profile.lanes) expect(Number.isFinite(lane.total)).toBe(true);
          expect(profile.info.durationNs).toBeGreaterThanOrEqual(0);
        } catch (error) {
          if (!(error instanceof UserError)) throw error;
        }
      },
    ), { numRuns: 300, seed: 11 });
  });

  test('an event of any length is bounded', () => {
    const at = text.indexOf('\n') + 1;
    const long = `${text.slice(0, at)}{"ph": "X", "cat": "cpu_op", "name": "${'a'.repeat(17 * 1024 * 1024)}", "pid": 10, "tid": 10, "ts": 1, "dur": 1},\n${text.slice(at)}`;
    expectKernel(long, { [READ]: 1 });
    expect(() => read(long.slice(0, 1e6), 'x.json')).toThrow(/no operator/);
  });
});
