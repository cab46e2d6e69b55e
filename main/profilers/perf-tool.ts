// Which perf is there and what it understands. Asked once for each perf, by running it.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { findTool, runTool } from './find-tool.ts';

export interface PerfTool {
  readonly found: true;
  readonly path: string;
  /** `6.1.187` */
  readonly version: string;
  readonly features: PerfFeatures;
}

export interface PerfFeatures {
  /** `--control fifo:`, without which there is no live picture (perf 5.10). */
  readonly control: boolean;
  /** `ping` and `stop` on the control FIFO (perf 5.12); before that, `enable` wakes and SIGINT ends. */
  readonly ping: boolean;
  readonly buildIdMmap: boolean;
  readonly noBpfEvent: boolean;
  readonly switchEvents: boolean;
}

/** Why there is none: what `perf --version` said, '' where no file was found. */
export interface NoPerf {
  readonly found: false;
  readonly said: string;
}

const tools = new Map<string, Promise<PerfTool | NoPerf>>();

/**
 * Finds perf and asks it for its version and options (20 ms, then kept). Ubuntu's /usr/bin/perf is a script that looks for
 * the build of the running kernel and fails where it is not installed: then any other build under /usr/lib is taken, which
 * works across kernels.
 */
export async function findPerf(): Promise<PerfTool | NoPerf> {
  const first = findTool('perf');
  const candidates = [...(first === null ? [] : [first]), ...kernelBuilds()];
  let said = '';
  for (const path of candidates) {
    const found = await probe(path);
    if (found.found) return found;
    if (said === '') said = found.said;
  }
  return { found: false, said };
}

function probe(path: string): Promise<PerfTool | NoPerf> {
  let changed = 0;
  try {
    changed = statSync(path).mtimeMs;
  } catch {
    // Told by the probe itself.
  }
  const key = `${path}:${changed}`;
  let tool = tools.get(key);
  if (tool === undefined) {
    tool = ask(path);
    tools.set(key, tool);
  }
  return tool;
}

async function ask(path: string): Promise<PerfTool | NoPerf> {
  const version = await runTool(path, ['--version']);
  const number = /perf version (\d+\.\d+(?:\.\d+)?)/.exec(version.stdout)?.[1];
  if (version.code !== 0 || number === undefined) {
    return { found: false, said: (version.stderr + version.stdout).trim().split('\n')[0] ?? '' };
  }
  let features = featuresOf(number, '');
  if (!features.ping || !features.buildIdMmap) {
    // An older number may hide newer options: distributions take them over.
    const help = await runTool(path, ['record', '-h']);
    features = featuresOf(number, help.stdout + help.stderr);
  }
  return { found: true, path, version: number, features };
}

/** What a perf can do, from its version and the text of `perf record -h`. */
export function featuresOf(version: string, help: string): PerfFeatures {
  const at = (major: number, minor: number): boolean => {
    const [a, b] = version.split('.').map(Number);
    return a > major || (a === major && b >= minor);
  };
  // A help text that lists nothing (a perf built without it) leaves the version to decide.
  const listed = help.includes('--call-graph');
  const has = (option: string, major: number, minor: number): boolean => (listed ? new RegExp(`(^|[\\s,])--(\\[no-\\])?${option.replace(/^no-/, '(no-)?')}\\b`, 'm').test(help) : at(major, minor));
  return {
    control: has('control', 5, 10) && (at(5, 10) || /fifo:/.test(help)),
    ping: at(5, 12),
    buildIdMmap: has('buildid-mmap', 5, 12),
    noBpfEvent: has('no-bpf-event', 5, 1),
    switchEvents: has('switch-events', 4, 3),
  };
}

/** perf of every kernel's tools package, newest first. */
function kernelBuilds(): string[] {
  const found: string[] = [];
  for (const folder of list('/usr/lib')) {
    if (!folder.startsWith('linux-tools')) continue;
    const base = join('/usr/lib', folder);
    if (list(base).includes('perf')) found.push(join(base, 'perf'));
    for (const inner of list(base)) found.push(join(base, inner, 'perf'));
  }
  for (const name of list('/usr/bin')) {
    if (/^perf_\d/.test(name)) found.push(join('/usr/bin', name));
  }
  return found.filter((path) => isFile(path)).sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Whether perf_event_open is refused to perf: by a seccomp filter, which nothing else tells of. Asks for an event that needs no permission. */
export async function perfRefused(tool: PerfTool): Promise<boolean> {
  const ran = await runTool(tool.path, ['stat', '-x', ',', '-e', 'dummy:u', '--', 'true'], 2000);
  return ran.code !== 0 || ran.stderr.includes('<not supported>');
}

const events = new Map<string, Promise<'cycles' | 'cpu-clock'>>();

/**
 * Which event counts time here: `cycles` where the CPU's counter really opens, else `cpu-clock`. On most virtual machines
 * `perf record -e cycles` falls back without a word, so perf is asked to count a moment of its own.
 */
export function timeEvent(tool: PerfTool): Promise<'cycles' | 'cpu-clock'> {
  let event = events.get(tool.path);
  if (event === undefined) {
    event = (async () => {
      if (!list('/sys/bus/event_source/devices').some((name) => /^(cpu|cpu_core|armv8_.*|arm_.*|power_pmu)$/.test(name))) return 'cpu-clock' as const;
      const ran = await runTool(tool.path, ['stat', '-x', ',', '-e', 'cycles:u', '--', 'true'], 2000);
      return ran.code === 0 && /^\d+,[^,]*,(?:cpu\w*\/)?cycles/m.test(ran.stderr) ? 'cycles' as const : 'cpu-clock' as const;
    })();
    events.set(tool.path, event);
  }
  return event;
}
