// Folded stacks, `root;caller;leaf weight` a line, sorted: what flamegraph.pl, inferno and speedscope read.
import { CallTree } from '#core/analyze/call-tree';
import { resolve } from '#core/analyze/resolve';
import type { ViewValue } from '#core/analyze/view';
import { laneOf } from '#core/analyze/words';
import { UserError } from '#core/errors';
import type { FunctionId, StackId } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import { rowsOf } from './rows.ts';

const ENCODER = new TextEncoder();

/**
 * The view's selection as folded stacks. The thread's name is the root, as in stackcollapse-perf.pl, where threads have
 * names; an inverted view gives leaf first. Python functions carry their file, `name (file)`, as py-spy writes them.
 * Weights are whole numbers in the lane's unit, unless the input had fractions of a count.
 */
export function* foldedLines(profile: Profile, view: ViewValue): Iterable<Uint8Array> {
  const lane = laneOf(profile, view);
  if (lane === null) throw new UserError('no-lane', 'this profile has no samples to fold');
  const totals = new Map<string, number>();
  const add = (key: string, weight: number) => totals.set(key, (totals.get(key) ?? 0) + weight);
  const names = new Map<number, string>();
  const nameOf = (fn: FunctionId): string => {
    let name = names.get(fn);
    if (name === undefined) names.set(fn, (name = foldedName(profile, fn)));
    return name;
  };
  if (view.selection.transforms.length > 0) {
    // Transformed stacks exist only in the tree, which has no threads.
    const tree = new CallTree(profile, lane, resolve(profile, lane, view.selection), view.inverted);
    const paths: string[] = [];
    for (let node = 0; node < tree.length; node++) {
      const caller = tree.parent(node);
      paths.push(caller < 0 ? nameOf(tree.fn(node)) : `${paths[caller]};${nameOf(tree.fn(node))}`);
      if (tree.self(node) !== 0) add(paths[node], tree.self(node));
    }
  } else {
    // Summed by (thread name, stack) first: stacks are few, rows many.
    const byRoot = new Map<string, Map<number, number>>();
    let lastThread = -2;
    let sums = new Map<number, number>();
    rowsOf(profile, lane, view.selection, (thread, stack, weight) => {
      if (thread !== lastThread) {
        lastThread = thread;
        const root = thread < 0 ? '' : threadRoot(profile.strings.values[profile.threads.name.get(thread)]);
        const known = byRoot.get(root);
        if (known === undefined) byRoot.set(root, (sums = new Map()));
        else sums = known;
      }
      sums.set(stack, (sums.get(stack) ?? 0) + weight);
    });
    for (const [root, stacks] of byRoot) {
      for (const [stack, weight] of stacks) {
        const path = stack < 0 ? [] : profile.stacks.framesOf(stack as StackId).map((frame) => nameOf(profile.frames.functionOf(frame)));
        if (root !== '') path.unshift(root);
        if (view.inverted) path.reverse();
        if (path.length > 0) add(path.join(';'), weight);
      }
    }
  }
  let text = '';
  const whole = lane.unit !== 'count';
  for (const key of [...totals.keys()].sort(compareBytes)) {
    const weight = totals.get(key) ?? 0;
    const shown = whole ? Math.round(weight) : Math.round(weight * 1e6) / 1e6;
    // Of memory that grew in a range: what shrank has no width, and no program that reads this could draw it.
    if (shown === 0 || (shown < 0 && lane.kind === 'memory')) continue;
    text += `${key} ${shown}\n`;
    if (text.length > 65_536) {
      yield ENCODER.encode(text);
      text = '';
    }
  }
  yield ENCODER.encode(text);
}

/** In the order of UTF-8 bytes, as perl sorts; code units differ from it above U+FFFF only. */
function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i), y = b.charCodeAt(i);
    if (x === y) continue;
    const high = (unit: number) => (unit >= 0xe000 ? unit - 0x800 : unit >= 0xd800 ? unit + 0x2000 : unit);
    return high(x) - high(y);
  }
  return a.length - b.length;
}

function clean(name: string): string {
  return name.replace(/;/g, ':').replace(/[\r\n\0]+/g, ' ');
}

function threadRoot(name: string): string {
  return clean(name).replaceAll(' ', '_');
}

function foldedName(profile: Profile, fn: FunctionId): string {
  const { functions } = profile;
  const name = functions.nameOf(fn) === '' ? '[unnamed]' : clean(functions.nameOf(fn));
  const file = functions.fileOf(fn);
  if (functions.kindOf(fn) === 'python' && file !== '') return `${name} (${clean(file)})`;
  // What came folded with FlameGraph's marks goes out with them.
  if (profile.info.format === 'folded') {
    if (functions.kindOf(fn) === 'kernel') return `${name}_[k]`;
    if (functions.libraryOf(fn) === '[jit]') return `${name}_[j]`;
    if (functions.libraryOf(fn) === '[inlined]') return `${name}_[i]`;
  }
  return name;
}
