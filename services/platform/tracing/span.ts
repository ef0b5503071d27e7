/** Owns what code says of its work for traces; how it is recorded is the tracer's. */
import { toGatewayError } from "../errors.ts";

/** Where in a trace a piece of work belongs, in the form of W3C Trace Context. */
export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate?: string;
}

export type Facts = Readonly<Record<string, string | number | readonly string[] | undefined>>;

/** A piece of work that is recorded. Never told of it: prompts, replies, credentials, messages of errors. */
export interface Span {
  readonly traceId: string;
  /** For those who do a part of the work elsewhere. */
  readonly context: TraceContext;
  /** A part of it. */
  begin(name: string): Span;
  rename(name: string): void;
  note(facts: Facts): void;
  /** Something that happened at once; now, or at this time in milliseconds since 1970. */
  tell(event: string, facts?: Facts, timeMs?: number): void;
  /** `errorType` says in a word why the work failed. */
  end(errorType?: string): void;
}

export interface Tracer {
  /** `server` works for a caller, `client` has another do the work. Undefined where it is not recorded: then nothing is that is done for it. */
  begin(name: string, kind: "server" | "client", parent: TraceContext | undefined): Span | undefined;
}

/** What comes of the work; where it has to be waited for, the wait is a span. */
export function recordWait<Outcome>(span: Span | undefined, name: string, outcome: Outcome | Promise<Outcome>): Outcome | Promise<Outcome> {
  if (span === undefined || !(outcome instanceof Promise)) return outcome;
  return endWith(span.begin(name), outcome);
}

/** Ends the span with the work. */
export async function endWith<Outcome>(span: Span, work: Promise<Outcome>): Promise<Outcome> {
  try {
    const outcome = await work;
    span.end();
    return outcome;
  } catch (error) {
    span.end(toGatewayError(error).reason);
    throw error;
  }
}
