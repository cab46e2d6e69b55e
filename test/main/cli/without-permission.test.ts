// Where nothing may look at a process from outside: a seccomp filter that refuses perf_event_open, ptrace and process_vm_readv, an ordinary user,
// no perf at all. Each lane shows what it still can, and says why it is not more.
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdtempSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BIN, inside, scratch } from './run.ts';

const here = scratch();
afterAll(() => here.remove());
const PROGRAM = new URL('../../programs/known_shares.py', import.meta.url).pathname;
const NODE = realpathSync(process.execPath);
/** A Python that other users may run too. */
const PYTHON = '/usr/bin/python3';
const NOBODY = 65_534;

const noPython = !existsSync(PYTHON);
const noCompiler = spawnSync('cc', ['--version']).status !== 0;
const notRoot = process.getuid?.() !== 0;
/** Whether another user may read this checkout. */
const hidden = !notRoot && spawnSync(NODE, ['-e', `process.setgid(${NOBODY}); process.setuid(${NOBODY}); require('fs').readFileSync(${JSON.stringify(BIN)})`]).status !== 0;
const refuse = here.file('refuse');

beforeAll(() => {
  if (!noCompiler) execFileSync('cc', ['-O1', '-Wall', new URL('../../support/refuse.c', import.meta.url).pathname, '-o', refuse]);
  chmodSync(here.path, 0o755);
});

function lacks(what: string, reasons: readonly (readonly [boolean, string])[]): boolean {
  const why = reasons.find(([is]) => is)?.[1];
  if (why !== undefined) console.log(`skipped: ${what}, because ${why}`);
  return why !== undefined;
}

interface Result {
  readonly file: string;
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  readonly lanes: readonly { readonly kind: string; readonly state: string; readonly profilers: readonly string[]; readonly text: string }[];
}

/** Runs `record` in a home of its own; `before` are words before node. So many looks that a share is certain to 2 points. */
function record(name: string, before: readonly string[], command: readonly string[], options: { path?: string; uid?: number; lanes?: string } = {}): Result {
  const home = mkdtempSync(`${here.file(name)}-`);
  if (options.uid !== undefined) chownSync(home, options.uid, options.uid);
  const file = join(home, 'run.flamebench');
  const argv = [...before, NODE, BIN, 'record', '--rate', '200', '--lanes', options.lanes ?? 'cpu,off-cpu,memory,cuda', '-o', file, '--json', '--', ...command];
  const { stdout, stderr, status } = spawnSync(argv[0], argv.slice(1), {
    encoding: 'utf8', env: { ...process.env, NODE_NO_WARNINGS: '1', FLAMEBENCH_HOME: home, HOME: home, ...(options.path === undefined ? {} : { PATH: options.path }) },
    ...(options.uid !== undefined && before.length === 0 ? { uid: options.uid, gid: options.uid } : {}),
  });
  const json = stdout.indexOf('{\n');
  const told = json < 0 ? null : JSON.parse(stdout.slice(json)) as { lanes: Result['lanes'] };
  return { file, code: status, out: json < 0 ? stdout : stdout.slice(0, json), err: stderr, lanes: told?.lanes ?? [] };
}

async function shares(file: string, lane: string): Promise<Map<string, number>> {
  const { out, code, err } = await inside(['top', file, '--lane', lane, '--by', 'total', '--json']);
  expect([code, err]).toEqual([0, expect.any(String)]);
  return new Map((JSON.parse(out) as { rows: { function: string; totalPercent: number }[] }).rows.map((row) => [row.function, row.totalPercent]));
}

function expectShares(found: ReadonlyMap<string, number>): void {
  const hot = found.get('hot') ?? 0;
  const warm = found.get('warm') ?? 0;
  expect(hot + warm).toBeGreaterThan(90);
  expect(Math.abs(hot / (hot + warm) - 0.75)).toBeLessThan(0.05);
}

const lane = (result: Result, kind: string) => result.lanes.find((one) => one.kind === kind);

