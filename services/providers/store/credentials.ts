/** Owns the table of credentials: read for people without their secrets, and sealed for those who use them. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { CredentialSchema, type Credential } from "#gen/weir/providers/v1/credential_pb.ts";
import type { Queryable } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";

/** A secret as the table has it. */
export interface SealedSecret {
  readonly sealed: Buffer;
  readonly hint: string;
  readonly fingerprint: string;
}

export interface NewCredential extends SealedSecret {
  readonly id: string;
  readonly provider: string;
  readonly name: string;
  readonly weight: number;
  readonly createTime: Date;
  /** Empty when the call is not to be repeatable. */
  readonly requestId: string;
}

/** A row with its secrets, still sealed. */
export interface SealedCredential {
  readonly id: string;
  readonly provider: string;
  readonly weight: number;
  readonly secret: Buffer;
  readonly formerSecret: Buffer | undefined;
  readonly formerExpireTime: Date | undefined;
  readonly refuseTime: Date | undefined;
}

/** The most that are kept for all providers together. */
const mostCredentials = 10_000;

/** Throws ALREADY_EXISTS when the provider has this secret already, INVALID_REQUEST when the request id was used for another one. */
export async function insertCredential(database: Queryable, credential: NewCredential): Promise<Credential> {
  const { id, provider, name, weight, sealed, hint, fingerprint, createTime, requestId } = credential;
  const { rows } = await database.query<CredentialRow>(
    `INSERT INTO credentials (id, provider, name, weight, is_enabled, secret, hint, fingerprint, create_time, create_request_id)
     SELECT $1, $2, $3, $4, true, $5, $6, $7, $8, nullif($9, '') WHERE (SELECT count(*) FROM credentials) < $10
     ON CONFLICT DO NOTHING RETURNING *`,
    [id, provider, name, weight, sealed, hint, fingerprint, createTime, requestId, mostCredentials],
  );
  if (rows[0] !== undefined) return readCredential(rows[0]);
  return repeated(database, credential);
}

async function repeated(database: Queryable, { provider, name, weight, fingerprint, requestId }: NewCredential): Promise<Credential> {
  const { rows } = await database.query<CredentialRow>("SELECT * FROM credentials WHERE create_request_id = nullif($1, '') OR (provider = $2 AND fingerprint = $3) ORDER BY create_request_id = nullif($1, '') DESC NULLS LAST", [requestId, provider, fingerprint]);
  const row = rows[0];
  if (row === undefined) throw new GatewayError("OVERLOADED", `There are ${mostCredentials} credentials, and no more are kept. Delete some that are not used.`);
  const isSame = row.provider === provider && row.name === name && row.weight === weight && row.fingerprint === fingerprint;
  if (requestId !== "" && row.create_request_id === requestId && isSame) return readCredential(row);
  if (requestId !== "" && row.create_request_id === requestId) throw requestIdUsed();
  throw new GatewayError("ALREADY_EXISTS", `The provider ${provider} has this secret already, as ${row.id}. Change that one, or give another secret.`, { metadata: { kind: "credential", name: row.id } });
}

/** Of one provider or (empty) of all, oldest first, after this id; one more than the page has, if there are more. */
export async function selectCredentials(database: Queryable, provider: string, afterId: string, size: number): Promise<Credential[]> {
  const { rows } = await database.query<CredentialRow>("SELECT * FROM credentials WHERE ($1 = '' OR provider = $1) AND id > $2 ORDER BY id LIMIT $3", [provider, afterId, size + 1]);
  return rows.map(readCredential);
}

/** What is left undefined stays. Throws NOT_FOUND. */
export async function updateCredentialRow(database: Queryable, id: string, { name, weight, enabled }: { readonly name?: string; readonly weight?: number; readonly enabled?: boolean }): Promise<Credential> {
  const { rows } = await database.query<CredentialRow>("UPDATE credentials SET name = coalesce($2, name), weight = coalesce($3, weight), is_enabled = coalesce($4, is_enabled) WHERE id = $1 RETURNING *", [id, name, weight, enabled]);
  return readCredential(found(rows[0], id));
}

