/** Owns what a call costs by a price book: its price, and its organization's mark-up or discount. */
import type { Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { factorFor } from "./price-adjustment.ts";
import { findPrice, type PriceBook, type PricedCall } from "./price-book.ts";
import { rateUsage, type Rating } from "./rate.ts";

/** Unpriced without a book. */
export function rateCall(call: PricedCall & { readonly organizationId: string }, usage: Pick<Usage, "quantities"> | undefined, book: PriceBook | undefined): Rating {
  if (book === undefined) return rateUsage(usage, undefined);
  return rateUsage(usage, findPrice(book, call), factorFor(book.adjustments, call.organizationId, call));
}
