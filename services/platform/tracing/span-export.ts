/** Owns what OpenTelemetry does for traces: which requests are recorded, as whose work, and what becomes of their spans. */
import { randomUUID } from "node:crypto";
import { defaultResource, resourceFromAttributes } from "@opentelemetry/resources";
import { ParentBasedSampler, TracerProvider, TraceIdRatioBasedSampler } from "@opentelemetry/sdk-trace";
import type { Tracing as TracingConfig } from "#gen/weir/config/v1/tracing_pb.ts";
import { recordingTracer } from "./recorded-span.ts";
import type { Tracer } from "./span.ts";
import { SpanQueue, type SpanQueueOptions } from "./span-queue.ts";

export interface SpanExportOptions extends SpanQueueOptions {
  readonly config: TracingConfig;
  /** Of this Weir. */
  readonly version: string;
}

/** Facts are words and numbers; what a caller makes longer is cut. */
const mostCharacters = 256;
const instanceId = randomUUID();

export class SpanExport {
  readonly #options: SpanExportOptions;
  readonly #queue: SpanQueue;

  constructor(options: SpanExportOptions) {
    this.#options = options;
    this.#queue = new SpanQueue(options);
  }

  /** The tracer of one of Weir's services, which has the same name wherever it runs. */
  tracerOf(service: string): Tracer {
    const { config, version } = this.#options;
    const provider = new TracerProvider({
      resource: defaultResource().merge(resourceFromAttributes({ "service.name": `weir-${service}`, "service.version": version, "service.instance.id": instanceId })),
      sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(config.sampleRatio ?? 1) }),
      spanLimits: { attributeValueLengthLimit: mostCharacters },
      spanProcessors: [this.#queue],
    });
    return recordingTracer(provider.getTracer("weir", version));
  }

  /** Sends what waits, within a bound. */
  stop(): Promise<void> {
    return this.#queue.shutdown();
  }
}
