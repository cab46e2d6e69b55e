import { CallTree } from '#core/analyze/call-tree';
import { formatPercent, formatSamples, formatWeight } from '#core/analyze/format';
import { functionsTable } from '#core/analyze/functions';
import { displayName } from '#core/analyze/labels';
import { resolve } from '#core/analyze/resolve';
import { isHeld } from '#core/analyze/memory';
import { search } from '#core/analyze/search';
import { laneOf, mergedText } from '#core/analyze/words';
import { UserError } from '#core/errors';
import type { Lane } from '#core/model/lane';
import type { Arguments } from './arguments.ts';
import { isSet, numberOf, textOf } from './arguments.ts';
import { warnOfSkipped } from './convert.ts';
import type { CliIo } from './io.ts';
import { print, UsageError } from './io.ts';
import { printJson, table } from './json.ts';
import { openProfile } from './open.ts';
import { checkView, viewOf } from './select.ts';

const USUAL_LIMIT = 30;

/** A name with control characters would write into the terminal. */
const clean = (text: string) => text.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ');

/** Functions by self or total. Percentages are of the selection's total. */
export async function top(args: Arguments, io: CliIo): Promise<number> {
  if (args.positionals.length === 0) throw new UsageError('which file? Usage: flamebench top FILE');
  const limit = numberOf(args, 'limit', { least: 1, whole: true });
  checkView(args);
  const profile = await openProfile(args.positionals, io);
  const view = viewOf(profile, args);
  const lane = laneOf(profile, view);
  if (lane === null) throw new UserError('no-samples', `${args.positionals.join(', ')} ${args.positionals.length === 1 ? 'holds' : 'hold'} no samples`);
  const tree = new CallTree(profile, lane, resolve(profile, lane, view.selection), false);
  const found = view.search === '' ? null : search(tree, view.search);
  if (found !== null && found.error !== '') throw new UsageError(`--search ${view.search}: ${found.error}`);
  const wanted = found === null ? null : new Set<number>(found.functions);
  const by = textOf(args, 'by') === 'total' ? 'total' : 'self';
  const { functions } = profile;
  const rows = functionsTable(tree)
    .filter((row) => wanted === null || wanted.has(row.fn))
    .sort((a, b) => b[by] - a[by] || b.total - a.total || (functions.nameOf(a.fn) < functions.nameOf(b.fn) ? -1 : 1));
  const ranges = view.selection.ranges ?? [[0, profile.info.durationNs]];
  const seconds = ranges.reduce((sum, [from, to]) => sum + Math.max(0, Math.min(to, profile.info.durationNs) - from), 0) / 1e9;
  const whole = wholeOf(tree, lane);
  const percent = (value: number) => (whole > 0 ? Math.round((value / whole) * 1e6) / 1e4 : 0);

  if (isSet(args, 'json')) {
    await printJson(io, {
      lane: lane.kind, event: lane.name, ...(isHeld(lane) ? { moment: view.selection.moment ?? 'held' } : {}), unit: lane.unit, total: tree.total, samples: tree.samples, seconds,
      rows: rows.slice(0, limit ?? rows.length).map((row) => ({
        function: functions.nameOf(row.fn), file: functions.fileOf(row.fn), library: functions.libraryOf(row.fn),
        self: row.self, total: row.total, selfPercent: percent(row.self), totalPercent: percent(row.total),
      })),
    });
  } else {
    const shown = rows.slice(0, limit ?? USUAL_LIMIT);
    const where = (fn: (typeof rows)[number]['fn']) => functions.fileOf(fn) || functions.libraryOf(fn);
    await print(io.stdout, `${lane.kind} (${lane.name}): ${formatWeight(tree.total, lane.unit)}, ${formatSamples(tree.samples)}${tree.merged ? `, ${mergedText(lane)}` : ''}\n\n`);
    await print(io.stdout, table(['SELF', '', 'TOTAL', '', 'FUNCTION', 'WHERE'], shown.map((row) => [
      formatPercent(whole > 0 ? row.self / whole : 0), formatWeight(row.self, lane.unit),
      formatPercent(whole > 0 ? row.total / whole : 0), formatWeight(row.total, lane.unit), clean(displayName(functions, row.fn)), clean(where(row.fn)),
    ]), [0, 1, 2, 3]));
    if (shown.length < rows.length) await print(io.stdout, `\n${rows.length - shown.length} more functions (--limit ${rows.length} shows all)\n`);
  }
  await warnOfSkipped(profile, io);
  return 0;
}

/** What percentages are of: the selection's weight; of gains and losses, the gains. */
function wholeOf(tree: CallTree, lane: Lane): number {
  if (!isHeld(lane)) return tree.total;
  let gains = 0;
  for (let node = 0; node < tree.length; node++) gains += Math.max(0, tree.self(node));
  return gains;
}
