// A schema for the body of every request: what reaches a handler has been checked. A schema that differs from the contract
// (core/protocol/api.ts), in either direction, does not compile.
import * as v from 'valibot';
import { UserError } from '#core/errors';
import type { RequestName, Requests } from '#core/protocol/api';
import { LANE_KINDS } from '#core/model/lane';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const finite = v.pipe(v.number(), v.finite());
const short = v.pipe(v.string(), v.maxLength(10_000));
const long = v.pipe(v.string(), v.maxLength(1_000_000));
const id = v.pipe(v.string(), v.maxLength(200));
const nothing = v.pipe(v.looseObject({}), v.transform((): Record<string, never> => ({})));
const laneKind = v.picklist(LANE_KINDS);

// Part of any program's environment or arguments: no NUL, which no system call can pass.
const word = v.pipe(v.string(), v.maxLength(131_072), v.check((text) => !text.includes('\0'), 'holds a NUL'));
const target = v.variant('kind', [
  v.object({
    kind: v.literal('attach'),
    processes: v.pipe(v.array(v.object({ pid: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(4_194_304)), start: finite })), v.maxLength(10_000)),
    children: v.boolean(),
  }),
  v.object({
    kind: v.literal('launch'), argv: v.pipe(v.array(word), v.minLength(1), v.maxLength(10_000)), directory: word,
    environment: v.record(v.pipe(v.string(), v.regex(/^[^=\0]+$/)), word),
  }),
]);

const options = v.object({
  lanes: v.pipe(v.array(laneKind), v.maxLength(20)),
  profilers: v.pipe(v.array(id), v.maxLength(20)),
  rate: finite,
  stacks: v.picklist(['auto', 'fp', 'dwarf']),
  duration: finite,
  pySpy: v.object({ idle: v.boolean(), gil: v.boolean(), subprocesses: v.boolean() }),
  title: short,
  memory: v.picklist(['light', 'full']),
  mostCost: v.pipe(v.number(), v.minValue(0), v.maxValue(100)),
  marks: word,
  risks: v.pipe(v.array(id), v.maxLength(20)),
});

const rowList = v.pipe(v.array(count), v.maxLength(1_000_000));
const rows = v.nullable(rowList);
const fn = v.object({ name: long, file: long, library: long });
const path = v.pipe(v.array(fn), v.maxLength(10_000));
const transform = v.variant('kind', [
  v.object({ kind: v.literal('focus'), fn }),
  v.object({ kind: v.literal('merge'), fn }),
  v.object({ kind: v.literal('drop'), fn }),
  v.object({ kind: v.literal('collapse-library'), library: long }),
  v.object({ kind: v.literal('collapse-recursion'), fn }),
  v.object({ kind: v.literal('my-code') }),
  v.object({ kind: v.picklist(['keep-reason', 'drop-reason']), reason: short }),
]);
const laneRef = v.object({ kind: laneKind, name: short });
const moment = v.exactOptional(v.picklist(['grown', 'held', 'peak']));
const view = v.object({
  lane: v.nullable(laneRef),
  view: v.picklist(['flame', 'table']),
  rootOnTop: v.boolean(),
  inverted: v.boolean(),
  order: v.picklist(['alphabetical', 'left-heavy']),
  selection: v.object({
    ranges: v.nullable(v.pipe(v.array(v.tuple([finite, finite])), v.maxLength(1_000_000))),
    threads: rows, without: v.exactOptional(rowList), processes: rows, transforms: v.pipe(v.array(transform), v.maxLength(1000)),
    stacks: v.exactOptional(v.picklist(['merged', 'own'])),
    during: v.exactOptional(v.object({
      lane: laneRef, path, inverted: v.boolean(), threads: rows, without: v.exactOptional(rowList),
      transforms: v.exactOptional(v.pipe(v.array(transform), v.maxLength(1000))), stacks: v.exactOptional(v.picklist(['merged', 'own'])),
    })),
    moment,
  }),
  search: short,
  zoom: path,
  selected: path,
  panes: v.exactOptional(v.pipe(v.array(v.object({
    kind: laneKind, lane: v.nullable(laneRef), inverted: v.boolean(), zoom: path, selected: path, moment, threads: v.exactOptional(rows),
    idle: v.exactOptional(v.literal('shown')),
  })), v.minLength(1), v.maxLength(4))),
  focus: v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(3))),
  wide: v.exactOptional(v.boolean()),
});
const picture = v.object({
  width: v.pipe(v.number(), v.integer(), v.minValue(16), v.maxValue(20_000)),
  height: v.pipe(v.number(), v.integer(), v.minValue(16), v.maxValue(20_000)),
  scale: v.pipe(v.number(), v.minValue(0.25), v.maxValue(8)),
  theme: v.picklist(['light', 'dark', 'clear']),
  title: short, subtitle: short, caption: v.boolean(), legend: v.boolean(),
  text: v.pipe(v.number(), v.minValue(4), v.maxValue(400)),
  depth: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100_000)),
  callouts: v.pipe(v.array(v.object({ path, title: short, note: short })), v.maxLength(100)),
});

