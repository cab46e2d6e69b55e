import { release } from 'node:os';
import { UserError } from '#core/errors';
import { laneTitle } from '#core/analyze/words';
import type { LaneKind } from '#core/model/lane';
import type { Check, Target } from '#core/protocol/api';
import { startOf } from '../processes/identity.ts';
import { checksOf, works } from '../profilers/checks.ts';
import { PROFILERS } from '../profilers/index.ts';
import type { Arguments } from './arguments.ts';
import { isSet, numberOf } from './arguments.ts';
import type { CliIo } from './io.ts';
import { print, UsageError } from './io.ts';
import { printJson } from './json.ts';

const WORDS: Readonly<Record<Check['state'], string>> = { ready: 'ready', partly: 'partly', fix: 'one command away', no: 'no' };

/** What each profiler can do here, or on one process, and the one command that changes what it cannot. */
export async function doctor(args: Arguments, io: CliIo): Promise<number> {
  if (args.positionals.length > 0) throw new UsageError(`doctor takes no argument (${args.positionals[0]}); a process is --pid PID`);
  const pid = numberOf(args, 'pid', { above: 0, whole: true });
  let target: Target = { kind: 'launch', argv: ['true'], directory: process.cwd(), environment: {} };
  if (pid !== undefined) {
    const start = startOf(pid);
    if (start === null) throw new UserError('no-process', `there is no process ${pid}`, { command: 'flamebench ps' });
    target = { kind: 'attach', processes: [{ pid, start }], children: false };
  }
  const checks = await checksOf(PROFILERS, target);
  if (isSet(args, 'json')) {
    await printJson(io, { kernel: release(), architecture: process.arch, pid: pid ?? null, checks, lanes: LANES.map((lane) => laneVerdict(lane, checks)) });
    return 0;
  }
  await print(io.stdout, `Linux ${release()} on ${process.arch}, Node ${process.versions.node}${pid === undefined ? '' : `; process ${pid}`}\n`);
  for (const lane of LANES) {
    const verdict = laneVerdict(lane, checks);
    await print(io.stdout, `\n${laneTitle(lane)}: ${WORDS[verdict.state]}\n`);
    if (verdict.profilers.length === 0 && verdict.text !== '') await print(io.stdout, `  ${verdict.text}\n`);
    for (const check of checks) {
      if (check.lane !== lane) continue;
      const notes = [check.version, check.spare === true ? 'not needed here: it stands in where others cannot work' : '', check.full === true ? 'with --memory full' : ''].filter((note) => note !== '');
      await print(io.stdout, `  ${check.profiler}: ${WORDS[check.state]}${notes.length === 0 ? '' : ` (${notes.join('; ')})`}\n    ${check.text}\n`);
      if (check.risk !== undefined) await print(io.stdout, `    Risk: ${check.risk} (--accept-risk ${check.profiler})\n`);
      if (check.command !== '') await print(io.stdout, `    $ ${check.command}\n`);
    }
  }
  return 0;
}

/** Best first: what a lane can do here is what its best profiler can. */
const STATES: readonly Check['state'][] = ['ready', 'partly', 'fix', 'no'];
/** Lanes that a pane can show; others of which a profiler speaks belong to these. */
const LANES: readonly LaneKind[] = ['cpu', 'off-cpu', 'memory', 'faults', 'cuda'];

/** What a lane can do here: the state, text and command of its best profiler, and which ones could fill it. */
function laneVerdict(lane: LaneKind, checks: readonly Check[]): { lane: LaneKind; state: Check['state']; text: string; command: string; profilers: string[] } {
  const own = checks.filter((check) => check.lane === lane);
  const best = STATES.flatMap((state) => own.filter((check) => check.state === state)).at(0);
  const profilers = [...new Set(own.filter(works).map((check) => check.profiler))];
  return { lane, state: best?.state ?? 'no', text: best?.text ?? 'No profiler here records it.', command: best?.command ?? '', profilers };
}
