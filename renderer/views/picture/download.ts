// Exports that main makes, handed to the browser as a download.
import type { PictureOptions, ViewValue } from '#core/analyze/view';
import { FIRST_PICTURE } from '#core/analyze/view';
import type { ProfileRef } from '#core/protocol/api';
import { link } from '../../bridge/link.ts';

/** A file that main wrote from the profile. Rejects with main's UserError. */
export async function exported(profile: ProfileRef, format: string, view: ViewValue, picture: PictureOptions = FIRST_PICTURE): Promise<{ name: string; blob: Blob }> {
  // What goes over the pipe is plain JSON: the reactive value is copied.
  const plain = JSON.parse(JSON.stringify({ view, picture })) as { view: ViewValue; picture: PictureOptions };
  const { body, payload } = await link.request('export', { profile, format, ...plain });
  return { name: body.name, blob: new Blob([payload], { type: body.type }) };
}

/** Exports and saves; resolves to the file's name. */
export async function downloadOf(profile: ProfileRef, format: string, view: ViewValue, picture?: PictureOptions): Promise<string> {
  const { name, blob } = await exported(profile, format, view, picture);
  saveBlob(name, blob);
  return name;
}

/** Hands bytes to the browser as a download. */
export function saveBlob(name: string, blob: Blob): void {
  const url = URL.createObjectURL(blob);
  const anchor = document.createElement('a');
  anchor.href = url;
  anchor.download = name;
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  // The download begins in a later task; the address has to last until then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
