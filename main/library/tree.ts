import { mkdirSync } from 'node:fs';
import type { Profile } from '#core/model/profile';
import { writeTables } from '../record/arrow.ts';
import { DeltaWriter } from '../record/deltas.ts';
import { mixOf, summaryOf } from '../record/summary.ts';
import { toolVersion } from '../record/version.ts';
import type { RecordingFile } from './recording-file.ts';
import { FORMAT_MAJOR, FORMAT_MINOR, writeRecordingFile } from './recording-file.ts';

/**
 * Writes a profile that has no folder of its own (an imported file, a recording decoded again) as a recording: recording.json,
 * deltas.bin, tables. Throws UserError or a file system's error where the disk does not take it.
 */
export function writeTree(profile: Profile, folder: string): RecordingFile {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const deltas = new DeltaWriter(folder, profile);
  deltas.close();
  if (deltas.failed !== '') throw new Error(deltas.failed);
  writeTables(profile, folder);
  const { info } = profile;
  const recording: RecordingFile = {
    format: 'flamebench-recording', version: { major: FORMAT_MAJOR, minor: FORMAT_MINOR }, tool: `flamebench ${toolVersion()}`,
    id: '', title: info.title, command: info.command, target: { kind: 'file', format: info.format, tool: info.tool }, options: {},
    host: info.host, kernel: info.kernel, cpus: 0, gpus: [], commit: info.commit, directory: info.directory, startedAt: info.startedAt,
    zeroAt: 0, durationNs: info.durationNs, state: 'sealed', running: [], streams: [], profilers: [],
    lanes: summaryOf(profile).lanes.map((lane) => ({ ...lane })), mix: mixOf(profile).map((part) => ({ ...part })), gaps: [], lost: 0,
    exact: [[0, info.durationNs]], notices: [], exit: null, terminals: [], raw: false,
  };
  writeRecordingFile(folder, recording);
  return recording;
}
