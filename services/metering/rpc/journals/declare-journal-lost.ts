/** Owns DeclareJournalLost: an operator says that a journal will not come back. */
import { create } from "@bufbuild/protobuf";
import { DeclareJournalLostResponseSchema, type DeclareJournalLostRequest, type DeclareJournalLostResponse } from "#gen/weir/metering/v1/journal_pb.ts";
import type { Database } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";
import type { LostJournals } from "../../lost-journals.ts";
import { fenceJournal, selectJournal } from "../../store/journals.ts";
import { journalMessage } from "./journal-message.ts";

export async function declareJournalLost(database: Database, lost: LostJournals, { journalId, reason }: DeclareJournalLostRequest): Promise<DeclareJournalLostResponse> {
  const isNew = await fenceJournal(database, journalId, reason || "declared by an operator");
  const postedAttempts = isNew ? await lost.postOrphans(journalId) : 0;
  const journal = await selectJournal(database, journalId);
  if (journal === undefined) {
    throw new GatewayError("NOT_FOUND", `No journal ${journalId} was ever heard of. \`weir journal list\` shows those there are.`, { metadata: { kind: "journal", id: journalId } });
  }
  return create(DeclareJournalLostResponseSchema, { journal: journalMessage(journal), postedAttempts: BigInt(postedAttempts) });
}
