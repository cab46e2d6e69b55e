import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '#core/errors';
import type { OpenSource, ProfileRef } from '#core/protocol/api';
import { RESOURCES } from '../../paths.ts';
import type { Context, Handlers } from '../context.ts';

/** Open profiles: their list, their rows, opening and closing. */
export function profileHandlers(context: Context): Pick<Handlers, 'profiles' | 'open' | 'since' | 'close'> {
  return {
    profiles: () => ({ profiles: context.profiles.rows }),
    open: async ({ source }, _payload, page) => {
      const profile = await openSource(context, source);
      page.holds.add(profile);
      return { profile };
    },
    since: async ({ profile, cursor }, _payload, page) => {
      const open = context.profiles.get(profile);
      page.holds.add(profile);
      const { bytes, ...delta } = await open.since(cursor);
      return { body: { ...delta, status: open.status() }, payload: bytes };
    },
    // Another page may still show it: the last one closes it.
    close: async ({ profile }, _payload, page) => {
      page.holds.delete(profile);
      if (![...context.pages].some((other) => other.holds.has(profile))) await context.profiles.close(profile);
      return {};
    },
  };
}

/** Opens whatever a page, a command line or a file manager names. Throws UserError where it cannot be read. */
export async function openSource(context: Context, source: OpenSource): Promise<ProfileRef> {
  switch (source.kind) {
    case 'library': {
      const folder = context.library.folderOf(source.id);
      const live = context.profiles.all.find((profile) => profile.library === source.id && profile.status().phase !== 'failed');
      return live?.id ?? await context.profiles.openPath(folder, { title: context.library.titleOf(source.id), library: source.id });
    }
    case 'path': return await context.profiles.openPath(source.path);
    case 'upload': {
      const { path, name, discard } = await context.uploads.take(source.upload);
      try {
        return await context.profiles.openPath(path, { title: name.replace(/\.flamebench$/, ''), discard });
      } catch (error) {
        discard();
        throw error;
      }
    }
    case 'example': {
      const path = join(RESOURCES, 'example.flamebench');
      if (!existsSync(path)) throw new UserError('no-example', 'the example recording is missing', { hint: 'It is made by the build.' });
      return await context.profiles.openPath(path);
    }
  }
}
