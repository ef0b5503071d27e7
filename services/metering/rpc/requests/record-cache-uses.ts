/** Owns RecordCacheUses: what the cache of replies did is counted once. */
import { create } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { RecordCacheUsesResponseSchema, type CacheUse, type RecordCacheUsesRequest, type RecordCacheUsesResponse } from "#gen/weir/metering/v1/cache_use_pb.ts";
import type { Database } from "#platform/database/database.ts";
import { reportLabelsOf } from "../../domain/ledger.ts";
import { countCacheUses, type CountedUse } from "../../store/cache-uses.ts";

export async function recordCacheUses(database: Database, declaredLabels: readonly string[], { senderId, sequence, uses }: RecordCacheUsesRequest): Promise<RecordCacheUsesResponse> {
  await countCacheUses(database, senderId, sequence, uses.map((use) => countedUse(use, declaredLabels)));
  return create(RecordCacheUsesResponseSchema);
}

/** A model is named by callers: cut, because it is part of the key of the sums, and without the character that databases hold in no text. */
const maximumModelLength = 256;

function countedUse({ time, attribution, route, provider, vendor, model, hit }: CacheUse, declaredLabels: readonly string[]): CountedUse {
  const { organizationId, teamId, keyId, labels } = attribution!;
  const storable = model.slice(0, maximumModelLength).replaceAll("\0", "");
  return { timeMs: timestampMs(time!), organizationId, teamId, keyId, route, provider, vendor, model: storable, reportLabels: reportLabelsOf(labels, declaredLabels), hit };
}
