/** Owns how a Weir of the tests is put together: every scenario runs in each wiring, with the same assertions. */
import { inject } from "vitest";

/**
 * `together`: all services in one process, with a PostgreSQL of its own. `apart`: each in a process of its own, over gRPC,
 * usage delivered to metering directly. `apart-nats`: the same, usage by way of NATS.
 */
export const wirings = ["together", "apart", "apart-nats"] as const;

export type Wiring = (typeof wirings)[number];

declare module "vitest" {
  interface ProvidedContext {
    wiring: Wiring;
  }
}

/** The wiring in which this test runs. */
export function currentWiring(): Wiring {
  return inject("wiring");
}
