/**
 * Whether the bytes before a return address end in a call instruction of x86-64: E8 rel32, or FF /2 with any operand.
 * `bytes` are the 7 before it (fewer when the code begins there).
 */
export function endsInCall(bytes: Uint8Array): boolean {
  const n = bytes.length;
  if (n >= 5 && bytes[n - 5] === 0xe8) return true;
  for (let length = 2; length <= 7; length++) {
    if (length > n || bytes[n - length] !== 0xff) continue;
    const modrm = bytes[n - length + 1];
    if (((modrm >> 3) & 7) !== 2) continue;
    if (operandLength(modrm, length > 2 ? bytes[n - length + 2] : 0) === length) return true;
  }
  return false;
}

/** Bytes of FF + ModRM + SIB + displacement. */
function operandLength(modrm: number, sib: number): number {
  const mode = modrm >> 6;
  const base = modrm & 7;
  if (mode === 3) return 2;
  const hasSib = base === 4 ? 1 : 0;
  if (mode === 1) return 3 + hasSib;
  if (mode === 2) return 6 + hasSib;
  if (base === 5) return 6;
  return hasSib === 1 && (sib & 7) === 5 ? 7 : 2 + hasSib;
}
