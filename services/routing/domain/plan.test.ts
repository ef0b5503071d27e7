import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { ProviderSchema } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { callableNames, planTargets, type PlanningView } from "./plan.ts";
import { asListed } from "./target-order.ts";

const view: PlanningView = {
  routes: new Map([
    ["fast", { targets: ["openai/gpt-small", "local/llama"], strict: true, order: asListed }],
    ["gone", { targets: ["removed/model"], strict: false, order: asListed }],
  ]),
  providers: new Map(
    [
      create(ProviderSchema, { name: "openai", vendor: "openai", models: ["gpt-small", "shared"] }),
      create(ProviderSchema, { name: "local", vendor: "openai", models: ["shared", "org/llama"], onlyListedModels: true }),
    ].map((provider) => [provider.name, provider]),
  ),
};

describe("planTargets", () => {
  test("takes a route's targets in order, without those that do not exist", () => {
    const plan = planTargets("fast", view);
    expect(plan).toMatchObject({ route: "fast", targets: [{ name: "openai/gpt-small" }] });
  });

  test("splits provider and model at the first slash", () => {
    expect(planTargets("local/org/llama", view).targets[0]).toMatchObject({ model: "org/llama", breakerName: "local/org/llama" });
  });

  test("passes on a model that the catalogue does not know, under one circuit per provider", () => {
    expect(planTargets("openai/new-model", view)).toMatchObject({ route: "", targets: [{ model: "new-model", breakerName: "openai" }] });
  });

  test("finds a bare model that exactly one provider lists", () => {
    expect(planTargets("gpt-small", view).targets[0]!.name).toBe("openai/gpt-small");
  });

  test.each([
    ["a bare model that two providers list", "shared"],
    ["a model outside a closed list", "local/other"],
    ["a provider that does not exist", "nobody/model"],
    ["a provider without a model", "openai/"],
    ["a route whose targets are all gone", "gone"],
  ])("refuses %s", (_, model) => {
    expect(() => planTargets(model, view)).toThrow(expect.objectContaining({ reason: "MODEL_NOT_FOUND" }));
  });

  test("names the nearest names, routes among them", () => {
    const error = thrownBy(() => planTargets("fst", view));
    expect(error.message).toContain('"fast"');
    expect(thrownBy(() => planTargets("openai/gpt-smal", { ...view, providers: new Map([...view.providers].map(([name, provider]) => [name, { ...provider, onlyListedModels: true }])) })).metadata["nearest"]).toBe("openai/gpt-small");
  });
});

test("callableNames lists routes first, then models, each by name", () => {
  expect([...callableNames(view)]).toEqual(["fast", "gone", "local/org/llama", "local/shared", "openai/gpt-small", "openai/shared"]);
});

function thrownBy(action: () => unknown): GatewayError {
  try {
    action();
  } catch (error) {
    if (error instanceof GatewayError) return error;
  }
  throw new Error("no GatewayError was thrown");
}
