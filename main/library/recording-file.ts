// recording.json: what was run and how, beside the tables. Plain JSON with a format version.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { UserError, messageOf } from '#core/errors';
import { LANE_KINDS } from '#core/model/lane';

export const FORMAT_MAJOR = 1;
export const FORMAT_MINOR = 0;
export const RECORDING_JSON = 'recording.json';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const running = v.object({ pid: count, start: v.number(), /** A profiler is ended after a crash; a target is left alone. */ role: v.picklist(['owner', 'profiler', 'target']) });
const stream = v.looseObject({
  /** Any: a stream of a decoder that this version does not know is kept, and its tables are read. */
  decoder: v.string(), id: v.pipe(v.string(), v.regex(/^[\w.-]+$/)), title: v.string(), watched: v.optional(v.array(v.number()), []),
  directory: v.optional(v.string(), ''), source: v.optional(v.string(), ''), rateHz: v.optional(v.number(), 0),
  stacks: v.optional(v.picklist(['dwarf', 'fp'])), from: v.optional(v.number()), offCpu: v.optional(v.string()), faults: v.optional(v.string()), memory: v.optional(v.string()),
});
const profilerRun = v.object({
  id: v.string(), title: v.string(), argv: v.array(v.string()), exitCode: v.nullable(v.number()), signal: v.nullable(v.number()), error: v.string(),
});

/** Everything in recording.json. Values that look like secrets are masked before they get here. */
export const RECORDING = v.object({
  format: v.literal('flamebench-recording'),
  version: v.object({ major: count, minor: count }),
  tool: v.string(),
  id: v.string(),
  title: v.string(),
  command: v.string(),
  target: v.looseObject({ kind: v.picklist(['attach', 'launch', 'file']) }),
  options: v.record(v.string(), v.unknown()),
  host: v.string(),
  kernel: v.string(),
  cpus: count,
  gpus: v.array(v.string()),
  /** git commit of the target's directory, '' where there is none. */
  commit: v.string(),
  directory: v.string(),
  /** Wall clock of time 0, ms since 1970. */
  startedAt: v.number(),
  /** CLOCK_MONOTONIC of time 0, ns: what the raw streams count from. */
  zeroAt: v.number(),
  durationNs: v.number(),
  state: v.picklist(['running', 'sealed', 'recovered']),
  /** Processes of a running recording: who records, and which profilers to end if it dies. */
  running: v.array(running),
  streams: v.array(stream),
  profilers: v.array(profilerRun),
  lanes: v.array(v.object({ kind: v.picklist(LANE_KINDS), name: v.string(), samples: v.number() })),
  mix: v.array(v.object({ kind: v.string(), share: v.number() })),
  gaps: v.array(v.object({ start: v.number(), end: v.number(), text: v.string() })),
  lost: v.number(),
  /** Spans that are exact, ns; a recording that was never thinned has one. */
  exact: v.array(v.tuple([v.number(), v.number()])),
  notices: v.array(v.object({ id: v.string(), level: v.picklist(['info', 'warn', 'bad']), text: v.string(), command: v.string() })),
  exit: v.nullable(v.object({ code: v.nullable(v.number()), signal: v.nullable(v.number()) })),
  terminals: v.array(v.object({ file: v.string(), title: v.string() })),
  /** True when streams with copied stack memory lie beside it. */
  raw: v.boolean(),
});
export type RecordingFile = v.InferOutput<typeof RECORDING>;

/** Checks the text of a recording.json. `where` names the recording in messages. Throws UserError, also for a newer major version. */
export function parseRecording(text: string, where: string): RecordingFile {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new UserError('recording-damaged', `recording.json of ${where} is not JSON: ${messageOf(cause)}`, { cause });
  }
  const version = v.safeParse(v.object({ format: v.literal('flamebench-recording'), version: v.object({ major: count, minor: count }) }), json);
  if (!version.success) throw new UserError('recording-damaged', `recording.json of ${where} does not say that it is a recording of Flamebench`);
  const { major, minor } = version.output.version;
  if (major > FORMAT_MAJOR) {
    throw new UserError('recording-newer', `${where} was written in format ${major}.${minor}, this Flamebench reads up to ${FORMAT_MAJOR}`, { hint: 'Open it with a newer Flamebench.' });
  }
  const parsed = v.safeParse(RECORDING, json);
  if (!parsed.success) {
    const issue = parsed.issues[0];
    throw new UserError('recording-damaged', `recording.json of ${where} is damaged at ${v.getDotPath(issue) ?? 'its root'}: ${issue.message}`);
  }
  return parsed.output;
}

export function readRecordingFile(folder: string): RecordingFile {
  let text: string;
  try {
    text = readFileSync(join(folder, RECORDING_JSON), 'utf8');
  } catch (cause) {
    throw new UserError('not-a-recording', `${folder} is not a recording: it has no ${RECORDING_JSON}`, { cause });
  }
  return parseRecording(text, folder);
}

/** Writes it whole, by rename: a crash leaves the old one or the new one. */
export function writeRecordingFile(folder: string, recording: RecordingFile): void {
  const path = join(folder, RECORDING_JSON);
  writeFileSync(`${path}.new`, `${JSON.stringify(recording, null, 1)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
