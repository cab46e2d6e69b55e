import { readFileSync, statSync } from 'node:fs';

let names = new Map<number, string>();
let readAt = -1;

/** The name of a user id from /etc/passwd; the number as text where it has none (LDAP, containers). */
export function userName(uid: number): string {
  return names.get(uid) ?? String(uid);
}

/** Reads /etc/passwd again when it changed. Cheap enough for once a listing. */
export function refreshUsers(): void {
  try {
    const changed = statSync('/etc/passwd').mtimeMs;
    if (changed === readAt) return;
    const next = new Map<number, string>();
    for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
      const fields = line.split(':');
      const uid = Number(fields[2]);
      if (fields.length > 3 && fields[2] !== '' && !next.has(uid)) next.set(uid, fields[0]);
    }
    names = next;
    readAt = changed;
  } catch {
    // No passwd file (a bare container): users keep their numbers.
    names = new Map();
  }
}
