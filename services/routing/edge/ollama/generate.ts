/** Owns POST /api/chat and POST /api/generate. */
import type { GenerateCall, GenerateEndpoint, JsonObject } from "../../domain/dialect.ts";
import { RequestFields, UnknownFields } from "../dialect-parts/request-fields.ts";
import { readChat, readPrompt, type GenerationReading } from "./read-generation.ts";
import { chatShape, generateShape, type Shape } from "./reply.ts";
import { OllamaStreamWriter } from "./stream-writer.ts";
import { writeReply } from "./write-reply.ts";

export const chatEndpoint = { operation: "generate", method: "POST", path: "/api/chat", read: (body: JsonObject) => readCall(body, readChat, chatShape, true) } satisfies GenerateEndpoint;

/** Vendors get chats, so a body of this form always goes through types. */
export const promptEndpoint = { operation: "generate", method: "POST", path: "/api/generate", read: (body: JsonObject) => readCall(body, readPrompt, generateShape, false) } satisfies GenerateEndpoint;

function readCall(body: JsonObject, read: (body: JsonObject) => GenerationReading, shape: Shape, isNative: boolean): GenerateCall {
  const fields = new RequestFields(body, "", new UnknownFields());
  let reading: GenerationReading | undefined;
  return {
    model: fields.requiredText("model"),
    // Ollama streams unless it is told not to.
    stream: fields.flag("stream") ?? true,
    isNative,
    toGeneration: () => (reading ??= read(body)).generation,
    // Only a translation loses fields: without one there are none to name.
    get unknownFields() {
      return reading?.unknownFields ?? [];
    },
    writeReply: (response) => writeReply(response, shape),
    createStreamWriter: () => new OllamaStreamWriter(shape),
  };
}
