// `npm run bench [-- --stackcollapse PATH --perf PATH --only views,draw,live,unwind,peers]`
import { parseArgs } from 'node:util';
import { spawnSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { print } from './report.ts';
import { draw } from './draw.ts';
import { live } from './live.ts';
import { peers } from './peers.ts';
import { unwind } from './unwind.ts';
import { views } from './views.ts';

const { values } = parseArgs({ options: { stackcollapse: { type: 'string' }, perf: { type: 'string', default: 'perf' }, only: { type: 'string', default: 'views,draw,unwind,peers,live' } } });
const parts = new Set(values.only.split(','));
console.log(`${cpus().length} x ${cpus()[0].model}, load ${loadavg()[0].toFixed(1)}, Node ${process.version}`);
if (loadavg()[0] > 0.7) console.log('The machine is busy: times are not to be trusted.');

if (parts.has('views')) print('Trees and deltas', await views());
if (parts.has('draw')) print('Drawing', await draw());
if (parts.has('unwind')) print('Copied stacks', await unwind());
if (parts.has('peers')) print('Peers', peers({ stackcollapse: values.stackcollapse ?? null, perf: values.perf === '' ? null : values.perf }));
if (parts.has('live')) {
  print('Live: a Python program of four threads', await live('train.py', ['python3', join(import.meta.dirname, '../../resources/example/train.py')]));
  const torch = spawnSync('python3', ['-c', 'import torch']).status === 0;
  if (torch) print('Live: PyTorch with loaders', await live('torch', ['python3', join(import.meta.dirname, '../programs/torch_training.py')], 15));
  else console.log('\nLive: PyTorch with loaders\n  not run: python3 has no torch (python3 -m pip install torch)');
}
process.exit(0);
