// What is known of a Node process from outside: whether it is one, where its inspector listens, whether SIGUSR1 may be sent to it.
import { accessSync, constants, openSync, readSync, closeSync, realpathSync, statSync } from 'node:fs';
import { basename, delimiter, join } from 'node:path';
import { argvOf, numbersIn, readProc, readProcLink, statOf, TICKS_PER_SECOND } from '../processes/proc.ts';
import { runtimeOf } from '../processes/runtime.ts';
import { handlesSignal } from './node-signals.ts';

/** The port that Node takes where none is named. */
const USUAL_PORT = 9229;
/** A Node that is still starting dies of SIGUSR1 (measured): it has to be older than this. */
const GROWN_SECONDS = 2;
const SIGUSR1 = 10;

/** Whether a process runs JavaScript with an inspector: Node, or the main process of an Electron program. */
export function isNode(pid: number): boolean {
  const argv = argvOf(pid);
  const runtime = runtimeOf(pid, readProcLink(`/proc/${pid}/exe`) ?? '', argv);
  // Electron's helpers (--type=renderer) are Chromium, without Node's inspector.
  return runtime.runtime === 'node' && !argv.some((word) => word.startsWith('--type='));
}

/** Whether a command becomes a Node program: `node` itself, or a script whose first line names it (npm, npx, tsx). */
export function startsNode(argv: readonly string[], directory: string, path = process.env.PATH ?? ''): boolean {
  const command = argv[0] ?? '';
  const places = command.includes('/') ? [command.startsWith('/') ? command : join(directory === '' ? process.cwd() : directory, command)] : path.split(delimiter).map((folder) => join(folder, command));
  for (const place of places) {
    try {
      if (!statSync(place).isFile()) continue;
      accessSync(place, constants.X_OK);
    } catch {
      continue;
    }
    const real = realPath(place);
    if (/^node(?:js)?$/.test(basename(real))) return true;
    return /^#!.*[/ ]node(?:js)?(?:\s|$)/.test(firstLine(real));
  }
  return false;
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function firstLine(path: string): string {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return '';
  }
  try {
    const bytes = Buffer.alloc(256);
    return bytes.toString('latin1', 0, readSync(file, bytes, 0, bytes.length, 0)).split('\n')[0];
  } finally {
    closeSync(file);
  }
}

/** A place where a process waits for connections. */
export interface Listener {
  /** Address to connect to: an any-address is reached by the loopback. */
  readonly host: string;
  readonly port: number;
  /** Grows from socket to socket: the first one was made first. */
  readonly inode: number;
}

/** TCP sockets that this very process listens on, in the order in which they were made. Empty where its files may not be seen. */
export function listenersOf(pid: number): Listener[] {
  const own = new Set<string>();
  for (const fd of numbersIn(`/proc/${pid}/fd`)) {
    const link = readProcLink(`/proc/${pid}/fd/${fd}`);
    if (link?.startsWith('socket:[') === true) own.add(link.slice(8, -1));
  }
  if (own.size === 0) return [];
  const found: Listener[] = [];
  for (const [file, any, loop] of [['tcp', '00000000', '127.0.0.1'], ['tcp6', '0'.repeat(32), '::1']] as const) {
    for (const line of (readProc(`/proc/${pid}/net/${file}`) ?? '').split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      // 0A: TCP_LISTEN.
      if (fields[3] !== '0A' || !own.has(fields[9])) continue;
      const [address, port] = fields[1].split(':');
      found.push({ host: address === any ? loop : textOf(address), port: parseInt(port, 16), inode: Number(fields[9]) });
    }
  }
  return found.sort((a, b) => a.inode - b.inode);
}

/** An address of /proc/net/tcp and tcp6: words of four bytes, each little-endian. */
function textOf(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => (word.match(/../g) ?? []).reverse().map((byte) => parseInt(byte, 16)));
  if (bytes.length === 4) return bytes.join('.');
  const groups: string[] = [];
  for (let i = 0; i < bytes.length; i += 2) groups.push(((bytes[i] << 8) | bytes[i + 1]).toString(16));
  return groups.join(':');
}

/** Whether a process's loopback is ours. */
export function sameNetwork(pid: number): boolean {
  const theirs = readProcLink(`/proc/${pid}/ns/net`);
  return theirs === null || theirs === readProcLink('/proc/self/ns/net');
}

/**
 * Where an inspector of a process may already listen; it has to be asked. A server of the program's own is no candidate unless
 * something says that there is an inspector: a request that it did not expect would show in its log.
 */
export function inspectorPlaces(pid: number): Listener[] {
  const listeners = listenersOf(pid);
  if (listeners.length === 0) return [];
  const words = [...argvOf(pid).slice(1), ...optionsOf(pid)];
  const named = words.some((word) => /^--(?:inspect|debug)\b/.test(word) && !word.startsWith('--inspect-publish-uid'));
  const local = listeners.filter((listener) => isLoopback(listener.host));
  if (named || hasInspectorThread(pid)) {
    const port = words.map((word) => /^--(?:inspect|debug)[\w-]*=(?:.*:)?(\d+)$/.exec(word)?.[1]).find((text) => text !== undefined && text !== '0');
    const exact = listeners.filter((listener) => listener.port === Number(port ?? USUAL_PORT));
    return exact.length > 0 ? exact : local;
  }
  return local.filter((listener) => listener.port === USUAL_PORT);
}

export function isLoopback(host: string): boolean {
  return host.startsWith('127.') || host === '::1' || host === '0:0:0:0:0:0:0:1' || host.startsWith('0:0:0:0:0:ffff:7f');
}

function optionsOf(pid: number): string[] {
  const line = (readProc(`/proc/${pid}/environ`) ?? '').split('\0').find((word) => word.startsWith('NODE_OPTIONS='));
  return line === undefined ? [] : line.slice('NODE_OPTIONS='.length).split(/\s+/);
}

/** Node from 22 on names its threads. */
function hasInspectorThread(pid: number): boolean {
  return numbersIn(`/proc/${pid}/task`).some((tid) => readProc(`/proc/${pid}/task/${tid}/comm`)?.trim() === 'InspectorIo');
}

/**
 * Whether SIGUSR1 opens the inspector of a process. `young`: not yet. `deaf`: nothing takes the signal, it would end the process. `own`: the
 * program has a handler of its own. `unseen`: Node takes it, and whether the program does too could not be seen.
 */
export type SignalState = 'ready' | 'young' | 'deaf' | 'own' | 'unseen' | 'foreign' | 'gone';

export function signalState(pid: number): SignalState {
  const status = readProc(`/proc/${pid}/status`);
  const stat = statOf(pid);
  if (status === null || stat === null || stat.state === 'Z') return 'gone';
  const uid = Number(/^Uid:\s+(\d+)/m.exec(status)?.[1] ?? -1);
  if (process.geteuid?.() !== 0 && uid !== process.getuid?.()) return 'foreign';
  const age = Number(readProc('/proc/uptime')?.split(' ')[0] ?? 0) - stat.start / TICKS_PER_SECOND;
  if (age < GROWN_SECONDS) return 'young';
  const caught = BigInt(`0x${/^SigCgt:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`);
  if (((caught >> BigInt(SIGUSR1 - 1)) & 1n) === 0n) return 'deaf';
  const own = handlesSignal(pid, SIGUSR1);
  return own === null ? 'unseen' : own ? 'own' : 'ready';
}
