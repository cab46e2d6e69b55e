import type { UserError } from '#core/errors';
import type { LaneKind } from '#core/model/lane';
import type { Check, ProcessRow, RecordOptions, Target } from '#core/protocol/api';
import { FIRST_OPTIONS } from '#core/protocol/api';
import { link } from '../../bridge/link.ts';
import { userError } from '../../parts/explain.ts';
import { connection } from '../../state/connection.svelte.ts';
import { processKey } from '../../state/process-key.ts';
import { processes } from '../../state/processes.svelte.ts';
import { workbench } from '../../state/workbench.svelte.ts';
import type { LaneGroup } from './lanes.ts';
import { laneGroups, laneOn, works } from './lanes.ts';
import type { Segment, Sort, SortKey } from './process-tree.ts';
import { firstChoice, workersOf } from './process-tree.ts';
import { splitWords, takeAssignments } from './shell-words.ts';

const LAUNCH_KEY = 'flamebench.launch';

/** What the right column is about. */
export type Subject = 'process' | 'launch';

interface StoredLaunch {
  readonly line: string;
  readonly directory: string;
  readonly environment: readonly (readonly [string, string])[];
}

/** What Home is set to. It outlives the tab's hiding, and the launch line outlives the window. */
class HomeState {
  subject = $state<Subject>('process');

  // The table.
  segment = $state<Segment>('mine');
  filter = $state('');
  sort = $state.raw<Sort>({ key: 'cpu', descending: true });
  closed = $state.raw<ReadonlySet<string>>(new Set());
  /** Grows when the user asks for an order, so that rows are sorted anew. */
  asked = $state(0);
  /** Key of the row under the cursor. */
  cursor = $state('');
  /** Whether the user put it there. */
  #chosen = false;
  /** For a launcher under the cursor: pid of the worker that is meant, 0 = all of them, -1 = the launcher itself. null = its first. */
  worker = $state<number | null>(null);

  // The launch.
  line = $state('');
  directory = $state('');
  environment = $state.raw<readonly (readonly [name: string, value: string])[]>([]);

  // The recording.
  options = $state.raw<RecordOptions>(FIRST_OPTIONS);
  children = $state(true);
  /** Lanes that the user switched on or off; the others are on when they are ready. */
  laneTicks = $state.raw<ReadonlyMap<LaneKind, boolean>>(new Map());

  checks = $state.raw<readonly Check[] | null>(null);
  cost = $state('');
  checkError = $state.raw<UserError | null>(null);
  startError = $state.raw<UserError | null>(null);
  starting = $state(false);
  /** What this machine has, for a start without a target: `perf 6.1`, `py-spy 0.4.2`, and what is missing. null before it is known. */
  found = $state.raw<readonly Check[] | null>(null);
  #asking = 0;

  constructor() {
    const stored = readLaunch();
    this.line = stored.line;
    this.directory = stored.directory;
    this.environment = stored.environment;
  }

  /** What was found out, lane by lane. */
  get groups(): LaneGroup[] {
    return laneGroups(this.checks ?? []);
  }

  /** Lanes that will be recorded. */
  get lanes(): LaneKind[] {
    // Nothing is known yet: main takes of these what works.
    if (this.checks === null) return ['cpu', 'off-cpu', 'memory'].filter((lane): lane is LaneKind => this.laneTicks.get(lane as LaneKind) !== false);
    const on = this.groups.filter((group) => laneOn(group, this.options, this.laneTicks.get(group.lane))).map((group) => group.lane);
    return on.length > 0 ? on : [...FIRST_OPTIONS.lanes];
  }

  /** Whether a lane is wanted and can be. */
  laneOn(lane: LaneKind): boolean {
    const group = this.groups.find((one) => one.lane === lane);
    return group !== undefined && laneOn(group, this.options, this.laneTicks.get(lane));
  }

  /** The user has read what a profiler risks, or takes it back. */
  acceptRisk(profiler: string, accepted: boolean): void {
    const others = this.options.risks.filter((one) => one !== profiler);
    this.options = { ...this.options, risks: accepted ? [...others, profiler] : others };
  }

  /** Leaves a profiler out, or takes it in again. All of them is "whatever is ready", which also holds for the next target. */
  tickProfiler(profiler: string, on: boolean): void {
    const usable = [...new Set((this.checks ?? []).filter(works).map((one) => one.profiler))];
    const now = this.options.profilers.length === 0 ? usable : this.options.profilers;
    const next = on ? [...new Set([...now, profiler])] : now.filter((id) => id !== profiler);
    // The last one stays: a recording without a profiler is none.
    if (next.length > 0) this.options = { ...this.options, profilers: usable.every((id) => next.includes(id)) ? [] : next };
  }

  tickLane(lane: LaneKind, on: boolean): void {
    // The last one stays: a recording without a lane is none.
    if (on || this.lanes.some((one) => one !== lane)) this.laneTicks = new Map([...this.laneTicks, [lane, on]]);
  }

  /** The row under the cursor, null when it is gone. */
  get row(): ProcessRow | null {
    return processes.rows?.find((row) => processKey(row) === this.cursor) ?? null;
  }

