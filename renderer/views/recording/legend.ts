// Which colours the legend names. Pure.
import type { CallTree } from '#core/analyze/call-tree';
import type { ColourKind } from '#core/analyze/colour';
import { COLOUR_KINDS, KIND_TITLES, REASONS, colourKind, kindColour, reasonColour, reasonOf, reasonTitle } from '#core/analyze/colour';
import type { Theme } from '#core/analyze/colour';
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

export interface LegendEntry {
  readonly title: string;
  readonly colour: string;
}

/** What the legend says of a tree: kinds of code; of waiting time, where frames are muted, the reasons. */
export function legendOf(tree: CallTree, theme: Theme): LegendEntry[] {
  if (tree.lane.kind !== 'off-cpu') return kindsOf(tree).map((kind) => ({ title: KIND_TITLES[kind], colour: kindColour(kind, theme) }));
  const { functions } = tree.profile;
  const fns = tree.functions();
  const totals = tree.totals();
  const names = new Set<string>();
  for (let node = 0; node < fns.length; node++) {
    const fn = fns[node] as FunctionId;
    if (totals[node] > 0 && functions.kindOf(fn) === 'marker') names.add(functions.nameOf(fn));
  }
  const seen = new Set([...names].map(reasonOf));
  return REASONS.filter((reason) => seen.has(reason)).map((reason) => ({ title: reasonTitle(reason), colour: reasonColour(reason, theme) }));
}
