// perf on real programs, its records through a FIFO as the workbench takes them, and perf script on the same bytes.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, constants, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Profile } from '#core/model/profile';
import type { PerfOptions } from '#core/read/perf/options';
import { PerfDecoder } from '#core/read/perf/decoder';
import { LiveSources } from '../../../../main/native/live-sources.ts';
import { readContext } from '../../../../main/record/read-context.ts';

/** A folder for one test file, gone with the process. */
export const folder = mkdtempSync(join(tmpdir(), 'perf-live-'));
process.once('exit', () => { rmSync(folder, { recursive: true, force: true }); });

function whyNot(): string {
  if (spawnSync('perf', ['--version']).status !== 0) return 'perf is not here';
  if (spawnSync('gcc', ['--version']).status !== 0) return 'gcc is not here';
  const level = Number(readFileSync('/proc/sys/kernel/perf_event_paranoid', 'utf8'));
  if (level > 2 && process.getuid?.() !== 0) return `perf_event_paranoid is ${level}`;
  return '';
}
/** Why perf cannot record here, '' where it can. */
export const WHY_NOT = whyNot();
if (WHY_NOT !== '') console.log(`skipped: live runs of perf, ${WHY_NOT}`);

/**
 * What a program is started with so that it can read tracepoints: nothing where they can be read, else a mount of its own that
 * nobody else sees. Null where neither works.
 */
function withTracepoints(): readonly string[] | null {
  if (existsSync('/sys/kernel/tracing/events/syscalls')) return [];
  const own = ['unshare', '-m', 'sh', '-c', 'mount -t tracefs nodev /sys/kernel/tracing && exec "$@"', 'sh'];
  return spawnSync(own[0], [...own.slice(1), 'test', '-r', '/sys/kernel/tracing/events/syscalls/sys_enter_mmap/id']).status === 0 ? own : null;
}
export const TRACEPOINTS = withTracepoints();
if (TRACEPOINTS === null && WHY_NOT === '') console.log('skipped: tracepoints, tracefs cannot be read or mounted');

export const now = () => Number(process.hrtime.bigint());

/** A program that waits, stopped, until it is continued. */
export function startStopped(argv: readonly string[]): ChildProcess {
  const child = spawn('sh', ['-c', 'kill -STOP $$; exec "$@"', 'sh', ...argv], { stdio: ['ignore', 'pipe', 'inherit'] });
  const until = Date.now() + 5000;
  while (Date.now() < until && !/^State:\s+T/m.test(readFileSync(`/proc/${child.pid}/status`, 'utf8'))) spawnSync('sleep', ['0.01']);
  return child;
}

export interface Recording {
  readonly bytes: () => Buffer;
  readonly ready: Promise<void>;
  readonly ended: Promise<void>;
  ping(): void;
  stop(): void;
}

let recordings = 0;

