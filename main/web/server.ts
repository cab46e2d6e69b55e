import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { UserError } from '#core/errors';
import type { Pipe } from '#core/protocol/pipe';
import { CONTENT_SECURITY_POLICY } from './assets.ts';
import type { Asset } from './assets.ts';
import { socketPipe } from './socket-pipe.ts';

export interface ServerOptions {
  /** 0 = any free port. */
  readonly port: number;
  readonly assets: ReadonlyMap<string, Asset>;
  /** A page connected; `token` is what its first message must carry. */
  readonly attach: (pipe: Pipe, token: string) => void;
}

export interface Server {
  readonly port: number;
  /** With the token in the fragment, which browsers never send to a server. */
  readonly url: string;
  readonly token: string;
  close(): Promise<void>;
}

// The port may be any: `ssh -L 9000:localhost:4774` changes it.
const HOST = /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i;

/** Whether a request may be answered: a loopback name as Host (against DNS rebinding), and for a socket the same Origin. */
export function mayEnter(request: { host: string | undefined; origin: string | undefined }, isSocket: boolean): boolean {
  if (request.host === undefined || !HOST.test(request.host)) return false;
  if (request.origin === undefined) return !isSocket;
  return request.origin.toLowerCase() === `http://${request.host.toLowerCase()}`;
}

/**
 * Serves the page and its socket on 127.0.0.1 and nothing else.
 * Throws UserError where the port is taken.
 */
export async function startServer(options: ServerOptions): Promise<Server> {
  const token = randomBytes(24).toString('base64url');
  const http = createServer((request, response) => answer(request, response, options.assets));
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 64 * 1024 * 1024, perMessageDeflate: false });

  http.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    const allowed = mayEnter({ host: request.headers.host, origin: request.headers.origin }, true);
    if (!allowed || request.url !== '/socket') {
      socket.end(`HTTP/1.1 ${allowed ? '404 Not Found' : '403 Forbidden'}\r\nConnection: close\r\n\r\n`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => options.attach(socketPipe(webSocket), token));
  });

  await new Promise<void>((resolve, reject) => {
    http.once('error', (cause: NodeJS.ErrnoException) => {
      reject(new UserError('port', `port ${options.port} on 127.0.0.1 cannot be used: ${cause.code === 'EADDRINUSE' ? 'another program has it' : cause.message}`,
        { hint: 'Choose another one with --port, or leave it out.', cause }));
    });
    http.listen({ port: options.port, host: '127.0.0.1' }, resolve);
  });
  const { port } = http.address() as AddressInfo;

  return {
    port,
    token,
    url: `http://127.0.0.1:${port}/#token=${token}`,
    close: () => new Promise((resolve) => {
      for (const client of sockets.clients) client.terminate();
      http.close(() => resolve());
      http.closeAllConnections();
    }),
  };
}

function answer(request: IncomingMessage, response: ServerResponse, assets: ReadonlyMap<string, Asset>): void {
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('Referrer-Policy', 'no-referrer');
  response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
  response.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('Content-Security-Policy', CONTENT_SECURITY_POLICY);
  if (!mayEnter({ host: request.headers.host, origin: request.headers.origin }, false)) return end(response, 403, 'This page is served to this machine only.');
  if (request.method !== 'GET' && request.method !== 'HEAD') return end(response, 405, 'GET only.');
  const asset = assets.get((request.url ?? '/').replace(/[?#].*$/, ''));
  if (asset === undefined) return end(response, 404, 'There is nothing here.');
  response.writeHead(200, { 'Content-Type': asset.type, 'Content-Length': asset.body.length });
  response.end(request.method === 'HEAD' ? undefined : asset.body);
}

function end(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(`${text}\n`);
}
