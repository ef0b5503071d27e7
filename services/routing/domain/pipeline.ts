/** Owns the order in which a call is treated: planned, looked through by guardrails, then attempted at one target after another, or beside a slow one, until a verdict says stop. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Warning } from "#gen/weir/inference/v1/generation_pb.ts";
import { AttributionSchema } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { AttemptRequestSchema, type AttemptRequest, type AttemptResponse, type ProvidersService } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { InferenceService, type Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { Grant } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { RateLimit } from "#gen/weir/types/v1/rate_limit_pb.ts";
import type { Breaker } from "#platform/breaker.ts";
import type { Clock } from "#platform/clock.ts";
import type { CallFacts } from "#platform/condition.ts";
import { GatewayError } from "#platform/errors.ts";
import { newId } from "#platform/ids.ts";
import type { ServiceInterface } from "#platform/service-types.ts";
import { recordWait, type Span } from "#platform/tracing/span.ts";
import { authorizePlan } from "./admission/admit.ts";
import type { Bound } from "./budget/bound.ts";
import { reserve, settleFailure, settleReply, type Budgets, type Reservation } from "./budget/reserve.ts";
import type { CallNotes } from "./records/call-notes.ts";
import type { CallSize } from "./call-size.ts";
import { cacheOfCall, isFound, type CacheUse, type CallCache, type ReplyCache } from "./cache/call-cache.ts";
import type { ReceivedReply } from "./cache/received-reply.ts";
import { messagesIn } from "./cache/reply-bytes.ts";
import { accountOperations, capableTargets, isAccountOperation, type OperationName } from "./targets/capability.ts";
import { refuseUnfit, type Needs } from "./targets/fitness.ts";
import type { GrantRules, RuleSource } from "./grant-rules.ts";
import type { CallGuard, Finding } from "./guardrails/call-guard.ts";
import { governedCall } from "./guardrails/governed-call.ts";
import { guardFor } from "./guardrails/guard-for.ts";
import { guardedReply } from "./guardrails/guarded-reply.ts";
import { guardedRequest } from "./guardrails/guarded-request.ts";
import { instructedTokens } from "./guardrails/instructed-tokens.ts";
import type { Breathe } from "./guardrails/look-through.ts";
import type { AskOutside } from "./guardrails/outside-check.ts";
import type { JudgeJson } from "./guardrails/reply-schema.ts";
import { firstToBegin, type Alarm } from "./attempts/hedging.ts";
import { once } from "./once.ts";
import { withOutputMaximum } from "./output-maximum.ts";
import { NoTarget, planTargets, type Plan, type PlanningView, type Target } from "./targets/plan.ts";
import { admitCall, type RateCounterSource } from "./rate-limits/rate-admission.ts";
import { recordFailure, recordReply } from "./records/recorded-call.ts";
import { pause, withOthersAtOnce, withRetries } from "./attempts/retrying.ts";
import { routingFactsOf } from "./targets/route-case.ts";
import { noTokens } from "./rate-limits/token-estimate.ts";
import { estimatedNanos, spendingOf } from "./spending.ts";
import { drawFrom, orderTargets, type Latency, type OrderSights, type TargetOrder } from "./targets/target-order.ts";
import { isUnknownTarget, verdictOn } from "./attempts/verdict.ts";

type Operation = AttemptRequest["operation"];

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

/** What comes of a target, as it came. */
interface BegunReply {
  readonly target: Target;
  readonly messages: AsyncIterable<AttemptResponse>;
  /** What a budget has to say. */
  readonly warnings: readonly Warning[];
  /** Absent where no rule has the reply kept. */
  readonly cacheUse?: CacheUse;
  readonly received?: ReceivedReply | undefined;
}

/** How long an attempt may wait at providers before it begins. */
const startWithinMs = 30_000;

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
  const plan = once(() => planOf(call, dependencies));
  if (rules === undefined || rules.rateLimits.length === 0) return runAdmitted(call, rules, plan(), dependencies);
  const { isStream, tokens: asked } = call.size ?? noSize;
  const { view, budgets } = dependencies;
  const tokens = once(() => instructedTokens(asked(), call, rules.guardrails, plan));
  const spending = once(() => spendingOf(call, () => plan().targets[0]!, (target) => budgets.rates(target, call.grant.organizationId, call.operation === "batches")));
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