/** perf in pipe mode through a FIFO, pinged every 50 ms; each chunk goes to `onChunk` as it comes. */
export function record(pid: number, events: readonly string[], decoder: (ready: () => void) => PerfDecoder): Recording {
  const name = join(folder, `r${recordings++}`);
  const [fifo, control, ack] = [`${name}.fifo`, `${name}.ctl`, `${name}.ack`];
  execFileSync('mkfifo', ['-m', '600', fifo, control, ack]);
  const controlFd = openSync(control, constants.O_RDWR | constants.O_NONBLOCK);
  const ackFd = openSync(ack, constants.O_RDWR | constants.O_NONBLOCK);
  const socket = new Socket({ fd: openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK), readable: true, writable: false });
  const acks = new Socket({ fd: ackFd, readable: true, writable: false });
  acks.resume();
  const started = [...(TRACEPOINTS ?? []), 'sh', '-c', 'exec "$@" > "$F"', 'sh', 'perf'];
  const perf = spawn(started[0], [...started.slice(1), 'record', '-o', '-', '--control', `fifo:${control},${ack}`, '-k', 'CLOCK_MONOTONIC',
    '--sample-cpu', '--no-bpf-event', '--buildid-mmap', '-m', '512', ...events, '-p', String(pid)], { env: { ...process.env, F: fifo }, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  perf.stderr.on('data', (chunk: Buffer) => { said += chunk.toString(); });
  const chunks: Buffer[] = [];
  let ready: () => void = () => undefined;
  const isReady = new Promise<void>((resolve) => { ready = resolve; });
  const reader = decoder(() => ready());
  const ended = new Promise<void>((resolve, reject) => {
    socket.on('data', (chunk: Buffer) => {
      try {
        chunks.push(Buffer.from(chunk));
        reader.push(chunk);
        reader.idle(2);
      } catch (thrown) { reject(thrown instanceof Error ? thrown : new Error(String(thrown))); }
    });
    const finish = () => {
      clearInterval(timer);
      try { reader.end(); resolve(); } catch (thrown) { reject(new Error(`${String(thrown)}; perf said: ${said}`)); }
    };
    socket.on('end', finish);
  });
  const ping = () => { try { writeSync(controlFd, 'ping\n'); } catch { /* perf has ended: its end of the FIFO is closed */ } };
  const timer = setInterval(ping, 50);
  return {
    bytes: () => Buffer.concat(chunks), ready: isReady, ended, ping,
    stop: () => { clearInterval(timer); writeSync(controlFd, 'stop\n'); void ended.then(() => { closeSync(controlFd); acks.destroy(); }); },
  };
}

export function options(zeroAt: number, ready: () => void, more: Partial<PerfOptions> = {}): PerfOptions {
  return {
    zeroAt, stacks: 'dwarf', rateHz: 499, directory: folder, source: 'perf 499 Hz, copied stacks', live: true,
    sources: new LiveSources(), context: readContext('live'), onFinishedInit: ready, ...more,
  };
}

/** perf script of the same bytes, in the same form as the recordings beside it. */
export function script(bytes: Buffer, more: readonly string[] = []): string {
  const path = join(folder, `script${recordings}.pipe`);
  writeFileSync(path, bytes);
  return execFileSync('perf', ['--no-pager', 'script', '--no-inline', '-F', 'comm,pid,tid,cpu,time,event,ip,sym,symoff,dso', ...more, '-i', path],
    { maxBuffer: 1 << 28, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

export const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Starts a program stopped, records it from its first instruction to its end. */
export async function run(argv: readonly string[], events: readonly string[], more: Partial<PerfOptions> = {}): Promise<{ profile: Profile; decoder: PerfDecoder; bytes: Buffer; printed: string }> {
  const target = startStopped(argv);
  let printed = '';
  target.stdout?.on('data', (chunk: Buffer) => { printed += chunk.toString(); });
  const targetEnd = new Promise((resolve) => target.on('exit', resolve));
  const profile = new Profile();
  let decoder: PerfDecoder | null = null;
  const recording = record(target.pid ?? 0, events, (ready) => (decoder = new PerfDecoder(profile, options(now(), ready, more))));
  await recording.ready;
  process.kill(target.pid ?? 0, 'SIGCONT');
  await targetEnd;
  await recording.ended;
  const reader = decoder as PerfDecoder | null;
  if (reader === null) throw new Error('perf did not start');
  while (reader.idle(100));
  return { profile, decoder: reader, bytes: recording.bytes(), printed };
}

/** Starts a program, waits for its first line, and records it as it runs, for `seconds`. Then it is killed. */
export async function watch(argv: readonly string[], events: readonly string[], seconds: number, environment: Readonly<Record<string, string>> = {}, more: Partial<PerfOptions> = {}): Promise<{ profile: Profile; decoder: PerfDecoder; bytes: Buffer }> {
  const target = spawn(argv[0], argv.slice(1), { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...environment } });
  let said = '';
  target.stderr.on('data', (chunk: Buffer) => { said += chunk.toString(); });
  try {
    await new Promise((resolve, reject) => {
      target.stdout.once('data', resolve);
      target.once('exit', (code) => { reject(new Error(`${argv[0]} ended with ${code} before its first line: ${said}`)); });
      target.once('error', reject);
    });
    const profile = new Profile();
    let decoder: PerfDecoder | null = null;
    const recording = record(target.pid ?? 0, events, (ready) => (decoder = new PerfDecoder(profile, options(now(), ready, more))));
    await Promise.race([recording.ready, recording.ended]);
    await Promise.race([sleep(seconds * 1000), recording.ended]);
    recording.stop();
    await recording.ended;
    const reader = decoder as PerfDecoder | null;
    if (reader === null) throw new Error('perf did not start');
    while (reader.idle(100));
    return { profile, decoder: reader, bytes: recording.bytes() };
  } finally {
    target.kill('SIGKILL');
  }
}
