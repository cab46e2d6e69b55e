// The CUDA lane has no source yet: nsys, PyTorch's profiler and their like are work of their own. Until then this says why the lane is empty on
// this machine and target, and what would fill it. It starts nothing.
import { UserError, messageOf } from '#core/errors';
import type { Check, Target } from '#core/protocol/api';
import { isAlive } from '../processes/identity.ts';
import { readProc } from '../processes/proc.ts';
import { findTool } from './find-tool.ts';
import type { GpuSituation } from '../processes/nvidia.ts';
import { gpuSituation, nvidiaSmi } from '../processes/nvidia.ts';
import type { Profiler } from './profiler.ts';
import type { SystemFacts } from './system.ts';
import { readSystem } from './system.ts';

/** What a process has loaded of CUDA and PyTorch. */
export interface CudaUse {
  readonly pid: number;
  readonly ended: boolean;
  readonly cuda: boolean;
  readonly torch: boolean;
}

export interface CudaFacts {
  readonly gpu: GpuSituation;
  readonly system: Pick<SystemFacts, 'container' | 'root'>;
  /** nsys is installed. */
  readonly nsys: boolean;
  /** GPU use is on the timeline. */
  readonly tracks: boolean;
  /** Processes of an attach; empty for a launch. */
  readonly processes: readonly CudaUse[];
}

export const cuda: Profiler = {
  id: 'cuda',
  lanes: ['cuda'],
  check: (target) => Promise.resolve([checkCuda(target)]),
  start: (run) => {
    const check = checkCuda(run.target);
    return Promise.reject(new UserError('cuda', check.text, { command: check.command }));
  },
};

function checkCuda(target: Target): Check {
  try {
    return cudaVerdict({
      gpu: gpuSituation(), system: readSystem(), nsys: findTool('nsys') !== null, tracks: nvidiaSmi() !== null,
      processes: target.kind === 'launch' ? [] : target.processes.map((process) => cudaUse(process)),
    });
  } catch (error) {
    return verdict(`CUDA could not be checked: ${messageOf(error)}`);
  }
}

/** What is loaded, from /proc/PID/maps. */
export function cudaUse(process: { readonly pid: number; readonly start: number }): CudaUse {
  const maps = readProc(`/proc/${process.pid}/maps`) ?? '';
  return { pid: process.pid, ended: !isAlive(process), cuda: /\/libcuda(?:rt)?(?:-[\w.]+)?\.so/.test(maps), torch: /\/libtorch(?:_c(?:pu|uda))?\.so/.test(maps) };
}

/** The verdict from facts alone: what is so, why, and the one thing that would change it. */
export function cudaVerdict(facts: CudaFacts): Check {
  const { gpu, processes } = facts;
  const living = processes.filter((process) => !process.ended);
  if (processes.length > 0 && living.length === 0) return verdict(`Process ${processes[0].pid} has ended. Pick another one from the list.`);
  switch (gpu.state) {
    case 'none': {
      const torch = living.find((process) => process.torch);
      return verdict(`This machine has no NVIDIA GPU, so there is no GPU work to show.${torch === undefined ? '' : ` PyTorch in process ${torch.pid} computes on the CPU: its work is in the CPU lane.`}`);
    }
    case 'no-driver': return verdict('There is an NVIDIA GPU in this machine, and its driver is not loaded: no program can use it.', `${facts.system.root ? '' : 'sudo '}modprobe nvidia`);
    case 'not-given': return notGiven(facts);
    case 'here': return here(facts, living);
  }
}

function notGiven({ system, gpu }: CudaFacts): Check {
  const what = gpu.names.length === 0 ? 'its GPU' : gpu.names[0];
  switch (system.container) {
    case '': return verdict(`The NVIDIA driver is loaded, and its devices (/dev/nvidia0, /dev/nvidiactl) are missing: no program can use ${what}.`, `${system.root ? '' : 'sudo '}nvidia-modprobe -c 0 -u`);
    case 'kubernetes': return verdict(`This machine has ${what}, and none is given to this pod (/dev/nvidiactl is missing). Add to the container: resources: { limits: { nvidia.com/gpu: 1 } }.`);
    case 'podman': return verdict(`This machine has ${what}, and none is given to this container (/dev/nvidiactl is missing).`, 'podman run --device nvidia.com/gpu=all IMAGE');
    default: return verdict(`This machine has ${what}, and none is given to this container (/dev/nvidiactl is missing).`, 'docker run --gpus all IMAGE');
  }
}

function here({ nsys, tracks, processes }: CudaFacts, living: readonly CudaUse[]): Check {
  const still = tracks ? ' How busy the GPU is and how much of its memory is used are on the timeline.' : '';
  const waits = ' Time that threads wait for the GPU is in the off-CPU lane.';
  if (processes.length === 0) {
    const way = nsys ? 'nsys is installed here and could record a launched program' : 'nsys could record a launched program; it is not installed here (developer.nvidia.com/nsight-systems)';
    return verdict(`GPU kernels cannot be captured yet: ${way}, and Flamebench does not read from it so far.${still}${waits}`);
  }
  const user = living.find((process) => process.cuda);
  if (user === undefined) {
    const torch = living.find((process) => process.torch);
    const who = torch === undefined ? `Process ${living[0].pid}` : `Process ${torch.pid} has loaded PyTorch, and`;
    return verdict(torch === undefined ? `${who} has not loaded CUDA (there is no libcuda in it): it does no GPU work so far.` : `${who} not CUDA (there is no libcuda in it): it computes on the CPU so far.`);
  }
  if (user.torch) {
    return verdict(`GPU kernels cannot be captured from process ${user.pid} yet. It runs PyTorch, whose own profiler can be switched on while it runs; Flamebench does not do that so far.${still}${waits}`);
  }
  return verdict(`GPU kernels cannot be captured from process ${user.pid}: no tool attaches to a CUDA program that runs already. nsys records one that it launches${nsys ? '' : ' (it is not installed here: developer.nvidia.com/nsight-systems)'}; Flamebench does not read from it so far.${still}${waits}`);
}

function verdict(text: string, command = ''): Check {
  return { profiler: 'cuda', lane: 'cuda', state: 'no', version: '', text, command };
}
