// JSON that comes in chunks. The text is kept whole: only for formats whose files stay small enough for that.
import { UserError } from '#core/errors';

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject { readonly [key: string]: Json | undefined }

/** Above this a text would not fit into one string. */
const MOST_BYTES = 500_000_000;

export class JsonCollector {
  #decoder = new TextDecoder('utf-8');
  #text: string[] = [];
  #bytes = 0;

  push(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    if (this.#bytes > MOST_BYTES) throw new UserError('too-large', `JSON of more than ${MOST_BYTES / 1e6} MB cannot be read in this format`);
    this.#text.push(this.#decoder.decode(chunk, { stream: true }));
  }

  /** The text with everything that came. */
  text(): string {
    this.#text.push(this.#decoder.decode());
    const text = this.#text.join('');
    this.#text = [text];
    return text;
  }
}

/** The value of a whole text. Throws UserError with the place where it is damaged. */
export function parseJson(text: string, name: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    const place = /position (\d+)/.exec(error instanceof Error ? error.message : '');
    const at = place === null ? text.length : Number(place[1]);
    const line = countLines(text, at);
    throw new UserError('damaged-json', `${name} is no whole JSON: it breaks off or is damaged at character ${at} (line ${line}) of ${text.length}`, {
      hint: 'Was the file copied whole?', cause: error,
    });
  }
}

function countLines(text: string, to: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < to; at = text.indexOf('\n', at + 1)) line++;
  return line;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function asArray(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : [];
}

export function asText(value: Json | undefined): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';
}

/** A finite number, also from text (`"123"`), else the fallback. */
export function asNumber(value: Json | undefined, fallback: number): number {
  const number = typeof value === 'number' ? value : typeof value === 'string' && value.trim() !== '' ? Number(value) : NaN;
  return Number.isFinite(number) ? number : fallback;
}
