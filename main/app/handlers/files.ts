import type { Context, Handlers } from '../context.ts';

/** Files in (uploads) and files out (exports). */
export function fileHandlers(context: Context): Pick<Handlers, 'uploadBegin' | 'uploadChunk' | 'export'> {
  return {
    uploadBegin: async ({ name, size }) => ({ upload: await context.uploads.begin(name, size) }),
    uploadChunk: async ({ upload }, payload) => {
      await context.uploads.chunk(upload, payload);
      return {};
    },
    export: async ({ profile, format, view, picture }) => {
      const { name, type, bytes } = await context.profiles.get(profile).export({ format, view, picture });
      return { body: { name, type }, payload: bytes };
    },
  };
}
