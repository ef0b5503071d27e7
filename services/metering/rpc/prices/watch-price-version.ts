/** Owns WatchPriceVersion: the version in force, then each change; a slow reader is told the latest only. */
import { create } from "@bufbuild/protobuf";
import { WatchPriceVersionResponseSchema, type WatchPriceVersionRequest, type WatchPriceVersionResponse } from "#gen/weir/metering/v1/price_book_pb.ts";
import { withHeartbeats } from "#platform/views/heartbeats.ts";
import type { LiveValue } from "#platform/views/live-value.ts";
import type { PriceBook } from "../../domain/price-book.ts";

/** Ends when the signal fires. */
export function watchPriceVersion({ heartbeatInterval }: WatchPriceVersionRequest, priceBook: LiveValue<PriceBook>, signal: AbortSignal): AsyncGenerator<WatchPriceVersionResponse, void> {
  return withHeartbeats({ interval: heartbeatInterval, heartbeat: create(WatchPriceVersionResponseSchema, { heartbeat: true }), open: (openSignal) => versions(priceBook, openSignal), signal });
}

async function* versions(priceBook: LiveValue<PriceBook>, signal: AbortSignal): AsyncGenerator<WatchPriceVersionResponse, void> {
  let woken = Promise.withResolvers<void>();
  const wake = (): void => woken.resolve();
  const unsubscribe = priceBook.subscribe(wake);
  signal.addEventListener("abort", wake);
  try {
    for (let announced: string | undefined; !signal.aborted; ) {
      woken = Promise.withResolvers<void>();
      const { version } = priceBook.current;
      if (version === announced) {
        await woken.promise;
        continue;
      }
      announced = version;
      yield create(WatchPriceVersionResponseSchema, { priceVersion: version });
    }
  } finally {
    unsubscribe();
    signal.removeEventListener("abort", wake);
  }
}
