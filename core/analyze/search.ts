import type { FunctionId } from '#core/model/ids';
import type { CallTree } from './call-tree.ts';

export interface SearchResult {
  /** Why the pattern cannot be read; '' where it can. */
  readonly error: string;
  /** By node: 1 where its function's name matches. */
  readonly matches: Uint8Array;
  /** Weight of the samples that pass through a match, over the tree's total. */
  readonly share: number;
  /** Real samples that pass through a match. */
  readonly samples: number;
  /** Matching functions that have weight, heaviest first: what Enter steps through. */
  readonly functions: FunctionId[];
}

/** Finds functions by a regular expression over their names, upper and lower case alike. '' finds nothing. */
export function search(tree: CallTree, pattern: string): SearchResult {
  const matches = new Uint8Array(tree.length);
  const nothing = (error: string): SearchResult => ({ error, matches, share: 0, samples: 0, functions: [] });
  if (pattern === '') return nothing('');
  let expression: RegExp;
  try {
    expression = new RegExp(pattern, 'iu');
  } catch {
    // A name such as `operator[]` or `foo(` is typed more often than a broken expression is meant.
    try {
      expression = new RegExp(pattern, 'i');
    } catch (thrown) {
      const said = thrown instanceof Error ? thrown.message : String(thrown);
      return nothing(said.replace(/^Invalid regular expression: \/.*\/[a-z]*: /s, ''));
    }
  }
  const functions = tree.profile.functions;
  const fns = tree.functions();
  const parents = tree.parents();
  const totals = tree.totals();
  // By function: 0 not asked, 1 no, 2 yes.
  const answers = new Uint8Array(functions.length);
  // By node: 1 where it or a caller of it matches.
  const covered = new Uint8Array(tree.length);
  const weights = new Map<number, number>();
  let weight = 0;
  let samples = 0;
  for (let node = 0; node < tree.length; node++) {
    const fn = fns[node];
    if (answers[fn] === 0) answers[fn] = expression.test(functions.nameOf(fn as FunctionId)) ? 2 : 1;
    const above = parents[node] >= 0 && covered[parents[node]] === 1;
    const match = answers[fn] === 2;
    if (match) matches[node] = 1;
    if (match || above) covered[node] = 1;
    if (!match || !(totals[node] > 0)) continue;
    weights.set(fn, Math.max(weights.get(fn) ?? 0, totals[node]));
    if (above) continue;
    weight += totals[node];
    samples += tree.samplesOf(node);
  }
  const found = [...weights].sort((a, b) => b[1] - a[1] || a[0] - b[0]).map(([fn]) => fn as FunctionId);
  return { error: '', matches, share: tree.total > 0 ? weight / tree.total : 0, samples, functions: found };
}
