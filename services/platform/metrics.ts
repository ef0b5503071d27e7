/** Owns the registry of metrics; each service adds its own to it, the admin port shows them. */
import { AggregatorRegistry, collectDefaultMetrics, Registry } from "prom-client";

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

/** In a worker process: lets the first process read this registry. */
export function shareMetrics(registry: Registry): void {
  AggregatorRegistry.setRegistries([registry]);
  // Making one is what starts the listening, in a worker too.
  void new AggregatorRegistry();
}

/** In the first of several processes: the workers' metrics, summed up. */
export function sharedMetrics(): MetricsSource {
  const aggregator = new AggregatorRegistry();
  return { contentType: aggregator.contentType, read: () => aggregator.clusterMetrics() };
}
