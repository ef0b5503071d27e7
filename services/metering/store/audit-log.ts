/** Owns the rows of the audit log: appended to the chains, listed by call, read link by link. */
import type { AuditRecord } from "#gen/weir/metering/v1/audit_pb.ts";
import type { Database, Queryable } from "#platform/database/database.ts";
import { chainBegin, lineAfter, type AuditLine, type ChainPlace } from "../domain/audit-chain.ts";
import { timeText } from "./time-text.ts";

export interface StoredHead {
  readonly organization_id: string;
  readonly sequence: bigint;
  readonly hash: Buffer;
}

/** The last entry that is past its retention and gone: behind it the chain begins. */
export interface StoredAnchor extends StoredHead {
  readonly record_time: Date;
}

/** Durable when it resolves, all or none. An outcome of a call that stands already is not recorded again. */
export async function appendAudit(database: Database, records: readonly AuditRecord[]): Promise<void> {
  await database.transaction((transaction) => appendAuditIn(transaction, records));
}

/** As `appendAudit`, with what else this transaction does; last in it, because others wait for the chains. */
export async function appendAuditIn(transaction: Queryable, records: readonly AuditRecord[]): Promise<void> {
  const byOrganization = Map.groupBy(records, ({ organizationId }) => organizationId);
  // In one order, so that two appends never wait for each other.
  for (const organizationId of [...byOrganization.keys()].toSorted()) await appendTo(transaction, organizationId, byOrganization.get(organizationId)!);
}

async function appendTo(transaction: Queryable, organizationId: string, records: readonly AuditRecord[]): Promise<void> {
  const { now, ...head } = await lockHead(transaction, organizationId);
  const recorded = await outcomesOf(transaction, organizationId, records.map(({ callId }) => callId));
  const lines: AuditLine[] = [];
  for (const record of records) {
    if (recorded.has(`${record.callId} ${record.outcome}`)) continue;
    lines.push(
      lineAfter(lines.at(-1) ?? head, {
        organization: organizationId,
        time: now.toISOString(),
        call: record.callId,
        actor: record.actor,
        actorOrganization: record.actorOrganizationId,
        actorTeam: record.actorTeamId,
        address: record.address,
        method: record.method,
        request: record.requestJson,
        outcome: record.outcome,
      }),
    );
  }
  const last = lines.at(-1);
  if (last === undefined) return;
  await transaction.query(
    `insert into audit_entries (organization_id, sequence, record_time, call_id, actor, method, outcome, entry, hash)
     select $1, sequence, $2, call_id, actor, method, outcome, entry, hash
     from unnest($3::int8[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bytea[]) as lines (sequence, call_id, actor, method, outcome, entry, hash)`,
    [
      organizationId,
      now,
      lines.map(({ sequence }) => sequence.toString()),
      lines.map((line) => line.call_id),
      lines.map(({ actor }) => actor),
      lines.map(({ method }) => method),
      lines.map(({ outcome }) => outcome),
      lines.map(({ entry }) => entry),
      lines.map(({ hash }) => hash),
    ],
  );
  await transaction.query("update audit_heads set sequence = $2, hash = $3 where organization_id = $1", [organizationId, last.sequence.toString(), last.hash]);
}

/** Whoever appends to a chain does it alone; the database's clock is read when it is locked, so that times run back only where it is set back. */
async function lockHead(transaction: Queryable, organizationId: string): Promise<ChainPlace & { readonly now: Date }> {
  const { rows } = await transaction.query<ChainPlace & { readonly now: Date }>(
    `insert into audit_heads (organization_id, sequence, hash) values ($1, $2, $3)
     on conflict (organization_id) do update set organization_id = excluded.organization_id
     returning sequence, hash, clock_timestamp()::timestamptz(3) as now`,
    [organizationId, chainBegin.sequence.toString(), chainBegin.hash],
  );
  return rows[0]!;
}

