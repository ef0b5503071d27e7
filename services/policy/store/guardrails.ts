/** Owns the table of guardrails. */
import { create, fromJson, toJsonString, type JsonObject } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { GuardrailRuleSchema, GuardrailSchema, type Guardrail, type GuardrailRule } from "#gen/weir/policy/v1/guardrail_pb.ts";
import type { Queryable } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Page } from "../domain/page.ts";
import type { Tenant } from "../domain/reach.ts";

export interface NewGuardrail {
  readonly id: string;
  readonly rule: GuardrailRule;
  readonly createTime: Date;
}

// Each process holds all of them, and one message tells them.
const mostGuardrails = 1_000;
const mostBytes = 4 * 1024 * 1024;

/** Throws ALREADY_EXISTS when the name is taken in the organization, INVALID_REQUEST when there are too many. */
export async function insertGuardrail(database: Queryable, { id, rule, createTime }: NewGuardrail): Promise<Guardrail> {
  const { rows: sums } = await database.query<{ count: number; bytes: number }>("SELECT count(*)::int AS count, coalesce(sum(length(rule::text)), 0)::int AS bytes FROM guardrails WHERE delete_time IS NULL");
  const { count, bytes } = sums[0]!;
  if (count >= mostGuardrails || bytes >= mostBytes) throw new GatewayError("INVALID_REQUEST", `There is room for ${mostGuardrails} guardrails with ${mostBytes} characters in all, and it is used up. Delete some with DeleteGuardrail.`);
  const { rows } = await database.query<GuardrailRow>(
    `INSERT INTO guardrails (id, organization_id, name, rule, create_time) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (organization_id, name) WHERE delete_time IS NULL DO NOTHING RETURNING *`,
    [id, rule.organizationId, rule.name, toJsonString(GuardrailRuleSchema, rule), createTime],
  );
  if (rows[0] !== undefined) return readGuardrail(rows[0]);
  throw new GatewayError("ALREADY_EXISTS", `A guardrail named "${rule.name}" exists already. Choose another name, or delete that one.`, { metadata: { kind: "guardrail", name: rule.name } });
}

/** Guardrails that were deleted are found, too: what was answered once is answered again. Throws NOT_FOUND. */
export async function findGuardrail(database: Queryable, id: string): Promise<Guardrail> {
  const { rows } = await database.query<GuardrailRow>("SELECT * FROM guardrails WHERE id = $1", [id]);
  if (rows[0] === undefined) throw notFound(id);
  return readGuardrail(rows[0]);
}

/** Within the tenant, which does not have those of all organizations. Throws NOT_FOUND. */
export async function deleteGuardrailById(database: Queryable, id: string, { organizationId }: Tenant, deleteTime: Date): Promise<void> {
  const { rowCount } = await database.query("UPDATE guardrails SET delete_time = $3 WHERE id = $1 AND delete_time IS NULL AND ($2 = '' OR organization_id = $2)", [id, organizationId, deleteTime]);
  if (rowCount !== 1) throw notFound(id);
}

/** Those that apply to an organization or (empty) all of them, oldest first; one more than the page has, if there are more. */
export async function selectGuardrails(database: Queryable, organizationId: string, { size, after }: Page): Promise<Guardrail[]> {
  const { rows } = await database.query<GuardrailRow>(
    "SELECT * FROM guardrails WHERE delete_time IS NULL AND id > $1 AND ($2 = '' OR organization_id IN ('', $2)) ORDER BY id LIMIT $3",
    [after?.[0] ?? "", organizationId, size + 1],
  );
  return rows.map(readGuardrail);
}

/** All that are in force, oldest first. */
export async function selectGuardrailRules(database: Queryable): Promise<GuardrailRule[]> {
  const { rows } = await database.query<GuardrailRow>("SELECT * FROM guardrails WHERE delete_time IS NULL ORDER BY id");
  return rows.map(readRule);
}

interface GuardrailRow {
  id: string;
  rule: JsonObject;
  create_time: Date;
}

function readGuardrail(row: GuardrailRow): Guardrail {
  return create(GuardrailSchema, { id: row.id, rule: readRule(row), createTime: timestampFromDate(row.create_time) });
}

function readRule({ rule }: GuardrailRow): GuardrailRule {
  return fromJson(GuardrailRuleSchema, rule, { ignoreUnknownFields: true });
}

function notFound(id: string): GatewayError {
  return new GatewayError("NOT_FOUND", "There is no guardrail of this id that this key may change. ListGuardrails shows those there are; those without an id are changed in weir.yaml.", { metadata: { kind: "guardrail", id } });
}
