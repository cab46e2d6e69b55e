// Unwinding and naming copied stacks, a sample: a live recording of this machine's Python, decoded again and again.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Profile } from '#core/model/profile';
import { PerfDecoder } from '#core/read/perf/decoder';
import { LiveSources } from '../../main/native/live-sources.ts';
import { readContext } from '../../main/record/read-context.ts';
import type { Figure } from './report.ts';
import { median } from './report.ts';

const ROOT = resolve(import.meta.dirname, '../..');

export async function unwind(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'flamebench-unwind-'));
  const target = spawn('python3', [join(ROOT, 'test/programs/known_shares.py'), '30'], { stdio: 'ignore' });
  await new Promise((next) => setTimeout(next, 700));
  const raw = join(folder, 'perf.pipe');
  const perf = spawnSync('sh', ['-c', 'exec perf record -o - -k CLOCK_MONOTONIC --sample-cpu --no-bpf-event --buildid-mmap -m 512 --call-graph dwarf,16384 -e cpu-clock/freq=997/ --switch-events -p "$1" -- sleep 4 > "$2"', 'sh', String(target.pid), raw], { encoding: 'utf8' });
  const figures: Figure[] = [];
  if (perf.status !== 0) figures.push({ what: 'unwind', value: `not run: ${perf.stderr.trim().split('\n')[0]}`, aim: '' });
  else {
    const bytes = readFileSync(raw);
    const taken: number[] = [];
    let samples = 0;
    let roots = 0;
    for (let run = 0; run < 5; run++) {
      const profile = new Profile();
      const sources = new LiveSources();
      const decoder = new PerfDecoder(profile, {
        zeroAt: null, stacks: 'dwarf', rateHz: 997, directory: '', source: '', live: false, sources, context: readContext('perf.pipe'),
      });
      const began = process.cpuUsage();
      for (let at = 0; at < bytes.length; at += 65_536) decoder.push(bytes.subarray(at, at + 65_536));
      decoder.end();
      while (decoder.idle(1000));
      const used = process.cpuUsage(began);
      taken.push((used.user + used.system) / decoder.stats.samples);
      ({ samples } = decoder.stats);
      roots = decoder.stats.stacks.roots;
      sources.close();
    }
    figures.push(
      { what: `decode, unwind and name a copied stack of 16 KB (${samples} of Python)`, value: `${median(taken).toFixed(1)} us a sample, first time ${taken[0].toFixed(1)}`, aim: '' },
      { what: 'decoding speed on one core', value: `${(bytes.length / 1e6 / (median(taken) * samples / 1e6)).toFixed(0)} MB/s`, aim: '' },
      { what: 'stacks that reach a root', value: `${roots} of ${samples}`, aim: '' },
    );
  }
  target.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
  return figures;
}
