// The list of formats: a new one is one file and one line here.
import type { Profile } from '#core/model/profile';
import { UserError } from '#core/errors';
import { chromeTrace } from './chrome-trace.ts';
import { cpuProfile } from './cpuprofile.ts';
import { folded, pySpyRaw } from './folded.ts';
import type { Format, ReadContext, StreamFormat } from './format.ts';
import { heapProfile } from './heapprofile.ts';
import { heaptrack } from './heaptrack/format.ts';
import { kineto } from './kineto/format.ts';
import { perfData } from './perf/format.ts';
import { perfScript } from './perf-script.ts';
import { speedscope } from './speedscope.ts';

export const FORMATS: readonly Format[] = [perfData, perfScript, heaptrack, pySpyRaw, folded, speedscope, cpuProfile, heapProfile, kineto, chromeTrace];

/** How many bytes of a file are looked at to know its format. */
export const HEAD_BYTES = 65_536;

/** Files that people try and that are no profile that we read: what they are and what to do. */
const KNOWN: readonly { readonly is: (head: Uint8Array, text: string, name: string) => boolean; readonly what: string; readonly hint: string }[] = [
  { is: (head) => starts(head, [0xfd, 0x37, 0x7a, 0x58, 0x5a]), what: 'is packed with xz, which is not unpacked here', hint: 'Unpack it first: xz -dk FILE' },
  { is: (head) => starts(head, [0x42, 0x5a, 0x68]), what: 'is packed with bzip2, which is not unpacked here', hint: 'Unpack it first: bunzip2 -k FILE' },
  { is: (head) => starts(head, [0x7f, 0x45, 0x4c, 0x46]), what: 'is a program (ELF), not a recording of one', hint: 'Record it with: flamebench record -- FILE' },
  { is: (head) => starts(head, [0x89, 0x50, 0x4e, 0x47]) || starts(head, [0xff, 0xd8, 0xff]), what: 'is a picture, not a profile', hint: 'Give the profile that it was drawn from.' },
  { is: (_, text) => /^Process \d+: .*\nPython v/.test(text), what: 'is the text of `py-spy dump`: one stack a thread, not a profile', hint: 'Record one with: py-spy record --format raw -o FILE --pid PID' },
  { is: (head) => starts(head, [0x50, 0x4b, 0x03, 0x04]), what: 'is a ZIP, but not a Flamebench recording', hint: 'Unpack it and open what is inside.' },
  { is: (_, text) => /^\s*\{"snapshot":\s*\{"meta"/.test(text), what: 'is a heap snapshot of V8 (or a timeline of one): every object, not where they were allocated', hint: 'Make a .heapprofile: node --heap-prof PROGRAM' },
  { is: (_, text) => /^\s*<\?xml|^\s*<svg|^\s*<!doctype html|^\s*<html/i.test(text), what: 'is a drawing or a page, not a profile', hint: 'Give the profile that it was drawn from.' },
];

/**
 * The format of a file from its first bytes (up to HEAD_BYTES, decompressed). Of several formats that answer the same, the
 * one whose ending the name has wins, then the first of the list.
 * Throws UserError where the file is empty or nothing knows it.
 */
export function detect(head: Uint8Array, name: string): Format {
  if (head.length === 0) throw new UserError('empty-file', `${name} is empty`, { hint: 'Was the recording stopped before its first sample?' });
  let best: Format | null = null;
  let bestScore = 0;
  for (const format of FORMATS) {
    const match = format.match(head, name);
    const score = match === 'no' ? 0 : (match === 'yes' ? 2 : 1) + (format.extensions.some((ending) => name.endsWith(ending)) ? 0.5 : 0);
    if (score > bestScore) [best, bestScore] = [format, score];
  }
  if (best !== null) return best;
  let text = '';
  for (let i = 0; i < Math.min(head.length, 2000); i++) text += String.fromCharCode(head[i]);
  for (const known of KNOWN) {
    if (known.is(head, text, name)) throw new UserError('not-a-profile', `${name} ${known.what}`, { hint: known.hint });
  }
  const binary = head.includes(0) ? 'binary data' : 'text';
  throw new UserError('unknown-format', `${name} is ${binary} in no format that is known here`, {
    hint: `Known are: ${FORMATS.map((format) => format.title).join(', ')}.`,
  });
}

/**
 * Reads chunks to their end into `profile` with a format that takes chunks. Throws UserError, with what was read so far
 * still in the profile, where there was nothing to read.
 */
export function readChunks(profile: Profile, format: StreamFormat, chunks: Iterable<Uint8Array>, context: ReadContext): void {
  const decoder = format.open(profile, context);
  for (const chunk of chunks) decoder.push(chunk);
  decoder.end();
}

function starts(head: Uint8Array, bytes: readonly number[]): boolean {
  return bytes.every((byte, i) => head[i] === byte);
}
