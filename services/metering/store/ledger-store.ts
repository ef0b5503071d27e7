/** Owns the ledger's tables: which lines are new, what stands, and the writing of lines, postings and sums. */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import type { UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import type { Queryable } from "#platform/database/database.ts";
import { preparedStatement } from "#platform/database/prepared-statement.ts";
import type { LedgerChange, LineChange, LineFigures, LineIdentity, Posting, RollupDelta, StandingLine } from "../domain/ledger.ts";
import { batchParameters, batchRelation, columnNames, listText, type Column } from "./batch-statement.ts";

const identityColumns: readonly Column<LineChange>[] = [
  { name: "attempt_id", type: "text", value: ({ identity }) => identity.attemptId },
  { name: "start_time", type: "timestamptz", value: ({ identity }) => timeText(identity.startTimeMs) },
];

const intentColumns: readonly Column<LedgerChange>[] = [
  { name: "organization_id", type: "text", value: ({ identity }) => identity.organizationId },
  { name: "team_id", type: "text", value: ({ identity }) => identity.teamId },
  { name: "key_id", type: "text", value: ({ identity }) => identity.keyId },
  { name: "request_id", type: "text", value: ({ source }) => source.intent.requestId },
  { name: "labels", type: "jsonb", sentAs: "text", value: ({ source }) => labelsText(source.attribution.labels) },
  { name: "report_labels", type: "text", value: ({ identity }) => identity.reportLabels },
  { name: "route", type: "text", value: ({ identity }) => identity.route },
  { name: "provider", type: "text", value: ({ identity }) => identity.provider },
  { name: "vendor", type: "text", value: ({ identity }) => identity.vendor },
  { name: "model", type: "text", value: ({ identity }) => identity.model },
  { name: "operation", type: "text", value: ({ source }) => source.intent.operation },
  { name: "is_stream", type: "boolean", value: ({ source }) => source.intent.stream },
  { name: "price_version", type: "text", value: ({ identity }) => identity.priceVersion },
  { name: "lease_id", type: "text", value: ({ identity }) => identity.leaseId || null },
  { name: "bound_nanos", type: "bigint", value: ({ identity }) => (identity.leaseId === "" ? null : identity.boundNanos) },
];

const outcomeColumns: readonly Column<LedgerChange>[] = [
  { name: "rank", type: "integer", value: ({ figures }) => figures.rank },
  { name: "result", type: "integer", value: ({ figures }) => figures.result },
  { name: "usage_source", type: "integer", value: ({ source }) => source.outcome.usage?.source ?? null },
  {
    name: "quantities",
    type: "bigint[]",
    sentAs: "text",
    value: ({ figures }) => (figures.quantities === undefined ? null : listText(figures.quantities)),
  },
  { name: "finish_reason", type: "text", value: ({ source }) => source.outcome.finishReason },
  { name: "error_reason", type: "text", value: ({ source }) => source.outcome.errorReason },
  { name: "http_status", type: "integer", value: ({ source }) => source.outcome.httpStatus },
  { name: "upstream_request_id", type: "text", value: ({ source }) => source.outcome.upstreamRequestId },
  { name: "served_model", type: "text", value: ({ source }) => source.outcome.servedModel },
  { name: "service_tier", type: "text", value: ({ source }) => source.outcome.serviceTier },
  { name: "first_byte_ms", type: "bigint", value: ({ figures }) => figures.firstByteMs ?? null },
  { name: "duration_ms", type: "bigint", value: ({ figures }) => figures.durationMs },
  {
    name: "end_time",
    type: "timestamptz",
    value: ({ source }) => (source.outcome.endTime === undefined ? null : timeText(timestampMs(source.outcome.endTime))),
  },
  { name: "cost_nanos", type: "bigint", value: ({ figures }) => figures.costNanos ?? null },
  { name: "charge_nanos", type: "bigint", value: ({ figures }) => figures.chargeNanos ?? null },
  { name: "is_unpriced", type: "boolean", value: ({ figures }) => figures.isUnpriced },
];

const lineColumns: readonly Column<LedgerChange>[] = [...identityColumns, ...intentColumns, ...outcomeColumns];
const correctionColumns: readonly Column<LedgerChange>[] = [...identityColumns, ...outcomeColumns];

const ratingColumns: readonly Column<LineChange>[] = [
  { name: "cost_nanos", type: "bigint", value: ({ figures }) => figures.costNanos ?? null },
  { name: "charge_nanos", type: "bigint", value: ({ figures }) => figures.chargeNanos ?? null },
  { name: "is_unpriced", type: "boolean", value: ({ figures }) => figures.isUnpriced },
  { name: "generation", type: "integer", value: ({ figures }) => figures.generation },
  { name: "rerated_version", type: "text", value: ({ identity }) => identity.priceVersion },
];

/** What a line that stands is read by. */
export const standingColumns = `attempts.attempt_id, attempts.start_time, organization_id, team_id, key_id, route, report_labels, provider, vendor, model,
  coalesce(rerated_version, price_version) as price_version, rank, generation, result, quantities, duration_ms, first_byte_ms, cost_nanos, charge_nanos, is_unpriced, lease_id, bound_nanos`;

const postingColumns: readonly Column<Posting>[] = [
  { name: "attempt_id", type: "text", value: ({ attemptId }) => attemptId },
  { name: "start_time", type: "timestamptz", value: ({ startTimeMs }) => timeText(startTimeMs) },
  { name: "rank", type: "integer", value: ({ rank }) => rank },
  { name: "generation", type: "integer", value: ({ generation }) => generation },
  { name: "account", type: "text", value: ({ account }) => account },
  { name: "organization_id", type: "text", value: ({ organizationId }) => organizationId },
  { name: "amount_nanos", type: "bigint", value: ({ amountNanos }) => amountNanos },
  { name: "price_version", type: "text", value: ({ priceVersion }) => priceVersion },
];

const deltaColumns: readonly Column<RollupDelta>[] = [
  { name: "hour", type: "timestamptz", value: ({ hourMs }) => timeText(hourMs) },
  { name: "organization_id", type: "text", value: ({ identity }) => identity.organizationId },
  { name: "team_id", type: "text", value: ({ identity }) => identity.teamId },
  { name: "key_id", type: "text", value: ({ identity }) => identity.keyId },
  { name: "route", type: "text", value: ({ identity }) => identity.route },
  { name: "provider", type: "text", value: ({ identity }) => identity.provider },
  { name: "vendor", type: "text", value: ({ identity }) => identity.vendor },
  { name: "model", type: "text", value: ({ identity }) => identity.model },
  { name: "report_labels", type: "text", value: ({ identity }) => identity.reportLabels },
  { name: "attempts", type: "bigint", value: ({ attempts }) => attempts },
  { name: "failed_attempts", type: "bigint", value: ({ failed }) => failed },
  { name: "orphaned_attempts", type: "bigint", value: ({ orphaned }) => orphaned },
  { name: "unpriced_attempts", type: "bigint", value: ({ unpriced }) => unpriced },
  { name: "cost_nanos", type: "bigint", value: ({ costNanos }) => costNanos },
  { name: "charge_nanos", type: "bigint", value: ({ chargeNanos }) => chargeNanos },
  { name: "quantities", type: "bigint[]", sentAs: "text", value: ({ quantities }) => listText(quantities) },
  { name: "durations", type: "smallint[]", sentAs: "text", value: ({ durations }) => listText(durations) },
  { name: "first_bytes", type: "smallint[]", sentAs: "text", value: ({ firstBytes }) => listText(firstBytes) },
];

const isSameAttempt = "attempts.start_time = batch.start_time and attempts.attempt_id = batch.attempt_id";

const insertNewLines = preparedStatement(
  `insert into attempts (${columnNames(lineColumns)}) select * from ${batchRelation(lineColumns)}
   on conflict do nothing returning attempt_id`,
);

/** Writes the lines that are not there yet, and returns their attempt ids. Waits for concurrent batches with the same attempts. */
export async function insertLines(transaction: Queryable, lines: readonly LedgerChange[]): Promise<ReadonlySet<string>> {
  const { rows } = await transaction.query<{ attempt_id: string }>(insertNewLines, batchParameters(lineColumns, lines));
  return new Set(rows.map((row) => row.attempt_id));
}

/** What stands for the attempts of these lines, locked until the transaction ends, in the order of the ids. */
export async function lockLines(transaction: Queryable, lines: readonly LedgerChange[]): Promise<readonly StandingLine[]> {
  const { rows } = await transaction.query<StandingRow>(
    `select ${standingColumns} from attempts join ${batchRelation(identityColumns)} on ${isSameAttempt}
     order by attempts.attempt_id for update of attempts`,
    batchParameters(identityColumns, lines),
  );
  return rows.map(toStandingLine);
}

/** Puts what stands aside, and the corrections in its place. */
export async function correctLines(transaction: Queryable, changes: readonly LedgerChange[]): Promise<void> {
  await replaceLines(transaction, changes, correctionColumns, outcomeColumns);
}

/** Puts what stands aside, and the new ratings in its place. */
export async function rerateLines(transaction: Queryable, changes: readonly LineChange[]): Promise<void> {
  await replaceLines(transaction, changes, [...identityColumns, ...ratingColumns], ratingColumns);
}

async function replaceLines<Change extends LineChange>(transaction: Queryable, changes: readonly Change[], sent: readonly Column<Change>[], replaced: readonly Column<Change>[]): Promise<void> {
  const kept = [...lineColumns.map(({ name }) => name), "generation", "rerated_version", "post_time"];
  await transaction.query(
    `insert into superseded_attempts (${kept.join(", ")})
     select ${kept.map((name) => `attempts.${name}`).join(", ")} from attempts join ${batchRelation(identityColumns)} on ${isSameAttempt}`,
    batchParameters(identityColumns, changes),
  );
  await transaction.query(
    `update attempts set ${replaced.map(({ name }) => `${name} = batch.${name}`).join(", ")}, post_time = now()
     from ${batchRelation(sent)} where ${isSameAttempt}`,
    batchParameters(sent, changes),
  );
}

const insertAllPostings = preparedStatement(`insert into postings (${columnNames(postingColumns)}) select * from ${batchRelation(postingColumns)}`);

export async function insertPostings(transaction: Queryable, postings: readonly Posting[]): Promise<void> {
  await transaction.query(insertAllPostings, batchParameters(postingColumns, postings));
}

const insertAllDeltas = preparedStatement(`insert into usage_deltas (${columnNames(deltaColumns)}) select * from ${batchRelation(deltaColumns)}`);

/** Adds to the sums, without a wait for others that do the same. */
export async function insertDeltas(transaction: Queryable, deltas: readonly RollupDelta[]): Promise<void> {
  await transaction.query(insertAllDeltas, batchParameters(deltaColumns, deltas));
}

export interface StandingRow {
  readonly attempt_id: string;
  readonly start_time: Date;
  readonly organization_id: string;
  readonly team_id: string;
  readonly key_id: string;
  readonly route: string;
  readonly report_labels: string;
  readonly provider: string;
  readonly vendor: string;
  readonly model: string;
  readonly price_version: string;
  readonly rank: number;
  readonly generation: number;
  readonly result: number;
  readonly quantities: readonly bigint[] | null;
  readonly duration_ms: bigint;
  readonly first_byte_ms: bigint | null;
  readonly cost_nanos: bigint | null;
  readonly charge_nanos: bigint | null;
  readonly is_unpriced: boolean;
  readonly lease_id: string | null;
  readonly bound_nanos: bigint | null;
}

export function toStandingLine(row: StandingRow): StandingLine {
  const identity: LineIdentity = {
    attemptId: row.attempt_id,
    startTimeMs: row.start_time.getTime(),
    organizationId: row.organization_id,
    teamId: row.team_id,
    keyId: row.key_id,
    route: row.route,
    reportLabels: row.report_labels,
    provider: row.provider,
    vendor: row.vendor,
    model: row.model,
    priceVersion: row.price_version,
    leaseId: row.lease_id ?? "",
    boundNanos: row.bound_nanos ?? 0n,
  };
  const figures: LineFigures = {
    rank: row.rank as UsageSource,
    generation: row.generation,
    result: row.result as AttemptResult,
    quantities: row.quantities ?? undefined,
    durationMs: row.duration_ms,
    firstByteMs: row.first_byte_ms ?? undefined,
    costNanos: row.cost_nanos ?? undefined,
    chargeNanos: row.charge_nanos ?? undefined,
    isUnpriced: row.is_unpriced,
  };
  return { identity, figures };
}

function labelsText(labels: Readonly<Record<string, string>>): string | null {
  // Most calls have none.
  for (const _ in labels) return JSON.stringify(labels);
  return null;
}

let lastTime = { timeMs: 0, text: new Date(0).toISOString() };

/** Most rows of a batch have the time of the row before. */
function timeText(timeMs: number): string {
  if (timeMs !== lastTime.timeMs) lastTime = { timeMs, text: new Date(timeMs).toISOString() };
  return lastTime.text;
}
