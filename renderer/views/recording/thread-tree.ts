// Processes and threads as a tree: rank, process, role, name. Pure.
import { formatCount, formatPercent } from '#core/analyze/format';
import type { Role, Roles } from '#core/analyze/roles';
import { rankOf } from '#core/analyze/roles';
import type { ThreadSums } from '#core/analyze/thread-sums';
import { isNotWaiting, usualLane } from '#core/analyze/words';
import type { ProcessId, ThreadId } from '#core/model/ids';
import type { Lane, LaneKind } from '#core/model/lane';
import type { Profile } from '#core/model/profile';

/** A lane of which each line shows its share. */
export interface ShareColumn {
  readonly kind: LaneKind;
  readonly title: string;
  readonly lane: Lane;
}

export interface TreeNode {
  /** The same as long as it is the same thing. */
  readonly key: string;
  readonly label: string;
  /** pid or tid, or how many. */
  readonly note: string;
  /** What stands as a badge: of a process or a thread. */
  readonly role: Role;
  /** Rows of the thread table in it. */
  readonly rows: readonly number[];
  /** Weight in each column. */
  readonly weights: readonly number[];
  /** Threads that never ran: one line for all of a process. */
  readonly idle: boolean;
  readonly children: readonly TreeNode[];
}

export interface TreeRow {
  readonly node: TreeNode;
  readonly depth: number;
  readonly open: boolean;
}

/** Processes below this share of CPU time are one line, where there are so many of them. */
const SMALL = 0.001;
const MANY_SMALL = 4;

const TITLES: Partial<Readonly<Record<LaneKind, string>>> = { cpu: 'CPU', 'off-cpu': 'Waiting', memory: 'Memory', cuda: 'GPU' };

/** The lanes that a share is shown of: at most one of each kind. */
export function shareColumns(profile: Profile): ShareColumn[] {
  const columns: ShareColumn[] = [];
  for (const kind of ['cpu', 'off-cpu', 'memory', 'cuda'] as const) {
    const waits = profile.lanes.find((lane) => lane.kind === kind && lane.rows > 0 && !isNotWaiting(lane)) ?? null;
    const lane = kind === 'off-cpu' ? waits : kind === 'memory' ? allocated(profile) : most(profile, kind) ?? usualLane(profile, kind);
    if (lane !== null) columns.push({ kind, title: TITLES[kind] ?? kind, lane });
  }
  return columns;
}

/** Of two CPU lanes the one that saw more: py-spy sees only what Python runs. */
function most(profile: Profile, kind: LaneKind): Lane | null {
  const lanes = profile.lanes.filter((lane) => lane.kind === kind && lane.rows > 0);
  return lanes.length === 0 ? null : lanes.reduce((best, lane) => (lane.unit === best.unit && lane.total > best.total ? lane : best));
}

/** Bytes allocated; a lane of gains and losses has no share. */
function allocated(profile: Profile): Lane | null {
  return profile.lanes.find((lane) => lane.kind === 'memory' && lane.unit === 'bytes' && lane.rows > 0 && !lane.name.endsWith(' held')) ?? null;
}

/**
 * The tree, busiest first. Only threads of processes that did anything, or that stand above such, are in it. `sums` are of the columns;
 * the first that is CPU time decides the order and who never ran. `places` keeps where each node stood: what is there already keeps its
 * place while numbers change under the pointer.
 */
