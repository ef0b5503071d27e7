/** Owns Ollama's dialect: which requests are its own, and which endpoints it has. */
import type { Dialect } from "../../domain/dialect.ts";
import { embedEndpoint } from "./embed.ts";
import { chatEndpoint, promptEndpoint } from "./generate.ts";
import { tagsEndpoint, versionEndpoint } from "./models.ts";
import { nativeDialect } from "./read-generation.ts";

export const ollamaDialect: Dialect = {
  name: nativeDialect,
  // Its clients send nothing that others do not; its paths are its own.
  claims: () => false,
  readCredential: ({ authorization }) => /^Bearer +(\S+)\s*$/i.exec(authorization ?? "")?.[1],
  requestHeaders: [],
  endpoints: [chatEndpoint, promptEndpoint, embedEndpoint, tagsEndpoint, versionEndpoint],
  /** https://docs.ollama.com/api/errors */
  writeError: (error) => ({
    status: error.httpStatus,
    headers: { "content-type": "application/json", ...(error.retryAfterMs === undefined ? {} : { "retry-after": String(Math.ceil(error.retryAfterMs / 1000)) }) },
    body: JSON.stringify({ error: error.message }),
  }),
};
