/** Owns Anthropic's dialect: which requests are its own, and which endpoints it has. */
import type { IncomingHttpHeaders } from "node:http";
import type { Dialect } from "../../domain/dialect.ts";
import { batchesEndpoints } from "./batches.ts";
import { countTokensEndpoint } from "./count-tokens.ts";
import { writeError } from "./errors.ts";
import { filesEndpoints } from "./files.ts";
import { messagesEndpoint } from "./messages.ts";
import { writeModel, writeModels } from "./models.ts";
import { writeRateLimits } from "./rate-limits.ts";
import { nativeDialect } from "./read-content.ts";

export const anthropicDialect: Dialect = {
  name: nativeDialect,
  claims: (headers) => headers["anthropic-version"] !== undefined || headers["x-api-key"] !== undefined,
  readCredential,
  requestHeaders: ["anthropic-beta"],
  endpoints: [
    messagesEndpoint,
    countTokensEndpoint,
    ...batchesEndpoints,
    ...filesEndpoints,
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
