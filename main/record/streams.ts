// The two threads of a recording and what flows between them: FIFOs and windows in, decoded streams out.
import { spawn } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import type { Worker } from 'node:worker_threads';
import { UserError, messageOf } from '#core/errors';
import type { StreamFacts, WindowFacts } from '../profilers/profiler.ts';
import type { DecoderHost } from './decoder-host.ts';
import { startThread } from './decoder-host.ts';
import type { FromReader, ToReader } from './messages.ts';

/** How long a FIFO's last writer may take to go, once it is over. */
const LAST_WRITER_MS = 1500;

/** How long the reader may take to bring its last bytes to disk. */
const READER_MS = 10_000;

/** Bytes that may be on their way to the decoder before the rest waits on disk. */
const CREDIT = 8 * 1024 * 1024;

interface Open {
  readonly facts: StreamFacts;
  readonly fifo: string;
  readonly done: Promise<void>;
  readonly finish: () => void;
  opened: ((error: string) => void) | null;
  ended: boolean;
}

export class Streams {
  readonly #reader: Worker;
  readonly #decoder: DecoderHost;
  readonly #scratch: string;
  readonly #open = new Map<string, Open>();
  readonly #onDiskFailed: (message: string) => void;
  #closed: ((bytes: number) => void) | null = null;
  #dead = '';

  constructor(options: { decoder: DecoderHost; folder: string; scratch: string; onDiskFailed: (message: string) => void; credit?: number }) {
    this.#decoder = options.decoder;
    this.#scratch = options.scratch;
    this.#onDiskFailed = options.onDiskFailed;
    this.#reader = startThread('reader-thread', { folder: join(options.folder, 'streams'), credit: options.credit ?? CREDIT });
    this.#reader.on('message', (message: FromReader) => this.#hear(message));
    this.#reader.on('error', (error) => this.#die(messageOf(error)));
    this.#reader.on('exit', () => this.#die('the reader thread ended'));
    const { port1, port2 } = new MessageChannel();
    this.#reader.postMessage({ t: 'port', port: port1 } satisfies ToReader, [port1]);
    this.#decoder.tell({ t: 'port', port: port2 });
  }

