/** Owns adding up what the calls of a batch consumed, result by result. */
import type { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { AnsweredCall } from "../batch.ts";
import { reportedTokens } from "./reported-usage.ts";

export class ResultsSum {
  readonly #totals = new Map<Meter, bigint>();
  #calls = 0;
  #isUnreported = false;
  #servedModel = "";

  add({ usage, servedModel }: AnsweredCall): void {
    this.#calls++;
    this.#isUnreported ||= usage === undefined;
    this.#servedModel ||= servedModel;
    for (const { meter, quantity } of usage?.quantities ?? []) this.#totals.set(meter, (this.#totals.get(meter) ?? 0n) + quantity);
  }

  /** Without usage where one call had none: the sum would be too little. Throws UPSTREAM_PROTOCOL when there were other than so many. */
  end(answered: number): AnsweredCall {
    if (this.#calls !== answered) throw new GatewayError("UPSTREAM_PROTOCOL", `The vendor says that ${answered} calls of a batch were answered, and its results hold ${this.#calls}.`);
    return { usage: this.#isUnreported ? undefined : reportedTokens(this.#totals), servedModel: this.#servedModel };
  }
}
