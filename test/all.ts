// `npm test`: tools, type checks and lint, unit and integration tests, end-to-end tests. Ends with one line of counts.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setUpTools } from './support/setup-tools.ts';

interface Counts {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
}

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const scratch = mkdtempSync(join(tmpdir(), 'flamebench-test-'));
const began = performance.now();
let passed = 0;
let failed = 0;
let skipped = 0;

function step(title: string, command: string, args: readonly string[]): boolean {
  console.log(`\n== ${title}`);
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  return result.status === 0;
}

function vitest(title: string, config: readonly string[]): void {
  const report = join(scratch, `${title.replaceAll(' ', '-')}.json`);
  const ok = step(title, 'vitest', ['run', ...config, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`]);
  let counts: Counts;
  try {
    counts = JSON.parse(readFileSync(report, 'utf8')) as Counts;
  } catch {
    failed++;
    console.log(`FAILED ${title}: it ended without a report`);
    return;
  }
  passed += counts.numPassedTests;
  failed += counts.numFailedTests;
  skipped += counts.numPendingTests;
  // A file that does not load has no test to fail.
  if (!ok && counts.numFailedTests === 0) failed++;
}

await setUpTools();
if (step('types and lint', process.execPath, ['build/check.ts'])) passed++;
else failed++;
if (step('build', process.execPath, ['build/build.ts'])) passed++;
else failed++;
vitest('unit and integration', []);
vitest('end to end', ['--config', 'test/e2e/vitest.config.ts']);
rmSync(scratch, { recursive: true, force: true });

console.log(`\n${((performance.now() - began) / 60_000).toFixed(1)} minutes`);
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed === 0 ? 0 : 1;
