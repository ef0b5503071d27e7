/** Proves that a call goes only to targets that have its operation, and that a refusal names who has it. */
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ProviderSchema } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { capableTargets } from "./capability.ts";
import { planEveryTarget } from "./plan.ts";
import { asListed } from "./target-order.ts";

const providers = new Map(
  [
    create(ProviderSchema, { name: "talks", offers: [{ operation: "generate" }] }),
    create(ProviderSchema, { name: "embeds", offers: [{ operation: "generate" }, { operation: "embed" }] }),
    create(ProviderSchema, { name: "older" }),
  ].map((provider) => [provider.name, provider]),
);
const view = { providers, routes: new Map([["all", { targets: ["talks/m", "embeds/m", "older/m"], cases: [], retries: 0, strict: false, order: asListed }]]) };
const targetsOf = (model: string, operation: "generate" | "embed") => capableTargets(operation, model, planEveryTarget(model, view).targets, view).map(({ name }) => name);

test("targets without the operation are left out, those of which nothing is known are not", () => {
  expect(targetsOf("all", "embed")).toEqual(["embeds/m", "older/m"]);
  expect(targetsOf("all", "generate")).toEqual(["talks/m", "embeds/m", "older/m"]);
});

test("where none has it, the refusal says who does", () => {
  expect(() => targetsOf("talks/m", "embed")).toThrow(
    expect.objectContaining({ reason: "UNSUPPORTED_OPERATION", message: '"talks/m" has no embed: talks does not offer it. Name a model of embeds.', metadata: { operation: "embed", capable: "embeds" } }),
  );
});
