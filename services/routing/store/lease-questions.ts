/** Owns asking policy for leases: each question within its time, and given up when policy falls silent. */
import type { AcquireLeaseRequest, AcquireLeaseResponse, PeekLeaseRequest, PeekLeaseResponse } from "#gen/weir/policy/v1/lease_pb.ts";
import type { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { CallContext, ServiceInterface } from "#platform/rpc/service-types.ts";

export interface LeaseQuestionsOptions {
  readonly policy: Pick<ServiceInterface<typeof PolicyService>, "acquireLease" | "peekLease">;
  /** How long ago policy and its database were last known to be in reach. */
  readonly contact: { readonly ageMs: number };
}

const identity = { kind: "service", name: "routing" } as const;
/** Beyond the wait: for policy's own work. */
const answerTimeoutMs = 5_000;
/** A policy that is silent for so long answers no question: the calls that wait for one are not to wait on for their budget's sake. */
const mostSilenceMs = 3_000;
/** After which a call may ask again for what policy did not say. */
const retryAfterMs = 1_000;

export class LeaseQuestions {
  readonly #options: LeaseQuestionsOptions;
  /** What gives up those that are unanswered, and since when they are asked. */
  readonly #unanswered = new Map<AbortController, number>();

  constructor(options: LeaseQuestionsOptions) {
    this.#options = options;
  }

  /** Throws DEPENDENCY_UNAVAILABLE when policy does not answer so long after the wait that it is allowed. */
  ask(request: AcquireLeaseRequest, waitMs: number, askedAtMs: number, trace: CallContext["trace"]): Promise<AcquireLeaseResponse> {
    const silence = new AbortController();
    this.#unanswered.set(silence, askedAtMs);
    const signal = AbortSignal.any([silence.signal, AbortSignal.timeout(waitMs + answerTimeoutMs)]);
    return this.#options.policy
      .acquireLease(request, { identity, requestId: "", signal, trace })
      .catch((error: unknown) => {
        if (!signal.aborted) throw error;
        throw new GatewayError("DEPENDENCY_UNAVAILABLE", "Policy does not say whether the budget of this key has room. Try again soon.", { metadata: { dependency: "policy" }, retryAfterMs, cause: error });
      })
      .finally(() => this.#unanswered.delete(silence));
  }

  peek(request: PeekLeaseRequest): Promise<PeekLeaseResponse> {
    return this.#options.policy.peekLease(request, { identity, requestId: "", signal: AbortSignal.timeout(answerTimeoutMs) });
  }

  /** To be called now and then, with the time of the clock by which it is told when questions were asked. */
  giveUpSilent(nowMs: number): void {
    if (this.#options.contact.ageMs <= mostSilenceMs) return;
    for (const [silence, askedAtMs] of this.#unanswered) if (nowMs - askedAtMs > mostSilenceMs) silence.abort();
  }
}
