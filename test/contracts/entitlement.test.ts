/** Proves that what policy lets a key give away is nothing that routing would refuse to that key itself. */
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GrantSchema, type Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import { ScopeSchema } from "#gen/weir/policy/v1/scope_pb.ts";
import { ProviderSchema } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { Permission } from "#gen/weir/types/v1/method_pb.ts";
import { excessOf } from "../../services/policy/domain/entitlement.ts";
import { authenticate, authorizeMethod, authorizePlan, type Caller } from "../../services/routing/domain/admission/admit.ts";
import { planEveryTarget, type PlanningView } from "../../services/routing/domain/targets/plan.ts";
import { asListed } from "../../services/routing/domain/targets/target-order.ts";

const nowMs = 1_000;
const view: PlanningView = {
  providers: new Map(["a", "b"].map((name) => [name, create(ProviderSchema, { name, models: [`only-${name}`, "m"] })])),
  routes: new Map([["r", { targets: ["a/m", "b/m"], cases: [], retries: 0, strict: false, order: asListed }], ["s", { targets: ["b/m"], cases: [], retries: 0, strict: false, order: asListed }]]),
};

const some = (...values: string[]): fc.Arbitrary<string[]> => fc.subarray(values);
const scope = fc.record({
  models: some("r", "s", "a/*", "b/*", "a/m", "a/only-a", "only-a", "b/m"),
  providers: some("a", "b"),
  operations: some("Generate", "Embed"),
  ipRanges: some("10.0.0.0/8", "10.1.0.0/16", "10.1.1.1/32", "2001:db8::/32", "2001:db8:1::/48"),
  origins: some("https://x", "https://y"),
});
const end = fc.option(fc.constantFrom(500, 1_500, 2_500), { nil: undefined });
const grant = fc.record({ scopes: fc.array(scope, { maxLength: 2 }), permissions: fc.subarray([Permission.INFERENCE_USE, Permission.TENANCY_READ]), end }).map(({ scopes, permissions, end: endMs }) =>
  create(GrantSchema, { scopes: scopes.map((fields) => create(ScopeSchema, fields)), permissions, ...(endMs === undefined ? {} : { expireTime: { seconds: 0n, nanos: endMs * 1_000_000 } }) }),
);
const call = fc.record({
  model: fc.constantFrom("r", "s", "a/m", "a/other", "b/m", "only-a", "only-b"),
  method: fc.constantFrom(...InferenceService.methods),
  address: fc.constantFrom("10.2.0.1", "10.1.0.1", "10.1.1.1", "2001:db8::1", "2001:db8:1::1", "::ffff:10.1.1.1", "192.0.2.1"),
  origin: fc.constantFrom("https://x", "https://y", undefined),
});

test("whatever a child may do, its parent may", async () => {
  let within = 0;
  let allowed = 0;
  await fc.assert(
    fc.asyncProperty(grant, grant, fc.array(call, { minLength: 20, maxLength: 20 }), async (child, parent, calls) => {
      if (excessOf(child, parent) !== undefined) return;
      within++;
      for (const one of calls) {
        const targets = await targetsOf(one, child);
        if (targets.length === 0) continue;
        allowed++;
        expect(await targetsOf(one, parent)).toEqual(expect.arrayContaining(targets));
      }
    }),
    { numRuns: 5_000 },
  );
  // Else the property would say nothing.
  expect(within).toBeGreaterThan(50);
  expect(allowed).toBeGreaterThan(50);
});

/** Where routing would let the call go; empty when it refuses. */
async function targetsOf({ model, method, address, origin }: { model: string; method: (typeof InferenceService.methods)[number] } & Omit<Caller, "credential">, held: Grant): Promise<string[]> {
  const endMs = held.expireTime === undefined ? Infinity : held.expireTime.nanos / 1_000_000;
  const grants = { find: () => ({ grant: held, endMs }), resolve: () => Promise.reject(new Error("unused")), ageMs: 0, heardWithin: () => Promise.resolve(), watch: () => () => undefined };
  try {
    authorizeMethod(method, await authenticate({ credential: "key", address, origin }, grants, nowMs));
    return authorizePlan(model, planEveryTarget(model, view), held).targets.map(({ name }) => name);
  } catch {
    return [];
  }
}
