/** Owns the `cohere` dialect, of which there is Rerank. */
import type { Dialect } from "../../domain/dialect.ts";
import { rerankEndpoint } from "./rerank.ts";

export const cohereDialect: Dialect = {
  name: "cohere",
  // Its one path is nobody else's.
  claims: () => false,
  readCredential: ({ authorization }) => /^Bearer +(\S+)\s*$/i.exec(authorization ?? "")?.[1],
  requestHeaders: [],
  endpoints: [rerankEndpoint],
  /** https://docs.cohere.com/reference/errors */
  writeError: (error, requestId) => ({
    status: error.httpStatus,
    headers: { "content-type": "application/json", ...(error.retryAfterMs === undefined ? {} : { "retry-after": String(Math.ceil(error.retryAfterMs / 1000)) }) },
    body: JSON.stringify({ id: requestId, message: error.message }),
  }),
};
