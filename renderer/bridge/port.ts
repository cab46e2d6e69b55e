import type { Pipe } from '#core/protocol/pipe';

/**
 * The desktop host's pipe: the preload posts `{ flamebench: 'port' }` with one MessagePort to its own window. The page
 * first posts `{ flamebench: 'ready' }`, so that a preload that is earlier than the page can wait for it.
 */
export function portPipe(): Promise<Pipe> {
  return new Promise((resolve) => {
    window.addEventListener('message', function take(event: MessageEvent<unknown>) {
      // Frames and other windows may post messages too: only this very window is believed.
      if (event.source !== window || !isPortMessage(event.data) || event.ports.length !== 1) return;
      window.removeEventListener('message', take);
      resolve(pipeOf(event.ports[0]));
    });
    window.postMessage({ flamebench: 'ready' }, location.origin === 'null' ? '*' : location.origin);
  });
}

function isPortMessage(data: unknown): boolean {
  return typeof data === 'object' && data !== null && 'flamebench' in data && data.flamebench === 'port';
}

function pipeOf(port: MessagePort): Pipe {
  let closed = () => {};
  port.addEventListener('close', () => closed());
  return {
    send: (bytes) => port.postMessage(bytes),
    onMessage: (receive) => {
      port.addEventListener('message', (event: MessageEvent<unknown>) => {
        const data = event.data;
        if (data instanceof Uint8Array && data.buffer instanceof ArrayBuffer) receive(data as Uint8Array<ArrayBuffer>);
        else if (data instanceof ArrayBuffer) receive(new Uint8Array(data));
      });
      port.start();
    },
    onClose: (tell) => { closed = tell; },
    close: () => port.close(),
  };
}
