/** Owns how the tests are found and run. */
import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { findNatsServer } from "./test/harness/nats-server.ts";
import { wirings } from "./test/harness/wiring.ts";

// Files share the modules of their process: to load them for each took most of the time.
const sharing = { isolate: false, setupFiles: ["test/harness/after-each-file.ts", "test/harness/property-seed.ts"] };
// Weir is started as a user starts it, and other work may share the machine.
const patience = { testTimeout: 60_000, hookTimeout: 120_000, expect: { poll: { timeout: 20_000 } } };
const habits = { ...sharing, ...patience };
/** What takes minutes; `npm run test:full` runs it. */
const beyondTheCore = ["test/capabilities/**", "test/apart/**", "test/faults/**", "test/hostile/infrastructure.test.ts"];
const leftOut = process.env["WEIR_TEST_LEVEL"] === "core" ? beyondTheCore : [];
const scenarios = ["test/scenarios/**/*.test.ts", "test/sdk/{grpc,openai,anthropic}.test.ts"];

// Vitest reads its configuration from a default export only.
export default defineConfig(async () => {
  // `npm run live` asks the vendors themselves, and nobody else.
  if (process.env["WEIR_LIVE"] === "1") return { test: { globalSetup: ["test/harness/postgres-global-setup.ts"], include: ["test/live/**/*.test.ts"], provide: { wiring: "together" as const }, ...habits } };
  const hasNats = (await findNatsServer()) !== undefined;
  const runnable = wirings.filter((wiring) => wiring !== "apart-nats" || hasNats);
  return {
    test: {
      // Tests of whole processes wait more than they work; vitest would leave one core out.
      maxWorkers: availableParallelism() + 1,
      globalSetup: ["test/harness/postgres-global-setup.ts", "test/harness/wirings-notice.ts"],
      projects: [
        { test: { name: "all", include: ["services/**/*.test.ts", "test/**/*.test.ts", "scripts/**/*.test.ts"], exclude: [...scenarios, ...leftOut, "test/live/**"], provide: { wiring: "together" as const }, ...habits } },
        // The same scenarios with the same assertions, however the services are wired.
        ...runnable.map((wiring) => ({ test: { name: wiring, include: scenarios, provide: { wiring }, ...habits } })),
      ],
    },
  };
});
