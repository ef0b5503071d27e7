/** Owns the order in which a call is treated: planned, looked through by guardrails, then attempted at one target after another, or beside a slow one, until a verdict says stop. */
import type { ProvidersService } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { Breaker } from "#platform/breaker.ts";
import type { Clock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import type { ServiceInterface } from "#platform/rpc/service-types.ts";
import { recordWait } from "#platform/tracing/span.ts";
import { emptyRequest } from "./attempts/attempt-request.ts";
import { attemptTarget, operationAt, type BegunReply } from "./attempts/attempt-target.ts";
import { failureOf, type Failure } from "./attempts/failures.ts";
import { firstToBegin, type Alarm } from "./attempts/hedging.ts";
import { pause, withOthersAtOnce, withRetries } from "./attempts/retrying.ts";
import { isUnknownTarget, verdictOn } from "./attempts/verdict.ts";
import type { Budgets } from "./budget/reserve.ts";
import { cacheOfCall, isFound, type ReplyCache } from "./cache/call-cache.ts";
import { noSize } from "./call-size.ts";
import type { Call, Reply } from "./call.ts";
import type { GrantRules, RuleSource } from "./grant-rules.ts";
import type { CallGuard, Finding } from "./guardrails/call-guard.ts";
import { governedCall } from "./guardrails/generation/governed-call.ts";
import { guardFor } from "./guardrails/guard-for.ts";
import { guardedReply } from "./guardrails/texts/guarded-reply.ts";
import { guardedRequest } from "./guardrails/texts/guarded-request.ts";
import { instructedTokens } from "./guardrails/generation/instructed-tokens.ts";
import type { Breathe } from "./guardrails/texts/look-through.ts";
import type { AskOutside } from "./guardrails/outside/outside-check.ts";
import type { JudgeJson } from "./guardrails/generation/reply-schema.ts";
import { lazyValue } from "./lazy-value.ts";
import { admitCall, type RateCounterSource } from "./rate-limits/rate-admission.ts";
import { recordFailure, recordReply } from "./records/record-call.ts";
import { spendingOf } from "./rate-limits/call-spending.ts";
import { capableTargets } from "./targets/capability.ts";
import { factsOf, planOf } from "./targets/plan-call.ts";
import { NoTarget, type Plan, type PlanningView, type Target } from "./targets/plan.ts";
import type { Latency } from "./targets/target-order.ts";

/** How soon the replies of targets begin; streams are compared with streams. */
export interface LatencySource {
  of(target: string, isStream: boolean): Latency;
  /** A call is about to try it: others need not. */
  claim(target: string, isStream: boolean): void;
  /** An attempt is made; what is returned is to be called when its reply has begun, or is not waited for any more. */
  begin(target: string, isStream: boolean): (hasBegun: boolean) => void;
}

export interface PipelineDependencies {
  readonly view: () => PlanningView;
  /** Resolves with true when what calls are planned by may be another, as long as it is being changed; with false where it is not, or the signal fires. */
  readonly nextView: (signal: AbortSignal) => Promise<boolean>;
  readonly priceVersion: () => string;
  readonly rulesOf: RuleSource;
  readonly rateCounterOf: RateCounterSource;
  readonly breaker: (name: string) => Breaker;
  readonly attempt: ServiceInterface<typeof ProvidersService>["attempt"];
  readonly budgets: Budgets;
  readonly latencies: LatencySource;
  /** Evenly from 0 to 1, without 1. */
  readonly random: () => number;
  readonly clock: Clock;
  readonly setAlarm: (afterMs: number) => Alarm;
  /** Told who began first where a second target was asked beside a slow one. */
  readonly onHedged: (winner: "first" | "second") => void;
  /** Told of every attempt that failed before its reply began. */
  readonly onFailedAttempt: (call: Call, target: Target, error: unknown) => void;
  /** Told of every target that is asked again, with why it had failed. */
  readonly onRetry: (target: Target, error: unknown) => void;
  /** Told of what guardrails find in a call, each kind of finding once. */
  readonly onFinding: (call: Call, finding: Finding) => void;
  readonly breathe: Breathe;
  /** Has texts judged by others, where a guardrail says so. */
  readonly askOutside: AskOutside;
  readonly judgeJson: JudgeJson;
  readonly cache: ReplyCache;
}

/**
 * Resolves with the first reply that begins. Throws the last failure, naming all that was tried, or RATE_LIMITED before anything is.
 * Routes and providers of a changed configuration come one after the other: a call between them waits until they fit.
 */
export async function runCall(received: Call, dependencies: PipelineDependencies): Promise<Reply> {
  for (;;) {
    try {
      return await runPlanned(received, dependencies);
    } catch (error) {
      if (!(error instanceof NoTarget || isUnknownTarget(error)) || !(await dependencies.nextView(received.signal))) throw error;
    }
  }
}

async function runPlanned(received: Call, dependencies: PipelineDependencies): Promise<Reply> {
  // The key's labels win: whoever is charged does not choose by what.
  const call: Call = { ...received, labels: { ...received.labels, ...received.grant.labels } };
  const rules = dependencies.rulesOf(call.grant);
  const plan = lazyValue(() => planOf(call, dependencies));
  if (rules === undefined || rules.rateLimits.length === 0) return runAdmitted(call, rules, plan(), dependencies);
  const { isStream, tokens: asked } = call.size ?? noSize;
  const { view, budgets } = dependencies;
  const tokens = lazyValue(() => instructedTokens(asked(), call, rules.guardrails, plan));
  const spending = lazyValue(() => spendingOf(call, () => plan().targets[0]!, (target) => budgets.rates(target, call.grant.organizationId, call.operation === "batches")));
  const admitted = await recordWait(call.span, "wait for rate limits", admitCall({ facts: factsOf(call, view()), isStream, tokens, spending }, rules.rateLimits, dependencies.rateCounterOf));
  try {
    const reply = await runAdmitted(call, rules, plan(), dependencies);
    const messages = reply.cacheUse !== undefined && isFound(reply.cacheUse) ? admitted.watchRepeated(reply.messages, call.signal) : admitted.watch(reply.messages, call.signal, reply.target);
    return { ...reply, messages, rateLimits: admitted.rateLimits };
  } catch (error) {
    admitted.fail();
    throw error;
  }
}

async function runAdmitted(asked: Call, rules: GrantRules | undefined, plan: Plan, dependencies: PipelineDependencies): Promise<Reply> {
  const guard = rules === undefined ? undefined : guardFor(asked, plan, rules.guardrails, (finding) => dependencies.onFinding(asked, finding), dependencies.askOutside);
  if (guard !== undefined && asked.operation === "batches") throw unguarded(asked.model);
  const call = guard === undefined ? asked : governedCall(asked, guard, dependencies.judgeJson);
  const cache = cacheOfCall(call, plan, guard, dependencies.cache);
  const failures: Failure[] = [];
  const onFailure = (target: Target, error: unknown): void => {
    if (isRefusal(error)) throw error;
    failures.push({ target, error });
    if (call.signal.aborted) throw call.signal.reason;
    if (verdictOn(error).next !== "next-target") throw failureOf(failures);
  };
  const tellFailure = (target: Target, error: unknown): void => {
    dependencies.onFailedAttempt(call, target, error);
    recordFailure(call, target, error);
  };
  const tryTarget: TryTarget = (target, attempted, sending) => {
    const mayGo = lazyValue(() => checkMayGo(attempted, plan, target, guard, dependencies));
    // Once for all attempts: guardrails may have others judge what it says.
    const operation = lazyValue(() => operationAt(target, attempted, plan, guard, dependencies));
    const attempt = async (): Promise<BegunReply> => {
      try {
        await mayGo();
        return await withOthersAtOnce(
          () => attemptTarget(attempted, plan, target, operation, cache, sending),
          (error) => tellFailure(target, error),
        );
      } catch (error) {
        // Who was asked beside one that began sooner is let go, and has not failed.
        const wasLetGo = attempted.signal.aborted && !call.signal.aborted;
        if (!wasLetGo && !isRefusal(error)) tellFailure(target, error);
        throw error;
      }
    };
    return withRetries(attempt, {
      most: plan.retries,
      random: dependencies.random,
      isOpen: () => dependencies.breaker(target.breakerName).isOpen,
      timeLeftMs: () => call.deadlineMs - dependencies.clock.now(),
      wait: (waitMs) => recordWait(call.span, "wait to retry", pause(waitMs, attempted.signal, dependencies.setAlarm)),
      onRetry: (error) => dependencies.onRetry(target, error),
    });
  };
  const targets = capableTargets(call.operation, call.model, plan.targets, dependencies.view());
  const isHedged = plan.hedgeAfterMs !== undefined && call.operation === "generate";
  const begun = await (isHedged ? tryHedged(targets, plan.hedgeAfterMs, tryTarget, onFailure, call, dependencies) : tryEach(targets, tryTarget, onFailure, call, dependencies));
  if (begun === undefined) throw failureOf(failures);
  return replyOf(call, plan, begun, guard, dependencies);
}

/** Throws TARGET_NOT_ALLOWED where a guardrail keeps what the call says from the target. */
async function checkMayGo(call: Call, { strict }: Plan, target: Target, guard: CallGuard | undefined, { breathe }: PipelineDependencies): Promise<void> {
  const keeper = guard?.keeperFrom(target);
  if (keeper !== undefined) await guardedRequest({ ...emptyRequest, operation: call.operationFor(target, strict, guard!.looksAt("output")) }, keeper, breathe);
}

type TryTarget = (target: Target, call: Call, dependencies: PipelineDependencies) => Promise<BegunReply>;

/** Undefined where every target has failed. */
async function tryEach(targets: readonly Target[], tryTarget: TryTarget, onFailure: (target: Target, error: unknown) => void, call: Call, dependencies: PipelineDependencies): Promise<BegunReply | undefined> {
  for (const target of targets) {
    try {
      return await tryTarget(target, call, dependencies);
    } catch (error) {
      onFailure(target, error);
    }
  }
  return undefined;
}

/** The same, the next beside one that is slow. */
function tryHedged(targets: readonly Target[], afterMs: number, tryTarget: TryTarget, onFailure: (target: Target, error: unknown) => void, call: Call, dependencies: PipelineDependencies): Promise<BegunReply | undefined> {
  const { setAlarm, onHedged } = dependencies;
  return firstToBegin<BegunReply>(targets, {
    afterMs,
    setAlarm,
    attempt: (target, signal, onSent) => {
      const send: PipelineDependencies["attempt"] = (request, context) => {
        onSent();
        return dependencies.attempt(request, context);
      };
      return tryTarget(target, { ...call, signal: AbortSignal.any([call.signal, signal]) }, { ...dependencies, attempt: send });
    },
    onFailure,
    discard: ({ messages }) => void messages[Symbol.asyncIterator]().return?.(),
    onDecided: onHedged,
  });
}

function replyOf(call: Call, plan: Plan, { target, messages, warnings, cacheUse, received }: BegunReply, guard: CallGuard | undefined, { breathe, cache }: PipelineDependencies): Reply {
  const looked = guard?.looksAt("output") === true ? guardedReply(messages, call.operation, guard, breathe) : messages;
  const judged = call.watchReply?.(looked) ?? looked;
  const reply: Reply = { route: plan.route, target, messages: received?.toCaller(judged) ?? judged, warnings: guard === undefined ? () => warnings : () => [...warnings, ...guard.warnings] };
  recordReply(call, reply, cacheUse);
  if (cacheUse === undefined) return reply;
  cache.onUse(call, plan, target, cacheUse);
  return { ...reply, cacheUse };
}

/** What guardrails refuse has reached no target. */
function isRefusal(error: unknown): boolean {
  return error instanceof GatewayError && (error.reason === "GUARDRAIL_BLOCKED" || error.reason === "GUARDRAIL_UNAVAILABLE");
}

/** What a batch generates comes hours later, when nobody looks through it. */
function unguarded(model: string): GatewayError {
  return new GatewayError("GUARDRAIL_UNAVAILABLE", `A guardrail is for calls of ${model}, and none can be carried out in a batch; nothing was sent. Make the calls one by one.`, { metadata: { model } });
}
