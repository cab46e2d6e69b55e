import type { ProcessRow } from '#core/protocol/api';
import { processKey } from '../../state/process-key.ts';

export type Segment = 'all' | 'mine' | 'gpu';
export type SortKey = 'name' | 'pid' | 'user' | 'threads' | 'cpu' | 'memory' | 'gpuMemory' | 'gpu';

export interface Sort {
  readonly key: SortKey;
  readonly descending: boolean;
}

export interface TreeRow {
  readonly key: string;
  readonly process: ProcessRow;
  readonly depth: number;
  /** null where it has no children that are shown. */
  readonly open: boolean | null;
  /** False for a parent that is shown only because a child matches the filter. */
  readonly matches: boolean;
  /** For screen readers: place among its siblings, from 1, and their number. */
  readonly position: number;
  readonly siblings: number;
}

/** Whether a process belongs to a segment. Services are others' programs; kernel threads are only under All. */
export function inSegment(row: ProcessRow, segment: Segment): boolean {
  switch (segment) {
    case 'all': return true;
    case 'mine': return row.runtime !== 'kernel';
    case 'gpu': return (row.gpuMemory ?? 0) > 0 || (row.gpu ?? 0) > 0;
  }
}

/**
 * The processes of a segment. Under 'mine' a shell that waits is left out, unless what it started is worth a look: of a
 * launch script it may be. What a shell started is a row of its own either way.
 */
export function segmentRows(all: readonly ProcessRow[], segment: Segment): ProcessRow[] {
  const shown = all.filter((row) => inSegment(row, segment));
  if (segment !== 'mine') return shown;
  const worth = (row: ProcessRow): boolean => !isShell(row) && !row.launcher && (isProgram(row) || (row.cpu ?? 0) >= 1);
  const starters = new Set(shown.filter(worth).map((row) => row.ppid));
  return shown.filter((row) => !isShell(row) || (row.cpu ?? 0) >= 1 || (row.argv.length > 1 && starters.has(row.pid) && !isFed(row)));
}

/** Runs in a language of its own. */
const isProgram = (row: ProcessRow): boolean => row.runtime !== 'native' && row.runtime !== 'unknown' && row.runtime !== 'kernel';

const isShell = (row: ProcessRow): boolean => SHELLS.has(row.name.replace(/^-/, ''));

/** Gets its commands through a descriptor, from another program. */
const isFed = (row: ProcessRow): boolean => row.argv.some((word) => word.startsWith('/dev/fd/'));

/** Launchers, kernel threads and others' idle processes stand back. */
export function isQuiet(row: ProcessRow): boolean {
  return row.launcher || row.runtime === 'kernel' || (!row.mine && (row.cpu ?? 0) < 1);
}

