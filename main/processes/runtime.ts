// What runs in a process, told from names and mapped files; a few reads when a process is first seen.
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Runtime } from '#core/protocol/api';
import { readProc } from './proc.ts';

export interface RuntimeFacts {
  readonly runtime: Runtime;
  /** `3.11.7`, `3.11` where no more is known, '' where nothing is. */
  readonly version: string;
}

const PYTHON = /^(?:python|pypy)(\d+(?:\.\d+)?)?(?:[dmt]|-dbg)*$/;
const LIBPYTHON = /\/libpython(\d+\.\d+)[dmt]*\.so/;

/**
 * Tells the runtime of a process. `executable` is where /proc/PID/exe points ('' where it may not be read: then argv[0]
 * stands in). Mapped files are looked at only when the name says nothing, so that embedded interpreters are found.
 */
export function runtimeOf(pid: number, executable: string, argv: readonly string[]): RuntimeFacts {
  // A replaced file reads as `/usr/bin/python3.11 (deleted)`.
  const path = (executable === '' ? argv[0] ?? '' : executable).replace(/ \(deleted\)$/, '');
  const name = basename(path);
  if (name === '') return { runtime: 'unknown', version: '' };
  if (PYTHON.test(name)) return { runtime: 'python', version: pythonVersion(path, pid) };
  if (name === 'node' || name === 'nodejs' || name === 'electron') return { runtime: 'node', version: nodeVersion(path, pid) };
  if (name === 'java') return { runtime: 'java', version: javaVersion(path, pid) };
  const maps = readProc(`/proc/${pid}/maps`);
  if (maps !== null) {
    const python = LIBPYTHON.exec(maps);
    if (python !== null) return { runtime: 'python', version: python[1] };
    if (maps.includes('/libjvm.so')) return { runtime: 'java', version: '' };
    if (/\/libnode\.so/.test(maps)) return { runtime: 'node', version: '' };
  }
  if (executable === '') return { runtime: 'unknown', version: '' };
  const rust = rustVersion(`/proc/${pid}/exe`, path);
  return rust === null ? { runtime: 'native', version: '' } : { runtime: 'rust', version: rust };
}

function pythonVersion(path: string, pid: number): string {
  const short = PYTHON.exec(basename(path))?.[1] ?? '';
  // pyenv, conda and uv keep the whole version in the path: /root/.pyenv/versions/3.11.7/bin/python3.11.
  const long = /(?:^|[/-])(\d+\.\d+\.\d+)(?:[/+-]|$)/.exec(dirname(path))?.[1] ?? '';
  if (long !== '' && (short === '' || long.startsWith(`${short}.`) || long.startsWith(short))) return long;
  if (short.includes('.')) return short;
  const maps = readProc(`/proc/${pid}/maps`);
  return (maps === null ? null : LIBPYTHON.exec(maps)?.[1]) ?? short;
}

function nodeVersion(path: string, pid: number): string {
  const inPath = /\/v?(\d+\.\d+\.\d+)\//.exec(path)?.[1];
  if (inPath !== undefined) return inPath;
  const beside = join(dirname(path), '..');
  const header = readInRoot(pid, join(beside, 'include/node/node_version.h'));
  if (header !== null) {
    const part = (what: string): string => new RegExp(`define NODE_${what}_VERSION (\\d+)`).exec(header)?.[1] ?? '';
    if (part('MAJOR') !== '') return `${part('MAJOR')}.${part('MINOR')}.${part('PATCH')}`;
  }
  // The npm package `node` keeps the version in its package.json.
  const packed = readInRoot(pid, join(beside, 'package.json'));
  const version = packed === null ? null : /"name":\s*"node[^"]*"[\s\S]*?"version":\s*"v?(\d+\.\d+\.\d+)"/.exec(packed);
  return version === null ? '' : version[1];
}

function javaVersion(path: string, pid: number): string {
  const release = readInRoot(pid, join(dirname(path), '../release'));
  return (release === null ? null : /JAVA_VERSION="([^"]+)"/.exec(release)?.[1]) ?? '';
}

/** A small text file as the process sees it, so that containers answer for themselves. */
function readInRoot(pid: number, path: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/root${path}`, 'utf8').slice(0, 1 << 20);
  } catch {
    return null;
  }
}

const rustByFile = new Map<string, string | null>();

/**
 * The compiler's version when a program was made by rustc, else null. rustc writes its name into the ELF section
 * .comment, which stripping keeps: four short reads. A program in C that has a Rust library linked in says the same, and
 * one whose .comment was removed says nothing: the answer is good, not certain.
 */
function rustVersion(open: string, path: string): string | null {
  let file: number;
  try {
    file = openSync(open, 'r');
  } catch {
    return null;
  }
  try {
    const facts = fstatSync(file);
    const key = `${path}:${facts.ino}:${facts.mtimeMs}`;
    const known = rustByFile.get(key);
    if (known !== undefined) return known;
    if (rustByFile.size > 4000) rustByFile.clear();
    const comment = commentSection(file);
    const version = /rustc version (\d+\.\d+\.\d+)/.exec(comment)?.[1] ?? null;
    rustByFile.set(key, version);
    return version;
  } catch {
    return null;
  } finally {
    closeSync(file);
  }
}

/** The text of .comment of a 64-bit little-endian ELF file, '' where there is none (elf(5)). */
function commentSection(file: number): string {
  const head = readAt(file, 0, 64);
  if (head.length < 64 || head.readUInt32BE(0) !== 0x7f454c46 || head[4] !== 2 || head[5] !== 1) return '';
  const offset = Number(head.readBigUInt64LE(40));
  const size = head.readUInt16LE(58);
  const count = head.readUInt16LE(60);
  const namesAt = head.readUInt16LE(62);
  if (offset === 0 || size < 64 || namesAt >= count) return '';
  const sections = readAt(file, offset, size * count);
  if (sections.length < size * count) return '';
  const place = (index: number): { offset: number; length: number } => ({
    offset: Number(sections.readBigUInt64LE(index * size + 24)),
    length: Number(sections.readBigUInt64LE(index * size + 32)),
  });
  const names = place(namesAt);
  const text = readAt(file, names.offset, Math.min(names.length, 64 << 10)).toString('latin1');
  for (let i = 0; i < count; i++) {
    if (!text.startsWith('.comment\0', sections.readUInt32LE(i * size))) continue;
    const at = place(i);
    return readAt(file, at.offset, Math.min(at.length, 4096)).toString('latin1');
  }
  return '';
}

function readAt(file: number, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(file, bytes, 0, length, offset));
}
