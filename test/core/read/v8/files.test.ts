import fc from 'fast-check';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { UserError } from '#core/errors';
import type { Profile } from '#core/model/profile';
import { detect } from '#core/read/index';
import { read, skipped, tree } from '../reading.ts';
import { sharedData } from '../shared-data.ts';

const node = (id: number, name: string, children: number[], more: object = {}, url = 'file:///app/a%20b.js', lineNumber = 4) =>
  ({ id, callFrame: { functionName: name, scriptId: '7', url, lineNumber, columnNumber: 0 }, hitCount: 0, children, ...more });
const state = (id: number, name: string, children: number[] = []) => node(id, name, children, {}, '', -1);
const NODES = [
  state(1, '(root)', [2, 3, 4, 5]), state(2, '(program)'), state(3, '(idle)'), state(4, '(garbage collector)'),
  node(5, 'main', [6, 7]), node(6, 'work', [], { positionTicks: [{ line: 9, ticks: 2 }, { line: 11, ticks: 1 }] }), node(7, '', []),
];
const cpu = (more: object = {}) => JSON.stringify({ nodes: NODES, startTime: 1000, endTime: 2000, samples: [2, 6, 6, 3, 6, 7, 4], timeDeltas: [100, 100, 100, 100, 100, 100, 100], ...more });

function functions(profile: Profile): string[] {
  const rows: string[] = [];
  for (let fn = 0; fn < profile.functions.length; fn++) {
    rows.push([profile.functions.nameOf(fn as never), profile.functions.fileOf(fn as never), profile.functions.libraryOf(fn as never), profile.functions.kindOf(fn as never)].join(' | '));
  }
  return rows.sort();
}

