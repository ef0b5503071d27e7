import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, onTestFinished, test } from "vitest";
import { ConfigSchema } from "#gen/weir/config/v1/config_pb.ts";
import { GrantSchema } from "#gen/weir/policy/v1/grant_pb.ts";
import { Reach } from "#gen/weir/policy/v1/role_pb.ts";
import { WatchRulesRequestSchema, type WatchRulesResponse } from "#gen/weir/policy/v1/rule_set_pb.ts";
import { CreateRateLimitRequestSchema, DeleteRateLimitRequestSchema, ListRateLimitsRequestSchema, UpdateRateLimitRequestSchema, type RateLimit, type RateLimitRuleSchema } from "#gen/weir/policy/v1/rate_limit_pb.ts";
import { MutableLiveValue } from "#platform/views/live-value.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import { createEmptyDatabase } from "../../test/harness/database.ts";
import { readPolicyConfig, type PolicyConfig } from "./config.ts";
import { callContext, createTestTeam, startPolicy, type PolicyFixture } from "./policy.fixture.ts";

type Rule = MessageInitShape<typeof RateLimitRuleSchema>;

const perMinute: Rule = { count: "requests", amount: 10n, window: "minute" };

test("routing is told the rate limits of the file and those made by RPC, and every change of either", async () => {
  const config = new MutableLiveValue<PolicyConfig>(configured({ ...perMinute, name: "from-file" }));
  const fixture = await startPolicy(await createEmptyDatabase(), undefined, config);
  const told = watch(fixture);
  expect(await told((limits) => limits.length === 1)).toMatchObject([{ id: "weir.yaml:from-file", rule: { amount: 10n } }]);
  const { id } = await createRateLimit(fixture, { ...perMinute, name: "by-rpc" });
  await told((limits) => limits.some((limit) => limit.id === id));
  await fixture.policy.updateRateLimit(create(UpdateRateLimitRequestSchema, { rateLimitId: id, amount: 20n, where: 'model == "m"', updateMask: { paths: ["amount", "where"] } }), callContext());
  await told((limits) => limits.some(({ rule }) => rule!.amount === 20n && rule!.where === 'model == "m"'));
  // By its name it is the same limit, with what it has counted.
  config.set(configured({ ...perMinute, name: "from-file", amount: 30n }));
  expect(await told((limits) => limits.some(({ rule }) => rule!.amount === 30n))).toMatchObject([{ id: "weir.yaml:from-file" }, { id }]);
  await fixture.policy.deleteRateLimit(create(DeleteRateLimitRequestSchema, { rateLimitId: id }), callContext());
  await told((limits) => limits.length === 1);
});

test("a condition that cannot be used is refused when it is written, in the file and by RPC", async () => {
  expect(() => configured({ ...perMinute, name: "wrong", where: "modle == 'm'" })).toThrow(/modle == 'm'.*unresolved attribute/);
  const fixture = await startPolicy(await createEmptyDatabase());
  await expect(createRateLimit(fixture, { ...perMinute, name: "wrong", where: "model" })).rejects.toMatchObject({ reason: "INVALID_REQUEST", fieldViolations: [{ field: "where" }] });
  const { id } = await createRateLimit(fixture, { ...perMinute, name: "right" });
  await expect(fixture.policy.updateRateLimit(create(UpdateRateLimitRequestSchema, { rateLimitId: id, where: "model", updateMask: { paths: ["where"] } }), callContext())).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
});

test("a caller of one organization makes, changes and deletes its own alone", async () => {
  const fixture = await startPolicy(await createEmptyDatabase());
  const { organizationId } = await createTestTeam(fixture);
  const forAll = await createRateLimit(fixture, { ...perMinute, name: "for-all" });
  const owner: CallContext = { ...callContext(), identity: { kind: "caller", grant: create(GrantSchema, { organizationId, reach: Reach.ORGANIZATION }) } };
  expect((await createRateLimit(fixture, { ...perMinute, name: "own" }, owner)).rule!.organizationId).toBe(organizationId);
  await expect(createRateLimit(fixture, { ...perMinute, name: "theirs", organizationId: "org_other" }, owner)).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
  const change = create(UpdateRateLimitRequestSchema, { rateLimitId: forAll.id, amount: 1n, updateMask: { paths: ["amount"] } });
  await expect(fixture.policy.updateRateLimit(change, owner)).rejects.toMatchObject({ reason: "NOT_FOUND" });
  await expect(fixture.policy.deleteRateLimit(create(DeleteRateLimitRequestSchema, { rateLimitId: forAll.id }), owner)).rejects.toMatchObject({ reason: "NOT_FOUND" });
  const { rateLimits } = await fixture.policy.listRateLimits(create(ListRateLimitsRequestSchema, { organizationId }), owner);
  expect(rateLimits.map(({ rule }) => rule!.name)).toEqual(["for-all", "own"]);
});

test("a name stands once, a repeated call is answered alike, and an organization has 100 at most", async () => {
  const fixture = await startPolicy(await createEmptyDatabase());
  const { organizationId } = await createTestTeam(fixture);
  const request = create(CreateRateLimitRequestSchema, { rule: { ...perMinute, name: "one", organizationId }, requestId: "again" });
  const [first, second] = [await fixture.policy.createRateLimit(request, callContext()), await fixture.policy.createRateLimit(request, callContext())];
  expect(second.rateLimit!.id).toBe(first.rateLimit!.id);
  await expect(createRateLimit(fixture, { ...perMinute, name: "one", organizationId })).rejects.toMatchObject({ reason: "ALREADY_EXISTS" });
  for (let index = 1; index < 100; index++) await createRateLimit(fixture, { ...perMinute, name: `limit-${index}`, organizationId });
  await expect(createRateLimit(fixture, { ...perMinute, name: "too-many", organizationId })).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
  await createRateLimit(fixture, { ...perMinute, name: "of-another" });
});

function configured(rule: Rule): PolicyConfig {
  return readPolicyConfig(create(ConfigSchema, { rateLimits: [rule] }));
}

async function createRateLimit({ policy }: PolicyFixture, rule: Rule, context = callContext()): Promise<RateLimit> {
  const { rateLimit } = await policy.createRateLimit(create(CreateRateLimitRequestSchema, { rule }), context);
  return rateLimit!;
}

/** Reads on until the rate limits are as wanted. */
function watch({ policy }: PolicyFixture): (areWanted: (limits: readonly RateLimit[]) => boolean) => Promise<readonly RateLimit[]> {
  const controller = new AbortController();
  onTestFinished(() => controller.abort());
  const messages = policy.watchRules(create(WatchRulesRequestSchema), callContext(controller.signal))[Symbol.asyncIterator]();
  return async (areWanted) => {
    for (;;) {
      const { rateLimits } = (await messages.next()).value as WatchRulesResponse;
      if (areWanted(rateLimits)) return rateLimits;
    }
  };
}
