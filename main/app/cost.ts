import { formatCount } from '#core/analyze/format';
import type { RecordOptions, Target } from '#core/protocol/api';
import { FIRST_OPTIONS } from '#core/protocol/api';
import { megabytes } from '../record/machine.ts';
import { counted, depthOf, loadsOf, sizeOf } from '../record/depth.ts';

/** What recording this target will take, before it starts: files, bytes a second, disk an hour. '' for a command that is not running yet. */
export function costOf(target: Target, options: Pick<RecordOptions, 'lanes' | 'rate' | 'stacks'> = FIRST_OPTIONS): string {
  const loads = loadsOf(target);
  if (loads.length === 0) return '';
  const size = sizeOf(loads, options);
  const { full, light } = depthOf(loads, { ...options, lanes: [...new Set([...options.lanes, 'off-cpu' as const])] });
  const what = `${size.processes === 1 ? '1 process' : `${formatCount(size.processes)} processes`}, ${counted(size.threads, 'thread')}`;
  const many = light.length === 0 ? '' : ` That is more than is good: ${full.length === 1 ? 'one process gets' : `${full.length} processes get`} full detail, the other ${formatCount(light.length)} light detail (Python stacks 20 times a second, CPU and memory over time).`;
  return `${what}: up to ${formatCount(size.files)} perf files, ${megabytes(size.bytes)} a second, ${megabytes(size.disk)} of disk an hour.${waitingText(size.switches, size.waitBytes)}${many}`;
}

/** What waiting time adds, where a process switches as often as it did so far. */
function waitingText(switches: number, bytes: number): string {
  if (switches < 1) return '';
  const often = switches < 10 ? switches.toFixed(1) : formatCount(switches);
  return ` Off-CPU, at its ${often} switches a second so far: ${megabytes(bytes)} a second more.`;
}
