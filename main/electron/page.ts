import { protocol } from 'electron';
import { CONTENT_SECURITY_POLICY, loadAssets } from '../web/assets.ts';
import { PAGE } from '../paths.ts';

/** The page's origin. A scheme of our own: file: pages may read every file, and http: would need a port. */
export const PAGE_ORIGIN = 'flamebench://app';

/** Must run before app is ready. */
export function declareScheme(): void {
  protocol.registerSchemesAsPrivileged([{ scheme: 'flamebench', privileges: { standard: true, secure: true, supportFetchAPI: true } }]);
}

/** Serves the built page under PAGE_ORIGIN, from memory, with the same policy as the browser host. */
export function servePage(): void {
  const assets = loadAssets(PAGE);
  protocol.handle('flamebench', (request) => {
    const url = new URL(request.url);
    const asset = url.host === 'app' ? assets.get(url.pathname) : undefined;
    if (asset === undefined) return new Response('There is nothing here.', { status: 404 });
    return new Response(new Uint8Array(asset.body), {
      headers: { 'Content-Type': asset.type, 'Content-Security-Policy': CONTENT_SECURITY_POLICY, 'X-Content-Type-Options': 'nosniff' },
    });
  });
}
