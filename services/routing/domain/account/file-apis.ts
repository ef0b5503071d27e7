/** Owns how the vendors' own APIs of files differ, by the dialect that they are in. */
import type { JsonObject } from "../dialect.ts";

export interface FileApi {
  /** True where each file is for something; then the form of an upload says what. */
  readonly hasPurposes: boolean;
  /** What the vendor lists at once. */
  readonly pageSize: number;
  /** What asks for the files behind this one. Absent where the vendor goes on behind whole pages alone, so that a file has to be looked for from the first one on. */
  behindFile?(vendorId: string): FileFilters;
  /** What asks for the page behind this one; undefined behind the last. */
  behindPage(page: JsonObject): FileFilters | undefined;
}

/** Members of the query by which a list is asked for. */
export type FileFilters = Readonly<Record<string, string>>;

const fileApis: Readonly<Record<string, FileApi>> = {
  /** https://developers.openai.com/api/reference/resources/files */
  openai: {
    hasPurposes: true,
    pageSize: 10_000,
    behindFile: (vendorId) => ({ after: vendorId }),
    behindPage: ({ has_more: hasMore, data }) => {
      const last = Array.isArray(data) ? (data as JsonObject[]).at(-1)?.["id"] : undefined;
      return hasMore === true && typeof last === "string" ? { after: last } : undefined;
    },
  },
  /** `Files` of @anthropic-ai/sdk; pages were told by `last_id` as long as the API was in beta: https://platform.claude.com/docs/en/api/python/beta/files/list */
  anthropic: {
    hasPurposes: false,
    pageSize: 1_000,
    behindPage: ({ next_page: nextPage, has_more: hasMore, last_id: lastId }) => {
      if (typeof nextPage === "string") return { page: nextPage };
      return hasMore === true && typeof lastId === "string" ? { after_id: lastId } : undefined;
    },
  },
};

export function fileApiOf(dialect: string): FileApi {
  return fileApis[dialect]!;
}
