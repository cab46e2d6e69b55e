import type { FunctionId } from '#core/model/ids';
import type { FunctionTable } from '#core/model/tables';
import { ADVANCES } from './advances.ts';

export type Weight = 400 | 500 | 600;

/** A box's text: the name, and the place after it ('' for none). `nameWidth` is the name's width, where the place may begin. */
export interface Label {
  readonly name: string;
  readonly place: string;
  readonly nameWidth: number;
}

/** No label in less room than this, at 11 px text; it grows with the text. */
const LEAST_ROOM = 22 / 11;
/** Between name and place, in parts of the text size: 7 px at 11 px text. */
export const PLACE_GAP = 7 / 11;
const ELLIPSIS = '…';
const LEAST_LETTERS = 3;

const ASCII_END = 128;
const ascii = new Map<Weight, Float64Array>();
const others = new Map<Weight, Map<number, number>>();

function load(weight: Weight): void {
  const low = new Float64Array(ASCII_END);
  const high = new Map<number, number>();
  for (const [first, widths] of ADVANCES[weight]) {
    widths.split(' ').forEach((width, i) => {
      if (first + i < ASCII_END) low[first + i] = Number(width);
      else high.set(first + i, Number(width));
    });
  }
  ascii.set(weight, low);
  others.set(weight, high);
}

/** Width of a text in Inter, in the unit of `size`. Kerning is not counted: it makes text a little narrower. */
export function textWidth(text: string, size: number, weight: Weight = 400): number {
  let low = ascii.get(weight);
  if (low === undefined) {
    load(weight);
    low = ascii.get(weight) ?? new Float64Array(ASCII_END);
  }
  let sum = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < ASCII_END) sum += low[code];
    else if (code < 0xdc00 || code >= 0xe000) sum += otherWidth(code, weight);
  }
  return (sum * size) / 1000;
}

// Scripts that Inter has not come from another font: wide ones take an em, the rest about what a letter takes.
function otherWidth(code: number, weight: Weight): number {
  const known = others.get(weight)?.get(code);
  if (known !== undefined) return known;
  const wide = (code >= 0x1100 && code <= 0x11ff) || (code >= 0x2e80 && code <= 0xd7ff) || (code >= 0xd800 && code < 0xdc00) || (code >= 0xf900 && code <= 0xffef);
  return wide ? 1000 : 640;
}

/**
 * The label of a box: the first that fits of name and place, name, for `a::b<T>::c` "…c", and the name cut at its end with
 * at least three letters left; null where nothing fits. `room` is the box's width less its padding (4 in, 3 spare), in the
 * unit of `size`; there is no label in less than 22 px of room at 11 px.
 */
export function labelFor(name: string, place: string, room: number, size: number, weight: Weight = 400): Label | null {
  if (room < LEAST_ROOM * size) return null;
  const nameWidth = textWidth(name, size, weight);
  if (nameWidth <= room) {
    if (place !== '' && nameWidth + (PLACE_GAP * size) + textWidth(place, size) <= room) return { name, place, nameWidth };
    return { name, place: '', nameWidth };
  }
  let shown = name;
  const last = lastPart(name);
  if (last !== name) {
    shown = ELLIPSIS + last;
    const width = textWidth(shown, size, weight);
    if (width <= room) return { name: shown, place: '', nameWidth: width };
    // Cut at both ends it would say least where it is longest: the last part says more than the namespace.
    shown = last;
  }
  const cut = cutToFit(shown, room, size, weight);
  return cut === null ? null : { name: cut, place: '', nameWidth: textWidth(cut, size, weight) };
}

/** The longest beginning that fits with "…", null where fewer than three letters would be left. */
export function cutToFit(text: string, room: number, size: number, weight: Weight = 400): string | null {
  if (textWidth(text, size, weight) <= room) return text;
  const spare = room - textWidth(ELLIPSIS, size, weight);
  let sum = 0;
  let end = 0;
  while (end < text.length) {
    const step = isHighHalf(text, end) ? 2 : 1;
    const width = textWidth(text.slice(end, end + step), size, weight);
    if (sum + width > spare) break;
    sum += width;
    end += step;
  }
  return end < LEAST_LETTERS ? null : text.slice(0, end) + ELLIPSIS;
}

function isHighHalf(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0xd800 && code < 0xdc00;
}

/** What stands after the last `::` that is not inside `<>` or `()`: `c` of `a::b<x::y>::c(d::e)`; the text itself where there is none. */
export function lastPart(name: string): string {
  let depth = 0;
  let at = 0;
  for (let i = 0; i < name.length; i++) {
    const char = name[i];
    if (char === '<' || char === '(' || char === '[' || char === '{') depth++;
    else if ((char === '>' && name[i - 1] !== '-') || char === ')' || char === ']' || char === '}') depth--;
    else if (depth === 0 && char === ':' && name[i + 1] === ':') at = i + 2;
    // What follows `operator` may be a lone bracket.
    else if (depth === 0 && name.startsWith('operator', i) && (i === 0 || name[i - 1] === ':')) break;
  }
  return at > 0 && at < name.length ? name.slice(at) : name;
}

/**
 * A CUDA kernel's name for a label: without `void`, arguments and repeated namespaces.
 * `void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<int>, at::detail::Array<char*, 1>>(int, ...)` becomes
 * `at::native::vectorized_elementwise_kernel<4, FillFunctor<int>, detail::Array<char*, 1>>`.
 */
export function kernelName(name: string): string {
  let text = name.startsWith('void ') ? name.slice(5) : name;
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '<') depth++;
    else if (char === '>' && text[i - 1] !== '-') depth--;
    else if (char === '(' && depth === 0 && i > 0 && !text.startsWith('(anonymous namespace)', i)) {
      text = text.slice(0, i).trimEnd();
      break;
    }
  }
  text = text.replaceAll('(anonymous namespace)::', '');
  const open = text.indexOf('<');
  const head = open < 0 ? text : text.slice(0, open);
  const spaces = head.split('::').slice(0, -1);
  if (open < 0 || spaces.length === 0) return text;
  let rest = text.slice(open);
  // The longest prefix first: `at::native::` before `at::`.
  for (let parts = spaces.length; parts > 0; parts--) {
    const prefix = `${spaces.slice(0, parts).join('::')}::`;
    const escaped = prefix.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
    rest = rest.replace(new RegExp(`(?<![\\w:])${escaped}`, 'g'), '');
  }
  return head + rest;
}

/** The place of a frame: the file's last part with the line. '' where no file is known. */
export function placeText(file: string, line: number): string {
  if (file === '') return '';
  const base = file.slice(file.lastIndexOf('/') + 1);
  return line > 0 ? `${base}:${line}` : base;
}

/** What a box is called before it is cut to its room: kernels without `void` and arguments. */
export function displayName(functions: FunctionTable, fn: FunctionId): string {
  const name = functions.nameOf(fn);
  return functions.kindOf(fn) === 'cuda' ? kernelName(name) : name;
}
