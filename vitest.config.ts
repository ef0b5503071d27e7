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
/** What takes minutes is left out of the core, `npm test`, and is all that there is beyond it; `npm run test:full` runs that. */
const level = process.env["WEIR_TEST_LEVEL"];
const beyondTheCore = ["test/{capabilities,vendors,guardrails,console,apart,deployment,faults,hostile}/**/*.test.ts", "test/processes.test.ts", "test/contracts/{event-transport,nats-event-log}.test.ts"];
/** The core has them together alone. */
const longScenarios = ["test/scenarios/{batches,canary,console-sign-in,kill,message-batches,request-records,similar-cache,tenancy,traces}.test.ts"];
const scenarios = ["test/scenarios/**/*.test.ts", "test/sdk/{grpc,openai,anthropic}.test.ts"];

// Vitest reads its configuration from a default export only.
export default defineConfig(async () => {
  // `npm run live` asks the vendors themselves, and nobody else.
  if (process.env["WEIR_LIVE"] === "1") return { test: { globalSetup: ["test/harness/test-run.ts"], include: ["test/live/**/*.test.ts"], provide: { wiring: "together" as const }, ...habits } };
  // `npm run agents` installs coding agents, and runs them.
  if (process.env["WEIR_AGENTS"] === "1") return { test: { globalSetup: ["test/harness/test-run.ts"], include: ["test/agents/**/*.test.ts"], provide: { wiring: "together" as const }, ...habits } };
  const hasNats = (await findNatsServer()) !== undefined;
  const runnable = wirings.filter((wiring) => wiring !== "apart-nats" || hasNats);
  return {
    test: {
      // Tests of whole processes wait more than they work; vitest would leave one core out.
      maxWorkers: availableParallelism() + 1,
      globalSetup: ["test/harness/test-run.ts", "test/harness/console-global-setup.ts", "test/harness/wirings-notice.ts"],
      projects: [
        { test: { name: "all", ...filesOf({ every: ["services/**/*.test.ts", "test/**/*.test.ts", "scripts/**/*.test.ts"], beyond: beyondTheCore, never: [...scenarios, "test/live/**", "test/agents/**"] }), provide: { wiring: "together" as const }, ...habits } },
        // The same scenarios with the same assertions, however the services are wired.
        ...runnable.map((wiring) => ({ test: { name: wiring, ...filesOf({ every: scenarios, beyond: wiring === "together" ? [] : longScenarios, never: [] }), provide: { wiring }, ...habits } })),
      ],
    },
  };
});

/** Which of a project's files are run, as the level is. */
function filesOf({ every, beyond, never }: { readonly every: readonly string[]; readonly beyond: readonly string[]; readonly never: readonly string[] }): { include: string[]; exclude: string[] } {
  return { include: [...(level === "beyond" ? beyond : every)], exclude: [...never, ...(level === "core" ? beyond : [])] };
}
