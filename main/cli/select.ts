// --lane --process --rank --thread --from --to --search --view: a view as one value, as a tab has it.
import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import type { Moment, Selection, ViewValue } from '#core/analyze/view';
import { FIRST_VIEW } from '#core/analyze/view';
import { isHeld, memoryMeasures } from '#core/analyze/memory';
import { laneOf, usualLane } from '#core/analyze/words';
import { UserError, messageOf } from '#core/errors';
import { LANE_KINDS } from '#core/model/lane';
import type { Lane, LaneKind } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import type { Arguments } from './arguments.ts';
import { numberOf, textOf } from './arguments.ts';
import { UsageError } from './io.ts';

const Ref = v.object({ name: v.string(), file: v.string(), library: v.string() });
const Transform = v.variant('kind', [
  v.object({ kind: v.literal('focus'), fn: Ref }), v.object({ kind: v.literal('merge'), fn: Ref }), v.object({ kind: v.literal('drop'), fn: Ref }),
  v.object({ kind: v.literal('collapse-library'), library: v.string() }), v.object({ kind: v.literal('collapse-recursion'), fn: Ref }), v.object({ kind: v.literal('my-code') }),
  v.object({ kind: v.picklist(['keep-reason', 'drop-reason']), reason: v.string() }),
]);
const LaneName = v.object({ kind: v.picklist(LANE_KINDS), name: v.string() });
const MomentName = v.exactOptional(v.picklist(['grown', 'held', 'peak']));
const RowList = v.array(v.pipe(v.number(), v.integer(), v.minValue(0)));
const Rows = v.nullable(RowList);
const View = v.object({
  lane: v.optional(v.nullable(LaneName), null),
  view: v.optional(v.picklist(['flame', 'table']), 'flame'),
  rootOnTop: v.optional(v.boolean(), true),
  inverted: v.optional(v.boolean(), false),
  order: v.optional(v.picklist(['alphabetical', 'left-heavy']), 'left-heavy'),
  selection: v.optional(v.object({
    ranges: v.optional(v.nullable(v.array(v.tuple([v.number(), v.number()]))), null),
    threads: v.optional(Rows, null), without: v.exactOptional(RowList), processes: v.optional(Rows, null), transforms: v.optional(v.array(Transform), []),
    stacks: v.exactOptional(v.picklist(['merged', 'own'])),
    during: v.exactOptional(v.object({
      lane: LaneName, path: v.array(Ref), inverted: v.optional(v.boolean(), false), threads: v.optional(Rows, null), without: v.exactOptional(RowList),
      transforms: v.exactOptional(v.array(Transform)), stacks: v.exactOptional(v.picklist(['merged', 'own'])),
    })),
    moment: MomentName,
  }), {}),
  search: v.optional(v.string(), ''),
  zoom: v.optional(v.array(Ref), []),
  selected: v.optional(v.array(Ref), []),
  panes: v.exactOptional(v.pipe(v.array(v.object({
    kind: v.picklist(LANE_KINDS), lane: v.optional(v.nullable(LaneName), null), inverted: v.optional(v.boolean(), false), zoom: v.optional(v.array(Ref), []),
    selected: v.optional(v.array(Ref), []), moment: MomentName, threads: v.exactOptional(Rows), idle: v.exactOptional(v.literal('shown')),
  })), v.minLength(1), v.maxLength(4))),
  focus: v.exactOptional(v.number()),
  wide: v.exactOptional(v.boolean()),
});

/** The view that `--view` gives, or the first one. JSON, or @FILE that holds it. */
function givenView(text: string | undefined): ViewValue {
  if (text === undefined) return FIRST_VIEW;
  let json: unknown;
  try {
    json = JSON.parse(text.startsWith('@') ? readFileSync(text.slice(1), 'utf8') : text);
  } catch (error) {
    throw new UsageError(`--view is neither JSON nor @FILE with JSON in it: ${messageOf(error)}`);
  }
  const parsed = v.safeParse(View, json);
  if (!parsed.success) {
    const issue = parsed.issues[0];
    throw new UsageError(`--view: ${issue.path?.map((step) => String(step.key)).join('.') ?? 'value'}: ${issue.message}`);
  }
  return { ...parsed.output, selection: { ...FIRST_VIEW.selection, ...parsed.output.selection } };
}

/** Whether any option narrows or changes what is looked at. */
export function hasView(args: Arguments): boolean {
  return ['lane', 'process', 'rank', 'thread', 'from', 'to', 'view', 'invert', 'search', 'moment'].some((name) => args.values[name] !== undefined);
}

/** Checks the options as far as that goes without a profile: wrong usage is said before a large file is read. */
export function checkView(args: Arguments): void {
  givenView(textOf(args, 'view'));
  const from = numberOf(args, 'from', { least: 0 }) ?? 0;
  const to = numberOf(args, 'to', { least: 0 }) ?? Infinity;
  if (to <= from) throw new UsageError(`--to ${to} is not after --from ${from}`);
  numberOf(args, 'rank', { least: 0, whole: true });
}

