import { mkdtempSync, rmSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { formatCount, formatTime } from '#core/analyze/format';
import { UserError, messageOf } from '#core/errors';
import type { LaneKind } from '#core/model/lane';
import type { RecordOptions, Target } from '#core/protocol/api';
import { FIRST_OPTIONS } from '#core/protocol/api';
import type { Recording } from '../record/recording.ts';
import type { Arguments } from './arguments.ts';
import { isSet, numberOf, textOf } from './arguments.ts';
import type { CliIo } from './io.ts';
import { errorLine, print, UsageError } from './io.ts';
import { printJson } from './json.ts';
import { checkOutput, temporaryName } from './output.ts';

// As env, timeout and docker: what failed is told apart from the command's own exit code.
const OWN_FAILURE = 125;
const NOT_EXECUTABLE = 126;
const NOT_FOUND = 127;
const BY_SIGNAL = 128;

/** Records processes until Ctrl-C, the duration or their end; or a command, with the command's own exit code. */
export async function record(args: Arguments, io: CliIo): Promise<number> {
  const options = optionsOf(args);
  const target = await targetOf(args);
  if (target.kind === 'attach') return await run(args, io, target, options);
  try {
    return await run(args, io, target, options);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    await print(io.stderr, `flamebench: ${errorLine(error)}\n`);
    return error.code === 'command-not-found' ? NOT_FOUND : error.code === 'command-not-executable' ? NOT_EXECUTABLE : OWN_FAILURE;
  }
}

function optionsOf(args: Arguments): RecordOptions {
  const stacks = textOf(args, 'stacks');
  return {
    ...FIRST_OPTIONS,
    lanes: (textOf(args, 'lanes')?.split(',') as LaneKind[] | undefined) ?? FIRST_OPTIONS.lanes,
    profilers: listOf(args, 'profiler'),
    rate: numberOf(args, 'rate', { least: 1, most: 20_000 }) ?? FIRST_OPTIONS.rate,
    stacks: stacks === 'fp' || stacks === 'dwarf' ? stacks : 'auto',
    duration: numberOf(args, 'duration', { above: 0 }) ?? 0,
    pySpy: { ...FIRST_OPTIONS.pySpy, subprocesses: !isSet(args, 'no-children') },
    title: textOf(args, 'title') ?? '',
    memory: textOf(args, 'memory') === 'full' ? 'full' : 'light',
    mostCost: numberOf(args, 'max-cost', { least: 0, most: 100 }) ?? FIRST_OPTIONS.mostCost,
    marks: textOf(args, 'marks') ?? '',
    risks: listOf(args, 'accept-risk'),
  };
}

function listOf(args: Arguments, name: string): string[] {
  return textOf(args, name)?.split(',').map((one) => one.trim()).filter((one) => one !== '') ?? [];
}

async function targetOf(args: Arguments): Promise<Target> {
  const pids = textOf(args, 'pid');
  if (args.rest !== null) {
    if (pids !== undefined) throw new UsageError('either --pid or a command after --, not both');
    if (args.positionals.length > 0) throw new UsageError(`${args.positionals[0]}: what is to be run stands after --`);
    if (args.rest.length === 0 || args.rest[0] === '') throw new UsageError('there is no command after --');
    return { kind: 'launch', argv: args.rest, directory: process.cwd(), environment: {} };
  }
  if (args.positionals.length > 0) throw new UsageError(`${args.positionals[0]}: a command stands after --, as in: flamebench record -- ${args.positionals.join(' ')}`);
  if (pids === undefined) throw new UsageError('what is to be recorded? --pid PID or -- CMD ARG...');
  const { startOf } = await import('../processes/identity.ts');
  const processes = pids.split(',').map((text) => {
    const pid = Number(text);
    if (!/^\d+$/.test(text.trim()) || pid < 1) throw new UsageError(`--pid ${text}: it is no process id`);
    const start = startOf(pid);
    if (start === null) throw new UserError('no-process', `there is no process ${pid}`, { command: 'flamebench ps' });
    return { pid, start };
  });
  return { kind: 'attach', processes, children: !isSet(args, 'no-children') };
}

async function run(args: Arguments, io: CliIo, target: Target, options: RecordOptions): Promise<number> {
  const out = textOf(args, 'output');
  if (out !== undefined) await checkOutput(out, isSet(args, 'force'));
  const { startRecording } = await import('../record/start.ts');
  const launched = target.kind === 'launch';
  const strict = isSet(args, 'strict');

  // Set before the start: a signal that comes while profilers attach is kept until there is something to stop.
  let recording: Recording | null = null;
  let stops = 0;
  const stop = () => {
    stops++;
    recording?.stop().catch((error: unknown) => void io.stderr.write(`flamebench: ${messageOf(error)}\n`));
  };
  // With a command, Ctrl-C is the command's: we wait for its end. What is sent to us alone is passed on to it.
  let waiting: NodeJS.Signals | null = null;
  const pass = (signal: NodeJS.Signals) => {
    waiting = signal;
    const pid = recording?.status().target?.pid ?? 0;
    try {
      if (pid > 0) process.kill(pid, signal);
    } catch {
      // It has just ended; `done` says so.
    }
  };
  const handlers: [NodeJS.Signals, () => void][] = launched
    ? [['SIGINT', () => undefined], ['SIGQUIT', () => undefined], ['SIGTERM', () => pass('SIGTERM')], ['SIGHUP', () => pass('SIGHUP')]]
    : [['SIGINT', stop], ['SIGTERM', stop], ['SIGHUP', stop]];
  for (const [signal, handler] of handlers) process.on(signal, handler);
  try {
    recording = await startRecording({ target, options, terminal: 'inherit', strict });
    if (stops > 0) stop();
    if (waiting !== null) pass(waiting);
    return await follow(recording, { args, io, launched, strict, out, stops: () => stops });
  } finally {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  }
}

interface Following {
  readonly args: Arguments;
  readonly io: CliIo;
  readonly launched: boolean;
  readonly strict: boolean;
  readonly out: string | undefined;
  /** How often the user asked to stop. */
  readonly stops: () => number;
}

/** Waits for the end of a recording, telling what happens; saves it; resolves with the exit code. */
async function follow(recording: Recording, { args, io, launched, strict, out, stops }: Following): Promise<number> {
  const told = new Set<string>();
  let failed = false;
  const tell = () => {
    for (const notice of recording.status().notices) {
      if (told.has(notice.id)) continue;
      told.add(notice.id);
      if (notice.level === 'info') continue;
      failed ||= notice.level === 'bad';
      io.stderr.write(`${!launched && io.stderrIsTTY ? '\r\x1b[K' : ''}flamebench: ${notice.text}${notice.command === '' ? '' : ` Run: ${notice.command}`}\n`);
    }
  };
  const unsubscribe = recording.subscribe((event) => { if (event === 'status') tell(); });
  tell();
  await tellLanes(recording, args, io, told);
  // The command has the terminal to itself; a line of ours is drawn only while attached.
  const meter = !launched && io.stderrIsTTY ? setInterval(() => {
    const { elapsed, samples, lost, phase } = recording.status();
    const text = `${phase === 'stopping' ? 'Stopping' : 'Recording'} ${formatTime(elapsed)}, ${formatCount(samples)} samples${lost > 0 ? `, ${formatCount(lost)} lost` : ''}${stops() === 0 ? ' (Ctrl-C stops)' : ''}`;
    io.stderr.write(`\r\x1b[K${text.slice(0, io.columns - 1)}`);
  }, 250) : null;

  const ended = await recording.done;
  await recording.sealed;
  if (meter !== null) {
    clearInterval(meter);
    io.stderr.write('\r\x1b[K');
  }
  tell();
  unsubscribe();
  if (ended.error !== '') await print(io.stderr, `flamebench: ${ended.error}\n`);
  for (const note of recording.notes) await print(io.stderr, `flamebench: ${note}\n`);

  const path = await save(recording.folder, out, args, io);
  const { elapsed, samples, lost, rate, targetCost, lanes } = recording.status();
  if (isSet(args, 'json')) {
    await printJson(io, {
      path, id: recording.id, durationNs: elapsed, samples, lost, rate, targetCost,
      lanes: lanes.map(({ kind, state, profilers, text, command }) => ({ kind, state, profilers, text, command })), error: ended.error, exitCode: ended.exitCode, signal: ended.signal,
    });
  }
  if (out !== '-') await print(io.stderr, `${path}\n`);
  if (!launched) return ended.error === '' ? 0 : 1;
  if (strict && (failed || ended.error !== '')) return OWN_FAILURE;
  if (ended.signal !== null) return BY_SIGNAL + signalNumber(ended.signal);
  return ended.exitCode ?? OWN_FAILURE;
}

/** Lanes that were asked for by name and have no source here; what was said already is not said again. */
async function tellLanes(recording: Recording, args: Arguments, io: CliIo, told: ReadonlySet<string>): Promise<void> {
  const named = textOf(args, 'lanes')?.split(',') ?? [];
  const { lanes, notices } = recording.status();
  const said = new Set(notices.filter((notice) => told.has(notice.id)).map((notice) => notice.text));
  for (const lane of lanes) {
    if (!named.includes(lane.kind) || lane.state !== 'none' || said.has(lane.text)) continue;
    await print(io.stderr, `flamebench: ${lane.kind} is not recorded: ${lane.text}${lane.command === '' ? '' : ` Run: ${lane.command}`}\n`);
  }
}

function signalNumber(signal: number | string): number {
  return typeof signal === 'number' ? signal : (constants.signals[signal as NodeJS.Signals] ?? 0);
}

/** The recording where it was asked for: a file, standard output, or its place in the library. */
async function save(folder: string, out: string | undefined, args: Arguments, io: CliIo): Promise<string> {
  if (out === undefined) return folder;
  const { saveRecording } = await import('../library/save.ts');
  const scratch = out === '-' ? mkdtempSync(join(tmpdir(), 'flamebench-')) : '';
  const temporary = out === '-' ? join(scratch, 'out.flamebench') : temporaryName(resolve(out));
  try {
    const { warnings } = await saveRecording(folder, temporary, { withRaw: isSet(args, 'with-raw') });
    for (const warning of warnings) await print(io.stderr, `flamebench: ${warning}\n`);
    if (out === '-') {
      const { createReadStream } = await import('node:fs');
      for await (const chunk of createReadStream(temporary)) await print(io.stdout, chunk as Uint8Array);
    } else {
      await rename(temporary, resolve(out));
    }
  } catch (error) {
    if (error instanceof UserError) throw new UserError(error.code, `${error.message} (the recording is kept in ${folder})`, { hint: error.hint, command: error.command, cause: error });
    throw error;
  } finally {
    await rm(temporary, { force: true });
    if (scratch !== '') rmSync(scratch, { recursive: true, force: true });
  }
  // It stands where it was asked for: a second copy in the library would only fill the disk.
  rmSync(folder, { recursive: true, force: true });
  return out;
}
