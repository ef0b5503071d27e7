import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { ProviderSchema } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { readCondition } from "#platform/condition.ts";
import { GatewayError } from "#platform/errors.ts";
import { callableNames, everyTargetOf, missingTargets, planEveryTarget, planTargets, type PlanningView } from "./plan.ts";
import { caseConditions, type RouteCase } from "./route-case.ts";
import { asListed } from "./target-order.ts";

const caseOf = (where: string, ...targets: string[]): RouteCase => ({ where, holds: readCondition(where, caseConditions), targets });

const view: PlanningView = {
  routes: new Map([
    ["fast", { targets: ["openai/gpt-small", "local/llama"], cases: [], retries: 0, strict: true, order: asListed }],
    ["cased", { targets: ["openai/gpt-small"], cases: [caseOf('team == "team_1"', "local/shared", "removed/model"), caseOf("stream", "removed/model"), caseOf("input_tokens > 100 && int(labels.tier) > 3", "local/org/llama")], retries: 2, strict: false, order: asListed }],
    ["gone", { targets: ["removed/model"], cases: [], retries: 0, strict: false, order: asListed }],
  ]),
  providers: new Map(
    [
      create(ProviderSchema, { name: "openai", vendor: "openai", models: ["gpt-small", "shared"] }),
      create(ProviderSchema, { name: "local", vendor: "openai", models: ["shared", "org/llama"], onlyListedModels: true }),
    ].map((provider) => [provider.name, provider]),
  ),
};

const facts = () => caseConditions.noFacts;

describe("planTargets", () => {
  test("takes a route's targets in order, without those that do not exist", () => {
    const plan = planTargets("fast", view, facts);
    expect(plan).toMatchObject({ route: "fast", targets: [{ name: "openai/gpt-small" }] });
  });

  test("splits provider and model at the first slash", () => {
    expect(planTargets("local/org/llama", view, facts).targets[0]).toMatchObject({ model: "org/llama", breakerName: "local/org/llama" });
  });

  test("passes on a model that the catalogue does not know, under one circuit per provider", () => {
    expect(planTargets("openai/new-model", view, facts)).toMatchObject({ route: "", targets: [{ model: "new-model", breakerName: "openai" }] });
  });

  test("finds a bare model that exactly one provider lists", () => {
    expect(planTargets("gpt-small", view, facts).targets[0]!.name).toBe("openai/gpt-small");
  });

  test.each([
    ["a bare model that two providers list", "shared"],
    ["a model outside a closed list", "local/other"],
    ["a provider that does not exist", "nobody/model"],
    ["a provider without a model", "openai/"],
    ["a route whose targets are all gone", "gone"],
  ])("refuses %s", (_, model) => {
    expect(() => planTargets(model, view, facts)).toThrow(expect.objectContaining({ reason: "MODEL_NOT_FOUND" }));
  });

  test("says of a route without a target why that is", () => {
    expect(thrownBy(() => planTargets("gone", view, facts)).message).toContain('The route "gone" has no target that can be asked');
    expect(missingTargets(view)).toEqual(["local/llama", "removed/model"]);
  });

  test("names the nearest names, routes among them", () => {
    const error = thrownBy(() => planTargets("fst", view, facts));
    expect(error.message).toContain('"fast"');
    expect(thrownBy(() => planTargets("openai/gpt-smal", { ...view, providers: new Map([...view.providers].map(([name, provider]) => [name, { ...provider, onlyListedModels: true }])) }, facts)).metadata["nearest"]).toBe("openai/gpt-small");
  });
});

describe("a route with cases", () => {
  const planned = (changes: Partial<ReturnType<typeof facts>>) => planTargets("cased", view, () => ({ ...facts(), ...changes }));

  test("has the targets of the first that holds, and all else of the route", () => {
    expect(planned({ team: "team_1", stream: true })).toMatchObject({ route: "cased", retries: 2, targets: [{ name: "local/shared" }], takenCase: { position: 1 } });
    expect(planned({ input_tokens: 101n, labels: { tier: "4" } })).toMatchObject({ targets: [{ name: "local/org/llama" }], takenCase: { position: 3 } });
  });

  test("has its own targets where none holds, or the one that might cannot be decided", () => {
    for (const changes of [{}, { input_tokens: 101n, labels: { tier: "gold" } }]) {
      expect(planned(changes)).toMatchObject({ targets: [{ name: "openai/gpt-small" }] });
      expect(planned(changes).takenCase).toBeUndefined();
    }
  });

  test("does not go elsewhere where no target of the case is there: who wrote it wanted none but those", () => {
    expect(() => planned({ stream: true })).toThrow(expect.objectContaining({ reason: "MODEL_NOT_FOUND" }));
  });

  test("can come to each of its targets", () => {
    expect(planEveryTarget("cased", view).targets.map(({ name }) => name)).toEqual(["openai/gpt-small", "local/shared", "local/org/llama"]);
    expect(everyTargetOf("openai/gpt-small", view.routes)).toEqual(["openai/gpt-small"]);
  });

  test("is asked for no facts where it has no cases", () => {
    expect(() => planTargets("fast", view, () => expect.fail("asked"))).not.toThrow();
  });
});

test("callableNames lists routes first, then models, each by name", () => {
  expect([...callableNames(view)]).toEqual(["cased", "fast", "gone", "local/org/llama", "local/shared", "openai/gpt-small", "openai/shared"]);
});

function thrownBy(action: () => unknown): GatewayError {
  try {
    action();
  } catch (error) {
    if (error instanceof GatewayError) return error;
  }
  throw new Error("no GatewayError was thrown");
}
