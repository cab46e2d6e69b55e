// Traces of PyTorch itself on a CPU: three that we recorded, and one that is made here where torch is installed.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { StackId } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import { read, tree } from '../reading.ts';
import { sharedData } from '../shared-data.ts';

interface PlainEvent { readonly ph: string; readonly cat?: string; readonly name: string; readonly ts: number; readonly dur: number; readonly args: Record<string, number | string | null> }

const RECORDED = ['profiler-stack-shapes-memory', 'profiler-verbose-callstack', 'ondemand-gdb-attach'].map((name) => `recorded/torch-cpu/${name}.json.gz`);

const plain = (bytes: Uint8Array): PlainEvent[] => (JSON.parse(Buffer.from(bytes).toString()) as { traceEvents: PlainEvent[] }).traceEvents;

/** A Python function as its box is called. */
const boxName = (name: string): string => (/^.+?\(\d+\): (.*)$/s.exec(name)?.[1] ?? name).replace(/ at 0x[0-9a-f]+/g, '');

function totals(profile: Profile): Map<string, number> {
  const sums = new Map<string, number>();
  for (const chunk of profile.lane('other', 'torch ops')?.chunks ?? []) {
    for (let row = 0; row < chunk.rows; row++) {
      const names = profile.stacks.framesOf(chunk.stack[row] as StackId).map((frame) => profile.functions.nameOf(profile.frames.functionOf(frame)));
      for (const name of new Set(names)) sums.set(name, (sums.get(name) ?? 0) + chunk.weight.get(row));
    }
  }
  return sums;
}

describe.each(RECORDED)('%s', (path) => {
  test('Python callers are those that the trace names, though annotations straddle them', () => {
    const bytes = sharedData(path);
    if (bytes === null) return;
    const { profile } = read(bytes, path);
    const events = plain(bytes).filter((event) => event.ph === 'X');
    const python = events.filter((event) => event.cat === 'python_function');
    const byId = new Map(python.map((event) => [event.args['Python id'], event]));
    const chains = new Set<string>();
    for (const event of python) {
      const chain: string[] = [];
      for (let at: PlainEvent | undefined = event; at !== undefined; at = byId.get(at.args['Python parent id'])) chain.unshift(boxName(at.name));
      chains.add(chain.join('\n'));
    }
    chains.add('');
    const others = new Set(events.filter((event) => event.cat !== 'python_function').map((event) => event.name.replace(/^ProfilerStep#\d+$/, 'ProfilerStep')));
    const wrong = new Set<string>();
    let rows = 0;
    for (const chunk of profile.lane('other', 'torch ops')?.chunks ?? []) {
      for (let row = 0; row < chunk.rows; row++, rows++) {
        const names = profile.stacks.framesOf(chunk.stack[row] as StackId).map((frame) => profile.functions.nameOf(profile.frames.functionOf(frame)));
        const own = names.filter((name) => !others.has(name) && name !== '[backward]').join('\n');
        if (!chains.has(own)) wrong.add(own);
      }
    }
    expect(rows).toBeGreaterThan(1000);
    expect([...wrong]).toEqual([]);
  });

  test('operators\' time is the sum of their events; memory is the allocator\'s', () => {
    const bytes = sharedData(path);
    if (bytes === null) return;
    const { profile } = read(bytes, path);
    const events = plain(bytes);
    const ours = totals(profile);
    for (const name of ['aten::addmm', 'aten::relu', 'aten::native_layer_norm', 'aten::randn']) {
      const sum = events.filter((event) => event.ph === 'X' && event.name === name).reduce((total, event) => total + event.dur, 0);
      expect((ours.get(name) ?? 0) / 1000, name).toBeCloseTo(sum, 1);
    }
    const memory = events.filter((event) => event.name === '[memory]');
    const allocated = memory.filter((event) => Number(event.args['Bytes']) > 0).reduce((sum, event) => sum + Number(event.args['Bytes']), 0);
    expect(profile.lane('memory', 'torch')?.total ?? 0).toBe(allocated);
    if (memory.length > 0) {
      memory.sort((a, b) => a.ts - b.ts);
      expect(profile.lane('memory', 'torch held')?.total).toBe(Number(memory.at(-1)?.args['Total Allocated']));
    }
    expect([...profile.skipped]).toEqual([]);
  });
});

test('a trace made here: the figures are PyTorch\'s own', () => {
  const python = process.env['FLAMEBENCH_TORCH_PYTHON'] ?? 'python3';
  const folder = mkdtempSync(join(tmpdir(), 'flamebench-torch-'));
  try {
    const out = join(folder, 'x.pt.trace.json');
    const run = spawnSync(python, [resolve(import.meta.dirname, '../../../programs/torch_trace.py'), out], { encoding: 'utf8' });
    if (run.status !== 0 && (run.error !== undefined || run.stderr.includes("No module named 'torch'"))) {
      console.log(`skipped: ${python} has no torch (FLAMEBENCH_TORCH_PYTHON names one that has)`);
      return;
    }
    expect(run.status, run.stderr).toBe(0);
    const { profile, format } = read(new Uint8Array(readFileSync(out)), 'x.pt.trace.json');
    expect(format.id).toBe('kineto');
    const { averages } = JSON.parse(run.stdout.trim().split('\n').at(-1) ?? '') as { averages: Record<string, [number, number]> };
    const ours = totals(profile);
    const compared = Object.entries(averages).filter(([name]) => /^(aten::|ProfilerStep|autograd::)/.test(name) && !/^aten::(to|_to_copy|sum|linear|copy_|detach|t|as_strided)$/.test(name));
    expect(compared.length).toBeGreaterThan(10);
    const steps = compared.filter(([name]) => name.startsWith('ProfilerStep')).reduce((sum, [, [, time]]) => sum + time, 0);
    expect((ours.get('ProfilerStep') ?? 0) / 1000).toBeCloseTo(steps, 0);
    for (const [name, [, time]] of compared) if (!name.startsWith('ProfilerStep')) expect(Math.abs((ours.get(name) ?? 0) / 1000 - time), name).toBeLessThan(1);
    const marks = Array.from({ length: profile.marks.length }, (_, row) => profile.strings.values[profile.marks.text.get(row)]);
    expect(marks.filter((text) => text.startsWith('ProfilerStep#'))).toEqual(['ProfilerStep#0', 'ProfilerStep#1', 'ProfilerStep#2']);
    expect(tree(profile, profile.lane('other', 'torch ops') ?? undefined)).toMatch(/main [\d.]+.*\n(.*\n)* +ProfilerStep .*\n(.*\n)* +train_step .*\n(.*\n)* +forward /);
    expect(profile.lane('memory', 'torch')?.total).toBeGreaterThan(0);
    const own = Array.from({ length: profile.functions.length }, (_, fn) => fn).filter((fn) => profile.functions.isOwn(fn as never)).map((fn) => profile.functions.nameOf(fn as never));
    expect(own).toEqual(expect.arrayContaining(['main', 'train_step', 'forward']));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 120_000);
