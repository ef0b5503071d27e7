/** Owns the table of credentials: read for people without their secrets, and sealed for those who use them. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { CredentialSchema, type Credential } from "#gen/weir/providers/v1/credential_pb.ts";
import type { Queryable } from "#platform/database/database.ts";
import { orTaken } from "#platform/database/unique-violation.ts";
import { GatewayError } from "#platform/errors.ts";

/** A secret as the table has it. */
export interface SealedSecret {
  readonly sealed: Buffer;
  readonly hint: string;
  readonly fingerprint: string;
}

export interface NewCredential extends SealedSecret {
  readonly id: string;
  /** Empty for the installation's. */
  readonly organizationId: string;
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
  /** Empty for the installation's. */
  readonly organizationId: string;
  readonly provider: string;
  readonly weight: number;
  readonly isEnabled: boolean;
  /** Undefined where all that is sealed is in the form that needs none. */
  readonly wrappedDataKey: Buffer | undefined;
  readonly secret: Buffer;
  readonly formerSecret: Buffer | undefined;
  readonly formerExpireTime: Date | undefined;
  readonly refuseTime: Date | undefined;
}

/** The most that are kept for all providers together. */
const mostCredentials = 10_000;
/** Of which an organization has at most so many, so that none takes up the room of all. */
const mostOfOrganization = 100;

/** Throws ALREADY_EXISTS when its owner has this secret for the provider already, INVALID_REQUEST when the request id was used for another one. */
export async function insertCredential(database: Queryable, credential: NewCredential): Promise<Credential> {
  const { id, organizationId, provider, name, weight, sealed, hint, fingerprint, createTime, requestId } = credential;
  const { rows } = await database.query<CredentialRow>(
    `INSERT INTO credentials (id, provider, name, weight, is_enabled, secret, hint, fingerprint, create_time, create_request_id, organization_id)
     SELECT $1, $2, $3, $4, true, $5, $6, $7, $8, nullif($9, ''), $10
     WHERE (SELECT count(*) FROM credentials) < $11 AND ($10 = '' OR (SELECT count(*) FROM credentials WHERE organization_id = $10) < $12)
     ON CONFLICT DO NOTHING RETURNING *`,
    [id, provider, name, weight, sealed, hint, fingerprint, createTime, requestId, organizationId, mostCredentials, mostOfOrganization],
  );
  if (rows[0] !== undefined) return readCredential(rows[0]);
  return repeated(database, credential);
}

async function repeated(database: Queryable, { organizationId, provider, name, weight, fingerprint, requestId }: NewCredential): Promise<Credential> {
  const { rows } = await database.query<CredentialRow>(
    `SELECT * FROM credentials WHERE organization_id = $4 AND (create_request_id = nullif($1, '') OR (provider = $2 AND fingerprint = $3))
     ORDER BY create_request_id = nullif($1, '') DESC NULLS LAST`,
    [requestId, provider, fingerprint, organizationId],
  );
  const row = rows[0];
  if (row === undefined) throw new GatewayError("OVERLOADED", `No more credentials are kept than ${mostOfOrganization} of an organization, and ${mostCredentials} in all. Delete some that are not used.`);
  const isSame = row.provider === provider && row.name === name && row.weight === weight && row.fingerprint === fingerprint;
  if (requestId !== "" && row.create_request_id === requestId && isSame) return readCredential(row);
  if (requestId !== "" && row.create_request_id === requestId) throw requestIdUsed();
  throw new GatewayError("ALREADY_EXISTS", `The provider ${provider} has this secret already, as ${row.id}. Change that one, or give another secret.`, { metadata: { kind: "credential", name: row.id } });
}

/** Of one provider or (empty) of all, and likewise of one organization, oldest first, after this id; one more than the page has, if there are more. */
export async function selectCredentials(database: Queryable, tenant: string, provider: string, afterId: string, size: number): Promise<Credential[]> {
  const { rows } = await database.query<CredentialRow>("SELECT * FROM credentials WHERE ($1 = '' OR provider = $1) AND ($4 = '' OR organization_id = $4) AND id > $2 ORDER BY id LIMIT $3", [provider, afterId, size + 1, tenant]);
  return rows.map(readCredential);
}

/** Whose the credential is, an organization's or (empty) the installation's; undefined where the tenant has none of this id. */
export async function findOwner(database: Queryable, id: string, tenant: string): Promise<string | undefined> {
  const { rows } = await database.query<CredentialRow>("SELECT * FROM credentials WHERE id = $1 AND ($2 = '' OR organization_id = $2)", [id, tenant]);
  return rows[0]?.organization_id;
}

