import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where Node keeps what it made of our source files: a command starts three times as fast the second time. */
export const COMPILE_CACHE = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'flamebench', 'compile');

/** For this thread and before the files that it is for are imported. A folder that cannot be written to costs nothing. */
export function useCompileCache(): void {
  enableCompileCache(COMPILE_CACHE);
}

/** The environment of a thread of ours. The variable is for Node's threads only: a launched target must not inherit it. */
export function threadEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE };
}
