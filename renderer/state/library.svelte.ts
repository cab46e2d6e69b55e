import { UserError } from '#core/errors';
import type { LibraryRow, Requests } from '#core/protocol/api';
import { link } from '../bridge/link.ts';
import { userError } from '../parts/explain.ts';
import { toasts } from './toasts.svelte.ts';

/** The recordings on this machine, newest first. */
class Library {
  /** null until the first answer. */
  rows = $state.raw<readonly LibraryRow[] | null>(null);
  error = $state.raw<UserError | null>(null);

  constructor() {
    link.on('libraryChanged', () => void this.refresh());
    link.watch((state) => { if (state.kind === 'connected') void this.refresh(); });
  }

  async refresh(): Promise<void> {
    await this.#try(async () => {
      const { body } = await link.request('library', {});
      this.rows = [...body.recordings].sort((a, b) => b.startedAt - a.startedAt);
    });
  }

  async update(change: Requests['libraryUpdate']['body']): Promise<void> {
    await this.#try(async () => {
      await link.request('libraryUpdate', change);
      await this.refresh();
    });
  }

  /** Moves a recording aside, with a way back for ten seconds. */
  async remove(row: LibraryRow): Promise<void> {
    await this.#try(async () => {
      await link.request('libraryDelete', { id: row.id });
      await this.refresh();
      toasts.show(`Recording “${row.title}” deleted`, {
        label: 'Undo',
        run: () => void this.#try(async () => {
          await link.request('libraryRestore', { id: row.id });
          await this.refresh();
        }),
      });
    });
  }

  async #try(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.error = null;
    } catch (error) {
      if (error instanceof UserError && error.code === 'closed') return;
      this.error = userError(error, 'library');
    }
  }
}

export const library = new Library();
