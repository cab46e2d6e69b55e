import type { Readable, Writable } from 'node:stream';
import { UserError } from '#core/errors';

/** What a command reads and writes. Results go to stdout, progress and messages to stderr. */
export interface CliIo {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly stdinIsTTY: boolean;
  readonly stdoutIsTTY: boolean;
  readonly stderrIsTTY: boolean;
  /** Width of the terminal on stderr, 80 where there is none. */
  readonly columns: number;
}

/** The streams of this process. A closed pipe is met where it is written to: without a listener it would end us with a trace. */
export function processIo(): CliIo {
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
  return {
    stdin: process.stdin, stdout: process.stdout, stderr: process.stderr,
    stdinIsTTY: process.stdin.isTTY === true, stdoutIsTTY: process.stdout.isTTY === true, stderrIsTTY: process.stderr.isTTY === true,
    columns: process.stderr.columns ?? 80,
  };
}

/** Wrong usage: exit code 2 and one line that names the command's help. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

/** The reader of our output is gone (`| head`): ends a command quietly. */
export class ClosedPipe extends Error {}

/** Writes and waits until it is taken. Throws ClosedPipe where nobody reads any more. */
export function print(to: Writable, data: string | Uint8Array): Promise<void> {
  return new Promise((done, fail) => {
    to.write(data, (error) => {
      if (error === null || error === undefined) return done();
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED' || code === 'ERR_STREAM_WRITE_AFTER_END') fail(new ClosedPipe('closed pipe'));
      else fail(new UserError('write', `the output cannot be written: ${error.message}`, { hint: code === 'ENOSPC' ? 'The disk is full.' : '' }));
    });
  });
}

/** An error as one line: what happened, what to do, the command that does it. */
export function errorLine(error: UserError): string {
  const parts = [error.message.replace(/\s*\n\s*/g, ' ').trim()];
  if (error.hint !== '') parts.push(error.hint);
  if (error.command !== '') parts.push(`Run: ${error.command}`);
  return parts.map((part, i) => (i < parts.length - 1 && !/[.!?:]$/.test(part) ? `${part}.` : part)).join(' ');
}
