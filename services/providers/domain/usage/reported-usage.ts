/** Owns the usage that a vendor reports, once it is counted in Weir's meters. */
import { create } from "@bufbuild/protobuf";
import { Meter, UsageSchema, UsageSource, type Usage } from "#gen/weir/types/v1/usage_pb.ts";

/** A whole number from 0 up. */
export type Counted = readonly [meter: Meter, quantity: bigint | number];

/** Of the meters only those that counted, each at most once. */
export function reportedUsage(counted: Iterable<Counted>): Usage {
  return usageOf([...counted].filter(([, quantity]) => quantity > 0));
}

/** The same, where input and output stand always, to tell "none" from "unreported". */
export function reportedTokens(counted: Iterable<Counted>): Usage {
  return usageOf([...counted].filter(([meter, quantity]) => quantity > 0 || meter === Meter.INPUT_TOKENS || meter === Meter.OUTPUT_TOKENS));
}

/** What was written to a prompt cache, by lifetime. The total is the surer figure: a later event of a stream may raise it without a new split. */
export function cacheWritesOf(total: bigint, fiveMinutes: bigint, oneHour: bigint): readonly Counted[] {
  return [
    [Meter.CACHE_WRITE_5M_INPUT_TOKENS, total > oneHour ? total - oneHour : fiveMinutes],
    [Meter.CACHE_WRITE_1H_INPUT_TOKENS, oneHour],
  ];
}

function usageOf(counted: readonly Counted[]): Usage {
  return create(UsageSchema, { quantities: counted.map(([meter, quantity]) => ({ meter, quantity: BigInt(quantity) })), source: UsageSource.PROVIDER });
}
