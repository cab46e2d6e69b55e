import { existsSync } from 'node:fs';
import { UserError } from '#core/errors';
import { toolVersion } from '../record/version.ts';
import { parse } from './arguments.ts';
import type { Command } from './commands.ts';
import { COMMANDS } from './commands.ts';
import { commandHelp, generalHelp } from './help.ts';
import type { CliIo } from './io.ts';
import { ClosedPipe, errorLine, print, UsageError } from './io.ts';

const FAILED = 1;
const WRONG_USAGE = 2;

/**
 * Runs one command line (without the program's name) and resolves with its exit code: 0 done, 1 the work failed, 2 wrong
 * usage; `record -- CMD` has CMD's. Never rejects for what a user can cause.
 */
export async function cli(argv: readonly string[], io: CliIo): Promise<number> {
  const first = argv[0] ?? '';
  const named = first === '' ? undefined : COMMANDS.find((command) => command.name === first);
  const command = named ?? COMMANDS[0];
  const own = named === undefined ? argv : argv.slice(1);
  try {
    const before = own.includes('--') ? own.slice(0, own.indexOf('--')) : own;
    if (before.includes('--help') || before.includes('-h')) {
      await print(io.stdout, named === undefined ? generalHelp(COMMANDS, toolVersion()) : commandHelp(command));
      return 0;
    }
    if (named === undefined && (first === '--version' || first === '-V')) {
      await print(io.stdout, `flamebench ${toolVersion()}\n`);
      return 0;
    }
    if (named !== undefined && before.includes('--version')) {
      await print(io.stdout, `flamebench ${toolVersion()}\n`);
      return 0;
    }
    if (first === 'help') return await help(own.slice(1), io);
    if (named === undefined) checkFirst(first);
    return await command.run(parse(own, command.options, command.takesCommand === true), io);
  } catch (error) {
    return await failed(error, command, io);
  }
}

async function help(names: readonly string[], io: CliIo): Promise<number> {
  const command = COMMANDS.find((one) => one.name !== '' && one.name === names[0]);
  if (names.length > 0 && command === undefined) throw new UsageError(`there is no command ${names[0]}`);
  await print(io.stdout, command === undefined ? generalHelp(COMMANDS, toolVersion()) : commandHelp(command));
  return 0;
}

/** A first word that is neither command nor file was most likely meant as a command. */
function checkFirst(word: string): void {
  if (word === '' || word.startsWith('-') || /[./]/.test(word) || existsSync(word)) return;
  const close = COMMANDS.map((command) => command.name).filter((name) => name !== '' && (name.startsWith(word) || distance(name, word) <= 2));
  throw new UsageError(`there is no command or file ${word}${close.length > 0 ? `; did you mean ${close.join(' or ')}` : ''}`);
}

/** Letters to add, drop or change to make one word of the other. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length];
}

async function failed(error: unknown, command: Command, io: CliIo): Promise<number> {
  if (error instanceof ClosedPipe) return 0;
  let line: string;
  let code = FAILED;
  if (error instanceof UsageError) {
    code = WRONG_USAGE;
    line = `${error.message}. See: flamebench ${command.name === '' ? '' : `${command.name} `}--help`;
  } else if (error instanceof UserError) {
    line = errorLine(error);
  } else {
    // Not foreseen: a fault of ours. The place helps whoever mends it.
    line = `something went wrong inside Flamebench: ${error instanceof Error ? (process.env['FLAMEBENCH_DEBUG'] === undefined ? error.message : error.stack) : String(error)}`;
  }
  try {
    await print(io.stderr, `flamebench: ${line}\n`);
  } catch {
    // Nobody reads standard error either: the exit code is all that is left.
  }
  return code;
}
