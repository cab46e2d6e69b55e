// Pictures and files of a profile, made in the thread that owns it.
import { UserError } from '#core/errors';
import type { Profile } from '#core/model/profile';
import { EXPORTS } from '#core/write/index';
import { renderPng } from '../export/png.ts';
import type { ExportAsk } from './messages.ts';

/** One export as bytes, with a file name from the profile's title. Throws UserError where the format is unknown or the view has nothing to write. */
export async function exportProfile(profile: Profile, ask: ExportAsk): Promise<{ name: string; type: string; bytes: Uint8Array }> {
  const title = fileName(profile.info.title);
  if (ask.format === 'png') return { name: `${title}.png`, type: 'image/png', bytes: own(await renderPng(profile, ask.view, ask.picture)) };
  const found = EXPORTS.find((entry) => entry.id === ask.format);
  if (found === undefined) throw new UserError('export', `there is no export of the kind ${ask.format}`, { hint: `There are: ${[...EXPORTS.map((entry) => entry.id), 'png', 'flamebench'].join(', ')}.` });
  return { name: `${title}${found.extension}`, type: found.type, bytes: own(Buffer.concat([...found.write(profile, ask.view, ask.picture)])) };
}

// Memory of sharp's or of Node's pool cannot be handed to another thread.
function own(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

/** A title as the start of a file name. */
export function fileName(title: string): string {
  const name = title.replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^[-.]+|[-.]+$/g, '').slice(0, 80);
  return name === '' ? 'flamebench' : name;
}
