/** Owns a run of the pipeline that takes, counts and sends nothing: the same way with other ends, and what was seen on it. */
import { create } from "@bufbuild/protobuf";
import type { CallBudget } from "#gen/weir/policy/v1/lease_pb.ts";
import { AttemptEndSchema, AttemptResponseSchema, type AttemptRequest, type AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { circuitOpen, type Breaker } from "#platform/breaker.ts";
import type { Hold, HoldContext, Need } from "./budget/hold.ts";
import type { Finding } from "./guardrails/call-guard.ts";
import type { PipelineDependencies } from "./pipeline.ts";
import type { Target } from "./targets/plan.ts";
import { RateExceeded, type RateCounter } from "./rate-limits/rate-admission.ts";
import type { AppliedLimit } from "./rate-limits/rate-limit.ts";

/** What is left of a rate limit's counter. */
export interface RateRoom {
  readonly remaining: number;
  readonly retryAfterMs: number;
}

export interface PeekedHold {
  readonly hold: Hold;
  /** The budget for which the call would wait first; empty where none. */
  readonly waitsFor: string;
}

/** How limits, budgets and credentials stand, asked without a trace. */
export interface Peeks {
  rateRoom(limit: AppliedLimit, counted: string): Promise<RateRoom>;
  hold(need: Need, context: HoldContext): Promise<PeekedHold>;
  budgetsOf(context: HoldContext): Promise<readonly CallBudget[]>;
  /** Throws what an attempt would where there is none. */
  credential(provider: string, organizationId: string, signal: AbortSignal): Promise<void>;
}

/** What a run came by. */
export interface Sights {
  readonly limits: { readonly limit: AppliedLimit; readonly counted: string; readonly needed: number; readonly remaining: number }[];
  budgets: readonly CallBudget[];
  neededNanos: bigint;
  waitsFor: string;
  readonly findings: Finding[];
  /** Those who were not asked for their judgement, by the guardrail that would have. */
  readonly unasked: Map<string, string>;
  readonly failures: { readonly target: Target; readonly error: unknown }[];
}

/** The pipeline with other ends; a call that would be sent has its reply begin, and end with nothing. */
export function dryRun(pipeline: PipelineDependencies, peeks: Peeks): { readonly pipeline: PipelineDependencies; readonly sights: Sights } {
  const sights: Sights = { limits: [], budgets: [], neededNanos: 0n, waitsFor: "", findings: [], unasked: new Map(), failures: [] };
  return {
    sights,
    pipeline: {
      ...pipeline,
      rateCounterOf: (limit, counted) => new PeekingCounter(limit, counted, peeks, sights),
      breaker: (name) => withoutTrace(name, pipeline.breaker(name)),
      attempt: (request, { signal }) => sendNothing(request, signal, peeks),
      latencies: { of: (target, isStream) => pipeline.latencies.of(target, isStream), claim: () => undefined, begin: () => () => undefined },
      // What is drawn first most often comes first.
      random: () => 0.5,
      budgets: { ...pipeline.budgets, holds: { hold: (need, context) => peekHold(need, context, peeks, sights) } },
      onFailedAttempt: (_call, target, error) => void sights.failures.push({ target, error }),
      onRetry: () => undefined,
      onFinding: (_call, finding) => void sights.findings.push(finding),
      askOutside: ({ name }, { rule }) => {
        sights.unasked.set(rule, name);
        return Promise.resolve({ verdict: "allow" });
      },
      judgeJson: () => Promise.resolve(undefined),
      cache: { ...pipeline.cache, rules: () => [] },
    },
  };
}

/** Has nothing in hand, so that what is left is asked of policy. */
class PeekingCounter implements RateCounter {
  readonly #limit: AppliedLimit;
  readonly #counted: string;
  readonly #peeks: Peeks;
  readonly #sights: Sights;
  readonly windowTimeMs = 0;
  readonly resetTimeMs = 0;
  remaining = 0;

  constructor(limit: AppliedLimit, counted: string, peeks: Peeks, sights: Sights) {
    this.#limit = limit;
    this.#counted = counted;
    this.#peeks = peeks;
    this.#sights = sights;
  }

  take(): boolean {
    return false;
  }

  async draw(amount: number): Promise<void> {
    const { remaining, retryAfterMs } = await this.#peeks.rateRoom(this.#limit, this.#counted);
    this.remaining = remaining;
    this.#sights.limits.push({ limit: this.#limit, counted: this.#counted, needed: amount, remaining });
    if (amount > remaining) throw new RateExceeded(retryAfterMs);
  }

  correct(): void {}
}

async function peekHold(need: Need, context: HoldContext, peeks: Peeks, sights: Sights): Promise<Hold> {
  sights.neededNanos = need.bound.nanos;
  sights.budgets = await peeks.budgetsOf(context);
  const { hold, waitsFor } = await peeks.hold(need, context);
  sights.waitsFor = waitsFor;
  return hold;
}

function withoutTrace(name: string, breaker: Breaker): Breaker {
  return {
    isOpen: breaker.isOpen,
    run: (action) => (breaker.isOpen ? Promise.reject(circuitOpen(name)) : action()),
    reportFailure: () => undefined,
    shutdown: () => undefined,
  };
}

async function* sendNothing({ provider, attribution }: AttemptRequest, signal: AbortSignal, peeks: Peeks): AsyncIterable<AttemptResponse> {
  await peeks.credential(provider, attribution!.organizationId, signal);
  yield create(AttemptResponseSchema, { end: create(AttemptEndSchema) });
}
