import type { WebSocket } from 'ws';
import type { Pipe } from '#core/protocol/pipe';

/** A WebSocket as a Pipe. A text message or a fragment that is not binary closes it: our pages send bytes only. */
export function socketPipe(socket: WebSocket): Pipe {
  return {
    send: (bytes) => socket.send(bytes),
    onMessage: (receive) => {
      socket.on('message', (data, isBinary) => {
        if (!isBinary) return socket.close(1003, 'binary messages only');
        const buffer = Array.isArray(data) ? Buffer.concat(data) : data instanceof ArrayBuffer ? Buffer.from(data) : data;
        // ws reuses nothing of the buffer it hands out, so a copy is needed only to align it to 8 bytes.
        receive(new Uint8Array(buffer));
      });
    },
    onClose: (closed) => {
      socket.on('close', closed);
      // An error is always followed by close; without a listener it would end the process.
      socket.on('error', () => undefined);
    },
    close: () => socket.close(),
  };
}
