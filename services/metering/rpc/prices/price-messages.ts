/** Owns prices as messages. */
import { create } from "@bufbuild/protobuf";
import { LongPromptSchema, PriceSchema, type Price } from "#gen/weir/types/v1/price_pb.ts";
import { listedPriceOf } from "../../domain/listed-price.ts";
import type { PriceBook } from "../../domain/price-book.ts";
import type { PriceEntry } from "../../domain/rate.ts";

/** The prices of a name, in the order in which they hold. */
export function pricesOf({ entries }: PriceBook, name: string): Price[] {
  return (entries.get(name) ?? []).map(priceMessage);
}

function priceMessage(entry: PriceEntry): Price {
  const { longPrompt, serviceTiers = [], ...listed } = listedPriceOf(entry);
  return create(PriceSchema, { ...listed, serviceTiers: [...serviceTiers], ...(longPrompt === undefined ? {} : { longPrompt: create(LongPromptSchema, longPrompt) }) });
}
