/**
 * Owns the counters of rate limits as they are seen in this process: slices and permits drawn from policy ahead of the calls, all that are due
 * in one request, one request at a time.
 */
import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { DrawRatesRequestSchema, PeekRatesRequestSchema, type DrawRatesResponse } from "#gen/weir/policy/v1/rate_limit_pb.ts";
import type { Clock } from "#platform/clock.ts";
import type { ServiceInterface } from "#platform/rpc/service-types.ts";
import type { RateRoom } from "../domain/dry-run.ts";
import type { RateCounter } from "../domain/rate-limits/rate-admission.ts";
import type { AppliedLimit } from "../domain/rate-limits/rate-limit.ts";
import { PermitCounter, permitRetryMs, SliceCounter, type Draws } from "./rate-counter.ts";

export interface RateCountersOptions {
  readonly policy: Pick<ServiceInterface<typeof PolicyService>, "drawRates" | "peekRates">;
  readonly clock: Clock;
}

/** Counters are looked at so often: what is not used goes back, what was used is drawn ahead. */
const turnMs = 100;
const answerWithinMs = 1_000;
/** As many as one request may have of each kind. */
const mostDraws = 500;
/** The most counters that are kept in memory; those that are used least go, and lose nothing but their slices. */
const mostCounters = 20_000;

const identity = { kind: "service", name: "routing" } as const;
/** No process's: what every process holds counts as taken. */
const peekHolderId = "peek";

/** Another way of counting is another counter; another amount is not. */
function keyOf({ id, count, windowMs }: AppliedLimit, counted: string): string {
  return `${id} ${count} ${windowMs} ${counted}`;
}

export class RateCounters {
  readonly #options: RateCountersOptions;
  readonly #holderId = randomUUID();
  /** By limit and what is counted; used least first. */
  readonly #counters = new Map<string, SliceCounter | PermitCounter>();
  readonly #due = new Set<SliceCounter | PermitCounter>();
  readonly #turns: NodeJS.Timeout;
  #isDrawing = false;
  /** True from the first draw that fails to the next that does not. */
  #isPolicyAway = false;

  constructor(options: RateCountersOptions) {
    this.#options = options;
    this.#turns = setInterval(() => this.#turn(), turnMs);
    this.#turns.unref();
  }

  readonly counterOf = (limit: AppliedLimit, counted: string): RateCounter => {
    const key = keyOf(limit, counted);
    const counter = this.#counters.get(key) ?? this.#create(limit, key);
    counter.amount = limit.amount;
    // At the end of the map stands what was used last.
    this.#counters.delete(key);
    this.#counters.set(key, counter);
    return counter;
  };

  /** What this process could take of it at most, of what is in hand and of what policy has left, without taking it. */
  readonly peek = async (limit: AppliedLimit, counted: string): Promise<RateRoom> => {
    const key = keyOf(limit, counted);
    const counter = this.#counters.get(key) ?? this.#create(limit, key);
    counter.amount = limit.amount;
    const request = create(PeekRatesRequestSchema, { draw: { holderId: peekHolderId, ...counter.question } });
    const { drawn } = await this.#options.policy.peekRates(request, { identity, requestId: "", signal: AbortSignal.timeout(answerWithinMs) });
    const { rates: [slice], permits: [permits] } = drawn!;
    return { remaining: counter.inHand + Math.max(0, Number((slice ?? permits!).remaining)), retryAfterMs: slice === undefined ? permitRetryMs : Math.max(1, durationMs(slice.windowRest!)) };
  };

  #create(limit: AppliedLimit, key: string): SliceCounter | PermitCounter {
    return new (limit.windowMs === undefined ? PermitCounter : SliceCounter)(limit, key, this.#options.clock, this.#draws);
  }

  /** Gives back what was drawn and not used. */
  async stop(): Promise<void> {
    clearInterval(this.#turns);
    // After a turn in which nothing was taken, nothing is kept.
    for (const counter of this.#counters.values()) if ([counter.turn(), counter.turn()].includes(true)) this.#due.add(counter);
    await this.#drawDue();
  }

  readonly #draws: Draws = {
    isPolicyAway: () => this.#isPolicyAway,
    due: (counter) => {
      this.#due.add(counter);
      // What becomes due in the same moment goes along.
      if (!this.#isDrawing && !this.#isPolicyAway) queueMicrotask(() => void this.#drawDue());
    },
  };

  #turn(): void {
    for (const [key, counter] of this.#counters) {
      if (counter.turn()) this.#draws.due(counter);
      else if (counter.isOver || (this.#counters.size > mostCounters && counter.mayBeForgotten)) this.#counters.delete(key);
    }
    if (this.#due.size > 0) void this.#drawDue();
  }

  async #drawDue(): Promise<void> {
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    while (this.#due.size > 0) {
      const batch = [...this.#due.values().take(mostDraws)];
      for (const counter of batch) this.#due.delete(counter);
      await this.#draw(batch);
      // While it is away, callers are answered at once, and each turn tries again.
      if (this.#isPolicyAway) break;
    }
    this.#isDrawing = false;
  }

  async #draw(batch: readonly (SliceCounter | PermitCounter)[]): Promise<void> {
    const slices = batch.filter((counter) => counter instanceof SliceCounter);
    const permits = batch.filter((counter) => counter instanceof PermitCounter);
    const askedMs = this.#options.clock.monotonicMs();
    const request = create(DrawRatesRequestSchema, { holderId: this.#holderId, rates: slices.map((counter) => counter.ask(askedMs)), permits: permits.map((counter) => counter.ask()) });
    try {
      const { rates, permits: leases, lease } = await this.#answer(request);
      this.#isPolicyAway = false;
      slices.forEach((counter, place) => counter.receive(rates[place]!, askedMs));
      permits.forEach((counter, place) => counter.receive(leases[place]!, durationMs(lease!), askedMs));
    } catch (cause) {
      this.#isPolicyAway = true;
      // They stay due, for nobody: were policy asked by the next call alone, that one would be refused however long it is back.
      for (const counter of batch) {
        counter.fail(cause);
        this.#due.add(counter);
      }
    }
  }

  async #answer(request: Parameters<RateCountersOptions["policy"]["drawRates"]>[0]): Promise<DrawRatesResponse> {
    const signal = AbortSignal.timeout(answerWithinMs);
    const tooLate = new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true }));
    return Promise.race([this.#options.policy.drawRates(request, { identity, requestId: "", signal }), tooLate]);
  }
}
