// Which part of the graph is seen: zoom inside the chosen root, scroll, and the 120 ms on the way to another root.

/** Duration of a zoom, ms; 0 with reduced motion. */
const ZOOM_MS = 120;
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

export class Viewport {
  /** Part of the zoomed root's width that is seen, 0 to 1. */
  window = $state.raw<Window>(WHOLE);
  /** CSS px that row 1 is scrolled out. */
  scroll = $state(0);
  #frame = 0;

  /** Runs from one window to another, then calls `done`. At once with reduced motion. */
  run(from: Window, to: Window, done: () => void = () => {}): void {
    this.stop();
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) {
      this.window = to;
      done();
      return;
    }
    const began = performance.now();
    const step = (now: number) => {
      const progress = Math.max(0, now - began) / ZOOM_MS;
      this.#frame = 0;
      if (progress >= 1) {
        this.window = to;
        done();
        return;
      }
      this.window = between(from, to, progress);
      this.#frame = requestAnimationFrame(step);
    };
    this.window = from;
    this.#frame = requestAnimationFrame(step);
  }

  stop(): void {
    if (this.#frame !== 0) cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }

  /** Scrolls, kept within what there is. */
  scrollTo(to: number, content: number, height: number): void {
    this.scroll = Math.max(0, Math.min(Math.max(0, content - height), to));
  }

  /** Scrolls as little as brings [top, bottom] of the content into sight. */
  reveal(top: number, bottom: number, content: number, height: number): void {
    if (top < this.scroll) this.scrollTo(top, content, height);
    else if (bottom > this.scroll + height) this.scrollTo(bottom - height, content, height);
  }
}
