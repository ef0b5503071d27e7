/** Owns what vendors say they billed, what the ledger has beside it, and the postings of the differences. */
import type { Queryable } from "#platform/database/database.ts";
import type { LedgerUsage, VendorLine } from "../domain/reconcile.ts";
import { attemptColumns, type AttemptRow } from "./attempt-list.ts";
import { batchParameters, batchRelation, columnNames, listText, type Column } from "./batch-statement.ts";
import { quantitySums } from "./computed-sums.ts";

/** Lines of one source add up; those of two are never compared together. */
export interface VendorSource {
  readonly vendor: string;
  readonly source: string;
}

export interface VendorPeriod {
  readonly startMs: number;
  readonly endMs: number;
}

/** How much more than what stands for it was billed. */
export interface VendorDifference extends VendorPeriod {
  /** A model, or the vendor's id of a request. */
  readonly subject: string;
  readonly amountNanos: bigint;
}

/** What a line was about before it came again for something else. */
export interface FormerPlace extends VendorPeriod {
  readonly lineId: string;
  /** Empty for a sum over a period. */
  readonly upstreamRequestId: string;
}

const lineColumns: readonly Column<VendorLine>[] = [
  { name: "line_id", type: "text", value: ({ lineId }) => lineId },
  { name: "upstream_request_id", type: "text", value: ({ upstreamRequestId }) => upstreamRequestId },
  { name: "model", type: "text", value: ({ model }) => model },
  { name: "start_time", type: "timestamptz", value: ({ startMs }) => time(startMs) },
  { name: "end_time", type: "timestamptz", value: ({ endMs }) => time(endMs) },
  { name: "quantities", type: "bigint[]", sentAs: "text", value: ({ quantities }) => (quantities === undefined ? null : listText(quantities)) },
  { name: "cost_nanos", type: "bigint", value: ({ costNanos }) => costNanos ?? null },
];

const differenceColumns: readonly Column<VendorDifference>[] = [
  { name: "start_time", type: "timestamptz", value: ({ startMs }) => time(startMs) },
  { name: "end_time", type: "timestamptz", value: ({ endMs }) => time(endMs) },
  { name: "subject", type: "text", value: ({ subject }) => subject },
  { name: "amount_nanos", type: "bigint", value: ({ amountNanos }) => amountNanos },
];

export async function saveLines(transaction: Queryable, { vendor, source }: VendorSource, lines: readonly VendorLine[], importedBy: string): Promise<void> {
  const named = lineColumns.filter(({ name }) => name !== "line_id").map(({ name }) => name);
  const parameters = batchParameters(lineColumns, lines);
  const own = ["$", "$", "$"].map((sign, index) => `${sign}${parameters.length + index + 1}::text`);
  await transaction.query(
    `insert into vendor_lines as known (${columnNames(lineColumns)}, vendor, source, imported_by)
     select batch.*, ${own.join(", ")} from ${batchRelation(lineColumns)}
     on conflict (vendor, source, line_id) do update set ${named.map((name) => `${name} = excluded.${name}`).join(", ")}, imported_by = excluded.imported_by, import_time = now()
     where (${named.map((name) => `known.${name}`).join(", ")}) is distinct from (${named.map((name) => `excluded.${name}`).join(", ")})`,
    [...parameters, vendor, source, importedBy],
  );
}

/** Of those of the lines that were about another period or request before, what that was. */
export async function selectFormerPlaces(queryable: Queryable, { vendor, source }: VendorSource, lines: readonly VendorLine[]): Promise<FormerPlace[]> {
  if (lines.length === 0) return [];
  const parameters = batchParameters(lineColumns, lines);
  const { rows } = await queryable.query<{ line_id: string; upstream_request_id: string; start_time: Date; end_time: Date }>(
    `select known.line_id, known.upstream_request_id, known.start_time, known.end_time
     from ${batchRelation(lineColumns)} join vendor_lines as known using (line_id)
     where known.vendor = $${parameters.length + 1} and known.source = $${parameters.length + 2}
       and (known.upstream_request_id <> batch.upstream_request_id
            or (known.upstream_request_id = '' and (known.start_time, known.end_time) is distinct from (batch.start_time, batch.end_time)))`,
    [...parameters, vendor, source],
  );
  return rows.map((row) => ({ lineId: row.line_id, upstreamRequestId: row.upstream_request_id, startMs: row.start_time.getTime(), endMs: row.end_time.getTime() }));
}

