import { emptyInfo } from '#core/model/profile';
import type { ProfileInfo } from '#core/model/profile';
import type { RecordOptions, Target } from '#core/protocol/api';
import type { RecordingFile } from '../library/recording-file.ts';
import { FORMAT_MAJOR, FORMAT_MINOR } from '../library/recording-file.ts';
import { machineFacts } from './machine.ts';
import { maskArguments, maskEnvironment, maskText } from './mask.ts';
import type { TargetFacts } from './target.ts';
import { toolVersion } from './version.ts';

/** recording.json as it is when a recording begins. Arguments and variables that look like secrets are masked here. */
export function firstFile(parts: { id: string; target: Target; options: RecordOptions; facts: TargetFacts; startedAt: number; zeroAt: number }): RecordingFile {
  const { target, options } = parts;
  const machine = machineFacts();
  const argv = maskArguments(parts.facts.argv);
  const command = argv.join(' ');
  return {
    format: 'flamebench-recording', version: { major: FORMAT_MAJOR, minor: FORMAT_MINOR }, tool: `flamebench ${toolVersion()}`, id: parts.id,
    title: options.title === '' ? maskText(parts.facts.name) : options.title, command,
    target: target.kind === 'attach'
      ? { kind: 'attach', processes: target.processes.map((process) => ({ ...process })), children: target.children, argv }
      : { kind: 'launch', argv, directory: target.directory, environment: maskEnvironment(target.environment) },
    options: { ...options }, host: machine.host, kernel: machine.kernel, cpus: machine.cpus, gpus: machine.gpus, commit: '',
    directory: parts.facts.directory, startedAt: parts.startedAt, zeroAt: parts.zeroAt, durationNs: 0, state: 'running', running: [],
    streams: [], profilers: [], lanes: [], mix: [], gaps: [], lost: 0, exact: [], notices: [], exit: null, terminals: [], raw: false,
  };
}

/** What the tables say of the run while it is live. */
export function infoOf(file: RecordingFile): ProfileInfo {
  return {
    ...emptyInfo(), title: file.title, command: file.command, tool: file.tool, format: 'live', host: file.host, kernel: file.kernel,
    startedAt: file.startedAt, directory: file.directory, live: true,
  };
}
