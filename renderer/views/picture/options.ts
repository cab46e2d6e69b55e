// Choices of the picture sheet. Pure.
import type { PictureOptions } from '#core/analyze/view';

export type Size = '16:9' | '4:3' | 'free';

export function sizeOf(picture: Pick<PictureOptions, 'width' | 'height'>): Size {
  if (picture.width === 1920 && picture.height === 1080) return '16:9';
  if (picture.width === 1440 && picture.height === 1080) return '4:3';
  return 'free';
}

/** The units of a size; a free one begins with what was there, a little wider so that it is free. */
export function unitsOf(size: Size, before: Pick<PictureOptions, 'width' | 'height'>): { width: number; height: number } {
  switch (size) {
    case '16:9': return { width: 1920, height: 1080 };
    case '4:3': return { width: 1440, height: 1080 };
    case 'free': return sizeOf(before) === 'free' ? { width: before.width, height: before.height } : { width: 1600, height: 1000 };
  }
}

/** No S: nothing on a slide is below 22 units. */
export type TextSize = 'M' | 'L' | 'XL';
const TEXTS: Readonly<Record<TextSize, number>> = { M: 22, L: 27, XL: 34 };

/** Label size in units. */
export function unitsOfText(size: TextSize): number {
  return TEXTS[size];
}

export function textSizeOf(units: number): TextSize {
  return units < 25 ? 'M' : units < 31 ? 'L' : 'XL';
}

/** A whole number from a field, kept within limits; `before` where it is not one. */
export function within(text: string, least: number, most: number, before: number): number {
  const value = Number(text);
  return Number.isFinite(value) && text.trim() !== '' ? Math.max(least, Math.min(most, Math.round(value))) : before;
}

/** From how far the smallest label can be read on a screen 2 m wide, m: letters of about 3 mm a metre. */
export function legibleFrom(text: number, width: number): number {
  const millimetres = (text / width) * 2000 * 0.727;
  return Math.max(1, Math.floor(millimetres / 2));
}