export async function hasLineOf(queryable: Queryable, { vendor, source }: VendorSource, upstreamRequestId: string): Promise<boolean> {
  const { rows } = await queryable.query("select from vendor_lines where vendor = $1 and source = $2 and upstream_request_id = $3 limit 1", [vendor, source, upstreamRequestId]);
  return rows.length > 0;
}

const hasUsage = "(cost_nanos <> 0 or exists (select from unnest(quantities) as quantity where quantity <> 0))";

/** The lines of exactly this period, of all imports. */
export async function selectLines(queryable: Queryable, { vendor, source }: VendorSource, { startMs, endMs }: VendorPeriod): Promise<VendorLine[]> {
  const { rows } = await queryable.query<{ line_id: string; model: string; quantities: bigint[] | null; cost_nanos: bigint | null }>(
    `select line_id, model, quantities, cost_nanos from vendor_lines
     where vendor = $1 and source = $2 and start_time = $3::timestamptz and end_time = $4::timestamptz and upstream_request_id = '' order by line_id`,
    [vendor, source, time(startMs), time(endMs)],
  );
  return rows.map((row) => ({ lineId: row.line_id, upstreamRequestId: "", model: row.model, startMs, endMs, quantities: row.quantities ?? undefined, costNanos: row.cost_nanos ?? undefined }));
}

const othersOfPeriods = `vendor = $1 and source = $2 and upstream_request_id = '' and line_id <> all($3::text[])
  and (start_time, end_time) in (select * from unnest($4::timestamptz[], $5::timestamptz[]))`;

/** How many lines of these periods are others than these. */
export async function countOthers(queryable: Queryable, source: VendorSource, periods: readonly VendorPeriod[], lines: readonly VendorLine[]): Promise<bigint> {
  const { rows } = await queryable.query<{ others: bigint }>(`select count(*) as others from vendor_lines where ${othersOfPeriods}`, othersParameters(source, periods, lines));
  return rows[0]!.others;
}

/** Takes the lines of these periods away that are others than these; what was posted because of them stays until the periods are compared. */
export async function deleteOthers(transaction: Queryable, source: VendorSource, periods: readonly VendorPeriod[], lines: readonly VendorLine[]): Promise<void> {
  await transaction.query(`delete from vendor_lines where ${othersOfPeriods}`, othersParameters(source, periods, lines));
}

function othersParameters({ vendor, source }: VendorSource, periods: readonly VendorPeriod[], lines: readonly VendorLine[]): unknown[] {
  return [vendor, source, lines.map(({ lineId }) => lineId), periods.map(({ startMs }) => time(startMs)), periods.map(({ endMs }) => time(endMs))];
}

/** What the ledger has of a vendor in a period, by model as asked for and as served. */
export async function selectLedgerUsage(queryable: Queryable, vendor: string, { startMs, endMs }: VendorPeriod): Promise<LedgerUsage[]> {
  const { rows } = await queryable.query<{ model: string; served_model: string; quantities: bigint[]; cost: bigint }>(
    `select model, served_model, ${quantitySums} as quantities, coalesce(sum(cost_nanos), 0)::int8 as cost from attempts
     where start_time >= $1::timestamptz and start_time < $2::timestamptz and vendor = $3 and ${hasUsage}
     group by model, served_model`,
    [time(startMs), time(endMs), vendor],
  );
  return rows.map((row) => ({ model: row.model, servedModel: row.served_model, quantities: row.quantities, costNanos: row.cost }));
}

/** The attempts of a vendor in a period that have one of these ids of its requests, and the orphans that have none. */
export async function selectCandidates(queryable: Queryable, vendor: string, { startMs, endMs }: VendorPeriod, upstreamRequestIds: readonly string[], orphanedRank: number): Promise<readonly AttemptRow[]> {
  const { rows } = await queryable.query<AttemptRow>(
    `select ${attemptColumns} from attempts where start_time >= $1::timestamptz and start_time < $2::timestamptz and vendor = $3
       and (upstream_request_id = any($4::text[]) or (upstream_request_id = '' and rank = $5)) order by start_time, attempt_id`,
    [time(startMs), time(endMs), vendor, upstreamRequestIds, orphanedRank],
  );
  return rows;
}

