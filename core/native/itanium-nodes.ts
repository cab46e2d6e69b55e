// The tree of a mangled C++ name and how it is written out. The spelling follows c++filt, which is what people compare with.

export type Node =
  | { readonly k: 'name'; readonly text: string }
  | { readonly k: 'nested'; readonly scope: Node; readonly name: Node }
  | { readonly k: 'template'; readonly name: Node; readonly args: readonly Node[] }
  /** J...E among template arguments: written as its elements. */
  | { readonly k: 'arguments'; readonly items: readonly Node[] }
  /** A template parameter that stands for several arguments: one at a time inside an expansion. */
  | { readonly k: 'pack'; readonly items: readonly Node[] }
  | { readonly k: 'expansion'; readonly of: Node }
  | { readonly k: 'qualified'; readonly of: Node; readonly words: string }
  | { readonly k: 'pointer'; readonly to: Node; readonly sign: '*' | '&' | '&&' }
  | { readonly k: 'member'; readonly scope: Node; readonly of: Node }
  | { readonly k: 'array'; readonly of: Node; readonly size: Node | null }
  | { readonly k: 'vector'; readonly of: Node; readonly size: Node }
  /** A function type, or with a name the function itself. */
  | { readonly k: 'function'; readonly name: Node | null; readonly result: Node | null; readonly parameters: readonly Node[]; readonly tail: string }
  | { readonly k: 'prefix'; readonly text: string; readonly of: Node }
  | { readonly k: 'suffix'; readonly of: Node; readonly text: string }
  /** Text and nodes one after the other. */
  | { readonly k: 'row'; readonly parts: readonly (string | Node)[] }
  | { readonly k: 'list'; readonly items: readonly Node[]; readonly open: string; readonly close: string }
  | { readonly k: 'count'; readonly of: Node }
  | { readonly k: 'forward'; readonly index: number; found: Node | null };

export class Undemanglable extends Error {}

export const FAIL = new Undemanglable('no C++ name');

const DEPTH_LIMIT = 256;
const LENGTH_LIMIT = 128 * 1024;
const STEP_LIMIT = 200_000;

/** Writes a tree. Throws Undemanglable when it would become senselessly long or deep: a few bytes can stand for gigabytes. */
export function print(node: Node): string {
  return new Printer().text(node);
}

class Printer {
  #out: string[] = [];
  #last = '';
  #length = 0;
  #depth = 0;
  #steps = 0;
  /** Element of packs to write, -1 = not inside an expansion. */
  #index = -1;
  /** Length of the packs of the expansion that is being written, -1 = none was met yet. */
  #packLength = -1;

  text(node: Node): string {
    this.#all(node);
    return this.#out.join('');
  }

  #put(text: string): void {
    if (text === '') return;
    this.#length += text.length;
    if (this.#length > LENGTH_LIMIT) throw FAIL;
    this.#out.push(text);
    this.#last = text[text.length - 1];
  }

