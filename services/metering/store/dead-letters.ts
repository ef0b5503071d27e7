/** Owns the events that can never be posted, or only without their usage, each kept once with the reason. */
import { createHash } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import { UsageEventSchema } from "#gen/weir/metering/v1/usage_event_pb.ts";
import type { Queryable } from "#platform/database/database.ts";
import { storableText } from "../domain/storable-text.ts";
import type { Rejection } from "../domain/usage-event.ts";

const maximumIdLength = 256;

export interface DeadLetter {
  /** Of its attempt, or whatever id it came with. */
  readonly id: string;
  readonly reason: string;
  /** As it came; an event of weir.metering.v1, if it can be read at all. */
  readonly bytes: Uint8Array;
}

export async function keepRejectedEvents(queryable: Queryable, rejections: readonly Rejection[]): Promise<void> {
  await keepDeadLetters(queryable, rejections.map(({ attemptId, reason, event }) => ({ id: attemptId, reason, bytes: toBinary(UsageEventSchema, event) })));
}

export async function keepDeadLetters(queryable: Queryable, letters: readonly DeadLetter[]): Promise<void> {
  await queryable.query(
    `insert into dead_letters (digest, attempt_id, reason, event)
     select * from unnest($1::bytea[], $2::text[], $3::text[], $4::bytea[]) on conflict do nothing`,
    [
      letters.map(({ bytes }) => createHash("sha256").update(bytes).digest()),
      letters.map(({ id }) => storableText(id).slice(0, maximumIdLength)),
      letters.map(({ reason }) => storableText(reason)),
      letters.map(({ bytes }) => Buffer.from(bytes)),
    ],
  );
}
