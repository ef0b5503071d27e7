/** Owns countTokens: https://ai.google.dev/api/tokens */
import { create } from "@bufbuild/protobuf";
import { CountTokensRequestSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { JsonObject, RequestTarget, UnaryCall, UnaryEndpoint } from "../../domain/dialect.ts";
import { readGeneration, type GenerationReading } from "./read-generation.ts";

/** The method under this version of the API. */
export function countTokensEndpoint(version: string): UnaryEndpoint<"countTokens"> {
  return { operation: "countTokens", method: "POST", path: `/${version}/models/{model}:countTokens`, read };
}

function read(body: JsonObject, { model }: RequestTarget): UnaryCall<"countTokens"> {
  let reading: GenerationReading | undefined;
  return {
    model,
    toRequest: () => create(CountTokensRequestSchema, { generation: (reading ??= readGeneration(requestIn(body), model)).generation }),
    get unknownFields() {
      return reading?.unknownFields ?? [];
    },
    writeReply: ({ inputTokens }) => ({ totalTokens: Number(inputTokens) }),
  };
}

/** A whole request may stand in the place of its contents. */
function requestIn(body: JsonObject): JsonObject {
  const whole = body["generateContentRequest"] ?? body["generate_content_request"];
  return typeof whole === "object" && whole !== null ? (whole as JsonObject) : body;
}
