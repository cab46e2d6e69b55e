import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ElfFile } from '#core/native/elf';
import type { ByteSource } from '#core/read/format';
import { OfflineSources } from '../../../main/native/offline-sources.ts';

const program = new URL('../../fixtures/perf/work_nofp', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'flamebench-offline-'));
afterAll(() => { rmSync(folder, { recursive: true, force: true }); });

const idOf = (source: ByteSource | null): string => (source === null ? 'none' : (ElfFile.open(source)?.buildId ?? 'no ELF'));

describe('files for a recording from elsewhere', () => {
  const sources = new OfflineSources();
  const opened = sources.elf(program, 1, '');
  const first = new OfflineSources(dirname(program));
  const buildId = idOf(first.elf('/anywhere/work_nofp', 1, ''));

  test('are taken from this machine only with the recorded build id', () => {
    expect(opened).toBeNull();
    expect(buildId).toMatch(/^[0-9a-f]{40}$/);
    expect(idOf(sources.elf(program, 1, buildId))).toBe(buildId);
    expect(sources.elf(program, 1, buildId.replace(/^./, (c) => (c === '0' ? '1' : '0')))).toBeNull();
    expect([sources.vdso(), sources.kallsyms(), sources.perfMap(1), sources.maps()]).toEqual([null, null, '', null]);
  });

  test('come from a folder by their path or side by side, with perf maps and kernel symbols', () => {
    mkdirSync(join(folder, 'opt/app'), { recursive: true });
    cpSync(program, join(folder, 'opt/app/work'));
    writeFileSync(join(folder, 'kallsyms'), 'ffffffff81000000 T _text\n');
    writeFileSync(join(folder, 'perf-7.map'), '1000 10 f\n');
    const given = new OfflineSources(folder);
    expect(idOf(given.elf('/opt/app/work', 1, buildId))).toBe(buildId);
    expect(given.elf('/opt/app/other', 1, buildId)).toBeNull();
    expect([given.kallsyms(), given.perfMap(7), given.perfMap(7), given.perfMap(8)]).toEqual(['ffffffff81000000 T _text\n', '1000 10 f\n', '', '']);
    given.close();
  });

  test('have their debug file found by build id below the folder', () => {
    const place = join(folder, `usr/lib/debug/.build-id/${buildId.slice(0, 2)}`);
    mkdirSync(place, { recursive: true });
    cpSync(program, join(place, `${buildId.slice(2)}.debug`));
    const given = new OfflineSources(folder);
    expect(idOf(given.debugFile('/opt/app/work', 1, buildId, ''))).toBe(buildId);
    given.close();
  });
});
