// After a kill -9 of the whole app: its profilers are ended, its folders are completed from what had been written.
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '#core/errors';
import { DecoderHost } from '../record/decoder-host.ts';
import { isAlive } from '../processes/identity.ts';
import { argvOf } from '../processes/proc.ts';
import { isWaiting } from '../record/launch.ts';
import type { Library } from './library.ts';
import type { RecordingFile } from './recording-file.ts';
import { RECORDING_JSON, writeRecordingFile } from './recording-file.ts';

export interface Recovered {
  readonly id: string;
  readonly folder: string;
  readonly samples: number;
  /** What could not be recovered, '' where all is well. */
  readonly error: string;
}

const TERM_MS = 1000;

/** Finds and completes the folders that dead runs left in a library. Never throws for one of them: its error is in the list. */
export async function recoverAll(library: Library): Promise<Recovered[]> {
  const found: Recovered[] = [];
  for (const { id, folder, file } of library.orphans()) {
    await endOrphans(file);
    try {
      found.push({ id, folder, samples: await recover(folder, file), error: '' });
    } catch (error) {
      found.push({ id, folder, samples: 0, error: messageOf(error) });
    }
  }
  return found;
}

/** Ends the profilers of a dead run; a launched command that never got to run is ended too, any other target is left alone. */
async function endOrphans(file: RecordingFile): Promise<void> {
  const left = () => file.running.filter((child) => child.role === 'profiler' && isAlive(child));
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    for (const child of left()) kill(child.pid, signal);
    for (let waited = 0; waited < TERM_MS && left().length > 0; waited += 20) await new Promise((next) => setTimeout(next, 20));
  }
  for (const child of file.running) {
    // Still the shell that waits to become the command: nobody is left to let it go.
    if (child.role === 'target' && isAlive(child) && isWaiting(argvOf(child.pid))) kill(child.pid, 'SIGKILL');
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended meanwhile.
  }
}

async function recover(folder: string, file: RecordingFile): Promise<number> {
  rmSync(join(folder, 'scratch'), { recursive: true, force: true });
  // The end is when the last byte was written: the tables may say less, where nothing was sampled any more.
  const writtenNs = Math.max(0, (lastWrite(folder) - file.startedAt) * 1e6);
  const host = new DecoderHost({ kind: 'recording', path: folder }, () => undefined);
  try {
    await host.loaded;
    await host.call('tables', { folder });
    const summary = await host.call('summary', null);
    const { mix, gaps } = await host.call('mix', null);
    const durationNs = Math.max(summary.durationNs, writtenNs);
    writeRecordingFile(folder, {
      ...file, state: 'recovered', running: [], durationNs, exact: [[0, durationNs]], lanes: summary.lanes.map(({ kind, name, samples }) => ({ kind, name, samples })),
      mix: mix.map((part) => ({ ...part })), gaps: gaps.map((gap) => ({ ...gap })),
    });
    return summary.samples;
  } catch (error) {
    // Nothing in it can be shown: it is completed as it is, so that the next start does not try again and again.
    writeRecordingFile(folder, {
      ...file, state: 'recovered', running: [], durationNs: writtenNs,
      notices: [...file.notices, { id: 'recover', level: 'bad', text: `Its tables could not be read: ${messageOf(error)}`, command: '' }],
    });
    throw error;
  } finally {
    await host.close();
  }
}

function lastWrite(folder: string): number {
  let last = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && entry.name !== RECORDING_JSON) last = Math.max(last, statSync(join(entry.parentPath, entry.name)).mtimeMs);
  }
  return last;
}
