/** Owns whether the rate limits let a call in, and what is given back or counted after it, however it ends. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { RateLimitSchema, type RateLimit, type RateLimitUnit } from "#gen/weir/types/v1/rate_limit_pb.ts";
import type { Usage } from "#gen/weir/types/v1/usage_pb.ts";
import type { CallFacts } from "#platform/condition.ts";
import { GatewayError } from "#platform/errors.ts";
import type { AppliedLimit, CountedSize } from "./rate-limit.ts";
import type { Target } from "../targets/plan.ts";
import type { Spending } from "./call-spending.ts";
import { countTokens, noTokens, type TokenCount } from "./token-estimate.ts";

/** One counter, as it is seen in this process. */
export interface RateCounter {
  /** Whether there was so much in hand; then it is taken. */
  take(amount: number): boolean;
  /** Takes so much as soon as policy grants it. Throws RateExceeded when it does not, DEPENDENCY_UNAVAILABLE when it cannot be asked. */
  draw(amount: number): Promise<void>;
  /** What was taken turns out to be more (positive) or less by so much, of the window in which it was taken. */
  correct(difference: number, windowTimeMs: number): void;
  /** The window in which was taken what was taken last. */
  readonly windowTimeMs: number;
  /** What is left for all, as far as it is known here. */
  readonly remaining: number;
  /** When the window ends, in milliseconds since 1970. */
  readonly resetTimeMs: number;
}

/** The counter of a limit that is of this. */
export type RateCounterSource = (limit: AppliedLimit, counted: string) => RateCounter;

/** A counter has not so much left. */
export class RateExceeded extends Error {
  readonly retryAfterMs: number;

  constructor(retryAfterMs: number) {
    super("A rate limit is reached.");
    this.retryAfterMs = retryAfterMs;
  }
}

/** A refusal that also knows what headers tell of the limits. */
export class RateLimitedError extends GatewayError {
  readonly rateLimits: readonly RateLimit[];

  constructor(takings: readonly Taking[], retryAfterMs: number) {
    const [{ limit, counted }] = takings as readonly [Taking, ...Taking[]];
    const { id, name, said, windowMs } = limit;
    const rate = windowMs === undefined ? said : `${said} per ${windowNames.get(windowMs)!}`;
    const advice = windowMs === undefined ? "Try again when some of them have ended" : `Try again in ${Math.ceil(retryAfterMs / 1000)} s`;
    super("RATE_LIMITED", `The rate limit "${name}" is reached: ${rate} for ${counted}. ${advice}, or have the limit raised.`, {
      retryAfterMs,
      metadata: { rate_limit: id },
      quotaViolations: takings.map((taking) => ({ subject: taking.counted, description: `The rate limit "${taking.limit.name}" is reached.`, quotaMetric: taking.limit.count, quotaId: taking.limit.id, quotaValue: BigInt(taking.limit.amount) })),
    });
    this.rateLimits = shown(takings);
  }
}

const windowNames: ReadonlyMap<number, string> = new Map([[1_000, "second"], [60_000, "minute"], [3_600_000, "hour"], [86_400_000, "day"]]);

/** What a call takes from one counter. */
interface Taking {
  readonly limit: AppliedLimit;
  readonly counter: RateCounter;
  readonly counted: string;
  readonly amount: number;
  /** The window of which it was taken. */
  windowTimeMs: number;
}

export interface LimitedCall {
  readonly facts: CallFacts;
  readonly isStream: boolean;
  /** An estimate; asked for only where tokens are counted. */
  readonly tokens: () => TokenCount;
  /** Asked only where spending is counted. */
  readonly spending: () => Spending;
}

/**
 * Takes the call from every counter that it falls under, or from none. Resolved at once where all is in hand.
 * Throws RateLimitedError, or DEPENDENCY_UNAVAILABLE when policy must be asked and cannot.
 */
export function admitCall(call: LimitedCall, limits: readonly AppliedLimit[], counterOf: RateCounterSource): AdmittedCall | Promise<AdmittedCall> {
  const takings: Taking[] = [];
  const size: CountedSize = { isStream: call.isStream, tokens: call.tokens, spentNanos: () => call.spending().before(call.tokens()) };
  for (const limit of limits) {
    if (!limit.where(call.facts)) continue;
    const asked = limit.takenBy(size);
    if (asked === undefined) continue;
    const counted = limit.counterOf(call.facts);
    // What is larger than a whole window gets in with a whole window, and is corrected after.
    takings.push({ limit, counter: counterOf(limit, counted), counted, amount: Math.min(asked, limit.amount), windowTimeMs: 0 });
  }
  const missing = takings.filter((taking) => !taking.counter.take(taking.amount) || !noteWindow(taking));
  return missing.length === 0 ? new AdmittedCall(takings, call) : drawMissing(call, takings, missing);
}

async function drawMissing(call: LimitedCall, takings: readonly Taking[], missing: readonly Taking[]): Promise<AdmittedCall> {
  const refusals = new Map<Taking, unknown>();
  await Promise.all(missing.map((taking) => taking.counter.draw(taking.amount).then(() => noteWindow(taking), (error: unknown) => refusals.set(taking, error))));
  if (refusals.size === 0) return new AdmittedCall(takings, call);
  for (const taking of takings) if (!refusals.has(taking)) taking.counter.correct(-taking.amount, taking.windowTimeMs);
  throw refusalOf(refusals);
}

function noteWindow(taking: Taking): true {
  taking.windowTimeMs = taking.counter.windowTimeMs;
  return true;
}

