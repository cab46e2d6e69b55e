// Other people's recordings, read in place, against what perf 6.12 prints of them (../shared/data/others/ORIGIN.md).
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { UserError } from '#core/errors';
import { Profile } from '#core/model/profile';
import { readPerfData } from '#core/read/perf/format';
import type { PerfDecoder } from '#core/read/perf/decoder';
import { memorySource, readContext } from '../../../../main/record/read-context.ts';
import { OTHERS, ourSamples } from './reference.ts';

const PRESENT = existsSync(OTHERS);
if (!PRESENT) console.log(`skipped: other people's recordings, there is no ${OTHERS}`);

/** The file's bytes, unpacked with xz where it was packed to save room. */
function bytesOf(path: string): Uint8Array {
  if (existsSync(path)) return readFileSync(path);
  return execFileSync('xz', ['-dc', `${path}.xz`], { maxBuffer: 1 << 28 });
}

function read(bytes: Uint8Array, name: string): { profile: Profile; decoder: PerfDecoder } {
  const profile = new Profile();
  return { decoder: readPerfData(profile, memorySource(bytes), readContext(name), () => undefined), profile };
}

type Sums = Record<string, { samples: number; period: number }>;

function add(sums: Sums, key: string, period: number): void {
  const entry = (sums[key] ??= { samples: 0, period: 0 });
  entry.samples++;
  entry.period += period;
}

/** Samples and periods by thread name and event, from perf script's text. */
function scriptSums(text: string): Sums {
  const sums: Sums = {};
  for (const line of text.split('\n')) {
    const match = /^\s*(.+?)\s+-?\d+\/-?\d+\s+(?:\[\d+\]\s+)?\d+\.\d+:\s+(\d+)\s+(\S+):\s/.exec(`${line} `);
    if (match !== null) add(sums, `${match[1]} ${match[3]}`, Number(match[2]));
  }
  return sums;
}

function ourSums(profile: Profile): Sums {
  const sums: Sums = {};
  for (const sample of ourSamples(profile)) add(sums, `${sample.comm} ${sample.event}`, sample.weight);
  return sums;
}

const FILES = [
  'ausaxs/perf.data', 'hotspot/perf.data.true.v2', 'linux-perf-data/sleep.data', 'linux-perf-data/sleep.compressed.data',
  'linux-perf-data/sleep.compressed.pipe.data', 'mojo/perf.data', 'perfparser/contentsize.data', 'perfparser/vector_static_gcc/perf.data',
  'perfparser/vector_static_gcc/perf.data.zstd', 'quipper/perf.data.branch-4.14', 'quipper/perf.data.hybrid_topology',
  'quipper/perf.data.lost_samples-4.4', 'quipper/perf.data.piped.header_features-4.16', 'quipper/perf.data.piped.target-3.4',
  'quipper/perf.data.singleprocess-3.4', 'quipper/perf.data.singleprocess-3.8', 'quipper/perf.data.systemwide.0-3.8',
];

test.skipIf(!PRESENT).each(FILES)('samples and periods of %s by thread name and event', (name) => {
  const { profile } = read(bytesOf(`${OTHERS}/${name}`), name);
  const script = scriptSums(new TextDecoder().decode(bytesOf(`${OTHERS}/${name}.perf-script.txt`)));
  expect(Object.keys(script).length).toBeGreaterThan(0);
  expect(ourSums(profile)).toEqual(script);
});

test.skipIf(!PRESENT)('a system-wide recording with forks: two samples before their thread had a name', () => {
  const { profile } = read(bytesOf(`${OTHERS}/quipper/perf.data.callgraph-3.4`), 'callgraph');
  const script = scriptSums(new TextDecoder().decode(bytesOf(`${OTHERS}/quipper/perf.data.callgraph-3.4.perf-script.txt`)));
  // perf prints these as `:10606` and `:10635`; the COMM that follows says chown, and our thread row carries that name.
  for (const key of [':10606 cycles', ':10635 cycles']) {
    script['chown cycles'].samples += script[key].samples;
    script['chown cycles'].period += script[key].period;
    delete script[key];
  }
  expect(ourSums(profile)).toEqual(script);
});

test.skipIf(!PRESENT)('with switch records the weight of cycles is exact time, not the period', () => {
  const { profile, decoder } = read(bytesOf(`${OTHERS}/quipper/perf.data.ctx_switch_namespaces-4.14`), 'switches');
  expect(decoder.stats.events).toEqual([{ name: 'cycles', samples: 2, period: 2 }]);
  expect(profile.lane('cpu')).toMatchObject({ unit: 'ns', samples: 2 });
});

test.skipIf(!PRESENT)('what is no recording is refused in one line', () => {
  const refusal = (bytes: Uint8Array): string => {
    try {
      read(bytes, 'x.data');
      return 'was read';
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(UserError);
      return (thrown as UserError).message;
    }
  };
  expect(refusal(bytesOf(`${OTHERS}/hotspot/perf.data.true.v1`))).toBe('x.data: perf.data of version 1, written by a perf from before Linux 3.0');
  expect(refusal(new Uint8Array(0))).toBe('x.data: the file is empty');
  expect(refusal(bytesOf(`${OTHERS}/mojo/perf.data`).slice(0, 50))).toBe('x.data: the header of perf.data is cut off after 50 bytes');
  expect(refusal(bytesOf(`${OTHERS}/mojo/perf.data`).slice(0, 110))).toMatch(/^x\.data: the events of perf\.data lie at byte \d+/);
  expect(refusal(new TextEncoder().encode('PERFILE2'))).toMatch(/cut off after 8 bytes/);
  expect(refusal(new TextEncoder().encode('2ELIFREP2ELIFREP'))).toMatch(/big-endian/);
  expect(refusal(new TextEncoder().encode('hello, this is no perf.data'))).toMatch(/not a perf recording/);
});

test.skipIf(!PRESENT)('the gzipped file is the same recording', () => {
  const plain = read(bytesOf(`${OTHERS}/hotspot/perf.data.true.v2`), 'a').profile;
  const packed = read(gunzipSync(bytesOf(`${OTHERS}/hotspot/perf.data.true.v2.gz`)), 'a').profile;
  expect(ourSamples(packed)).toEqual(ourSamples(plain));
});
