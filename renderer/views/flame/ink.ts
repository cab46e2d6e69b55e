// The colours that canvases need, read from the theme's tokens once a theme, and one fill a function.
import { colourOfFunction, foldColour, labelColour, placeOpacity } from '#core/analyze/colour';
import type { Theme } from '#core/analyze/colour';
import { isNoWait } from '#core/analyze/shape';
import type { FunctionId } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import { LabelCache } from './label-cache.ts';
import { pixelOf as toPixel } from './pixels.ts';

/** Tokens of the theme as CSS colours. */
export interface Ink {
  readonly theme: Theme;
  readonly surface: string;
  readonly bar: string;
  readonly line: string;
  readonly line2: string;
  readonly t1: string;
  readonly t2: string;
  readonly t3: string;
  readonly accent: string;
  readonly onAccent: string;
  readonly rec: string;
  readonly warn: string;
  readonly match: string;
  readonly family: string;
  readonly lanes: Readonly<Record<string, string>>;
}

/** Reads the tokens that apply to an element now. */
export function readInk(element: Element): Ink {
  const style = getComputedStyle(element);
  const token = (name: string, fallback: string) => longColour(style.getPropertyValue(`--${name}`).trim() || fallback);
  const surface = token('surface', '#ffffff');
  const theme: Theme = luminance(surface) < 0.5 ? 'dark' : 'light';
  return {
    theme, surface, bar: token('bar', '#f5f6f8'), line: token('line', '#dce0e5'), line2: token('line-2', '#c4cad2'),
    t1: token('t1', '#14171c'), t2: token('t2', '#474f59'), t3: token('t3', '#626b76'),
    accent: token('accent', '#1f5fd0'), onAccent: theme === 'dark' ? '#0d1420' : '#ffffff',
    rec: token('rec', '#cf222e'), warn: token('warn', '#8a5300'), match: token('match', '#c2148c'),
    family: style.fontFamily || 'system-ui',
    lanes: {
      cpu: token('lane-cpu', '#c4672a'), 'off-cpu': token('lane-off', '#5b62c4'),
      memory: token('lane-mem', '#16808c'), cuda: token('lane-gpu', '#2c8a52'),
    },
  };
}

/** `#fff`, as a minifier writes it, is `#ffffff`. */
export function longColour(colour: string): string {
  return /^#[\da-f]{3}$/i.test(colour) ? `#${[...colour.slice(1)].map((digit) => digit + digit).join('')}` : colour;
}

/** Relative brightness of `#rrggbb`, 0 to 1; 1 for anything else. */
export function luminance(colour: string): number {
  const match = /^#([0-9a-f]{6})$/i.exec(colour);
  if (match === null) return 1;
  const value = Number.parseInt(match[1], 16);
  return (0.2126 * (value >> 16) + 0.7152 * ((value >> 8) & 255) + 0.0722 * (value & 255)) / 255;
}

/** Fills of boxes. A function's colour is worked out once and never changes within a theme. */
export class BoxInk {
  readonly surface: string;
  readonly label: string;
  readonly folded: string;
  readonly hoverVeil: string;
  readonly match: string;
  readonly accent: string;
  readonly font: string;
  readonly placeAlpha: number;
  /** How strong the lines of a hatched box are. */
  readonly hatchShare: number;
  readonly theme: Theme;
  /** Labels of boxes, in the room that they had. */
  readonly labels = new LabelCache();
  #profile: Profile;
  #muted: boolean;
  #fills: string[] = [];
  #marks: number[] = [];
  #pixels: number[] = [];

  /** `muted` is for stack frames of the off-CPU lane. */
  constructor(profile: Profile, ink: Ink, muted = false) {
    const dark = ink.theme === 'dark';
    this.#profile = profile;
    this.#muted = muted;
    this.theme = ink.theme;
    this.surface = ink.surface;
    this.label = labelColour(ink.theme);
    this.folded = foldColour(ink.theme);
    this.hoverVeil = dark ? 'rgba(255,255,255,.02)' : 'rgba(0,0,0,.08)';
    this.match = ink.match;
    this.accent = ink.accent;
    this.font = `11px ${ink.family}`;
    this.hatchShare = dark ? 0.3 : 0.22;
    this.placeAlpha = placeOpacity(ink.theme);
  }

  /** Colour of a function. */
  of(fn: number): string {
    const known = this.#fills[fn];
    if (known !== undefined) return known;
    const functions = this.#profile.functions;
    const id = fn as FunctionId;
    if (fn < 0 || fn >= functions.length) return this.folded;
    return (this.#fills[fn] = colourOfFunction(functions, id, this.theme, this.#muted));
  }

  /** As `of`, for an image. */
  pixelOf(fn: number): number {
    const known = this.#pixels[fn];
    if (known !== undefined) return known;
    const pixel = toPixel(this.of(fn));
    if (fn >= 0 && fn < this.#profile.functions.length) this.#pixels[fn] = pixel;
    return pixel;
  }

  /** What a function's boxes have besides their colour: 0 nothing, 1 a line along the foot (GPU copies), 2 hatched (no wait at all). */
  markOf(fn: number): 0 | 1 | 2 {
    const known = this.#marks[fn];
    if (known !== undefined) return known as 0 | 1 | 2;
    const { functions } = this.#profile;
    if (fn < 0 || fn >= functions.length) return 0;
    const kind = functions.kindOf(fn as FunctionId);
    const mark = kind === 'gpu-copy' ? 1 : this.#muted && kind === 'marker' && isNoWait(functions.nameOf(fn as FunctionId)) ? 2 : 0;
    this.#marks[fn] = mark;
    return mark;
  }
}
