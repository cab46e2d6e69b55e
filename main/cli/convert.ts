import { mkdtempSync, rmSync } from 'node:fs';
import { readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '#core/errors';
import type { Profile } from '#core/model/profile';
import type { Arguments } from './arguments.ts';
import { isSet, textOf } from './arguments.ts';
import { foldDirect, foldStdin } from './fold-direct.ts';
import type { CliIo } from './io.ts';
import { print, UsageError } from './io.ts';
import { merge } from './merge.ts';
import type { Input } from './open.ts';
import { openInput, readProfile, readTogether, spoolStdin, StdinReader } from './open.ts';
import { checkOutput, temporaryName, writeOutput } from './output.ts';
import { pictureOf } from './picture.ts';
import { checkView, hasView, viewOf } from './select.ts';

/** What can be written, by the ending of the output's name. */
const ENDINGS = ['.folded', '.svg', '.png', '.speedscope.json', '.flamebench'] as const;
type Ending = (typeof ENDINGS)[number];
const LATER = ['.html', '.pb.gz'];

export async function convert(args: Arguments, io: CliIo): Promise<number> {
  const out = textOf(args, 'output');
  if (args.positionals.length === 0) throw new UsageError('which file? Usage: flamebench convert IN... -o OUT');
  if (out === undefined) throw new UsageError('-o OUT is missing: its ending chooses the format');
  const ending = endingOf(out, textOf(args, 'format'));
  const picture = pictureOf(args);
  checkView(args);
  await checkOutput(out, isSet(args, 'force'));
  const inputs: Input[] = [];
  try {
    const direct = ending === '.folded' && !hasView(args);
    if (direct && args.positionals.length === 1 && args.positionals[0] === '-') {
      const stdin = new StdinReader(io);
      const lines = await foldStdin(stdin, io);
      if (lines !== null) {
        await writeOutput(io, out, lines);
        return 0;
      }
      inputs.push(await spoolStdin(stdin));
    } else {
      for (const path of args.positionals) inputs.push(await openInput(path, io));
    }
    if (direct) {
      const lines = await foldDirect(inputs, io);
      if (lines !== null) {
        await writeOutput(io, out, lines);
        return 0;
      }
    }
    if (ending === '.flamebench') return await toRecording(inputs, out, args, io);
    const profile = await readAll(inputs, io);
    // Folded lines of another program's file follow its first event, as stackcollapse-perf.pl's do.
    const view = viewOf(profile, args, ending === '.folded' && inputs.every((input) => input.kind === 'file') ? null : 'cpu');
    if (ending === '.png') {
      const { renderPng } = await import('../export/png.ts');
      await writeOutput(io, out, [await renderPng(profile, view, picture)]);
    } else {
      const { EXPORTS } = await import('#core/write/index');
      const found = EXPORTS.find((one) => one.extension === ending);
      if (found === undefined) throw new UserError('export', `${ending} cannot be written yet`, { hint: `Can be written: ${ENDINGS.join(' ')}.` });
      await writeOutput(io, out, found.write(profile, view, picture));
    }
    await warnOfSkipped(profile, io);
    return 0;
  } finally {
    for (const input of inputs) input.close();
  }
}

function endingOf(out: string, format: string | undefined): Ending {
  if (format !== undefined) return `.${format === 'speedscope' ? 'speedscope.json' : format}` as Ending;
  if (out === '-') return '.folded';
  const lower = out.toLowerCase();
  const found = ENDINGS.find((ending) => lower.endsWith(ending));
  if (found !== undefined) return found;
  const later = LATER.find((ending) => lower.endsWith(ending));
  if (later !== undefined) throw new UsageError(`-o ${out}: ${later} cannot be written yet; there are ${ENDINGS.join(' ')}`);
  throw new UsageError(`-o ${out}: its ending chooses the format: ${ENDINGS.join(' ')}`);
}

async function readAll(inputs: readonly Input[], io: CliIo): Promise<Profile> {
  const together = await readTogether(inputs, io);
  if (together !== null) return together;
  const profile = await readProfile(inputs[0], io);
  for (const input of inputs.slice(1)) merge(profile, await readProfile(input, io));
  return profile;
}

/** A recording stays what it is; a profile of another program becomes one with its tables. */
async function toRecording(inputs: readonly Input[], out: string, args: Arguments, io: CliIo): Promise<number> {
  if (hasView(args)) throw new UsageError('a .flamebench file holds the whole recording: a lane, threads or a range cannot be chosen for it');
  const { saveRecording } = await import('../library/save.ts');
  const scratch = mkdtempSync(join(tmpdir(), 'flamebench-'));
  const target = out === '-' ? join(scratch, 'out.flamebench') : temporaryName(out);
  try {
    let from = inputs[0].path;
    if (inputs.length > 1 || inputs[0].kind === 'file') {
      const { writeTree } = await import('../library/tree.ts');
      const profile = await readAll(inputs, io);
      from = join(scratch, 'recording');
      writeTree(profile, from);
      await warnOfSkipped(profile, io);
    }
    const { warnings } = await saveRecording(from, target, { withRaw: isSet(args, 'with-raw') });
    for (const warning of warnings) await print(io.stderr, `flamebench: ${warning}\n`);
    if (out === '-') await writeOutput(io, out, [await readFile(target)]);
    else await rename(target, out);
    return 0;
  } finally {
    await rm(target, { force: true });
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** What was skipped is never silent. */
export async function warnOfSkipped(profile: Profile, io: CliIo): Promise<void> {
  if (profile.skipped.size === 0) return;
  const parts = [...profile.skipped].slice(0, 6).map(([what, count]) => `${count} ${what}`);
  await print(io.stderr, `flamebench: skipped: ${parts.join('; ')}${profile.skipped.size > 6 ? '; and more (flamebench info FILE lists them)' : ''}\n`);
}
