// A file of one of V8's profilers: one JSON value, from the tools that wrap it too (`{"profile": {...}}`).
import type { Profile } from '#core/model/profile';
import type { ReadContext } from '#core/read/format';
import type { Json } from '../json.ts';
import { isObject, JsonCollector, parseJson } from '../json.ts';

/** Takes a file piece by piece and says of the profile what every such file says. */
export class V8JsonFile {
  readonly name: string;
  readonly #json = new JsonCollector();

  constructor(profile: Profile, context: ReadContext, format: 'cpuprofile' | 'heapprofile') {
    this.name = context.name;
    profile.info.format = format;
    profile.info.title ||= context.name;
    profile.info.tool = 'V8';
    profile.touch();
  }

  push(chunk: Uint8Array): void {
    this.#json.push(chunk);
  }

  /** The profile in it. Throws UserError where it is no JSON. */
  value(): Json {
    const file = parseJson(this.#json.text(), this.name);
    return isObject(file) && isObject(file['profile']) ? file['profile'] : file;
  }
}
