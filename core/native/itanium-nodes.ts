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
  | {
    readonly k: 'function'; readonly name: Node | null; readonly result: Node | null; readonly parameters: readonly Node[]; readonly tail: string;
  }
  /**
   * T_: what the arguments of its function say, or `auto:1` in a generic lambda. `owner` is the list that it was taken
   * from: a substitution may be used in another function, where the same T_ means something else.
   */
  | { readonly k: 'parameter'; readonly index: number; readonly found: Node | null; readonly owner: readonly Node[] | null }
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
        const { to, sign } = this.#collapse(node);
        this.#left(to);
        if (this.#bracketed(to)) this.#put(this.#last === ' ' ? '(' : ' (');
        this.#put(sign);
        break;
      }
      case 'member':
        this.#left(node.of);
        if (this.#bracketed(node.of)) this.#put(this.#last === ' ' ? '(' : ' (');
        else this.#put(' ');
        this.#all(node.scope);
        this.#put('::*');
        break;
      case 'array': this.#left(node.of); break;
      case 'vector': this.#all(node.of); this.#put(' __vector('); this.#all(node.size); this.#put(')'); break;
      case 'function':
        if (node.result !== null) {
          this.#left(node.result);
          if (!this.#open(node.result)) this.#put(' ');
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
      case 'parameter':
        if (node.found === null) this.#put(`auto:${node.index + 1}`);
        else this.#left(node.found);
        break;
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
        const { to } = this.#collapse(node);
        if (this.#bracketed(to)) this.#put(')');
        this.#right(to);
        break;
      }
      case 'member':
        if (this.#bracketed(node.of)) this.#put(')');
        this.#right(node.of);
        break;
      case 'parameter': if (node.found !== null) this.#right(node.found); break;
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

  /** What a node stands for here; null when it stands for nothing. */
  #resolve(node: Node): Node | null {
    let at: Node | null = node;
    for (let i = 0; i < 32 && at !== null; i++) {
      if (at.k === 'forward') at = at.found;
      else if (at.k === 'pack') at = this.#peek(at.items);
      else if (at.k === 'parameter' && at.found !== null) at = at.found;
      else break;
    }
    return at;
  }

  /** An array or a function: a pointer to it is written inside brackets. */
  #bracketed(node: Node): boolean {
    if (++this.#steps > STEP_LIMIT) throw FAIL;
    const at = this.#resolve(node);
    if (at === null) return false;
    if (at.k === 'qualified') return this.#bracketed(at.of);
    return at.k === 'array' || at.k === 'function';
  }

  /** A type whose left part ends inside an open bracket, where the name goes. */
  #open(node: Node): boolean {
    if (++this.#steps > STEP_LIMIT) throw FAIL;
    const at = this.#resolve(node);
    if (at === null) return false;
    if (at.k === 'qualified') return this.#open(at.of);
    if (at.k === 'pointer') return this.#bracketed(at.to) || this.#open(at.to);
    if (at.k === 'member') return this.#bracketed(at.of) || this.#open(at.of);
    return false;
  }

  #collapse(node: Node & { k: 'pointer' }): { to: Node; sign: string } {
    let { to, sign } = node;
    if (sign === '*') return { to, sign };
    for (let i = 0; i < 32; i++) {
      const inner = this.#resolve(to);
      if (inner === null || inner.k !== 'pointer' || inner.sign === '*') break;
      if (inner.sign === '&') sign = '&';
      to = inner.to;
    }
    return { to, sign };
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
    if (this.#index >= 0 && this.#packLength < 0) this.#packLength = items.length;
    return items[Math.max(0, this.#index)] ?? null;
  }

  #countOf(node: Node): number {
    if (node.k === 'parameter' && node.found !== null) return this.#countOf(node.found);
    return node.k === 'pack' || node.k === 'arguments' ? node.items.length : 1;
  }
}

/** Whether T_ stands somewhere in a node, outside of functions that have their own. */
export function hasParameter(node: Node, known: Map<Node, boolean>): boolean {
  if (node.k === 'parameter') return true;
  const before = known.get(node);
  if (before !== undefined) return before;
  known.set(node, false);
  const found = childrenOf(node).some((child) => hasParameter(child, known));
  known.set(node, found);
  return found;
}

function childrenOf(node: Node): readonly Node[] {
  switch (node.k) {
    case 'nested': return [node.scope, node.name];
    case 'template': return [node.name, ...node.args];
    case 'arguments': case 'pack': case 'list': return node.items;
    case 'expansion': case 'qualified': case 'prefix': case 'suffix': case 'count': return [node.of];
    case 'pointer': return [node.to];
    case 'member': return [node.scope, node.of];
    case 'array': return node.size === null ? [node.of] : [node.of, node.size];
    case 'vector': return [node.of, node.size];
    case 'function': return node.name !== null ? [] : node.result === null ? node.parameters : [node.result, ...node.parameters];
    case 'row': return node.parts.filter((part) => typeof part !== 'string');
    case 'name': case 'forward': case 'parameter': return [];
  }
}

/** A copy in which every T_ is taken from `owner`. */
export function rebind(node: Node, owner: readonly Node[], known: Map<Node, boolean>): Node {
  if (!hasParameter(node, known)) return node;
  const again = (child: Node): Node => rebind(child, owner, known);
  switch (node.k) {
    case 'parameter': return { ...node, owner, found: (owner[node.index] as Node | undefined) ?? node.found };
    case 'nested': return { ...node, scope: again(node.scope), name: again(node.name) };
    case 'template': return { ...node, name: again(node.name), args: node.args.map(again) };
    case 'arguments': case 'pack': case 'list': return { ...node, items: node.items.map(again) };
    case 'expansion': case 'qualified': case 'prefix': case 'suffix': case 'count': return { ...node, of: again(node.of) };
    case 'pointer': return { ...node, to: again(node.to) };
    case 'member': return { ...node, scope: again(node.scope), of: again(node.of) };
    case 'array': return { ...node, of: again(node.of), size: node.size === null ? null : again(node.size) };
    case 'vector': return { ...node, of: again(node.of), size: again(node.size) };
    case 'function': return { ...node, result: node.result === null ? null : again(node.result), parameters: node.parameters.map(again) };
    case 'row': return { ...node, parts: node.parts.map((part) => (typeof part === 'string' ? part : again(part))) };
    case 'name': case 'forward': return node;
  }
}
