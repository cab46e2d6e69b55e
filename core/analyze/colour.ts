// The flame palette: OKLCH by formula, so that the same function has the same colour in every lane, run and picture.
// OKLab to linear sRGB after Björn Ottosson, https://bottosson.github.io/posts/oklab/.
import { assertNever } from '#core/errors';
import type { FunctionId } from '#core/model/ids';
import type { FunctionKind, FunctionTable } from '#core/model/tables';

export type Theme = 'light' | 'dark';
/** Lightness 0 to 1, chroma, hue in degrees. */
export type Oklch = readonly [number, number, number];

/** What a box is coloured by: the kinds that have a colour of their own. */
export const COLOUR_KINDS = ['python', 'native', 'kernel', 'rust', 'cuda', 'gpu-copy', 'javascript', 'java', 'unknown'] as const;
export type ColourKind = (typeof COLOUR_KINDS)[number];

const BASES: Readonly<Record<Theme, Readonly<Record<ColourKind, Oklch>>>> = {
  light: {
    python: [0.84, 0.066, 244], native: [0.835, 0.088, 60], kernel: [0.695, 0.115, 40], rust: [0.695, 0.09, 9], cuda: [0.895, 0.09, 158],
    'gpu-copy': [0.755, 0.066, 186], javascript: [0.785, 0.135, 92], java: [0.705, 0.092, 305], unknown: [0.925, 0.008, 257],
  },
  dark: {
    python: [0.445, 0.115, 260], native: [0.498, 0.096, 66], kernel: [0.455, 0.076, 38], rust: [0.357, 0.08, 20], cuda: [0.488, 0.082, 158],
    'gpu-copy': [0.46, 0.05, 190], javascript: [0.375, 0.07, 100], java: [0.508, 0.068, 320], unknown: [0.365, 0.01, 259],
  },
};

/** What the legend calls a kind. */
export const KIND_TITLES: Readonly<Record<ColourKind, string>> = {
  python: 'Python', native: 'Native', kernel: 'Linux kernel', rust: 'Rust', cuda: 'CUDA kernel', 'gpu-copy': 'GPU copy, set',
  javascript: 'JavaScript, JIT', java: 'Java, JVM', unknown: 'Interpreter, unknown',
};

export function colourKind(kind: FunctionKind): ColourKind {
  switch (kind) {
    case 'unknown': case 'interpreter': case 'marker':
      return 'unknown';
    case 'python': case 'native': case 'kernel': case 'rust': case 'cuda': case 'gpu-copy': case 'javascript': case 'java':
      return kind;
    default:
      return assertNever(kind);
  }
}

/** Muted frames of the off-CPU lane: lightness, and the factor on the chroma. */
const MUTED_LIGHTNESS: Readonly<Record<Theme, number>> = { light: 0.885, dark: 0.375 };
const MUTED_CHROMA = 0.38;
const OTHERS_CHROMA = 0.72;

const remembered = new Map<string, string>();

/**
 * Colour of a box as `#rrggbb`. `library` is the frame's file or module, `own` whether it is the user's code; `muted` is for
 * stack frames of the off-CPU lane. Kernel, CUDA and copies have full chroma whoever owns them.
 */
export function colourOf(kind: FunctionKind, library: string, fn: string, own: boolean, theme: Theme, muted = false): string {
  const key = `${theme} ${kind} ${own} ${muted} ${library}\n${fn}`;
  const known = remembered.get(key);
  if (known !== undefined) return known;
  const base = colourKind(kind);
  const [lightness, chroma, hue] = BASES[theme][base];
  const full = own || base === 'kernel' || base === 'cuda' || base === 'gpu-copy';
  const h = hue + ((fnv1a32(library) % 9) - 4) * 1.5;
  const l = (muted ? MUTED_LIGHTNESS[theme] : lightness) + ((fnv1a32(fn) % 7) - 3) * 0.008;
  const c = chroma * (full ? 1 : OTHERS_CHROMA) * (muted ? MUTED_CHROMA : 1);
  const colour = oklchHex(l, c, h);
  // Functions of one run are some ten thousand; a page that opens many runs starts anew.
  if (remembered.size > 100_000) remembered.clear();
  remembered.set(key, colour);
  return colour;
}

/** Colour of a function's box: its hue by library, or by file where it has none. As `colourOf`. */
export function colourOfFunction(functions: FunctionTable, fn: FunctionId, theme: Theme, muted = false): string {
  let library = functions.libraryOf(fn);
  if (library === '') {
    // The last part only: the same code in another directory keeps its colour.
    const file = functions.fileOf(fn);
    library = file.slice(file.lastIndexOf('/') + 1);
  }
  const kind = functions.kindOf(fn);
  if (muted && kind === 'marker') {
    // The tip of a waiting stack: full colour by its reason, grey where none is known.
    const reason = reasonOf(functions.nameOf(fn));
    return reason === null ? kindColour('unknown', theme) : reasonColour(reason, theme);
  }
  return colourOf(kind, library, functions.nameOf(fn), functions.isOwn(fn), theme, muted);
}

/** The kind's colour without a function's step: the legend. */
export function kindColour(kind: ColourKind, theme: Theme): string {
  return oklchHex(...BASES[theme][kind]);
}

/** Text on every box. */
export function labelColour(theme: Theme): string {
  return theme === 'light' ? '#14171c' : '#f1f3f6';
}

