/** Owns POST /v1/moderations. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { ModerateRequestSchema, type ModerateRequest, type ModerateResponse, type ModerationInputSchema, type ModerationResult } from "#gen/weir/inference/v1/moderation_pb.ts";
import type { JsonObject, UnaryCall, UnaryEndpoint } from "../../domain/dialect.ts";
import { ObjectReader } from "./object-reader.ts";
import { readImage, textPart, type PartInit } from "./chat/read-content.ts";

export const moderationsEndpoint = { operation: "moderate", method: "POST", path: "/v1/moderations", read } satisfies UnaryEndpoint<"moderate">;

function read(json: JsonObject): UnaryCall<"moderate"> {
  const body = new ObjectReader(json);
  return {
    model: body.text("model"),
    // Asked for once the request is read.
    get unknownFields() {
      return body.unreadMembers();
    },
    toRequest: () => readRequest(body),
    writeReply,
  };
}

function readRequest(body: ObjectReader): ModerateRequest {
  return create(ModerateRequestSchema, { model: body.text("model"), inputs: readInputs(body) });
}

/** A text, several that are judged apart, or texts and images that are judged together. */
function readInputs(body: ObjectReader): MessageInitShape<typeof ModerationInputSchema>[] {
  const input = body.raw("input");
  if (typeof input === "string") return [{ parts: [textPart(input)] }];
  if (!Array.isArray(input) || input.length === 0) throw body.fault("input", "must be a string, a list of strings, or a list of texts and images, and not empty");
  if (input.every((text) => typeof text === "string")) return input.map((text) => ({ parts: [textPart(text)] }));
  return [{ parts: body.objects("input").map(readPart) }];
}

function readPart(part: ObjectReader): PartInit {
  switch (part.text("type")) {
    case "text":
      return textPart(part.text("text"));
    case "image_url":
      return readImage(part);
    default:
      throw part.fault("type", "must be text or image_url");
  }
}

function writeReply({ id, model, results, requestId }: ModerateResponse): object {
  return { id: id === "" ? requestId : id, model, results: results.map(writeResult) };
}

function writeResult({ flagged, categories }: ModerationResult): object {
  const scored = categories.filter(({ score }) => score !== undefined);
  const typed = categories.filter(({ inputTypes }) => inputTypes.length > 0);
  return {
    flagged,
    categories: Object.fromEntries(categories.map((category) => [category.name, category.flagged])),
    category_scores: Object.fromEntries(scored.map(({ name, score }) => [name, score])),
    ...(typed.length === 0 ? {} : { category_applied_input_types: Object.fromEntries(typed.map(({ name, inputTypes }) => [name, inputTypes])) }),
  };
}
