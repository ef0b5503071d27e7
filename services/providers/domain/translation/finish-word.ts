/** Owns what a vendor's word for why a reply ended means in types. */
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";

export type FinishWords = ReadonlyMap<string, FinishReason>;

/** Unspecified for no word; OTHER for one that is not known. */
export function finishReasonOf(word: string, meanings: FinishWords): FinishReason {
  if (word === "") return FinishReason.UNSPECIFIED;
  return meanings.get(word) ?? FinishReason.OTHER;
}
