/** Owns POST /v1/messages/count_tokens: https://platform.claude.com/docs/en/api/messages-count-tokens */
import { create } from "@bufbuild/protobuf";
import { CountTokensRequestSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { JsonObject, UnaryCall, UnaryEndpoint } from "../../domain/dialect.ts";
import { RequestFields, UnknownFields } from "../dialect-parts/request-fields.ts";
import { readGeneration, type GenerationReading } from "./read-generation.ts";

export const countTokensEndpoint = { operation: "countTokens", method: "POST", path: "/v1/messages/count_tokens", read } satisfies UnaryEndpoint<"countTokens">;

function read(body: JsonObject): UnaryCall<"countTokens"> {
  let reading: GenerationReading | undefined;
  return {
    model: new RequestFields(body, "", new UnknownFields()).requiredText("model"),
    toRequest: () => create(CountTokensRequestSchema, { generation: (reading ??= readGeneration(body)).generation }),
    get unknownFields() {
      return reading?.unknownFields ?? [];
    },
    writeReply: ({ inputTokens }) => ({ input_tokens: Number(inputTokens) }),
  };
}
