import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { expect, it, onTestFinished } from "vitest";
import { GuardrailRuleSchema, type GuardrailRule, CreateGuardrailRequestSchema, DeleteGuardrailRequestSchema, ListGuardrailsRequestSchema } from "#gen/weir/policy/v1/guardrail_pb.ts";
import { WatchRecallsRequestSchema } from "#gen/weir/policy/v1/lease_pb.ts";
import { GrantSchema } from "#gen/weir/policy/v1/grant_pb.ts";
import { Reach } from "#gen/weir/policy/v1/role_pb.ts";
import { WatchRulesRequestSchema } from "#gen/weir/policy/v1/rule_set_pb.ts";
import { MutableLiveValue } from "#platform/views/live-value.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import { createEmptyDatabase } from "../../test/harness/database.ts";
import { callContext, createTestTeam, policyConfig, startPolicy, type PolicyFixture } from "./policy.fixture.ts";

it("tells the rules of the file and those made by RPC, and every change, wherever it was made", async () => {
  const connection = await createEmptyDatabase();
  const config = new MutableLiveValue(policyConfig({ guardrails: [rule("from-file")] }));
  const here = await startPolicy(connection);
  const there = await startPolicy(connection, undefined, config);
  const next = watch(there);
  expect(await next(["from-file"])).toBe(true);

  const { guardrail } = await createGuardrail(here, rule("by-rpc"));
  expect(await next(["from-file", "by-rpc"])).toBe(true);
  config.set(policyConfig());
  expect(await next(["by-rpc"])).toBe(true);
  await here.policy.deleteGuardrail(create(DeleteGuardrailRequestSchema, { guardrailId: guardrail!.id }), callContext());
  expect(await next([])).toBe(true);
});

it.each<[string, MessageInitShape<typeof GuardrailRuleSchema>]>([["words", { words: ["a\0"] }], ["patterns", { patterns: ["\0"] }], ["models", { models: ["m\0"] }]])("refuses a NUL in %s as the caller's fault", async (_, holding) => {
  const fixture = await startPolicy(await createEmptyDatabase());
  await expect(createGuardrail(fixture, rule("odd", holding))).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
});

it("lists what applies to an organization, those of the file first, page by page", async () => {
  const fixture = await startPolicy(await createEmptyDatabase(), undefined, new MutableLiveValue(policyConfig({ guardrails: [rule("from-file"), rule("of-others", { organizationId: "org_other" })] })));
  const { organizationId } = await createTestTeam(fixture);
  await createGuardrail(fixture, rule("for-all"));
  await createGuardrail(fixture, rule("own", { organizationId }));
  await createGuardrail(fixture, rule("other", { organizationId: (await createTestTeam(fixture, "other")).organizationId }));

  const first = await fixture.policy.listGuardrails(create(ListGuardrailsRequestSchema, { organizationId, pageSize: 1 }), callContext());
  const second = await fixture.policy.listGuardrails(create(ListGuardrailsRequestSchema, { organizationId, pageSize: 1, pageToken: first.nextPageToken }), callContext());
  expect([first, second].map(({ guardrails }) => guardrails.map(({ rule: listed }) => listed!.name))).toEqual([["from-file", "for-all"], ["own"]]);
  expect(second.nextPageToken).toBe("");
});

it("keeps a caller of one organization to that organization", async () => {
  const fixture = await startPolicy(await createEmptyDatabase());
  const { organizationId } = await createTestTeam(fixture);
  const { guardrail: forAll } = await createGuardrail(fixture, rule("for-all"));
  const owner: CallContext = { ...callContext(), identity: { kind: "caller", grant: create(GrantSchema, { organizationId, reach: Reach.ORGANIZATION }) } };

  expect((await createGuardrail(fixture, rule("own"), owner)).guardrail!.rule!.organizationId).toBe(organizationId);
  await expect(createGuardrail(fixture, rule("theirs", { organizationId: "org_other" }), owner)).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
  await expect(fixture.policy.deleteGuardrail(create(DeleteGuardrailRequestSchema, { guardrailId: forAll!.id }), owner)).rejects.toMatchObject({ reason: "NOT_FOUND" });
});

