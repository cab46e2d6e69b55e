/** Time in which V8 had nothing to run: it is in no lane, so it is said. Both in ns. */
export function idleWords(who: string, idle: number, of: number): string {
  return `${who} was idle for ${seconds(idle)} of ${seconds(of)} s. That is no CPU time and is in no box.`;
}

function seconds(ns: number): string {
  const value = ns / 1e9;
  return value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(3);
}
