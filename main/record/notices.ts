import type { Notice } from '#core/protocol/api';
import { maskText } from './mask.ts';

/** Lines under the recording bar, by id: one that is told again takes the place of the one before. */
export class Notices {
  readonly #all = new Map<string, Notice>();
  readonly #changed: () => void;

  constructor(first: readonly Notice[], changed: () => void) {
    for (const notice of first) this.#all.set(notice.id, notice);
    this.#changed = changed;
  }

  get all(): Notice[] {
    return [...this.#all.values()];
  }

  /** Text that looks like a secret is masked: notices are kept in recording.json. */
  add(notice: Notice): void {
    this.#all.set(notice.id, { ...notice, text: maskText(notice.text) });
    this.#changed();
  }

  remove(id: string): void {
    if (this.#all.delete(id)) this.#changed();
  }
}
