import { UserError } from '#core/errors';
import type { Pipe } from '#core/protocol/pipe';

const TOKEN_KEY = 'flamebench.token';

/**
 * The token of this page: from `#token=...` once, then from sessionStorage, so that it is neither in the address bar
 * nor in the history. '' where there is none.
 */
export function takeToken(): string {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (given !== null && given !== '') {
    sessionStorage.setItem(TOKEN_KEY, given);
    history.replaceState(null, '', location.pathname + location.search);
  }
  return sessionStorage.getItem(TOKEN_KEY) ?? '';
}

/** The browser host's pipe: a WebSocket to where the page came from. Rejects when it cannot be opened. */
export function socketPipe(): Promise<Pipe> {
  return new Promise((resolve, reject) => {
    const url = new URL('/socket', location.href);
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    url.hash = '';
    const socket = new WebSocket(url);
    socket.binaryType = 'arraybuffer';
    let closed = () => {};
    socket.addEventListener('open', () => resolve({
      send: (bytes) => socket.send(bytes),
      onMessage: (receive) => socket.addEventListener('message', (event: MessageEvent<unknown>) => {
        if (event.data instanceof ArrayBuffer) receive(new Uint8Array(event.data));
      }),
      onClose: (tell) => { closed = tell; },
      close: () => socket.close(),
    }));
    socket.addEventListener('close', () => {
      reject(new UserError('closed', 'Flamebench does not answer'));
      closed();
    });
  });
}