export function threadTree(profile: Profile, columns: readonly ShareColumn[], sums: readonly ThreadSums[], roles: Roles, places = new Map<string, number>()): TreeNode[] {
  const { threads, processes } = profile;
  const ofProcess = new Map<number, number[]>();
  for (let row = 0; row < threads.length; row++) {
    const process = threads.process.get(row);
    const rows = ofProcess.get(process);
    if (rows === undefined) ofProcess.set(process, [row]);
    else rows.push(row);
  }
  const first = Math.max(0, columns.findIndex((column) => column.kind === 'cpu'));
  const order = (nodes: TreeNode[]): TreeNode[] => {
    nodes.sort((a, b) => Number(a.idle) - Number(b.idle) || placeOf(a) - placeOf(b) || (b.weights[first] ?? 0) - (a.weights[first] ?? 0) || a.rows[0] - b.rows[0]);
    for (const node of nodes) if (!places.has(node.key)) places.set(node.key, places.size);
    return nodes;
  };
  const placeOf = (node: TreeNode): number => places.get(node.key) ?? 1e9;
  const make = (key: string, label: string, note: string, role: Role, children: TreeNode[]): TreeNode => ({
    key, label, note, role, idle: false, children: order(children), rows: children.flatMap((child) => child.rows),
    weights: columns.map((_, i) => children.reduce((sum, child) => sum + child.weights[i], 0)),
  });
  const leaf = (row: number, role: Role): TreeNode => ({
    key: `t${row}`, label: threads.nameOf(row as ThreadId) || 'thread', note: String(threads.tid.get(row)), role, idle: false, children: [], rows: [row],
    weights: sums.map((sum) => sum.of(row)),
  });
  const ran = (row: number): boolean => threads.onCpu.get(row) > 0 || (columns[first]?.kind === 'cpu' ? sums[first].of(row) > 0 : sums.some((sum) => sum.of(row) > 0));

  const total = columns[first]?.kind === 'cpu' ? sums[first].total : 0;
  const isSmall = (weights: readonly number[]): boolean => total > 0 && weights[first] < SMALL * total;
  // An exec makes a new row: what a process was before it became its program is its past.
  const newest = new Map<string, number>();
  const placeInTime = (row: number): string => `${threads.process.get(row)} ${threads.tid.get(row)}`;
  for (let row = 0; row < threads.length; row++) newest.set(placeInTime(row), Math.max(threads.generation.get(row), newest.get(placeInTime(row)) ?? 0));
  const isPast = (row: number): boolean => threads.generation.get(row) < (newest.get(placeInTime(row)) ?? 0) && isSmall(sums.map((sum) => sum.of(row)));

  // Workers stand under the process that started them.
  const workers = new Map<number, number[]>();
  for (const process of ofProcess.keys()) {
    const parent = process < 0 ? -1 : processes.parent.get(process);
    if (process >= 0 && roles.isLoader(process) && ofProcess.has(parent) && parent !== process) workers.set(parent, [...(workers.get(parent) ?? []), process]);
  }
  const nested = new Set([...workers.values()].flat());

  const processNode = (process: number, rows: readonly number[]): TreeNode => {
    const groups = new Map<string, number[]>();
    const idle: number[] = [];
    const past: number[] = [];
    for (const row of rows) {
      if (isPast(row)) {
        past.push(row);
        continue;
      }
      // A main thread that only waits is no idle thread of a pool: what it waits for is the question.
      if (!ran(row) && (process < 0 || threads.tid.get(row) !== processes.pid.get(process))) {
        idle.push(row);
        continue;
      }
      const stem = roles.poolOf(row) || (roles.of(row) === 'other' ? threads.nameOf(row as ThreadId) : '');
      const key = stem === '' ? `t${row}` : `g${process} ${stem}`;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [row]);
      else group.push(row);
    }
    const children = [...groups].map(([key, group]) => {
      const nodes = group.map((row) => leaf(row, roles.of(row)));
      return nodes.length === 1 ? nodes[0] : make(key, key.slice(key.indexOf(' ') + 1), `${formatCount(nodes.length)} threads`, roles.of(group[0]), nodes);
    });
    const fold = (key: string, label: string, folded: readonly number[]): void => {
      if (folded.length > 0) children.push({ key, label, note: '', role: 'other', idle: true, rows: folded, weights: sums.map((sum) => folded.reduce((all, row) => all + sum.of(row), 0)), children: [] });
    };
    fold(`i${process}`, idle.length === 1 ? '1 thread that never ran' : `${formatCount(idle.length)} threads that never ran`, idle);
    fold(`b${process}`, `What it was before (${formatCount(past.length)})`, past);
    const own = (workers.get(process) ?? []).map((worker) => processNode(worker, ofProcess.get(worker) ?? []));
    if (own.length === 1) children.push(own[0]);
    else if (own.length > 1) children.push(make(`l${process}`, 'Loaders', `${formatCount(own.length)} processes`, 'loader', own));
    const name = process < 0 ? 'Threads without a process' : processes.nameOf(process as ProcessId) || 'process';
    const role: Role = process >= 0 && roles.isLoader(process) ? 'loader' : 'main';
    return make(`p${process}`, name, process < 0 ? '' : String(processes.pid.get(process)), role, children);
  };

  const tops: { rank: number; node: TreeNode }[] = [];
  for (const [process, rows] of ofProcess) {
    if (nested.has(process)) continue;
    const node = processNode(process, rows);
    // A process that did nothing at all was there for a moment.
    if (ofProcess.size > 1 && node.weights.every((weight) => weight === 0)) continue;
    tops.push({ rank: process < 0 ? -1 : rankOf(profile, process), node });
  }
  // Helpers that were there for a moment (the shells of a shim) are one line. Who started something that is shown is none of them.
  const starters = new Set<number>();
  for (const { node } of tops) {
    if (isSmall(node.weights)) continue;
    for (let at = processes.parent.get(Number(node.key.slice(1))), steps = 0; at >= 0 && steps < 64; at = processes.parent.get(at), steps++) starters.add(at);
  }
  const small = tops.filter(({ rank, node }) => rank < 0 && isSmall(node.weights) && !starters.has(Number(node.key.slice(1))));
  if (small.length >= MANY_SMALL && small.length < tops.length) {
    const gone = new Set(small);
    tops.splice(0, tops.length, ...tops.filter((one) => !gone.has(one)));
    const folded = make('small', `${formatCount(small.length)} processes under ${formatPercent(SMALL)} of CPU time`, '', 'other', small.map(({ node }) => node));
    tops.push({ rank: -1, node: { ...folded, idle: true } });
  }
  const ranks = new Map<number, TreeNode[]>();
  for (const { rank, node } of tops) ranks.set(rank, [...(ranks.get(rank) ?? []), node]);
  if (ranks.size <= 1) return order(tops.map(({ node }) => node));
  return [...ranks].sort((a, b) => (a[0] < 0 ? 1 : b[0] < 0 ? -1 : a[0] - b[0])).flatMap(([rank, members]) =>
    // What has no rank (the launcher) stands beside the ranks.
    rank < 0 ? order(members) : [make(`r${rank}`, `Rank ${rank}`, members.length === 1 ? members[0].note : `${formatCount(members.length)} processes`, 'other', members)]);
}

