/** Owns the `openai-responses` dialect: OpenAI's Responses API, as far as a gateway that stores nothing can offer it. */
import type { Dialect } from "../../domain/dialect.ts";
import { openaiDialect } from "../openai/dialect.ts";
import { inputTokensEndpoint } from "./input-tokens.ts";
import { writeRateLimits } from "../openai/rate-limits.ts";
import { nativeDialect } from "./native-dialect.ts";
import { responsesEndpoint } from "./responses.ts";

export const openaiResponsesDialect: Dialect = {
  name: nativeDialect,
  // Its paths are nobody else's; elsewhere its callers are callers of `openai`.
  claims: () => false,
  readCredential: (headers, query) => openaiDialect.readCredential(headers, query),
  requestHeaders: [],
  endpoints: [responsesEndpoint, inputTokensEndpoint],
  writeRateLimits,
  writeError: (error, requestId) => openaiDialect.writeError(error, requestId),
};
