// Sentences and short words of the recording view. Pure.
import { assertNever } from '#core/errors';
import type { Phase } from '#core/protocol/api';
import type { FunctionKind } from '#core/model/tables';
import type { Transform } from '#core/analyze/view';
import { formatDate, formatTime } from '#core/analyze/format';
import { clockTime, weekday } from '../../parts/format.ts';

export function phaseWord(phase: Phase): string {
  switch (phase) {
    case 'opening': return 'Opening';
    case 'starting': return 'Starting';
    case 'recording': return 'Recording';
    case 'stopping': return 'Stopping';
    case 'done': return 'Recorded';
    case 'failed': return 'Failed';
    default: return assertNever(phase);
  }
}

export function kindName(kind: FunctionKind): string {
  switch (kind) {
    case 'unknown': return 'Unknown';
    case 'python': return 'Python';
    case 'native': return 'Native';
    case 'kernel': return 'Linux kernel';
    case 'rust': return 'Rust';
    case 'cuda': return 'GPU kernel';
    case 'gpu-copy': return 'GPU copy';
    case 'javascript': return 'JavaScript';
    case 'java': return 'Java';
    case 'interpreter': return 'Interpreter';
    case 'marker': return 'Marker';
    default: return assertNever(kind);
  }
}

/** A chip of the selection bar. */
export function transformText(step: Transform): string {
  switch (step.kind) {
    case 'focus': return `Only ${step.fn.name}`;
    case 'merge': return `Merged ${step.fn.name}`;
    case 'drop': return `Without ${step.fn.name}`;
    case 'collapse-library': return `Collapsed ${step.library}`;
    case 'collapse-recursion': return `Recursion of ${step.fn.name}`;
    case 'my-code': return 'My code';
    case 'keep-reason': return `Only waits for ${step.reason}`;
    case 'drop-reason': return `Without waits for ${step.reason}`;
    default: return assertNever(step);
  }
}

/** `7 % of a core`; "measuring" before the first figure. */
export function cost(percent: number | null): string {
  if (percent === null) return 'measuring';
  return `${percent < 0.5 && percent > 0 ? '< 1' : Math.round(percent)} % of a core`;
}

/** `Sun 22 Nov 2026, 11:32`, '' where unknown. */
export function dateText(at: number): string {
  if (at <= 0) return '';
  return `${weekday(at)} ${formatDate(at)}, ${clockTime(at)}`;
}

/** `4.87 ms`, `42.6 s`, `3 min 12 s`, `1 h 05 min`; '' for nothing. */
export function durationText(ns: number): string {
  if (ns <= 0) return '';
  const seconds = ns / 1e9;
  if (seconds < 1) return formatTime(ns);
  if (seconds < 60) return `${seconds >= 10 ? seconds.toFixed(1) : seconds.toFixed(2)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')} min`;
}