  #all(node: Node): void {
    this.#left(node);
    this.#right(node);
  }

  #left(node: Node): void {
    if (++this.#depth > DEPTH_LIMIT || ++this.#steps > STEP_LIMIT) throw FAIL;
    switch (node.k) {
      case 'name': this.#put(node.text); break;
      case 'nested': this.#all(node.scope); this.#put('::'); this.#all(node.name); break;
      case 'template':
        this.#all(node.name);
        this.#put(this.#last === '<' ? ' <' : '<');
        this.#commas(node.args);
        this.#put(this.#last === '>' ? ' >' : '>');
        break;
      case 'arguments': this.#commas(node.items); break;
      case 'pack': { const item = this.#pick(node.items); if (item !== null) this.#left(item); break; }
      case 'expansion': this.#expand(node.of); break;
      case 'qualified': {
        // Qualifiers of an array belong to its elements, those of a function to its end.
        this.#left(node.of);
        this.#put(node.words);
        break;
      }
      case 'pointer': {
        // A reference to a reference is one reference; && gives way.
        const { to, sign } = collapse(node, (items) => this.#peek(items));
        this.#left(to);
        const kind = this.#rightKind(to);
        if (kind !== '') this.#put(this.#last === '(' || this.#last === '*' ? '' : kind === 'array' || this.#last !== ' ' ? ' ' : '');
        if (kind !== '') this.#put('(');
        this.#put(sign);
        break;
      }
      case 'member': {
        this.#left(node.of);
        const kind = this.#rightKind(node.of);
        this.#put(kind !== '' ? ' (' : ' ');
        this.#all(node.scope);
        this.#put('::*');
        break;
      }
      case 'array': this.#left(node.of); break;
      case 'vector': this.#all(node.of); this.#put(' __vector('); this.#all(node.size); this.#put(')'); break;
      case 'function':
        if (node.result !== null) {
          this.#left(node.result);
          if (this.#rightKind(node.result) === '') this.#put(' ');
        }
        if (node.name !== null) this.#all(node.name);
        break;
      case 'prefix': this.#put(node.text); this.#all(node.of); break;
      case 'suffix': this.#all(node.of); this.#put(node.text); break;
      case 'row':
        for (const part of node.parts) {
          if (typeof part === 'string') this.#put(part);
          else this.#all(part);
        }
        break;
      case 'list': this.#put(node.open); this.#commas(node.items); this.#put(node.close); break;
      case 'count': this.#put(String(this.#countOf(node.of))); break;
      case 'forward': if (node.found === null) throw FAIL; this.#left(node.found); break;
    }
    this.#depth--;
  }

  #right(node: Node): void {
    if (++this.#depth > DEPTH_LIMIT || ++this.#steps > STEP_LIMIT) throw FAIL;
    switch (node.k) {
      case 'pack': { const item = this.#pick(node.items); if (item !== null) this.#right(item); break; }
      case 'qualified': this.#right(node.of); break;
      case 'pointer': {
        const { to } = collapse(node, (items) => this.#peek(items));
        if (this.#rightKind(to) !== '') this.#put(')');
        this.#right(to);
        break;
      }
      case 'member':
        if (this.#rightKind(node.of) !== '') this.#put(')');
        this.#right(node.of);
        break;
      case 'array':
        if (this.#last !== ']') this.#put(' ');
        this.#put('[');
        if (node.size !== null) this.#all(node.size);
        this.#put(']');
        this.#right(node.of);
        break;
      case 'function':
        this.#put('(');
        this.#commas(node.parameters);
        this.#put(')');
        if (node.result !== null) this.#right(node.result);
        this.#put(node.tail);
        break;
      case 'forward': if (node.found === null) throw FAIL; this.#right(node.found); break;
      default:
    }
    this.#depth--;
  }

  /** Whether something of a type stands to the right of its name. */
  #rightKind(node: Node): '' | 'array' | 'function' {
    if (++this.#steps > STEP_LIMIT) throw FAIL;
    switch (node.k) {
      case 'array': return 'array';
      case 'function': return 'function';
      case 'qualified': return this.#rightKind(node.of);
      case 'pack': { const item = this.#peek(node.items); return item === null ? '' : this.#rightKind(item); }
      case 'forward': return node.found === null ? '' : this.#rightKind(node.found);
      // A pointer to a function goes on to the right too, but is itself written without brackets.
      case 'pointer': return this.#rightKind(node.to) === '' ? '' : 'function';
      case 'member': return this.#rightKind(node.of) === '' ? '' : 'function';
      default: return '';
    }
  }

  #commas(items: readonly Node[]): void {
    let first = true;
    for (const item of items) {
      const mark = this.#out.length;
      const last = this.#last;
      const length = this.#length;
      if (!first) this.#put(', ');
      const start = this.#out.length;
      this.#all(item);
      if (this.#out.length === start) {
        // An empty pack: no comma either.
        this.#out.length = mark;
        this.#last = last;
        this.#length = length;
      } else first = false;
    }
  }

  #expand(of: Node): void {
    const index = this.#index;
    const packLength = this.#packLength;
    this.#index = 0;
    this.#packLength = -1;
    const mark = this.#out.length;
    const last = this.#last;
    const length = this.#length;
    this.#all(of);
    if (this.#packLength < 0) this.#put('...');
    else if (this.#packLength === 0) {
      this.#out.length = mark;
      this.#last = last;
      this.#length = length;
    } else {
      const count = this.#packLength;
      for (let i = 1; i < count; i++) {
        this.#index = i;
        this.#put(', ');
        this.#all(of);
      }
    }
    this.#index = index;
    this.#packLength = packLength;
  }

  #pick(items: readonly Node[]): Node | null {
    if (this.#index < 0) return items.length === 0 ? null : { k: 'arguments', items };
    if (this.#packLength < 0) this.#packLength = items.length;
    return items[this.#index] ?? null;
  }

  #peek(items: readonly Node[]): Node | null {
    return items[Math.max(0, this.#index)] ?? null;
  }

  #countOf(node: Node): number {
    if (node.k === 'pack' || node.k === 'arguments') return node.items.length;
    return 1;
  }
}

function collapse(node: Node & { k: 'pointer' }, peek: (items: readonly Node[]) => Node | null): { to: Node; sign: string } {
  let { to, sign } = node;
  if (sign === '*') return { to, sign };
  for (let i = 0; i < 32; i++) {
    let inner: Node | null = to;
    while (inner !== null && (inner.k === 'forward' || inner.k === 'pack')) inner = inner.k === 'forward' ? inner.found : peek(inner.items);
    if (inner === null || inner.k !== 'pointer' || inner.sign === '*') break;
    if (inner.sign === '&') sign = '&';
    to = inner.to;
  }
  return { to, sign };
}
