import { headLines } from '../lines.ts';
import type { StreamFormat } from '../format.ts';
import { HeaptrackDecoder } from './decoder.ts';

/** A recording of heaptrack, also packed with zstd or gzip (main unpacks it): see decoder.ts. */
export const heaptrack: StreamFormat = {
  id: 'heaptrack',
  title: 'heaptrack recording',
  extensions: [],
  input: 'chunks',
  match: (head) => {
    const lines = headLines(head, 10).filter((line) => line !== '' && !line.startsWith('#'));
    if (!/^v [0-9a-f]{1,8}( [0-9a-f]{1,8})?\s*$/.test(lines[0] ?? '')) return 'no';
    // A Wavefront object has lines `v 1 2 3`, and nothing else in it looks like this.
    return lines.length === 1 ? 'maybe' : lines.slice(1).every((line) => /^[XxISAmsitac+\-R#]( |$)/.test(line)) ? 'yes' : 'no';
  },
  open: (profile, context) => new HeaptrackDecoder(profile, { source: '', directory: '', describe: context.name }),
};
