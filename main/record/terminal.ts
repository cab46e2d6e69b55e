// Pseudo-terminals: for eyes and for passwords. What a child printed is kept in memory (bounded) for pages that attach, and
// in terminal.cast (asciicast v2: https://docs.asciinema.org/manual/asciicast/v2/), output only, never what was typed.
import { createWriteStream } from 'node:fs';
import type { WriteStream } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { spawn } from 'node-pty';
import type { IPty } from 'node-pty';
import type { Terminal } from '../profilers/profiler.ts';
import { maskText } from './mask.ts';

/** Characters of output that are kept for a page that attaches late. */
const KEPT = 512 * 1024;
/** A cast is not to fill the disk: after this many bytes it says so and ends. */
const LARGEST_CAST = 64 * 1024 * 1024;
const COLUMNS = 110;
const ROWS = 30;

export type TerminalEnd = { readonly code: number | null; readonly signal: number | null };

/** A terminal as a page sees it: one that runs, or one of a recording that was opened again. */
export interface ShownTerminal {
  readonly id: string;
  readonly title: string;
  readonly running: boolean;
  readonly output: string;
  write(text: string): void;
  resize(columns: number, rows: number): void;
}

/** What a terminal had shown: it takes no input any more. */
export class PastTerminal implements ShownTerminal {
  readonly id = randomBytes(6).toString('hex');
  readonly running = false;
  readonly title: string;
  readonly output: string;

  /** `cast` is the text of a terminal.cast. */
  constructor(title: string, cast: string) {
    this.title = title;
    this.output = castOutput(cast);
  }

  write(): void {
    // Nobody is there to read it.
  }

  resize(): void {
    // Its lines were broken when they were printed.
  }
}

export class PtyTerminal implements Terminal, ShownTerminal {
  readonly id = randomBytes(6).toString('hex');
  readonly title: string;
  readonly pid: number;
  readonly done: Promise<TerminalEnd>;
  end: TerminalEnd | null = null;
  readonly #pty: IPty;
  readonly #listeners = new Set<(text: string) => void>();
  #kept: string[] = [];
  #keptLength = 0;
  #cast: Cast | null;

  /** argv goes to the child untouched. `cast` is the path of its terminal.cast, '' for none. */
  constructor(options: { title: string; argv: readonly string[]; directory: string; environment: Readonly<Record<string, string>>; cast: string; startedAt: number }) {
    this.title = options.title;
    this.#pty = spawn(options.argv[0], options.argv.slice(1), { name: 'xterm-256color', cols: COLUMNS, rows: ROWS, cwd: options.directory, env: { ...options.environment } });
    this.pid = this.#pty.pid;
    this.#cast = options.cast === '' ? null : new Cast(options.cast, options.title, options.startedAt);
    this.#pty.onData((text) => this.#take(text));
    this.done = new Promise((resolve) => {
      this.#pty.onExit(({ exitCode, signal }) => {
        // A death by signal comes as exit code 0 with the signal's number.
        this.end = signal !== undefined && signal > 0 ? { code: null, signal } : { code: exitCode, signal: null };
        this.#cast?.close();
        resolve(this.end);
      });
    });
  }

  get running(): boolean {
    return this.end === null;
  }

  /** Everything that is kept of its output. */
  get output(): string {
    return this.#kept.join('');
  }

  onOutput(listener: (text: string) => void): void {
    this.#listeners.add(listener);
  }

  write(text: string): void {
    if (this.running) this.#pty.write(text);
  }

  resize(columns: number, rows: number): void {
    if (this.running) this.#pty.resize(columns, rows);
  }

  /** To the child alone; its group gets what is typed. */
  kill(signal: NodeJS.Signals): void {
    if (!this.running) return;
    try {
      process.kill(this.pid, signal);
    } catch {
      // It ended between the check and the call.
    }
  }

  #take(text: string): void {
    this.#kept.push(text);
    this.#keptLength += text.length;
    while (this.#keptLength > KEPT && this.#kept.length > 1) this.#keptLength -= (this.#kept.shift() ?? '').length;
    this.#cast?.add(text);
    for (const listener of this.#listeners) listener(text);
  }
}

class Cast {
  #file: WriteStream;
  #startedAt: number;
  #bytes = 0;
  #open = true;

  constructor(path: string, title: string, startedAt: number) {
    this.#startedAt = startedAt;
    this.#file = createWriteStream(path, { mode: 0o600 });
    // A full disk ends the cast; the recording says so for itself.
    this.#file.on('error', () => { this.#open = false; });
    this.#write({ version: 2, width: COLUMNS, height: ROWS, timestamp: Math.floor(startedAt / 1000), title: maskText(title) });
  }

  add(text: string): void {
    if (this.#bytes > LARGEST_CAST) {
      this.#event('\r\n[the rest of this terminal was not kept]\r\n');
      this.close();
    } else {
      this.#event(text);
    }
  }

  close(): void {
    if (this.#open) this.#file.end();
    this.#open = false;
  }

  #event(text: string): void {
    this.#write([(Date.now() - this.#startedAt) / 1000, 'o', text]);
  }

  #write(value: unknown): void {
    if (!this.#open) return;
    const line = `${JSON.stringify(value)}\n`;
    this.#bytes += line.length;
    this.#file.write(line);
  }
}

/** The output in a terminal.cast, for a reopened recording. Lines that are no events are left out. */
export function castOutput(text: string): string {
  let output = '';
  for (const line of text.split('\n').slice(1)) {
    try {
      const event: unknown = JSON.parse(line);
      if (Array.isArray(event) && event[1] === 'o' && typeof event[2] === 'string') output += event[2];
    } catch {
      // The last line of a cast that a kill -9 cut.
    }
  }
  return output.slice(-KEPT);
}

/** Our own environment as a child may have it. */
export function ownEnvironment(): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) if (value !== undefined) environment[name] = value;
  return environment;
}
