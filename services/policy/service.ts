/** Owns the policy service: puts its rooms together. */
import { fileURLToPath } from "node:url";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { exchangeThroughEgress } from "#platform/egress/egress-exchange.ts";
import type { RunningService } from "#platform/rpc/service.ts";
import { AlertCourier } from "./alert-courier.ts";
import { AlertDestinations } from "./alert-destinations.ts";
import { BudgetAlerts } from "./budget-alerts.ts";
import { followConfiguredBudgets } from "./configured-budgets.ts";
import type { PolicyDependencies } from "./dependencies.ts";
import { createGuardrail } from "./rpc/rules/create-guardrail.ts";
import { ConsoleSignIn } from "./edge/console-sign-in.ts";
import { IdentityTokens } from "./edge/identity-tokens.ts";
import { LeaseDesk } from "./lease-desk.ts";
import { followPostings } from "./posting-follower.ts";
import { acquireLease } from "./rpc/leases/acquire-lease.ts";
import { beginSignIn } from "./rpc/sessions/begin-sign-in.ts";
import { checkBudgets } from "./rpc/budgets/check-budgets.ts";
import { createBudget } from "./rpc/budgets/create-budget.ts";
import { createKey } from "./rpc/keys/create-key.ts";
import { createMember } from "./rpc/members/create-member.ts";
import { createOrganization } from "./rpc/organizations/create-organization.ts";
import { createRateLimit } from "./rpc/rules/create-rate-limit.ts";
import { createSession } from "./rpc/sessions/create-session.ts";
import { createTeam } from "./rpc/teams/create-team.ts";
import { createToken } from "./rpc/keys/create-token.ts";
import { deleteBudget } from "./rpc/budgets/delete-budget.ts";
import { deleteGuardrail } from "./rpc/rules/delete-guardrail.ts";
import { deleteMember } from "./rpc/members/delete-member.ts";
import { deleteRateLimit } from "./rpc/rules/delete-rate-limit.ts";
import { deleteSession } from "./rpc/sessions/delete-session.ts";
import { drawRates } from "./rpc/rates/draw-rates.ts";
import { finishSignIn } from "./rpc/sessions/finish-sign-in.ts";
import { listBudgetAlerts } from "./rpc/budgets/list-budget-alerts.ts";
import { listBudgetUsage } from "./rpc/budgets/list-budget-usage.ts";
import { listBudgets } from "./rpc/budgets/list-budgets.ts";
import { listCallBudgets } from "./rpc/budgets/list-call-budgets.ts";
import { listGuardrails } from "./rpc/rules/list-guardrails.ts";
import { listKeys } from "./rpc/keys/list-keys.ts";
import { listMembers } from "./rpc/members/list-members.ts";
import { listOrganizations } from "./rpc/organizations/list-organizations.ts";
import { listRateLimits } from "./rpc/rules/list-rate-limits.ts";
import { listTeams } from "./rpc/teams/list-teams.ts";
import { peekLease } from "./rpc/leases/peek-lease.ts";
import { peekRates } from "./rpc/rates/peek-rates.ts";
import { recordKeyUses } from "./rpc/keys/record-key-uses.ts";
import { resolveGrant } from "./rpc/keys/resolve-grant.ts";
import { retryBudgetAlerts } from "./rpc/budgets/retry-budget-alerts.ts";
import { returnLeases } from "./rpc/leases/return-leases.ts";
import { revokeKey } from "./rpc/keys/revoke-key.ts";
import { rotateKey } from "./rpc/keys/rotate-key.ts";
import { testBudgetAlerts } from "./rpc/budgets/test-budget-alerts.ts";
import { topUpBudget } from "./rpc/budgets/top-up-budget.ts";
import { transferBudget } from "./rpc/budgets/transfer-budget.ts";
import { updateBudget } from "./rpc/budgets/update-budget.ts";
import { updateKey } from "./rpc/keys/update-key.ts";
import { updateMember } from "./rpc/members/update-member.ts";
import { updateOrganization } from "./rpc/organizations/update-organization.ts";
import { updateRateLimit } from "./rpc/rules/update-rate-limit.ts";
import { updateTeam } from "./rpc/teams/update-team.ts";
import { watchGrants } from "./rpc/keys/watch-grants.ts";
import { watchRecalls } from "./rpc/leases/watch-recalls.ts";
import { watchRules } from "./rpc/rules/watch-rules.ts";
import { Sessions } from "./sessions.ts";
import { CounterSweep } from "./store/counter-sweep.ts";
import { GrantFeed } from "./store/grant-feed.ts";
import { allPeriods, RecallFeed } from "./store/recall-feed.ts";
import { RuleFeed } from "./store/rule-feed.ts";

export { bootstrapTenancy, type BootstrapKey } from "./bootstrap-tenancy.ts";

/** The plain-SQL migrations of policy's schema. */
export const migrationsDirectory = fileURLToPath(new URL("./store/migrations/", import.meta.url));

/**
 * Policy over its own schema. Whoever reaches a method was allowed to by the method's rule, which also keeps requests that name an
 * organization within the caller's own; what a request names by another id is kept within it here.
 * A call fails with DEPENDENCY_UNAVAILABLE while the database is down; a key is never called invalid for that.
 */
