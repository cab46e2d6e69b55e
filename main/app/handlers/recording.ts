import { startRecording } from '../../record/start.ts';
import type { Context, Handlers } from '../context.ts';
import { watchTerminal } from './terminals.ts';

/** Starting, pausing and stopping. A recording belongs to the server: no page that goes away ends it. */
export function recordingHandlers(context: Context): Pick<Handlers, 'recordStart' | 'recordPause' | 'recordLane' | 'recordStop'> {
  return {
    recordStart: async ({ target, options }, _payload, page) => {
      const recording = await startRecording({ target, options, terminal: 'pty', home: context.home });
      const seen = new Set<string>();
      const watchNew = (): void => {
        for (const terminal of recording.terminals) {
          if (seen.has(terminal.id)) continue;
          seen.add(terminal.id);
          watchTerminal(context, terminal);
        }
      };
      recording.subscribe(watchNew);
      watchNew();
      void recording.sealed.then(() => context.emit('libraryChanged', {}));
      const profile = context.profiles.addRecording(recording);
      page.holds.add(profile);
      return { profile };
    },
    recordPause: async ({ profile, paused }) => {
      await context.profiles.recording(profile).pause(paused);
      return {};
    },
    recordLane: async ({ profile, lane, on }) => {
      await context.profiles.recording(profile).setLane(lane, on);
      return {};
    },
    recordStop: async ({ profile }) => {
      await context.profiles.recording(profile).stop();
      return {};
    },
  };
}
