// A small host for tests that must kill a whole app: records what its arguments say and reports in lines of JSON.
//   node host.ts HOME attach PID | node host.ts HOME launch CMD ARG...
import { FIRST_OPTIONS } from '#core/protocol/api';
import type { Target } from '#core/protocol/api';
import { startRecording } from '../../../main/record/start.ts';

const [home, kind, ...rest] = process.argv.slice(2);
const target: Target = kind === 'attach'
  ? { kind: 'attach', processes: rest.map((pid) => ({ pid: Number(pid), start: 0 })), children: true }
  : { kind: 'launch', argv: rest, directory: '', environment: JSON.parse(process.env['HOST_ENVIRONMENT'] ?? '{}') as Record<string, string> };
const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);

const recording = await startRecording({
  target, options: { ...FIRST_OPTIONS, profilers: (process.env['HOST_PROFILERS'] ?? 'py-spy').split(','), ...(JSON.parse(process.env['HOST_OPTIONS'] ?? '{}') as Partial<typeof FIRST_OPTIONS>) }, terminal: 'pty', home,
});
say({ folder: recording.folder });
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void recording.stop());
process.on('SIGHUP', () => say({ hup: true }));
const timer = setInterval(() => say({ samples: recording.status().samples, children: recording.terminals.filter((terminal) => terminal.running).map((terminal) => terminal.pid) }), 100);
const end = await recording.done;
clearInterval(timer);
await recording.sealed;
say({ end, samples: recording.status().samples, phase: recording.status().phase, notices: recording.status().notices });
await recording.dispose();
process.exit(0);
