// The beginning of a recording: what is asked for is checked, the profilers are chosen, a command is started and waits.
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '#core/errors';
import { checkIdentity } from '../processes/identity.ts';
import { PROFILERS } from '../profilers/index.ts';
import { chooseProfilers, starters } from './choose.ts';
import { depthOf, lightText, loadsOf, smallText } from './depth.ts';
import { dataFolder, makePrivate, recordingsFolder } from './data-folder.ts';
import type { Launched, Preparation } from './launch.ts';
import { launchStopped, preparationOf } from './launch.ts';
import { checkDisk } from './machine.ts';
import type { Marks } from './marks.ts';
import { startMarks } from './marks.ts';
import { Recording } from './recording.ts';
import type { StartRequest } from './request.ts';
import { attached, checkOptions } from './request.ts';
import { targetFacts } from './target.ts';
import { ownEnvironment } from './terminal.ts';

/**
 * Starts a recording. Resolves as soon as there is something to show: profilers may still be starting (sudo may be asking
 * for a password in a terminal). Throws UserError where nothing can be recorded: no such process or command, no profiler
 * that works here, a disk that is full.
 */
export async function startRecording(request: StartRequest): Promise<Recording> {
  checkOptions(request.options);
  const home = recordingsFolder(dataFolder(request.home));
  await checkDisk(home);
  const { target, options } = request;
  if (target.kind === 'attach') {
    if (target.processes.length === 0) throw new UserError('no-process', 'there is no process to record');
    for (const process of target.processes) checkIdentity(process);
  }
  const all = request.profilers ?? PROFILERS;
  const choice = await chooseProfilers(all, target, options);
  // A launched command runs also without a profiler when it was asked for by command line: it is its own job first.
  if (choice.none !== null && (target.kind === 'attach' || request.strict === true || request.terminal === 'pty')) throw choice.none;

  const startedAt = Date.now();
  const zeroAt = Number(process.hrtime.bigint());
  const id = `${new Date(startedAt).toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-')}-${randomBytes(3).toString('hex')}`;
  const folder = join(home, id);
  makePrivate(folder);
  makePrivate(join(folder, 'streams'));
  makePrivate(join(folder, 'scratch'));
  let launched: Launched | null = null;
  let marks: Marks | null = null;
  let preparation: Preparation = { environment: {}, before: [], prepared: [], notices: [] };
  try {
    if (target.kind === 'launch') {
      preparation = await preparationOf(starters(choice).map(({ profiler }) => profiler), options, join(folder, 'scratch'), target.environment);
      const environment = { ...target.environment, ...preparation.environment };
      marks = startMarks({ named: options.marks, target, watched: [], environment: { ...ownEnvironment(), ...environment }, folder });
      launched = await launchStopped({
        argv: target.argv, before: preparation.before, directory: target.directory, environment: { ...environment, ...marks.environment }, terminal: request.terminal,
        title: target.argv[0], cast: join(folder, 'terminal.cast'), startedAt,
      });
    }
    const depth = depthOf(loadsOf(target), options);
    const light = depth.light.map(({ pid, start }) => ({ pid, start }));
    const watched = launched !== null ? [{ pid: launched.pid, start: launched.start }] : light.length > 0 ? depth.full.map(({ pid, start }) => ({ pid, start })) : attached(target);
    const facts = targetFacts(target, launched === null ? attached(target) : watched);
    marks ??= startMarks({ named: options.marks, target, watched, environment: {}, folder });
    const recording = new Recording({ request, id, folder, startedAt, zeroAt, watched, launched, facts, notices: [...choice.notices, ...preparation.notices], choice, prepared: preparation.prepared, light, small: depth.small, marks });
    if (light.length > 0) recording.notice({ id: 'depth', level: 'info', text: lightText(depth, starters(choice).some(({ profiler }) => profiler.light === true)), command: '' });
    if (depth.small) recording.notice({ id: 'depth', level: 'info', text: smallText(depth), command: '' });
    if (choice.none !== null) recording.notice({ id: 'no-profiler', level: 'bad', text: choice.none.message, command: choice.none.command });
    await recording.begin();
    return recording;
  } catch (error) {
    launched?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}