export interface NewSecret extends SealedSecret {
  /** When the secret before it ends. */
  readonly formerExpireTime: Date;
  readonly requestId: string;
}

/** Does nothing twice under one request id. Throws NOT_FOUND, ALREADY_EXISTS when the provider has this secret already, or INVALID_REQUEST. */
export async function replaceSecret(transaction: Queryable, id: string, { sealed, hint, fingerprint, formerExpireTime, requestId }: NewSecret): Promise<Credential> {
  const present = found((await transaction.query<CredentialRow>("SELECT * FROM credentials WHERE id = $1 FOR UPDATE", [id])).rows[0], id);
  if (requestId !== "" && present.rotate_request_id === requestId) {
    if (present.fingerprint !== fingerprint) throw requestIdUsed();
    return readCredential(present);
  }
  const { rows } = await transaction.query<{ id: string }>("SELECT id FROM credentials WHERE provider = $1 AND fingerprint = $2", [present.provider, fingerprint]);
  if (rows[0] !== undefined) throw new GatewayError("ALREADY_EXISTS", `The provider ${present.provider} has this secret already, as ${rows[0].id}. Give another one.`, { metadata: { kind: "credential", name: rows[0].id } });
  const rotated = await transaction.query<CredentialRow>(
    `UPDATE credentials SET secret = $2, hint = $3, fingerprint = $4, former_secret = secret, former_expire_time = $5, refuse_time = NULL, rotate_request_id = nullif($6, '')
     WHERE id = $1 RETURNING *`,
    [id, sealed, hint, fingerprint, formerExpireTime, requestId],
  );
  return readCredential(rotated.rows[0]!);
}

/** Deleting twice changes nothing. */
export async function deleteCredentialRow(database: Queryable, id: string): Promise<void> {
  await database.query("DELETE FROM credentials WHERE id = $1", [id]);
}

/** Notes that the vendor refused it (then), or took it again (undefined). */
export async function noteRefusal(database: Queryable, id: string, refuseTime: Date | undefined): Promise<void> {
  await database.query("UPDATE credentials SET refuse_time = $2 WHERE id = $1", [id, refuseTime]);
}

export async function selectSealed(database: Queryable): Promise<SealedCredential[]> {
  const { rows } = await database.query<CredentialRow>("SELECT * FROM credentials WHERE is_enabled ORDER BY id LIMIT $1", [mostCredentials]);
  return rows.map((row) => ({
    id: row.id,
    provider: row.provider,
    weight: row.weight,
    secret: row.secret,
    formerSecret: row.former_secret ?? undefined,
    formerExpireTime: row.former_expire_time ?? undefined,
    refuseTime: row.refuse_time ?? undefined,
  }));
}

interface CredentialRow {
  id: string;
  provider: string;
  name: string;
  weight: number;
  is_enabled: boolean;
  secret: Buffer;
  hint: string;
  fingerprint: string;
  former_secret: Buffer | null;
  former_expire_time: Date | null;
  create_time: Date;
  refuse_time: Date | null;
  create_request_id: string | null;
  rotate_request_id: string | null;
}

function found(row: CredentialRow | undefined, id: string): CredentialRow {
  if (row !== undefined) return row;
  throw new GatewayError("NOT_FOUND", "There is no credential of this id. ListCredentials shows those there are.", { metadata: { kind: "credential", id } });
}

function requestIdUsed(): GatewayError {
  const description = "This request id was used before with other input. Choose a new id for a new call; repeat a call only as it was.";
  return new GatewayError("INVALID_REQUEST", description, { fieldViolations: [{ field: "request_id", description }] });
}

function readCredential({ id, provider, name, weight, is_enabled, hint, fingerprint, create_time, refuse_time, former_expire_time }: CredentialRow): Credential {
  return create(CredentialSchema, {
    id,
    provider,
    name,
    weight,
    enabled: is_enabled,
    hint,
    fingerprint,
    createTime: timestampFromDate(create_time),
    ...(refuse_time && { refuseTime: timestampFromDate(refuse_time) }),
    ...(former_expire_time && { formerSecretExpireTime: timestampFromDate(former_expire_time) }),
  });
}