/** Whether each word of the filter is in the name, the PID, the user or the command line. */
export function matchesFilter(row: ProcessRow, filter: string): boolean {
  const text = `${row.name} ${row.pid} ${row.user} ${row.argv.join(' ')}`.toLowerCase();
  return filter.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/** The arguments to show after a name: the command line less what the name already says. */
export function argumentsOf(row: ProcessRow): string {
  // A program that wrote its own title has one word with everything.
  const words = row.argv.length === 1 ? row.argv[0].split(' ') : row.argv;
  const at = words.findIndex((word) => word === row.name || word.endsWith(`/${row.name}`));
  const rest = at >= 0 ? words.slice(at + 1) : words.slice(1);
  return rest.join(' ').replaceAll(/\s+/g, ' ').slice(0, 300);
}

function valueOf(row: ProcessRow, key: SortKey): number | string {
  switch (key) {
    case 'name': return row.name.toLowerCase();
    case 'pid': return row.pid;
    case 'user': return row.user;
    case 'threads': return row.threads;
    case 'cpu': return row.cpu ?? -1;
    case 'memory': return row.rss;
    case 'gpuMemory': return row.gpuMemory ?? -1;
    case 'gpu': return row.gpu ?? -1;
  }
}

interface Node {
  readonly process: ProcessRow;
  readonly key: string;
  readonly children: Node[];
  /** The largest value of it and all below: a parent stands where its busiest child belongs. */
  value: number | string;
}

const SHELLS = new Set(['sh', 'bash', 'dash', 'zsh', 'fish', 'ksh', 'tcsh', 'csh', 'ash']);

/**
 * The shown processes as a tree. A process whose parent is not shown is a root; so is a child of init and what a shell
 * started: how many shells lie between a terminal and a program tells nothing, and would push its name out of the table.
 */
function buildTree(rows: readonly ProcessRow[], sort: SortKey): Node[] {
  const nodes = new Map<number, Node>();
  for (const process of rows) nodes.set(process.pid, { process, key: processKey(process), children: [], value: valueOf(process, sort) });
  const roots: Node[] = [];
  for (const node of nodes.values()) {
    const parent = node.process.ppid <= 2 ? undefined : nodes.get(node.process.ppid);
    // A reused pid could make a ring: a parent is older than its child.
    if (parent === undefined || SHELLS.has(parent.process.name) || parent.process.start > node.process.start) roots.push(node);
    else parent.children.push(node);
  }
  const below = sort === 'cpu' || sort === 'memory' || sort === 'gpuMemory' || sort === 'gpu' || sort === 'threads';
  const raise = (node: Node): number | string => {
    for (const child of node.children) {
      const value = raise(child);
      if (below && value > node.value) node.value = value;
    }
    return node.value;
  };
  for (const root of roots) raise(root);
  return roots;
}

/**
 * Remembers the order of rows while numbers change under it. Sorting happens when the user asks for it (another column,
 * another filter); what is new since then is put among its siblings by value, and nothing else moves.
 */
export class StableOrder {
  #ranks = new Map<string, number>();
  #asked = '';

  /** `asked` names what the user chose; a new one sorts everything anew. */
  arrange(siblings: Node[], sort: Sort): Node[] {
    const way = sort.descending ? -1 : 1;
    const byValue = (a: Node, b: Node) =>
      (a.value < b.value ? -way : a.value > b.value ? way : a.process.pid - b.process.pid);
    const known = siblings.filter((node) => this.#ranks.has(node.key)).sort((a, b) => this.#ranks.get(a.key)! - this.#ranks.get(b.key)!);
    const fresh = siblings.filter((node) => !this.#ranks.has(node.key)).sort(byValue);
    if (known.length === 0) return fresh;
    // Each new row goes before the first known one that it beats.
    for (const node of fresh) {
      const at = known.findIndex((other) => byValue(node, other) < 0);
      if (at < 0) known.push(node);
      else known.splice(at, 0, node);
    }
    return known;
  }

  begin(asked: string): void {
    if (asked === this.#asked) return;
    this.#asked = asked;
    this.#ranks.clear();
  }

  keep(order: readonly string[]): void {
    this.#ranks = new Map(order.map((key, rank) => [key, rank]));
  }
}

/**
 * Rows of the table, in order. `closed` holds the keys that the user closed; while a filter is set everything is open.
 * `asked` changes whenever the user chose another order.
 */
export function treeRows(
  all: readonly ProcessRow[],
  view: { readonly segment: Segment; readonly filter: string; readonly sort: Sort; readonly closed: ReadonlySet<string>; readonly asked: string },
  order: StableOrder,
): TreeRow[] {
  const filter = view.filter.trim();
  const shown = segmentRows(all, view.segment);
  const hits = new Set(shown.filter((row) => filter === '' || matchesFilter(row, filter)).map((row) => row.pid));
  const roots = buildTree(shown, view.sort.key);
  const rows: TreeRow[] = [];
  const everything: string[] = [];
  order.begin(view.asked);

  const hasHit = (node: Node): boolean => hits.has(node.process.pid) || node.children.some(hasHit);
  const walk = (siblings: Node[], depth: number, visible: boolean): void => {
    const kept = filter === '' ? siblings : siblings.filter(hasHit);
    const arranged = order.arrange(kept, view.sort);
    arranged.forEach((node, i) => {
      const children = filter === '' ? node.children : node.children.filter(hasHit);
      const open = filter !== '' || !view.closed.has(node.key);
      everything.push(node.key);
      if (visible) {
        rows.push({
          key: node.key, process: node.process, depth, open: children.length === 0 ? null : open, matches: hits.has(node.process.pid),
          position: i + 1, siblings: arranged.length,
        });
      }
      walk(node.children, depth + 1, visible && open);
    });
  };
  walk(roots, 0, true);
  order.keep(everything);
  return rows;
}

/** All processes below one, by pid, nearest first. */
export function descendantsOf(all: readonly ProcessRow[], pid: number): ProcessRow[] {
  const found: ProcessRow[] = [];
  const seen = new Set([pid]);
  for (let ring = [pid]; ring.length > 0;) {
    const next = all.filter((row) => ring.includes(row.ppid) && !seen.has(row.pid));
    for (const row of next) seen.add(row.pid);
    found.push(...next);
    ring = next.map((row) => row.pid);
  }
  return found;
}

/** The workers that a launcher offers: its ranks in order, else what it runs that is no launcher, busiest first. */
export function workersOf(all: readonly ProcessRow[], launcher: ProcessRow): ProcessRow[] {
  const below = descendantsOf(all, launcher.pid).filter((row) => !row.launcher && row.runtime !== 'kernel');
  const ranks = below.filter((row) => row.rank !== null);
  // A rank's own children carry its variables too: the nearest process of each rank is the rank.
  const first = ranks.filter((row, i) => ranks.findIndex((other) => other.rank === row.rank) === i);
  if (first.length > 0) return first.sort((a, b) => (a.rank ?? 0) - (b.rank ?? 0));
  return below.sort((a, b) => (b.cpu ?? 0) - (a.cpu ?? 0));
}

/** The process to begin with: most GPU memory, then most CPU, of those that are worth a look. null where there is none. */
export function firstChoice(all: readonly ProcessRow[]): ProcessRow | null {
  const worth = all.filter((row) => row.mine && !row.launcher && row.runtime !== 'kernel' && row.runtime !== 'unknown');
  const best = worth.reduce<ProcessRow | null>((found, row) => (found === null || beats(row, found) ? row : found), null);
  if (best === null || best.rank === null) return best;
  // Ranks are alike: the first one is as good and does not change from day to day.
  return worth.filter((row) => row.ppid === best.ppid && row.rank !== null).reduce((a, b) => ((b.rank ?? 0) < (a.rank ?? 0) ? b : a), best);
}

function beats(a: ProcessRow, b: ProcessRow): boolean {
  if ((a.gpuMemory ?? 0) !== (b.gpuMemory ?? 0)) return (a.gpuMemory ?? 0) > (b.gpuMemory ?? 0);
  return (a.cpu ?? 0) > (b.cpu ?? 0);
}

/** Names near a filter that found nothing: one swap, slip or missing letter away from the start of a name. */
export function nearNames(all: readonly ProcessRow[], filter: string): { readonly name: string; readonly count: number }[] {
  const wanted = filter.trim().toLowerCase();
  if (wanted.length < 3) return [];
  const counts = new Map<string, number>();
  for (const row of all) {
    if (row.runtime !== 'kernel' && distance(wanted, row.name.toLowerCase().slice(0, wanted.length + 1)) <= 2) {
      counts.set(row.name, (counts.get(row.name) ?? 0) + 1);
    }
  }
  return [...counts].map(([name, count]) => ({ name, count })).slice(0, 3);
}

function distance(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => Array.from({ length: b.length + 1 }, (_, j) => (i === 0 ? j : j === 0 ? i : 0)));
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      rows[i][j] = Math.min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) rows[i][j] = Math.min(rows[i][j], rows[i - 2][j - 2] + 1);
    }
  }
  // A longer name than the filter is no mistake.
  return Math.min(...rows[a.length]);
}
