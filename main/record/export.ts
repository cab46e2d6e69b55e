// Pictures and files of a profile, made in the thread that owns it.
import { UserError } from '#core/errors';
import type { Profile } from '#core/model/profile';
import type { ExportAsk } from './messages.ts';

/** One export as bytes, with a file name from the profile's title. Throws UserError where the format is unknown or the picture cannot be drawn. */
export async function exportProfile(profile: Profile, ask: ExportAsk): Promise<{ name: string; type: string; bytes: Uint8Array }> {
  const title = fileName(profile.info.title);
  if (ask.format === 'png') {
    const { renderPng } = await import(name('../export/png.ts')) as { renderPng: (profile: Profile, view: unknown, picture: unknown) => Promise<Uint8Array> };
    return { name: `${title}.png`, type: 'image/png', bytes: await renderPng(profile, ask.view, ask.picture) };
  }
  void UserError;
  throw new UserError('export', `there is no export of the kind ${ask.format}`);
}

/** A title as the start of a file name. */
export function fileName(title: string): string {
  const name = title.replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^[-.]+|[-.]+$/g, '').slice(0, 80);
  return name === '' ? 'flamebench' : name;
}
function name(specifier: string): string {
  return specifier;
}
