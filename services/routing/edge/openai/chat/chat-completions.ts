/** Owns POST /v1/chat/completions. */
import type { GenerateCall, GenerateEndpoint, JsonObject } from "../../../domain/dialect.ts";
import { ObjectReader } from "../object-reader.ts";
import { readGeneration, type GenerationReading } from "./read-generation.ts";
import { asksForLegacyFunctions } from "./read-tools.ts";
import { asksForUsage } from "./stream-options.ts";
import { createStreamWriter } from "./stream-writer.ts";
import { writeReply } from "./write-reply.ts";

export const chatCompletionsEndpoint = { operation: "generate", method: "POST", path: "/v1/chat/completions", read } satisfies GenerateEndpoint;

function read(json: JsonObject): GenerateCall {
  const body = new ObjectReader(json);
  const legacyFunctions = asksForLegacyFunctions(json);
  const stream = body.optionalBoolean("stream") ?? false;
  const unknownFields: string[] = [];
  let reading: GenerationReading | undefined;
  return {
    model: body.text("model"),
    stream,
    // Filled by toGeneration, because a request that goes on untouched is never read whole.
    unknownFields,
    toGeneration: () => {
      if (reading === undefined) {
        reading = readGeneration(json);
        unknownFields.push(...reading.unknownFields);
      }
      return reading.generation;
    },
    writeReply: (response) => writeReply(response, legacyFunctions),
    createStreamWriter: () => createStreamWriter({ includeUsage: asksForUsage(json), legacyFunctions }),
  };
}
