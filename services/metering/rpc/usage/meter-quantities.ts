/** Owns quantities as messages: the stored list, in which meter n stands at n - 1, without its zeros. */
import { create } from "@bufbuild/protobuf";
import { MeterQuantitySchema, type Meter, type MeterQuantity } from "#gen/weir/types/v1/usage_pb.ts";

export function meterQuantities(quantities: readonly bigint[]): MeterQuantity[] {
  return quantities.flatMap((quantity, index) => (quantity === 0n ? [] : [create(MeterQuantitySchema, { meter: (index + 1) as Meter, quantity })]));
}