const noSize: CallSize = { isStream: false, tokens: () => noTokens };

/** Where the call may go, in the order in which it is tried. Throws MODEL_NOT_FOUND, MODEL_NOT_ALLOWED, PROVIDER_NOT_ALLOWED. */
export function planOf(call: Call, dependencies: OrderDependencies): Plan {
  const { model, grant } = call;
  const plan = call.plan ?? authorizePlan(model, planFor(call, dependencies.view()), grant);
  if (plan.order.by === "listed") return plan;
  const targets = orderTargets(plan.targets, plan.order, orderSightsOf(call, plan.order, dependencies));
  if (plan.order.by === "latency") dependencies.latencies.claim(targets[0]!.name, (call.size ?? noSize).isStream);
  return { ...plan, targets };
}

/** What of a call decides on its route's targets. */
export type PlannedCall = Pick<Call, "model" | "grant" | "operation" | "labels" | "size" | "needs">;

/** Where the call may go, as listed, whatever its key allows. Throws MODEL_NOT_FOUND. */
export function planFor(call: PlannedCall, view: PlanningView): Plan {
  return planTargets(call.model, view, () => routingFactsOf(factsOf(call, view), call.size, call.needs));
}

type OrderDependencies = Pick<PipelineDependencies, "view" | "budgets" | "latencies" | "random">;

/** What the order of this call's targets goes by. */
export function orderSightsOf(call: Call, order: TargetOrder, { budgets, latencies, random }: OrderDependencies): OrderSights {
  const { isStream, tokens } = call.size ?? noSize;
  const size = once(tokens);
  const alike = order.by === "weight" && Object.hasOwn(call.labels, order.stickyLabel) ? call.labels[order.stickyLabel] : undefined;
  return {
    drawOf: alike === undefined ? random : ({ name }) => drawFrom([call.grant.organizationId, alike, name]),
    nanosAt: (target) => estimatedNanos(call, size(), target, () => budgets.rates(target, call.grant.organizationId, call.operation === "batches")),
    latencyAt: ({ name }) => latencies.of(name, isStream),
  };
}

function factsOf({ grant, model, operation, labels }: PlannedCall, { routes }: PlanningView): CallFacts {
  return {
    organization: grant.organizationId,
    team: grant.teamId,
    key: grant.keyId,
    member: grant.memberId,
    model,
    route: routes.has(model) ? model : "",
    operation: operationWord(operation),
    labels,
  };
}

