import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Theme } from '#core/analyze/colour';
import { COLOUR_KINDS, REASONS, channels, colourOf, differenceColour, fnv1a32, foldColour, kindColour, labelColour, mix, oklchHex, reasonColour } from '#core/analyze/colour';
import { FUNCTION_KINDS } from '#core/model/tables';

test('the palette has the colours of its table', () => {
  const hexes = (theme: Theme): Record<string, string> => Object.fromEntries(COLOUR_KINDS.map((kind) => [kind, kindColour(kind, theme)]));
  expect(hexes('light')).toEqual({
    python: '#a6d0f3', native: '#f4bc8f', kernel: '#d98365', rust: '#ce8591', cuda: '#a9efc6', 'gpu-copy': '#7ebeb6', javascript: '#d8b644', java: '#ad91ce', unknown: '#e3e6ec',
  });
  expect(hexes('dark')).toEqual({
    python: '#2b5293', native: '#87561d', kernel: '#7b4737', rust: '#5f292a', cuda: '#326e4e', 'gpu-copy': '#34615e', javascript: '#4a420d', java: '#77597e', unknown: '#3b3f44',
  });
});

test('a colour is the formula: hue by library, lightness by function, chroma by owner', () => {
  const library = 'libjpeg.so.62';
  const fn = 'decode_mcu_fast';
  const h = 60 + ((fnv1a32(library) % 9) - 4) * 1.5;
  const l = 0.835 + ((fnv1a32(fn) % 7) - 3) * 0.008;
  expect(colourOf('native', library, fn, false, 'light')).toBe(oklchHex(l, 0.088 * 0.72, h));
  expect(colourOf('native', library, fn, true, 'light')).toBe(oklchHex(l, 0.088, h));
  // Kernel, CUDA and copies count as own.
  for (const kind of ['kernel', 'cuda', 'gpu-copy'] as const) {
    expect(colourOf(kind, library, fn, false, 'dark')).toBe(colourOf(kind, library, fn, true, 'dark'));
  }
  expect(colourOf('interpreter', library, fn, false, 'light')).toBe(colourOf('unknown', library, fn, false, 'light'));
  expect(colourOf('native', library, fn, true, 'light', true)).toBe(oklchHex(0.885 + ((fnv1a32(fn) % 7) - 3) * 0.008, 0.088 * 0.38, h));
});

test('FNV-1a over UTF-8', () => {
  // Test vectors of http://www.isthe.com/chongo/tech/comp/fnv/
  expect(fnv1a32('')).toBe(0x811c9dc5);
  expect(fnv1a32('a')).toBe(0xe40c292c);
  expect(fnv1a32('foobar')).toBe(0xbf9cf968);
  const slow = (text: string): number => new TextEncoder().encode(text).reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193), 0x811c9dc5) >>> 0;
  for (const text of ['größe', '関数', '𝛼βγ', 'x\ud800y', 'x\udc00', '\u0000']) expect(fnv1a32(text)).toBe(slow(text));
});

function contrast(a: string, b: string): number {
  const luminance = (colour: string): number => {
    const [r, g, bl] = channels(colour).map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * bl;
  };
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
}

test('labels are legible on every box', () => {
  for (const theme of ['light', 'dark'] as const) {
    let least = Infinity;
    for (const kind of FUNCTION_KINDS) {
      for (let i = 0; i < 400; i++) {
        const name = createHash('sha1').update(`${i}`).digest('hex');
        for (const own of [true, false]) for (const muted of [true, false]) least = Math.min(least, contrast(labelColour(theme), colourOf(kind, name.slice(0, 8), name, own, theme, muted)));
      }
    }
    expect(least).toBeGreaterThan(4.5);
    for (const reason of REASONS) expect(contrast(labelColour(theme), reasonColour(reason, theme))).toBeGreaterThan(4.5);
    expect(contrast(foldColour(theme), theme === 'light' ? '#ffffff' : '#17191d')).toBeGreaterThan(1.2);
  }
});

test('differences: less is blue, more is red, noise is grey', () => {
  expect(differenceColour(100, 50, false, 'light')).toBe('#5a95e8');
  expect(differenceColour(100, 70, false, 'light')).toBe('#8fb6f1');
  expect(differenceColour(100, 95, false, 'light')).toBe('#c3d8f8');
  expect(differenceColour(100, 100, false, 'light')).toBe('#e3e6ea');
  expect(differenceColour(100, 500, true, 'dark')).toBe('#3c4046');
  expect(differenceColour(95, 100, false, 'light')).toBe('#f8cfc6');
  expect(differenceColour(0, 100, false, 'dark')).toBe('#bd443a');
});

test('mixing', () => {
  expect(mix('#000000', '#ffffff', 1)).toBe('#000000');
  expect(mix('#000000', '#ffffff', 0)).toBe('#ffffff');
  expect(mix('#ff0000', '#0000ff', 0.5)).toBe('#800080');
});