export async function createPolicyService(dependencies: PolicyDependencies): Promise<RunningService<typeof PolicyService>> {
  const { database, clock, logger, peers, metrics } = dependencies;
  const sweep = new CounterSweep(database, logger);
  const rules = new RuleFeed(dependencies);
  const feed = new GrantFeed(database.pool, logger, () => rules.changed());
  const tokens = new IdentityTokens({ ...dependencies, exchange: exchangeThroughEgress });
  const signIn = new ConsoleSignIn({ ...dependencies, exchange: exchangeThroughEgress });
  const sessions = new Sessions(dependencies, tokens);
  const recalls = new RecallFeed(database, logger);
  const desk = new LeaseDesk({ database, clock, recall: (organizationId, periodId) => recalls.recall(organizationId, periodId) });
  const destinations = new AlertDestinations(dependencies);
  const courier = new AlertCourier({ database, destinations, logger, metrics });
  const alerts = new BudgetAlerts({ destinations, courier, logger });
  const postings = followPostings({ database, peers, logger, onSettled: () => desk.lookAgain(), alerts });
  const configured = followConfiguredBudgets({
    ...dependencies,
    alerts,
    async onChanged(organizationId) {
      await recalls.recall(organizationId, allPeriods);
      desk.lookAgain();
    },
  });
  return {
    descriptor: PolicyService,
    implementation: {
      createOrganization: (request, context) => createOrganization(request, context, dependencies),
      listOrganizations: (request, context) => listOrganizations(request, context, dependencies),
      updateOrganization: (request, context) => updateOrganization(request, context, dependencies),
      createTeam: (request, context) => createTeam(request, context, dependencies),
      listTeams: (request) => listTeams(request, dependencies),
      updateTeam: (request, context) => updateTeam(request, context, dependencies),
      createMember: (request, context) => createMember(request, context, dependencies),
      listMembers: (request) => listMembers(request, dependencies),
      updateMember: (request, context) => updateMember(request, context, dependencies),
      deleteMember: (request, context) => deleteMember(request, context, dependencies),
      createKey: (request, context) => createKey(request, context, dependencies),
      listKeys: (request) => listKeys(request, dependencies),
      updateKey: (request, context) => updateKey(request, context, dependencies),
      rotateKey: (request, context) => rotateKey(request, context, dependencies),
      revokeKey: (request, context) => revokeKey(request, context, dependencies),
      createToken: (request, context) => createToken(request, context, dependencies),
      createGuardrail: (request, context) => createGuardrail(request, context, dependencies),
      listGuardrails: (request) => listGuardrails(request, dependencies),
      deleteGuardrail: (request, context) => deleteGuardrail(request, context, dependencies),
      createRateLimit: (request, context) => createRateLimit(request, context, dependencies),
      listRateLimits: (request) => listRateLimits(request, dependencies),
      updateRateLimit: (request, context) => updateRateLimit(request, context, dependencies),
      deleteRateLimit: (request, context) => deleteRateLimit(request, context, dependencies),
      drawRates: (request) => drawRates(request, dependencies, sweep),
      peekRates: (request) => peekRates(request, dependencies, sweep),
      watchRules: (request, context) => watchRules(request, context, rules),
      watchGrants: (request, context) => watchGrants(request, context, feed, dependencies.pepper),
      resolveGrant: (request) => resolveGrant(request, dependencies, tokens, sessions),
      recordKeyUses: (request) => recordKeyUses(request, dependencies),
      createBudget: (request, context) => createBudget(request, context, dependencies, recalls),
      listBudgets: (request) => listBudgets(request, dependencies),
      listBudgetUsage: (request, context) => listBudgetUsage(request, context, dependencies),
      updateBudget: (request, context) => updateBudget(request, context, dependencies, recalls, desk, alerts),
      deleteBudget: (request, context) => deleteBudget(request, context, dependencies, desk),
      topUpBudget: (request, context) => topUpBudget(request, context, dependencies, desk),
      transferBudget: (request, context) => transferBudget(request, context, dependencies, desk, alerts),
      checkBudgets: (_request, context) => checkBudgets(context, dependencies),
      listBudgetAlerts: (request) => listBudgetAlerts(request, dependencies),
      testBudgetAlerts: (request, context) => testBudgetAlerts(request, context, dependencies, destinations),
      retryBudgetAlerts: (request) => retryBudgetAlerts(request, dependencies, courier),
      acquireLease: (request, context) => acquireLease(request, context, desk),
      peekLease: (request) => peekLease(request, dependencies),
      listCallBudgets: (request) => listCallBudgets(request, dependencies),
      returnLeases: (request) => returnLeases(request, dependencies, desk),
      watchRecalls: (request, context) => watchRecalls(request, context, recalls),
      beginSignIn: (request) => beginSignIn(request, signIn),
      finishSignIn: (request) => finishSignIn(request, dependencies, signIn, tokens),
      createSession: (request) => createSession(request, sessions, signIn, tokens),
      deleteSession: (request) => deleteSession(request, sessions),
    },
    async stop() {
      await Promise.all([feed.stop(), rules.stop(), recalls.stop(), configured.stop(), postings.stop(), courier.stop(), sweep.stop()]);
    },
  };
}
