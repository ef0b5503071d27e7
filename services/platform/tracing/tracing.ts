/** Owns whether traces are made: as the configuration of the moment says, and without any cost where it does not. */
import { equals } from "@bufbuild/protobuf";
import { TracingSchema, type Tracing as TracingConfig } from "#gen/weir/config/v1/tracing_pb.ts";
import { inField, refuseField } from "../config-file/faults.ts";
import { refuseForbiddenHost } from "../egress/egress-pool.ts";
import { deriveLive, MutableLiveValue, type LiveValue } from "../views/live-value.ts";
import type { Logger } from "../logger.ts";
import { Counter, type Registry } from "../metrics.ts";
import type { SpanExport } from "./span-export.ts";
import type { Tracer } from "./span.ts";

export interface TracingOptions {
  /** Undefined where no traces are wanted. */
  readonly config: LiveValue<TracingConfig | undefined>;
  readonly version: string;
  readonly logger: Logger;
  readonly metrics: Registry;
}

export interface Tracing {
  /** The tracer of a service; undefined while no traces are wanted. */
  tracerOf(service: string): LiveValue<Tracer | undefined>;
  /** Sends what waits, within a bound. */
  stop(): Promise<void>;
}

/** Throws INVALID_REQUEST when the endpoint is no address, or one that must not be dialled. */
export function checkTracing(config: TracingConfig | undefined): void {
  if (config === undefined) return;
  const { endpoint } = config;
  if (!URL.canParse(endpoint)) refuseField("tracing.endpoint", "this is no address. Write one such as http://otel-collector:4318/v1/traces.");
  inField("tracing.endpoint", () => refuseForbiddenHost(new URL(endpoint).origin, true));
}

export async function openTracing({ config, version, logger, metrics }: TracingOptions): Promise<Tracing> {
  const spans = new Counter({ name: "weir_trace_spans_total", help: "Spans of traces, by what became of them: `exported`, `failed` on their way to the collector, or `dropped` because too many waited.", labelNames: ["outcome"], registers: [metrics] });
  const live = new MutableLiveValue<SpanExport | undefined>(undefined);
  const apply = async (changed: TracingConfig | undefined): Promise<void> => {
    const former = live.current;
    live.set(changed === undefined ? undefined : new (await load()).SpanExport({ config: changed, version, logger, spans }));
    await former?.stop();
  };
  let present = config.current;
  let applied = apply(present);
  await applied;
  const unsubscribe = config.subscribe((changed) => {
    if (isSame(present, changed)) return;
    present = changed;
    applied = applied.then(() => apply(changed)).catch((error: unknown) => logger.error({ error }, "the changed tracing cannot be used; traces are made as before"));
  });
  return {
    tracerOf: (service) => deriveLive(live, (current) => current?.tracerOf(service)),
    async stop() {
      unsubscribe();
      await applied;
      await live.current?.stop();
    },
  };
}

/** Only where traces are wanted: it takes a fifth of a second. */
const load = () => import("./span-export.ts");

function isSame(one: TracingConfig | undefined, other: TracingConfig | undefined): boolean {
  return one === undefined || other === undefined ? one === other : equals(TracingSchema, one, other);
}
