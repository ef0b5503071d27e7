/** Owns generateContent and streamGenerateContent. */
import type { GenerateCall, GenerateEndpoint, JsonObject, RequestTarget } from "../../domain/dialect.ts";
import { invalidField } from "../dialect-parts/request-fields.ts";
import { arrayFraming, eventFraming, type Framing } from "./framing.ts";
import { readGeneration, type GenerationReading } from "./read-generation.ts";
import { GeminiStreamWriter } from "./stream-writer.ts";
import { writeReply } from "./write-reply.ts";

/** The two methods under this version of the API. */
export function generateEndpoints(version: string): GenerateEndpoint[] {
  const path = `/${version}/models/{model}`;
  return [
    { operation: "generate", method: "POST", path: `${path}:generateContent`, read: (body, target) => readCall(body, target, false) },
    { operation: "generate", method: "POST", path: `${path}:streamGenerateContent`, read: (body, target) => readCall(body, target, true) },
  ];
}

function readCall(body: JsonObject, { model, query }: RequestTarget, stream: boolean): GenerateCall {
  const createFraming = framingOf(query);
  let reading: GenerationReading | undefined;
  return {
    model,
    stream,
    toGeneration: () => (reading ??= readGeneration(body, model)).generation,
    // Only a translation loses fields: without one there are none to name.
    get unknownFields() {
      return reading?.unknownFields ?? [];
    },
    writeReply,
    createStreamWriter: () => new GeminiStreamWriter(createFraming()),
  };
}

/** `alt` of https://docs.cloud.google.com/apis/docs/system-parameters */
function framingOf(query: string | undefined): () => Framing {
  if (query === undefined) return eventFraming;
  const parameters = new URLSearchParams(query);
  const alt = parameters.get("alt") ?? parameters.get("$alt") ?? "json";
  if (alt === "sse") return eventFraming;
  if (alt === "json") return arrayFraming;
  throw invalidField("alt", "must be json or sse");
}
