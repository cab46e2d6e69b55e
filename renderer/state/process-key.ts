/** (pid, start) as one string: a reused pid is another process. */
export function processKey(row: { readonly pid: number; readonly start: number }): string {
  return `${row.pid}:${row.start}`;
}
