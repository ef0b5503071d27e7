/** Owns POST /v1/embeddings. */
import { create } from "@bufbuild/protobuf";
import { EmbedRequestSchema, type EmbedRequest, type EmbedResponse, type Embedding } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { JsonObject, UnaryCall, UnaryEndpoint } from "../../domain/dialect.ts";
import { writeBase64 } from "./data-url.ts";
import { ObjectReader } from "./object-reader.ts";
import { writeEmbeddingUsage } from "./usage.ts";

export const embeddingsEndpoint = { operation: "embed", method: "POST", path: "/v1/embeddings", read } satisfies UnaryEndpoint<"embed">;

function read(json: JsonObject): UnaryCall<"embed"> {
  const encoding = json["encoding_format"];
  return {
    model: new ObjectReader(json).text("model"),
    // One that is not known is refused, as OpenAI itself refuses it.
    unknownFields: [],
    toRequest: () => readRequest(json),
    writeReply: (response) => writeReply(response, encoding === "base64" ? encodeBase64 : ({ values }) => values),
  };
}

/** Throws UNSUPPORTED_FIELD for a member it does not know. */
function readRequest(json: JsonObject): EmbedRequest {
  const body = new ObjectReader(json);
  const request = create(EmbedRequestSchema, {
    model: body.text("model"),
    ...readInput(body),
    dimensions: body.optionalInt32("dimensions"),
    endUser: body.optionalText("user"),
  });
  const encoding = body.optionalText("encoding_format") ?? "float";
  if (encoding !== "float" && encoding !== "base64") throw body.fault("encoding_format", "must be float or base64");
  const [unread] = body.unreadMembers();
  if (unread !== undefined) throw body.untranslatable(unread, "is not known to Weir, so it cannot be translated for this target; leave it out");
  return request;
}

function readInput(body: ObjectReader): { inputs: string[] } | { tokenInputs: { tokens: number[] }[] } {
  const input = body.raw("input");
  if (typeof input === "string") return { inputs: [input] };
  if (isTokens(input)) return { tokenInputs: [{ tokens: input }] };
  if (Array.isArray(input) && input.length > 0) {
    if (input.every((element) => typeof element === "string")) return { inputs: input };
    if (input.every(isTokens)) return { tokenInputs: input.map((tokens) => ({ tokens })) };
  }
  throw body.fault("input", "must be a string, a list of strings, a list of token ids, or a list of such lists, and not empty");
}

function isTokens(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every((token) => typeof token === "number" && (token | 0) === token);
}

function writeReply(response: EmbedResponse, encode: (embedding: Embedding) => unknown): object {
  const usage = writeEmbeddingUsage(response.usage);
  return {
    object: "list",
    data: response.embeddings.map((embedding) => ({ object: "embedding", index: embedding.index, embedding: encode(embedding) })),
    model: response.model,
    ...(usage === undefined ? {} : { usage }),
  };
}

/** Little-endian 32-bit floats, as OpenAI packs them. */
function encodeBase64({ values }: Embedding): string {
  const bytes = new DataView(new ArrayBuffer(values.length * 4));
  values.forEach((value, index) => bytes.setFloat32(index * 4, value, true));
  return writeBase64(new Uint8Array(bytes.buffer));
}
