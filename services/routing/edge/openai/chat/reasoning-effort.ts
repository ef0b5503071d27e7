/** Owns the words by which OpenAI's callers say how much a model is to reason. */
import { ReasoningOptions_Effort } from "#gen/weir/inference/v1/generation_pb.ts";
import type { ObjectReader } from "../object-reader.ts";

/** Undefined where the member is absent. Throws INVALID_REQUEST for a word that there is not. */
export function readEffort(owner: ObjectReader, member: string): ReasoningOptions_Effort | undefined {
  const word = owner.optionalText(member);
  if (word === undefined) return undefined;
  const effort = efforts.get(word);
  if (effort === undefined) throw owner.fault(member, `must be one of ${[...efforts.keys()].join(", ")}`);
  return effort;
}

const efforts: ReadonlyMap<string, ReasoningOptions_Effort> = new Map<string, ReasoningOptions_Effort>([
  ["none", ReasoningOptions_Effort.NONE],
  ["minimal", ReasoningOptions_Effort.MINIMAL],
  ["low", ReasoningOptions_Effort.LOW],
  ["medium", ReasoningOptions_Effort.MEDIUM],
  ["high", ReasoningOptions_Effort.HIGH],
  ["xhigh", ReasoningOptions_Effort.EXTRA_HIGH],
  ["max", ReasoningOptions_Effort.MAXIMUM],
]);