describe('.cpuprofile', () => {
  test.each([1, 7, 100, 1 << 16])('in pieces of %i: a sample lasts until the next one, idle is in no box', (size) => {
    const { profile } = read(cpu(), 'x.cpuprofile', size);
    expect(tree(profile)).toBe([
      '(garbage collector) 300000 self 300000', '(program) 100000 self 100000',
      'main 400000', '  (anonymous) 100000 self 100000', '  work 300000 self 300000',
    ].join('\n'));
    expect(profile.lanes.map((lane) => [lane.kind, lane.name, lane.unit])).toEqual([['cpu', 'v8', 'ns']]);
    expect(profile.info.notes).toEqual(['V8 was idle for 0.000 of 0.001 s. That is no CPU time and is in no box.']);
    expect(profile.info.durationNs).toBe(1_000_000);
    expect(skipped(profile)).toEqual({});
  });
  test('functions: files without file://, C++ without a file, states of V8', () => {
    const { profile } = read(cpu(), 'x.cpuprofile');
    expect(functions(profile)).toEqual([
      '(anonymous) | /app/a b.js |  | javascript', '(garbage collector) |  | v8 | native', '(program) |  | v8 | native',
      'main | /app/a b.js |  | javascript', 'work | /app/a b.js |  | javascript',
    ]);
  });
  test('lines are 0-based in a frame and 1-based in ticks', () => {
    const { profile } = read(cpu(), 'x.cpuprofile');
    const lines = new Map<string, Set<number>>();
    for (let frame = 0; frame < profile.frames.length; frame++) {
      const name = profile.functions.nameOf(profile.frames.functionOf(frame as never));
      lines.set(name, (lines.get(name) ?? new Set()).add(profile.frames.line.get(frame)));
    }
    expect(lines.get('main')).toEqual(new Set([5]));
    expect(lines.get('work')).toEqual(new Set([9, 11]));
  });
  test('a negative delta, an unknown node, a ring of callers, no samples', () => {
    expect(skipped(read(cpu({ timeDeltas: [100, 100, -50, 100, 100, 100, 100] }), 'x').profile)).toEqual({ 'samples that go back in time (put in order)': 1 });
    expect(skipped(read(cpu({ samples: [2, 99, 6, 3, 6, 7, 4] }), 'x').profile)).toEqual({ 'samples of calls that the file does not list': 1 });
    const ring = read(JSON.stringify({ nodes: [node(1, 'a', [2]), node(2, 'b', [1])], startTime: 0, endTime: 10, samples: [1, 2], timeDeltas: [1, 1] }), 'x');
    expect(tree(ring.profile)).toBe('b 9000 self 8000\n  a 1000 self 1000');
    const hits = read(JSON.stringify({ nodes: [node(1, 'a', [2], { hitCount: 1 }), node(2, 'b', [], { hitCount: 3 })], startTime: 0, endTime: 4000 }), 'x');
    expect(tree(hits.profile)).toBe('a 4000000 self 1000000\n  b 3000000 self 3000000');
  });
  test.each([['{"nodes":[{"callFrame":{"functionName":"a"},"hitCount":0', /breaks off/], [JSON.stringify({ nodes: [node(1, 'a', [])], samples: [] }), /1 calls and no sample/]])('broken: %j', (text, message) => {
    expect(() => read(text, 'x.cpuprofile')).toThrow(message);
    expect(() => read(text, 'x.cpuprofile')).toThrow(UserError);
  });
  test('anything that is JSON is read or refused, never crashes', () => {
    fc.assert(fc.property(fc.json(), fc.json(), (nodes, samples) => {
      try {
        read(`{"nodes":[${JSON.stringify(node(1, 'a', [2]))},${nodes}],"samples":[1,${samples}],"timeDeltas":${samples},"startTime":${nodes},"endTime":1}`, 'x.cpuprofile');
      } catch (error) {
        expect(error).toBeInstanceOf(UserError);
      }
    }), { numRuns: 200 });
  });
  test('files of others: self times as counted from the JSON', () => {
    const bytes = sharedData('others/cpuprofile/parakeet/profile.cpuprofile');
    if (bytes === null) return;
    const facts = JSON.parse(Buffer.from(sharedData('others/cpuprofile/parakeet/profile.cpuprofile.facts.json') ?? []).toString()) as Record<string, [string, number][]>;
    const { profile } = read(bytes, 'profile.cpuprofile');
    const self = new Map<string, number>();
    for (const chunk of profile.lanes[0].chunks) {
      for (let row = 0; row < chunk.rows; row++) {
        const fn = profile.frames.functionOf(profile.stacks.frame.get(chunk.stack[row]) as never);
        const name = profile.functions.nameOf(fn);
        self.set(name, (self.get(name) ?? 0) + chunk.weight.get(row) / 1000);
      }
    }
    // One delta is negative: what it took from one function is given back here.
    for (const [name, us] of facts['top15_self_us_sample_i_lasts_until_i+1'].slice(0, 6)) {
      const [fn, place] = name.split(' ');
      if (fn !== '(program)' && place !== undefined) expect(Math.abs((self.get(fn === '(garbage' ? '(garbage collector)' : fn) ?? 0) - us) / us).toBeLessThan(0.01);
    }
    expect(functions(profile)).toContain('transcribe | /app/src/parakeet.js |  | javascript');
    expect(functions(profile)).toContain('readFileSync | node:fs | node | javascript');
    expect(functions(profile)).toContain('lstat |  | node | native');
  });
  test('Chrome 65, and the tree of Node 10', () => {
    const chrome = sharedData('others/cpuprofile/speedscope/Chrome-65-simple.cpuprofile');
    const old = sharedData('others/cpuprofile/speedscope/node-10.11.0-example.cpuprofile');
    if (chrome === null || old === null) return;
    const pictures = [chrome, old].map((bytes) => tree(read(bytes, 'x.cpuprofile').profile));
    expect(pictures[0]).toBe([
      '(anonymous) 36317000 self 1060000', '  a 35257000', '    b 17002000', '      d 17002000 self 17002000', '    c 18255000', '      d 18255000 self 18255000',
    ].join('\n'));
    // The same run, with one stamp more.
    expect(pictures[1].replace(/\d+/g, 'n')).toBe(pictures[0].replace(/\d+/g, 'n'));
    expect(skipped(read(old, 'x').profile)).toEqual({});
  });
});

