// The page's one way to main. It hides which pipe it is, opens it again when it breaks, and says hello each time.
import { UserError, messageOf } from '#core/errors';
import type { EventName, Events, HostFacts, RequestName, Requests } from '#core/protocol/api';
import { PROTOCOL_VERSION } from '#core/protocol/api';
import type { Pipe } from '#core/protocol/pipe';
import type { Answer } from '#core/protocol/rpc';
import { Client } from '#core/protocol/rpc';

const RELOADED_KEY = 'flamebench.reloaded';
/** Waits between tries to connect, in ms; the last one repeats. */
const WAITS = [100, 250, 500, 1000, 2000, 4000];
/** Pipes closed without an answer to `hello`, after which the page takes it as a no: main does not talk to a stranger. */
const SILENT_REFUSALS = 3;

export type LinkState =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'connected'; readonly host: HostFacts }
  /** `since` is performance.now() of the break. */
  | { readonly kind: 'reconnecting'; readonly since: number }
  /** Trying again cannot help: a wrong token, another protocol. */
  | { readonly kind: 'refused'; readonly error: UserError };

type Listener<N extends EventName> = (body: Events[N], payload: Uint8Array<ArrayBuffer>) => void;

export interface LinkOptions {
  /** Opens the pipe, each time anew. */
  readonly open: () => Promise<Pipe>;
  readonly token: string;
  /** Called when main speaks another protocol and this window has not been reloaded for it yet. */
  readonly reload: () => void;
}

export class Link {
  #options: LinkOptions | null = null;
  #client: Client | null = null;
  #state: LinkState = { kind: 'connecting' };
  #watchers = new Set<(state: LinkState) => void>();
  #listeners = new Map<EventName, Set<Listener<EventName>>>();
  #silent = 0;
  #waiting: { resolve: (client: Client) => void; reject: (error: Error) => void }[] = [];

  get state(): LinkState {
    return this.#state;
  }

  /** Calls `see` now and at every change; returns the function that ends it. */
  watch(see: (state: LinkState) => void): () => void {
    this.#watchers.add(see);
    see(this.#state);
    return () => this.#watchers.delete(see);
  }

  start(options: LinkOptions): void {
    this.#options = options;
    void this.#connect(0);
  }

  /** Waits while the connection is being made. Rejects with main's UserError, or with code `closed` when the pipe broke under it. */
  async request<N extends RequestName>(name: N, body: Requests[N]['body'], payload?: Uint8Array): Promise<Answer<N>> {
    const client = this.#client ?? (await new Promise<Client>((resolve, reject) => {
      if (this.#state.kind === 'refused') reject(this.#state.error);
      else this.#waiting.push({ resolve, reject });
    }));
    return client.request(name, body, payload);
  }

  /** Listens across reconnections. Returns the function that ends it. */
  on<N extends EventName>(name: N, listener: Listener<N>): () => void {
    const set = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, set);
    set.add(listener as Listener<EventName>);
    return () => set.delete(listener as Listener<EventName>);
  }

  async #connect(attempt: number): Promise<void> {
    const options = this.#options;
    if (options === null) return;
    let pipe: Pipe;
    try {
      pipe = await options.open();
    } catch {
      setTimeout(() => void this.#connect(attempt + 1), WAITS[Math.min(attempt, WAITS.length - 1)]);
      return;
    }
    // The client listens for the end too; both must hear it.
    const ends: (() => void)[] = [];
    pipe.onClose(() => { for (const end of ends) end(); });
    const client = new Client({ send: (bytes) => pipe.send(bytes), onMessage: (f) => pipe.onMessage(f), onClose: (f) => ends.push(f), close: () => pipe.close() });
    let over = false;
    ends.push(() => {
      over = true;
      if (this.#client === client) this.#client = null;
      if (this.#state.kind === 'refused') return;
      if (this.#state.kind === 'connected') this.#set({ kind: 'reconnecting', since: performance.now() });
      else if (++this.#silent >= SILENT_REFUSALS) {
        this.#refuse(new UserError('token', 'this page does not have the key of the Flamebench that answers here', {
          hint: 'Open the address that Flamebench printed when it started, with everything behind the #.',
        }), pipe, options);
        return;
      }
      setTimeout(() => void this.#connect(attempt + 1), WAITS[Math.min(attempt, WAITS.length - 1)]);
    });
    try {
      const { body: host } = await client.request('hello', { protocol: PROTOCOL_VERSION, token: options.token });
      if (host.protocol !== PROTOCOL_VERSION) throw new UserError('protocol', `this page speaks protocol ${PROTOCOL_VERSION}, Flamebench on ${host.host} speaks ${host.protocol}`);
      sessionStorage.removeItem(RELOADED_KEY);
      attempt = 0;
      this.#silent = 0;
      this.#client = client;
      for (const name of EVENTS) client.on(name, (body, payload) => {
        for (const listener of this.#listeners.get(name) ?? []) listener(body, payload);
      });
      this.#set({ kind: 'connected', host });
      for (const waiting of this.#waiting.splice(0)) waiting.resolve(client);
    } catch (error) {
      if (over) return;
      this.#refuse(error, pipe, options);
    }
  }

  #refuse(error: unknown, pipe: Pipe, options: LinkOptions): void {
    const refused = error instanceof UserError ? error : new UserError('hello', messageOf(error));
    this.#set({ kind: 'refused', error: refused });
    for (const waiting of this.#waiting.splice(0)) waiting.reject(refused);
    pipe.close();
    if (refused.code !== 'protocol' || sessionStorage.getItem(RELOADED_KEY) !== null) return;
    sessionStorage.setItem(RELOADED_KEY, '1');
    options.reload();
  }

  #set(state: LinkState): void {
    this.#state = state;
    for (const see of this.#watchers) see(state);
  }
}

const EVENTS: readonly EventName[] = ['profilesChanged', 'libraryChanged', 'statusChanged', 'terminalData', 'terminalExit'];

/** The window's link; main.ts starts it. */
export const link = new Link();
