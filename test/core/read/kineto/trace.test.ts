import { describe, expect, test } from 'vitest';
import { Profile } from '#core/model/profile';
import { KinetoTogether, KinetoWindows } from '#core/read/kineto/format';
import { read, skipped, tree } from '../reading.ts';
import type { Event } from './making.ts';
import { BASE, gpu, micros, slice, trace } from './making.ts';

const of = (events: readonly Event[], header: Event = {}): Profile => read(trace(events, header), 'x.pt.trace.json').profile;
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

describe('GPU work under the host stack that launched it', () => {
  const STEP = [
    slice('python_function', 'train.py(5): train', 100, 100, { 'Python id': 1, 'Python parent id': null }),
    slice('user_annotation', 'ProfilerStep#3', 101, 98, { 'External id': 9 }),
    slice('python_function', 'torch/nn/modules/linear.py(114): forward', 110, 40, { 'Python id': 2, 'Python parent id': 1 }),
    slice('cpu_op', 'aten::mm', 115, 30, { 'External id': 10 }),
    slice('cuda_runtime', 'cudaLaunchKernel', 120, 10, { correlation: 77, 'External id': 10 }),
    gpu('kernel', 'sgemm', 140, 50.5, { correlation: 77, 'External id': 10 }),
    slice('cuda_runtime', 'cudaStreamSynchronize', 160, 35, { correlation: 78 }),
  ];
  test('lanes, threads, steps', () => {
    const profile = of(STEP);
    expect(micros(profile, profile.lane('cuda'), true)).toBe([
      'GPU 0 stream 7 50.5', '  train 50.5', '    ProfilerStep 50.5', '      forward 50.5', '        aten::mm 50.5', '          cudaLaunchKernel 50.5', '            sgemm 50.5 self 50.5',
    ].join('\n'));
    expect(micros(profile, profile.lane('other', 'torch ops'))).toBe([
      'train 100 self 2', '  ProfilerStep 98 self 23', '    cudaStreamSynchronize 35 self 35', '    forward 40 self 10', '      aten::mm 30 self 20', '        cudaLaunchKernel 10 self 10',
    ].join('\n'));
    expect(micros(profile, profile.lane('other', 'waits for the GPU'))).toBe('train 35\n  ProfilerStep 35\n    cudaStreamSynchronize 35 self 35');
    expect([profile.marks.value.get(0), profile.marks.start.get(0), profile.marks.end.get(0)]).toEqual([3, 1000, 99_000]);
    expect(profile.info.startedAt).toBe(Number(BASE / 1_000_000n) + 0.1);
    expect(profile.functions.kindOf(profile.frames.functionOf(profile.stacks.frame.get(0) as never))).toBe('python');
    expect(profile.info.notes).toEqual(['GPU: Toy GPU']);
    // 50.5 of 100 µs; one point, as it is shorter than a millisecond.
    expect(profile.tracks.map((track) => [track.name, track.unit, track.scale, [...track.value.view()]])).toEqual([['gpu 0 utilisation', '%', 100, [50.5]]]);
  });

  test('idle: what kept the GPU waiting', () => {
    const profile = of([
      ...STEP,
      slice('python_function', 'data.py(9): load', 200, 60, { 'Python id': 3, 'Python parent id': null }),
      slice('cuda_runtime', 'cudaMemcpyAsync', 240, 10, { correlation: 80 }),
      gpu('gpu_memcpy', 'Memcpy HtoD (Pinned -> Device)', 255, 5, { correlation: 80, bytes: 4096 }),
      // On another stream, while the copy runs: no gap.
      gpu('kernel', 'lost', 258, 10, { correlation: 999 }, 8),
      gpu('kernel', 'lost', 270, 10, { correlation: 1000 }, 8),
    ]);
    expect(micros(profile, profile.lane('gpu-idle'), true)).toBe([
      'GPU 0: Toy GPU 66.5', '  [no launch record] 2 self 2', '  load 55 self 40', '    cudaMemcpyAsync 15 self 10', '      [launch latency] 5 self 5',
      '  train 9.5 self 1', '    ProfilerStep 8.5 self 4', '      cudaStreamSynchronize 4.5 self 4.5',
    ].join('\n'));
    expect(profile.lane('gpu-idle')?.samples).toBe(2);
    expect(micros(profile, profile.lane('cuda'))).toContain('[no launch record] 20\n  lost 20 self 20');
    expect(profile.lane('other', 'copied bytes')?.total).toBe(4096);
    expect(profile.info.notes[0]).toBe('2 of 4 GPU operations have no launch record in the trace: they stand under [no launch record].');
  });

  test('a host that did nothing that was traced', () => {
    const profile = of([
      slice('cuda_runtime', 'cudaLaunchKernel', 0, 5, { correlation: 1 }), gpu('kernel', 'a', 5, 5, { correlation: 1 }),
      slice('cuda_runtime', 'cudaLaunchKernel', 50, 5, { correlation: 2 }), gpu('kernel', 'b', 60, 5, { correlation: 2 }),
    ]);
    expect(micros(profile, profile.lane('gpu-idle'))).toBe('[host outside any operator] 40 self 40\ncudaLaunchKernel 10 self 5\n  [launch latency] 5 self 5');
  });

  test('CUDA graphs: one launch, many kernels; the runtime\'s record wins over the driver\'s', () => {
    const profile = of([
      slice('cpu_op', 'replay', 0, 20), slice('cuda_driver', 'cuGraphLaunch', 3, 5, { correlation: 5 }), slice('cuda_runtime', 'cudaGraphLaunch', 2, 8, { correlation: 5 }),
      gpu('kernel', 'a', 30, 5, { correlation: 5, 'graph id': 4, 'graph node id': 11 }), gpu('kernel', 'b', 35, 5, { correlation: 5 }),
    ]);
    expect(micros(profile, profile.lane('cuda'))).toBe('replay 10\n  cudaGraphLaunch 10\n    [cuda graph 4] 5\n      a 5 self 5\n    [cuda graph] 5\n      b 5 self 5');
  });

  test('without a launch record the operator\'s id still places it', () => {
    const profile = of([slice('cpu_op', 'aten::mm', 0, 20, { 'External id': 4 }), gpu('kernel', 'a', 30, 5, { correlation: 5, 'External id': 4 })]);
    expect(micros(profile, profile.lane('cuda'))).toBe('aten::mm 5\n  a 5 self 5');
    expect(profile.info.notes[0]).toContain('placed by their operator');
    // Where it only repeats the correlation id it says nothing.
    const old = of([slice('cpu_op', 'aten::mm', 0, 20, { 'External id': 5 }), gpu('kernel', 'a', 30, 5, { correlation: 5, 'External id': 5 })]);
    expect(micros(old, old.lane('cuda'))).toBe('[no launch record] 5\n  a 5 self 5');
  });

  test('a mangled kernel is made readable; two devices are two rows', () => {
    const profile = of([gpu('kernel', '_Z3addPfS_', 0, 5, { correlation: 1 }, 7, 0), gpu('kernel', 'b', 0, 5, { correlation: 2 }, 7, 1)]);
    expect(micros(profile, profile.lane('cuda'), true)).toBe(
      'GPU 0 stream 7 5\n  [no launch record] 5\n    add(float*, float*) 5 self 5\nGPU 1 stream 7 5\n  [no launch record] 5\n    b 5 self 5');
  });
});

