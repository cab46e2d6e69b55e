// What V8's own profilers can do on a target, and what it would risk to reach them.
import { messageOf } from '#core/errors';
import type { Check, Target } from '#core/protocol/api';
import { argvOf, readProcLink } from '../processes/proc.ts';
import { isAlive } from '../processes/identity.ts';
import { runtimeOf } from '../processes/runtime.ts';
import { withDescendants } from '../processes/tree.ts';
import { inspectorPlaces, isNode, sameNetwork, signalState, startsNode } from './node-process.ts';
import { refusal } from './node-watch.ts';

export const NODE_PROFILER = 'node-inspector';

const CPU = "V8's own CPU profiler, with nothing installed: JavaScript functions of the main thread and of workers, in windows of 500 ms.";
const MEMORY = "V8's sampling heap profiler: what JavaScript holds since the recording began and what it allocates, estimated from one sample every 32 KiB. A function that V8 inlined counts for its caller.";
const UNSEEN = ' It does not see native threads (libuv, garbage collection).';

/** Node processes of a target that is attached to, with those under it where they are wanted. */
export function nodesOf(target: Target): number[] {
  if (target.kind === 'launch') return [];
  const living = target.processes.filter((process) => isAlive(process)).map((process) => process.pid);
  const pids = target.children ? withDescendants(living) : living;
  return pids.filter((pid) => isNode(pid));
}

/** Never throws. One check a lane. */
export function checkNode(target: Target): Promise<readonly Check[]> {
  let verdict: Pick<Check, 'state' | 'version' | 'text'>;
  try {
    verdict = judge(target);
  } catch (error) {
    verdict = { state: 'no', version: '', text: `Node's inspector could not be checked: ${messageOf(error)}` };
  }
  const works = verdict.state === 'ready' || verdict.state === 'partly';
  const of = (lane: 'cpu' | 'memory', what: string): Check => ({ profiler: NODE_PROFILER, lane, command: '', ...verdict, text: works ? `${what}${verdict.text}` : verdict.text });
  return Promise.resolve([of('cpu', CPU + UNSEEN), of('memory', MEMORY)]);
}

function judge(target: Target): Pick<Check, 'state' | 'version' | 'text'> {
  if (target.kind === 'launch') {
    if (!startsNode(target.argv, target.directory, target.environment['PATH'] ?? process.env.PATH)) {
      return { state: 'no', version: '', text: `${target.argv[0] ?? 'The command'} is not Node: V8's profilers are for JavaScript programs.` };
    }
    return { state: 'ready', version: '', text: ' NODE_OPTIONS has Node, and Node programs that it starts, open the inspector on a free port of 127.0.0.1, without a line about it. Until it is closed at the end every user of this machine could control the program through it.' };
  }
  const first = target.processes[0]?.pid ?? 0;
  if (!target.processes.some((process) => isAlive(process))) return { state: 'no', version: '', text: `Process ${first} has ended. Pick another one from the list.` };
  const nodes = nodesOf(target);
  if (nodes.length === 0) return { state: 'no', version: '', text: `Process ${first} is not a Node process: V8's profilers are for JavaScript programs.` };
  const version = versionOf(nodes[0]);
  const reasons: string[] = [];
  let open = 0;
  let closed = 0;
  for (const pid of nodes) {
    if (!sameNetwork(pid)) reasons.push(`The inspector of process ${pid} listens inside its container, which cannot be reached from here. Start Flamebench in the same container.`);
    else if (inspectorPlaces(pid).length > 0) open++;
    else {
      const why = refusal(pid, signalState(pid));
      if (why === '') closed++;
      else reasons.push(why);
    }
  }
  if (open + closed === 0) return { state: 'no', version, text: reasons[0] ?? '' };
  const rest = reasons.length === 0 ? '' : ` ${reasons[0]}`;
  if (closed === 0) return { state: reasons.length === 0 ? 'ready' : 'partly', version, text: ` ${open === 1 ? `Process ${nodes[0]} has` : `${open} processes have`} the inspector open already.${rest}` };
  // What that risks is said beside it (Check.risk), and is accepted there.
  return { state: reasons.length === 0 ? 'ready' : 'partly', version, text: ` The inspector is opened by a signal (SIGUSR1) and closed again at the end.${rest}` };
}

/** What is risked where an inspector has to be opened; '' where all that can be reached are open. */
export function riskOf(target: Target): string {
  const unopened = nodesOf(target).filter((pid) => sameNetwork(pid) && inspectorPlaces(pid).length === 0);
  const states = unopened.map((pid) => signalState(pid));
  const closed = unopened.filter((pid, i) => refusal(pid, states[i]) === '');
  if (closed.length === 0) return '';
  const who = closed.length === 1 ? `process ${closed[0]}` : `${closed.length} processes`;
  const unseen = states.includes('unseen') ? ' Whether the program does something of its own on that signal could not be seen: if it does, that happens.' : '';
  return `The inspector of ${who} is opened by a signal (SIGUSR1). Until the recording ends every user of this machine could control the program through it, on a port of 127.0.0.1, and its standard error gets lines about a debugger.${unseen}`;
}

function versionOf(pid: number): string {
  const { version } = runtimeOf(pid, readProcLink(`/proc/${pid}/exe`) ?? '', argvOf(pid));
  return version === '' ? '' : `Node ${version}`;
}
