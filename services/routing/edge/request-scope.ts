/** Owns what lives as long as one request: its id, the signal that ends all work for it, and the line and the span that tell of it. */
import type { DescMethod } from "@bufbuild/protobuf";
import { AuditClass } from "#gen/weir/types/v1/method_pb.ts";
import type { Clock } from "#platform/clock.ts";
import { GatewayError, toGatewayError } from "#platform/errors.ts";
import { newId } from "#platform/ids.ts";
import type { HttpRequest } from "#platform/http/listener.ts";
import type { LiveValue } from "#platform/views/live-value.ts";
import type { Logger } from "#platform/logger.ts";
import { ruleOf } from "#platform/rpc/method-guard.ts";
import { Counter, Histogram, type Registry } from "#platform/metrics.ts";
import type { Span, TraceContext, Tracer } from "#platform/tracing/span.ts";
import { CallNotes } from "../domain/records/call-notes.ts";
import { isNotable, type EndedRequest } from "../domain/records/request-record.ts";

/** Where requests are told of. */
export class RequestObserver {
  readonly tracer: LiveValue<Tracer | undefined>;
  readonly #logger: Logger;
  readonly #onNotable: (request: EndedRequest) => void;
  readonly #requests: Counter<"door" | "operation" | "outcome">;
  readonly #seconds: Histogram<"door" | "operation">;

  /** `onNotable` is told of requests for models of which their attempts do not tell all. */
  constructor(logger: Logger, registry: Registry, tracer: LiveValue<Tracer | undefined>, onNotable: (request: EndedRequest) => void) {
    this.tracer = tracer;
    this.#onNotable = onNotable;
    this.#logger = logger;
    this.#requests = new Counter({
      name: "weir_requests_total",
      help: "Requests that ended, by door, operation and outcome (`ok` or the error's reason).",
      labelNames: ["door", "operation", "outcome"],
      registers: [registry],
    });
    this.#seconds = new Histogram({
      name: "weir_request_duration_seconds",
      help: "From a request's first byte to its reply's last, by door and operation.",
      labelNames: ["door", "operation"],
      buckets: [0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800],
      registers: [registry],
    });
  }

  ended(scope: RequestScope, durationMs: number, error: GatewayError | undefined): void {
    const { requestId, door, operation, notes, span } = scope;
    this.#requests.inc({ door, operation, outcome: error?.reason ?? "ok" });
    this.#seconds.observe({ door, operation }, durationMs / 1000);
    span?.end(error?.reason);
    if (notes !== undefined && isNotable(notes, error)) this.#onNotable({ requestId, operation, notes, durationMs, error });
    const line = { requestId, traceId: span?.traceId, door, operation, keyId: notes?.call?.grant.keyId, model: notes?.call?.model, target: notes?.target?.name, cache: notes?.cacheUse?.outcome, durationMs: Math.round(durationMs) };
    if (error === undefined) this.#logger.info(line, "request");
    else if (error.reason === "INTERNAL") this.#logger.error({ ...line, error }, "request failed by a defect");
    else this.#logger.warn({ ...line, error }, "request failed");
  }
}

/** One request. */
export class RequestScope {
  readonly requestId: string;
  readonly door: string;
  operation = "";
  /** The caller's IP address, once it is known who calls. */
  address = "";
  /** Undefined where it is for no model. */
  notes: CallNotes | undefined;
  /** All of its reply is on its way to the caller: many clients hang up at the last bytes, before the reply is over. */
  isAnswered = false;
  /** Undefined where it is not recorded. */
  span: Span | undefined;
  /** When the request's time is up, in milliseconds since 1970. */
  readonly deadlineMs: number;
  readonly #controller = new AbortController();
  readonly #timeout: NodeJS.Timeout;
  readonly #startMs: number;
  readonly #clock: Clock;
  readonly #observer: RequestObserver;
  readonly #callbacks: (() => void)[] = [];

  /** `callerTimeoutMs` is the deadline that the caller gave, if it gave one. */
  constructor(door: string, maximumMs: number, callerTimeoutMs: number | undefined, clock: Clock, observer: RequestObserver) {
    const timeoutMs = Math.min(maximumMs, callerTimeoutMs ?? Infinity);
    this.requestId = newId("req", clock);
    this.door = door;
    this.#clock = clock;
    this.#observer = observer;
    this.#startMs = clock.monotonicMs();
    this.deadlineMs = clock.now() + timeoutMs;
    this.#timeout = setTimeout(() => this.expire(), timeoutMs);
    this.#timeout.unref();
  }

  /** Fires when the caller went away or the request's time is up. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Begins to record it where it is for a model; where traces are made, in its caller's trace, or one of its own. */
  record(method: DescMethod, request: HttpRequest): void {
    if (ruleOf(method).audit !== AuditClass.INFERENCE) return;
    this.notes = new CallNotes();
    const tracer = this.#observer.tracer.current;
    if (tracer === undefined) return;
    this.span = tracer.begin(this.operation, "server", traceOf(request));
    this.span?.note({ "weir.request_id": this.requestId, "weir.door": this.door });
  }

  /** The request's time is up. */
  expire(): void {
    this.cut(new GatewayError("DEADLINE_EXCEEDED", "The request took longer than its caller gave it, or than limits.request_timeout allows."));
  }

  /** Ends the request early, for what the error says. */
  cut(error: GatewayError): void {
    this.#controller.abort(error);
    this.#callBack();
  }

  /** Calls back once, when the request has ended or is to end. */
  whenOver(callback: () => void): void {
    this.#callbacks.push(callback);
  }

  /** The caller went away. */
  cancel(): void {
    if (!this.isAnswered) this.cut(new GatewayError("CANCELLED", "The caller went away."));
  }

  /** Ends the request and tells of it; returns what the caller is told, or undefined when all went well. */
  end(thrown?: unknown): GatewayError | undefined {
    clearTimeout(this.#timeout);
    this.#callBack();
    const cause = this.signal.aborted ? (this.signal.reason as unknown) : thrown;
    const error = cause === undefined ? undefined : toGatewayError(cause);
    this.#observer.ended(this, this.#clock.monotonicMs() - this.#startMs, error);
    return error;
  }

  #callBack(): void {
    for (const callback of this.#callbacks.splice(0)) callback();
  }
}

function traceOf({ headers: { traceparent, tracestate } }: HttpRequest): TraceContext | undefined {
  if (typeof traceparent !== "string") return undefined;
  return typeof tracestate === "string" ? { traceparent, tracestate } : { traceparent };
}