/** The attempts of a vendor in a period that used something under an id which none of the source's lines has, or which is another attempt's: `matched` has the attempt of each id. */
export async function selectUnlisted(queryable: Queryable, { vendor, source }: VendorSource, { startMs, endMs }: VendorPeriod, matched: ReadonlyMap<string, string>, limit: number): Promise<readonly AttemptRow[]> {
  const { rows } = await queryable.query<AttemptRow>(
    `select ${attemptColumns} from attempts where start_time >= $1::timestamptz and start_time < $2::timestamptz and vendor = $3 and upstream_request_id <> '' and ${hasUsage}
       and (upstream_request_id not in (select upstream_request_id from vendor_lines where vendor = $3 and source = $4)
            or (upstream_request_id in (select unnest($5::text[])) and attempt_id not in (select unnest($6::text[]))))
     order by start_time, attempt_id limit $7`,
    [time(startMs), time(endMs), vendor, source, [...matched.keys()], [...matched.values()], limit],
  );
  return rows;
}

/** What these attempts cost now. */
export async function selectCosts(queryable: Queryable, { startMs, endMs }: VendorPeriod, attemptIds: readonly string[]): Promise<ReadonlyMap<string, bigint>> {
  const { rows } = await queryable.query<{ attempt_id: string; cost: bigint }>(
    "select attempt_id, coalesce(cost_nanos, 0) as cost from attempts where start_time >= $1::timestamptz and start_time < $2::timestamptz and attempt_id = any($3::text[])",
    [time(startMs), time(endMs), attemptIds],
  );
  return new Map(rows.map(({ attempt_id, cost }) => [attempt_id, cost]));
}

/** What stands on the difference account for each subject of a period. */
export async function selectPosted(queryable: Queryable, { vendor, source }: VendorSource, { startMs, endMs }: VendorPeriod): Promise<ReadonlyMap<string, bigint>> {
  const { rows } = await queryable.query<{ subject: string; amount: bigint }>(
    `select subject, sum(amount_nanos)::int8 as amount from vendor_postings
     where vendor = $1 and source = $2 and start_time = $3::timestamptz and end_time = $4::timestamptz and account = $5 group by subject`,
    [vendor, source, time(startMs), time(endMs), differenceAccount(vendor)],
  );
  return new Map(rows.map(({ subject, amount }) => [subject, amount]));
}

/** The same for the subjects that are requests. */
export async function selectPostedForRequests(queryable: Queryable, { vendor, source }: VendorSource, upstreamRequestIds: readonly string[]): Promise<ReadonlyMap<string, bigint>> {
  const { rows } = await queryable.query<{ subject: string; amount: bigint }>(
    `select subject, sum(amount_nanos)::int8 as amount from vendor_postings
     where vendor = $1 and source = $2 and start_time = end_time and subject = any($3::text[]) and account = $4 group by subject`,
    [vendor, source, upstreamRequestIds, differenceAccount(vendor)],
  );
  return new Map(rows.map(({ subject, amount }) => [subject, amount]));
}

/** Posts what was billed beyond the ledger: the difference account is debited, the vendor credited. */
export async function postDifferences(transaction: Queryable, { vendor, source }: VendorSource, differences: readonly VendorDifference[], postedBy: string): Promise<void> {
  const parameters = batchParameters(differenceColumns, differences);
  const [vendorName, sourceName, poster, debited, credited] = [1, 2, 3, 4, 5].map((index) => `$${parameters.length + index}::text`);
  await transaction.query(
    `with posted as (
       insert into vendor_postings (vendor, source, start_time, end_time, subject, account, month, amount_nanos, posted_by)
       select ${vendorName}, ${sourceName}, start_time, end_time, subject, account, date_trunc('month', start_time at time zone 'UTC')::date, amount, ${poster}
       from ${batchRelation(differenceColumns)}, lateral (values (${debited}, amount_nanos), (${credited}, -amount_nanos)) as sides (account, amount)
       returning account, month, amount_nanos
     )
     insert into balances as sums (account, month, amount_nanos) select account, month, sum(amount_nanos)::int8 from posted group by account, month
     on conflict (account, month) do update set amount_nanos = sums.amount_nanos + excluded.amount_nanos`,
    [...parameters, vendor, source, postedBy, differenceAccount(vendor), `vendor:${vendor}`],
  );
}

function differenceAccount(vendor: string): string {
  return `difference:${vendor}`;
}

function time(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
