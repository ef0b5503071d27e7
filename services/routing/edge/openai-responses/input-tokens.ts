/** Owns POST /v1/responses/input_tokens. */
import { create } from "@bufbuild/protobuf";
import { CountTokensRequestSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { JsonObject, UnaryCall, UnaryEndpoint } from "../../domain/dialect.ts";
import { ObjectReader } from "../openai/object-reader.ts";
import { readGeneration, type GenerationReading } from "./read-generation.ts";

export const inputTokensEndpoint = { operation: "countTokens", method: "POST", path: "/v1/responses/input_tokens", read } satisfies UnaryEndpoint<"countTokens">;

function read(json: JsonObject): UnaryCall<"countTokens"> {
  let reading: GenerationReading | undefined;
  return {
    model: new ObjectReader(json).text("model"),
    toRequest: () => create(CountTokensRequestSchema, { generation: (reading ??= readGeneration(json)).generation }),
    get unknownFields() {
      return reading?.unknownFields ?? [];
    },
    writeReply: ({ inputTokens }) => ({ object: "response.input_tokens", input_tokens: Number(inputTokens) }),
  };
}
