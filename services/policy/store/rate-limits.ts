/** Owns the table of rate limits. */
import { create, fromJson, toJsonString, type JsonObject } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { RateLimitRuleSchema, RateLimitSchema, type RateLimit, type RateLimitRule } from "#gen/weir/policy/v1/rate_limit_pb.ts";
import type { Queryable } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Page } from "../domain/page.ts";
import type { Tenant } from "../domain/reach.ts";

export interface NewRateLimit {
  readonly id: string;
  readonly rule: RateLimitRule;
  readonly createTime: Date;
}

/** The most rate limits of an organization: each is looked at in every call that it may be for. */
const mostRateLimits = 100;

/** Throws ALREADY_EXISTS when the name is taken in the organization, INVALID_REQUEST when there are too many. */
export async function insertRateLimit(database: Queryable, { id, rule, createTime }: NewRateLimit): Promise<RateLimit> {
  const { rows: counted } = await database.query<{ count: number }>("SELECT count(*)::int AS count FROM rate_limits WHERE organization_id = $1 AND delete_time IS NULL", [rule.organizationId]);
  if (counted[0]!.count >= mostRateLimits) throw new GatewayError("INVALID_REQUEST", `The organization has ${mostRateLimits} rate limits already, and can have no more. Delete some with DeleteRateLimit, or let one count for many with \`per\`.`);
  const { rows } = await database.query<RateLimitRow>(
    `INSERT INTO rate_limits (id, organization_id, name, rule, create_time) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (organization_id, name) WHERE delete_time IS NULL DO NOTHING RETURNING *`,
    [id, rule.organizationId, rule.name, toJsonString(RateLimitRuleSchema, rule), createTime],
  );
  if (rows[0] !== undefined) return readRateLimit(rows[0]);
  throw new GatewayError("ALREADY_EXISTS", `A rate limit named "${rule.name}" exists already. Choose another name, or change that one.`, { metadata: { kind: "rate_limit", name: rule.name } });
}

/** Rate limits that were deleted are found, too: what was answered once is answered again. Throws NOT_FOUND. */
export async function findRateLimit(database: Queryable, id: string): Promise<RateLimit> {
  const { rows } = await database.query<RateLimitRow>("SELECT * FROM rate_limits WHERE id = $1", [id]);
  if (rows[0] === undefined) throw notFound(id);
  return readRateLimit(rows[0]);
}

/** Within the tenant, which does not have those of all organizations; until the transaction ends nobody else changes it. Throws NOT_FOUND. */
export async function lockRateLimit(transaction: Queryable, id: string, { organizationId }: Tenant): Promise<RateLimit> {
  const { rows } = await transaction.query<RateLimitRow>("SELECT * FROM rate_limits WHERE id = $1 AND delete_time IS NULL AND ($2 = '' OR organization_id = $2) FOR UPDATE", [id, organizationId]);
  if (rows[0] === undefined) throw notFound(id);
  return readRateLimit(rows[0]);
}

/** The name and the organization stay as they are. */
export async function replaceRateLimit(transaction: Queryable, id: string, rule: RateLimitRule): Promise<RateLimit> {
  const { rows } = await transaction.query<RateLimitRow>("UPDATE rate_limits SET rule = $2 WHERE id = $1 RETURNING *", [id, toJsonString(RateLimitRuleSchema, rule)]);
  return readRateLimit(rows[0]!);
}

/** As lockRateLimit. */
export async function deleteRateLimitById(database: Queryable, id: string, { organizationId }: Tenant, deleteTime: Date): Promise<void> {
  const { rowCount } = await database.query("UPDATE rate_limits SET delete_time = $3 WHERE id = $1 AND delete_time IS NULL AND ($2 = '' OR organization_id = $2)", [id, organizationId, deleteTime]);
  if (rowCount !== 1) throw notFound(id);
}

/** Those that apply to an organization or (empty) all of them, oldest first; one more than the page has, if there are more. */
export async function selectRateLimits(database: Queryable, organizationId: string, { size, after }: Page): Promise<RateLimit[]> {
  const { rows } = await database.query<RateLimitRow>(
    "SELECT * FROM rate_limits WHERE delete_time IS NULL AND id > $1 AND ($2 = '' OR organization_id IN ('', $2)) ORDER BY id LIMIT $3",
    [after?.[0] ?? "", organizationId, size + 1],
  );
  return rows.map(readRateLimit);
}

/** All that are in force, oldest first. */
export async function selectAllRateLimits(database: Queryable): Promise<RateLimit[]> {
  const { rows } = await database.query<RateLimitRow>("SELECT * FROM rate_limits WHERE delete_time IS NULL ORDER BY id");
  return rows.map(readRateLimit);
}

interface RateLimitRow {
  id: string;
  rule: JsonObject;
  create_time: Date;
}

function readRateLimit({ id, rule, create_time }: RateLimitRow): RateLimit {
  return create(RateLimitSchema, { id, rule: fromJson(RateLimitRuleSchema, rule, { ignoreUnknownFields: true }), createTime: timestampFromDate(create_time) });
}

function notFound(id: string): GatewayError {
  return new GatewayError("NOT_FOUND", "There is no rate limit of this id that this key may change. ListRateLimits shows those there are; those of `weir.yaml:` are changed in that file.", { metadata: { kind: "rate_limit", id } });
}
