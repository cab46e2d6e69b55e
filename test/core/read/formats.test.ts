import fc from 'fast-check';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { UserError } from '#core/errors';
import { detect } from '#core/read/index';
import { LineSplitter } from '#core/read/lines';
import { read, skipped, tree } from './reading.ts';
import { pieces, sharedData } from './shared-data.ts';

function lines(bytes: Uint8Array, size: number, most = 1_000_000): string[] {
  const found: string[] = [];
  const splitter = new LineSplitter((b, start, end) => found.push(Buffer.from(b.subarray(start, end)).toString()), most);
  for (const piece of pieces(bytes, size)) splitter.push(piece);
  splitter.end();
  if (splitter.cut > 0) found.push(`(${splitter.cut} cut)`);
  return found;
}

describe('lines', () => {
  test('LF, CRLF, no end, empty lines, NUL', () => {
    for (const size of [1, 7, 100]) {
      expect(lines(Buffer.from('a\r\n\nb\0c\nlast'), size)).toEqual(['a', '', 'b\0c', 'last']);
      expect(lines(Buffer.from('\u00ef\u00bb\u00bfa\n'), size)).toEqual(['\u00ef\u00bb\u00bfa']);
      expect(lines(Buffer.from([0xef, 0xbb, 0xbf, 0x61]), size)).toEqual(['a']);
      expect(lines(Buffer.from('x'), size)).toEqual(['x']);
      expect(lines(Buffer.from(''), size)).toEqual([]);
    }
  });
  test('UTF-16 of both orders', () => {
    const text = '\ufeffgr\u00fc\u00dfe \u{1f525}\r\nzwei';
    const little = Buffer.from(text, 'utf16le');
    const big = Buffer.from(little).swap16();
    for (const size of [1, 7, 100]) {
      expect(lines(little, size)).toEqual(['gr\u00fc\u00dfe \u{1f525}', 'zwei']);
      expect(lines(big, size)).toEqual(['gr\u00fc\u00dfe \u{1f525}', 'zwei']);
    }
  });
  test('a long line is cut and counted', () => {
    for (const size of [1, 7, 100]) expect(lines(Buffer.from('aaaaaaaaaaaa\nbb\ncccccccccc'), size, 10)).toEqual(['aaaaaaaaaa', 'bb', 'cccccccccc', '(1 cut)']);
  });
});

describe('which format', () => {
  const of = (text: string, name = 'file') => detect(Buffer.from(text), name).id;
  test('content decides', () => {
    expect(of('a;b;c 1\nd 2\n')).toBe('folded');
    expect(of('a;b (x.py:3) 4\n')).toBe('py-spy-raw');
    expect(of('process 3:"python x;y";main (x.py:3) 4\n')).toBe('py-spy-raw');
    expect(of('perf 1/2 [001]  1.5: 7 cycles: \n\tff main (/x)\n\n', 'a.folded')).toBe('perf-script');
    expect(of('  perf 1  1.5: 7 cycles:  ff main (/x)\n')).toBe('perf-script');
    expect(of('{"traceEvents": [')).toBe('chrome-trace');
    expect(of('[{"ph":"B"')).toBe('chrome-trace');
    expect(of('{"$schema":"https://www.speedscope.app/file-format-schema.json"')).toBe('speedscope');
  });
  test.each([
    ['', /is empty/], ['\0\x01\x02\x03', /binary data/], ['\x7fELF\x02', /a program/], ['just some prose.\n', /text in no format/],
    ['Process 1: python x\nPython v3.11.2 (x)\n', /py-spy dump/], ['\xfd7zXZ\0', /xz/], ['<?xml version="1.0"?><svg/>', /drawing/],
  ])('%j is refused: %s', (text, message) => {
    expect(() => detect(Buffer.from(text, 'latin1'), 'f')).toThrow(message);
    expect(() => detect(Buffer.from(text, 'latin1'), 'f')).toThrow(UserError);
  });
  test('a py-spy dump of others', () => {
    const dump = sharedData('others/py-spy/calendarbot/pyspy-dump.txt');
    if (dump !== null) expect(() => detect(dump, 'pyspy-dump.txt')).toThrow(/py-spy dump/);
  });
});