describe('nesting', () => {
  test('an annotation that begins in one Python function and ends in another', () => {
    const profile = of([
      slice('python_function', 'train.py(1): main', 0, 100, { 'Python id': 1, 'Python parent id': null }),
      slice('python_function', 'p.py(2): __enter__', 10, 10, { 'Python id': 2, 'Python parent id': 1 }),
      slice('user_annotation', '## step ##', 15, 70),
      slice('python_function', 'm.py(3): work', 30, 30, { 'Python id': 3, 'Python parent id': 1 }),
      slice('cpu_op', 'aten::add', 40, 10),
      slice('python_function', 'p.py(4): __exit__', 80, 10, { 'Python id': 4, 'Python parent id': 1 }),
    ]);
    expect(micros(profile, profile.lane('other', 'torch ops'))).toBe([
      'main 100 self 20', '  ## step ## 65 self 30', '    __exit__ 5 self 5', '    work 30 self 20', '      aten::add 10 self 10', '  __enter__ 10 self 5', '    ## step ## 5 self 5', '  __exit__ 5 self 5',
    ].join('\n'));
  });

  test('Python threads that the profiler could not tell apart', () => {
    const python = (name: string, ts: number, dur: number, id: number, parent: number | null): Event => ({ ...slice('python_function', `t.py(1): ${name}`, ts, dur, { 'Python id': id, 'Python parent id': parent }, 0), pid: 0 });
    const profile = of([
      slice('cpu_op', 'x', 0, 1), python('one', 0, 100, 1, null), python('two', 10, 50, 2, null), python('in one', 20, 70, 3, 1), python('in two', 30, 20, 4, 2), python('three', 200, 10, 5, null),
    ]);
    expect(micros(profile, profile.lane('other', 'torch ops'), true).split('\n').filter((line) => !/^thread 10|^ {2}x/.test(line))).toEqual([
      'other Python threads 160', '  one 100 self 30', '    in one 70 self 70', '  three 10 self 10', '  two 50 self 30', '    in two 20 self 20',
    ]);
    expect(profile.threads.length).toBe(3);
  });

  test('whole microseconds: a callee that seems to end after its caller', () => {
    const profile = of([slice('cpu_op', 'outer', 100, 10, { 'External id': 1 }), slice('cpu_op', 'inner', 105, 6, { 'External id': 2 }), slice('cpu_op', 'next', 111, 5, { 'External id': 3 })]);
    expect(micros(profile, profile.lane('other', 'torch ops'))).toBe('next 5 self 5\nouter 10 self 5\n  inner 5 self 5');
  });

  test('call stacks of operators where there are no Python functions', () => {
    const profile = of([
      slice('Operator', 'aten::linear', 0, 20, { 'Call stack': 'm.py(3): forward;train.py(1): main', 'External id': 1 }),
      slice('Operator', 'aten::mm', 5, 10, { 'Call stack': 'm.py(3): forward;train.py(1): main', 'External id': 2 }),
    ]);
    expect(micros(profile, profile.lane('other', 'torch ops'))).toBe('main 20\n  forward 20\n    aten::linear 20 self 10\n      aten::mm 10 self 10');
  });

  const backward = (args: Event): Event[] => [
    slice('cpu_op', 'model', 0, 30), slice('cpu_op', 'aten::mm', 5, 10, { 'Sequence number': 4, 'Fwd thread id': 0 }),
    slice('cpu_op', 'autograd::engine::evaluate_function: MmBackward0', 50, 20, args, 20), slice('cpu_op', 'MmBackward0', 52, 15, args, 20),
    slice('cuda_runtime', 'cudaLaunchKernel', 55, 5, { correlation: 1 }, 20), gpu('kernel', 'k', 70, 8, { correlation: 1 }),
  ];
  const FORWARD = 'model 8\n  aten::mm 8\n    [backward] 8\n      autograd::engine::evaluate_function: MmBackward0 8\n        MmBackward0 8\n          cudaLaunchKernel 8\n            k 8 self 8';

  test('backward work stands under its forward operator: by flow, else by sequence number', () => {
    const flows: Event[] = [{ ph: 's', id: 1, pid: 10, tid: 10, ts: 5, cat: 'fwdbwd', name: 'fwdbwd' }, { ph: 'f', id: 1, pid: 10, tid: 20, ts: 52, cat: 'fwdbwd', name: 'fwdbwd', bp: 'e' }];
    const args = { 'Sequence number': 4, 'Fwd thread id': 1 };
    for (const events of [backward(args), [...flows, ...backward(args)], [...backward(args), ...flows.reverse()]]) {
      const profile = of(events);
      expect(micros(profile, profile.lane('cuda'))).toBe(FORWARD);
    }
    const lost = of([...backward({}), { ph: 'f', id: 3, pid: 10, tid: 20, ts: 52, cat: 'fwdbwd', name: 'fwdbwd' }, { ph: 's', id: 1, pid: 10, tid: 10, ts: 5, cat: 'fwdbwd', name: 'fwdbwd' }]);
    expect(skipped(lost)).toEqual({ 'forward-backward flows of which one end is not in the trace': 1 });
  });
});

