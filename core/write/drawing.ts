// SVG 1.1 as text: https://www.w3.org/TR/SVG11/. Only what every program that shows SVG understands: no style sheet, no script.

/** Our own font first; the rest for a machine that has not got it. */
const SANS = "Inter, 'Inter Variable', 'Helvetica Neue', Arial, system-ui, sans-serif";

export interface TextStyle {
  readonly size: number;
  readonly weight: 400 | 500 | 600;
  readonly fill: string;
  readonly opacity?: number;
  /** How wide the text is in Inter: another font is squeezed into this width, so that a label stays in its box. */
  readonly width?: number;
  /** Between letters, in units. */
  readonly spacing?: number;
  readonly anchor?: 'start' | 'middle' | 'end';
}

/** Collects the elements of a drawing. Numbers are in its units; text is escaped here and nowhere else. */
export class Drawing {
  readonly width: number;
  readonly height: number;
  readonly title: string;
  #parts: string[] = [];

  constructor(width: number, height: number, title: string) {
    this.width = width;
    this.height = height;
    this.title = title;
  }

  rect(x: number, y: number, width: number, height: number, fill: string, radius = 0): void {
    this.#parts.push(`<rect x="${num(x)}" y="${num(y)}" width="${num(width)}" height="${num(height)}" fill="${fill}"${radius > 0 ? ` rx="${num(radius)}"` : ''}/>`);
  }

  /** A frame drawn inside the rectangle. */
  edge(x: number, y: number, width: number, height: number, stroke: string, thickness: number): void {
    const half = thickness / 2;
    this.#parts.push(
      `<rect x="${num(x + half)}" y="${num(y + half)}" width="${num(Math.max(0, width - thickness))}" height="${num(Math.max(0, height - thickness))}" fill="none" stroke="${stroke}" stroke-width="${num(thickness)}"/>`,
    );
  }

  /** Slanting lines inside a rectangle, `step` from one to the next. */
  hatch(x: number, y: number, width: number, height: number, stroke: string, step: number): void {
    const lines: string[] = [];
    // Each line is where x + y has one value; it enters and leaves the rectangle at its edges.
    for (let at = Math.ceil((x + y) / step) * step; at < x + y + width + height; at += step) {
      const left = Math.max(x, at - y - height);
      const right = Math.min(x + width, at - y);
      if (right > left) lines.push(`M${num(left)} ${num(at - left)}L${num(right)} ${num(at - right)}`);
    }
    if (lines.length > 0) this.#parts.push(`<path d="${lines.join('')}" stroke="${stroke}" stroke-width="1.5" stroke-opacity="0.25" fill="none"/>`);
  }

  disc(x: number, y: number, radius: number, fill: string): void {
    this.#parts.push(`<circle cx="${num(x)}" cy="${num(y)}" r="${num(radius)}" fill="${fill}"/>`);
  }

  text(x: number, baseline: number, text: string, style: TextStyle): void {
    const anchor = style.anchor === undefined || style.anchor === 'start' ? '' : ` text-anchor="${style.anchor}"`;
    const opacity = style.opacity === undefined ? '' : ` fill-opacity="${style.opacity}"`;
    const width = style.width === undefined ? '' : ` textLength="${num(style.width)}" lengthAdjust="spacingAndGlyphs"`;
    const spacing = style.spacing === undefined ? '' : ` letter-spacing="${num(style.spacing)}"`;
    this.#parts.push(
      `<text x="${num(x)}" y="${num(baseline)}" font-size="${num(style.size)}" font-weight="${style.weight}" fill="${style.fill}"${opacity}${spacing}${width}${anchor}>${escaped(text)}</text>`,
    );
  }

  /** Elements that `draw` makes, as one group; `title` is what a browser shows under the pointer, and what a search finds. */
  group(title: string, draw: () => void): void {
    this.#parts.push(`<g><title>${escaped(title)}</title>`);
    draw();
    this.#parts.push('</g>');
  }

  /** The whole document. */
  finish(): string {
    const size = `width="${num(this.width)}" height="${num(this.height)}" viewBox="0 0 ${num(this.width)} ${num(this.height)}"`;
    return (
      `<?xml version="1.0" encoding="UTF-8"?>\n<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="${SANS}" role="img">\n` +
      `<title>${escaped(this.title)}</title>\n${this.#parts.join('\n')}\n</svg>\n`
    );
  }
}

function num(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** Text for XML: markup escaped, and characters that XML 1.0 does not allow shown as U+FFFD. */
export function escaped(text: string): string {
  return text
    // Names come from outside and may hold anything.
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd')
    .replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
