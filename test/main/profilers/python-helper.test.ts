// The helper inside a Python must not be seen by the program: what the program says of itself is the same with it and without.
import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findTool } from '../../../main/profilers/find-tool.ts';
import { pySpyVerdict } from '../../../main/profilers/py-spy-check.ts';
import { pythonHelper, tracerEnvironment } from '../../../main/profilers/python-helper.ts';
import { readSystem } from '../../../main/profilers/system.ts';
import { FIRST_OPTIONS } from '#core/protocol/api';

const PYTHONS = [...new Set([findTool('python3'), '/usr/bin/python3'])].filter((path): path is string => path !== null && spawnSync(path, ['-c', '']).status === 0);
if (PYTHONS.length === 0) console.log('skipped: the helper inside Python, because there is no python3');

let home: string;
beforeEach(() => { home = mkdtempSync(join(tmpdir(), 'fb-helper-')); });
afterEach(() => rmSync(home, { recursive: true, force: true }));

interface Ran {
  readonly out: string;
  readonly err: string;
  readonly code: number | null;
  /** What the helper wrote. */
  readonly stream: string;
}

async function run(python: string, script: string, environment: Readonly<Record<string, string>>, withHelper: boolean, arguments_: readonly string[] = []): Promise<Ran> {
  const path = join(home, 'program.py');
  writeFileSync(path, script);
  const base = { PATH: process.env['PATH'] ?? '', HOME: home, ...environment };
  if (!withHelper) {
    const { stdout, stderr, status } = spawnSync(python, [...arguments_, path], { env: base, encoding: 'utf8' });
    return { out: stdout, err: stderr, code: status, stream: '' };
  }
  const scratch = mkdtempSync(join(home, 'scratch-'));
  const wanted = await pythonHelper.launch?.({ ...FIRST_OPTIONS, rate: 100 }, scratch, base);
  const fifo = openSync(join(scratch, 'python', 'fifo'), constants.O_RDWR | constants.O_NONBLOCK);
  const { stdout, stderr, status } = spawnSync(python, [...arguments_, path], { env: { ...base, ...wanted?.environment }, encoding: 'utf8' });
  let stream = '';
  const piece = new Uint8Array(65_536);
  try {
    for (;;) stream += new TextDecoder().decode(piece.subarray(0, readSync(fifo, piece)));
  } catch {
    // EAGAIN: all of it is read.
  }
  closeSync(fifo);
  return { out: stdout.replaceAll(`${scratch}/python`, 'HELPER'), err: stderr, code: status, stream };
}

const SELF = `
import os, sys, signal, threading, time, warnings
warnings.simplefilter('error')
time.sleep(0.3)
print(sys.path)
print([name for name in sorted(sys.modules) if name == 'sitecustomize'])
print(threading.enumerate()[0].name, threading.active_count())
print(sorted(os.listdir('/proc/self/fd')))
print(signal.pthread_sigmask(signal.SIG_BLOCK, []))
pid = os.fork()
if pid == 0:
    print('child', threading.active_count(), sorted(os.listdir('/proc/self/fd')), flush=True)
    os._exit(3)
print(os.waitpid(pid, 0)[1])
try:
    import sitecustomize
    print('has', sitecustomize.__file__)
except ImportError as error:
    print(error)
sys.exit(5)
`;

test.skipIf(PYTHONS.length === 0)('paths, modules, threads, files, signals, forks and exit codes are those of the program alone', async () => {
  for (const python of PYTHONS) {
    const alone = await run(python, SELF, {}, false);
    const helped = await run(python, SELF, {}, true);
    expect(helped.err).toBe(alone.err);
    expect(helped.out).toBe(alone.out);
    expect([alone.code, helped.code]).toEqual([5, 5]);
    // Parent and child both wrote, and the parent said that it ended.
    expect(helped.stream).toMatch(/^p \d+\nr \d+ 100 \d+ 3\.\d+\nt 0\n/);
    expect(helped.stream).toMatch(/\nf \d+ <module>\t\S*program\.py\n/);
    expect(helped.stream.trimEnd().split('\n').at(-1)).toBe('q');
    expect(helped.stream).not.toMatch(/^[ed] /m);
  }
});

