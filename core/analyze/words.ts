// What lanes are called, and the sentences that a recording gives a picture when nobody wrote any.
import { assertNever } from '#core/errors';
import type { Lane, LaneKind } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import type { CallTree } from './call-tree.ts';
import { formatCount, formatDate, formatPercent, formatRange, formatSamples, formatTime, formatWeight } from './format.ts';
import { functionsTable } from './functions.ts';
import { displayName, lastPart } from './labels.ts';
import { memoryPart, memorySource } from './memory.ts';
import type { Moment, ViewValue } from './view.ts';

/** A lane's short name: the tab, the pane header. */
export function laneTitle(kind: LaneKind): string {
  switch (kind) {
    case 'cpu': return 'CPU';
    case 'off-cpu': return 'Off-CPU';
    case 'memory': return 'Memory';
    case 'cuda': return 'CUDA';
    case 'gpu-idle': return 'GPU idle';
    case 'gpu-memory': return 'GPU memory';
    case 'faults': return 'Page faults';
    case 'other': return 'Samples';
    default: return assertNever(kind);
  }
}

/** As `laneTitle`; a lane that is of no kind is called by its name: `Operators`, `Copied bytes`. */
export function laneTitleOf(lane: Pick<Lane, 'kind' | 'name'>): string {
  if (lane.kind !== 'other' || lane.name === '') return laneTitle(lane.kind);
  return lane.name === OPERATORS_LANE ? 'Operators' : `${lane.name.charAt(0).toUpperCase()}${lane.name.slice(1)}`;
}

/** Name of the lane with the operators of a PyTorch trace. */
export const OPERATORS_LANE = 'torch ops';

/** What the width of a lane's boxes is: `CPU time`; `moment` says what a range means for held memory. */
export function laneQuantity(lane: Pick<Lane, 'kind' | 'unit' | 'name'>, moment?: Moment): string {
  switch (lane.kind) {
    case 'cpu': return lane.unit === 'count' ? 'CPU samples' : 'CPU time';
    case 'off-cpu': return 'waiting time';
    case 'memory': return memoryQuantity('memory', lane, moment);
    case 'cuda': return 'GPU time';
    case 'gpu-idle': return 'GPU idle time';
    case 'gpu-memory': return memoryQuantity('GPU memory', lane, moment);
    case 'faults': return 'page faults';
    case 'other': return lane.name === OPERATORS_LANE ? 'time in operators' : lane.name === 'copied bytes' ? lane.name : lane.unit === 'ns' ? 'time' : lane.unit === 'bytes' ? 'bytes' : 'samples';
    default: return assertNever(lane.kind);
  }
}

function memoryQuantity(memory: string, lane: Pick<Lane, 'name'>, moment: Moment | undefined): string {
  switch (memoryPart(lane)) {
    case 'allocated': return `allocated ${memory}`;
    case 'temporary': return 'temporary allocations';
    case 'allocations': return 'allocations';
    case 'held': return moment === 'grown' ? `${memory} growth` : moment === 'peak' ? `${memory} held at the peak` : `${memory} held`;
  }
}

/** The lane that a view means; the usual one where it names none. null where there is none at all. */
export function laneOf(profile: Profile, view: ViewValue): Lane | null {
  if (view.lane !== null) {
    const exact = profile.lane(view.lane.kind, view.lane.name) ?? usualLane(profile, view.lane.kind) ?? profile.lane(view.lane.kind);
    if (exact !== null) return exact;
  }
  return usualLane(profile) ?? profile.lanes[0] ?? null;
}

/**
 * The lane with rows (of a kind) that is shown first: where Python stacks were well merged into native ones, that; else what
 * a Python profiler saw, whose boxes are the program's own functions; else the first. null where none has rows.
 */
export function usualLane(profile: Profile, kind?: LaneKind): Lane | null {
  const all = profile.lanes.filter((lane) => lane.rows > 0 && (kind === undefined || lane.kind === kind));
  const waits = all.filter((lane) => !isNotWaiting(lane));
  const shown = waits.length > 0 ? waits : all;
  // Waits come before the first sample does: a live picture does not begin with another lane than it goes on with.
  const early = kind === undefined && profile.info.live && profile.lanes.some((lane) => lane.kind !== 'off-cpu');
  const lanes = early ? shown.filter((lane) => lane.kind !== 'off-cpu') : shown;
  const first = lanes.filter((lane) => lane.kind === lanes[0].kind);
  const full = first.find((lane) => lane.kind === 'memory' && FULL_MEMORY.includes(lane.name));
  if (full !== undefined) return full;
  const merged = first.find((lane) => lane.pythonMerged > 0);
  const python = first.find((lane) => lane.name === PYTHON_LANE);
  if (merged !== undefined && (python === undefined || isWellMerged(merged, profile.info.live))) return merged;
  return python ?? merged ?? first[0] ?? null;
}

