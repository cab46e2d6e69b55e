import type { Profile } from '#core/model/profile';
import type { Selection } from './view.ts';

/** By thread row: 1 where the selection takes it; null where it takes all. Threads that come later are not in it. */
export function threadMask(profile: Profile, { threads, processes, without }: Pick<Selection, 'threads' | 'processes' | 'without'>): Uint8Array | null {
  if (threads === null && processes === null && without === undefined) return null;
  const table = profile.threads;
  const mask = new Uint8Array(table.length);
  const chosenThreads = threads === null ? null : new Set(threads);
  const chosenProcesses = processes === null ? null : new Set(processes);
  for (let row = 0; row < mask.length; row++) {
    if (chosenThreads !== null && !chosenThreads.has(row)) continue;
    if (chosenProcesses !== null && !chosenProcesses.has(table.process.get(row))) continue;
    mask[row] = 1;
  }
  if (without !== undefined) for (const row of without) if (row < mask.length) mask[row] = 0;
  return mask;
}
