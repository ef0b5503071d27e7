/** Owns page tokens: where the next page begins, bound to the query that asked. */
import { GatewayError } from "#platform/errors.ts";

/** Values by which a query is told from others, and a place in its result; plain JSON. */
export type TokenPart = readonly (string | number | null | readonly (string | number)[])[];

export function writePageToken(query: TokenPart, place: TokenPart): string {
  return Buffer.from(JSON.stringify([query, place])).toString("base64url");
}

/** The place; undefined for the first page. Throws INVALID_REQUEST when the token is damaged or of another query. */
export function readPageToken(token: string, query: TokenPart): unknown[] | undefined {
  if (token === "") return undefined;
  try {
    const parsed: unknown = JSON.parse(Buffer.from(token, "base64url").toString("utf8"));
    if (Array.isArray(parsed) && JSON.stringify(parsed[0]) === JSON.stringify(query) && Array.isArray(parsed[1])) return parsed[1];
  } catch {
    // Falls through: what is not JSON is no token of ours.
  }
  throw invalidPageToken();
}

export function invalidPageToken(): GatewayError {
  return new GatewayError("INVALID_REQUEST", "The page token is not one that this query returned: start again without it.", {
    fieldViolations: [{ field: "page_token", description: "not a token of this query" }],
  });
}

const defaultPageSize = 100;
const maximumPageSize = 1000;

export function pageSizeOf(asked: number): number {
  return asked <= 0 ? defaultPageSize : Math.min(asked, maximumPageSize);
}
