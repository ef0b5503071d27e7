/** Owns POST /v1/responses. */
import type { GenerateCall, GenerateEndpoint, JsonObject } from "../../domain/dialect.ts";
import { ObjectReader } from "../openai/object-reader.ts";
import { readGeneration, type GenerationReading } from "./read-generation.ts";
import { replyFormOf } from "./reply-form.ts";
import { createStreamWriter } from "./stream-writer.ts";
import { writeReply } from "./write-reply.ts";

export const responsesEndpoint: GenerateEndpoint = { operation: "generate", method: "POST", path: "/v1/responses", read };

function read(json: JsonObject): GenerateCall {
  const body = new ObjectReader(json);
  const unknownFields: string[] = [];
  let reading: GenerationReading | undefined;
  return {
    model: body.text("model"),
    stream: body.optionalBoolean("stream") ?? false,
    // Filled by toGeneration, because a request that goes on untouched is never read whole.
    unknownFields,
    toGeneration: () => {
      if (reading === undefined) {
        reading = readGeneration(json);
        unknownFields.push(...reading.unknownFields);
      }
      return reading.generation;
    },
    writeReply: (response) => writeReply(response, replyFormOf(json)),
    createStreamWriter: () => createStreamWriter(replyFormOf(json)),
  };
}
