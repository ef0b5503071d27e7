/** Owns Anthropic's dialect: which requests are its own, and which endpoints it has. */
import type { IncomingHttpHeaders } from "node:http";
import type { Dialect, GenerateCall, JsonObject } from "../../domain/dialect.ts";
import { countTokensEndpoint } from "./count-tokens.ts";
import { writeError } from "./errors.ts";
import { writeModel, writeModels } from "./models.ts";
import { writeRateLimits } from "./rate-limits.ts";
import { nativeDialect } from "./read-content.ts";
import { readGeneration, type GenerationReading } from "./read-generation.ts";
import { RequestFields, UnknownFields } from "../request-fields.ts";
import { AnthropicStreamWriter } from "./stream-writer.ts";
import { writeReply } from "./write-reply.ts";

export const anthropicDialect: Dialect = {
  name: nativeDialect,
  claims: (headers) => headers["anthropic-version"] !== undefined || headers["x-api-key"] !== undefined,
  readCredential,
  requestHeaders: ["anthropic-beta"],
  endpoints: [
    { operation: "generate", method: "POST", path: "/v1/messages", read: readCall },
    countTokensEndpoint,
    { operation: "listModels", method: "GET", path: "/v1/models", writeReply: writeModels },
    { operation: "getModel", method: "GET", path: "/v1/models/{model}", writeReply: writeModel },
  ],
  writeRateLimits,
  writeError,
};

function readCredential(headers: IncomingHttpHeaders): string | undefined {
  const key = headers["x-api-key"];
  if (typeof key === "string") return key;
  return /^Bearer +(\S+)\s*$/i.exec(headers.authorization ?? "")?.[1];
}

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
