import type { Context, Handlers } from '../context.ts';

export function libraryHandlers(context: Context): Pick<Handlers, 'library' | 'libraryUpdate' | 'libraryDelete' | 'libraryRestore' | 'libraryDecode'> {
  const { library, profiles } = context;
  const changed = () => context.emit('libraryChanged', {});
  return {
    library: () => ({ recordings: library.list() }),
    libraryUpdate: ({ id, ...change }) => {
      library.update(id, change);
      if (change.title !== undefined) {
        for (const open of profiles.all) {
          if (open.library !== id) continue;
          open.rename(change.title);
          context.emit('statusChanged', { profile: open.id });
        }
        context.emit('profilesChanged', {});
      }
      changed();
      return {};
    },
    libraryDelete: async ({ id }) => {
      library.delete(id);
      for (const open of profiles.all) if (open.library === id) await profiles.close(open.id);
      changed();
      return {};
    },
    libraryRestore: ({ id }) => {
      library.restore(id);
      changed();
      return {};
    },
    libraryDecode: async ({ id }, _payload, page) => {
      const folder = library.folderOf(id);
      const row = library.list().find((recording) => recording.id === id);
      const profile = await profiles.decodeAgain(folder, row?.title ?? id);
      page.holds.add(profile);
      return { profile };
    },
  };
}
