/** Whole messages in order between a page and main: a MessagePort or a WebSocket, the same bytes on both. */
export interface Pipe {
  send(bytes: Uint8Array<ArrayBuffer>): void;
  onMessage(receive: (bytes: Uint8Array<ArrayBuffer>) => void): void;
  onClose(closed: () => void): void;
  close(): void;
}
