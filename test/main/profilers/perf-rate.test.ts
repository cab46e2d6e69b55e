import { spawn } from 'node:child_process';
import { expect, test } from 'vitest';
import { ByteRate } from '../../../main/profilers/perf-rate.ts';

const WRITER = 'import os, time\nfd = os.open("/dev/null", os.O_WRONLY)\nwhile True:\n  os.write(fd, bytes(SIZE))\n  time.sleep(0.02)';

function writer(size: number): { pid: number; end: () => void } {
  const child = spawn('python3', ['-c', WRITER.replace('SIZE', String(size))], { stdio: 'ignore' });
  return { pid: child.pid ?? 0, end: () => { child.kill('SIGKILL'); } };
}

test('a process that writes too much is told of after three seconds, others are not', async () => {
  const [much, little] = [writer(4 << 20), writer(4 << 10)];
  const told: number[] = [];
  const quiet: number[] = [];
  const rates = [new ByteRate((bytes) => { told.push(bytes); }), new ByteRate((bytes) => { quiet.push(bytes); }), new ByteRate((bytes) => { quiet.push(bytes); })];
  try {
    rates[0].watch(much.pid);
    rates[1].watch(little.pid);
    // Gone, or of another user: nothing is known of it.
    rates[2].watch(2 ** 22 + 1);
    for (let i = 0; i < 120 && told.length === 0; i++) await new Promise((resolve) => setTimeout(resolve, 100));
    expect(told).toHaveLength(1);
    expect(told[0]).toBeGreaterThan(40e6);
    expect(quiet).toEqual([]);
  } finally {
    for (const rate of rates) rate.stop();
    much.end();
    little.end();
  }
}, 20_000);
