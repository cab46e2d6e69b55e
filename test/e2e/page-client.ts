// A page without a browser: the protocol over a WebSocket, with the Origin that a browser would send.
import { WebSocket } from 'ws';
import type { Cursor } from '#core/model/delta';
import { applyDelta, startCursor } from '#core/model/delta';
import { Profile } from '#core/model/profile';
import type { ProfileStatus } from '#core/protocol/api';
import { PROTOCOL_VERSION } from '#core/protocol/api';
import type { Pipe } from '#core/protocol/pipe';
import { Client } from '#core/protocol/rpc';

export class PageClient {
  readonly client: Client;
  readonly closed: Promise<void>;
  readonly #socket: WebSocket;

  private constructor(socket: WebSocket, client: Client, closed: Promise<void>) {
    this.#socket = socket;
    this.client = client;
    this.closed = closed;
  }

  /** Connects to the URL that `serve` printed and says hello; `token` stands in for the URL's own. */
  static async open(url: string, token = new URL(url).hash.replace('#token=', '')): Promise<PageClient> {
    const { host } = new URL(url);
    const socket = new WebSocket(`ws://${host}/socket`, { origin: `http://${host}` });
    socket.binaryType = 'nodebuffer';
    const closed = new Promise<void>((resolve) => { socket.on('close', () => resolve()); });
    await new Promise<void>((ready, fail) => { socket.once('open', () => ready()); socket.once('error', fail); });
    const pipe: Pipe = {
      send: (bytes) => socket.send(bytes),
      onMessage: (receive) => { socket.on('message', (data: Buffer) => receive(new Uint8Array(data))); },
      onClose: (told) => { socket.on('close', told); },
      close: () => socket.close(),
    };
    const page = new PageClient(socket, new Client(pipe), closed);
    await page.client.request('hello', { protocol: PROTOCOL_VERSION, token });
    return page;
  }

  async close(): Promise<void> {
    this.#socket.close();
    await this.closed;
  }
}

/** What one page has of a profile: asks for rows until `enough`. */
export class Following {
  readonly profile = new Profile();
  cursor: Cursor = startCursor();
  readonly #page: PageClient;
  readonly #id: string;

  constructor(page: PageClient, id: string) {
    this.#page = page;
    this.#id = id;
  }

  get samples(): number {
    return this.profile.lanes.reduce((sum, lane) => sum + lane.samples, 0);
  }

  async pull(): Promise<ProfileStatus> {
    for (;;) {
      const { body, payload } = await this.#page.client.request('since', { profile: this.#id, cursor: this.cursor });
      applyDelta(this.profile, payload);
      this.cursor = body.cursor;
      if (body.complete) return body.status;
      await pause(20);
    }
  }

  async until(enough: (status: ProfileStatus) => boolean): Promise<ProfileStatus> {
    for (;;) {
      const status = await this.pull();
      if (enough(status)) return status;
      await pause(100);
    }
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((next) => { setTimeout(next, ms); });
}
