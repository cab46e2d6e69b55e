// `npm run bench [-- --stackcollapse PATH --perf PATH --only views,draw,live,unwind,kineto,peers,lanes,overhead --minutes N --trace MB]`
import { parseArgs } from 'node:util';
import { spawnSync } from 'node:child_process';
import { cpus, loadavg, tmpdir } from 'node:os';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { print } from './report.ts';
import { draw } from './draw.ts';
import { live } from './live.ts';
import { kineto } from './kineto.ts';
import { overhead } from './overhead.ts';
import { peers } from './peers.ts';
import { unwind } from './unwind.ts';
import { views } from './views.ts';

const { values } = parseArgs({ options: { stackcollapse: { type: 'string' }, perf: { type: 'string', default: 'perf' }, only: { type: 'string', default: 'views,draw,unwind,peers,kineto,live,lanes,overhead' }, minutes: { type: 'string', default: '1' }, trace: { type: 'string', default: '200' } } });
const parts = new Set(values.only.split(','));
console.log(`${cpus().length} x ${cpus()[0].model}, load ${loadavg()[0].toFixed(1)}, Node ${process.version}`);
if (loadavg()[0] > 0.7) console.log('The machine is busy: times are not to be trusted.');

if (parts.has('views')) print('Trees and deltas', await views());
if (parts.has('draw')) print('Drawing', await draw());
if (parts.has('unwind')) print('Copied stacks', await unwind());
if (parts.has('peers')) print('Peers', peers({ stackcollapse: values.stackcollapse ?? null, perf: values.perf === '' ? null : values.perf }));
if (parts.has('kineto')) print('A PyTorch trace', await kineto(Number(values.trace)));
if (parts.has('live')) {
  print('Live: a Python program of four threads', await live({ title: 'train.py', argv: ['python3', join(import.meta.dirname, '../../resources/example/train.py')] }));
  const torch = spawnSync('python3', ['-c', 'import torch']).status === 0;
  if (torch) print('Live: PyTorch with loaders', await live({ title: 'torch', argv: ['python3', join(import.meta.dirname, '../programs/torch_training.py')], seconds: 15 }));
  else console.log('\nLive: PyTorch with loaders\n  not run: python3 has no torch (python3 -m pip install torch)');
}
if (parts.has('lanes') || parts.has('overhead')) {
  const folder = mkdtempSync(join(tmpdir(), 'flamebench-bench-'));
  const load = join(folder, 'load');
  const built = spawnSync('cc', ['-O2', '-g', '-fno-omit-frame-pointer', '-pthread', join(import.meta.dirname, 'programs/load.c'), '-o', load]);
  if (built.status !== 0) console.log('\nFour lanes, overhead\n  not run: cc cannot build test/bench/programs/load.c (apt install gcc libc6-dev)');
  else {
    const lanes = ['cpu', 'off-cpu', 'memory', 'cuda'] as const;
    const minutes = Number(values.minutes);
    if (parts.has('lanes')) {
      print('Four lanes, live', await live({ title: 'train.py', argv: ['python3', join(import.meta.dirname, '../../resources/example/train.py')], lanes, seconds: 20 }));
      print(`Four lanes, some 7,000 switches a second, ${minutes} min`, await live({ title: 'switches', argv: [load, 'switch'], lanes, seconds: minutes * 60, long: true }));
      print('Four lanes, 8 processes of 200 threads and 32 workers', await live({ title: 'crowd', argv: [load, 'crowd', '8', '200', '32'], lanes, seconds: 20 }));
    }
    if (parts.has('overhead')) {
      print('What a source costs: a loop that computes', await overhead('compute', [load, 'compute']));
      print('What a source costs: a loop that allocates', await overhead('allocate', [load, 'alloc']));
    }
  }
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
