import type { Format } from '#core/read/format';
import { detect, HEAD_BYTES, readChunks } from '#core/read/index';
import { Profile } from '#core/model/profile';
import type { Lane } from '#core/model/lane';
import type { StackId } from '#core/model/ids';
import { pieces } from './shared-data.ts';

/** Detects and reads text or bytes in pieces of `size`. */
export function read(input: string | Uint8Array, name: string, size = 1 << 16): { profile: Profile; format: Format } {
  const bytes = typeof input === 'string' ? new Uint8Array(Buffer.from(input)) : input;
  const format = detect(bytes.subarray(0, HEAD_BYTES), name);
  if (format.input !== 'chunks') throw new Error(`${format.id} takes no chunks`);
  const profile = new Profile();
  readChunks(profile, format, pieces(bytes, size), {
    name, openFile: () => null, inflater: () => { throw new Error('nothing to inflate here'); },
  });
  return { profile, format };
}

export function nameOfStack(profile: Profile, stack: StackId): string {
  return profile.stacks.framesOf(stack).map((frame) => profile.functions.nameOf(profile.frames.functionOf(frame))).join(';');
}

/** A lane as an indented tree `name total self`, children by name. Threads are the roots where they have names. */
export function tree(profile: Profile, lane: Lane = profile.lanes[0], threads = false): string {
  interface Node { total: number; self: number; children: Map<string, Node> }
  const root: Node = { total: 0, self: 0, children: new Map() };
  for (const chunk of lane.chunks) {
    for (let row = 0; row < chunk.rows; row++) {
      const weight = chunk.weight.get(row);
      const thread = chunk.thread[row];
      const path = profile.stacks.framesOf(chunk.stack[row] as StackId).map((frame) => profile.functions.nameOf(profile.frames.functionOf(frame)));
      if (threads) path.unshift(thread < 0 ? '-' : profile.threads.nameOf(thread as never));
      let node = root;
      for (const name of path) {
        let child = node.children.get(name);
        if (child === undefined) node.children.set(name, (child = { total: 0, self: 0, children: new Map() }));
        child.total += weight;
        node = child;
      }
      node.self += weight;
    }
  }
  const lines: string[] = [];
  const print = (node: Node, indent: string): void => {
    for (const [name, child] of [...node.children].sort((a, b) => (a[0] < b[0] ? -1 : 1))) {
      lines.push(`${indent}${name} ${round(child.total)}${child.self > 0 ? ` self ${round(child.self)}` : ''}`);
      print(child, `${indent}  `);
    }
  };
  print(root, '');
  return lines.join('\n');
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

export function skipped(profile: Profile): Record<string, number> {
  return Object.fromEntries(profile.skipped);
}