/** The lines that are shown: children of what is open; with a filter all that fit, and what they stand under. */
export function treeRows(tree: readonly TreeNode[], closed: ReadonlySet<string>, opened: ReadonlySet<string>, filter: string): TreeRow[] {
  const rows: TreeRow[] = [];
  const words = filter.trim().toLowerCase();
  const fits = (node: TreeNode): boolean => `${node.label} ${node.note} ${node.role}`.toLowerCase().includes(words);
  const add = (node: TreeNode, depth: number, above: boolean): boolean => {
    const at = rows.length;
    const mine = above || words === '' || fits(node);
    const isOpen = words !== '' ? !closed.has(node.key) : opened.has(node.key) || (firstOpen(node) && !closed.has(node.key));
    rows.push({ node, depth, open: node.children.length > 0 && isOpen });
    let any = mine;
    if (words !== '') {
      // What lies in a group that fits is shown with it.
      for (const child of node.children) any = (isOpen ? add(child, depth + 1, mine) : someFits(child, fits)) || any;
    } else if (isOpen) for (const child of node.children) add(child, depth + 1, false);
    if (!any) rows.length = at;
    return any;
  };
  for (const node of tree) add(node, 0, false);
  return rows;
}

function someFits(node: TreeNode, fits: (node: TreeNode) => boolean): boolean {
  return fits(node) || node.children.some((child) => someFits(child, fits));
}

/** What is open before anybody touched it: ranks and processes, not their groups, and no worker. */
function firstOpen(node: TreeNode): boolean {
  return node.key.startsWith('r') || (node.key.startsWith('p') && node.role !== 'loader');
}

/** Rows of all threads of a role. */
export function rowsOfRole(tree: readonly TreeNode[], role: Role): number[] {
  const rows: number[] = [];
  const add = (node: TreeNode): void => {
    if (node.children.length === 0) {
      if (node.role === role) rows.push(...node.rows);
    } else for (const child of node.children) add(child);
  };
  for (const node of tree) add(node);
  return rows;
}

export type Ticked = 'all' | 'some' | 'none';

/** Whether a node's threads are chosen; null = all are. */
export function tickedOf(node: TreeNode, chosen: ReadonlySet<number> | null): Ticked {
  if (chosen === null) return 'all';
  let count = 0;
  for (const row of node.rows) if (chosen.has(row)) count++;
  return count === 0 ? 'none' : count === node.rows.length ? 'all' : 'some';
}

/** The choice after a node was ticked or unticked; null = all. Unticking the last one takes all again. */
export function afterTick(node: TreeNode, chosen: ReadonlySet<number> | null, all: readonly number[]): readonly number[] | null {
  const now = new Set(chosen ?? all);
  const off = tickedOf(node, chosen) === 'all';
  for (const row of node.rows) {
    if (off) now.delete(row);
    else now.add(row);
  }
  if (now.size === 0 || all.every((row) => now.has(row))) return null;
  return [...now].sort((a, b) => a - b);
}
