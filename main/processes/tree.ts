import type { ProcessRow } from '#core/protocol/api';
import { numbersIn, statOf } from './proc.ts';

type Link = Pick<ProcessRow, 'pid' | 'ppid'>;

/** Children by parent, in the order of `rows`. */
export function childrenByParent<Row extends Link>(rows: readonly Row[]): Map<number, Row[]> {
  const children = new Map<number, Row[]>();
  for (const row of rows) {
    const list = children.get(row.ppid);
    if (list === undefined) children.set(row.ppid, [row]);
    else list.push(row);
  }
  return children;
}

/** All processes under `pid`, parents before children, itself left out. */
export function descendants<Row extends Link>(rows: readonly Row[], pid: number): Row[] {
  const children = childrenByParent(rows);
  const found: Row[] = [];
  // A listing is not one moment: a cycle by a reused pid is possible, so no pid is entered twice.
  const seen = new Set<number>([pid]);
  const queue = [pid];
  for (const parent of queue) {
    for (const row of children.get(parent) ?? []) {
      if (seen.has(row.pid)) continue;
      seen.add(row.pid);
      queue.push(row.pid);
      found.push(row);
    }
  }
  return found;
}

/**
 * The processes that do the work under `pid`: a launcher stands for what it started, and a worker keeps its own children
 * (DataLoader processes belong to their rank). A launcher with nothing under it is its own worker. Helpers that only keep
 * track of others' resources are left out.
 */
export function pickWorkers(rows: readonly ProcessRow[], pid: number): ProcessRow[] {
  const root = rows.find((row) => row.pid === pid);
  if (root === undefined) return [];
  const children = childrenByParent(rows);
  const workers: ProcessRow[] = [];
  const seen = new Set<number>();
  const visit = (row: ProcessRow): void => {
    if (seen.has(row.pid)) return;
    seen.add(row.pid);
    if (!row.launcher) {
      if (row.runtime !== 'kernel' && !isHelper(row)) workers.push(row);
      return;
    }
    for (const child of children.get(row.pid) ?? []) visit(child);
  };
  visit(root);
  return workers.length === 0 ? [root] : workers;
}

function isHelper(row: ProcessRow): boolean {
  return /^multiprocessing\.(resource_tracker|semaphore_tracker|forkserver)$/.test(row.name);
}

/** Pids of `roots` that still run and of all their descendants, now, in one look at /proc (about 8 us a process). */
export function withDescendants(roots: readonly number[]): number[] {
  const links: Link[] = [];
  const alive = new Set<number>();
  for (const pid of numbersIn('/proc')) {
    const stat = statOf(pid);
    if (stat === null || stat.state === 'Z' || stat.state === 'X') continue;
    alive.add(pid);
    links.push({ pid, ppid: stat.ppid });
  }
  const all = new Set<number>();
  for (const root of roots) {
    if (!alive.has(root)) continue;
    all.add(root);
    for (const row of descendants(links, root)) all.add(row.pid);
  }
  return [...all];
}