describe('memory', () => {
  const memory = (ts: number, bytes: number, addr: number, total: number, order: number, type = 1): Event =>
    ({ ph: 'i', cat: 'cpu_instant_event', s: 't', name: '[memory]', pid: 10, tid: 10, ts, args: { Bytes: bytes, Addr: addr, 'Total Allocated': total, 'Total Reserved': 4096, 'Device Type': type, 'Device Id': type === 1 ? 0 : -1, 'Ev Idx': order } });
  test('allocated, held, and what was there before', () => {
    const profile = of([
      slice('cpu_op', 'aten::empty', 0, 10), memory(2, 512, 1, 1512, 1), slice('cpu_op', 'aten::zeros', 20, 10), memory(25, 256, 2, 1768, 2),
      memory(40, -512, 1, 1256, 3), memory(41, -1000, 3, 256, 4), memory(50, 64, 9, 64, 5, 0),
    ]);
    expect(tree(profile, profile.lane('gpu-memory', 'torch') ?? undefined)).toBe('aten::empty 512 self 512\naten::zeros 256 self 256');
    expect(profile.lane('gpu-memory', 'torch held')?.total).toBe(256);
    expect(profile.lane('memory', 'torch held')?.total).toBe(64);
    expect(profile.tracks.map((track) => [track.name, [...track.value.view()]])).toEqual([['gpu 0 memory', [1512, 1768, 1256, 256]], ['gpu 0 reserved', [4096]]]);
    expect(profile.info.notes.join()).toContain('1 blocks were freed');
    const held = profile.lane('gpu-memory', 'torch held');
    let sum = 0;
    const sums: number[] = [];
    for (const chunk of held?.chunks ?? []) for (let row = 0; row < chunk.rows; row++) sums.push((sum += chunk.weight.get(row)));
    expect(sums).toEqual([1000, 1512, 1768, 1256, 256]);
  });
});

