import { readFileSync, readdirSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';
import { UserError } from '#core/errors';

export interface Asset {
  readonly body: Buffer;
  readonly type: string;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8',
  '.woff2': 'font/woff2', '.woff': 'font/woff', '.svg': 'image/svg+xml', '.png': 'image/png', '.json': 'application/json', '.map': 'application/json',
};

/** The built page, by URL path. Only these paths exist: a request never reaches the file system. */
export function loadAssets(folder: string): ReadonlyMap<string, Asset> {
  const assets = new Map<string, Asset>();
  const walk = (path: string, url: string): void => {
    for (const name of readdirSync(path)) {
      const file = join(path, name);
      if (statSync(file).isDirectory()) walk(file, `${url}${name}/`);
      else assets.set(`${url}${name}`, { body: readFileSync(file), type: TYPES[extname(name)] ?? 'application/octet-stream' });
    }
  };
  try {
    walk(folder, '/');
  } catch (cause) {
    throw new UserError('page-missing', `the built page is not in ${folder}`, { hint: 'Build it.', command: 'npm run build', cause });
  }
  const index = assets.get('/index.html');
  if (index === undefined) throw new UserError('page-missing', `${folder} has no index.html`, { hint: 'Build it.', command: 'npm run build' });
  assets.set('/', index);
  return assets;
}

/** What a page may do: its own files, its own socket, pictures that it made itself. */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'", "script-src 'self'", "style-src 'self' 'unsafe-inline'", "font-src 'self'", "img-src 'self' blob: data:",
  "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
].join('; ');
