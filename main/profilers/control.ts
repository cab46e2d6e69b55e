import { execFile } from 'node:child_process';
import { closeSync, constants, openSync, rmSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { UserError } from '#core/errors';

/** Makes FIFOs that only we may open. Throws UserError where that fails (a full or read-only folder). */
export function makeFifos(paths: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile('mkfifo', ['-m', '600', ...paths], { encoding: 'utf8' }, (error, _stdout, stderr) => {
      if (error === null) resolve();
      else reject(new UserError('scratch', `The pipes for the profiler could not be made: ${stderr.trim() || error.message}`, { hint: 'Check that the folder for temporary files is writable.' }));
    });
  });
}

/**
 * A pair of FIFOs beside a child: lines to it, lines from it. Both are opened for reading and writing before the child
 * starts, so that neither side ever waits in open() or sees an end, and both are removed by `close`.
 */
export class Control {
  readonly commands: string;
  readonly answers: string;
  #write: number;
  #socket: Socket;
  #rest = '';
  #closed = false;
  #listeners = new Set<(line: string) => void>();

  private constructor(commands: string, answers: string) {
    this.commands = commands;
    this.answers = answers;
    this.#write = openSync(commands, constants.O_RDWR | constants.O_NONBLOCK);
    const read = openSync(answers, constants.O_RDWR | constants.O_NONBLOCK);
    this.#socket = new Socket({ fd: read, readable: true, writable: false });
    this.#socket.setEncoding('utf8');
    this.#socket.on('data', (text: string) => { this.#take(text); });
    // The FIFO cannot fail while we hold it; a socket without a listener would end the whole process.
    this.#socket.on('error', () => { this.close(); });
  }

  static async open(folder: string, name: string): Promise<Control> {
    const commands = join(folder, `${name}.commands`);
    const answers = join(folder, `${name}.answers`);
    await makeFifos([commands, answers]);
    return new Control(commands, answers);
  }

  /** Writes one line. False when the child does not read (64 KB are waiting) or all is closed. */
  send(line: string): boolean {
    if (this.#closed) return false;
    try {
      writeSync(this.#write, `${line}\n`);
      return true;
    } catch {
      return false;
    }
  }

  /** Calls back with each line that comes; returns how to end that. */
  onLine(listener: (line: string) => void): () => void {
    this.#listeners.add(listener);
    return () => { this.#listeners.delete(listener); };
  }

  /** The next line that `match` takes; null after `timeoutMs`. */
  next(match: (line: string) => boolean, timeoutMs: number): Promise<string | null> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => { off(); resolve(null); }, timeoutMs);
      const off = this.onLine((line) => {
        if (!match(line)) return;
        clearTimeout(timer);
        off();
        resolve(line);
      });
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listeners.clear();
    this.#socket.destroy();
    closeSync(this.#write);
    rmSync(this.commands, { force: true });
    rmSync(this.answers, { force: true });
  }

  // perf ends an answer with a zero byte after the line feed.
  #take(text: string): void {
    const lines = (this.#rest + text.replaceAll('\0', '')).split('\n');
    this.#rest = (lines.pop() ?? '').slice(-4096);
    for (const line of lines) {
      for (const listener of [...this.#listeners]) listener(line);
    }
  }
}

/** Waits. */
export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => { setTimeout(resolve, ms); });
}
