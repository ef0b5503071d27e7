/** Owns checking that whom a rule is for exists, so that no rule protects nobody by a slip of the pen. */
import type { Queryable } from "#platform/database/database.ts";
import { lockKey } from "./keys.ts";
import { findOrganization } from "./organizations.ts";
import { findTeam } from "./teams.ts";

/** Whose calls a rule applies to; empty means everybody's. */
export interface RuleScope {
  readonly organizationId: string;
  readonly teamId: string;
  readonly keyId: string;
}

/** Throws NOT_FOUND when there is no such organization, or no such team or key in it. */
export async function checkRuleScope(transaction: Queryable, { organizationId, teamId, keyId }: RuleScope): Promise<void> {
  if (organizationId !== "") await findOrganization(transaction, organizationId);
  if (teamId !== "") await findTeam(transaction, teamId, { organizationId, teamId: "" });
  if (keyId !== "") await lockKey(transaction, keyId, { organizationId, teamId });
}
