// speedscope's file format: https://github.com/jlfwong/speedscope, src/lib/file-format-spec.ts. Every thread is a sampled
// profile of its own; read back by core/read/speedscope.ts it gives the same functions, files, lines, threads and weights.
import { isHeld } from '#core/analyze/memory';
import type { ViewValue } from '#core/analyze/view';
import { laneOf } from '#core/analyze/words';
import { assertNever, UserError } from '#core/errors';
import type { StackId, ThreadId } from '#core/model/ids';
import type { Unit } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import { rowsOf } from './rows.ts';

const ENCODER = new TextEncoder();

function unitName(unit: Unit): string {
  switch (unit) {
    case 'ns': return 'nanoseconds';
    case 'bytes': return 'bytes';
    case 'count': return 'none';
    default: return assertNever(unit);
  }
}

/** Rows of one thread. */
interface Rows {
  stacks: number[];
  weights: number[];
}

/** The view's selection, leaf last. Transforms and inversion are the viewer's own there, and are left to it. */
export function* speedscopeJson(profile: Profile, view: ViewValue): Iterable<Uint8Array> {
  const lane = laneOf(profile, view);
  if (lane === null) throw new UserError('no-lane', 'this profile has no samples to write');
  const threads = new Map<number, Rows>();
  rowsOf(profile, lane, view.selection, (thread, stack, weight) => {
    let rows = threads.get(thread);
    if (rows === undefined) threads.set(thread, (rows = { stacks: [], weights: [] }));
    rows.stacks.push(stack);
    rows.weights.push(weight);
  });
  if (isHeld(lane)) for (const rows of threads.values()) sumGains(rows);
  if (threads.size === 0) throw new UserError('no-samples', 'no sample lies in the selection, so there is nothing to write');

  // Only frames that are used are listed.
  const index = new Map<number, number>();
  const frames: object[] = [];
  const pathOf = (stack: number): number[] => {
    if (stack < 0) return [];
    return profile.stacks.framesOf(stack as StackId).map((frame) => {
      let at = index.get(frame);
      if (at === undefined) {
        at = frames.push(frameOf(profile, frame)) - 1;
        index.set(frame, at);
      }
      return at;
    });
  };
  const texts = new Map<number, string>();
  const stackText = (stack: number): string => {
    let text = texts.get(stack);
    if (text === undefined) texts.set(stack, (text = `[${pathOf(stack).join(',')}]`));
    return text;
  };
  for (const rows of threads.values()) for (const stack of rows.stacks) stackText(stack);

  yield ENCODER.encode(
    `{"$schema":"https://www.speedscope.app/file-format-schema.json","exporter":"flamebench","name":${JSON.stringify(profile.info.title || 'profile')},` +
    `"activeProfileIndex":0,"shared":{"frames":${JSON.stringify(frames)}},"profiles":[`,
  );
  let first = true;
  for (const [thread, rows] of threads) {
    const total = rows.weights.reduce((sum, weight) => sum + weight, 0);
    yield ENCODER.encode(`${first ? '' : ','}{"type":"sampled","name":${JSON.stringify(threadName(profile, thread))},"unit":"${unitName(lane.unit)}","startValue":0,"endValue":${total},"samples":[`);
    first = false;
    yield* joined(rows.stacks, stackText);
    yield ENCODER.encode('],"weights":[');
    yield* joined(rows.weights, String);
    yield ENCODER.encode(']}');
  }
  yield ENCODER.encode(']}\n');
}

/** Gains and losses of held memory as one row a stack; a weight below 0 is none there, so what shrank is left out. */
function sumGains(rows: Rows): void {
  const sums = new Map<number, number>();
  for (const [i, stack] of rows.stacks.entries()) sums.set(stack, (sums.get(stack) ?? 0) + rows.weights[i]);
  const gains = [...sums].filter(([, weight]) => weight > 0);
  rows.stacks = gains.map(([stack]) => stack);
  rows.weights = gains.map(([, weight]) => weight);
}

function* joined(values: readonly number[], text: (value: number) => string): Iterable<Uint8Array> {
  let pieces: string[] = [];
  for (let i = 0; i < values.length; i++) {
    pieces.push(i === 0 ? text(values[i]) : `,${text(values[i])}`);
    if (pieces.length === 8192) {
      yield ENCODER.encode(pieces.join(''));
      pieces = [];
    }
  }
  yield ENCODER.encode(pieces.join(''));
}

function frameOf(profile: Profile, frame: number): object {
  const fn = profile.frames.functionOf(frame as never);
  const { functions } = profile;
  // speedscope knows one place for a frame: the source file, else the library.
  const file = functions.fileOf(fn) || functions.libraryOf(fn);
  const line = profile.frames.line.get(frame);
  return { name: functions.nameOf(fn) || '[unnamed]', ...(file === '' ? {} : { file }), ...(line > 0 ? { line } : {}) };
}

function threadName(profile: Profile, thread: number): string {
  if (thread < 0) return profile.info.title || 'all threads';
  const process = profile.threads.process.get(thread);
  const pid = process < 0 ? 0 : profile.processes.pid.get(process);
  return `${profile.threads.nameOf(thread as ThreadId) || 'thread'} (${pid}/${profile.threads.tid.get(thread)})`;
}
