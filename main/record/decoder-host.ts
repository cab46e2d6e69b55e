import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { threadEnvironment } from '../compile-cache.ts';
import { UserError, messageOf } from '#core/errors';
import type { CallName, DecoderCalls, DecoderEvent, DecoderJob, DecoderTell, FromDecoder } from './messages.ts';

// From the checkout these are .ts files, in a bundle .js files beside each other.
const ENDING = extname(import.meta.url);

/** Starts a thread of this folder. Its arguments never reach it: a worker would inherit options of the process. */
export function startThread(name: 'decoder-thread' | 'reader-thread', data: unknown): Worker {
  // In a package, from the archive's unpacked twin: a thread is a real file.
  return new Worker(new URL(`./${name}${ENDING}`, import.meta.url.replace('/app.asar/', '/app.asar.unpacked/')), {
    env: threadEnvironment(),
    workerData: data, argv: [], execArgv: [],
    // A socket takes over the reader's descriptors and closes them itself: Node would close the same numbers again at the
    // thread's end, when they may be another file's.
    trackUnmanagedFds: name !== 'reader-thread',
  });
}

/** The main process's end of a decoder thread. */
export class DecoderHost {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, { resolve: (answer: never) => void; reject: (error: Error) => void }>();
  #next = 1;
  #dead: UserError | null = null;
  /** Resolves when the thread has loaded what it was started for; rejects with the reason. */
  readonly loaded: Promise<void>;
  /** Resolves with the reason when the thread has ended, by itself or by `close`. */
  readonly died: Promise<UserError>;

  constructor(job: DecoderJob, onEvent: (event: DecoderEvent) => void) {
    this.#worker = startThread('decoder-thread', { job });
    let tellDied = (_reason: UserError): void => undefined;
    this.died = new Promise((resolve) => { tellDied = resolve; });
    this.loaded = new Promise((resolve, reject) => {
      this.#worker.on('message', (message: FromDecoder) => {
        switch (message.t) {
          case 'answer':
            this.#take(message.id)?.resolve(message.answer as never);
            return;
          case 'failed':
            this.#take(message.id)?.reject(new UserError(message.error.code, message.error.message, message.error));
            return;
          case 'loaded':
            if (message.error === null) resolve();
            else reject(new UserError(message.error.code, message.error.message, message.error));
            break;
        }
        onEvent(message as DecoderEvent);
      });
      const die = (error: UserError) => {
        this.#dead ??= error;
        reject(error);
        for (const waiting of this.#waiting.values()) waiting.reject(error);
        this.#waiting.clear();
        tellDied(error);
      };
      this.#worker.on('error', (error) => die(new UserError('decoder', `the decoder stopped: ${messageOf(error)}`, { cause: error })));
      this.#worker.on('exit', () => die(new UserError('closed', 'this profile was closed')));
    });
    // Whoever opened it awaits `loaded`; a thread that ends unwatched must not end the process.
    this.loaded.catch(() => undefined);
  }

  /** Asks the thread; rejects with its UserError, or when the thread ends. */
  call<N extends CallName>(name: N, ask: DecoderCalls[N]['ask']): Promise<DecoderCalls[N]['answer']> {
    if (this.#dead !== null) return Promise.reject(this.#dead);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ t: 'call', id, name, ask });
    });
  }

  tell(message: DecoderTell): void {
    this.#worker.postMessage(message, message.t === 'port' ? [message.port] : []);
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #take(id: number) {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }
}