describe('perf script text', () => {
  test('fields in any order and number, addresses with and without, one line and many', () => {
    const { profile } = read([
      'build id event received for /x: 00ff [20]', 'train 10/11 [003] 100.000000001: 250 cpu-clock:u: ', '\t    ff leaf+0x4 (/lib/x.so)', '\t    fe main (/bin/train)', '',
      'V8 Worker   12 100.5:  cycles: ', '\tffffffff81 schedule+0x1 ([kernel.kallsyms])', '',
      'train 10/11 sched:sched_switch: prev_comm=a', '\tff leaf (/lib/x.so)', '', '# hostname : box', 'train 10/11 [003] 101.000000001: 250 cpu-clock:u:', '', '?? what', '\tff leaf (/lib/x.so)',
    ].join('\n'), 'x.txt');
    expect(profile.lanes.map((lane) => [lane.name, lane.kind, lane.unit, lane.total])).toEqual([
      ['cpu-clock:u', 'cpu', 'ns', 500], ['cycles', 'cpu', 'count', 1], ['sched:sched_switch', 'other', 'count', 1],
    ]);
    expect(tree(profile, profile.lanes[0], true)).toBe('train 500\n  [no stack] 250 self 250\n  main 250\n    leaf 250 self 250');
    expect(tree(profile, profile.lanes[1], true)).toBe('V8 Worker 1\n  schedule 1 self 1');
    expect(profile.info.host).toBe('box');
    expect(profile.info.durationNs).toBe(1e9);
    expect(skipped(profile)).toEqual({
      'messages of perf': 1, 'samples without a stack (kept as [no stack])': 1, 'lines that are no perf script text': 1, 'stack lines outside a sample': 1,
    });
    expect(profile.processes.pid.get(0)).toBe(10);
    expect(profile.threads.tid.get(0)).toBe(11);
  });

  test('recordings of others: as many samples as the folded results, at any chunk size', () => {
    for (const [name, samples] of [['FlameGraph/perf-java-stacks-01.txt', 46], ['FlameGraph/perf-iperf-stacks-pidtid-01.txt', 201], ['mojo/out.perf', 621]] as const) {
      const bytes = sharedData(`others/perf-script/${name}`);
      if (bytes === null) continue;
      const { profile, format } = read(bytes, name);
      expect(format.id).toBe('perf-script');
      expect(profile.lanes[0].samples, name).toBe(samples);
      const expected = tree(profile);
      for (const size of [1, 7, 100]) expect(tree(read(bytes, name, size).profile)).toBe(expected);
    }
  });

  test('two events are two lanes', () => {
    const bytes = sharedData('others/perf-script/FlameGraph/perf-cycles-instructions-01.txt');
    if (bytes === null) return;
    const { profile } = read(bytes, 'x');
    expect(profile.lanes.map((lane) => lane.name)).toEqual(['instructions', 'cycles']);
    expect(profile.info.command).toBe('sleep 1');
  });

  test('our own recordings', () => {
    for (const name of ['multi-python.script.txt.gz', 'cpu-fp.file.script.txt', 'trampoline-python312.script.txt', 'unprivileged.script.txt', 'lost.script.txt.gz']) {
      const bytes = sharedData(`recorded/live/perf/${name}`);
      if (bytes === null) continue;
      const { profile, format } = read(bytes, name);
      expect(format.id, name).toBe('perf-script');
      const headers = Buffer.from(bytes).toString().split('\n').filter((line) => /^\S.*:\s/.test(line)).length;
      expect(profile.lanes.reduce((sum, lane) => sum + lane.samples, 0), name).toBe(headers);
      if (name.startsWith('trampoline')) {
        const at = profile.strings.values.indexOf('matvec');
        expect(at).toBeGreaterThan(0);
        expect(profile.strings.values).toContain('/mnt/demo/train.py');
      }
      if (name.startsWith('multi')) expect(profile.lanes.map((lane) => lane.name)).toEqual(expect.arrayContaining(['cpu-clock/freq=99/', 'sched:sched_switch', 'page-faults/period=16/']));
    }
  });

  test('malformed: a blank line in a stack, a line that is no frame', () => {
    for (const name of ['empty-line', 'weird-stack-line']) {
      const bytes = sharedData(`others/perf-script/inferno/${name}.txt`);
      if (bytes === null) continue;
      const { profile } = read(bytes, name);
      expect(profile.lanes[0].samples).toBe(2);
      expect(profile.lanes[0].total).toBe(500_000);
      expect(profile.skipped.size).toBeGreaterThan(0);
    }
  });

  test('one line a sample', () => {
    const bytes = sharedData('others/perf-script/ausaxs-large/perf-script.txt');
    if (bytes === null) return;
    const { profile } = read(bytes, 'x.txt');
    expect(profile.lanes.reduce((sum, lane) => sum + lane.samples, 0)).toBe(76_159);
  });
});

