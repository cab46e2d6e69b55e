// Which part of the graph is seen: zoom inside the chosen root, scroll, and the 120 ms on the way to another root.

import type { Window } from './viewport.ts';
import { WHOLE, between } from './viewport.ts';

/** Duration of a zoom, ms; 0 with reduced motion. */
const ZOOM_MS = 120;
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
