/** Owns embedContent and batchEmbedContents: https://ai.google.dev/api/embeddings */
import { create } from "@bufbuild/protobuf";
import { EmbedRequestSchema, type EmbedRequest, type EmbedResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { JsonObject, RequestTarget, UnaryCall, UnaryEndpoint } from "../../domain/dialect.ts";
import { definedMembers } from "../dialect-parts/defined-members.ts";
import { invalidField, UnknownFields, type RequestFields } from "../dialect-parts/request-fields.ts";
import { geminiFields } from "./fields.ts";
import { writeUsage } from "./usage.ts";

/** The two methods under this version of the API. */
export function embedEndpoints(version: string): UnaryEndpoint<"embed">[] {
  const path = `/${version}/models/{model}`;
  return [
    { operation: "embed", method: "POST", path: `${path}:embedContent`, read: readCall },
    { operation: "embed", method: "POST", path: `${path}:batchEmbedContents`, read: readCall },
  ];
}

/** `requests` tells a batch, as the body does not name its method. */
function readCall(body: JsonObject, { model }: RequestTarget): UnaryCall<"embed"> {
  const unknown = new UnknownFields();
  const fields = geminiFields(body, unknown);
  const isBatch = fields.peek("requests") !== undefined;
  return {
    model,
    get unknownFields() {
      return unknown.paths;
    },
    toRequest: () => readRequest(fields, isBatch, model),
    writeReply: isBatch ? writeBatch : writeSingle,
  };
}

function readRequest(fields: RequestFields, isBatch: boolean, model: string): EmbedRequest {
  const requests = isBatch ? (fields.objects("requests") ?? []) : [fields];
  if (requests.length === 0) throw invalidField("requests", "is empty");
  const texts = requests.map(readText);
  const dimensions = readDimensions(requests);
  for (const request of requests) {
    request.take("model");
    request.noteRest();
  }
  if (isBatch) fields.noteRest();
  return create(EmbedRequestSchema, { model, inputs: texts, ...definedMembers({ dimensions }) });
}

function readText(request: RequestFields): string {
  const content = request.requiredObject("content");
  content.take("role");
  const texts = (content.objects("parts") ?? []).map((part) => {
    const text = part.text("text");
    if (text === undefined) throw unsupported(part.path, "is no text, and other content cannot be translated for this target");
    part.noteRest();
    return text;
  });
  content.noteRest();
  if (texts.length === 0) throw invalidField(content.pathOf("parts"), "is missing");
  return texts.join("");
}

/** One length for all: other vendors take it once. */
function readDimensions(requests: readonly RequestFields[]): number | undefined {
  const [first, ...others] = requests.map((request) => request.int32("outputDimensionality"));
  if (others.some((other) => other !== first)) throw unsupported("requests[].outputDimensionality", "differs, which cannot be translated for this target");
  return first;
}

function unsupported(field: string, description: string): GatewayError {
  return new GatewayError("UNSUPPORTED_FIELD", `${field} ${description}.`, { metadata: { field } });
}

function writeSingle(response: EmbedResponse): JsonObject {
  return { embedding: { values: response.embeddings[0]?.values ?? [] }, ...usageOf(response) };
}

function writeBatch(response: EmbedResponse): JsonObject {
  return { embeddings: response.embeddings.map(({ values }) => ({ values })), ...usageOf(response) };
}

function usageOf({ usage }: EmbedResponse): JsonObject {
  const written = writeUsage(usage);
  return written === undefined ? {} : { usageMetadata: written };
}
