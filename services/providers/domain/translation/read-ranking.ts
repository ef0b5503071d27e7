/** Owns the reading of a ranking, which vendors write alike. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { RankedDocumentSchema } from "#gen/weir/inference/v1/rerank_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { asCount, asObjects, type JsonObject } from "./vendor-json.ts";

/** The best first. Throws UPSTREAM_PROTOCOL when there is no ranking, or one that cannot be read. */
export function readRanking(reply: JsonObject): MessageInitShape<typeof RankedDocumentSchema>[] {
  const results = asObjects(reply["results"]).map((result) => {
    const index = asCount(result["index"]);
    const { relevance_score: score } = result;
    if (index === undefined || typeof score !== "number") throw new GatewayError("UPSTREAM_PROTOCOL", "The vendor sent a rank without a place or a score; use another target.");
    return { index, relevanceScore: score };
  });
  if (results.length === 0) throw new GatewayError("UPSTREAM_PROTOCOL", "The vendor's reply holds no ranking; try again, or use another target.");
  return results.sort((left, right) => right.relevanceScore - left.relevanceScore);
}