const rowCounts = v.pipe(v.array(count), v.maxLength(100_000));
const cursor = v.object({
  strings: count, functions: count, frames: count, frameChanges: count, stacks: count, processes: count, processChanges: count,
  threads: count, threadChanges: count, marks: count, info: v.pipe(v.number(), v.integer()), lanes: rowCounts, thinnings: rowCounts, merged: rowCounts, tracks: rowCounts,
});

const profile = v.object({ profile: id });
const terminal = v.object({ terminal: id });

export const SCHEMAS = {
  hello: v.object({ protocol: v.number(), token: short }),
  processes: nothing,
  checks: v.object({ target }),
  recordStart: v.object({ target, options }),
  recordPause: v.object({ profile: id, paused: v.boolean() }),
  recordLane: v.object({ profile: id, lane: laneKind, on: v.boolean() }),
  recordStop: profile,
  profiles: nothing,
  open: v.object({
    source: v.variant('kind', [
      v.object({ kind: v.literal('library'), id }), v.object({ kind: v.literal('path'), path: word }),
      v.object({ kind: v.literal('upload'), upload: id }), v.object({ kind: v.literal('example') }),
    ]),
  }),
  since: v.object({ profile: id, cursor }),
  close: profile,
  library: nothing,
  libraryUpdate: v.object({
    id, title: v.exactOptional(short), notes: v.exactOptional(long), tags: v.exactOptional(v.pipe(v.array(short), v.maxLength(1000))), baseline: v.exactOptional(v.boolean()),
  }),
  libraryDelete: v.object({ id }),
  libraryRestore: v.object({ id }),
  libraryDecode: v.object({ id }),
  export: v.object({ profile: id, format: id, view, picture }),
  uploadBegin: v.object({ name: short, size: count }),
  uploadChunk: v.object({ upload: id }),
  terminals: profile,
  terminalAttach: terminal,
  terminalWrite: terminal,
  terminalResize: v.object({ terminal: id, columns: v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(1000)), rows: v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(1000)) }),
  shellOpen: v.object({ command: v.pipe(v.string(), v.maxLength(10_000)) }),
} satisfies { readonly [N in RequestName]: v.GenericSchema<unknown, Requests[N]['body']> };

// `satisfies` shows that what a schema lets through is a body. The other way round: every body is let through, field by field.
type Deep<T> = T extends readonly unknown[] ? { readonly [K in keyof T]: Deep<T[K]> } : T extends object ? { readonly [K in keyof T]: Deep<T[K]> } : T;
type Output<N extends RequestName> = Deep<v.InferOutput<(typeof SCHEMAS)[N]>>;
const EVERY_BODY_PASSES: { readonly [N in RequestName]: Deep<Requests[N]['body']> extends Output<N> ? true : never } = {
  hello: true, processes: true, checks: true, recordStart: true, recordPause: true, recordLane: true, recordStop: true, profiles: true, open: true, since: true,
  close: true, library: true, libraryUpdate: true, libraryDelete: true, libraryRestore: true, libraryDecode: true, export: true, uploadBegin: true,
  uploadChunk: true, terminals: true, terminalAttach: true, terminalWrite: true, terminalResize: true, shellOpen: true,
};

/** Whether there is a request of this name. */
export function isRequest(name: string): name is RequestName {
  return Object.hasOwn(EVERY_BODY_PASSES, name);
}

/** The body of a request, checked. Throws UserError that names the field. */
export function checkBody<N extends RequestName>(name: N, body: unknown): Requests[N]['body'] {
  const schema: v.GenericSchema<unknown, Requests[RequestName]['body']> = SCHEMAS[name];
  const parsed = v.safeParse(schema, body);
  if (parsed.success) return parsed.output as Requests[N]['body'];
  const issue = parsed.issues[0];
  throw new UserError('request', `the request ${name} is not as it should be at ${v.getDotPath(issue) ?? 'its root'}: ${issue.message}`);
}
