// A trace of the PyTorch profiler of a given size, made here: time to the first rows, to the end, peak memory, beside JSON.parse of the
// whole where a text of that size fits into one string. Alone: node test/bench/kineto.ts --size 1000
import { spawnSync } from 'node:child_process';
import { closeSync, createReadStream, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Profile } from '#core/model/profile';
import { kineto as format } from '#core/read/kineto/format';
import type { Figure } from './report.ts';
import { print } from './report.ts';

const DEFAULT_MEGABYTES = 200;
const LAYERS = 24;
const MOST_STRING = 512e6;

interface Run { readonly first: number; readonly end: number; readonly cpu: number; readonly peak: number; readonly rows: number; readonly text: string }

/** `megabytes`: size of the trace. */
export async function kineto(megabytes = DEFAULT_MEGABYTES): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'flamebench-kineto-'));
  try {
    const path = join(folder, 'trace.json');
    writeTrace(path, megabytes * 1e6);
    const size = statSync(path).size;
    const what = `${(size / 1e6).toFixed(0)} MB trace`;
    const ours = child(path, 'read');
    const figures: Figure[] = [
      { what: `${what}: first rows`, value: `${(ours.first / 1000).toFixed(1)} s`, aim: '' },
      { what: `${what}: read to the end (${(ours.rows / 1e6).toFixed(2)} M rows)`, value: `${(ours.end / 1000).toFixed(1)} s (${(ours.cpu / 1000).toFixed(1)} s of CPU), ${(size / 1e3 / ours.end).toFixed(0)} MB/s`, aim: '1 GB under 15 s' },
      { what: `${what}: peak memory`, value: `${(ours.peak / 1e6).toFixed(0)} MB`, aim: '1 GB under 1500 MB' },
    ];
    if (size < MOST_STRING) {
      const theirs = child(path, 'parse');
      figures.push({ what: `${what}: JSON.parse of the whole alone`, value: `${(theirs.end / 1000).toFixed(1)} s (${(theirs.cpu / 1000).toFixed(1)} s of CPU), ${(theirs.peak / 1e6).toFixed(0)} MB`, aim: '' });
    } else {
      figures.push({ what: `${what}: JSON.parse of the whole alone`, value: 'not possible: no string is that long', aim: '' });
    }
    return await Promise.resolve(figures);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function child(path: string, how: 'read' | 'parse'): Run {
  const result = spawnSync(process.execPath, [import.meta.filename, '--child', how, path], { encoding: 'utf8', maxBuffer: 1 << 24 });
  if (result.status !== 0) throw new Error(`the bench's reader failed: ${result.stderr.slice(0, 2000)}`);
  return JSON.parse(result.stdout) as Run;
}

async function read(path: string): Promise<Run> {
  const profile = new Profile();
  const began = performance.now();
  const decoder = format.open(profile, { name: 'trace.json', openFile: () => null, inflater: () => { throw new Error('nothing is packed'); } });
  let first = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 64 * 1024 })) {
    decoder.push(chunk as Uint8Array);
    if (first === 0 && profile.lanes.some((lane) => lane.rows > 0)) first = performance.now() - began;
  }
  const scanned = performance.now() - began;
  decoder.end();
  const end = performance.now() - began;
  return {
    first: first || end, end, cpu: cpu(), peak: process.resourceUsage().maxRSS * 1024, rows: profile.lanes.reduce((sum, lane) => sum + lane.rows, 0),
    text: `scanned in ${scanned.toFixed(0)} ms; ${profile.lanes.map((lane) => `${lane.kind} ${lane.name} ${lane.total}`).join(', ')}`,
  };
}

function parse(path: string): Run {
  const began = performance.now();
  const value = JSON.parse(readFileSync(path, 'utf8')) as { traceEvents: unknown[] };
  const end = performance.now() - began;
  return { first: end, end, cpu: cpu(), peak: process.resourceUsage().maxRSS * 1024, rows: value.traceEvents.length, text: '' };
}