  /** Workers that the launcher under the cursor offers. */
  get workers(): readonly ProcessRow[] {
    const row = this.row;
    return row !== null && row.launcher && processes.rows !== null ? workersOf(processes.rows, row) : [];
  }

  /** The processes that would be recorded. */
  get chosen(): readonly ProcessRow[] {
    const row = this.row;
    if (row === null) return [];
    const workers = this.workers;
    if (workers.length === 0 || this.worker === -1) return [row];
    if (this.worker === 0) return workers;
    return [workers.find((worker) => worker.pid === this.worker) ?? workers[0]];
  }

  /** What would be recorded, or why nothing can be. */
  get target(): Target | UserError | null {
    if (this.subject === 'launch') return this.launchTarget;
    const chosen = this.chosen;
    if (chosen.length === 0) return null;
    return { kind: 'attach', processes: chosen.map(({ pid, start }) => ({ pid, start })), children: this.children };
  }

  get launchTarget(): Target | UserError | null {
    if (this.line.trim() === '') return null;
    try {
      const { environment, argv } = takeAssignments(splitWords(this.line));
      if (argv.length === 0) return null;
      const named = Object.fromEntries(this.environment.filter(([name]) => name !== ''));
      return { kind: 'launch', argv, directory: this.folder, environment: { ...named, ...environment } };
    } catch (error) {
      return userError(error, 'launch');
    }
  }

  /** The directory that a launch starts in. */
  get folder(): string {
    const home = connection.host?.home ?? '/';
    const given = this.directory.trim();
    if (given === '' || given === '~') return home;
    if (given.startsWith('~/')) return `${home}/${given.slice(2)}`;
    return given.startsWith('/') ? given : `${home}/${given}`;
  }

  choose(key: string): void {
    this.subject = 'process';
    this.#chosen = true;
    if (key === this.cursor) return;
    this.cursor = key;
    this.worker = null;
    this.startError = null;
  }

  /** Puts the cursor on the most likely process when the first CPU numbers are here, and again should that one end, until the user chooses. */
  chooseFirst(): void {
    const rows = processes.rows;
    if (this.#chosen || this.row !== null || rows === null || rows.every((row) => row.cpu === null)) return;
    const first = firstChoice(rows);
    if (first !== null) this.cursor = processKey(first);
  }

  sortBy(key: SortKey): void {
    const descending = this.sort.key === key ? !this.sort.descending : key !== 'name' && key !== 'user' && key !== 'pid';
    this.sort = { key, descending };
    this.asked++;
  }

  toggle(key: string, open: boolean): void {
    // eslint-disable-next-line svelte/prefer-svelte-reactivity -- replaced whole below
    const closed = new Set(this.closed);
    if (open) closed.delete(key);
    else closed.add(key);
    this.closed = closed;
  }

  rememberLaunch(): void {
    const stored: StoredLaunch = { line: this.line, directory: this.directory, environment: this.environment };
    localStorage.setItem(LAUNCH_KEY, JSON.stringify(stored));
  }

  /** Asks what works on a target; only the latest answer counts. */
  async check(target: Target): Promise<void> {
    const asking = ++this.#asking;
    try {
      const { body } = await link.request('checks', { target });
      if (asking !== this.#asking) return;
      this.checks = body.checks;
      this.cost = body.cost;
      this.checkError = null;
    } catch (error) {
      if (asking !== this.#asking) return;
      this.checks = null;
      this.checkError = userError(error, 'checks');
    }
  }

  /** Finds out which profilers there are, asked as for a Python program that is not started. */
  async findProfilers(): Promise<void> {
    try {
      const { body } = await link.request('checks', { target: { kind: 'launch', argv: ['python3'], directory: '/', environment: {} } });
      this.found = body.checks;
    } catch {
      // The checks of a chosen target say what is wrong.
      this.found = null;
    }
  }

  /** Starts a recording and shows it. `title` '' lets main name it: it sees the process as it is now, the list as it was. */
  async record(target: Target, shown: string, title = shown, lanes: readonly LaneKind[] = this.lanes): Promise<void> {
    if (this.starting) return;
    this.starting = true;
    this.startError = null;
    try {
      if (target.kind === 'launch') this.rememberLaunch();
      const { body } = await link.request('recordStart', { target, options: { ...this.options, lanes, title } });
      workbench.show(body.profile, shown);
    } catch (error) {
      this.startError = userError(error, 'record');
    } finally {
      this.starting = false;
    }
  }
}

function readLaunch(): StoredLaunch {
  const first: StoredLaunch = { line: '', directory: '', environment: [] };
  try {
    const value = JSON.parse(localStorage.getItem(LAUNCH_KEY) ?? 'null') as Partial<StoredLaunch> | null;
    if (value === null || typeof value.line !== 'string' || typeof value.directory !== 'string' || !Array.isArray(value.environment)) return first;
    return { line: value.line, directory: value.directory, environment: value.environment };
  } catch {
    // Damaged: an empty line is always good.
    return first;
  }
}

export const home = new HomeState();
