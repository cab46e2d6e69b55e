import { readProc } from './proc.ts';

// The first name that is set wins; the launchers are listed from the one that sets the most exact value.
const RANKS = ['RANK', 'OMPI_COMM_WORLD_RANK', 'PMIX_RANK', 'PMI_RANK', 'HOROVOD_RANK', 'MV2_COMM_WORLD_RANK', 'SLURM_PROCID'];
const WORLD_SIZES = ['WORLD_SIZE', 'OMPI_COMM_WORLD_SIZE', 'PMIX_SIZE', 'PMI_SIZE', 'HOROVOD_SIZE', 'MV2_COMM_WORLD_SIZE', 'SLURM_NTASKS'];

/** Rank and number of ranks of a process, from the environment that it was started with; null where there is none or it may not be read. */
export function ranksOf(pid: number): { readonly rank: number | null; readonly worldSize: number | null } {
  const environment = environmentOf(pid);
  return { rank: numberIn(environment, RANKS), worldSize: numberIn(environment, WORLD_SIZES) };
}

/** Rank of a process; null where there is none. Workers that a rank forks have it too. */
export function rankOf(pid: number): number | null {
  return ranksOf(pid).rank;
}

/** Only the variables that name a rank are looked at and kept. */
function environmentOf(pid: number): Map<string, string> {
  const found = new Map<string, string>();
  const text = readProc(`/proc/${pid}/environ`);
  if (text === null) return found;
  for (const name of [...RANKS, ...WORLD_SIZES]) {
    const at = text.startsWith(`${name}=`) ? 0 : text.indexOf(`\0${name}=`) + 1;
    if (at === 0 && !text.startsWith(`${name}=`)) continue;
    const end = text.indexOf('\0', at);
    found.set(name, text.slice(at + name.length + 1, end < 0 ? text.length : end));
  }
  return found;
}

function numberIn(environment: ReadonlyMap<string, string>, names: readonly string[]): number | null {
  for (const name of names) {
    const value = environment.get(name);
    if (value !== undefined && /^\d{1,9}$/.test(value)) return Number(value);
  }
  return null;
}
