// The inspector of a Node process: JSON messages over a WebSocket (https://chromedevtools.github.io/devtools-protocol/v8/, and the domains
// NodeWorker and NodeRuntime of https://github.com/nodejs/node/blob/main/src/inspector/node_protocol.pdl).
// Profiles are large: an answer is cut out of its message as bytes and never parsed here.
import { connect } from 'node:net';
import { WebSocket } from 'ws';
import { UserError, messageOf } from '#core/errors';

/** Larger than any profile that V8 makes in a window; a hostile end cannot make us hold more. */
const MOST_BYTES = 400 << 20;
const CONNECT_MS = 3000;
const HEAD = 96;

/** The path of the inspector's socket from its list of targets; null where no inspector answers at a place. */
export async function askForPath(host: string, port: number): Promise<string | null> {
  return /"webSocketDebuggerUrl"\s*:\s*"ws:\/\/[^/"]*(\/[\w-]+)"/.exec(await ask(host, port, '/json/list'))?.[1] ?? null;
}

/** `v24.1.0`, '' where it does not say. No JavaScript runs for it: a thread of the inspector's own answers. */
export async function askForVersion(host: string, port: number): Promise<string> {
  return /"Browser"\s*:\s*"node\.js\/(v[\w.-]+)"/.exec(await ask(host, port, '/json/version'))?.[1] ?? '';
}

function ask(host: string, port: number, path: string, timeoutMs = 1000): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ host, port });
    const end = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(text);
    };
    const timer = setTimeout(end, timeoutMs);
    socket.once('connect', () => socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host.includes(':') ? `[${host}]` : host}:${port}\r\nConnection: close\r\n\r\n`));
    socket.on('data', (piece: Buffer) => {
      text += piece.toString('latin1');
      // Node keeps the connection open: its answer is whole where its bracket closes.
      if (/\r\n\r\n[^]*[\]}]\s*$/.test(text) || text.length > 100_000) end();
    });
    socket.once('end', end);
    socket.once('error', end);
  });
}

type Waiting = { readonly resolve: (result: Buffer | null) => void; readonly reject: (error: Error) => void };

/** Something that takes commands of the protocol: the main thread of a process, or a worker. */
export interface Session {
  /** The result as JSON bytes; rejects with V8's words where it refuses, resolves with null when the session ends first. */
  call(method: string, params?: object): Promise<Buffer | null>;
  /** The same without waiting for an answer. */
  tell(method: string, params?: object): void;
  readonly ended: Promise<void>;
  /** Whether it has ended. */
  readonly over: boolean;
}

abstract class Caller implements Session {
  #next = 1;
  #waiting = new Map<number, Waiting>();
  #finish: () => void = () => undefined;
  #over = false;
  readonly ended: Promise<void>;

  constructor() {
    this.ended = new Promise((resolve) => { this.#finish = resolve; });
  }

  get over(): boolean {
    return this.#over;
  }

  protected abstract send(text: string): void;

  call(method: string, params: object = {}): Promise<Buffer | null> {
    if (this.#over) return Promise.resolve(null);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.send(JSON.stringify({ id, method, params }));
    });
  }

  tell(method: string, params: object = {}): void {
    this.call(method, params).catch(() => undefined);
  }

  /** Takes a message if it is an answer. */
  protected answered(message: Buffer): boolean {
    const head = /^\{"id":(\d+),"(result|error)":/.exec(message.toString('latin1', 0, HEAD));
    if (head === null) return false;
    const id = Number(head[1]);
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    const body = message.subarray(head[0].length, message.length - 1);
    if (head[2] === 'result') waiting?.resolve(body);
    else waiting?.reject(new UserError('inspector', `Node's inspector refuses: ${textOf(body, 'message')}`));
    return true;
  }

  protected finish(): void {
    this.#over = true;
    for (const waiting of this.#waiting.values()) waiting.resolve(null);
    this.#waiting.clear();
    this.#finish();
  }
}

