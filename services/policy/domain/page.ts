/** Owns pages: how many entries one has, and the opaque token that says where the next one begins. */
import { GatewayError } from "#platform/errors.ts";

/** What of a list is asked for. */
export interface Page {
  readonly size: number;
  /** The sort key of the last entry before this page; undefined for the first page. */
  readonly after: readonly string[] | undefined;
}

const defaultSize = 100;
const largestSize = 1_000;

/**
 * The page that a request asks for. A token holds only in the list, and under the filter, that it came from (`scope`).
 * Throws INVALID_REQUEST.
 */
export function readPage(request: { readonly pageSize: number; readonly pageToken: string }, scope: readonly string[], keyLength: number): Page {
  const { pageSize, pageToken } = request;
  if (pageSize < 0 || pageSize > largestSize) throw invalid("page_size", `A page has at most ${largestSize} entries; 0 means ${defaultSize}.`);
  const size = pageSize === 0 ? defaultSize : pageSize;
  if (pageToken === "") return { size, after: undefined };
  const fields = parseToken(pageToken);
  const isOfThisList = fields?.length === scope.length + keyLength && scope.every((part, index) => fields[index] === part);
  if (!isOfThisList) throw invalid("page_token", "A page token is the `next_page_token` of the page before, with all else in the request unchanged.");
  return { size, after: fields.slice(scope.length) };
}

/** The entries of the page and the token of the next, from one entry more than the page has. */
export function cutPage<Entry>(entries: readonly Entry[], { size }: Page, scope: readonly string[], keyOf: (entry: Entry) => readonly string[]): { entries: Entry[]; nextPageToken: string } {
  const shown = entries.slice(0, size);
  const last = shown.at(-1);
  const hasMore = entries.length > size && last !== undefined;
  return { entries: shown, nextPageToken: hasMore ? Buffer.from(JSON.stringify([...scope, ...keyOf(last)])).toString("base64url") : "" };
}

function parseToken(token: string): readonly string[] | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(token, "base64url").toString("utf8"));
    return Array.isArray(value) && value.every((field) => typeof field === "string") ? value : undefined;
  } catch {
    return undefined;
  }
}

function invalid(field: string, description: string): GatewayError {
  return new GatewayError("INVALID_REQUEST", description, { fieldViolations: [{ field, description }] });
}