/** Opacity of the place after a name. */
export function placeOpacity(theme: Theme): number {
  return theme === 'light' ? 0.8 : 0.92;
}

/** A box that stands for siblings too narrow to draw. */
export function foldColour(theme: Theme): string {
  return theme === 'light' ? '#d3d8de' : '#33373d';
}

/** Why a thread waits. */
export const REASONS = ['lock', 'disk', 'sleep', 'page fault', 'pipe, socket', 'child', 'GPU wait', 'preempted'] as const;
export type Reason = (typeof REASONS)[number];

const REASON_COLOURS: Readonly<Record<Theme, Readonly<Record<Reason, string>>>> = {
  light: {
    lock: '#e37493', disk: '#e7ad7a', sleep: '#afcdf6', 'page fault': '#f4de67', 'pipe, socket': '#76b9b6', child: '#a98dd3', 'GPU wait': '#abefc5', preempted: '#e3e6ec',
  },
  dark: {
    lock: '#881a47', disk: '#875c18', sleep: '#2d5175', 'page fault': '#564a10', 'pipe, socket': '#2b6d77', child: '#6f569f', 'GPU wait': '#3b7046', preempted: '#505357',
  },
};

/** Colour of a reason's box at the tip of an off-CPU stack. `preempted` is hatched besides. */
export function reasonColour(reason: Reason, theme: Theme): string {
  return REASON_COLOURS[theme][reason];
}

/** What the legend calls a reason: `Pipe, socket`. */
export function reasonTitle(reason: Reason): string {
  return reason[0].toUpperCase() + reason.slice(1);
}

/** The reason that a box at the tip of a waiting stack names: `lock` of `lock: futex_do_wait`; null where none is known. */
export function reasonOf(name: string): Reason | null {
  const colon = name.indexOf(': ');
  const word = colon < 0 ? name : name.slice(0, colon);
  return REASONS.find((reason) => reason === word) ?? null;
}

/** Less to more; the middle is noise. */
const DIFFERENCE: Readonly<Record<Theme, readonly string[]>> = {
  light: ['#5a95e8', '#8fb6f1', '#c3d8f8', '#e3e6ea', '#f8cfc6', '#f2a493', '#e4715f'],
  dark: ['#2f69c4', '#2c4f86', '#2f3f58', '#3c4046', '#5a3a36', '#83382f', '#bd443a'],
};

/** Colour of a difference: by |new - base| / max, under 12 %, under 40 %, above; grey where it is noise. */
export function differenceColour(base: number, now: number, noise: boolean, theme: Theme): string {
  const ramp = DIFFERENCE[theme];
  const max = Math.max(base, now);
  if (noise || base === now || max <= 0) return ramp[3];
  const share = Math.abs(now - base) / max;
  const step = share < 0.12 ? 1 : share < 0.4 ? 2 : 3;
  return ramp[now > base ? 3 + step : 3 - step];
}

/** FNV-1a over the text's UTF-8 bytes, as an unsigned 32-bit number. */
export function fnv1a32(text: string): number {
  let hash = 0x811c9dc5;
  const byte = (value: number): void => { hash = Math.imul(hash ^ value, 0x01000193); };
  for (let i = 0; i < text.length; i++) {
    let code = text.charCodeAt(i);
    if (code >= 0xd800 && code < 0xe000) {
      // Half a pair is encoded as U+FFFD, as TextEncoder does.
      const next = text.charCodeAt(i + 1);
      if (code < 0xdc00 && next >= 0xdc00 && next < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (next - 0xdc00);
        i++;
      } else code = 0xfffd;
    }
    if (code < 0x80) byte(code);
    else if (code < 0x800) { byte(0xc0 | (code >> 6)); byte(0x80 | (code & 63)); }
    else if (code < 0x10000) { byte(0xe0 | (code >> 12)); byte(0x80 | ((code >> 6) & 63)); byte(0x80 | (code & 63)); }
    else { byte(0xf0 | (code >> 18)); byte(0x80 | ((code >> 12) & 63)); byte(0x80 | ((code >> 6) & 63)); byte(0x80 | (code & 63)); }
  }
  return hash >>> 0;
}

/** OKLCH as `#rrggbb`, each channel clipped to sRGB. */
export function oklchHex(lightness: number, chroma: number, hue: number): string {
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return hex([
    gamma(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    gamma(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    gamma(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ]);
}

/** `colour` mixed into `ground`: `share` 1 is the colour itself, 0 the ground. Both `#rrggbb`. */
export function mix(colour: string, ground: string, share: number): string {
  const from = channels(colour);
  const to = channels(ground);
  return hex(from.map((value, i) => value * share + to[i] * (1 - share)));
}

/** Red, green and blue of `#rrggbb`, 0 to 1. */
export function channels(colour: string): number[] {
  const value = Number.parseInt(colour.slice(1), 16);
  return [(value >> 16) / 255, ((value >> 8) & 255) / 255, (value & 255) / 255];
}

function gamma(linear: number): number {
  return linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055;
}

function hex(rgb: readonly number[]): string {
  const part = (value: number): string => Math.round(Math.min(1, Math.max(0, value)) * 255).toString(16).padStart(2, '0');
  return `#${part(rgb[0])}${part(rgb[1])}${part(rgb[2])}`;
}
