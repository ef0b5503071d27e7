/** Owns ListJournals: the journals that metering has heard of, newest first. */
import { create } from "@bufbuild/protobuf";
import { ListJournalsResponseSchema, type ListJournalsRequest, type ListJournalsResponse } from "#gen/weir/metering/v1/journal_pb.ts";
import type { Database } from "#platform/database/database.ts";
import { selectJournals } from "../../store/journals.ts";
import { journalMessage } from "./journal-message.ts";
import { invalidPageToken, pageSizeOf, readPageToken, writePageToken, type TokenPart } from "../page-token.ts";

export async function listJournals(database: Database, { onlyOpen, pageSize, pageToken }: ListJournalsRequest): Promise<ListJournalsResponse> {
  const query: TokenPart = ["journals", onlyOpen ? 1 : 0];
  const size = pageSizeOf(pageSize);
  const rows = await selectJournals(database, { onlyOpen, before: readPlace(readPageToken(pageToken, query)), limit: size + 1 });
  const page = rows.slice(0, size);
  return create(ListJournalsResponseSchema, {
    journals: page.map(journalMessage),
    nextPageToken: rows.length > size ? writePageToken(query, [page.at(-1)!.journal_id]) : "",
  });
}

function readPlace(place: unknown[] | undefined): string | undefined {
  if (place === undefined) return undefined;
  if (typeof place[0] !== "string") throw invalidPageToken();
  return place[0];
}
