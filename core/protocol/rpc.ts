import { UserError, messageOf } from '#core/errors';
import type { EventName, Events, RequestName, Requests } from './api.ts';
import type { Pipe } from './pipe.ts';
import type { WireError } from './wire.ts';
import { NO_PAYLOAD, decodeMessage, encodeMessage } from './wire.ts';

export interface Answer<N extends RequestName> {
  readonly body: Requests[N]['answer'];
  readonly payload: Uint8Array<ArrayBuffer>;
}

type Listener<N extends EventName> = (body: Events[N], payload: Uint8Array<ArrayBuffer>) => void;

/** The page's half: typed requests over a pipe. */
export class Client {
  #pipe: Pipe;
  #next = 1;
  #waiting = new Map<number, { resolve: (answer: Answer<RequestName>) => void; reject: (error: Error) => void }>();
  #listeners = new Map<EventName, Set<Listener<EventName>>>();

  constructor(pipe: Pipe) {
    this.#pipe = pipe;
    pipe.onMessage((bytes) => this.#receive(bytes));
    pipe.onClose(() => this.#fail(new UserError('closed', 'the connection to Flamebench was closed')));
  }

  /** Rejects with the UserError that main answered. */
  request<N extends RequestName>(name: N, body: Requests[N]['body'], payload: Uint8Array = NO_PAYLOAD): Promise<Answer<N>> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (answer: Answer<RequestName>) => void, reject });
      this.#pipe.send(encodeMessage({ k: 'request', id, name, body }, payload));
    });
  }

  /** Returns the function that ends listening. */
  on<N extends EventName>(name: N, listener: Listener<N>): () => void {
    const set = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, set);
    set.add(listener as Listener<EventName>);
    return () => set.delete(listener as Listener<EventName>);
  }

  #receive(bytes: Uint8Array<ArrayBuffer>): void {
    const { head, payload } = decodeMessage(bytes);
    switch (head.k) {
      case 'answer':
        this.#take(head.id)?.resolve({ body: head.body, payload } as Answer<RequestName>);
        return;
      case 'error':
        this.#take(head.id)?.reject(new UserError(head.error.code, head.error.message, head.error));
        return;
      case 'event':
        for (const listener of this.#listeners.get(head.name) ?? []) listener(head.body as Events[EventName], payload);
        return;
      case 'request':
        throw new UserError('wire', `main sent a request: ${head.name}`);
    }
  }

  #take(id: number) {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  #fail(error: Error): void {
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}

/** What a handler may answer: the body alone, or with bytes beside it. */
export type Handled<N extends RequestName> = Requests[N]['answer'] | { readonly body: Requests[N]['answer']; readonly payload: Uint8Array };

export type Handler = (name: RequestName, body: unknown, payload: Uint8Array<ArrayBuffer>) => Promise<{ body: unknown; payload: Uint8Array }>;

/** Main's half: answers each request by `handle`, in whatever order they finish. */
export function serve(pipe: Pipe, handle: Handler): { emit<N extends EventName>(name: N, body: Events[N], payload?: Uint8Array): void } {
  let open = true;
  pipe.onClose(() => { open = false; });
  pipe.onMessage((bytes) => void answer(bytes));

  async function answer(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    let id = 0;
    try {
      const { head, payload } = decodeMessage(bytes);
      if (head.k !== 'request') throw new UserError('wire', `a page sent a message of kind ${head.k}`);
      id = head.id;
      const result = await handle(head.name, head.body, payload);
      if (open) pipe.send(encodeMessage({ k: 'answer', id, body: result.body }, result.payload));
    } catch (error) {
      if (open) pipe.send(encodeMessage({ k: 'error', id, error: wireError(error) }));
    }
  }

  return {
    emit: (name, body, payload) => {
      if (open) pipe.send(encodeMessage({ k: 'event', name, body }, payload));
    },
  };
}

/** What was thrown, as it is told to a page. */
export function wireError(error: unknown): WireError {
  if (error instanceof UserError) return { code: error.code, message: error.message, hint: error.hint, command: error.command };
  return { code: 'internal', message: messageOf(error), hint: '', command: '' };
}
