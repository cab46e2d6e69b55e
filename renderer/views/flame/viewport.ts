// Which part of the graph is seen, in shares of the zoomed root's width. Pure.

/** The narrowest window that Ctrl+wheel reaches, as a share of the whole. */
const NARROWEST = 1e-6;

export type Window = readonly [from: number, to: number];

export const WHOLE: Window = [0, 1];

/** Zooms about a point by a factor under 1 (in) or above 1 (out); never leaves [0, 1]. `at` is the point, 0 to 1 of the window. */
export function zoomedAbout(window: Window, at: number, factor: number): Window {
  const width = window[1] - window[0];
  const wanted = Math.min(1, Math.max(NARROWEST, width * factor));
  const point = window[0] + at * width;
  return kept(point - at * wanted, wanted);
}

/** Moves a window sideways by a share of its own width. */
export function panned(window: Window, by: number): Window {
  const width = window[1] - window[0];
  return kept(window[0] + by * width, width);
}

function kept(from: number, width: number): Window {
  if (width >= 1) return WHOLE;
  const start = Math.min(1 - width, Math.max(0, from));
  return [start, start + width];
}

/** Where an animation stands: `progress` 0 to 1 of its time, eased out. */
export function between(from: Window, to: Window, progress: number): Window {
  const eased = 1 - (1 - Math.min(1, Math.max(0, progress))) ** 3;
  return [from[0] + (to[0] - from[0]) * eased, from[1] + (to[1] - from[1]) * eased];
}
