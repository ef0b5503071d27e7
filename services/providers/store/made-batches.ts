/** Owns whose batches are that vendors made and keep no mark of ours beside: for lists, as long as their results can be had. */
import type { Queryable } from "#platform/database/database.ts";

/** Where a batch lies. */
export interface BatchAccount {
  readonly provider: string;
  /** Whose credential leads there: an organization's, or (empty) the installation's. */
  readonly credentialOrganizationId: string;
}

/** The vendor's id of an expected batch, known from now on to be the organization's. */
export async function noteMade(database: Queryable, attemptId: string, vendorId: string, organizationId: string, makeTime: Date): Promise<void> {
  await database.query(
    `WITH made AS (UPDATE batches SET vendor_id = $2 WHERE attempt_id = $1 RETURNING provider, credential_organization_id)
     INSERT INTO made_batches (provider, credential_organization_id, vendor_id, organization_id, make_time)
     SELECT provider, credential_organization_id, $2, $3, $4 FROM made
     ON CONFLICT DO NOTHING`,
    [attemptId, vendorId, organizationId, makeTime],
  );
}

/** The vendor's ids of the organization's newest ones there. */
export async function selectMade(database: Queryable, { provider, credentialOrganizationId }: BatchAccount, organizationId: string, limit: number): Promise<ReadonlySet<string>> {
  const { rows } = await database.query<{ vendor_id: string }>(
    "SELECT vendor_id FROM made_batches WHERE organization_id = $1 AND provider = $2 AND credential_organization_id = $3 ORDER BY make_time DESC LIMIT $4",
    [organizationId, provider, credentialOrganizationId, limit],
  );
  return new Set(rows.map(({ vendor_id: vendorId }) => vendorId));
}

export async function deleteMadeBefore(database: Queryable, time: Date): Promise<void> {
  await database.query("DELETE FROM made_batches WHERE make_time < $1", [time]);
}
