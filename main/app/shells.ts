import { homedir } from 'node:os';
import { UserError } from '#core/errors';
import { PtyTerminal, ownEnvironment } from '../record/terminal.ts';

/** Shells for commands that a person decides to run: the command is typed and never entered. */
export class Shells {
  readonly #shells = new Map<string, PtyTerminal>();
  readonly #onOpen: (terminal: PtyTerminal) => void;

  constructor(onOpen: (terminal: PtyTerminal) => void) {
    this.#onOpen = onOpen;
  }

  /** Throws UserError for a command that would enter itself. */
  open(command: string): PtyTerminal {
    // A line end or another control character would run something before the user has decided.
    if (/[\u0000-\u001f\u007f-\u009f]/.test(command)) throw new UserError('command', 'a command with control characters in it is not typed into a shell');
    const shell = process.env['SHELL'] || '/bin/sh';
    const terminal = new PtyTerminal({ title: 'shell', argv: [shell], directory: homedir(), environment: ownEnvironment(), cast: '', startedAt: Date.now() });
    this.#shells.set(terminal.id, terminal);
    this.#onOpen(terminal);
    // Typed once the shell shows its prompt, so that it does not stand twice on the screen.
    let typed = false;
    const type = (): void => {
      if (!typed && command !== '') terminal.write(command);
      typed = true;
    };
    terminal.onOutput(() => setTimeout(type, 150));
    setTimeout(type, 1000).unref();
    return terminal;
  }

  get(id: string): PtyTerminal | null {
    return this.#shells.get(id) ?? null;
  }

  close(): void {
    for (const shell of this.#shells.values()) shell.kill('SIGHUP');
  }
}
