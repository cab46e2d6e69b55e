// Frames that a callout is likely meant for. Pure.
import type { CallTree } from '#core/analyze/call-tree';

export interface Candidate {
  readonly node: number;
  readonly name: string;
  /** Of the whole, 0 to 1. */
  readonly share: number;
}

/** Boxes between 1 % and 98 % of the whole, those with most time of their own first, one a function; at most `most`. */
export function calloutCandidates(tree: CallTree, most = 12): Candidate[] {
  const totals = tree.totals();
  const seen = new Set<number>();
  const nodes: number[] = [];
  for (let node = 0; node < tree.length; node++) if (totals[node] > tree.total * 0.01 && totals[node] < tree.total * 0.98) nodes.push(node);
  nodes.sort((a, b) => tree.self(b) - tree.self(a) || totals[b] - totals[a]);
  const found: Candidate[] = [];
  for (const node of nodes) {
    const fn = tree.fn(node);
    if (seen.has(fn)) continue;
    seen.add(fn);
    found.push({ node, name: tree.profile.functions.nameOf(fn), share: totals[node] / tree.total });
    if (found.length === most) break;
  }
  return found;
}
