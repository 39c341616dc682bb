import { svelte } from '@sveltejs/vite-plugin-svelte';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// Where `npm run dev` sends the calls of the page; the built page is served by the server itself.
const server = process.env['ANTIPHON_SERVER'] ?? 'http://127.0.0.1:8080';
const proxied = ['/api', '/openai', '/ollama', '/ws', '/health', '/manifest.json'];

export default defineConfig({
  plugins: [svelte()],
  resolve: { alias: { $lib: fileURLToPath(new URL('./src/lib', import.meta.url)) } },
  build: {
    target: 'es2022',
    // Inlined data addresses would need `data:` in the content security policy for fonts and scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The server sends everything under this folder with a year of caching: each name carries a hash.
    assetsDir: 'assets',
    reportCompressedSize: false,
    manifest: true,
  },
  server: {
    proxy: Object.fromEntries(proxied.map((path) => [path, { target: server, ws: path === '/ws' }])),
  },
  test: {
    include: ['test/**/*.test.ts'],
    environment: 'node',
  },
});
