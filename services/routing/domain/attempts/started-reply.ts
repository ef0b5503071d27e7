/** Owns the messages of an attempt whose reply has begun: what they settle, and what their end says of the target's health. */
import type { AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { Breaker } from "#platform/breaker.ts";
import { settleReply, type Reservation } from "../budget/reserve.ts";
import { verdictOn } from "./verdict.ts";

/** The attempt's messages, the first of which was taken already; a later cut counts against the target's health. */
export class StartedReply implements AsyncIterable<AttemptResponse>, AsyncIterator<AttemptResponse> {
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