/** A field of a small JSON object, as text. */
export function textOf(json: Buffer | null, ...path: readonly string[]): string {
  if (json === null) return '';
  let value: unknown;
  try {
    value = JSON.parse(json.toString('utf8'));
  } catch {
    return '';
  }
  for (const name of path) value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

export interface WorkerFacts {
  readonly session: Session;
  /** `[worker 3] name`. */
  readonly title: string;
  readonly url: string;
}

/** A connection to the inspector of one process. */
export class Inspector extends Caller {
  readonly #socket: WebSocket;
  readonly #workers = new Map<string, WorkerSession>();
  #onWorker: (worker: WorkerFacts) => void = () => undefined;
  /** Resolves when the program has ended and waits for us to leave. */
  readonly waiting: Promise<void>;
  #tellWaiting: () => void = () => undefined;

  private constructor(socket: WebSocket) {
    super();
    this.#socket = socket;
    this.waiting = new Promise((resolve) => { this.#tellWaiting = resolve; });
    socket.on('message', (data: Buffer) => this.#take(data));
    socket.on('close', () => this.#close());
    socket.on('error', () => socket.terminate());
  }

  /** Connects. Throws UserError where nothing answers. */
  static connect(host: string, port: number, path: string): Promise<Inspector> {
    const socket = new WebSocket(`ws://${host.includes(':') ? `[${host}]` : host}:${port}${path}`, { perMessageDeflate: false, maxPayload: MOST_BYTES, handshakeTimeout: CONNECT_MS });
    return new Promise((resolve, reject) => {
      socket.once('open', () => resolve(new Inspector(socket)));
      socket.once('error', (cause) => reject(new UserError('inspector', `Node's inspector on ${host}:${port} cannot be reached: ${messageOf(cause)}`, { cause })));
    });
  }

  /** Hears of workers that run and that start. */
  async followWorkers(listener: (worker: WorkerFacts) => void): Promise<void> {
    this.#onWorker = listener;
    await this.call('NodeWorker.enable', { waitForDebuggerOnStart: false });
  }

  /** Leaves at once; what was asked and not answered resolves with null. */
  leave(): void {
    this.#socket.terminate();
    this.#close();
  }

  protected send(text: string): void {
    this.#socket.send(text, (error) => { if (error instanceof Error) this.#socket.terminate(); });
  }

  #close(): void {
    for (const worker of this.#workers.values()) worker.close();
    this.#workers.clear();
    this.finish();
  }

  #take(message: Buffer): void {
    if (this.answered(message)) return;
    const method = /^\{"method":"([\w.]+)"/.exec(message.toString('latin1', 0, HEAD))?.[1] ?? '';
    // Other events are of no use here, and some hold whole profiles.
    switch (method) {
      case 'NodeRuntime.waitingForDisconnect':
        this.#tellWaiting();
        return;
      case 'NodeWorker.attachedToWorker':
      case 'NodeWorker.detachedFromWorker':
      case 'NodeWorker.receivedMessageFromWorker':
        this.#ofWorker(method, message);
        return;
    }
  }

  #ofWorker(method: string, message: Buffer): void {
    const { params } = JSON.parse(message.toString('utf8')) as { params: { sessionId: string; message?: string; workerInfo?: { title?: string; url?: string } } };
    const worker = this.#workers.get(params.sessionId);
    if (method === 'NodeWorker.receivedMessageFromWorker') {
      worker?.take(Buffer.from(params.message ?? '', 'utf8'));
    } else if (method === 'NodeWorker.detachedFromWorker') {
      this.#workers.delete(params.sessionId);
      worker?.close();
    } else {
      const session = new WorkerSession((text) => this.tell('NodeWorker.sendMessageToWorker', { sessionId: params.sessionId, message: text }));
      this.#workers.set(params.sessionId, session);
      this.#onWorker({ session, title: params.workerInfo?.title ?? '', url: params.workerInfo?.url ?? '' });
    }
  }
}

class WorkerSession extends Caller {
  readonly #send: (text: string) => void;

  constructor(send: (text: string) => void) {
    super();
    this.#send = send;
  }

  protected send(text: string): void {
    this.#send(text);
  }

  take(message: Buffer): void {
    this.answered(message);
  }

  close(): void {
    this.finish();
  }
}
