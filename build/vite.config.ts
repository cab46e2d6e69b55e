// Bundles the page. main and preload are bundled by build/bundle.ts, for packages only: in a checkout Node runs main as it is.
import { fileURLToPath } from 'node:url';
import { svelte, vitePreprocess } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: at('../renderer'),
  base: './',
  plugins: [svelte({ preprocess: vitePreprocess(), configFile: false })],
  build: {
    outDir: at('../dist/renderer'),
    emptyOutDir: true,
    target: 'chrome140',
    // Nothing is inlined as data: URLs, so that the content security policy can stay strict.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { checks: { pluginTimings: false } },
    sourcemap: true,
    chunkSizeWarningLimit: 2000,
  },
});
