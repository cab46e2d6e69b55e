const UTF8 = new TextDecoder('utf-8');

/** The first bytes of a file as text without leading space, '' where they cannot be JSON. */
export function headText(head: Uint8Array): string {
  let at = head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? 3 : 0;
  while (at < head.length && (head[at] === 32 || (head[at] >= 9 && head[at] <= 13))) at++;
  if (head[at] !== 0x7b && head[at] !== 0x5b) return '';
  return UTF8.decode(head.subarray(at));
}
