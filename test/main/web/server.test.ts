import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { Pipe } from '#core/protocol/pipe';
import { mayEnter, startServer } from '../../../main/web/server.ts';
import type { Server } from '../../../main/web/server.ts';

const attached: { pipe: Pipe; token: string }[] = [];
let server: Server;

beforeAll(async () => {
  const page = { body: Buffer.from('<!doctype html><title>page</title>'), type: 'text/html; charset=utf-8' };
  server = await startServer({
    port: 0,
    assets: new Map([['/', page], ['/index.html', page]]),
    attach: (pipe, token) => {
      attached.push({ pipe, token });
      pipe.onMessage((bytes) => pipe.send(bytes));
    },
  });
});
afterAll(() => server.close());

function get(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<{ status: number; headers: Record<string, unknown>; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: server.port, path, method, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk; });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    });
    sent.on('error', reject).end();
  });
}

/** Resolves with 'open', or with the HTTP status that refused the socket. */
function knock(path: string, headers: Record<string, string>): Promise<'open' | number> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}${path}`, { headers });
    socket.on('open', () => { resolve('open'); socket.close(); });
    socket.on('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0));
    socket.on('error', () => undefined);
  });
}

describe('the browser host', () => {
  test('serves the page under a strict policy and nothing else', async () => {
    const page = await get('/');
    expect(page.status).toBe(200);
    expect(String(page.headers['content-security-policy'])).toContain("default-src 'none'");
    expect(String(page.headers['content-security-policy'])).toContain("script-src 'self'");
    expect(page.headers['set-cookie']).toBeUndefined();
    for (const path of ['/../package.json', '/%2e%2e/package.json', '/etc/passwd', '/index.html/..', '//etc/passwd', '/socket']) {
      expect((await get(path)).status, path).toBe(404);
    }
    expect((await get('/', {}, 'POST')).status).toBe(405);
  });

  test('answers loopback names with any port, and no other host', async () => {
    for (const host of ['localhost', 'localhost:9000', '127.0.0.1:80', '[::1]:4774']) expect((await get('/', { Host: host })).status, host).toBe(200);
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:80', '192.168.1.2', 'localhost:99999999']) {
      expect((await get('/', { Host: host })).status, host).toBe(403);
    }
  });

  test('opens a socket only to a page of its own origin', async () => {
    const host = `127.0.0.1:${server.port}`;
    expect(await knock('/socket', { Origin: `http://${host}` })).toBe('open');
    expect(await knock('/socket', { Host: 'localhost:9000', Origin: 'http://localhost:9000' })).toBe('open');
    expect(await knock('/socket', {})).toBe(403);
    expect(await knock('/socket', { Origin: 'http://evil.example' })).toBe(403);
    expect(await knock('/socket', { Origin: 'null' })).toBe(403);
    expect(await knock('/socket', { Origin: `https://${host}` })).toBe(403);
    expect(await knock('/socket', { Host: 'evil.example', Origin: 'http://evil.example' })).toBe(403);
    expect(await knock('/other', { Origin: `http://${host}` })).toBe(404);
    expect(mayEnter({ host: undefined, origin: undefined }, false)).toBe(false);
  });

  test('carries the same bytes both ways, and no text', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/socket`, { headers: { Origin: `http://127.0.0.1:${server.port}` } });
    await new Promise((resolve) => socket.on('open', resolve));
    const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7) & 255);
    const back = new Promise<Buffer>((resolve) => socket.once('message', (data) => resolve(data as Buffer)));
    socket.send(bytes);
    expect(new Uint8Array(await back)).toEqual(bytes);
    const closed = new Promise<number>((resolve) => socket.on('close', resolve));
    socket.send('text');
    expect(await closed).toBe(1003);
    expect(attached.at(-1)?.token).toBe(server.token);
    expect(server.token.length).toBeGreaterThanOrEqual(32);
    expect(server.url).toBe(`http://127.0.0.1:${server.port}/#token=${server.token}`);
  });

  test('says plainly that a port is taken', async () => {
    await expect(startServer({ port: server.port, assets: new Map(), attach: () => undefined })).rejects.toThrow(/port \d+ on 127\.0\.0\.1 cannot be used: another program has it/);
  });
});
