import type { ByteSource } from '#core/read/format';

/**
 * What the unwinder and the names need from the machine that was recorded. main answers from /proc and the disk; a test
 * answers from fixtures; a recording from elsewhere answers null to most. All reads are synchronous: this runs in main's
 * threads only.
 */
export interface NativeSources {
  /**
   * The ELF file that process `pid` has mapped under `path`: first /proc/PID/root + path, then path. Where `buildId`
   * (hex, '' = unknown) is given, a file with another one is refused. null where there is none.
   */
  elf(path: string, pid: number, buildId: string): ByteSource | null;
  /** A separate debug file: by build id (hex), else by the name in .gnu_debuglink beside `path`. */
  debugFile(path: string, pid: number, buildId: string, debugLink: string): ByteSource | null;
  /** The vdso image of this machine's kernel, or null. */
  vdso(pid: number): ByteSource | null;
  /** /proc/kallsyms as text, or null where it may not be read. Zeros instead of addresses also mean null. */
  kallsyms(): string | null;
  /** The same in steps of a few ms, where it is large and others wait. */
  kallsymsSteps?(): Generator<undefined, string | null>;
  /** What /tmp/perf-PID.map of the target's namespace has gained since the last call, '' when nothing. */
  perfMap(pid: number): string;
  /** /proc/PID/maps as text, or null when the process is gone. */
  maps(pid: number): string | null;
  /** `length` bytes of a process's memory, or null where they cannot be read, all of them. Absent: there is no process to read. */
  memory?(pid: number, address: number, length: number): Uint8Array | null;
}

/** Sources that have nothing, for input from elsewhere. */
export const NO_SOURCES: NativeSources = {
  elf: () => null, debugFile: () => null, vdso: () => null, kallsyms: () => null, perfMap: () => '', maps: () => null,
};
