// A profiler without a child: it makes a stream of samples by itself, and notes what is asked of it.
import type { LaneKind } from '#core/model/lane';
import type { Check, Target } from '#core/protocol/api';
import { UserError } from '#core/errors';
import type { Profiler, Run } from '../../main/profilers/profiler.ts';

const MS = 1e6;
const TICK_MS = 100;

export interface FakeOptions {
  readonly id: string;
  readonly lanes: readonly LaneKind[];
  /** What its check says of a lane; ready where nothing is given. */
  readonly states?: Readonly<Partial<Record<LaneKind, Check['state']>>>;
  readonly texts?: Readonly<Partial<Record<LaneKind, string>>>;
  /** It can switch its lanes. */
  readonly switches?: boolean;
  /** Its pause leaves nothing out. */
  readonly goesOn?: true;
  /** It can take another rate. */
  readonly rates?: boolean;
  /** Its start fails with this. */
  readonly fails?: string;
  /** It ends by itself with this error after so many ms. */
  readonly dies?: { readonly after: number; readonly error: string };
  readonly more?: Partial<Profiler>;
}

export interface Fake {
  readonly profiler: Profiler;
  /** What was asked of it, in order: `start cpu,off-cpu`, `off cpu`, `rate 49`, `pause`. */
  readonly calls: string[];
}

export function fakeProfiler(options: FakeOptions): Fake {
  const calls: string[] = [];
  const check = (_target: Target): Promise<Check[]> => Promise.resolve(options.lanes.map((lane) => ({
    profiler: options.id, lane, state: options.states?.[lane] ?? 'ready', version: '', text: options.texts?.[lane] ?? `${options.id} on ${lane}`, command: '',
  })));
  return {
    calls,
    profiler: {
      id: options.id, lanes: options.lanes, check, ...options.more,
      start: async (run) => {
        calls.push(`start ${run.options.lanes.join(',')}`);
        if (options.fails !== undefined) throw new UserError('fake', options.fails);
        return await Promise.resolve(running(run, options, calls));
      },
    },
  };
}

function running(run: Run, options: FakeOptions, calls: string[]): Awaited<ReturnType<Profiler['start']>> {
  const pid = run.watched[0]?.pid ?? 1;
  const stream = run.windows({ decoder: 'python-helper', id: options.id, title: options.id, watched: [pid], directory: '', source: 'fake', rateHz: 100 });
  let hz = run.options.rate;
  const lanes = new Set(run.options.lanes);
  let paused = false;
  let last = run.now();
  let first = true;
  let cpu = 1 * MS;
  let finish = (_end: { error: string }): void => undefined;
  const done = new Promise<{ readonly error: string }>((resolve) => { finish = resolve; });
  // A thread that runs half of the time: looks at the rate, readings at both ends.
  const push = () => {
    const now = run.now();
    const count = paused || lanes.size === 0 ? 0 : Math.round(((now - last) / 1e9) * hz);
    let text = `p ${pid}\n`;
    if (first) text += `r ${last} ${hz} 1 3.11\nt 0\nf 1 fake\t/fake.py\ns -1 0\nc ${pid} 0\n`;
    first = false;
    for (let i = 0; i < count; i++) text += `t ${Math.round((now - last) / count / 1000)}\n`;
    const points = [last, cpu, now, (cpu += (now - last) / 2)];
    stream.push({ start: last, end: now, threads: [], onCpu: [{ tid: pid, pid, points, runnable: [0, 0] }], lanes: [...lanes] }, new TextEncoder().encode(text));
    last = now;
  };
  const timer = setInterval(push, TICK_MS);
  const stop = async (error = ''): Promise<void> => {
    clearInterval(timer);
    await stream.close();
    finish({ error });
  };
  const { dies } = options;
  if (dies !== undefined) setTimeout(() => void stop(dies.error), dies.after);
  return {
    done, ...(options.goesOn === true ? { goesOn: true } : {}),
    pause: async () => { calls.push('pause'); paused = true; await Promise.resolve(); },
    resume: async () => { calls.push('resume'); paused = false; await Promise.resolve(); },
    stop: async () => { calls.push('stop'); await stop(); },
    ...(options.switches === true ? { setLane: async (lane: LaneKind, on: boolean) => {
      calls.push(`${on ? 'on' : 'off'} ${lane}`);
      if (on) lanes.add(lane);
      else lanes.delete(lane);
      await Promise.resolve();
    } } : {}),
    ...(options.rates === true ? { setRate: async (wanted: number) => {
      calls.push(`rate ${wanted}`);
      hz = wanted;
      return await Promise.resolve(wanted);
    } } : {}),
  };
}
