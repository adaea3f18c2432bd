/** Builds the pages into `dist`: files only, nothing inline, so that a strict content security policy needs no exception. */
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// biome-ignore lint/style/noDefaultExport: Vite reads the default export
export default defineConfig({
  plugins: [react()],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    manifest: 'manifest.json',
    sourcemap: false,
    // Building a schema changes nothing: where no page uses one, zod stays out of the bundle.
    rolldownOptions: { treeshake: { manualPureFunctions: ['z'] } },
    reportCompressedSize: false,
  },
});
