/** Owns ReadContent: what a call said, for those who may read it. */
import type { KeyObject } from "node:crypto";
import { create, fromBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { ReadContentResponseSchema, type ReadContentRequest, type ReadContentResponse, CallContentSchema } from "#gen/weir/metering/v1/content_pb.ts";
import type { Database } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";
import { unseal } from "#platform/secrets/seal.ts";
import { selectContent } from "../../store/contents.ts";
import { keyOf, placeOf, unwrap } from "./record-content.ts";

export async function readContent(database: Database, installationKey: KeyObject | undefined, { organizationId, callId }: ReadContentRequest): Promise<ReadContentResponse> {
  const stored = await selectContent(database, organizationId, callId);
  if (stored === undefined || stored.wrapped === null) {
    throw new GatewayError("NOT_FOUND", `Nothing is kept of what ${callId} said, or not any more${organizationId === "" ? ": name its organization, where the key reaches several" : ""}.`, { metadata: { kind: "content", id: callId } });
  }
  const dataKey = unwrap(stored.wrapped, organizationId, stored.key_version, keyOf(installationKey));
  const plain = unseal(stored.sealed, dataKey, placeOf(organizationId, callId, stored.key_version));
  if (plain === undefined) throw new GatewayError("INTERNAL", `The content of ${callId} was changed since it was kept; see \`weir audit verify\`.`);
  return create(ReadContentResponseSchema, { content: fromBinary(CallContentSchema, plain), recordTime: timestampFromDate(stored.record_time) });
}
