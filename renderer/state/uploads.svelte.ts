import type { UserError } from '#core/errors';
import { link } from '../bridge/link.ts';
import { userError } from '../parts/explain.ts';
import { workbench } from './workbench.svelte.ts';

const CHUNK = 1_000_000;

export interface Upload {
  readonly id: number;
  readonly name: string;
  readonly size: number;
  readonly sent: number;
  readonly error: UserError | null;
}

/** Files that are on their way to main, or could not be opened. */
class Uploads {
  list = $state.raw<readonly Upload[]>([]);
  #next = 1;
  #cancelled = new Set<number>();

  /** Sends a file and opens it in a tab. Errors stay in the list, with the file's name, until closed. */
  async open(file: File): Promise<void> {
    const id = this.#next++;
    this.list = [...this.list, { id, name: file.name, size: file.size, sent: 0, error: null }];
    try {
      const { body } = await link.request('uploadBegin', { name: file.name, size: file.size });
      for (let at = 0; at < file.size; at += CHUNK) {
        if (this.#cancelled.delete(id)) return;
        const bytes = new Uint8Array(await file.slice(at, at + CHUNK).arrayBuffer());
        await link.request('uploadChunk', { upload: body.upload }, bytes);
        this.#change(id, { sent: Math.min(file.size, at + CHUNK) });
      }
      await workbench.open({ kind: 'upload', upload: body.upload }, file.name);
      this.close(id);
    } catch (error) {
      this.#change(id, { error: userError(error, 'upload') });
    }
  }

  /** Stops sending, or takes an error away. */
  close(id: number): void {
    this.#cancelled.add(id);
    this.list = this.list.filter((upload) => upload.id !== id);
  }

  #change(id: number, change: Partial<Upload>): void {
    this.list = this.list.map((upload) => (upload.id === id ? { ...upload, ...change } : upload));
  }
}

export const uploads = new Uploads();
