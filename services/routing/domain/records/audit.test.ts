/** Proves that no change is made that is not in the audit log, and whose log each call stands in. */
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import type { AuditRecord } from "#gen/weir/metering/v1/audit_pb.ts";
import { GrantSchema } from "#gen/weir/policy/v1/grant_pb.ts";
import { CreateKeyRequestSchema, CreateKeyResponseSchema, KeySchema, ListKeysRequestSchema } from "#gen/weir/policy/v1/key_pb.ts";
import { UpdateOrganizationRequestSchema } from "#gen/weir/policy/v1/organization_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Reach } from "#gen/weir/policy/v1/role_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { audited, recordDenial, type AuditedCall, type AuditTrail } from "./audit.ts";

const denied = new GatewayError("PERMISSION_DENIED", "no");
const response = create(CreateKeyResponseSchema, { key: create(KeySchema, { organizationId: "org_b" }), secret: "weir_secret" });

function callOf(sketch: Partial<AuditedCall> & { readonly reach?: Reach } = {}): AuditedCall {
  const grant = create(GrantSchema, { keyId: "key_a", teamId: "team_a", organizationId: "org_a", reach: sketch.reach ?? Reach.ORGANIZATION });
  return { method: PolicyService.method.createKey, request: create(CreateKeyRequestSchema, { teamId: "team_b", name: "laptop" }), grant, address: "192.0.2.7", requestId: "req_1", ...sketch };
}

/** A trail that can be away from the n-th record on. */
function trailOf(availableFor = Infinity) {
  const recorded: AuditRecord[] = [];
  const lost: AuditRecord[] = [];
  let calls = 0;
  const trail: AuditTrail = {
    async record(records) {
      if (calls++ >= availableFor) throw new GatewayError("DEPENDENCY_UNAVAILABLE", "metering is away");
      recorded.push(...records);
    },
    onLost: (records) => void lost.push(...records),
  };
  return { trail, recorded, lost, lines: () => recorded.map(({ organizationId, outcome }) => `${organizationId || "installation"} ${outcome}`) };
}

test("a change is made between the entry that it begins and the one of its outcome", async () => {
  const { trail, recorded, lines } = trailOf();
  const made = await audited(callOf(), trail, async () => {
    expect(lines()).toEqual(["org_a begun"]);
    return response;
  });
  expect(made).toBe(response);
  expect(lines()).toEqual(["org_a begun", "org_a ok"]);
  expect(recorded[1]).toMatchObject({ callId: "req_1", actor: "key_a", actorTeamId: "team_a", address: "192.0.2.7", method: "weir.policy.v1.PolicyService/CreateKey", requestJson: '{"teamId":"team_b","name":"laptop"}' });
});

test("a change whose beginning cannot be recorded is not made", async () => {
  const { trail } = trailOf(0);
  let isMade = false;
  await expect(audited(callOf(), trail, async () => ((isMade = true), response))).rejects.toMatchObject({ reason: "AUDIT_UNAVAILABLE" });
  expect(isMade).toBe(false);
});

test("a request that no log can hold is the caller's fault, and not made", async () => {
  const { trail } = trailOf();
  const unfit: AuditTrail = { ...trail, record: async () => Promise.reject(new GatewayError("INVALID_REQUEST", "a text holds a NUL")) };
  await expect(audited(callOf(), unfit, async () => response)).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
  const beyond = { ...callOf(), request: create(CreateKeyRequestSchema, { expireTime: { seconds: 10n ** 15n, nanos: 0 } }) };
  await expect(audited(beyond, trail, async () => response)).rejects.toMatchObject({ reason: "INVALID_REQUEST", message: expect.stringContaining("9999") });
});

test("a change whose outcome cannot be recorded is answered, and told of elsewhere", async () => {
  const { trail, lost, lines } = trailOf(1);
  expect(await audited(callOf(), trail, async () => response)).toBe(response);
  expect(lines()).toEqual(["org_a begun"]);
  expect(lost).toMatchObject([{ callId: "req_1", outcome: "ok" }]);
});

test("a change that fails is recorded with its reason", async () => {
  const { trail, lines } = trailOf();
  await expect(audited(callOf(), trail, async () => Promise.reject(new GatewayError("NOT_FOUND", "no such team")))).rejects.toMatchObject({ reason: "NOT_FOUND" });
  expect(lines()).toEqual(["org_a begun", "org_a NOT_FOUND"]);
});

test("who reaches all organizations writes into the logs of those concerned, nobody else into another's", async () => {
  const request = create(UpdateOrganizationRequestSchema, { organizationId: "org_c" });
  const own = trailOf();
  await audited(callOf({ method: PolicyService.method.updateOrganization, request }), own.trail, async () => response);
  expect(own.lines()).toEqual(["org_a begun", "org_a ok"]);
  const all = trailOf();
  await audited(callOf({ method: PolicyService.method.updateOrganization, request, reach: Reach.INSTALLATION }), all.trail, async () => response);
  expect(all.lines()).toEqual(["org_a begun", "org_c begun", "org_a ok", "org_c ok", "org_b ok"]);
});

test("a list leaves no entry, a denied one does", async () => {
  const { trail, lines } = trailOf();
  const call = callOf({ method: PolicyService.method.listKeys, request: create(ListKeysRequestSchema) });
  await audited(call, trail, async () => response);
  expect(lines()).toEqual([]);
  await expect(audited(call, trail, () => Promise.reject(denied))).rejects.toBe(denied);
  await recordDenial(call, new GatewayError("DEPENDENCY_UNAVAILABLE", "away"), trail);
  expect(lines()).toEqual(["org_a PERMISSION_DENIED"]);
});

test("of a request that is too long its digest is recorded", async () => {
  const { trail, recorded } = trailOf();
  await audited(callOf({ request: create(CreateKeyRequestSchema, { labels: { note: "ü".repeat(20_000) } }) }), trail, async () => response);
  expect(JSON.parse(recorded[0]!.requestJson)).toEqual({ omitted: { bytes: 40_022, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string } });
});
