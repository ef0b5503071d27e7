/** Owns WatchBoundPrices: the dearest prices of the next day, told anew when the book changes and every hour, because prices have dates. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type BoundRateSchema, WatchBoundPricesResponseSchema, type WatchBoundPricesRequest, type WatchBoundPricesResponse } from "#gen/weir/metering/v1/price_book_pb.ts";
import type { Clock } from "#platform/clock.ts";
import { withHeartbeats } from "#platform/views/heartbeats.ts";
import type { LiveValue } from "#platform/views/live-value.ts";
import { boundPricesOf, type BoundRates } from "../../domain/bound-prices.ts";
import type { PriceBook } from "../../domain/price-book.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Ends when the signal fires. */
export function watchBoundPrices({ heartbeatInterval }: WatchBoundPricesRequest, priceBook: LiveValue<PriceBook>, clock: Clock, signal: AbortSignal): AsyncGenerator<WatchBoundPricesResponse, void> {
  return withHeartbeats({ interval: heartbeatInterval, heartbeat: create(WatchBoundPricesResponseSchema, { heartbeat: true }), open: (openSignal) => boundPrices(priceBook, clock, openSignal), signal });
}

async function* boundPrices(priceBook: LiveValue<PriceBook>, clock: Clock, signal: AbortSignal): AsyncGenerator<WatchBoundPricesResponse, void> {
  let woken = Promise.withResolvers<void>();
  const wake = (): void => woken.resolve();
  const unsubscribe = priceBook.subscribe(wake);
  const timer = setInterval(wake, hourMs);
  signal.addEventListener("abort", wake);
  try {
    while (!signal.aborted) {
      woken = Promise.withResolvers<void>();
      yield messageOf(priceBook.current, clock.now());
      await woken.promise;
    }
  } finally {
    unsubscribe();
    clearInterval(timer);
    signal.removeEventListener("abort", wake);
  }
}

function messageOf(book: PriceBook, nowMs: number): WatchBoundPricesResponse {
  const { prices, batchPrices, serviceTiers, factorsMillionths } = boundPricesOf(book, nowMs, nowMs + dayMs);
  const messages = (rates: BoundRates | undefined): MessageInitShape<typeof BoundRateSchema>[] => [...(rates ?? [])].map(([meter, nanosPerMillion]) => ({ meter, nanosPerMillion }));
  return create(WatchBoundPricesResponseSchema, {
    prices: [...prices].map(([name, rates]) => ({ name, rates: messages(rates), batchRates: messages(batchPrices.get(name)), serviceTiers: [...(serviceTiers.get(name) ?? [])] })),
    factorMillionths: Object.fromEntries(factorsMillionths),
  });
}