/**
 * The view that the options ask for. Where they name no lane it is the usual one of the kind `usual`, else of the
 * profile. Throws UserError for a lane, process or thread that the profile lacks.
 */
export function viewOf(profile: Profile, args: Arguments, usual: LaneKind | null = 'cpu'): ViewValue {
  const view = givenView(textOf(args, 'view'));
  const laneName = textOf(args, 'lane');
  const first = usual === null || view.lane !== null ? null : usualLane(profile, usual);
  const lane = withMoment(profile, args, laneName === undefined ? first : findLane(profile, laneName), view);
  return {
    ...view,
    lane: lane === null ? view.lane : { kind: lane.kind, name: lane.name },
    inverted: args.values['invert'] === true || view.inverted,
    search: textOf(args, 'search') ?? view.search,
    selection: selectionOf(profile, args, view.selection),
  };
}

function selectionOf(profile: Profile, args: Arguments, given: Selection): Selection {
  const from = numberOf(args, 'from', { least: 0 });
  const to = numberOf(args, 'to', { least: 0 });
  const ranges = from === undefined && to === undefined ? given.ranges : [[(from ?? 0) * 1e9, to === undefined ? Number.MAX_SAFE_INTEGER : to * 1e9] as const];
  let processes = given.processes;
  const process = textOf(args, 'process');
  if (process !== undefined) processes = findRows('process', process, profile.processes.length, (row) => profile.processes.pid.get(row), (row) => profile.processes.nameOf(row as never));
  const rank = numberOf(args, 'rank', { least: 0, whole: true });
  if (rank !== undefined) {
    const ranked = findRows('rank', String(rank), profile.processes.length, (row) => profile.processes.rank.get(row), () => '');
    processes = processes === null ? ranked : processes.filter((row) => ranked.includes(row));
  }
  const thread = textOf(args, 'thread');
  const threads = thread === undefined ? given.threads
    : findRows('thread', thread, profile.threads.length, (row) => profile.threads.tid.get(row), (row) => profile.threads.nameOf(row as never));
  const moment = momentOf(args);
  return { ...given, ranges, processes, threads, ...(moment === null ? {} : { moment }) };
}

function momentOf(args: Arguments): Moment | null {
  const text = textOf(args, 'moment');
  return text === 'held' || text === 'grown' || text === 'peak' ? text : null;
}

/** With a moment, memory is the lane of what was held: that one of its source, or of the recording where no lane was named. */
function withMoment(profile: Profile, args: Arguments, named: Lane | null, view: ViewValue): Lane | null {
  const moment = momentOf(args);
  if (moment === null) return named;
  const given = textOf(args, 'lane') !== undefined || view.lane !== null;
  const lane = given ? named ?? laneOf(profile, view) : usualLane(profile, 'memory');
  const measure = lane === null ? undefined : memoryMeasures(profile, lane).find((one) => one.moment === moment);
  if (measure === undefined) {
    const held = profile.lanes.filter(isHeld).map((one) => one.name);
    throw new UserError('no-moment', lane === null ? 'this profile has no memory lane' : `the lane ${lane.name} does not tell what was held`, {
      hint: held.length > 0 ? `What was held is in: ${held.join(', ')}.` : 'What is held is told by heaptrack: record it with --memory full.',
    });
  }
  return measure.lane;
}

/** Rows whose number or whole name is `wanted`, else whose name holds it. */
function findRows(what: string, wanted: string, length: number, numberAt: (row: number) => number, nameAt: (row: number) => string): number[] {
  const rows = Array.from({ length }, (_, row) => row);
  const exact = rows.filter((row) => String(numberAt(row)) === wanted || nameAt(row) === wanted);
  const found = exact.length > 0 ? exact : rows.filter((row) => nameAt(row).toLowerCase().includes(wanted.toLowerCase()));
  if (found.length === 0) {
    const some = [...new Set(rows.map((row) => (nameAt(row) === '' ? String(numberAt(row)) : `${nameAt(row)} (${numberAt(row)})`)))].slice(0, 8);
    throw new UserError('not-there', `no ${what} "${wanted}" in this profile`, { hint: some.length > 0 ? `There are: ${some.join(', ')}.` : `It tells no ${what}s apart.` });
  }
  return found;
}

function findLane(profile: Profile, wanted: string): Lane {
  const lanes = profile.lanes;
  const kind = LANE_KINDS.find((one) => one === wanted);
  const lane = lanes.find((one) => one.name === wanted) ?? (kind === undefined ? null : usualLane(profile, kind)) ?? lanes.find((one) => one.kind === wanted)
    // Page faults are what is known of memory where nothing more was allowed.
    ?? (kind === 'memory' ? usualLane(profile, 'faults') ?? undefined : undefined);
  if (lane === undefined) {
    throw new UserError('no-lane', `this profile has no lane "${wanted}"`, { hint: `It has: ${lanes.map((one) => (one.name === one.kind ? one.kind : `${one.kind} (${one.name})`)).join(', ') || 'none'}.` });
  }
  return lane;
}
