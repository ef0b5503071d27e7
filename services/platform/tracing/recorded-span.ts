/** Owns spans and tracers as OpenTelemetry records them. */
import { defaultTextMapGetter, defaultTextMapSetter, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Context, type Span as OpentelemetrySpan, type Tracer as OpentelemetryTracer } from "@opentelemetry/api";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import type { Facts, Span, TraceContext, Tracer } from "./span.ts";

const propagator = new W3CTraceContextPropagator();
const kinds = { server: SpanKind.SERVER, client: SpanKind.CLIENT };

export function recordingTracer(tracer: OpentelemetryTracer): Tracer {
  return {
    begin(name, kind, parent) {
      const outer = parent === undefined ? ROOT_CONTEXT : propagator.extract(ROOT_CONTEXT, parent, defaultTextMapGetter);
      const span = tracer.startSpan(name, { kind: kinds[kind] }, outer);
      return span.isRecording() ? new RecordedSpan(tracer, span) : undefined;
    },
  };
}

class RecordedSpan implements Span {
  readonly #tracer: OpentelemetryTracer;
  readonly #span: OpentelemetrySpan;
  readonly #inside: Context;

  constructor(tracer: OpentelemetryTracer, span: OpentelemetrySpan) {
    this.#tracer = tracer;
    this.#span = span;
    this.#inside = trace.setSpan(ROOT_CONTEXT, span);
  }

  get traceId(): string {
    return this.#span.spanContext().traceId;
  }

  get context(): TraceContext {
    const carrier = { traceparent: "" };
    propagator.inject(this.#inside, carrier, defaultTextMapSetter);
    return carrier;
  }

  begin(name: string): Span {
    return new RecordedSpan(this.#tracer, this.#tracer.startSpan(name, {}, this.#inside));
  }

  rename(name: string): void {
    this.#span.updateName(name);
  }

  note(facts: Facts): void {
    this.#span.setAttributes(facts);
  }

  tell(event: string, facts: Facts = {}, timeMs?: number): void {
    this.#span.addEvent(event, facts, timeMs);
  }

  end(errorType?: string): void {
    if (errorType !== undefined) {
      this.#span.setAttribute("error.type", errorType);
      this.#span.setStatus({ code: SpanStatusCode.ERROR });
    }
    this.#span.end();
  }
}
