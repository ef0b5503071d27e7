/** Owns how the tests are found and run. */
import { defineConfig } from "vitest/config";

// Vitest reads its configuration from a default export only.
export default defineConfig({
  test: {
    include: ["services/**/*.test.ts", "test/**/*.test.ts", "scripts/**/*.test.ts"],
    // Weir is started as a user starts it, and other work may share the machine.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    globalSetup: ["test/harness/postgres-global-setup.ts"],
  },
});
