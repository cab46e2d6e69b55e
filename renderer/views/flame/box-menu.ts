// The menu of a box: letters as in Firefox Profiler.
import type { CallTree } from '#core/analyze/call-tree';
import { messageOf } from '#core/errors';
import type { LaneKind } from '#core/model/lane';
import type { MenuRow } from '../recording/menu-row.ts';
import type { Pane } from '../recording/pane.svelte.ts';
import { startWhile, whyNoWhile } from '../recording/while.ts';
import { reasonOfNode } from './reasons.ts';

interface BoxMenu {
  readonly pane: Pane;
  readonly tree: CallTree;
  readonly node: number;
  readonly say: (text: string) => void;
  readonly searchFor: (text: string) => void;
  readonly zoom: () => void;
}

export function boxRows({ pane, tree, node, say, searchFor, zoom }: BoxMenu): MenuRow[] {
  const { session } = pane;
  const fn = session.refOf(tree.fn(node));
  const recursive = isRecursive(tree, node);
  const reason = reasonOfNode(tree, node);
  return [
    { label: 'Zoom here', key: 'Enter', run: zoom },
    ...whileRows(pane, tree, node),
    ...(reason === null ? [] : [
      { label: `Only waits for ${reason}`, line: true, run: () => session.transform({ kind: 'keep-reason', reason }) },
      { label: `Without waits for ${reason}`, run: () => session.transform({ kind: 'drop-reason', reason }) },
    ] satisfies MenuRow[]),
    { label: 'Focus on function', key: 'f', line: true, run: () => session.transform({ kind: 'focus', fn }) },
    { label: 'Merge function into caller', key: 'm', run: () => session.transform({ kind: 'merge', fn }) },
    { label: 'Drop samples with function', key: 'd', run: () => session.transform({ kind: 'drop', fn }) },
    {
      label: fn.library === '' ? 'Collapse library' : `Collapse ${fn.library}`, key: 'c', ...(fn.library === '' ? { why: 'no library known' } : {}),
      run: () => session.transform({ kind: 'collapse-library', library: fn.library }),
    },
    {
      label: 'Collapse recursion', key: 'r', ...(recursive ? {} : { why: 'not recursive here' }),
      run: () => session.transform({ kind: 'collapse-recursion', fn }),
    },
    { label: 'Search for this', line: true, run: () => searchFor(`^${escaped(fn.name)}$`) },
    { label: 'Copy name', run: () => void copy(fn.name, 'Name copied', say) },
    { label: 'Copy stack', key: 'Ctrl C', run: () => void copy(tree.pathOf(node).map((one) => one.name).join('\n'), 'Stack copied', say) },
  ];
}

const WHILE: Partial<Record<LaneKind, string>> = { 'off-cpu': 'While this waits', 'gpu-idle': 'While the GPU is idle here', cuda: 'While this runs' };

/** What the other lanes did while this box was so. Only where a lane has intervals and another one is there to look at. */
function whileRows(pane: Pane, tree: CallTree, node: number): MenuRow[] {
  if (!tree.lane.intervals) return [];
  const why = whyNoWhile(tree, node);
  return [{ label: WHILE[tree.lane.kind] ?? 'While this goes on', key: 'w', ...(why === '' ? {} : { why }), run: () => startWhile(pane.session, tree, node) }];
}

/** Whether the function is in its own stack, above or below the box. */
export function isRecursive(tree: CallTree, node: number): boolean {
  const fn = tree.fn(node);
  for (let at = tree.parent(node); at >= 0; at = tree.parent(at)) if (tree.fn(at) === fn) return true;
  const below = [...tree.children(node)];
  for (let at = below.pop(); at !== undefined; at = below.pop()) {
    if (tree.fn(at) === fn) return true;
    below.push(...tree.children(at));
  }
  return false;
}

/** A text as a regular expression that means itself. */
export function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

async function copy(text: string, done: string, say: (text: string) => void): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    say(done);
  } catch (error) {
    say(`Not copied: ${messageOf(error)}`);
  }
}
