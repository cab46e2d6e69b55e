import { UserError } from '#core/errors';
import type { ProcessRow } from '#core/protocol/api';
import { link } from '../bridge/link.ts';
import { userError } from '../parts/explain.ts';
import { processKey } from './process-key.ts';

/** Seconds of CPU history behind a sparkline; one value a listing. */
const HISTORY = 20;

/** The processes of this machine, listed each second while someone looks. */
class Processes {
  /** null until the first answer. */
  rows = $state.raw<readonly ProcessRow[] | null>(null);
  error = $state.raw<UserError | null>(null);
  /** CPU percent of the last listings, oldest first. */
  readonly history = new Map<string, number[]>();
  #watchers = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #busy = false;

  constructor() {
    link.watch((state) => { if (state.kind === 'connected' && this.#watchers > 0) this.#soon(0); });
  }

  /** Lists while at least one caller has not ended it. Returns what ends it. */
  poll(): () => void {
    if (this.#watchers++ === 0) this.#soon(0);
    return () => {
      if (--this.#watchers === 0) clearTimeout(this.#timer);
    };
  }

  /** Lists now. */
  refresh(): void {
    this.#soon(0);
  }

  #soon(wait: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#list(), wait);
  }

  async #list(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      // A window that cannot be seen costs the machine nothing.
      if (!document.hidden || this.rows === null) {
        const { body } = await link.request('processes', {});
        this.#remember(body.processes);
        this.rows = body.processes;
        this.error = null;
      }
    } catch (error) {
      if (!(error instanceof UserError && error.code === 'closed')) {
        this.error = userError(error, 'processes');
      }
    } finally {
      this.#busy = false;
      // The first listing has no CPU yet: the second follows soon.
      if (this.#watchers > 0) this.#soon(this.rows !== null && this.rows.every((row) => row.cpu === null) ? 300 : 1000);
    }
  }

  #remember(rows: readonly ProcessRow[]): void {
    // eslint-disable-next-line svelte/prefer-svelte-reactivity -- local
    const alive = new Set<string>();
    for (const row of rows) {
      const key = processKey(row);
      alive.add(key);
      // A new array each time: that is how a sparkline knows that it changed.
      const before = this.history.get(key) ?? [];
      if (row.cpu !== null) this.history.set(key, [...before.slice(1 - HISTORY), row.cpu]);
    }
    for (const key of this.history.keys()) if (!alive.has(key)) this.history.delete(key);
  }
}

export const processes = new Processes();