describe('.heapprofile', () => {
  const head = { callFrame: { functionName: '(root)', scriptId: '0', url: '', lineNumber: -1, columnNumber: -1 }, selfSize: 0, id: 1, children: [
    { callFrame: { functionName: 'keep', scriptId: '4', url: '/app/node_modules/@x/y/i.js', lineNumber: 0, columnNumber: 0 }, selfSize: 300, id: 2, children: [
      { callFrame: { functionName: 'fill', scriptId: '4', url: '/app/x.js', lineNumber: 0, columnNumber: 0 }, selfSize: 1000, id: 3, children: [] }] }] };
  const samples = [{ size: 300, nodeId: 2, ordinal: 3 }, { size: 400, nodeId: 3, ordinal: 9 }, { size: 600, nodeId: 3, ordinal: 4 }];
  test.each([1, 7, 100])('in pieces of %i', (size) => {
    for (const text of [JSON.stringify({ head }), JSON.stringify({ head, samples })]) {
      const { profile } = read(text, 'x.heapprofile', size);
      expect(tree(profile)).toBe('keep 1300 self 300\n  fill 1000 self 1000');
      expect([profile.lanes[0].kind, profile.lanes[0].unit, profile.lanes[0].name]).toEqual(['memory', 'bytes', 'v8 heap held']);
      expect(functions(profile)).toContain('keep | /app/node_modules/@x/y/i.js | @x/y | javascript');
    }
    expect(read(JSON.stringify({ head, samples }), 'x').profile.info.notes).toContain('Of at least 9 samples 3 are in the file: the objects of the others had been collected.');
  });
  test('a file of others: the sum of its tree', () => {
    const bytes = sharedData('others/cpuprofile/speedscope/node-10.11.0-Heap-20181003T105432.heapprofile');
    if (bytes === null) return;
    const sum = [...Buffer.from(bytes).toString().matchAll(/"selfSize":(\d+)/g)].reduce((all, match) => all + Number(match[1]), 0);
    const { profile, format } = read(bytes, 'Heap.heapprofile', 777);
    expect(format.id).toBe('heapprofile');
    expect(profile.lanes[0].total).toBe(sum);
    expect(functions(profile)).toContain('emit | internal/child_process.js | node | javascript');
  });
  test('empty, cut, and what is another kind of file', () => {
    expect(() => read('{"head":{"callFrame":{"functionName":"(root)"},"selfSize":0,"children":[]}}', 'x')).toThrow(/no allocation/);
    expect(() => read('{"head":{"callFrame":{"functionName":"(root)"},"selfSize":0,"chil', 'x')).toThrow(/breaks off/);
    expect(() => detect(Buffer.from('{"snapshot":{"meta":{"node_fields":[]}}}'), 'x.heapsnapshot')).toThrow(/heap snapshot/);
  });
});

test("what this machine's Node writes itself", () => {
  const folder = mkdtempSync(join(tmpdir(), 'flamebench-v8-'));
  try {
    const program = join(folder, 'p.js');
    const text = 'globalThis.kept = []; function spin() { let x = 0; for (let i = 0; i < 2e5; i++) x += i % 7; return x; } function keep() { kept.push(new Array(20000).fill(spin())); } const end = Date.now() + 600; while (Date.now() < end) keep();';
    execFileSync(process.execPath, ['-e', `require('fs').writeFileSync(${JSON.stringify(program)}, ${JSON.stringify(text)})`]);
    execFileSync(process.execPath, ['--cpu-prof', '--heap-prof', `--cpu-prof-dir=${folder}`, `--heap-prof-dir=${folder}`, program]);
    const [cpuFile, heapFile] = ['.cpuprofile', '.heapprofile'].map((ending) => readdirSync(folder).find((name) => name.endsWith(ending)) ?? '');
    const { profile } = read(readFileSync(join(folder, cpuFile)), cpuFile, 4096);
    expect(profile.processes.pid.get(0)).toBeGreaterThan(1);
    expect(tree(profile)).toMatch(/\n +keep \d+/);
    let kept = 0;
    for (const line of tree(profile).split('\n')) kept += Number(/^ +keep (\d+)/.exec(line)?.[1] ?? 0);
    expect(kept).toBeGreaterThan(profile.lanes[0].total * 0.5);
    const heap = read(readFileSync(join(folder, heapFile)), heapFile, 4096).profile;
    expect(tree(heap)).toMatch(/\n +keep \d+/);
    expect(skipped(heap)).toEqual({});
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