/** `<call> <outcome>` of what stands. */
async function outcomesOf(transaction: Queryable, organizationId: string, callIds: readonly string[]): Promise<ReadonlySet<string>> {
  const { rows } = await transaction.query<{ call_id: string; outcome: string }>("select call_id, outcome from audit_entries where organization_id = $1 and call_id = any($2)", [organizationId, callIds]);
  return new Set(rows.map(({ call_id, outcome }) => `${call_id} ${outcome}`));
}

export interface AuditQuery {
  /** Empty means of all. */
  readonly organizationId: string;
  readonly startMs: number | undefined;
  readonly endMs: number | undefined;
  /** Empty means by anyone. */
  readonly actor: string;
  /** With or without its service; empty means of all. */
  readonly method: string;
  /** The last one of the page before. */
  readonly before: { readonly timeMs: number; readonly organizationId: string; readonly sequence: bigint } | undefined;
  readonly limit: number;
}

const lineColumns = "organization_id, sequence, record_time, call_id, actor, method, outcome, entry, hash";

/** The calls that fit, newest first; of each its outcome, where it is known. */
export async function selectCalls(queryable: Queryable, query: AuditQuery): Promise<readonly AuditLine[]> {
  const values: unknown[] = [];
  const parameter = (value: unknown): string => `$${values.push(value)}`;
  const time = (timeMs: number): string => `${parameter(timeText(timeMs))}::timestamptz`;
  const conditions = [
    `(outcome <> 'begun' or not exists (
       select from audit_entries as ended
       where ended.organization_id = audit_entries.organization_id and ended.call_id = audit_entries.call_id and ended.outcome <> 'begun'))`,
  ];
  if (query.organizationId !== "") conditions.push(`organization_id = ${parameter(query.organizationId)}`);
  if (query.startMs !== undefined) conditions.push(`record_time >= ${time(query.startMs)}`);
  if (query.endMs !== undefined) conditions.push(`record_time < ${time(query.endMs)}`);
  if (query.actor !== "") conditions.push(`actor = ${parameter(query.actor)}`);
  if (query.method !== "") conditions.push(`${query.method.includes("/") ? "method" : "split_part(method, '/', 2)"} = ${parameter(query.method)}`);
  if (query.before !== undefined) {
    const { timeMs, organizationId, sequence } = query.before;
    conditions.push(`(record_time, organization_id, sequence) < (${time(timeMs)}, ${parameter(organizationId)}, ${parameter(sequence.toString())}::int8)`);
  }
  const { rows } = await queryable.query<AuditLine>(
    `select ${lineColumns} from audit_entries where ${conditions.join(" and ")}
     order by record_time desc, organization_id desc, sequence desc limit ${parameter(query.limit)}`,
    values,
  );
  return rows;
}

/** The links of a chain behind this one, or all that there are, also before its beginning; in their order. */
export async function selectLinks(queryable: Queryable, organizationId: string, after: bigint | undefined, limit: number): Promise<readonly AuditLine[]> {
  const { rows } = await queryable.query<AuditLine>(`select ${lineColumns} from audit_entries where organization_id = $1 and ($2::int8 is null or sequence > $2) order by sequence limit $3`, [organizationId, after?.toString() ?? null, limit]);
  return rows;
}

/** How far the chains say they are. */
export async function selectHeads(queryable: Queryable): Promise<readonly StoredHead[]> {
  const { rows } = await queryable.query<StoredHead>("select organization_id, sequence, hash from audit_heads order by organization_id");
  return rows;
}

/** As `selectHeads`, with the chains that have entries or an anchor, and no head, as if they ended at their beginning; of one organization, or with an empty id of all. */
export async function selectChains(queryable: Queryable, organizationId: string): Promise<readonly StoredHead[]> {
  const { rows } = await queryable.query<StoredHead>(
    `select organization_id, coalesce(sequence, 0) as sequence, coalesce(hash, $2) as hash
     from audit_heads full join (select organization_id from audit_entries union select organization_id from audit_anchors) as chains using (organization_id)
     where $1 = '' or organization_id = $1 order by organization_id`,
    [organizationId, chainBegin.hash],
  );
  return rows;
}

