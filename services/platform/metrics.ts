/** Owns the registry of metrics; each service adds its own to it, the admin port shows them. */
import { collectDefaultMetrics, Registry } from "prom-client";

export { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** Where the text of all metrics comes from. */
export interface MetricsSource {
  readonly contentType: string;
  readonly read: () => Promise<string>;
}

/** A registry with the process's own figures (memory, event loop, garbage collection). */
export function createMetricsRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}