  get facts(): StreamFacts[] {
    return [...this.#open.values()].map((stream) => stream.facts);
  }

  /** The facts under an id that is free: a profiler that is started a second time names its streams as it did before. */
  named(facts: StreamFacts): StreamFacts {
    let { id } = facts;
    for (let n = 2; this.#open.has(id); n++) id = `${facts.id}.${n}`;
    return { ...facts, id };
  }

  /** A FIFO that the reader has open. `done` resolves when its bytes are decoded. */
  async fifo(facts: StreamFacts): Promise<{ path: string; done: Promise<void> }> {
    this.#checkId(facts.id);
    const path = join(this.#scratch, `${facts.id}.fifo`);
    await makeFifo(path);
    await this.#decoder.call('open', { facts });
    const stream = this.#add(facts, path);
    const error = await new Promise<string>((resolve) => {
      stream.opened = resolve;
      this.#tell({ t: 'fifo', stream: facts.id, path, spill: join(this.#scratch, `${facts.id}.spill`) });
    });
    if (error !== '') throw new UserError('fifo', `the FIFO ${path} could not be read: ${error}`);
    return { path, done: stream.done };
  }

  windows(facts: StreamFacts): { push(window: WindowFacts, bytes: Uint8Array): void; close(): Promise<void> } {
    this.#checkId(facts.id);
    // Not awaited: messages to the decoder stay in order, and a failure to open shows as a stream that ends at once.
    this.#decoder.call('open', { facts }).catch(() => this.streamDone(facts.id));
    const stream = this.#add(facts, '');
    return {
      push: (window, bytes) => {
        if (stream.ended) return;
        const copy = new Uint8Array(withoutCommands(bytes));
        this.#reader.postMessage({ t: 'window', stream: facts.id, window, bytes: copy } satisfies ToReader, [copy.buffer]);
      },
      close: async () => {
        this.#end(stream);
        await stream.done;
      },
    };
  }

  /** The decoder has decoded the last byte of a stream. */
  streamDone(id: string): void {
    this.#open.get(id)?.finish();
  }

  /** Nobody decodes any more: what is still read goes to disk only. */
  decoderDied(): void {
    for (const stream of this.#open.values()) stream.finish();
  }

  /** Stops writing raw bytes; decoding goes on. */
  keepNothing(): void {
    this.#tell({ t: 'keepNothing' });
  }

  /** Ends every stream that is still open, waits until all is decoded and on disk, ends the reader. Returns raw bytes read. */
  async close(): Promise<number> {
    for (const stream of this.#open.values()) this.#end(stream);
    await Promise.all([...this.#open.values()].map((stream) => stream.done));
    if (this.#dead !== '') return 0;
    const bytes = await new Promise<number>((resolve) => {
      // A disk that hangs must not keep a stop from its end: what it did not take by then is lost.
      const timer = setTimeout(() => resolve(0), READER_MS);
      this.#closed = (read) => {
        clearTimeout(timer);
        resolve(read);
      };
      this.#tell({ t: 'close' });
    });
    this.#reader.removeAllListeners('exit');
    await this.#reader.terminate();
    return bytes;
  }

  #add(facts: StreamFacts, fifo: string): Open {
    let finish = (): void => undefined;
    const done = new Promise<void>((resolve) => { finish = resolve; });
    const stream: Open = { facts, fifo, done, finish, opened: null, ended: false };
    this.#open.set(facts.id, stream);
    if (this.#dead !== '') finish();
    return stream;
  }

  // A FIFO whose writer never came has no end of its own: opening and closing it once for writing gives the reader one.
  #end(stream: Open): void {
    if (stream.ended) return;
    stream.ended = true;
    if (stream.fifo === '') {
      this.#tell({ t: 'end', stream: stream.facts.id });
      return;
    }
    try {
      closeSync(openSync(stream.fifo, constants.O_WRONLY | constants.O_NONBLOCK));
    } catch {
      // ENXIO: the reader has closed it already, so its end has come.
    }
    // A writer that is still there would keep it open for good: it has been told to end long before this.
    const timer = setTimeout(() => this.#tell({ t: 'end', stream: stream.facts.id }), LAST_WRITER_MS);
    void stream.done.then(() => clearTimeout(timer));
  }

  #hear(message: FromReader): void {
    switch (message.t) {
      case 'opened':
        this.#open.get(message.stream)?.opened?.(message.error);
        return;
      case 'diskFailed':
        this.#onDiskFailed(message.message);
        return;
      case 'closed':
        this.#closed?.(message.bytes);
        return;
    }
  }

  #die(message: string): void {
    this.#dead ||= message;
    for (const stream of this.#open.values()) {
      stream.opened?.(message);
      stream.finish();
    }
    this.#closed?.(0);
  }

  #checkId(id: string): void {
    if (!/^[\w.-]+$/.test(id) || this.#open.has(id)) throw new Error(`broken invariant: the stream id ${id} is taken or not a file name`);
  }

  #tell(message: ToReader): void {
    this.#reader.postMessage(message);
  }
}

function makeFifo(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    // Node has no call for it.
    const child = spawn('mkfifo', ['-m', '600', path], { stdio: ['ignore', 'ignore', 'pipe'] });
    let text = '';
    child.stderr.on('data', (piece: Buffer) => { text += piece.toString(); });
    child.once('error', (cause) => reject(new UserError('fifo', `mkfifo could not be started: ${messageOf(cause)}`, { cause })));
    child.once('close', (code) => (code === 0 ? resolve() : reject(new UserError('fifo', `a FIFO could not be made: ${text.trim()}`))));
  });
}

// py-spy heads the stacks of a child with its whole command line, which may hold secrets; only its pid is read.
function withoutCommands(bytes: Uint8Array): Uint8Array {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!buffer.includes('process ')) return bytes;
  return Buffer.from(buffer.toString('latin1')
    .replace(/(process \d+):\\".*?\\""/g, '$1:\\"-\\""').replace(/^(process \d+):".*?";/gm, '$1:"-";'), 'latin1');
}
