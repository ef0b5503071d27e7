/** Owns the registry of metrics; each service adds its own to it, the admin port shows them. */
import { collectDefaultMetrics, Registry } from "prom-client";

export { Counter, Histogram, type Registry } from "prom-client";

/** A registry with the process's own figures (memory, event loop, garbage collection). */
export function createMetricsRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}
