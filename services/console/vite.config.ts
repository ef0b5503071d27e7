/** Owns how the page is built: files with hashes in their names, and nothing inline, as its Content-Security-Policy wants it. */
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// Vite reads its configuration from a default export only.
export default defineConfig({
  base: "/console/",
  plugins: [react()],
  build: { target: "es2022", assetsInlineLimit: 0, modulePreload: { polyfill: false }, chunkSizeWarningLimit: 1_000 },
});
