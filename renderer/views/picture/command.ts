// The command line that makes the same picture. Pure.
import type { PictureOptions, ViewValue } from '#core/analyze/view';
import { FIRST_PICTURE, FIRST_VIEW } from '#core/analyze/view';

/**
 * `flamebench convert FILE -o OUT ...` for a view. What the short options can say is said by them; the rest (threads,
 * transforms, zoom, a lane among others of its kind) goes as `--view`, callouts as `--picture`. `alone` is false where the
 * lane's kind does not name it.
 */
export function convertCommand(file: string, out: string, view: ViewValue, picture: PictureOptions, alone = true): string {
  const words = ['flamebench', 'convert', quoted(file), '-o', quoted(out)];
  const quad = view.panes !== undefined && view.panes.length > 1;
  if (view.lane !== null && alone && !quad) words.push('--lane', view.lane.kind);
  const { ranges, threads, without, processes, transforms, stacks, during, moment } = view.selection;
  const one = ranges !== null && ranges.length === 1 ? ranges[0] : null;
  if (one !== null) words.push('--from', seconds(one[0]), '--to', seconds(one[1]));
  if (view.search !== '') words.push('--search', quoted(view.search));
  if (view.inverted && !quad) words.push('--invert');
  if (picture.title !== '') words.push('--title', quoted(picture.title));
  if (picture.subtitle !== '') words.push('--subtitle', quoted(picture.subtitle));
  if (picture.width !== FIRST_PICTURE.width) words.push('--width', String(picture.width));
  if (picture.height !== FIRST_PICTURE.height) words.push('--height', String(picture.height));
  if (!/\.svg$/.test(out)) words.push('--scale', String(picture.scale));
  if (picture.theme !== 'light') words.push('--theme', picture.theme);
  if (!picture.legend) words.push('--no-legend');
  if (!picture.caption) words.push('--no-caption');
  if (picture.text !== FIRST_PICTURE.text) words.push('--text', String(picture.text));
  if (picture.depth !== FIRST_PICTURE.depth) words.push('--depth', String(picture.depth));
  if (picture.callouts.length > 0 && !quad) words.push('--picture', quoted(JSON.stringify({ callouts: picture.callouts })));
  const rest: Partial<Record<keyof ViewValue, unknown>> = {};
  if (threads !== null || without !== undefined || processes !== null || transforms.length > 0 || stacks !== undefined || during !== undefined || moment !== undefined || (ranges !== null && one === null)) rest.selection = view.selection;
  if (view.zoom.length > 0 && !quad) rest.zoom = view.zoom;
  if (view.order !== FIRST_VIEW.order) rest.order = view.order;
  if (!view.rootOnTop) rest.rootOnTop = false;
  if (quad) Object.assign(rest, { panes: view.panes, focus: view.focus ?? 0 });
  if (view.lane !== null && !alone && !quad) rest.lane = view.lane;
  if (Object.keys(rest).length > 0) words.push('--view', quoted(JSON.stringify(rest)));
  return words.join(' ');
}

/** Seconds with as many digits as are needed, at most nanoseconds. */
function seconds(ns: number): string {
  return (ns / 1e9).toFixed(9).replace(/0+$/, '').replace(/\.$/, '');
}

/** A word of a shell's command line. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** A name for a file from a title: letters, digits and dashes. */
export function fileName(title: string, ending: string): string {
  const base = title.replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^-+|-+$/g, '').slice(0, 60);
  return `${base === '' ? 'picture' : base}${ending}`;
}
