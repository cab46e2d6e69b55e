// A page for tests: a pipe of whole messages in memory, and the client's half of the contract over it.
import type { Pipe } from '#core/protocol/pipe';
import { Client } from '#core/protocol/rpc';
import { startCursor, applyDelta } from '#core/model/delta';
import { Profile } from '#core/model/profile';
import { PROTOCOL_VERSION } from '#core/protocol/api';
import type { ProfileStatus } from '#core/protocol/api';
import type { Workbench } from '../../../main/app/workbench.ts';

export interface PipePair { readonly page: Pipe; readonly server: Pipe; readonly closed: () => boolean }

export function pipePair(): PipePair {
  let closed = false;
  const closers: (() => void)[] = [];
  const receivers: [((bytes: Uint8Array<ArrayBuffer>) => void)[], ((bytes: Uint8Array<ArrayBuffer>) => void)[]] = [[], []];
  const close = () => {
    if (closed) return;
    closed = true;
    for (const closer of closers) closer();
  };
  const end = (mine: 0 | 1): Pipe => ({
    send: (bytes) => {
      const copy = new Uint8Array(bytes);
      setImmediate(() => { if (!closed) for (const receive of receivers[mine === 0 ? 1 : 0]) receive(copy); });
    },
    onMessage: (receive) => receivers[mine].push(receive),
    onClose: (closer) => closers.push(closer),
    close,
  });
  return { page: end(0), server: end(1), closed: () => closed };
}

/** A page that said hello. */
export async function openPage(workbench: Workbench, token = ''): Promise<{ client: Client; close: () => void }> {
  const pair = pipePair();
  const client = new Client(pair.page);
  workbench.attach(pair.server, { token });
  await client.request('hello', { protocol: PROTOCOL_VERSION, token });
  return { client, close: () => pair.page.close() };
}

/** Pulls until nothing more comes and `until` says that it is enough. */
export async function pull(client: Client, profile: string, until: (status: ProfileStatus, into: Profile) => boolean): Promise<{ profile: Profile; status: ProfileStatus }> {
  const into = new Profile();
  let cursor = startCursor();
  for (let turns = 0; turns < 1200; turns++) {
    const { body, payload } = await client.request('since', { profile, cursor });
    applyDelta(into, payload);
    cursor = body.cursor;
    if (body.complete && until(body.status, into)) return { profile: into, status: body.status };
    if (body.complete) await new Promise((next) => setTimeout(next, 50));
  }
  throw new Error('the profile never became what was waited for');
}

export const ENDED = (status: ProfileStatus): boolean => status.phase === 'done' || status.phase === 'failed';
