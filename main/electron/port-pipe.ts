import type { MessagePortMain } from 'electron';
import type { Pipe } from '#core/protocol/pipe';

/** A MessagePort as a Pipe. Electron's main can transfer only ports, so bytes are copied. */
export function portPipe(port: MessagePortMain): Pipe {
  return {
    send: (bytes) => port.postMessage(bytes),
    onMessage: (receive) => {
      port.on('message', (event) => {
        const data: unknown = event.data;
        // A page that sends anything but bytes is not ours.
        if (!(data instanceof Uint8Array)) return port.close();
        receive(new Uint8Array(data));
      });
      port.start();
    },
    onClose: (closed) => { port.on('close', closed); },
    close: () => port.close(),
  };
}
