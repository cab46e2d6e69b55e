// Which colours the legend names. Pure.
import type { CallTree } from '#core/analyze/call-tree';
import type { ColourKind } from '#core/analyze/colour';
import { COLOUR_KINDS, KIND_TITLES, REASONS, colourKind, kindColour, reasonColour, reasonOf as colourReason, reasonTitle } from '#core/analyze/colour';
import type { Theme } from '#core/analyze/colour';
import type { FunctionId } from '#core/model/ids';
import { reasonsOf } from '../flame/reasons.ts';

/** Kinds of the functions that have weight in a tree, in the legend's order. */
export function kindsOf(tree: CallTree): ColourKind[] {
  const { functions } = tree.profile;
  const fns = tree.functions();
  const totals = tree.totals();
  const asked = new Uint8Array(functions.length);
  const seen = new Set<ColourKind>();
  for (let node = 0; node < fns.length; node++) {
    const fn = fns[node];
    if (asked[fn] === 1 || !(totals[node] > 0)) continue;
    asked[fn] = 1;
    seen.add(colourKind(functions.kindOf(fn as FunctionId)));
  }
  return COLOUR_KINDS.filter((kind) => seen.has(kind));
}

/** Depth of the deepest node with weight; -1 in an empty tree. */
export function depthOf(tree: CallTree | null): number {
  if (tree === null) return -1;
  const totals = tree.totals();
  let deepest = -1;
  for (let node = 0; node < totals.length; node++) if (totals[node] > 0) deepest = Math.max(deepest, tree.depth(node));
  return deepest;
}

export interface LegendEntry {
  readonly title: string;
  readonly colour: string;
}

/** What the legend says of the trees on screen: kinds of code; of waiting time alone, where frames are muted, the reasons. */
export function legendOf(trees: readonly CallTree[], theme: Theme): LegendEntry[] {
  const code = trees.filter((tree) => tree.lane.kind !== 'off-cpu');
  if (code.length > 0) {
    const seen = new Set(code.flatMap(kindsOf));
    return COLOUR_KINDS.filter((kind) => seen.has(kind)).map((kind) => ({ title: KIND_TITLES[kind], colour: kindColour(kind, theme) }));
  }
  const seen = new Set(trees.flatMap(reasonsOf).map((row) => colourReason(row.reason)));
  return REASONS.filter((reason) => seen.has(reason)).map((reason) => ({ title: reasonTitle(reason), colour: reasonColour(reason, theme) }));
}
