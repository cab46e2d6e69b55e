// Whether there is an NVIDIA GPU here, told from files alone: no child is started where there is none.
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where the driver's programs are where no package put them into PATH: containers, Windows' subsystem for Linux. */
const FOLDERS = ['/usr/bin', '/usr/local/nvidia/bin', '/usr/lib/wsl/lib'];

/**
 * `here`: a GPU that programs can use. `not-given`: the driver is loaded and no device is in reach (a container without it). `no-driver`: a card
 * without its driver. `none`: no card at all.
 */
export type GpuState = 'here' | 'not-given' | 'no-driver' | 'none';

export interface GpuSituation {
  readonly state: GpuState;
  /** Names of the cards, as the driver gives them. */
  readonly names: readonly string[];
}

/** Reads a handful of small files. `root` stands for the file system's, in tests. Never throws. */
export function gpuSituation(root = '/'): GpuSituation {
  const names = driverNames(root);
  const driver = existsSync(join(root, 'proc/driver/nvidia/version')) || names.length > 0;
  const devices = list(join(root, 'dev')).some((name) => /^nvidia\d+$/.test(name)) && existsSync(join(root, 'dev/nvidiactl'));
  // Windows' subsystem for Linux and gVisor have a device of their own and no driver in /proc.
  if (devices || existsSync(join(root, 'dev/dxg'))) return { state: 'here', names };
  if (driver) return { state: 'not-given', names };
  return { state: hasCard(root) ? 'no-driver' : 'none', names };
}

/** The program that tells how busy GPUs are; null where there is no GPU to ask about or no such program. */
export function nvidiaSmi(root = '/'): string | null {
  if (gpuSituation(root).state !== 'here') return null;
  return [...(process.env.PATH ?? '').split(delimiter).filter((folder) => folder.startsWith('/')), ...FOLDERS].map((folder) => join(folder, 'nvidia-smi')).find(isProgram) ?? null;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function driverNames(root: string): string[] {
  const folder = join(root, 'proc/driver/nvidia/gpus');
  return list(folder).map((gpu) => /^Model:\s*(.*)$/m.exec(text(join(folder, gpu, 'information')))?.[1] ?? 'NVIDIA GPU');
}

/** A display or compute controller of NVIDIA's on the PCI bus. */
function hasCard(root: string): boolean {
  const folder = join(root, 'sys/bus/pci/devices');
  return list(folder).some((device) => text(join(folder, device, 'vendor')).trim() === '0x10de' && /^0x03|^0x12/.test(text(join(folder, device, 'class'))));
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function text(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
