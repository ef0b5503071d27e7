/** Owns the events that can never be posted, each kept once with the reason. */
import { createHash } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import { UsageEventSchema } from "#gen/weir/metering/v1/usage_event_pb.ts";
import type { Queryable } from "#platform/database/database.ts";
import type { Rejection } from "../domain/usage-event.ts";

const maximumIdLength = 256;

export async function keepDeadLetters(queryable: Queryable, rejections: readonly Rejection[]): Promise<void> {
  const events = rejections.map(({ event }) => toBinary(UsageEventSchema, event));
  await queryable.query(
    `insert into dead_letters (digest, attempt_id, reason, event)
     select * from unnest($1::bytea[], $2::text[], $3::text[], $4::bytea[]) on conflict do nothing`,
    [
      events.map((event) => createHash("sha256").update(event).digest()),
      rejections.map(({ attemptId }) => storable(attemptId).slice(0, maximumIdLength)),
      rejections.map(({ reason }) => storable(reason)),
      events.map((event) => Buffer.from(event)),
    ],
  );
}

/** PostgreSQL's text cannot hold U+0000; the event itself is kept as it came. */
function storable(text: string): string {
  return text.replaceAll("\0", "\ufffd");
}