/** Lanes with every allocation, or samples of them: they say more than what the kernel sees of memory. */
const FULL_MEMORY: readonly string[] = ['heaptrack', 'v8 heap', 'v8 heap held'];

/** From this share of merged Python samples on a lane's stacks say what Python does. */
const WELL_MERGED = 0.6;
/** So many Python samples decide a live picture. */
const DECIDING = 50;
/** What was decided for lanes that are live: a picture does not change its lane back and forth while one looks. */
const decided = new WeakMap<Lane, boolean>();

function isWellMerged(lane: Lane, live: boolean): boolean {
  const all = lane.pythonMerged + lane.pythonUnmerged;
  const well = lane.pythonMerged >= all * WELL_MERGED;
  if (!live) return well;
  // With few samples a late window of Python looks like a missing one.
  if (all < DECIDING) return true;
  const before = decided.get(lane);
  if (before === undefined) decided.set(lane, well);
  return before ?? well;
}

/** Whether a lane has what only looks like waiting: threads that were preempted, or stopped by a profiler. */
export function isNotWaiting(lane: Lane): boolean {
  return lane.kind === 'off-cpu' && lane.name === 'preempted';
}

/** Name of the lane with py-spy's own stacks. */
export const PYTHON_LANE = 'py-spy';

/** How a tree's samples were taken: `perf 99 Hz, copied stacks + py-spy 100 Hz, 94 % of Python samples merged`. */
export function sourceText(profile: Profile, tree: CallTree): string {
  const { lane } = tree;
  const own = lane.source || lane.name;
  if (!tree.merged) return own;
  const python = profile.lanes.find((one) => one.name === PYTHON_LANE);
  return `${own}${python === undefined ? '' : ` + ${python.source || python.name}`}, ${mergedText(lane)}`;
}

/** `perf and py-spy, 99 Hz`: the profilers and their rates, where there is no room for more. */
function shortSource(profile: Profile, tree: CallTree): string {
  const python = tree.merged ? profile.lanes.find((one) => one.name === PYTHON_LANE) : undefined;
  const sources = [tree.lane.source, ...(python === undefined ? [] : [python.source || python.name])].map((source) => {
    const [, name, rate] = /^(.+?)(?: ([\d.]+ [kM]?Hz)\b.*)?$/.exec(source.split(',', 1)[0]) ?? [];
    return { name, rate: rate ?? '' };
  });
  const rates = [...new Set(sources.map(({ rate }) => rate).filter((rate) => rate !== ''))];
  if (rates.length <= 1) return [sources.map(({ name }) => name).join(' and '), ...rates].join(', ');
  return sources.map(({ name, rate }) => (rate === '' ? name : `${name} ${rate}`)).join(' and ');
}

/**
 * `94 % of Python samples merged`, and `, 12 % in part` where only the callers that are certain are shown. Rounded down: what
 * is not whole never reads as whole.
 */
export function mergedText(lane: Lane): string {
  const all = lane.pythonMerged + lane.pythonUnmerged;
  if (!(all > 0)) return 'no Python samples';
  const partly = Math.ceil((lane.pythonPartly / all) * 100);
  return `${Math.floor((lane.pythonMerged / all) * 100)} % of Python samples merged${partly > 0 ? `, ${partly} % in part` : ''}`;
}

/** What ran, in a few words: the title that the recording has, else its command's program. */
export function shortTitle(profile: Profile): string {
  if (profile.info.title !== '') return profile.info.title;
  const words = profile.info.command.split(' ').filter((word) => word !== '');
  // An interpreter's script says more than the interpreter.
  const script = words.length > 1 && /(^|\/)(python|node|ruby|perl|bash|sh)[\d.]*$/.test(words[0]) ? words.slice(1).find((word) => !word.startsWith('-')) : undefined;
  return (script ?? words[0] ?? '').split('/').pop() ?? '';
}

