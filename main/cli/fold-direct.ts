// perf script text to folded lines without tables between: as stackcollapse-perf.pl, and several times as fast.
import { createReadStream, statSync } from 'node:fs';
import { UserError, messageOf } from '#core/errors';
import { detect } from '#core/read/index';
import { PerfCollapser } from '#core/read/perf-collapse';
import { unpacked } from '../record/unpack.ts';
import type { CliIo } from './io.ts';
import { print } from './io.ts';
import type { Input, Packing, StdinReader } from './open.ts';
import { formatOf } from './open.ts';
import { Progress } from './progress.ts';

/** The folded lines of inputs that are all perf script text; null where one of them is something else. */
export async function foldDirect(inputs: readonly Input[], io: CliIo): Promise<Iterable<Uint8Array> | null> {
  const packings: Packing[] = [];
  for (const input of inputs) {
    if (input.kind !== 'file') return null;
    const { format, packing } = await formatOf(input);
    if (format.id !== 'perf-script') return null;
    packings.push(packing);
  }
  const collapser = new PerfCollapser();
  const progress = new Progress(io);
  for (const [i, input] of inputs.entries()) {
    const file = createReadStream(input.path, { highWaterMark: 1 << 20 });
    const { size } = statSync(input.path);
    try {
      for await (const piece of unpacked(file, packings[i])) {
        collapser.push(piece as Uint8Array);
        progress.update('Folding perf script text', file.bytesRead, size);
      }
    } catch (error) {
      if (packings[i] === 'none') throw error;
      progress.clear();
      await print(io.stderr, `flamebench: ${input.name} ends early or is damaged (${messageOf(error)}): what came before is kept\n`);
    }
  }
  progress.clear();
  return await finish(collapser, io);
}

/** The folded lines of perf script text on standard input, as it comes: nothing is laid down. null where it is something else. */
export async function foldStdin(stdin: StdinReader, io: CliIo): Promise<Iterable<Uint8Array> | null> {
  const head = await stdin.head();
  // What is packed or empty is looked at by the one who opens it.
  if (head.length === 0 || head[0] === 0x1f || head[0] === 0x28 || detect(head, 'standard input').id !== 'perf-script') return null;
  const collapser = new PerfCollapser();
  for await (const chunk of stdin.all()) collapser.push(chunk);
  return await finish(collapser, io);
}

async function finish(collapser: PerfCollapser, io: CliIo): Promise<Iterable<Uint8Array>> {
  collapser.end();
  if (collapser.samples === 0) throw new UserError('no-samples', 'this perf script text holds no sample', { hint: 'Make it with: perf script > FILE, from a recording made with -g.' });
  if (collapser.otherEvents > 0) {
    await print(io.stderr, `flamebench: ${collapser.otherEvents} samples of other events than the first are left out (--lane EVENT folds another)\n`);
  }
  if (collapser.unrecognised > 0) await print(io.stderr, `flamebench: ${collapser.unrecognised} lines could not be read and were skipped\n`);
  if (collapser.cut > 0) await print(io.stderr, `flamebench: ${collapser.cut} lines longer than 1 MB were cut\n`);
  return collapser.lines();
}
