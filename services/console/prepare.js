/** Owns building the page at `npm ci`. Plain JavaScript, as any Node that runs npm can run it. */
const vite = await import("vite").catch((error) => {
  if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
});
if (vite === undefined) console.log("The console is not built, because Vite is not installed (npm ci --omit=dev): `npm ci && npm run build:console` builds it.");
else await vite.build({ root: import.meta.dirname, logLevel: "warn" });
