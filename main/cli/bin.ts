#!/usr/bin/env node
import { cli } from './main.ts';

// A closed pipe is met where it is written to; without a listener it would end the process with a trace.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);

const code = await cli(process.argv.slice(2), {
  stdin: process.stdin, stdout: process.stdout, stderr: process.stderr,
  stdinIsTTY: process.stdin.isTTY === true, stdoutIsTTY: process.stdout.isTTY === true, stderrIsTTY: process.stderr.isTTY === true,
  columns: process.stderr.columns ?? 80,
});
process.exit(code);