describe('folded stacks', () => {
  test('fractions, spaces, comments, annotations, CRLF', () => {
    const { profile } = read('# c\r\nmain;a frame;std::f(int, long) 2.5\r\nmain;a frame 1\r\nmain;sys_[k] 1\r\nbad\r\n', 'x');
    expect(tree(profile)).toBe('main 4.5\n  a frame 3.5 self 1\n    std::f(int, long) 2.5 self 2.5\n  sys 1 self 1');
    expect(skipped(profile)).toEqual({ 'comment lines': 1, 'lines without a stack and a number': 1 });
  });
  test('two columns are before and after', () => {
    const { profile } = read('a;b 1 4\na;c 2 0\n', 'x');
    expect(profile.lanes.map((lane) => lane.name)).toEqual(['before', 'after']);
    expect(tree(profile, profile.lanes[0])).toBe('a 3\n  b 1 self 1\n  c 2 self 2');
    expect(profile.lanes[1].total).toBe(4);
  });
  test('UTF-16, recursion and others', () => {
    for (const name of ['simple', 'simple-crlf', 'simple-utf16-le', 'simple-utf16-be', 'simple-with-invalids']) {
      const bytes = sharedData(`others/folded/speedscope/${name}.txt`);
      if (bytes === null) continue;
      for (const size of [1, 7, 100]) expect(tree(read(bytes, name, size).profile), name).toBe('a 14\n  b 14 self 5\n    c 5 self 5\n    d 4 self 4');
    }
    const differential = sharedData('others/folded/inferno-flamegraph/differential/perf-cycles-instructions-01-collapsed-all-diff.txt');
    if (differential !== null) expect(read(differential, 'x').profile.lanes.map((lane) => lane.name)).toEqual(['before', 'after']);
    const fractions = sharedData('others/folded/inferno-flamegraph/fractional-samples/fractional.txt');
    if (fractions !== null) expect(read(fractions, 'x').profile.lanes[0].total).not.toBe(0);
  });
  test('py-spy: threads, processes, files and lines', () => {
    const { profile } = read('process 9:"/usr/bin/python3 /x/run.py a;b";thread (12): MainThread;<module> (/x/run.py:59);f (/x/run.py:3);realloc (libc.so.6) 21\n', 'x');
    expect(tree(profile, profile.lanes[0], true)).toBe('MainThread 21\n  <module> 21\n    f 21\n      realloc 21 self 21');
    expect([profile.processes.pid.get(0), profile.processes.nameOf(0 as never), profile.threads.tid.get(0)]).toEqual([9, 'run.py', 12]);
    expect(profile.functions.fileOf(1 as never)).toBe('/x/run.py');
    expect(profile.functions.kindOf(1 as never)).toBe('python');
    expect(profile.frames.line.get(1)).toBe(3);
    expect(profile.functions.libraryOf(2 as never)).toBe('libc.so.6');
  });
  test('py-spy: our recordings', () => {
    for (const name of ['window1', 'window2', 'native', 'subprocesses']) {
      const bytes = sharedData(`recorded/live/pyspy/pyspy-${name}.raw.txt`);
      if (bytes === null) continue;
      const { profile, format } = read(bytes, name);
      expect(format.id, name).toBe('py-spy-raw');
      const total = Buffer.from(bytes).toString().trim().split('\n').reduce((sum, line) => sum + Number(/ (\d+)$/.exec(line)?.[1]), 0);
      expect(profile.lanes[0].total, name).toBe(total);
      expect(profile.threads.length).toBeGreaterThan(0);
    }
  });
});

describe('speedscope', () => {
  test('of others: totals as their facts say', () => {
    for (const path of ['others/speedscope/speedscope/0.1.2/simple-sampled.speedscope.json', 'others/py-spy/cs336-bpe/profile.speedscope.json']) {
      const [bytes, facts] = [sharedData(path), sharedData(`${path}.facts.json`)];
      if (bytes === null || facts === null) continue;
      const { profile } = read(bytes, 'x.json');
      const expected = (JSON.parse(Buffer.from(facts).toString()) as { profiles: { sum_weights: number; samples: number }[] }).profiles;
      expect(profile.lanes[0].total / 1e9).toBeCloseTo(expected.reduce((sum, p) => sum + p.sum_weights, 0), 6);
      expect(profile.lanes[0].samples).toBe(expected.reduce((sum, p) => sum + p.samples, 0));
      for (const size of [1, 7, 100]) expect(tree(read(bytes, 'x.json', size).profile)).toBe(tree(profile));
    }
  });
  test('evented', () => {
    const bytes = sharedData('others/speedscope/speedscope/0.0.1/simple.speedscope.json');
    if (bytes !== null) expect(tree(read(bytes, 'x.json').profile)).toBe('a 14\n  b 14 self 5\n    c 5 self 5\n    d 4 self 4');
  });
  test('unclosed and out of order: repaired and counted', () => {
    const open = sharedData('others/speedscope/speedscope/invalid/incomplete-trace.json');
    if (open !== null) {
      const { profile } = read(open, 'x.json');
      expect(tree(profile)).toBe('A 100 self 100');
      expect(skipped(profile)).toEqual({ 'calls without an end (ended with the profile)': 1 });
    }
    const mixed = sharedData('others/speedscope/speedscope/invalid/out-of-order-events.json');
    if (mixed !== null) {
      const { profile } = read(mixed, 'x.json');
      expect(tree(profile)).toBe('A 1 self 1\nB 2\n  A 2 self 1\n    A 1 self 1');
      expect(skipped(profile)).toEqual({ 'calls that ended before their callees (those were ended too)': 1, 'ends of calls that had not begun': 1 });
    }
  });
  test('cut in the middle: the place is said', () => {
    expect(() => read('{"$schema":"https://www.speedscope.app/file-format-schema.json",\n"shared":{"fr', 'x.json')).toThrow(/breaks off or is damaged at character \d+ \(line 2\)/);
  });
});

