import { beforeEach, expect, test, vi } from 'vitest';
import type { HostFacts } from '#core/protocol/api';
import { PROTOCOL_VERSION } from '#core/protocol/api';
import type { Pipe } from '#core/protocol/pipe';
import { serve } from '#core/protocol/rpc';
import { NO_PAYLOAD } from '#core/protocol/wire';
import { UserError } from '#core/errors';
import { Link } from '../../../renderer/bridge/link.ts';

const HOST: HostFacts = {
  protocol: PROTOCOL_VERSION, version: '0', host: 'h', kernel: '6', cpus: 2, gpus: [], user: 'u', home: '/home/u', desktop: false, example: null,
};

/** Two ends of one pipe; messages arrive in the next turn, as they do over a socket. */
function pipePair(): [Pipe, Pipe] {
  const ends = [0, 1].map(() => ({ receive: (_: Uint8Array<ArrayBuffer>) => {}, closed: [] as (() => void)[] }));
  const close = () => { for (const end of ends) for (const tell of end.closed.splice(0)) tell(); };
  const pipe = (me: number): Pipe => ({
    send: (bytes) => { setTimeout(() => ends[1 - me].receive(bytes)); },
    onMessage: (receive) => { ends[me].receive = receive; },
    onClose: (tell) => { ends[me].closed.push(tell); },
    close,
  });
  return [pipe(0), pipe(1)];
}

/** A main that answers `hello` with `host` and `library` with nothing; `tokens` are those that pages sent. */
function main(host: () => HostFacts | UserError) {
  const state = { tokens: [] as string[], servers: [] as { pipe: Pipe; emit: ReturnType<typeof serve>['emit'] }[] };
  const open = async (): Promise<Pipe> => {
    const [page, server] = pipePair();
    const { emit } = serve(server, async (name, body) => {
      if (name === 'hello') {
        state.tokens.push((body as { token: string }).token);
        const answer = host();
        if (answer instanceof UserError) throw answer;
        return { body: answer, payload: NO_PAYLOAD };
      }
      return { body: { recordings: [] }, payload: NO_PAYLOAD };
    });
    state.servers.push({ pipe: server, emit });
    return page;
  };
  return { state, open };
}

const stored = new Map<string, string>();
beforeEach(() => {
  stored.clear();
  vi.stubGlobal('sessionStorage', {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, value: string) => void stored.set(key, value),
    removeItem: (key: string) => void stored.delete(key),
  });
});

test('says hello with the token, and what was asked before it was connected is answered', async () => {
  const { state, open } = main(() => HOST);
  const link = new Link();
  const early = link.request('library', {});
  link.start({ open, token: 'secret', reload: () => {} });
  expect((await early).body).toEqual({ recordings: [] });
  expect(state.tokens).toEqual(['secret']);
  expect(link.state).toEqual({ kind: 'connected', host: HOST });
});

test('a broken pipe is opened again; listeners stay; a request under way is told', async () => {
  const { state, open } = main(() => HOST);
  const link = new Link();
  link.start({ open, token: '', reload: () => {} });
  let changes = 0;
  link.on('libraryChanged', () => { changes++; });
  await link.request('library', {});
  const lost = link.request('library', {});
  state.servers[0].pipe.close();
  await expect(lost).rejects.toMatchObject({ code: 'closed' });
  expect(link.state.kind).toBe('reconnecting');
  await link.request('library', {});
  expect(link.state.kind).toBe('connected');
  state.servers[1].emit('libraryChanged', {});
  await vi.waitFor(() => expect(changes).toBe(1));
});

test('goes on trying while nobody answers', async () => {
  const { open } = main(() => HOST);
  let tries = 0;
  const link = new Link();
  link.start({ open: () => (++tries < 3 ? Promise.reject(new Error('no')) : open()), token: '', reload: () => {} });
  await link.request('library', {});
  expect(tries).toBe(3);
});

test('another protocol reloads the window once, then says so', async () => {
  const { open } = main(() => ({ ...HOST, protocol: 99 }));
  let reloads = 0;
  for (let i = 0; i < 2; i++) {
    const link = new Link();
    link.start({ open, token: '', reload: () => { reloads++; } });
    await expect(link.request('library', {})).rejects.toMatchObject({ code: 'protocol' });
    expect(link.state.kind).toBe('refused');
  }
  expect(reloads).toBe(1);
});

test('a main that hangs up on hello is asked three times and not for ever', async () => {
  let tries = 0;
  const link = new Link();
  link.start({
    open: async () => {
      tries++;
      const [page, server] = pipePair();
      server.onMessage(() => server.close());
      return page;
    },
    token: 'old', reload: () => {},
  });
  await expect(link.request('library', {})).rejects.toMatchObject({ code: 'token' });
  expect(tries).toBe(3);
});

test('a wrong token is not tried again', async () => {
  const { state, open } = main(() => new UserError('token', 'the token is wrong'));
  const link = new Link();
  link.start({ open, token: 'x', reload: () => {} });
  await expect(link.request('library', {})).rejects.toMatchObject({ code: 'token' });
  await expect(link.request('library', {})).rejects.toMatchObject({ code: 'token' });
  expect(state.tokens.length).toBe(1);
});
