/** Owns Gemini's dialect: which requests are its own, and which endpoints it has. */
import type { IncomingHttpHeaders } from "node:http";
import type { Dialect, Endpoint } from "../../domain/dialect.ts";
import { countTokensEndpoint } from "./count-tokens.ts";
import { embedEndpoints } from "./embed-content.ts";
import { writeError } from "./errors.ts";
import { generateEndpoints } from "./generate-content.ts";
import { modelEndpoints } from "./models.ts";
import { nativeDialect } from "./read-parts.ts";

/** https://ai.google.dev/gemini-api/docs/api-versions */
const versions = ["v1beta", "v1"];

export const geminiDialect: Dialect = {
  name: nativeDialect,
  claims: (headers, query) => headers["x-goog-api-key"] !== undefined || keyIn(query) !== undefined,
  readCredential,
  requestHeaders: [],
  endpoints: versions.flatMap((version): Endpoint[] => [...generateEndpoints(version), ...embedEndpoints(version), countTokensEndpoint(version), ...modelEndpoints(version)]),
  writeError,
};

function readCredential(headers: IncomingHttpHeaders, query: string): string | undefined {
  const key = headers["x-goog-api-key"];
  if (typeof key === "string") return key;
  return keyIn(query) ?? /^Bearer +(\S+)\s*$/i.exec(headers.authorization ?? "")?.[1];
}

function keyIn(query: string): string | undefined {
  return query === "" ? undefined : (new URLSearchParams(query).get("key") ?? undefined);
}
