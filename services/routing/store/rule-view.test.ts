import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { GuardrailRuleSchema } from "#gen/weir/policy/v1/guardrail_pb.ts";
import { GrantSchema } from "#gen/weir/policy/v1/grant_pb.ts";
import { WatchRulesResponseSchema, type WatchRulesResponse } from "#gen/weir/policy/v1/rule_set_pb.ts";
import { createLogger } from "#platform/logger.ts";
import { followRules } from "./rule-view.ts";

const mine = create(GrantSchema, { organizationId: "org_1", teamId: "team_1", keyId: "key_1" });
const theirs = create(GrantSchema, { organizationId: "org_2", teamId: "team_2", keyId: "key_2" });

test("a grant has the rules of its key, team and organization, those of everybody, and none of others", async () => {
  const rules = rulesNamed({ all: {}, organization: { organizationId: "org_1" }, team: { teamId: "team_1" }, key: { keyId: "key_1" }, mixed: { organizationId: "org_2", keyId: "key_1" } });
  const { namesFor } = await follow(rules);
  expect(namesFor(mine)).toEqual(["all", "organization", "team", "key"]);
  expect(namesFor(theirs)).toEqual(["all"]);
});

test("a change is in force for grants that asked before, and nothing means nothing to look at", async () => {
  const { namesFor, push } = await follow(rulesNamed({ first: { teamId: "team_1" } }));
  expect(namesFor(mine)).toEqual(["first"]);
  expect(namesFor(theirs)).toBeUndefined();
  await push(rulesNamed({ second: { teamId: "team_2" } }));
  expect(namesFor(mine)).toBeUndefined();
  expect(namesFor(theirs)).toEqual(["second"]);
});

function rulesNamed(scopes: Readonly<Record<string, { organizationId?: string; teamId?: string; keyId?: string }>>): WatchRulesResponse {
  return create(WatchRulesResponseSchema, { guardrails: Object.entries(scopes).map(([name, scope]) => create(GuardrailRuleSchema, { name, ...scope })) });
}

async function follow(first: WatchRulesResponse) {
  const waiting: PromiseWithResolvers<WatchRulesResponse>[] = [Promise.withResolvers()];
  waiting[0]!.resolve(first);
  async function* watchRules(): AsyncGenerator<WatchRulesResponse> {
    for (;;) {
      yield await waiting.at(-1)!.promise;
      waiting.push(Promise.withResolvers());
      asked.resolve();
      asked = Promise.withResolvers();
    }
  }
  let asked = Promise.withResolvers<void>();
  const isReady = asked.promise;
  const rulesOf = await followRules({ policy: { watchRules }, logger: createLogger("silent"), signal: new AbortController().signal });
  await isReady;
  return {
    namesFor: (grant: typeof mine) => rulesOf(grant)?.guardrails.map(({ name }) => name),
    push: async (rules: WatchRulesResponse) => {
      const applied = asked.promise;
      waiting.at(-1)!.resolve(rules);
      await applied;
    },
  };
}
