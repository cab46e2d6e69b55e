import { rmSync } from 'node:fs';

const paths = new Set<string>();

function removeAll(): void {
  for (const path of paths) rmSync(path, { recursive: true, force: true });
  paths.clear();
}

/** Removes a half-made file or a scratch folder when the process ends early, also by a signal. */
export function removeAtExit(path: string): void {
  if (paths.size === 0 && process.listenerCount('exit', removeAll) === 0) {
    process.on('exit', removeAll);
    for (const [signal, number] of [['SIGINT', 2], ['SIGTERM', 15], ['SIGHUP', 1]] as const) process.once(signal, () => process.exit(128 + number));
  }
  paths.add(path);
}

/** It is whole now, or gone. */
export function keep(path: string): void {
  paths.delete(path);
}
