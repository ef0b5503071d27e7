/** Owns RecordKeyUses. */
import { create } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { RecordKeyUsesResponseSchema, type RecordKeyUsesRequest, type RecordKeyUsesResponse } from "#gen/weir/policy/v1/key_pb.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { insertKeyUses } from "../../store/keys.ts";

export async function recordKeyUses({ uses }: RecordKeyUsesRequest, { database }: PolicyDependencies): Promise<RecordKeyUsesResponse> {
  await insertKeyUses(database, uses.map(({ keyId, useTime }) => ({ keyId, useTime: timestampDate(useTime!) })));
  return create(RecordKeyUsesResponseSchema);
}
