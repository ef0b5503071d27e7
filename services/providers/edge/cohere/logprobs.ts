/** Owns the reading of log-probabilities: one item is a piece of text with those of its tokens. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { TokenLogprobSchema } from "#gen/weir/inference/v1/generation_pb.ts";
import { asText, type JsonObject } from "../../domain/translation/vendor-json.ts";

/** Cohere names the tokens by ids only: of a piece with several, the whole has the product of their probabilities. */
export function readLogprob(item: JsonObject): MessageInitShape<typeof TokenLogprobSchema> {
  const { logprobs } = item;
  const numbers = Array.isArray(logprobs) ? logprobs.filter((value) => typeof value === "number") : [];
  return { token: asText(item["text"]), logprob: numbers.reduce((sum, value) => sum + value, 0) };
}
