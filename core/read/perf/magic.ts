// The first bytes of what perf writes: pipe mode, perf.data, and what is not read.
import { UserError } from '#core/errors';

export const PIPE_HEADER = 16;

/** Throws UserError unless these 16 bytes begin a perf stream in pipe mode that we read. */
export function checkPipeHeader(bytes: Uint8Array, name: string): void {
  const magic = String.fromCharCode(...bytes.subarray(0, 8));
  if (magic === 'PERFILE2') {
    if (new DataView(bytes.buffer, bytes.byteOffset).getUint32(8, true) === PIPE_HEADER) return;
    throw new UserError('perf-file-mode', `${name}: this is a perf.data file, not a stream`, { hint: 'Open it as a file: its header says where its parts lie.' });
  }
  throw refused(magic, name);
}

/** What to say of a magic that is not ours to read. */
export function refused(magic: string, name: string): UserError {
  if (magic === 'PERFFILE') {
    return new UserError('perf-v1', `${name}: perf.data of version 1, written by a perf from before Linux 3.0`, { hint: 'Record again with a newer perf.' });
  }
  if (magic === '2ELIFREP') {
    return new UserError('perf-big-endian', `${name}: recorded on a big-endian machine, which is not read`, { hint: 'Open the text that `perf script` prints on that machine.' });
  }
  return new UserError('perf-magic', `${name}: not a perf recording: it does not begin with PERFILE2`);
}
