const LATIN = new TextDecoder('latin1');
const MINUS = 0x2d, DOT = 0x2e;

/** A number read from its bytes, without a string. */
export class Digits {
  /** NaN for anything that is no number: null, true, nan. */
  value = NaN;
  /** Its parts, so that microseconds with three digits are exact nanoseconds. Both have its sign. */
  whole = 0;
  thousandths = 0;

  read(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    const negative = bytes[at] === MINUS;
    if (negative) at++;
    let whole = 0;
    const from = at;
    for (; at < end && bytes[at] >= 0x30 && bytes[at] <= 0x39; at++) whole = whole * 10 + bytes[at] - 0x30;
    let fraction = 0;
    if (at < end && at > from && bytes[at] === DOT) {
      let scale = 1;
      for (at++; at < end && bytes[at] >= 0x30 && bytes[at] <= 0x39; at++) {
        scale /= 10;
        fraction += (bytes[at] - 0x30) * scale;
      }
    }
    if (at === end && at > from) {
      this.#set(negative ? -whole : whole, negative ? -fraction : fraction);
      return;
    }
    // 1.7e15, null, true, NaN.
    const first = bytes[start];
    const number = first === MINUS || (first >= 0x30 && first <= 0x39) ? Number(LATIN.decode(bytes.subarray(start, end))) : NaN;
    const floor = Math.floor(number);
    this.#set(floor, number - floor);
    if (!Number.isFinite(number)) this.value = NaN;
  }

  #set(whole: number, fraction: number): void {
    this.whole = whole;
    this.thousandths = Math.round(fraction * 1000);
    this.value = whole + fraction;
  }
}
