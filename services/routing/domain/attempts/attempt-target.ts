/** Owns one attempt at one target: looked up in the cache, paid for by a hold, sent, and begun or failed. */
import type { Warning } from "#gen/weir/inference/v1/generation_pb.ts";
import type { AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { Clock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import { reserve, settleFailure, type Reservation } from "../budget/reserve.ts";
import type { CacheUse, CallCache } from "../cache/call-cache.ts";
import type { ReceivedReply } from "../cache/received-reply.ts";
import { messagesIn } from "../cache/reply-bytes.ts";
import { noSize } from "../call-size.ts";
import type { Call, Operation } from "../call.ts";
import type { CallGuard } from "../guardrails/call-guard.ts";
import { guardedRequest } from "../guardrails/texts/guarded-request.ts";
import type { PipelineDependencies } from "../pipeline.ts";
import { refuseUnfit } from "../targets/fitness.ts";
import type { Plan, Target } from "../targets/plan.ts";
import { attemptRequest, emptyRequest } from "./attempt-request.ts";
import { StartedReply } from "./started-reply.ts";

/** What comes of a target, as it came. */
export interface BegunReply {
  readonly target: Target;
  readonly messages: AsyncIterable<AttemptResponse>;
  /** What a budget has to say. */
  readonly warnings: readonly Warning[];
  /** Absent where no rule has the reply kept. */
  readonly cacheUse?: CacheUse;
  readonly received?: ReceivedReply | undefined;
}

const none: readonly Warning[] = [];

export async function attemptTarget(call: Call, plan: Plan, target: Target, operation: () => Promise<Operation>, cache: CallCache | undefined, dependencies: PipelineDependencies): Promise<BegunReply> {
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
export async function operationAt(target: Target, call: Call, { strict }: Plan, guard: CallGuard | undefined, { breathe }: PipelineDependencies): Promise<Operation> {
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
