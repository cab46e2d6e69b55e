import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UserError } from '#core/errors';
import type { Pipe } from '#core/protocol/pipe';
import { Client, serve } from '#core/protocol/rpc';
import { decodeMessage, encodeMessage } from '#core/protocol/wire';

/** Two ends of one pipe, whole messages in order, as both hosts give. */
export function pipePair(): [Pipe, Pipe] {
  const ends = [0, 1].map(() => ({ receive: [] as ((bytes: Uint8Array<ArrayBuffer>) => void)[], closed: [] as (() => void)[] }));
  const end = (mine: number): Pipe => ({
    send: (bytes) => queueMicrotask(() => ends[1 - mine].receive.forEach((each) => each(bytes.slice()))),
    onMessage: (receive) => void ends[mine].receive.push(receive),
    onClose: (closed) => void ends[mine].closed.push(closed),
    close: () => ends.forEach((each) => each.closed.forEach((closed) => closed())),
  });
  return [end(0), end(1)];
}

describe('messages', () => {
  test('come back as they were, with their bytes aligned', () => {
    fc.assert(fc.property(fc.string(), fc.uint8Array({ maxLength: 100 }), (text, payload) => {
      const { head, payload: back } = decodeMessage(encodeMessage({ k: 'answer', id: 7, body: { text } }, payload));
      expect(head).toEqual({ k: 'answer', id: 7, body: { text } });
      expect([...back]).toEqual([...payload]);
      expect(back.byteOffset % 8).toBe(0);
    }));
  });

  test('anything else is a UserError', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      expect(() => decodeMessage(new Uint8Array(bytes))).toThrow(UserError);
    }));
  });
});

describe('requests', () => {
  test('are answered by name, out of order, with bytes and with errors as they were thrown', async () => {
    const [page, main] = pipePair();
    const slow = Promise.withResolvers<void>();
    serve(main, async (name, _body, payload) => {
      if (name === 'library') await slow.promise;
      if (name === 'open') throw new UserError('gone', 'the file is gone', { hint: 'Look again.', command: 'ls' });
      if (name === 'close') throw new Error('a bug of ours');
      return { body: { name }, payload };
    });
    const client = new Client(page);
    const first = client.request('library', {}, Uint8Array.of(1, 2, 3));
    const second = await client.request('profiles', {});
    expect(second.body).toEqual({ name: 'profiles' });
    slow.resolve();
    expect([...(await first).payload]).toEqual([1, 2, 3]);
    await expect(client.request('open', { source: { kind: 'example' } })).rejects.toMatchObject({ code: 'gone', hint: 'Look again.', command: 'ls' });
    await expect(client.request('close', { profile: 'x' })).rejects.toMatchObject({ code: 'internal', message: 'a bug of ours' });
  });

  test('fail when the pipe closes; events reach who listens', async () => {
    const [page, main] = pipePair();
    const server = serve(main, () => new Promise(() => undefined));
    const client = new Client(page);
    const heard: string[] = [];
    const end = client.on('statusChanged', ({ profile }) => heard.push(profile));
    server.emit('statusChanged', { profile: 'a' });
    await new Promise((next) => setTimeout(next));
    end();
    server.emit('statusChanged', { profile: 'b' });
    const waiting = client.request('profiles', {});
    page.close();
    await expect(waiting).rejects.toThrow('closed');
    expect(heard).toEqual(['a']);
  });
});
