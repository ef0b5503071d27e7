/** Owns the reading of log-probabilities. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { TokenLogprobSchema } from "#gen/weir/inference/v1/generation_pb.ts";
import { asObject, asObjects, asText, type JsonObject } from "../../../domain/translation/vendor-json.ts";

type TokenLogprobInit = MessageInitShape<typeof TokenLogprobSchema>;

/** The tokens of a choice's content or refusal; empty when there are none. */
export function readLogprobs(choice: JsonObject, of: "content" | "refusal"): TokenLogprobInit[] {
  return readTokens(asObject(choice["logprobs"])[of]);
}

export function readTokens(tokens: unknown): TokenLogprobInit[] {
  return asObjects(tokens).map((token) => ({ ...readToken(token), top: asObjects(token["top_logprobs"]).map(readToken) }));
}

function readToken(token: JsonObject): { token: string; logprob: number; tokenBytes: Uint8Array<ArrayBuffer> } {
  const bytes = Array.isArray(token["bytes"]) ? (token["bytes"] as unknown[]).map(Number) : [];
  return { token: asText(token["token"]), logprob: Number(token["logprob"] ?? 0), tokenBytes: Uint8Array.from(bytes) };
}