it("lets nobody have texts judged by a model that they are not allowed", async () => {
  const fixture = await startPolicy(await createEmptyDatabase());
  const { organizationId } = await createTestTeam(fixture);
  const makerOf = (scope: { models?: string[]; providers?: string[] }): CallContext => ({ ...callContext(), identity: { kind: "caller", grant: create(GrantSchema, { organizationId, reach: Reach.ORGANIZATION, scopes: [scope] }) } });
  const judgedBy = (model: string): GuardrailRule => create(GuardrailRuleSchema, { name: `by-${model.replaceAll(/\W/g, "-")}`, mode: "block", check: { case: "judge", value: { model, question: "?" } } });
  await createGuardrail(fixture, judgedBy("cheap"), makerOf({ models: ["cheap"] }));
  await createGuardrail(fixture, judgedBy("near/small"), makerOf({ models: ["near/*"], providers: ["near"] }));
  await expect(createGuardrail(fixture, judgedBy("dear"), makerOf({ models: ["cheap"] }))).rejects.toMatchObject({ reason: "PERMISSION_DENIED", metadata: { field: "scope.models" } });
  await expect(createGuardrail(fixture, judgedBy("far/large"), makerOf({ providers: ["near"] }))).rejects.toMatchObject({ reason: "PERMISSION_DENIED", metadata: { field: "scope.providers" } });
});

it("refuses a name twice, a team that is not there, and answers a repeated call alike", async () => {
  const fixture = await startPolicy(await createEmptyDatabase());
  const team = await createTestTeam(fixture);
  const request = create(CreateGuardrailRequestSchema, { rule: rule("one", { organizationId: team.organizationId, teamId: team.id }), requestId: "again" });
  const [first, second] = [await fixture.policy.createGuardrail(request, callContext()), await fixture.policy.createGuardrail(request, callContext())];
  expect(second.guardrail!.id).toBe(first.guardrail!.id);
  await expect(createGuardrail(fixture, rule("one", { organizationId: team.organizationId }))).rejects.toMatchObject({ reason: "ALREADY_EXISTS" });
  await expect(createGuardrail(fixture, rule("two", { teamId: "team_missing" }))).rejects.toMatchObject({ reason: "NOT_FOUND" });
});

it("who watches rules or recalls hears that all is well, as often as asked for", async () => {
  const { policy } = await startPolicy(await createEmptyDatabase());
  const heartbeatInterval = durationFromMs(100);
  const rules = policy.watchRules(create(WatchRulesRequestSchema, { heartbeatInterval }), callContext())[Symbol.asyncIterator]();
  const recalls = policy.watchRecalls(create(WatchRecallsRequestSchema, { holderId: "hld_1", heartbeatInterval }), callContext())[Symbol.asyncIterator]();
  for (const messages of [rules, recalls]) {
    for (let beats = 0; beats < 2; ) if ((await messages.next()).value.heartbeat === true) beats++;
    await messages.return!();
  }
});

function rule(name: string, rest: MessageInitShape<typeof GuardrailRuleSchema> = {}): GuardrailRule {
  return create(GuardrailRuleSchema, { name, detectors: ["email"], mode: "block", ...rest });
}

function createGuardrail({ policy }: PolicyFixture, made: GuardrailRule, context = callContext()) {
  return policy.createGuardrail(create(CreateGuardrailRequestSchema, { rule: made }), context);
}

/** Reads on until rules of these names are told; false when the stream ends before. */
function watch({ policy }: PolicyFixture): (names: readonly string[]) => Promise<boolean> {
  const controller = new AbortController();
  onTestFinished(() => controller.abort());
  const messages = policy.watchRules(create(WatchRulesRequestSchema), callContext(controller.signal))[Symbol.asyncIterator]();
  return async (names) => {
    for (;;) {
      const { done, value } = await messages.next();
      if (done === true) return false;
      if (value.guardrails.map(({ name }: GuardrailRule) => name).join() === names.join()) return true;
    }
  };
}
