/** Owns the notes of one request, which its line in the log and its record are written from at its end: who called, which targets failed, which one answered, what guardrails found. */
import type { Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { CacheUse } from "../cache/call-cache.ts";
import type { Finding } from "../guardrails/call-guard.ts";
import type { Call } from "../call.ts";
import type { Target } from "../targets/plan.ts";

/** A target that did not answer. */
export interface PassedOver {
  readonly target: Target;
  readonly error: unknown;
}

export class CallNotes {
  /** Of who calls, whether they are let in or not; undefined while that is not known. */
  grant: Grant | undefined;
  call: Call | undefined;
  /** Where the reply is from; undefined while there is none. */
  target: Target | undefined;
  /** Undefined where the cache has nothing to do with it. */
  cacheUse: CacheUse | undefined;
  // Most requests have neither, and make no lists.
  #passedOver: PassedOver[] | undefined;
  #findings: Finding[] | undefined;

  get passedOver(): readonly PassedOver[] {
    return this.#passedOver ?? none;
  }

  get findings(): readonly Finding[] {
    return this.#findings ?? none;
  }

  passOver(target: Target, error: unknown): void {
    (this.#passedOver ??= []).push({ target, error });
  }

  find(finding: Finding): void {
    (this.#findings ??= []).push(finding);
  }
}

const none: readonly never[] = [];

/** What the RPC door says to routing's own methods beside what every call says. */
export interface NotedContext extends CallContext {
  /** Undefined where the method is for no model. */
  readonly notes: CallNotes | undefined;
}

export function notesOf(context: CallContext): CallNotes | undefined {
  return (context as Partial<NotedContext>).notes;
}