/** The operation by its RPC, for rules. */
export function operationWord(operation: OperationName): string {
  return isAccountOperation(operation) ? accountOperations[operation] : InferenceService.method[operation].name;
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
    const mayGo = once(() => checkMayGo(attempted, plan, target, guard, dependencies));
    // Once for all attempts: guardrails may have others judge what it says.
    const operation = once(() => operationAt(target, attempted, plan, guard, dependencies));
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

interface Failure {
  readonly target: Target;
  readonly error: unknown;
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

const none: readonly Warning[] = [];

/** What guardrails refuse has reached no target. */
function isRefusal(error: unknown): boolean {
  return error instanceof GatewayError && (error.reason === "GUARDRAIL_BLOCKED" || error.reason === "GUARDRAIL_UNAVAILABLE");
}

/** What a batch generates comes hours later, when nobody looks through it. */
function unguarded(model: string): GatewayError {
  return new GatewayError("GUARDRAIL_UNAVAILABLE", `A guardrail is for calls of ${model}, and none can be carried out in a batch; nothing was sent. Make the calls one by one.`, { metadata: { model } });
}

async function attemptTarget(call: Call, plan: Plan, target: Target, operation: () => Promise<Operation>, cache: CallCache | undefined, dependencies: PipelineDependencies): Promise<BegunReply> {
  // A caller who named a single target wants that one, and its vendor knows best.
  if (plan.targets.length > 1 && call.needs !== undefined) refuseUnfit(target, call.needs);
  if (cache === undefined) return reserveAndSend(call, plan, target, operation, dependencies);
  const place = await cache.placeAt(target, await operation());
  if (place.found !== undefined) return { target, messages: messagesIn(place.found.bytes), warnings: none, cacheUse: place.found.use };
  const begun = await reserveAndSend(call, plan, target, operation, dependencies);
  // What a budget has shortened is not what was asked for.
  const received = begun.warnings.length > 0 ? undefined : place.receive?.(begun.messages);
  return { ...begun, messages: received?.fromTarget() ?? begun.messages, cacheUse: place.useOtherwise, received };
}

/** As it is to be sent, but for what a budget will still hold it to. */
async function operationAt(target: Target, call: Call, { strict }: Plan, guard: CallGuard | undefined, { breathe }: PipelineDependencies): Promise<Operation> {
  const asked = call.operationFor(target, strict, guard?.looksAt("output") === true);
  const looked = guard?.looksAt("input") === true ? (await guardedRequest({ ...emptyRequest, operation: asked }, guard, breathe)).operation : asked;
  return call.complete === undefined ? looked : call.complete(looked);
}

async function reserveAndSend(call: Call, plan: Plan, target: Target, operation: () => Promise<Operation>, dependencies: PipelineDependencies): Promise<BegunReply> {
  if (!call.grant.budgeted) return send(call, plan, target, operation, undefined, dependencies);
  const context = { grant: call.grant, labels: call.labels, signal: call.signal, deadlineMs: call.deadlineMs, span: call.span };
  const draw = (): Promise<Reservation | undefined> => reserve((at) => call.boundAt(at), call.operation === "batches", target, context, dependencies.budgets);
  const reservation = await reserveAhead(draw, operation, dependencies.clock);
  return send(call, plan, target, operation, reservation, dependencies);
}

/** So short of its end, a hold is drawn anew. */
const leastHoldMs = 100;

/**
 * Before the operation is made ready, so that nobody is asked to judge what no budget has room for. Judges take their time, and a hold has its own:
 * an attempt that began after it would be held by nothing.
 */
async function reserveAhead(draw: () => Promise<Reservation | undefined>, operation: () => Promise<Operation>, clock: Clock): Promise<Reservation | undefined> {
  const reservation = await draw();
  if (reservation === undefined) return undefined;
  const drawnAtMs = clock.monotonicMs();
  try {
    await operation();
  } catch (error) {
    settleFailure(reservation, undefined);
    throw error;
  }
  const startWithinMs = reservation.hold.startWithinMs - (clock.monotonicMs() - drawnAtMs);
  if (startWithinMs >= leastHoldMs) return { ...reservation, hold: { ...reservation.hold, startWithinMs } };
  settleFailure(reservation, undefined);
  return draw();
}

/** A caller who leaves after so long without a byte has given up on the target; sooner, it may have changed its mind. */
const givenUpAfterMs = 30_000;

async function send(call: Call, plan: Plan, target: Target, operation: () => Promise<Operation>, reservation: Reservation | undefined, dependencies: PipelineDependencies): Promise<BegunReply> {
  const context = { identity: serviceIdentity, requestId: call.requestId, signal: call.signal, deadlineMs: call.deadlineMs, trace: call.span?.context };
  const { clock } = dependencies;
  let sentAtMs: number | undefined;
  let stopClock: ((hasBegun: boolean) => void) | undefined;
  try {
    const request = attemptRequest(call, plan, target, await operation(), reservation, dependencies);
    if (plan.order.by === "latency") stopClock = dependencies.latencies.begin(target.name, (call.size ?? noSize).isStream);
    // Not before: with other settings there is another one.
    const breaker = dependencies.breaker(target.breakerName);
    const { iterator, first } = await breaker.run(async () => {
      sentAtMs = clock.monotonicMs();
      const iterator = dependencies.attempt(request, context)[Symbol.asyncIterator]();
      return { iterator, first: await iterator.next() };
    });
    if (first.done === true) throw new GatewayError("UPSTREAM_PROTOCOL", `${target.name} ended without a reply.`);
    stopClock?.(true);
    return { target, messages: new StartedReply(first.value, iterator, breaker, reservation), warnings: reservation?.warnings ?? none };
  } catch (error) {
    stopClock?.(false);
    if (sentAtMs !== undefined && call.signal.aborted && clock.monotonicMs() - sentAtMs >= givenUpAfterMs) dependencies.breaker(target.breakerName).reportFailure();
    if (reservation !== undefined) settleFailure(reservation, sentAtMs === undefined ? undefined : error);
    throw error;
  }
}

const serviceIdentity = { kind: "service", name: "routing" } as const;

// Copies of empty ones, filled field by field: protobuf-es takes several times as long, and every request makes these two.
const emptyAttribution = create(AttributionSchema);
const emptyRequest = create(AttemptRequestSchema);

function attemptRequest(call: Call, { route }: Plan, target: Target, operation: Operation, reservation: Reservation | undefined, { clock, priceVersion }: PipelineDependencies): AttemptRequest {
  const attribution = { ...emptyAttribution };
  attribution.organizationId = call.grant.organizationId;
  attribution.teamId = call.grant.teamId;
  attribution.keyId = call.grant.keyId;
  attribution.labels = call.labels;
  const request = { ...emptyRequest };
  request.attemptId = newId("att", clock);
  request.requestId = call.requestId;
  request.attribution = attribution;
  request.route = route;
  request.provider = target.provider.name;
  request.model = target.model;
  request.priceVersion = priceVersion();
  request.startDeadlineTime = timestampFromMs(clock.now() + startWithinMs);
  if (reservation !== undefined) {
    const { leaseId, bound, startWithinMs: lifeMs } = reservation.hold;
    request.leaseId = leaseId;
    request.boundNanos = bound.nanos;
    request.startDeadlineTime = timestampFromMs(clock.now() + Math.min(startWithinMs, Math.floor(lifeMs)));
  }
  if (call.ownAccount !== undefined) request.ownAccount = call.ownAccount;
  request.operation = withOutputMaximum(operation, reservation?.hold.bound.outputTokens);
  return request;
}

/** The attempt's messages, the first of which was taken already; a later cut counts against the target's health. */
class StartedReply implements AsyncIterable<AttemptResponse>, AsyncIterator<AttemptResponse> {
  #first: AttemptResponse | undefined;
  readonly #rest: AsyncIterator<AttemptResponse>;
  readonly #breaker: Breaker;
  readonly #reservation: Reservation | undefined;

  constructor(first: AttemptResponse, rest: AsyncIterator<AttemptResponse>, breaker: Breaker, reservation: Reservation | undefined) {
    this.#first = first;
    this.#rest = rest;
    this.#breaker = breaker;
    this.#reservation = reservation;
    if (reservation !== undefined && first.end !== undefined) settleReply(reservation, first.end.usage);
  }

  [Symbol.asyncIterator](): AsyncIterator<AttemptResponse> {
    return this;
  }

  next(): Promise<IteratorResult<AttemptResponse>> {
    const first = this.#first;
    if (first !== undefined) {
      this.#first = undefined;
      return Promise.resolve({ done: false, value: first });
    }
    const next = this.#rest.next();
    // Beside the way of the messages: an async function around each of them would cost as much as the rest of this hop.
    if (this.#reservation === undefined) next.catch(this.#countFailure);
    else next.then(this.#settle, this.#countFailure);
    return next;
  }

  readonly #settle = ({ value }: IteratorResult<AttemptResponse>): void => {
    const end = (value as AttemptResponse | undefined)?.end;
    if (end !== undefined) settleReply(this.#reservation!, end.usage);
  };

  readonly #countFailure = (error: unknown): void => {
    if (verdictOn(error).health === "failed") this.#breaker.reportFailure();
  };

  async return(): Promise<IteratorResult<AttemptResponse>> {
    await this.#rest.return?.();
    return { done: true, value: undefined };
  }
}

function failureOf(failures: readonly Failure[]): unknown {
  // Why one that may be asked did not answer says more than why others may not.
  const last = failures.findLast(({ error }) => !(error instanceof GatewayError && error.reason === "TARGET_NOT_ALLOWED")) ?? failures.at(-1)!;
  if (failures.length === 1 || !(last.error instanceof GatewayError)) return last.error;
  if (verdictOn(last.error).next !== "next-target") return last.error;
  const tried = failures.map(({ target, error }) => `${target.name}: ${error instanceof Error ? error.message : "failed"}`).join(" ");
  return new GatewayError(last.error.reason, `All ${failures.length} targets failed. ${tried}`, {
    metadata: { ...last.error.metadata, tried: failures.map(({ target }) => target.name).join(",") },
    cause: last.error,
    ...(last.error.retryAfterMs === undefined ? {} : { retryAfterMs: last.error.retryAfterMs }),
  });
}
