// A stream of windows on disk: for each u32 length of the facts, the facts as JSON, u32 length of the bytes, the bytes.
import { UserError, messageOf } from '#core/errors';
import type { WindowFacts } from '../profilers/profiler.ts';

export function encodeWindow(window: WindowFacts, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const json = new TextEncoder().encode(JSON.stringify(window));
  const out = new Uint8Array(8 + json.length + bytes.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, json.length, true);
  out.set(json, 4);
  view.setUint32(4 + json.length, bytes.length, true);
  out.set(bytes, 8 + json.length);
  return out;
}

/** Cuts windows out of bytes that come in pieces. */
export class WindowReader {
  #rest: Uint8Array = new Uint8Array(0);
  #onWindow: (window: WindowFacts, bytes: Uint8Array) => void;

  constructor(onWindow: (window: WindowFacts, bytes: Uint8Array) => void) {
    this.#onWindow = onWindow;
  }

  /** Throws UserError where the bytes are no windows. */
  push(bytes: Uint8Array): void {
    let rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    for (;;) {
      if (rest.length < 8) break;
      const view = new DataView(rest.buffer, rest.byteOffset, rest.byteLength);
      const json = view.getUint32(0, true);
      if (rest.length < 8 + json) break;
      const length = view.getUint32(4 + json, true);
      if (rest.length < 8 + json + length) break;
      this.#onWindow(facts(rest.subarray(4, 4 + json)), rest.subarray(8 + json, 8 + json + length));
      rest = rest.subarray(8 + json + length);
    }
    this.#rest = rest.slice();
  }

  /** Bytes of a window that was cut. */
  get left(): number {
    return this.#rest.length;
  }
}

function facts(bytes: Uint8Array): WindowFacts {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as WindowFacts;
  } catch (cause) {
    throw new UserError('windows', `a stream of windows is damaged: ${messageOf(cause)}`, { cause });
  }
}