/** ms of CPU so far, all threads: says more than the clock where the machine is busy. */
function cpu(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Operators, then Python functions, then CUDA calls with their kernels and flows, as Kineto orders them. */
export function writeTrace(path: string, bytes: number): void {
  const fd = openSync(path, 'w');
  let text = '';
  const put = (event: string): void => {
    text += event;
    if (text.length > 1 << 20) {
      writeSync(fd, text);
      text = '';
    }
  };
  put('{\n  "schemaVersion": 1,\n  "deviceProperties": [\n    {"id": 0, "name": "Bench GPU", "totalGlobalMem": 1}\n  ],\n  "with_stack": 1,\n  "baseTimeNanoseconds": 1751410836000000000,\n  "traceEvents": [\n');
  const perStep = LAYERS * 14_300;
  const steps = Math.max(1, Math.round(bytes / perStep));
  for (const part of ['op', 'python', 'gpu'] as const) for (let step = 0; step < steps; step++) stepEvents(step, part, put);
  put('  {"name": "process_name", "ph": "M", "ts": 0, "pid": 100, "tid": 0, "args": {"name": "python3"}}\n  ], "traceName": "bench.json"}\n');
  writeSync(fd, text);
  closeSync(fd);
}

const OPS = ['aten::linear', 'aten::addmm', 'aten::relu', 'aten::native_layer_norm', 'aten::dropout', 'aten::add'];
const KERNELS = [
  'void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<float>, at::detail::Array<char*, 3> >(int, at::native::CUDAFunctor_add<float>, at::detail::Array<char*, 3>)',
  'sm90_xmma_gemm_bf16bf16_bf16f32_f32_tn_n_tilesize128x128x64_warpgroupsize1x1x1_execute_segment_k_off_kernel__5x_cublas',
  'void at::native::(anonymous namespace)::vectorized_layer_norm_kernel<float, float>(int, float, float const*, float const*, float const*, float*, float*, float*)',
];

function stepEvents(step: number, part: 'op' | 'python' | 'gpu', put: (event: string) => void): void {
  const layer = 700;
  const base = 1_000_000_000 + step * (LAYERS * layer + 500);
  const at = (micros: number): string => (base + micros).toFixed(3);
  const host = (category: string, name: string, from: number, length: number, args: string): void =>
    put(`  {\n    "ph": "X", "cat": "${category}", "name": "${name}", "pid": 100, "tid": 100,\n    "ts": ${at(from)}, "dur": ${length.toFixed(3)},\n    "args": {\n      ${args}\n    }\n  },\n`);
  let id = step * LAYERS * 16 + 2;
  if (part === 'op') host('user_annotation', `ProfilerStep#${step}`, 0, LAYERS * layer + 400, `"External id": ${id}, "Record function id": 0, "Ev Idx": ${id}`);
  if (part === 'python') host('python_function', 'train.py(12): train', 0, LAYERS * layer + 450, `"Python parent id": null, "Python id": ${id}, "Ev Idx": ${id}`);
  const root = id;
  for (let i = 0; i < LAYERS; i++) {
    const t = i * layer + 5;
    const module = ++id;
    if (part === 'python') {
      host('python_function', `nn.Module: Block_${i}`, t, layer - 10, `"Python parent id": ${root}, "Python id": ${module}, "Python module id": ${i}, "Ev Idx": ${module}`);
    }
    for (let o = 0; o < OPS.length; o++) {
      const from = t + 10 + o * 110;
      const call = ++id;
      const fn = ++id;
      if (part === 'python') {
        host('python_function', 'torch/nn/modules/module.py(1751): _call_impl', from, 105, `"Python parent id": ${module}, "Python id": ${call}, "Ev Idx": ${call}`);
        host('python_function', `torch/nn/modules/linear.py(${114 + o}): forward`, from + 3, 100, `"Python parent id": ${call}, "Python id": ${fn}, "Ev Idx": ${fn}`);
      } else if (part === 'op') {
        host('cpu_op', OPS[o], from + 10, 85.25, `"External id": ${call}, "Record function id": 0, "Concrete Inputs": ["", "", "", "1", "1"], "Input type": ["float", "float", "float", "Scalar", "Scalar"], "Input Strides": [[2048, 1], [1, 512]], "Input Dims": [[256, 512], [512, 2048]], "Ev Idx": ${call}`);
        host('cpu_op', 'aten::empty', from + 15, 4.125, `"External id": ${fn}, "Record function id": 0, "Concrete Inputs": ["[256, 512]", "6", "0", "", "False", ""], "Input Dims": [[], [], [], [], [], []], "Ev Idx": ${fn}`);
      } else {
        const correlation = step * 100_000 + i * 100 + o + 1;
        host('cuda_runtime', 'cudaLaunchKernel', from + 40, 8.5, `"External id": ${call}, "cbid": 211, "correlation": ${correlation}`);
        put(`  {\n    "ph": "s", "id": ${correlation}, "pid": 100, "tid": 100, "ts": ${at(from + 40)},\n    "cat": "ac2g", "name": "ac2g"\n  },\n`);
        put(`  {\n    "ph": "X", "cat": "kernel", "name": "${KERNELS[o % KERNELS.length]}", "pid": 0, "tid": 7,\n    "ts": ${at(from + 60)}, "dur": ${(60 + o * 5.117).toFixed(3)},\n    "args": {\n      "External id": ${call},\n      "queued": 0, "device": 0, "context": 1,\n      "stream": 7, "correlation": ${correlation},\n      "registers per thread": 32,\n      "shared memory": 0,\n      "blocks per SM": 7.757576,\n      "warps per SM": 31.030303,\n      "grid": [1024, 1, 1],\n      "block": [128, 1, 1],\n      "est. achieved occupancy %": 48\n    }\n  },\n`);
        put(`  {\n    "ph": "f", "id": ${correlation}, "pid": 0, "tid": 7, "ts": ${at(from + 60)},\n    "cat": "ac2g", "name": "ac2g", "bp": "e"\n  },\n`);
      }
    }
  }
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({ options: { size: { type: 'string', default: String(DEFAULT_MEGABYTES) }, child: { type: 'string' } }, allowPositionals: true });
  if (values.child === undefined) print('PyTorch traces', await kineto(Number(values.size)));
  else console.log(JSON.stringify(values.child === 'parse' ? parse(positionals[0]) : await read(positionals[0])));
}