test.skipIf(PYTHONS.length === 0)('the user\'s own sitecustomize runs as it would, also where it fails; PYTHONPATH goes on', async () => {
  const mine = join(home, 'mine');
  mkdirSync(mine);
  const script = 'import sitecustomize, sys, os\nprint(sitecustomize.MARK, sitecustomize.__file__, sys.path[1])\nimport other\nprint(other.X)\n';
  writeFileSync(join(mine, 'other.py'), 'X = 4\n');
  writeFileSync(join(mine, 'sitecustomize.py'), 'MARK = "mine"\nimport sys\nsys.stderr.write("said once\\n")\n');
  for (const python of PYTHONS) {
    const alone = await run(python, script, { PYTHONPATH: mine, PYTHONDONTWRITEBYTECODE: '1' }, false);
    expect(alone.out).toContain('mine');
    expect(await run(python, script, { PYTHONPATH: mine, PYTHONDONTWRITEBYTECODE: '1' }, true)).toMatchObject({ out: alone.out, err: alone.err, code: 0 });
  }
  writeFileSync(join(mine, 'sitecustomize.py'), 'raise ValueError("broken")\n');
  const broken = await run(PYTHONS[0], 'print(1)\n', { PYTHONPATH: mine, PYTHONDONTWRITEBYTECODE: '1' }, false);
  expect(broken.err).toContain('ValueError: broken');
  expect(await run(PYTHONS[0], 'print(1)\n', { PYTHONPATH: mine, PYTHONDONTWRITEBYTECODE: '1' }, true)).toMatchObject({ out: '1\n', err: broken.err, code: 0 });
});

test.skipIf(PYTHONS.length === 0)('a signal that the program waits for is never taken by the helper\'s thread', async () => {
  const script = `
import os, signal, subprocess, sys, time
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
subprocess.Popen([sys.executable, '-S', '-c', 'import os, time; time.sleep(0.3); os.kill(%d, 15)' % os.getpid()])
print(signal.sigwait({signal.SIGTERM}))
`;
  const alone = await run(PYTHONS[0], script, {}, false);
  expect(await run(PYTHONS[0], script, {}, true)).toMatchObject({ out: alone.out, code: 0 });
});

test.skipIf(PYTHONS.length === 0)('what is started with -I, -E or -S, or clears its environment, is left alone; a program that closes all files is not harmed', async () => {
  for (const flag of ['-I', '-E', '-S']) expect(await run(PYTHONS[0], 'print(1)\n', {}, true, [flag])).toMatchObject({ out: '1\n', err: '', code: 0, stream: '' });
  const script = `
import os, time
os.closerange(3, 1000)
file = open('/proc/self/comm')
other = os.open('/tmp', os.O_RDONLY)
end = time.time() + 0.4
while time.time() < end: sum(range(1000))
print(file.read().strip() != '', os.fstat(other).st_mode != 0)
`;
  expect(await run(PYTHONS[0], script, {}, true)).toMatchObject({ out: 'True True\n', err: '', code: 0 });
});

test('it stands in for perf and py-spy, at the launch only', async () => {
  expect(pythonHelper.insteadOf).toEqual(['perf', 'py-spy']);
  const attach = await pythonHelper.check({ kind: 'attach', processes: [{ pid: process.pid, start: 0 }], children: false });
  expect(attach.map(({ state }) => state)).toEqual(['no', 'no']);
  const launch = await pythonHelper.check({ kind: 'launch', argv: ['python3'], directory: '/', environment: {} });
  expect(launch.map(({ lane, state }) => [lane, state])).toEqual([['cpu', 'partly'], ['off-cpu', 'partly']]);
  for (const check of launch) expect(check.text).toMatch(/native/);
});

test('where Yama keeps attaching to parents, a launched Python lets py-spy look', async () => {
  const system = { ...readSystem(), root: false, capabilities: 0n, container: '', ptraceScope: 1 };
  const launch = { kind: 'launch', argv: ['python3'], directory: '/', environment: {} } as const;
  expect(pySpyVerdict(launch, [], system, '0.4.2')).toMatchObject({ state: 'ready', text: expect.stringContaining('ptrace_scope') as string });
  expect(pySpyVerdict(launch, [], { ...system, ptraceScope: 2 }, '0.4.2').state).toBe('fix');
  const scratch = mkdtempSync(join(home, 'scratch-'));
  const environment = await tracerEnvironment(scratch, { PYTHONPATH: '/mine' });
  expect(environment).toEqual({ PYTHONPATH: `${scratch}/python:/mine`, FLAMEBENCH_PTRACER: '1' });
  for (const python of PYTHONS) {
    const { stdout, stderr, status } = spawnSync(python, ['-c', 'import os; print(1, flush=True); os.fork()'], { env: { PATH: process.env['PATH'] ?? '', ...environment }, encoding: 'utf8' });
    expect([stdout, stderr, status]).toEqual(['1\n', '', 0]);
  }
});
