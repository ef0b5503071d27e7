/** Owns the usage of images by their number, for vendors that count no tokens of them. */
import { create } from "@bufbuild/protobuf";
import { Meter, UsageSchema, UsageSource, type Usage } from "#gen/weir/types/v1/usage_pb.ts";

/** The images that are in a reply. */
export function countedImages(count: number): Usage {
  return imagesOf(count, UsageSource.PROVIDER);
}

/** What a reply can have held that did not arrive: as many as were asked for, which is one where nothing is said. */
export function askedImages(count: number | undefined): Usage {
  return imagesOf(count !== undefined && Number.isSafeInteger(count) && count > 0 ? count : 1, UsageSource.ESTIMATED);
}

function imagesOf(count: number, source: UsageSource): Usage {
  return create(UsageSchema, { quantities: count === 0 ? [] : [{ meter: Meter.IMAGES, quantity: BigInt(count) }], source });
}
