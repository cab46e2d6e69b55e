// `node build/build.ts [--if-stale]`: the page and the bundles, into dist/.
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { bundleMain } from './bundle.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamp = join(root, 'dist', 'built');

function newest(path: string): number {
  const facts = statSync(path);
  if (!facts.isDirectory()) return facts.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))));
}

function isStale(): boolean {
  if (!existsSync(stamp)) return true;
  const built = statSync(stamp).mtimeMs;
  return ['core', 'main', 'preload', 'renderer', 'build', 'package-lock.json'].some((name) => newest(join(root, name)) > built);
}

if (!process.argv.includes('--if-stale') || isStale()) {
  const began = performance.now();
  await build({ configFile: join(root, 'build', 'vite.config.ts'), logLevel: 'warn' });
  await bundleMain();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, `${new Date().toISOString()}\n`);
  process.stderr.write(`built in ${((performance.now() - began) / 1000).toFixed(1)} s\n`);
}
