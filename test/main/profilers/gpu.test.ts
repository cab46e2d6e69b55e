// There is no GPU on the machines where these tests run: a stand-in script prints what nvidia-smi would.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { TrackFacts } from '#core/model/profile';
import { GpuProcesses, readGpuProcesses } from '../../../main/processes/gpu.ts';
import type { CudaFacts } from '../../../main/profilers/cuda.ts';
import { cuda, cudaUse, cudaVerdict } from '../../../main/profilers/cuda.ts';
import { gpuSituation } from '../../../main/processes/nvidia.ts';
import { readGpuLine, startGpuTracks } from '../../../main/profilers/nvidia-smi.ts';
import { PlainRun, wait } from '../../support/plain-run.ts';

const folders: string[] = [];
afterEach(() => { for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true }); });

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'flamebench-gpu-'));
  folders.push(path);
  return path;
}

/** A script in place of nvidia-smi. */
function standIn(script: string): string {
  const path = join(folder(), 'nvidia-smi');
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

/** A file system with these files. */
function root(files: Record<string, string>): string {
  const path = folder();
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  return path;
}

class Sink {
  readonly tracks: { facts: TrackFacts; values: [number, number][] }[] = [];
  readonly pids: number[] = [];
  track(facts: TrackFacts): { add(at: number, value: number): void } {
    const values: [number, number][] = [];
    this.tracks.push({ facts, values });
    return { add: (at, value) => { values.push([at, value]); } };
  }
  now(): number { return Number(process.hrtime.bigint()); }
  cost(pid: number): void { this.pids.push(pid); }
}

describe('GPU tracks, from a stand-in for nvidia-smi', () => {
  test('lines of two cards, one of which does not tell how busy it is, until they are stopped', async () => {
    const sink = new Sink();
    const script = 'while :; do date "+%Y/%m/%d %H:%M:%S.%3N, 0, 37, 1024, 81559"; date "+%Y/%m/%d %H:%M:%S.%3N, 1, [N/A], 2, 81559"; sleep 0.05; done';
    const tracks = startGpuTracks(sink, standIn(script));
    const before = sink.now();
    for (let i = 0; i < 200 && (sink.tracks[0]?.values.length ?? 0) < 5; i++) await wait(20);
    await tracks?.stop();
    expect(sink.tracks.map(({ facts }) => facts)).toEqual([
      { name: 'gpu 0 utilisation', unit: '%', scale: 100 }, { name: 'gpu 0 memory', unit: 'bytes', scale: 81559 * 1048576 }, { name: 'gpu 1 memory', unit: 'bytes', scale: 81559 * 1048576 },
    ]);
    expect(sink.tracks[0].values.every(([, value]) => value === 37)).toBe(true);
    expect(sink.tracks[1].values[0][1]).toBe(1024 * 1048576);
    expect(sink.tracks[0].values.every(([at]) => at > before - 1e9 && at <= sink.now())).toBe(true);
    expect(sink.pids).toHaveLength(1);
    expect(() => process.kill(sink.pids[0], 0)).toThrow();
    const there = sink.tracks[0].values.length;
    await wait(150);
    expect(sink.tracks[0].values.length).toBe(there);
  });
  test('a line that comes late is placed by its own time', async () => {
    const sink = new Sink();
    const tracks = startGpuTracks(sink, standIn('a=$(date "+%Y/%m/%d %H:%M:%S.%3N"); sleep 1; echo "$a, 0, 5, 1, 2"'));
    await tracks?.done;
    await wait(20);
    expect(sink.now() - (sink.tracks[0]?.values[0]?.[0] ?? 0)).toBeGreaterThan(0.9e9);
  });
  test('no GPU: nothing runs; a driver that fails: no track', async () => {
    const sink = new Sink();
    expect(startGpuTracks(sink, null)).toBeNull();
    await startGpuTracks(sink, standIn('echo "NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver."; exit 9'))?.done;
    await startGpuTracks(sink, '/nowhere/nvidia-smi')?.done;
    expect(sink.tracks).toEqual([]);
  });
  test('what is no reading', () => {
    for (const line of ['', 'No devices were found', 'a, b, c, d, e', '2026/01/31 12:00:00.250, 0, 1']) expect(readGpuLine(line)).toBeNull();
    expect(readGpuLine('broken, 2, [Not Supported], 10, [N/A]')).toEqual({ index: 2, at: null, utilisation: null, used: 10 * 1048576, total: null });
  });
});

describe('GPU memory of processes', () => {
  const apps = '101, GPU-a, 500\n101, GPU-b, 700\n102, GPU-a, [N/A]\n\nnonsense\n';
  test('from lines', () => {
    expect([...readGpuProcesses(apps, '0, GPU-a\n1, GPU-b\n')]).toEqual([[101, { gpu: 1, memory: 1200 * 1048576 }], [102, { gpu: 0, memory: null }]]);
  });
  test('from a stand-in for nvidia-smi; nothing where there is none', async () => {
    const gpus = new GpuProcesses(standIn(`case $1 in --query-compute-apps*) printf '101, GPU-a, 500\\n';; *) printf '3, GPU-a\\n';; esac`));
    await gpus.ask();
    expect(gpus.uses().get(101)).toEqual({ gpu: 3, memory: 500 * 1048576 });
    expect(new GpuProcesses(null).uses().size).toBe(0);
  });
});

describe('which GPU there is, from files', () => {
  const driver = { 'proc/driver/nvidia/version': 'NVRM', 'proc/driver/nvidia/gpus/0000:01:00.0/information': 'Model: \t NVIDIA H100\nIRQ: 1\n' };
  test.each([
    [{}, 'none', []],
    [{ 'sys/bus/pci/devices/0000:01:00.0/vendor': '0x10de\n', 'sys/bus/pci/devices/0000:01:00.0/class': '0x030200\n' }, 'no-driver', []],
    [{ 'sys/bus/pci/devices/0000:01:00.1/vendor': '0x10de\n', 'sys/bus/pci/devices/0000:01:00.1/class': '0x040300\n' }, 'none', []],
    [driver, 'not-given', ['NVIDIA H100']],
    [{ ...driver, 'dev/nvidia0': '', 'dev/nvidiactl': '' }, 'here', ['NVIDIA H100']],
  ] as const)('%j: %s', (files, state, names) => {
    expect(gpuSituation(root(files))).toEqual({ state, names });
  });
});

describe('why the CUDA lane is empty', () => {
  const process = { pid: 7, ended: false, cuda: false, torch: false };
  const facts = (more: Partial<CudaFacts>): CudaFacts => ({ gpu: { state: 'here', names: ['NVIDIA H100'] }, system: { container: '', root: false }, nsys: false, tracks: true, processes: [process], ...more });
  test.each<[string, Partial<CudaFacts>, RegExp, string]>([
    ['no card', { gpu: { state: 'none', names: [] } }, /has no NVIDIA GPU, so there is no GPU work to show\.$/, ''],
    ['no card, torch', { gpu: { state: 'none', names: [] }, processes: [{ ...process, torch: true }] }, /PyTorch in process 7 computes on the CPU/, ''],
    ['no driver', { gpu: { state: 'no-driver', names: [] } }, /driver is not loaded/, 'sudo modprobe nvidia'],
    ['no device', { gpu: { state: 'not-given', names: [] } }, /devices .* are missing/, 'sudo nvidia-modprobe -c 0 -u'],
    ['docker', { gpu: { state: 'not-given', names: ['NVIDIA H100'] }, system: { container: 'docker', root: true } }, /has NVIDIA H100, and none is given to this container/, 'docker run --gpus all IMAGE'],
    ['a pod', { gpu: { state: 'not-given', names: [] }, system: { container: 'kubernetes', root: true } }, /nvidia\.com\/gpu: 1/, ''],
    ['ended', { processes: [{ ...process, ended: true }] }, /Process 7 has ended/, ''],
    ['no CUDA in it', {}, /has not loaded CUDA .* no GPU work so far/, ''],
    ['torch without CUDA', { processes: [{ ...process, torch: true }] }, /loaded PyTorch, and not CUDA/, ''],
    ['torch', { processes: [{ ...process, torch: true, cuda: true }] }, /cannot be captured from process 7 yet\. It runs PyTorch.*on the timeline.*off-CPU/, ''],
    ['CUDA', { processes: [{ ...process, cuda: true }] }, /no tool attaches .* not installed here: developer\.nvidia\.com/, ''],
    ['CUDA, nsys', { nsys: true, processes: [{ ...process, cuda: true }] }, /nsys records one that it launches; Flamebench does not/, ''],
    ['launch', { processes: [] }, /cannot be captured yet: nsys could record .* not installed/, ''],
  ])('%s', (_, more, text, command) => {
    expect(cudaVerdict(facts(more))).toMatchObject({ profiler: 'cuda', lane: 'cuda', state: 'no', command });
    expect(cudaVerdict(facts(more)).text).toMatch(text);
  });
  test('on this machine and process: one check, and a start says the same', async () => {
    const use = cudaUse({ pid: globalThis.process.pid, start: 0 });
    expect(use).toMatchObject({ ended: false, cuda: false, torch: false });
    const run = new PlainRun([globalThis.process.pid]);
    try {
      const checks = await cuda.check(run.target);
      expect(checks.map((check) => [check.lane, check.state])).toEqual([['cuda', 'no']]);
      await expect(cuda.start(run)).rejects.toThrow(checks[0].text);
    } finally {
      run.remove();
    }
  });
});