/** A title when none was written: which function alone takes most. */
export function defaultTitle(profile: Profile, tree: CallTree): string {
  const title = shortTitle(profile);
  const before = title === '' ? '' : `${title}: `;
  const named = functionsTable(tree)
    .filter((row) => row.self > 0 && !['unknown', 'marker'].includes(profile.functions.kindOf(row.fn)))
    // `[libc.so.6]` and an address are places without a name.
    .filter((row) => !/^(\[|0x[\da-f]+$)/.test(profile.functions.nameOf(row.fn)))
    .sort((a, b) => b.self - a.self || a.fn - b.fn)[0];
  if (named === undefined || !(tree.total > 0)) return `${before}where ${laneQuantity(tree.lane, tree.selection.moment)} goes`;
  const name = lastPart(displayName(profile.functions, named.fn));
  return `${before}${cut(name, 40)} alone takes ${formatPercent(named.self / tree.total)} of ${laneQuantity(tree.lane, tree.selection.moment)}`;
}

/**
 * A subtitle when none was written: what ran where, and how wide is what. `fits` says whether a text has room; the command
 * is what is shortened, never the sentence about the width. `given` says whether a title of the user's, and a caption, stand beside it.
 */
export function defaultSubtitle(profile: Profile, tree: CallTree, zoom: number, given: { readonly title: boolean; readonly caption: boolean }, fits: (text: string) => boolean): string {
  const { command, host, startedAt } = profile.info;
  const width = widthSentence(profile, tree, zoom);
  const facts = given.caption ? '' : [countText(tree), formatDate(startedAt)].filter((part) => part !== '').join(', ');
  const where = host === '' || given.caption ? '' : ` on ${host}`;
  const sentences = (ran: string, last: string): string => `${[ran === '' ? '' : ran + where, width, last].filter((part) => part !== '').join('. ')}.`;
  // A title of ours begins with the recording's.
  const short = command === '' && !given.title ? '' : shortTitle(profile);
  const commands = command === '' ? [short] : [command, cut(command, 60), cut(command, 40), short];
  for (const last of [facts, '']) {
    for (const ran of commands) if (fits(sentences(ran, last))) return sentences(ran, last);
  }
  return fits(`${width}.`) ? `${width}.` : sentences(short, '');
}

function widthSentence(profile: Profile, tree: CallTree, zoom: number): string {
  const { lane, selection } = tree;
  const whole = formatWeight(tree.total, lane.unit);
  const quantity = laneQuantity(lane, selection.moment);
  let width = `Width is ${quantity}: ${whole}`;
  if (zoom >= 0) {
    const name = cut(lastPart(displayName(profile.functions, tree.fn(zoom))), 40);
    width = `Width is ${quantity}: ${formatWeight(tree.totalOf(zoom), lane.unit)} below ${name}, ${formatPercent(tree.totalOf(zoom) / tree.total)} of ${whole}`;
  }
  const ranges = selection.ranges;
  // Held at a moment: a range from before the beginning.
  if (ranges?.length === 1 && ranges[0][0] === -Infinity) width += `, at ${formatTime(Math.max(0, ranges[0][1]))}`;
  else if (ranges?.length === 1) width += `, ${formatRange(ranges[0][0], ranges[0][1])}`;
  else if (ranges !== null && ranges.length > 1) width += ` in ${formatCount(ranges.length)} spans`;
  return width;
}

/** How many of what a tree counts: `1 159 samples`, `12 waits`, `37 blocks, exact`. */
export function countText(tree: CallTree): string {
  if (tree.lane.kind === 'memory' && memorySource(tree.lane) === 'heaptrack') {
    if (tree.lane.unit === 'count') return 'exact';
    const what = memoryPart(tree.lane) === 'held' ? 'block' : 'allocation';
    return `${formatCount(tree.samples)} ${what}${tree.samples === 1 ? '' : 's'}, exact`;
  }
  return tree.lane.kind === 'off-cpu' ? `${formatCount(tree.samples)} ${tree.samples === 1 ? 'wait' : 'waits'}` : formatSamples(tree.samples);
}

/**
 * Source, samples, host, commit, date: the foot of a picture. The source is short where the whole one has no room. What has
 * no room even then goes: the commit first, then the host.
 */
export function captionOf(profile: Profile, tree: CallTree, fits: (text: string) => boolean): string {
  const { tool, host, commit, startedAt } = profile.info;
  const samples = countText(tree);
  const [long, short] = tree.lane.source === '' ? [tool, tool] : [sourceText(profile, tree), shortSource(profile, tree)];
  const date = formatDate(startedAt);
  const join = (source: string, ...parts: string[]): string => [[source, samples].filter((part) => part !== '').join(', '), ...parts].filter((part) => part !== '').join(' · ');
  const whole = [host, commit.slice(0, 7), date];
  const choices = [join(long, ...whole), join(short, ...whole), join(short, host, date), join(short, date), join(short)];
  return choices.find(fits) ?? join(short);
}

function cut(text: string, letters: number): string {
  return text.length > letters ? `${text.slice(0, letters - 1)}…` : text;
}
