import type { UserError } from '#core/errors';
import type { TerminalRow } from '#core/protocol/api';
import { link } from '../bridge/link.ts';
import { userError } from '../parts/explain.ts';

/** Shells with a command typed into them and not entered: running it stays the user's decision. */
class Shells {
  rows = $state.raw<readonly TerminalRow[]>([]);
  /** The shell in front; '' = the drawer is closed. */
  shown = $state('');
  error = $state.raw<UserError | null>(null);

  constructor() {
    link.on('terminalExit', ({ terminal }) => {
      this.rows = this.rows.map((row) => (row.id === terminal ? { ...row, running: false } : row));
    });
  }

  /** Opens a shell and types the command. */
  async run(command: string): Promise<void> {
    try {
      const { body } = await link.request('shellOpen', { command });
      this.rows = [...this.rows.filter((row) => row.running), { id: body.terminal, title: 'shell', running: true }];
      this.shown = body.terminal;
      this.error = null;
    } catch (error) {
      this.error = userError(error, 'shell');
    }
  }

  close(): void {
    this.shown = '';
  }
}

export const shells = new Shells();
