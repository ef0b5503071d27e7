/** Owns what a call costs by a price book: its price, and its organization's mark-up or discount. */
import type { Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { factorFor } from "./price-adjustment.ts";
import { findPrice, type PriceBook, type PricedCall } from "./price-book.ts";
import { rateUsage, type PriceEntry, type Rating } from "./rate.ts";

/** The service tier of batches, whose usage is the sum of many calls: no long prompt is among them, as routing refuses it (docs/decisions/a-batch-is-one-attempt.md). */
export const batchTier = "batch";

/** Unpriced without a book. */
export function rateCall(call: PricedCall & { readonly organizationId: string }, usage: Pick<Usage, "quantities"> | undefined, book: PriceBook | undefined): Rating {
  if (book === undefined) return rateUsage(usage, undefined);
  const price = findPrice(book, call);
  return rateUsage(usage, call.serviceTier === batchTier ? withoutLongPrompt(price) : price, factorFor(book.adjustments, call.organizationId, call));
}

function withoutLongPrompt(price: PriceEntry | undefined): PriceEntry | undefined {
  return price?.longPrompt === undefined ? price : { rates: price.rates };
}