/** What lasts longest is told first. */
function refusalOf(refusals: ReadonlyMap<Taking, unknown>): unknown {
  const exceeded = [...refusals].flatMap(([taking, error]) => (error instanceof RateExceeded ? [{ taking, retryAfterMs: error.retryAfterMs }] : []));
  exceeded.sort((left, right) => right.retryAfterMs - left.retryAfterMs);
  const [longest] = exceeded;
  if (longest === undefined) return [...refusals.values()][0];
  return new RateLimitedError(exceeded.map(({ taking }) => taking), longest.retryAfterMs);
}

/** A call that was let in; it is ended once, whatever becomes of it. */
export class AdmittedCall {
  readonly #takings: readonly Taking[];
  readonly #call: LimitedCall;
  #hasEnded = false;

  constructor(takings: readonly Taking[], call: LimitedCall) {
    this.#takings = takings;
    this.#call = call;
  }

  /** What headers tell. */
  get rateLimits(): readonly RateLimit[] {
    return shown(this.#takings);
  }

  /** Nothing was consumed: no attempt came to a reply, or none was made. */
  fail(): void {
    this.#end({ isStream: false, tokens: () => noTokens, spentNanos: () => 0 });
  }

  /** The reply, by which the call ends: with what the vendor reports, or else with about what came of it. */
  watch(messages: AsyncIterable<AttemptResponse>, signal: AbortSignal, target: Target): AsyncIterable<AttemptResponse> {
    const countsPieces = this.#takings.some(({ limit }) => limit.isEstimated);
    return new WatchedReply(messages[Symbol.asyncIterator](), signal, countsPieces, (usage, pieces) => this.#end(usage === undefined ? this.#soFar(pieces) : this.#reported(usage, target)));
  }

  /** A reply that was given before, and consumes nothing: that it is a request stays counted. */
  watchRepeated(messages: AsyncIterable<AttemptResponse>, signal: AbortSignal): AsyncIterable<AttemptResponse> {
    return new WatchedReply(messages[Symbol.asyncIterator](), signal, false, () => this.fail());
  }

  #soFar(pieces: number): CountedSize {
    const tokens = (): TokenCount => {
      const { input, output } = this.#call.tokens();
      return { input, output: Math.min(output, pieces) };
    };
    return { isStream: false, tokens, spentNanos: () => this.#call.spending().before(tokens()) };
  }

  #reported(usage: Usage, target: Target): CountedSize {
    const { tokens, spending } = this.#call;
    return { isStream: false, tokens: () => countTokens(usage), spentNanos: () => spending().after(usage, target) ?? spending().before(tokens()) };
  }

  #end(size: CountedSize): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    for (const { limit, counter, amount, windowTimeMs } of this.#takings) {
      if (limit.windowMs === undefined) counter.correct(-amount, windowTimeMs);
      else if (limit.isEstimated) counter.correct(limit.takenBy(size)! - amount, windowTimeMs);
    }
  }
}

/** A reply whose end is told once: when it has come whole, fails, is left, or its call is cut. */
class WatchedReply implements AsyncIterable<AttemptResponse>, AsyncIterator<AttemptResponse> {
  readonly #reply: AsyncIterator<AttemptResponse>;
  readonly #signal: AbortSignal;
  readonly #countsPieces: boolean;
  readonly #onEnd: (usage: Usage | undefined, pieces: number) => void;
  #usage: Usage | undefined;
  #pieces = 0;

  constructor(reply: AsyncIterator<AttemptResponse>, signal: AbortSignal, countsPieces: boolean, onEnd: (usage: Usage | undefined, pieces: number) => void) {
    this.#reply = reply;
    this.#signal = signal;
    this.#countsPieces = countsPieces;
    this.#onEnd = onEnd;
    signal.addEventListener("abort", this.#end, { once: true });
  }

  [Symbol.asyncIterator](): AsyncIterator<AttemptResponse> {
    return this;
  }

  async next(): Promise<IteratorResult<AttemptResponse>> {
    try {
      const result = await this.#reply.next();
      if (result.done === true) this.#end();
      else {
        if (this.#countsPieces) this.#pieces += piecesIn(result.value);
        this.#usage = result.value.end?.usage ?? this.#usage;
      }
      return result;
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  async return(): Promise<IteratorResult<AttemptResponse>> {
    this.#end();
    await this.#reply.return?.();
    return { done: true, value: undefined };
  }

  readonly #end = (): void => {
    this.#signal.removeEventListener("abort", this.#end);
    this.#onEnd(this.#usage, this.#pieces);
  };
}

/** About as many as it has tokens: vendors stream one in each event. */
function piecesIn({ events, native }: AttemptResponse): number {
  let pieces = events.length;
  for (let at = native.indexOf(newline); at >= 0; at = native.indexOf(newline, at + 1)) if (native[at + 1] === newline) pieces++;
  return pieces;
}

const newline = 10;

/** For each unit the tightest. */
function shown(takings: readonly Taking[]): RateLimit[] {
  const tightest = new Map<RateLimitUnit, Taking>();
  for (const taking of takings) {
    const { unit } = taking.limit;
    const present = unit === undefined ? undefined : tightest.get(unit);
    if (unit !== undefined && (present === undefined || taking.counter.remaining < present.counter.remaining)) tightest.set(unit, taking);
  }
  return [...tightest].map(([unit, { limit, counter }]) =>
    create(RateLimitSchema, { unit, limit: BigInt(limit.amount), remaining: BigInt(counter.remaining), resetTime: timestampFromMs(Math.ceil(counter.resetTimeMs)) }),
  );
}
