/** Owns POST /v1/messages: https://platform.claude.com/docs/en/api/messages */
import type { GenerateCall, GenerateEndpoint, JsonObject } from "../../domain/dialect.ts";
import { RequestFields, UnknownFields } from "../dialect-parts/request-fields.ts";
import { readGeneration, type GenerationReading } from "./read-generation.ts";
import { AnthropicStreamWriter } from "./stream-writer.ts";
import { writeReply } from "./write-reply.ts";

export const messagesEndpoint: GenerateEndpoint = { operation: "generate", method: "POST", path: "/v1/messages", read: readCall };

function readCall(body: JsonObject): GenerateCall {
  const fields = new RequestFields(body, "", new UnknownFields());
  let reading: GenerationReading | undefined;
  return {
    model: fields.requiredText("model"),
    stream: fields.flag("stream") ?? false,
    toGeneration: () => (reading ??= readGeneration(body)).generation,
    // Only a translation loses fields: without one there are none to name.
    get unknownFields() {
      return reading?.unknownFields ?? [];
    },
    writeReply,
    createStreamWriter: () => new AnthropicStreamWriter(),
  };
}
