/** Owns the spans that wait for the operator's collector: bounded, sent together, and counted however they end. */
import { ExportResultCode, type ExportResult } from "@opentelemetry/core";
import { ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import { BatchSpanProcessor, type ReadableSpan, type SpanProcessor } from "@opentelemetry/sdk-trace";
import type { Tracing as TracingConfig } from "#gen/weir/config/v1/tracing_pb.ts";
import { exchangeThroughEgress } from "../egress/egress-exchange.ts";
import { GatewayError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { Counter } from "../metrics.ts";

export interface SpanQueueOptions {
  readonly config: Pick<TracingConfig, "endpoint" | "headers">;
  readonly logger: Logger;
  /** Of spans, by what became of them: `exported`, `failed` or `dropped`. */
  readonly spans: Counter<"outcome">;
}

/** The most spans that wait or are on their way; what comes beyond them is dropped. */
const mostWaiting = 8_192;
const mostInOneRequest = 512;
const gatherMs = 1_000;
const requestTimeoutMs = 10_000;
/** How long a stop waits for the collector. */
const flushWithinMs = 2_000;

export class SpanQueue implements SpanProcessor {
  readonly #options: SpanQueueOptions;
  readonly #batches: BatchSpanProcessor;
  readonly #givingUp = new AbortController();
  readonly #sending = new Set<Promise<void>>();
  /** The library's own bound leaves out what is on its way, and counts nothing. */
  #waiting = 0;
  #isFailing = false;

  constructor(options: SpanQueueOptions) {
    this.#options = options;
    this.#batches = new BatchSpanProcessor({
      exporter: { export: (spans, tell) => this.#export(spans, tell), shutdown: () => Promise.resolve() },
      maxQueueSize: mostWaiting,
      maxExportBatchSize: mostInOneRequest,
      scheduledDelayMillis: gatherMs,
    });
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    if (this.#waiting >= mostWaiting) return this.#options.spans.inc({ outcome: "dropped" });
    this.#waiting++;
    this.#batches.onEnd(span);
  }

  forceFlush(): Promise<void> {
    return this.#batches.forceFlush();
  }

  async shutdown(): Promise<void> {
    const bound = setTimeout(() => this.#givingUp.abort(), flushWithinMs);
    // What cannot be sent is counted and logged where it is sent.
    await this.#batches.shutdown().catch(() => undefined);
    await Promise.all(this.#sending);
    clearTimeout(bound);
  }

  #export(spans: ReadableSpan[], tell: (result: ExportResult) => void): void {
    const sending = this.#send(spans).then((result) => {
      this.#sending.delete(sending);
      tell(result);
    });
    this.#sending.add(sending);
  }

  /** Once: a collector that was away has the next ones. */
  async #send(spans: ReadableSpan[]): Promise<ExportResult> {
    const { config, logger, spans: counted } = this.#options;
    try {
      await post(spans, config, AbortSignal.any([this.#givingUp.signal, AbortSignal.timeout(requestTimeoutMs)]));
      counted.inc({ outcome: "exported" }, spans.length);
      if (this.#isFailing) logger.info("the collector of traces takes spans again");
      this.#isFailing = false;
      return { code: ExportResultCode.SUCCESS };
    } catch (error) {
      counted.inc({ outcome: "failed" }, spans.length);
      if (!this.#isFailing) logger.warn({ error, spans: spans.length }, "the collector of traces does not take spans; they are lost until it does, and nothing waits for it");
      this.#isFailing = true;
      return { code: ExportResultCode.FAILED };
    } finally {
      this.#waiting -= spans.length;
    }
  }
}

async function post(spans: ReadableSpan[], { endpoint, headers }: SpanQueueOptions["config"], signal: AbortSignal): Promise<void> {
  const body = Buffer.from(ProtobufTraceSerializer.serializeRequest(spans)!);
  const { status } = await exchangeThroughEgress({ method: "POST", url: endpoint, headers: { ...headers, "content-type": "application/x-protobuf" }, body }, signal);
  if (status < 200 || status >= 300) throw new GatewayError("DEPENDENCY_UNAVAILABLE", `The collector answered with status ${status}. Check tracing.endpoint and tracing.headers.`, { metadata: { dependency: "collector" } });
}
