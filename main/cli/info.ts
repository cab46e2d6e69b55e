import { formatCount, formatDate, formatTime, formatWeight } from '#core/analyze/format';
import { mergedText } from '#core/analyze/words';
import type { Lane } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import { MARK_KINDS } from '#core/model/profile';
import type { Arguments } from './arguments.ts';
import { isSet } from './arguments.ts';
import type { CliIo } from './io.ts';
import { print, UsageError } from './io.ts';
import { printJson } from './json.ts';
import { openProfile } from './open.ts';

/** What a file holds: lanes, threads, what was skipped. */
export async function info(args: Arguments, io: CliIo): Promise<number> {
  if (args.positionals.length === 0) throw new UsageError('which file? Usage: flamebench info FILE');
  const profile = await openProfile(args.positionals, io);
  const { info: facts } = profile;
  const skipped = [...profile.skipped].map(([what, count]) => ({ what, count }));
  if (isSet(args, 'json')) {
    await printJson(io, {
      format: facts.format, madeBy: facts.tool, title: facts.title, command: facts.command, host: facts.host, kernel: facts.kernel,
      startedAt: facts.startedAt, durationNs: facts.durationNs,
      lanes: profile.lanes.map((lane) => ({ kind: lane.kind, name: lane.name, source: lane.source, unit: lane.unit, samples: lane.samples, total: lane.total, threads: threadsOf(lane),
        ...(lane.mergedRows > 0 ? { pythonMerged: lane.pythonMerged, pythonUnmerged: lane.pythonUnmerged, pythonPartly: lane.pythonPartly } : {}),
      })),
      processes: profile.processes.length, threads: profile.threads.length, functions: profile.functions.length, stacks: profile.stacks.length, skipped, notes: facts.notes,
      tracks: profile.tracks.map((track) => ({ name: track.name, unit: track.unit, values: track.time.length })), marks: marksOf(profile),
    });
    return 0;
  }
  const lines: [string, string][] = [
    ['title', facts.title], ['format', facts.format], ['made by', facts.tool], ['command', facts.command],
    ['host', [facts.host, facts.kernel].filter((part) => part !== '').join(', ')],
    ['started', facts.startedAt > 0 ? formatDate(facts.startedAt) : ''], ['duration', facts.durationNs > 0 ? formatTime(facts.durationNs) : ''],
    ...profile.lanes.map((lane): [string, string] => ['lane', laneText(lane)]),
    ...profile.tracks.map((track): [string, string] => ['track', `${track.name} (${track.unit}): ${formatCount(track.time.length)} values`]),
    ...marksOf(profile).map(({ kind, count }): [string, string] => ['marks', `${formatCount(count)} ${kind}`]),
    ['processes', processesText(profile)], ['threads', formatCount(profile.threads.length)],
    ['functions', formatCount(profile.functions.length)], ['stacks', formatCount(profile.stacks.length)],
    ...facts.notes.map((note): [string, string] => ['note', note]),
    ...skipped.map(({ what, count }): [string, string] => ['skipped', `${formatCount(count)} ${what}`]),
  ];
  // What a recording says of itself must not write into the terminal.
  for (const [what, text] of lines) if (text !== '') await print(io.stdout, `${what.padEnd(10)} ${text.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ').trim()}\n`);
  return 0;
}

function eventsWord(lane: Lane): string {
  switch (lane.kind) {
    case 'off-cpu': return 'waits';
    case 'memory': case 'gpu-memory': return 'allocations';
    case 'faults': return 'faults';
    case 'cuda': return 'kernels';
    case 'cpu': case 'gpu-idle': case 'other': return 'samples';
  }
}

function laneText(lane: Lane): string {
  const threads = threadsOf(lane);
  return `${lane.kind} (${lane.name}): ${formatCount(lane.samples)} ${eventsWord(lane)}, ${formatWeight(lane.total, lane.unit)}${threads > 0 ? `, ${threads} thread${threads === 1 ? '' : 's'}` : ''}${lane.pythonMerged > 0 ? `, ${mergedText(lane)}` : ''}`;
}

/** Marks by kind, in the order of MARK_KINDS. */
function marksOf(profile: Profile): { kind: string; count: number }[] {
  const counts = new Array<number>(MARK_KINDS.length).fill(0);
  for (let row = 0; row < profile.marks.length; row++) counts[profile.marks.kind.get(row)]++;
  return MARK_KINDS.map((kind, i) => ({ kind, count: counts[i] })).filter(({ count }) => count > 0);
}

function processesText(profile: Profile): string {
  const count = profile.processes.length;
  if (count === 0) return '';
  const names = Array.from({ length: Math.min(count, 6) }, (_, row) => {
    const rank = profile.processes.rank.get(row);
    return `${profile.processes.nameOf(row as never)} (${profile.processes.pid.get(row)}${rank < 0 ? '' : `, rank ${rank}`})`;
  });
  return `${formatCount(count)}: ${names.join(', ')}${count > 6 ? ', …' : ''}`;
}

/** Threads that have samples in a lane. */
function threadsOf(lane: Lane): number {
  const seen = new Set<number>();
  let last = -1;
  for (const chunk of lane.chunks) {
    for (let row = 0; row < chunk.rows; row++) {
      const thread = chunk.thread[row];
      if (thread === last || thread < 0) continue;
      seen.add(thread);
      last = thread;
    }
  }
  return seen.size;
}