describe('several traces', () => {
  const rank = (n: number, base: bigint): string => trace([
    slice('cpu_op', `op ${n}`, 100, 20), slice('cuda_runtime', 'cudaLaunchKernel', 105, 5, { correlation: 1 }), gpu('kernel', `k${n}`, 130, 10, { correlation: 1 }, 7, n),
  ], { distributedInfo: { backend: 'nccl', rank: n, world_size: 2 } }, base);
  test('ranks together lie on one clock', () => {
    for (const order of [[0, 1], [1, 0]]) {
      const profile = new Profile();
      const together = new KinetoTogether(profile);
      for (const n of order) {
        const decoder = together.open(`rank-${n}.json`);
        decoder.push(bytesOf(rank(n, BASE + BigInt(n) * 3_000_001n)));
        decoder.end();
      }
      together.end();
      expect(micros(profile, profile.lane('cuda'), true)).toBe(
        'GPU 0 stream 7 10\n  op 0 10\n    cudaLaunchKernel 10\n      k0 10 self 10\nGPU 1 stream 7 10\n  op 1 10\n    cudaLaunchKernel 10\n      k1 10 self 10');
      const times = profile.lane('cuda')?.chunks.flatMap((chunk) => Array.from({ length: chunk.rows }, (_, row) => chunk.timeAt(row))) ?? [];
      expect(times.sort((a, b) => a - b)).toEqual([30_000, 3_030_001]);
      expect([...profile.processes.rank.view()].sort()).toEqual([0, 1]);
      expect(profile.info.durationNs).toBe(3_000_001 + 40_000);
    }
  });

  test('a window captured while a recording goes on takes its rows and its clock', () => {
    const profile = new Profile();
    const process = profile.processes.add({ pid: 10, name: 'python3' });
    const thread = profile.threads.add({ process, tid: 10, name: 'main' });
    const rows = { process: (pid: number) => (pid === 10 ? process : null), thread: (pid: number, tid: number) => (pid === 10 && tid === 10 ? thread : null) };
    const windows = new KinetoWindows(profile, BASE - 5000n, rows);
    const results = [0n, 1n].map((window) => windows.read('w', [bytesOf(rank(0, BASE + window * 1_000_000n))]));
    expect(results).toEqual([{ operations: 1, events: 3, start: 105_000, end: 145_000 }, { operations: 1, events: 3, start: 1_105_000, end: 1_145_000 }]);
    expect(profile.lane('cuda')?.samples).toBe(2);
    expect([profile.processes.length, profile.threads.nameOf(thread), profile.threads.length, profile.tracks.length]).toEqual([1, 'main', 2, 0]);
    expect(profile.lane('other', 'torch ops')?.chunks[0].thread[0]).toBe(thread);
    expect(profile.lane('other', 'torch ops')?.chunks[0].timeAt(0)).toBe(105_000);
    expect(() => windows.read('w', [bytesOf('{"traceEvents": []}')])).toThrow(/holds no operator/);
  });
});
