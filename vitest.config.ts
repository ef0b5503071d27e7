/** Owns how the tests are found and run. */
import { defineConfig } from "vitest/config";
import { wirings } from "./test/harness/wiring.ts";

// Weir is started as a user starts it, and other work may share the machine.
const patience = { testTimeout: 30_000, hookTimeout: 60_000 };
const scenarios = "test/scenarios/**/*.test.ts";

// Vitest reads its configuration from a default export only.
export default defineConfig({
  test: {
    globalSetup: ["test/harness/postgres-global-setup.ts"],
    projects: [
      { test: { name: "all", include: ["services/**/*.test.ts", "test/**/*.test.ts", "scripts/**/*.test.ts"], exclude: [scenarios], provide: { wiring: "together" }, ...patience } },
      // The same scenarios with the same assertions, however the services are wired.
      ...wirings.map((wiring) => ({ test: { name: wiring, include: [scenarios], provide: { wiring }, ...patience } })),
    ],
  },
});
