/** Owns POST /api/embed: https://docs.ollama.com/api/embed */
import { create } from "@bufbuild/protobuf";
import { EmbedRequestSchema, type EmbedRequest, type EmbedResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { JsonObject, UnaryCall, UnaryEndpoint } from "../../domain/dialect.ts";
import { definedMembers } from "../dialect-parts/defined-members.ts";
import { invalidField, RequestFields, UnknownFields } from "../dialect-parts/request-fields.ts";
import { writeEmbeddingUsage } from "./reply.ts";

export const embedEndpoint = { operation: "embed", method: "POST", path: "/api/embed", read } satisfies UnaryEndpoint<"embed">;

function read(body: JsonObject): UnaryCall<"embed"> {
  const unknown = new UnknownFields();
  const fields = new RequestFields(body, "", unknown);
  return {
    model: fields.requiredText("model"),
    get unknownFields() {
      return unknown.paths;
    },
    toRequest: () => readRequest(fields),
    writeReply,
  };
}

function readRequest(fields: RequestFields): EmbedRequest {
  const input = fields.take("input");
  const inputs = typeof input === "string" ? [input] : (fields.texts("input") ?? []);
  if (inputs.length === 0 || inputs.includes("")) throw invalidField("input", "must be a text or a list of texts, none of them empty");
  const request = create(EmbedRequestSchema, { model: fields.requiredText("model"), inputs, ...definedMembers({ dimensions: fields.int32("dimensions") }) });
  fields.noteRest();
  return request;
}

function writeReply(response: EmbedResponse): JsonObject {
  return { model: response.model, embeddings: response.embeddings.map(({ values }) => values), ...writeEmbeddingUsage(response.usage) };
}
