// Why threads wait, as the tips of waiting stacks say it. Pure.
import { reasonOf as reasonText } from '#core/analyze/shape';
import type { CallTree } from '#core/analyze/call-tree';
import type { FunctionId } from '#core/model/ids';

/** The reason that a node's box names; null where it is no tip of a waiting stack. */
export function reasonOfNode(tree: CallTree, node: number): string | null {
  if (tree.lane.kind !== 'off-cpu' || node < 0) return null;
  const { functions } = tree.profile;
  const fn = tree.fn(node);
  return functions.kindOf(fn) === 'marker' ? reasonText(functions.nameOf(fn)) : null;
}

export interface ReasonRow {
  readonly reason: string;
  /** A tip that has it: its colour is the reason's. */
  readonly fn: number;
  readonly total: number;
}

/** Reasons with time in a waiting tree, longest first. */
export function reasonsOf(tree: CallTree): ReasonRow[] {
  if (tree.lane.kind !== 'off-cpu') return [];
  const { functions } = tree.profile;
  const fns = tree.functions();
  const totals = tree.totals();
  const rows = new Map<string, { reason: string; fn: number; total: number }>();
  for (let node = 0; node < fns.length; node++) {
    if (!(totals[node] > 0) || functions.kindOf(fns[node] as FunctionId) !== 'marker') continue;
    const reason = reasonText(functions.nameOf(fns[node] as FunctionId));
    const row = rows.get(reason);
    if (row === undefined) rows.set(reason, { reason, fn: fns[node], total: totals[node] });
    else row.total += totals[node];
  }
  return [...rows.values()].sort((a, b) => b.total - a.total);
}
