import { UserError } from '#core/errors';
import type { EventName, RequestName } from './api.ts';

/** What an error looks like on the wire. */
export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly command: string;
}

export type Envelope =
  | { readonly k: 'request'; readonly id: number; readonly name: RequestName; readonly body: unknown }
  | { readonly k: 'answer'; readonly id: number; readonly body: unknown }
  | { readonly k: 'error'; readonly id: number; readonly error: WireError }
  | { readonly k: 'event'; readonly name: EventName; readonly body: unknown };

export interface Message {
  readonly head: Envelope;
  readonly payload: Uint8Array<ArrayBuffer>;
}

export const NO_PAYLOAD = new Uint8Array(0);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** u32 length of the JSON head, the head, padding to 8 bytes, the payload. */
export function encodeMessage(head: Envelope, payload: Uint8Array = NO_PAYLOAD): Uint8Array<ArrayBuffer> {
  const json = encoder.encode(JSON.stringify(head));
  const start = (4 + json.length + 7) & ~7;
  const bytes = new Uint8Array(start + payload.length);
  new DataView(bytes.buffer).setUint32(0, json.length, true);
  bytes.set(json, 4);
  bytes.set(payload, start);
  return bytes;
}

/** Throws UserError on anything that is not a message. */
export function decodeMessage(bytes: Uint8Array<ArrayBuffer>): Message {
  if (bytes.length < 4) throw new UserError('wire', `a message of ${bytes.length} bytes has no head`);
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
  if (4 + length > bytes.length) throw new UserError('wire', `a message of ${bytes.length} bytes claims a head of ${length}`);
  let head: unknown;
  try {
    head = JSON.parse(decoder.decode(bytes.subarray(4, 4 + length)));
  } catch (cause) {
    throw new UserError('wire', 'the head of a message is not JSON', { cause });
  }
  if (!isEnvelope(head)) throw new UserError('wire', 'the head of a message has an unknown form');
  return { head, payload: bytes.subarray(Math.min(bytes.length, (4 + length + 7) & ~7)) };
}

function isEnvelope(head: unknown): head is Envelope {
  if (typeof head !== 'object' || head === null || !('k' in head)) return false;
  switch (head.k) {
    case 'request': return 'id' in head && typeof head.id === 'number' && 'name' in head && typeof head.name === 'string';
    case 'answer': return 'id' in head && typeof head.id === 'number';
    case 'error': return 'id' in head && typeof head.id === 'number' && 'error' in head;
    case 'event': return 'name' in head && typeof head.name === 'string';
    default: return false;
  }
}
