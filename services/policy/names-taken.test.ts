/** Proves that of two who give one name at the same moment the second is told so, as if it had come later. */
import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { UpdateBudgetRequestSchema } from "#gen/weir/policy/v1/budget_pb.ts";
import { UpdateOrganizationRequestSchema } from "#gen/weir/policy/v1/organization_pb.ts";
import { CreateTeamRequestSchema, UpdateTeamRequestSchema } from "#gen/weir/policy/v1/team_pb.ts";
import { createEmptyDatabase } from "../../test/harness/database.ts";
import { createTestBudget } from "./budgets.fixture.ts";
import { callContext, createTestTeam, startPolicy, type PolicyFixture } from "./policy.fixture.ts";

const updateMask = { paths: ["name"] };

it("of organizations, teams and budgets", async () => {
  const fixture = await startPolicy(await createEmptyDatabase());
  const { policy } = fixture;
  const [one, other] = [await createTestTeam(fixture, "one"), await createTestTeam(fixture, "other")];
  const { organizationId } = one;
  const { team } = await policy.createTeam(create(CreateTeamRequestSchema, { organizationId, name: "second" }), callContext());
  const budgetIds = [await createTestBudget(fixture, organizationId, 1n), await createTestBudget(fixture, organizationId, 1n)];

  const renames = {
    organization: [`UPDATE organizations SET name = 'taken' WHERE id = '${organizationId}'`, () => policy.updateOrganization(create(UpdateOrganizationRequestSchema, { organizationId: other.organizationId, updateMask, name: "taken" }), callContext())],
    team: [`UPDATE teams SET name = 'taken' WHERE id = '${one.id}'`, () => policy.updateTeam(create(UpdateTeamRequestSchema, { teamId: team!.id, updateMask, name: "taken" }), callContext())],
    budget: [`UPDATE budgets SET name = 'taken' WHERE budget_id = '${budgetIds[0]!}'`, () => policy.updateBudget(create(UpdateBudgetRequestSchema, { budgetId: budgetIds[1]!, updateMask, name: "taken" }), callContext())],
  } as const;
  for (const [kind, [first, second]] of Object.entries(renames)) {
    expect(await outcomeAmid(fixture, first, second), kind).toMatchObject({ reason: "ALREADY_EXISTS", metadata: { kind, name: "taken" } });
  }
});

/** What becomes of a call that began before the statement's transaction ended. */
async function outcomeAmid({ dependencies: { database } }: PolicyFixture, statement: string, call: () => Promise<unknown>): Promise<unknown> {
  const outcome = await database.transaction(async (transaction) => {
    await transaction.query(statement);
    const refused = call().catch((error: unknown) => error);
    await expect.poll(async () => (await transaction.query("SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")).rowCount).toBe(1);
    return { refused };
  });
  return outcome.refused;
}
