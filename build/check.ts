// Type checks and lint, folder by folder. Prints what failed; exit code 1 when anything did.
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tsc = (folder: string) => [`types: ${folder}`, 'tsc', '-p', `${folder}/tsconfig.json`];
const steps = [
  ...['core', 'main', 'main/electron', 'preload', 'build', 'test'].map(tsc),
  ['types: renderer', 'svelte-check', '--tsconfig', 'renderer/tsconfig.json', '--output', 'human', '--fail-on-warnings'],
  ['lint', 'eslint', '.', '--max-warnings', '0'],
];

let failed = 0;
for (const [title, command, ...args] of steps) {
  const began = performance.now();
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', env: { ...process.env, FORCE_COLOR: '0' } });
  const ok = result.status === 0;
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${title} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
  if (!ok) {
    failed++;
    console.log(`${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}`);
  }
}
process.exitCode = failed === 0 ? 0 : 1;
