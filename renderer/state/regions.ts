const REACHABLE = 'button:not([disabled]):not([tabindex="-1"]), input:not([disabled]), select:not([disabled]), textarea:not([disabled]), a[href], [tabindex="0"]';

/**
 * Moves the focus to the next region (`by` 1) or the one before (-1). A region is an element with `data-region`; the
 * focus goes to its `data-region-focus`, else to the first thing in it that takes the focus.
 */
export function stepRegion(by: number): void {
  const regions = [...document.querySelectorAll<HTMLElement>('[data-region]')].filter((region) => region.getClientRects().length > 0);
  if (regions.length === 0) return;
  const now = document.activeElement?.closest<HTMLElement>('[data-region]') ?? null;
  const at = now === null ? (by > 0 ? -1 : 0) : regions.indexOf(now);
  for (let step = 1; step <= regions.length; step++) {
    const region = regions[(at + by * step + regions.length * 2) % regions.length];
    const wanted = region.querySelector<HTMLElement>('[data-region-focus]') ??
      [...region.querySelectorAll<HTMLElement>(REACHABLE)].find((element) => element.getClientRects().length > 0);
    if (wanted === undefined) continue;
    wanted.focus();
    return;
  }
}