/** What is left undefined stays. Throws NOT_FOUND where the tenant, which is empty for whoever reaches all, has none of this id. */
export async function updateCredentialRow(database: Queryable, id: string, tenant: string, { name, weight, enabled }: { readonly name?: string; readonly weight?: number; readonly enabled?: boolean }): Promise<Credential> {
  const { rows } = await database.query<CredentialRow>("UPDATE credentials SET name = coalesce($2, name), weight = coalesce($3, weight), is_enabled = coalesce($4, is_enabled) WHERE id = $1 AND ($5 = '' OR organization_id = $5) RETURNING *", [id, name, weight, enabled, tenant]);
  return readCredential(found(rows[0], id));
}

export interface NewSecret extends SealedSecret {
  /** When the secret before it ends. */
  readonly formerExpireTime: Date;
  readonly requestId: string;
}

/** Does nothing twice under one request id. Throws NOT_FOUND, ALREADY_EXISTS when its owner has this secret for the provider already, or INVALID_REQUEST. */
export async function replaceSecret(transaction: Queryable, id: string, { sealed, hint, fingerprint, formerExpireTime, requestId }: NewSecret): Promise<Credential> {
  const present = found((await transaction.query<CredentialRow>("SELECT * FROM credentials WHERE id = $1 FOR UPDATE", [id])).rows[0], id);
  if (requestId !== "" && present.rotate_request_id === requestId) {
    if (present.fingerprint !== fingerprint) throw requestIdUsed();
    return readCredential(present);
  }
  const { rows } = await transaction.query<{ id: string }>("SELECT id FROM credentials WHERE organization_id = $3 AND provider = $1 AND fingerprint = $2", [present.provider, fingerprint, present.organization_id]);
  if (rows[0] !== undefined) throw new GatewayError("ALREADY_EXISTS", `The provider ${present.provider} has this secret already, as ${rows[0].id}. Give another one.`, { metadata: { kind: "credential", name: rows[0].id } });
  const rotation = transaction.query<CredentialRow>(
    `UPDATE credentials SET secret = $2, hint = $3, fingerprint = $4, former_secret = secret, former_expire_time = $5, refuse_time = NULL, rotate_request_id = nullif($6, '')
     WHERE id = $1 RETURNING *`,
    [id, sealed, hint, fingerprint, formerExpireTime, requestId],
  );
  const rotated = await rotation.catch(orTaken(() => new GatewayError("ALREADY_EXISTS", `The provider ${present.provider} was given this secret in the same moment, as another credential. Give another one.`, { metadata: { kind: "credential" } })));
  return readCredential(rotated.rows[0]!);
}

export async function deleteCredentialRow(database: Queryable, id: string): Promise<void> {
  await database.query("DELETE FROM credentials WHERE id = $1", [id]);
}

/** Notes that the vendor refused it (then), or took it again (undefined). */
export async function noteRefusal(database: Queryable, id: string, refuseTime: Date | undefined): Promise<void> {
  await database.query("UPDATE credentials SET refuse_time = $2 WHERE id = $1", [id, refuseTime]);
}

/** Those that are turned off, too: whoever has one uses no others. */
export async function selectSealed(database: Queryable): Promise<SealedCredential[]> {
  const { rows } = await database.query<CredentialRow & { wrapped: Buffer | null }>("SELECT * FROM credentials LEFT JOIN data_keys USING (organization_id) ORDER BY id LIMIT $1", [mostCredentials]);
  return rows.map((row) => ({
    id: row.id,
    organizationId: row.organization_id,
    provider: row.provider,
    weight: row.weight,
    isEnabled: row.is_enabled,
    wrappedDataKey: row.wrapped ?? undefined,
    secret: row.secret,
    formerSecret: row.former_secret ?? undefined,
    formerExpireTime: row.former_expire_time ?? undefined,
    refuseTime: row.refuse_time ?? undefined,
  }));
}

interface CredentialRow {
  id: string;
  organization_id: string;
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
  throw notFound(id);
}

export function notFound(id: string): GatewayError {
  return new GatewayError("NOT_FOUND", "There is no credential of this id. ListCredentials shows those there are.", { metadata: { kind: "credential", id } });
}

function requestIdUsed(): GatewayError {
  const description = "This request id was used before with other input. Choose a new id for a new call; repeat a call only as it was.";
  return new GatewayError("INVALID_REQUEST", description, { fieldViolations: [{ field: "request_id", description }] });
}

function readCredential({ id, organization_id, provider, name, weight, is_enabled, hint, fingerprint, create_time, refuse_time, former_expire_time }: CredentialRow): Credential {
  return create(CredentialSchema, {
    id,
    organizationId: organization_id,
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