/** Where chains begin that do not begin at their first entry any more; of one organization, or with an empty id of all. */
export async function selectAnchors(queryable: Queryable, organizationId: string): Promise<readonly StoredAnchor[]> {
  const { rows } = await queryable.query<StoredAnchor>("select organization_id, sequence, hash, record_time from audit_anchors where $1 = '' or organization_id = $1 order by organization_id", [organizationId]);
  return rows;
}

/**
 * Takes away the oldest entries of one chain that has some of this age, at most so many, with the content that they prove; its anchor is then
 * the last of them. None before what stands in front of it, though it is older: the database's clock may have been set back. Undefined when no
 * chain has any.
 */
export async function deleteOlderAuditEntries(queryable: Queryable, ageMs: number, limit: number): Promise<StoredAnchor | undefined> {
  const { rows } = await queryable.query<StoredAnchor>(
    `with past as (select now() - $1 * interval '1 millisecond' as until),
     chain as (
       select organization_id from audit_heads, past
       where (select record_time from audit_entries where audit_entries.organization_id = audit_heads.organization_id order by sequence limit 1) < until limit 1),
     oldest as (select sequence, record_time from audit_entries join chain using (organization_id) order by sequence limit $2),
     judged as (select sequence, bool_and(record_time < until) over (order by sequence) as is_past from oldest, past),
     gone as (
       delete from audit_entries using chain
       where audit_entries.organization_id = chain.organization_id and sequence = any(array(select sequence from judged where is_past))
       returning audit_entries.organization_id, sequence, hash, record_time, call_id),
     unproven as (delete from contents using gone where contents.organization_id = gone.organization_id and contents.call_id = gone.call_id)
     insert into audit_anchors select organization_id, sequence, hash, record_time from gone order by sequence desc limit 1
     on conflict (organization_id) do update set sequence = excluded.sequence, hash = excluded.hash, record_time = excluded.record_time
     returning organization_id, sequence, hash, record_time`,
    [ageMs, limit],
  );
  return rows[0];
}

/** Those of the heads that do not stand in their chains, though they are not past their retention. */
export async function selectLostHeads(queryable: Queryable, heads: readonly StoredHead[]): Promise<readonly StoredHead[]> {
  const { rows } = await queryable.query<StoredHead>(
    `select organization_id, sequence, known.hash from unnest($1::text[], $2::int8[], $3::bytea[]) as known (organization_id, sequence, hash)
     left join (select organization_id, sequence, hash from audit_entries union all select organization_id, sequence, hash from audit_anchors) as standing using (organization_id, sequence)
     where sequence > 0 and standing.hash is distinct from known.hash
       and not exists (select from audit_anchors where audit_anchors.organization_id = known.organization_id and audit_anchors.sequence > known.sequence)
     order by organization_id, sequence`,
    [heads.map((head) => head.organization_id), heads.map(({ sequence }) => sequence.toString()), heads.map(({ hash }) => hash)],
  );
  return rows;
}

/** The calls whose content is kept, and is not what was recorded of it. Empty means of all organizations. */
export async function selectChangedContents(queryable: Queryable, organizationId: string, limit: number): Promise<readonly { readonly organization_id: string; readonly sequence: bigint; readonly call_id: string }[]> {
  const { rows } = await queryable.query<{ organization_id: string; sequence: bigint; call_id: string }>(
    `select organization_id, coalesce(sequence, 0) as sequence, call_id from contents
     left join (select organization_id, call_id, sequence, entry from audit_entries where method like '%/RecordContent') as recorded using (organization_id, call_id)
     where ($1 = '' or organization_id = $1) and (entry is null or position(encode(sha256(sealed), 'hex') in entry) = 0)
     order by organization_id, call_id limit $2`,
    [organizationId, limit],
  );
  return rows;
}
