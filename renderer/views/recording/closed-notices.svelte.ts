// Messages that were closed stay closed, also after a reload: they are remembered with the tab, by profile.
const KEY = 'flamebench.closed';

/** Ids of a profile's closed messages, and how to close one. */
export function closedNotices(profile: string): { readonly ids: readonly string[]; readonly close: (id: string) => void } {
  let ids = $state.raw<readonly string[]>(read()[profile] ?? []);
  return {
    get ids() { return ids; },
    close: (id) => {
      ids = [...ids, id];
      sessionStorage.setItem(KEY, JSON.stringify({ ...read(), [profile]: ids }));
    },
  };
}

function read(): Partial<Record<string, readonly string[]>> {
  try {
    const value: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? '{}');
    if (typeof value !== 'object' || value === null) return {};
    return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string[]] => Array.isArray(entry[1])));
  } catch {
    // Damaged: every message is shown again.
    return {};
  }
}
