// A launched command waits stopped until the profilers stand: `sh` stops itself, then becomes the command, under the same pid.
// argv is passed as "$@": no value is ever put into the shell's text.
import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { constants as os } from 'node:os';
import { delimiter, join } from 'node:path';
import { UserError, messageOf } from '#core/errors';
import type { Notice, RecordOptions } from '#core/protocol/api';
import type { Profiler } from '../profilers/profiler.ts';
import { statOf } from '../processes/proc.ts';
import type { TerminalEnd } from './terminal.ts';
import { PtyTerminal, ownEnvironment } from './terminal.ts';

const STOPPED = ['sh', '-c', 'kill -STOP $$; exec "$@"', 'sh'];
/** How long the shell may take to stop itself. */
const PATIENCE_MS = 5000;

export interface Launched {
  readonly pid: number;
  readonly start: number;
  readonly terminal: PtyTerminal | null;
  readonly done: Promise<TerminalEnd>;
  /** Lets it run. */
  go(): void;
  kill(signal: NodeJS.Signals): void;
}

/** Whether an argument list is that of a command of ours that still waits for its profilers. */
export function isWaiting(argv: readonly string[]): boolean {
  return STOPPED.every((word, i) => argv[i] === word);
}

/** What profilers want of a command that is to be launched. */
export interface Preparation {
  readonly environment: Readonly<Record<string, string>>;
  /** Words between the shell that waits and the command's own: they run when the command is let go, and become it. */
  readonly before: readonly string[];
  /** Ids of the profilers that are ready for the launch. */
  readonly prepared: readonly string[];
  /** What kept the others from it. */
  readonly notices: readonly Notice[];
}

/**
 * Asks the profilers that start with a command what they want of it; `scratch` is the folder that their `start` will have too.
 * Words of the first one run first. One that cannot prepare is left out, with a notice.
 */
export async function preparationOf(profilers: readonly Profiler[], options: RecordOptions, scratch: string, given: Readonly<Record<string, string>> = {}): Promise<Preparation> {
  const environment: Record<string, string> = {};
  const before: string[] = [];
  const prepared: string[] = [];
  const notices: Notice[] = [];
  for (const profiler of profilers) {
    if (profiler.launch === undefined) continue;
    try {
      const wanted = await profiler.launch(options, scratch, { ...ownEnvironment(), ...given, ...environment });
      Object.assign(environment, wanted.environment);
      before.push(...wanted.before);
      prepared.push(profiler.id);
    } catch (error) {
      notices.push({ id: `launch-${profiler.id}`, level: 'bad', text: messageOf(error), command: error instanceof UserError ? error.command : '' });
    }
  }
  return { environment, before, prepared, notices };
}

/**
 * Starts a command that waits; `before` are words of its profilers (Preparation). Throws UserError where it cannot be found
 * (`command-not-found`), is not executable (`command-not-executable`) or its directory is missing (`no-directory`): before
 * anything was started.
 */
export async function launchStopped(options: {
  argv: readonly string[]; before?: readonly string[]; directory: string; environment: Readonly<Record<string, string>>; terminal: 'pty' | 'inherit'; title: string; cast: string; startedAt: number;
}): Promise<Launched> {
  const directory = options.directory === '' ? process.cwd() : options.directory;
  const environment = { ...ownEnvironment(), ...options.environment };
  checkCommand(options.argv, directory, environment['PATH'] ?? '');
  const argv = [...STOPPED, ...(options.before ?? []), ...options.argv];
  let terminal: PtyTerminal | null = null;
  let pid: number;
  let done: Promise<TerminalEnd>;
  if (options.terminal === 'pty') {
    terminal = new PtyTerminal({ title: options.title, argv, directory, environment, cast: options.cast, startedAt: options.startedAt });
    pid = terminal.pid;
    done = terminal.done;
  } else {
    // Same terminal, standard input and process group as ours: Ctrl-C is the command's too.
    const child = spawn(argv[0], argv.slice(1), { cwd: directory, env: environment, stdio: 'inherit' });
    done = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => resolve({ code, signal: signal === null ? null : os.signals[signal] }));
    });
    if (child.pid === undefined) {
      await done;
      throw new UserError('launch', `${options.argv[0]} could not be started`);
    }
    pid = child.pid;
  }
  let start = 0;
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    const stat = statOf(pid);
    if (stat !== null) start = stat.start;
    if (stat === null || stat.state === 'Z' || stat.state === 'T') break;
    if (Date.now() > until) {
      kill(pid, 'SIGKILL');
      throw new UserError('launch', `${options.argv[0]} did not wait for its profilers within ${PATIENCE_MS / 1000} s`);
    }
    await new Promise((next) => setTimeout(next, 2));
  }
  return { pid, start, terminal, done, go: () => kill(pid, 'SIGCONT'), kill: (signal) => kill(pid, signal) };
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended: what was wanted of it has happened.
  }
}

function checkCommand(argv: readonly string[], directory: string, path: string): void {
  if (argv.length === 0 || argv[0] === '') throw new UserError('command-not-found', 'there is no command to run');
  try {
    if (!statSync(directory).isDirectory()) throw new Error('not a directory');
  } catch (cause) {
    throw new UserError('no-directory', `there is no directory ${directory} to run ${argv[0]} in`, { cause });
  }
  const candidates = argv[0].includes('/') ? [join(argv[0].startsWith('/') ? '' : directory, argv[0])] : path.split(delimiter).map((folder) => join(folder === '' ? directory : folder, argv[0]));
  let there = '';
  for (const candidate of candidates) {
    try {
      if (!statSync(candidate).isFile()) continue;
      there = candidate;
      accessSync(candidate, constants.X_OK);
      return;
    } catch {
      // Not in this folder of PATH, or not executable: the next one may be.
    }
  }
  if (there !== '') throw new UserError('command-not-executable', `${there} may not be executed`, { hint: 'Is it a script? Name its interpreter, or make it executable.', command: `chmod +x ${there}` });
  throw new UserError('command-not-found', `there is no command ${argv[0]}`, argv[0].includes('/') ? {} : { hint: 'It is in no folder of PATH.' });
}
