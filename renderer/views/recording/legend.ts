// Which colours the legend names. Pure.
import type { CallTree } from '#core/analyze/call-tree';
import type { ColourKind } from '#core/analyze/colour';
import { COLOUR_KINDS, colourKind } from '#core/analyze/colour';
import type { FunctionId } from '#core/model/ids';

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
