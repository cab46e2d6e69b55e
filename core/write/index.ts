// The list of exports: a new one is one file and one line here.
import type { PictureOptions, ViewValue } from '#core/analyze/view';
import type { Profile } from '#core/model/profile';
import { foldedLines } from './folded.ts';
import { speedscopeJson } from './speedscope.ts';
import { svg } from './svg.ts';

/** A file made from what a tab shows. Pictures as PNG are main's: they need a library. */
export interface Export {
  readonly id: string;
  /** Ending of the file's name, with the dot. */
  readonly extension: string;
  /** For people: `Folded stacks`. */
  readonly title: string;
  /** MIME type. */
  readonly type: string;
  /** The file in chunks. Throws UserError where the view has nothing to write. */
  write(profile: Profile, view: ViewValue, picture: PictureOptions): Iterable<Uint8Array>;
}

export const folded: Export = {
  id: 'folded', extension: '.folded', title: 'Folded stacks', type: 'text/plain', write: foldedLines,
};

export const speedscope: Export = {
  id: 'speedscope', extension: '.speedscope.json', title: 'speedscope', type: 'application/json', write: speedscopeJson,
};

export const EXPORTS: readonly Export[] = [folded, speedscope, svg];
