// Names load in short steps, so that decoding and the page's questions go on beside them.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { AddressSpaces } from '#core/native/address-space';
import { Profile } from '#core/model/profile';
import { LiveSources } from '../../../main/native/live-sources.ts';

const found = spawnSync('python3', ['-c', 'import importlib.util; print(importlib.util.find_spec("torch").submodule_search_locations[0])'], { encoding: 'utf8' });
const library = found.status === 0 ? join(found.stdout.trim(), 'lib/libtorch_cpu.so') : '';
const large = existsSync(library) ? library : process.execPath;
if (large !== library) console.log('skipped in part: no libtorch_cpu.so here, the names of Node itself are loaded');

test('the names of a large library and of the kernel, each call within its budget', () => {
  const sources = new LiveSources();
  const profile = new Profile();
  const spaces = new AddressSpaces(profile, sources, { directory: '' });
  const pid = process.pid;
  spaces.map(pid, { start: 0x10_0000_0000, length: 0x4000_0000, fileOffset: 0, path: large, executable: true, buildId: '' });
  for (let i = 0; i < 6000; i++) spaces.userFrame(pid, 0x10_0000_0000 + 0x100_0000 + i * 0x2f31, 'leaf');
  for (let i = 0; i < 500; i++) spaces.kernelFrame(0xffff_8100_0000 + i * 0x1000, true);
  const before = spaces.stats.unnamed;
  const times: number[] = [];
  for (let more = true; more;) {
    const start = performance.now();
    more = spaces.resolveNames(5);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  const named = [...profile.frames.function.view()].filter((fn) => !profile.functions.nameOf(fn as never).startsWith('[')).length;
  console.log(`names in ${times.length} calls of 5 ms: median ${times[times.length >> 1].toFixed(1)} ms, longest ${times.at(-1)?.toFixed(1)} ms, ${named} of ${profile.frames.length} frames named, ${before} at first without`);
  // How long a call takes is the machine's business; that there are many of them is ours.
  expect(times.length).toBeGreaterThan(5);
  expect(named).toBeGreaterThan(1000);
  sources.close();
});