describe.skipIf(lacks('a seccomp filter', [[noPython, `there is no ${PYTHON}`], [noCompiler, 'there is no C compiler']]))('under a filter that refuses profilers their system calls', () => {
  test('record -- python3 has a CPU lane and a waiting one; the others say why not; the command is untouched', async () => {
    const result = record('filtered', [refuse], [PYTHON, '-c', `exec(open(${JSON.stringify(PROGRAM)}).read().replace('    main()', '    main(); sys.stderr.write("told\\\\n"); sys.exit(7)'))`, '3']);
    expect(result.code).toBe(7);
    expect(result.out).toMatch(/^ready \d+\n$/);
    expect(result.err.split('\n').filter((line) => !line.startsWith('flamebench: ') && line !== result.file)).toEqual(['told', '']);
    expect(result.err).toMatch(/seccomp \w+ refuses perf_event_open/);
    expect(lane(result, 'cpu')).toMatchObject({ state: 'on', profilers: ['python-helper'], text: expect.stringContaining('native code') as string });
    expect(lane(result, 'off-cpu')).toMatchObject({ state: 'on', profilers: ['python-helper'] });
    expect(lane(result, 'cuda')?.state).toBe('none');
    expect(lane(result, 'cuda')?.text).not.toBe('');
    const told = await inside(['info', result.file, '--json']);
    const { lanes } = JSON.parse(told.out) as { lanes: { kind: string; name: string; total: number }[] };
    expect(lanes.map(({ kind, name }) => `${kind} ${name}`)).toEqual(expect.arrayContaining(['cpu python', 'off-cpu proc']));
    // Both functions stand in `<module>` of a string: their names are the same.
    expectShares(await shares(result.file, 'python'));
    const waits = await shares(result.file, 'proc');
    for (const name of ['sleeper', 'waiter']) expect(waits.get(name) ?? 0).toBeGreaterThan(25);
  });

  test.skipIf(lacks('a filter as another user', [[notRoot, 'only root can be another user'], [hidden, 'another user may not read this checkout']]))('the same as an ordinary user', async () => {
    const result = record('filtered-user', [refuse, '--uid', String(NOBODY)], [PYTHON, PROGRAM, '3'], { uid: NOBODY });
    expect([result.code, result.out.replace(/\d+/, 'N')]).toEqual([0, 'ready N\n']);
    expect(lane(result, 'cpu')).toMatchObject({ state: 'on', profilers: ['python-helper'] });
    expectShares(await shares(result.file, 'python'));
  });

  test('attaching says what would be needed', () => {
    const { status, stderr } = spawnSync(refuse, [NODE, BIN, 'record', '--pid', String(process.pid), '--duration', '1'], { encoding: 'utf8', env: { ...process.env, NODE_NO_WARNINGS: '1', FLAMEBENCH_HOME: here.file('attach') } });
    expect(status).toBe(1);
    expect(stderr).toMatch(/seccomp|container/);
  });
});

describe.skipIf(lacks('ordinary users', [[noPython, `there is no ${PYTHON}`], [notRoot, 'only root can be another user'], [hidden, 'another user may not read this checkout']]))('as an ordinary user', () => {
  const paranoidNow = () => Number(readFileSync('/proc/sys/kernel/perf_event_paranoid', 'utf8'));

  test('with perf: each lane has what perf_event_paranoid allows, and says so', () => {
    const paranoid = paranoidNow();
    const result = record('user', [], [PYTHON, PROGRAM, '1'], { uid: NOBODY });
    expect(result.code).toBe(0);
    if (!lane(result, 'cpu')?.profilers.includes('perf')) {
      console.log(`perf does not work for an ordinary user here (paranoid ${paranoid}): ${lane(result, 'cpu')?.text}`);
      return;
    }
    expect(lane(result, 'off-cpu')).toMatchObject({ state: 'on', profilers: ['perf'] });
    // Another test may have changed it meanwhile.
    if (paranoid === 2 && paranoidNow() === 2) expect(lane(result, 'off-cpu')?.text).toMatch(/perf_event_paranoid is 2/);
  });

  test.skipIf(lacks('a machine without perf', [[spawnSync('unshare', ['-m', 'true']).status !== 0, 'mounts cannot be private here']]))('with neither perf nor py-spy: the helper, and how perf is installed', async () => {
    // perf is looked for in its usual places too: there it is covered by an empty file, for this command alone.
    const places = ['/usr/bin/perf', '/usr/local/bin/perf', '/bin/perf'].filter((path) => existsSync(path)).map((path) => realpathSync(path));
    const before = ['unshare', '-m', 'sh', '-c', 'for place in $1; do mount --bind /dev/null "$place" || exit 99; done; shift; exec setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"'.replace('"$1" --regid "$1" --clear-groups "${@:2}"', `${NOBODY} --regid ${NOBODY} --clear-groups "$@"`), 'sh', [...new Set(places)].join(' ')];
    const result = record('no-perf', before, [PYTHON, PROGRAM, '2'], { uid: NOBODY });
    expect(result.code).toBe(0);
    expect(result.err).toMatch(/perf is not installed/);
    expect(lane(result, 'cpu')).toMatchObject({ state: 'on', profilers: ['python-helper'] });
    expectShares(await shares(result.file, 'python'));
  });
});
