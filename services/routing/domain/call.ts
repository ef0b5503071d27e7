/** Owns what the pipeline is given, a call, and what it gives back, a reply that has begun. */
import type { Warning } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import type { AttemptRequest, AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { RateLimit } from "#gen/weir/types/v1/rate_limit_pb.ts";
import type { Span } from "#platform/tracing/span.ts";
import type { Bound } from "./budget/bound.ts";
import type { CacheUse } from "./cache/call-cache.ts";
import type { CallSize } from "./call-size.ts";
import type { CallNotes } from "./records/call-notes.ts";
import type { OperationName } from "./targets/capability.ts";
import type { Needs } from "./targets/fitness.ts";
import type { Plan, Target } from "./targets/plan.ts";

export type Operation = AttemptRequest["operation"];

/** A caller's call, whatever door it came through. */
export interface Call {
  readonly requestId: string;
  readonly grant: Grant;
  /** The model as the caller named it. */
  readonly model: string;
  readonly operation: OperationName;
  readonly labels: Readonly<Record<string, string>>;
  /** Fires when the caller went away or the deadline passed. */
  readonly signal: AbortSignal;
  /** When the signal fires at the latest, in milliseconds since 1970. */
  readonly deadlineMs: number;
  /**
   * The operation for this target: the caller's own bytes if it speaks their dialect, else types. When strict, what the target
   * cannot honour is refused instead of warned of; the caller may have asked for that too. `inTypes` takes a generation's bytes out of
   * consideration: then its reply is in types, too.
   */
  operationFor(target: Target, strict: boolean, inTypes: boolean): Operation;
  /** What it can consume at most at this target; asked for where a budget may apply. */
  boundAt(target: Target): Bound;
  /** What the request needs of a model, asked for where a route has several targets; absent where it needs nothing that is known of models. */
  readonly needs?: (() => Needs) | undefined;
  /** Where it goes, for what is about no model; else that is planned by the model. */
  readonly plan?: Plan;
  /** Whether what it refers to lies in the organization's own account at the vendor; absent where it refers to nothing there. */
  readonly ownAccount?: boolean | undefined;
  /** What the caller says of the cache, as in `Cache-Control`; absent where nothing is looked up or kept. */
  readonly cacheControl?: string;
  /** What its parts are told of; absent where it is not recorded. */
  readonly span?: Span | undefined;
  /** Where what becomes of it is noted; absent for calls that are no caller's. */
  readonly notes?: CallNotes | undefined;
  /** What rate limits count of it beside that it is a request; absent where that is nothing. */
  readonly size?: CallSize | undefined;
  /** A generation in types, and the fields that types cannot carry; absent for other operations. */
  readonly generation?: () => { readonly generation: Generation; readonly unknownFields: readonly string[] };
  /** What guardrails add to what goes to a target, once they have looked at it; absent where that is nothing. */
  readonly complete?: (operation: Operation) => Operation;
  /** The reply as guardrails on its form let it go; absent where there are none. */
  readonly watchReply?: (messages: AsyncIterable<AttemptResponse>) => AsyncIterable<AttemptResponse>;
}

/** A reply that has begun. */
export interface Reply {
  readonly route: string;
  readonly target: Target;
  /** All that comes of the attempt; begins with what has come already. */
  readonly messages: AsyncIterable<AttemptResponse>;
  /** What Weir itself did not do as asked, and what the guardrails have to say so far; of the reply, once its messages were taken. */
  warnings(): readonly Warning[];
  /** What is left of the rate limits that the call falls under; absent where there are none. */
  readonly rateLimits?: readonly RateLimit[];
  /** Whether it was in the cache; absent where no rule has such replies kept. */
  readonly cacheUse?: CacheUse;
}
