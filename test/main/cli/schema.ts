// The part of JSON Schema that resources/schema/ uses, checked: type, properties, required, items, const, enum, pattern,
// minimum, maximum. An unknown word in a schema is an error, so that none goes unchecked.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

type Schema = Readonly<Record<string, unknown>>;

export function schema(name: string): Schema {
  return JSON.parse(readFileSync(join(import.meta.dirname, `../../../resources/schema/${name}.json`), 'utf8')) as Schema;
}

/** What is wrong, with its place; empty where nothing is. */
export function violations(value: unknown, against: Schema, place = '$'): string[] {
  const wrong: string[] = [];
  for (const [word, expected] of Object.entries(against)) {
    switch (word) {
      case '$schema': case '$id': case 'title': case 'description': break;
      case 'type': {
        const types = Array.isArray(expected) ? expected as string[] : [expected as string];
        if (!types.some((type) => isOf(value, type))) wrong.push(`${place}: ${JSON.stringify(value)} is no ${types.join(' or ')}`);
        break;
      }
      case 'const': if (value !== expected) wrong.push(`${place}: ${JSON.stringify(value)} is not ${JSON.stringify(expected)}`); break;
      case 'enum': if (!(expected as unknown[]).includes(value)) wrong.push(`${place}: ${JSON.stringify(value)} is none of ${JSON.stringify(expected)}`); break;
      case 'pattern': if (typeof value === 'string' && !new RegExp(expected as string).test(value)) wrong.push(`${place}: ${value} does not match`); break;
      case 'minimum': if (typeof value === 'number' && value < (expected as number)) wrong.push(`${place}: ${value} is too small`); break;
      case 'maximum': if (typeof value === 'number' && value > (expected as number)) wrong.push(`${place}: ${value} is too large`); break;
      case 'required':
        for (const name of expected as string[]) if (typeof value === 'object' && value !== null && !(name in value)) wrong.push(`${place}.${name} is missing`);
        break;
      case 'properties':
        for (const [name, inner] of Object.entries(expected as Record<string, Schema>)) {
          const member = (value as Record<string, unknown> | null)?.[name];
          if (member !== undefined) wrong.push(...violations(member, inner, `${place}.${name}`));
        }
        break;
      case 'items':
        for (const [i, item] of (Array.isArray(value) ? value as unknown[] : []).entries()) wrong.push(...violations(item, expected as Schema, `${place}[${i}]`));
        break;
      default: wrong.push(`${place}: the schema uses "${word}", which is not checked here`);
    }
  }
  return wrong;
}

function isOf(value: unknown, type: string): boolean {
  switch (type) {
    case 'null': return value === null;
    case 'array': return Array.isArray(value);
    case 'object': return typeof value === 'object' && value !== null && !Array.isArray(value);
    case 'integer': return Number.isInteger(value);
    default: return typeof value === type;
  }
}