describe('Chrome trace', () => {
  test('py-spy: calls per thread, files and lines', () => {
    const bytes = sharedData('recorded/live/pyspy/pyspy.chrometrace.json');
    if (bytes === null) return;
    const { profile, format } = read(bytes, 'x.json');
    expect(format.id).toBe('chrome-trace');
    expect(profile.lanes[0].name).toBe('py-spy');
    expect(profile.threads.length).toBe(3);
    expect([...profile.skipped]).toEqual([]);
    expect(tree(profile)).toContain('load_batch');
  });
  test('begin, end and complete events', () => {
    const { profile } = read('[{"pid":0,"tid":0,"ph":"X","ts":0,"dur":20,"name":"a"},{"pid":0,"tid":0,"ph":"B","ts":5,"name":"b"},{"pid":0,"tid":0,"ph":"E","ts":7,"name":"b"},{"ph":"M"}', 'x.json');
    expect(tree(profile)).toBe('a 20000 self 18000\n  b 2000 self 2000');
  });
  test('of others: all are read, none hangs', () => {
    const first = sharedData('others/chrome-trace/speedscope-trace-event/simple.json');
    if (first === null) return;
    const folder = join(import.meta.dirname, '../../../../shared/data/others/chrome-trace/speedscope-trace-event');
    for (const name of readdirSync(folder).filter((file) => file.endsWith('.json'))) {
      const bytes = sharedData(`others/chrome-trace/speedscope-trace-event/${name}`);
      if (bytes === null) continue;
      try {
        expect(read(bytes, name).profile.lanes[0].rows, name).toBeGreaterThanOrEqual(0);
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        console.log(`${name}: ${error.message}`);
      }
    }
  });
});

test('any bytes: no crash but a UserError, the same at any chunk size', () => {
  const starts = ['a;b ', 'x 1 1.0: cycles:\n\tff a (b)\n', '{"$schema":"https://www.speedscope.app/file-format-schema.json","shared":{"frames":[{"name":"a"}]},"profiles":[', '[{"ph":"B","ts":1,"name":"a"},', 'thread (0x1): x;f (a.py:1) 2\n'];
  const tail = fc.oneof(fc.string({ maxLength: 60 }), fc.constantFrom('1\n', '{"type":"sampled","samples":[[0]],"weights":[1]}]}', '{"ph":"E","ts":2}]', '\n\n', 'a;b;c 12\n'));
  const outcome = (bytes: Uint8Array, size: number) => {
    try {
      const { profile } = read(bytes, 'f', size);
      return profile.lanes.map((lane) => `${lane.name}\n${tree(profile, lane)}`).join('\n') + JSON.stringify(skipped(profile));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return error.message;
    }
  };
  fc.assert(fc.property(fc.constantFrom(...starts), fc.array(tail, { maxLength: 8 }), fc.integer({ min: 1, max: 20 }), (start, rest, size) => {
    const bytes = new Uint8Array(Buffer.from(start + rest.join('')));
    expect(outcome(bytes, size)).toBe(outcome(bytes, 1 << 16));
  }), { numRuns: 400 });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => { outcome(bytes, 7); }), { numRuns: 300 });
});

test('lines made to be slow are not', () => {
  const spaces = ' '.repeat(7000);
  for (const evil of [`a${spaces}b`, `(${' ('.repeat(400_000)}`, `x ${'1 '.repeat(400_000)}y`, ';'.repeat(900_000), `a 1 1.0:${spaces}${'a:'.repeat(4000)}`, `\tff ${')'.repeat(500_000)}`, `\tff ${' ('.repeat(300_000)}`]) {
    for (const prefix of ['a;b 1\n'.repeat(20), 'a 1 1.0: cycles:\n\tff a (b)\n']) read(`${prefix}${`${evil}\n`.repeat(3)}`, 'f');
  }
}, 20_000);
