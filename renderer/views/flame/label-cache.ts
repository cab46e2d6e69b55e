// Which label a box has in its room: worked out again only when the room or the name changes. A live picture draws the same boxes
// many times, most of them as wide as before.
import type { Label } from '#core/analyze/labels';
import { labelFor } from '#core/analyze/labels';
import type { CallTree } from '#core/analyze/call-tree';

/** Labels, px. */
export const LABEL_SIZE = 11;

/** What labels are made of. */
export interface Named {
  readonly tree: CallTree;
  readonly nameOf: (node: number) => string;
  readonly placeOf: (node: number) => string;
}

export class LabelCache {
  #generation = -1;
  #names = -1;
  #room = new Float32Array(0);
  #labels: (Label | null)[] = [];

  /** The label of a node's box in so many px; null where nothing fits. */
  of(node: number, room: number, named: Named): Label | null {
    const { tree } = named;
    const { functions } = tree.profile;
    // Node numbers hold within a generation; a function that gets its name late is another row.
    if (tree.generation !== this.#generation || functions.length < this.#names) this.clear();
    this.#generation = tree.generation;
    this.#names = functions.length;
    if (node >= this.#room.length) {
      const more = new Float32Array(Math.max(tree.length, node + 1, this.#room.length * 2));
      more.set(this.#room);
      this.#room = more;
    }
    const rounded = Math.fround(room);
    if (this.#room[node] === rounded) return this.#labels[node] ?? null;
    const label = labelFor(named.nameOf(node), named.placeOf(node), room, LABEL_SIZE);
    this.#room[node] = rounded;
    this.#labels[node] = label;
    return label;
  }

  clear(): void {
    this.#room.fill(0);
    this.#labels.length = 0;
  }
}
