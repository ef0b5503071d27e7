/** Proves the audit log through a running Weir: what is changed, by call or by file, and what is denied stands in it, and each organization sees its own. */
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AuditEntry } from "#gen/weir/metering/v1/audit_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { RoutingService } from "#gen/weir/routing/v1/routing_service_pb.ts";
import { runWeir, type CommandOutcome } from "../harness/run-weir.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

let weir: Weir;

beforeAll(async () => {
  weir = await startWeir();
});
afterAll(() => weir?.stop());

async function createOrganization(name: string): Promise<{ organizationId: string; teamId: string; auditor: string; owner: string; ownerId: string }> {
  const policy = weir.client(PolicyService);
  const organizationId = (await policy.createOrganization({ name })).organization!.id;
  const teamId = (await policy.createTeam({ organizationId, name })).team!.id;
  const auditor = (await policy.createKey({ teamId, name: "auditor", role: Role.AUDITOR })).secret;
  const { key, secret: owner } = await policy.createKey({ teamId, name: "owner", role: Role.OWNER });
  return { organizationId, teamId, auditor, owner, ownerId: key!.id };
}

async function entriesFor(key: string | undefined, query: { method?: string; actor?: string } = {}): Promise<AuditEntry[]> {
  return (await weir.client(MeteringService, key).listAuditEntries(query)).entries;
}

function linesOf(entries: readonly AuditEntry[]): string[] {
  return entries.map(({ method, outcome }) => `${method.split("/")[1]} ${outcome}`);
}

test("an organization's auditor sees who changed what in it, and nothing of others", async () => {
  const { organizationId, teamId, auditor, owner, ownerId } = await createOrganization("seen");
  await createOrganization("another");
  const { key } = await weir.client(PolicyService, owner).createKey({ teamId, name: "laptop", labels: { cost_center: "7" } });
  await expect(weir.client(PolicyService, owner).createTeam({ name: "seen" })).rejects.toMatchObject({ code: Code.AlreadyExists });
  await weir.client(PolicyService, owner).revokeKey({ keyId: key!.id });

  const entries = await entriesFor(auditor);
  expect(linesOf(entries)).toEqual(["RevokeKey ok", "CreateTeam ALREADY_EXISTS", "CreateKey ok", "CreateKey ok", "CreateKey ok", "CreateTeam ok", "CreateOrganization ok"]);
  expect(new Set(entries.map((entry) => entry.organizationId))).toEqual(new Set([organizationId]));
  expect(entries[2]).toMatchObject({ actor: ownerId, actorOrganizationId: organizationId, actorTeamId: teamId, address: "127.0.0.1" });
  expect(JSON.parse(entries[2]!.requestJson)).toEqual({ teamId, name: "laptop", labels: { cost_center: "7" } });
});

test("who is denied a call of management leaves an entry", async () => {
  const { auditor, owner, teamId } = await createOrganization("denied");
  const { key, secret } = await weir.client(PolicyService, owner).createKey({ teamId, name: "application" });
  await expect(weir.client(PolicyService, secret).listKeys({})).rejects.toMatchObject({ code: Code.PermissionDenied });
  await expect(weir.client(MeteringService, owner).rebuildLedger({})).rejects.toMatchObject({ code: Code.PermissionDenied });
  await expect(weir.client(MeteringService, owner).listAttempts({ organizationId: "org_other" })).rejects.toMatchObject({ code: Code.PermissionDenied });
  expect(linesOf((await entriesFor(auditor)).slice(0, 3))).toEqual(["ListAttempts PERMISSION_DENIED", "RebuildLedger PERMISSION_DENIED", "ListKeys PERMISSION_DENIED"]);
  expect(await entriesFor(auditor, { actor: key!.id })).toHaveLength(1);
  await expect(weir.client(MeteringService, secret).listAuditEntries({})).rejects.toMatchObject({ code: Code.PermissionDenied });
});

test("the text on which a guardrail is tried stands in no entry, of a denied call either", async () => {
  const { auditor, owner, teamId } = await createOrganization("tries");
  const { key, secret } = await weir.client(PolicyService, owner).createKey({ teamId, name: "application" });
  const attempt = weir.client(RoutingService, secret).testGuardrail({ rule: { name: "words", words: ["word"], mode: "shadow" }, text: "my card is 4111" });
  await expect(attempt).rejects.toMatchObject({ code: Code.PermissionDenied });
  const [entry] = await entriesFor(auditor, { actor: key!.id });
  expect(JSON.parse(entry!.requestJson)).toMatchObject({ rule: { name: "words" }, text: "[redacted]" });
});

test("a change of weir.yaml leaves an entry that names what changed, and no value", async () => {
  const { auditor } = await createOrganization("beside the file");
  await writeFile(`${weir.configPath}.new`, "providers: { secretive: { vendor: openai, api_key: sk-very-secret } }\n");
  await rename(`${weir.configPath}.new`, weir.configPath);
  const loads = (): Promise<AuditEntry[]> => entriesFor(undefined, { method: "Load" });
  await expect.poll(async () => (await loads()).filter(({ requestJson }) => /"changed":\[.*"providers.secretive"/.test(requestJson)).length, { timeout: 15_000, interval: 50 }).toBeGreaterThan(0);
  const entries = await loads();
  expect(new Set(entries.map(({ organizationId }) => organizationId))).toEqual(new Set([""]));
  expect(JSON.stringify(entries.map(({ requestJson }) => requestJson))).not.toContain("very-secret");
  expect(await entriesFor(auditor, { method: "Load" })).toEqual([]);
});

test("the command lists, verifies and exports", async () => {
  const { organizationId } = await createOrganization("by command");
  const heads = join(weir.dataDirectory, "heads");
  expect((await audit("list", "--organization", organizationId, "--method", "CreateTeam")).stdout).toMatch(/CreateTeam +ok +\{"organizationId":"org_\w+","name":"by command"\}\n$/);
  expect(await audit("verify", "--heads", heads)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+ entries of \d+ logs verified, nothing was changed\.\n$/) as string });
  expect(await audit("verify", "--heads", heads)).toMatchObject({ code: 0 });
  await writeFile(heads, `${organizationId} 2 ${"0".repeat(64)}\n`);
  expect(await audit("verify", "--heads", heads)).toMatchObject({ code: 1, stdout: expect.stringContaining("does not stand any more") as string });
  const lines = (await audit("export", "--organization", organizationId)).stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as { sequence: number; entry: string });
  expect(lines.map(({ sequence }) => sequence)).toEqual(lines.map((_, index) => index + 1));
  expect(JSON.parse(lines[0]!.entry)).toMatchObject({ organization: organizationId, outcome: "ok" });
});

function audit(...words: string[]): Promise<CommandOutcome> {
  return runWeir(["audit", ...words], { environment: { WEIR_ADDRESS: weir.origin, WEIR_ADMIN_KEY: weir.adminKey } });
}
