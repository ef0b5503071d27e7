/** Proves that organizations are apart: whatever a key of one sends to whatever method, it neither sees nor changes the other. */
import { globSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { create, toJsonString, type DescField, type DescMessage, type DescMethod, type DescService, type Message } from "@bufbuild/protobuf";
import { reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { ProvidersService } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { BudgetPeriod } from "#gen/weir/policy/v1/budget_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { Exposure } from "#gen/weir/types/v1/method_pb.ts";
import { ruleOf } from "#platform/rpc/method-guard.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

/** What only the other organization's things hold. */
const canary = "canary-of-the-other";

interface Tenant {
  readonly organizationId: string;
  readonly teamId: string;
  readonly keyId: string;
  readonly memberId: string;
  readonly guardrailId: string;
  readonly rateLimitId: string;
  readonly budgetId: string;
  readonly credentialId: string;
  /** By role. */
  readonly secrets: ReadonlyMap<Role, string>;
}

const roles = [Role.OWNER, Role.ADMIN, Role.BILLING, Role.DEVELOPER, Role.AUDITOR, Role.INFERENCE];
const services = await servicesOf(globSync("gen/weir/**/*_pb.ts"));
const adminMethods = services.flatMap(({ methods }) => methods).filter((method) => ruleOf(method).exposure === Exposure.ADMIN && method.methodKind === "unary");

let weir: Weir;
let own: Tenant;
let other: Tenant;

beforeAll(async () => {
  weir = await startWeir({ config: "providers: { demo: { vendor: demo }, keyed: { vendor: openai, stored_credentials: true } }" });
  own = await createTenant("own");
  other = await createTenant(canary);
  for (const tenant of [own, other]) {
    const body = JSON.stringify({ model: "demo/demo-chat", messages: [{ role: "user", content: "hi" }] });
    const headers = { authorization: `Bearer ${tenant.secrets.get(Role.INFERENCE)!}`, "x-weir-labels": `application=${tenant === other ? canary : "own"}` };
    expect((await fetch(`${weir.origin}/v1/chat/completions`, { method: "POST", headers, body })).status).toBe(200);
  }
  await weir.attempts(2);
});
afterAll(() => weir?.stop());

async function createTenant(name: string): Promise<Tenant> {
  const policy = weir.client(PolicyService);
  const { organization } = await policy.createOrganization({ name });
  const organizationId = organization!.id;
  const { team } = await policy.createTeam({ organizationId, name });
  const { member } = await policy.createMember({ organizationId, email: `${name}@example.com`, role: Role.AUDITOR });
  const { guardrail } = await policy.createGuardrail({ rule: { organizationId, name, detectors: ["email"], mode: "shadow" } });
  const { rateLimit } = await policy.createRateLimit({ rule: { organizationId, name, count: "requests", amount: 1_000n, window: "second" } });
  // Of calls that nobody makes: the others go on without a price.
  const { budget } = await policy.createBudget({ organizationId, name, subject: { labelName: "nobody", labelValue: name }, limitNanos: 1_000_000_000n, period: BudgetPeriod.TOTAL });
  const { credential } = await weir.client(ProvidersService).createCredential({ organizationId, provider: "keyed", name, secret: `sk-${name}` });
  const secrets = new Map<Role, string>();
  let keyId = "";
  for (const role of roles) {
    const { key, secret } = await policy.createKey({ teamId: team!.id, name, role, labels: { cost_center: name } });
    secrets.set(role, secret);
    keyId = key!.id;
  }
  return { organizationId, teamId: team!.id, keyId, memberId: member!.id, guardrailId: guardrail!.id, rateLimitId: rateLimit!.id, budgetId: budget!.id, credentialId: credential!.id, secrets };
}

test("there are admin methods to try", () => {
  expect(adminMethods.map(({ name }) => name)).toEqual(expect.arrayContaining(["CreateKey", "ListKeys", "UpdateOrganization", "QueryUsage", "ListAttempts"]));
});

describe.each(adminMethods.map((method) => [method.name, method] as const))("%s", (_, method) => {
  test("called with the other's ids, or with none, shows and changes nothing of the other", async () => {
    const before = await stateOfOther();
    for (const secret of own.secrets.values()) {
      for (const ids of [other, undefined]) {
        const outcome = await call(method, secret, requestFor(method.input, ids));
        // A malformed request would prove nothing.
        expect(outcome.code, outcome.text).not.toBe(Code.InvalidArgument);
        expect(outcome.text).not.toContain(canary);
      }
    }
    expect(await stateOfOther()).toEqual(before);
  });
});

test.each([
  [Role.OWNER, ["CreateCredential", "CreateGuardrail", "CreateKey", "CreateMember", "CreateTeam", "ListCredentials", "ListGuardrails", "ListKeys", "ListMembers", "ListOrganizations", "ListTeams", "QueryUsage", "UpdateOrganization"]],
  [Role.ADMIN, ["CreateCredential", "CreateGuardrail", "CreateKey", "CreateMember", "CreateTeam", "ListCredentials", "ListGuardrails", "ListKeys", "ListMembers", "ListOrganizations", "ListTeams", "QueryUsage"]],
  [Role.BILLING, ["ListGuardrails", "ListKeys", "ListMembers", "ListOrganizations", "ListTeams", "QueryUsage"]],
  [Role.DEVELOPER, ["CreateKey", "ListGuardrails", "ListKeys", "ListMembers", "ListOrganizations", "ListTeams", "QueryUsage"]],
  [Role.AUDITOR, ["ListGuardrails", "ListKeys", "ListMembers", "ListOrganizations", "ListTeams", "QueryUsage"]],
  [Role.INFERENCE, []],
] as const)("a key of the role %i may do in its own organization what the role says", async (role, allowed) => {
  const names = ["CreateCredential", "CreateGuardrail", "CreateKey", "CreateMember", "CreateOrganization", "CreateTeam", "ListCredentials", "ListGuardrails", "ListKeys", "ListMembers", "ListOrganizations", "ListTeams", "QueryUsage", "UpdateOrganization"];
  const done: string[] = [];
  for (const name of names) {
    const method = adminMethods.find((one) => one.name === name)!;
    const { code, text } = await call(method, own.secrets.get(role)!, requestFor(method.input, own, `${name} by ${role}`));
    if (code === undefined) done.push(name);
    else expect(code, text).toBe(Code.PermissionDenied);
  }
  expect(done).toEqual(allowed);
});

test("an organization's name in the place of its id is told of, and begins no audit log", async () => {
  const policy = weir.client(PolicyService);
  const metering = weir.client(MeteringService);
  for (const organizationId of ["default", "org_", "org_a b\n", "\0"]) {
    for (const call of [() => policy.listTeams({ organizationId }), () => policy.createTeam({ organizationId, name: "stray" }), () => metering.queryUsage({ organizationId }), () => metering.eraseContent({ organizationId })]) {
      await expect(call()).rejects.toMatchObject({ code: Code.InvalidArgument, rawMessage: expect.stringContaining("is no organization's id") });
    }
    expect((await metering.listAuditEntries({ pageSize: 1_000 })).entries.filter((entry) => entry.organizationId === organizationId)).toEqual([]);
  }
});

test("lists and reports show an organization its own, and all to the installation's admin", async () => {
  const owner = own.secrets.get(Role.OWNER)!;
  expect((await weir.client(PolicyService, owner).listOrganizations({})).organizations.map(({ id }) => id)).toEqual([own.organizationId]);
  const { attempts } = await weir.client(MeteringService, owner).listAttempts({});
  expect(new Set(attempts.map(({ event }) => event!.intent!.attribution!.organizationId))).toEqual(new Set([own.organizationId]));
  const all = await weir.client(MeteringService).listAttempts({});
  expect(new Set(all.attempts.map(({ event }) => event!.intent!.attribution!.organizationId))).toEqual(new Set([own.organizationId, other.organizationId]));
});

test("a developer makes keys in the own team alone, and none that can do more", async () => {
  const developer = weir.client(PolicyService, own.secrets.get(Role.DEVELOPER)!);
  const { team } = await weir.client(PolicyService).createTeam({ organizationId: own.organizationId, name: "another" });
  await expect(developer.createKey({ teamId: team!.id, name: "elsewhere" })).rejects.toMatchObject({ code: Code.NotFound });
  await expect(developer.createKey({ teamId: own.teamId, name: "above", role: Role.ADMIN })).rejects.toMatchObject({ code: Code.PermissionDenied });
  const owners = (await developer.listKeys({})).keys.find(({ role }) => role === Role.OWNER)!;
  await expect(developer.rotateKey({ keyId: owners.id })).rejects.toMatchObject({ code: Code.PermissionDenied });
});

test("a member's key has the member's role, also when that changes, and goes with the member", async () => {
  const policy = weir.client(PolicyService);
  const { member } = await policy.createMember({ organizationId: own.organizationId, email: "Ada@Example.com", role: Role.DEVELOPER });
  expect(member!.email).toBe("ada@example.com");
  const { secret } = await policy.createKey({ teamId: own.teamId, memberId: member!.id, name: "Ada's laptop" });
  const adas = weir.client(PolicyService, secret);
  const invite = (): Promise<Code | undefined> => adas.createMember({ email: "bob@example.com", role: Role.AUDITOR, requestId: "bob" }).then(() => undefined, ({ code }: ConnectError) => code);
  expect(await invite()).toBe(Code.PermissionDenied);
  await policy.updateMember({ memberId: member!.id, role: Role.ADMIN });
  await expect.poll(invite, { timeout: 1_000, interval: 20 }).toBeUndefined();
  await policy.deleteMember({ memberId: member!.id });
  await expect.poll(invite, { timeout: 1_000, interval: 20 }).toBe(Code.Unauthenticated);
  const { members } = await policy.listMembers({ organizationId: own.organizationId });
  expect(members.map(({ email }) => email)).toContain("bob@example.com");
  expect(members.map(({ email }) => email)).not.toContain("ada@example.com");
});

test("who watches usage and is no member any more watches no longer, and hears why", async () => {
  const policy = weir.client(PolicyService);
  const { member } = await policy.createMember({ organizationId: own.organizationId, email: "eve@example.com", role: Role.BILLING });
  const { secret } = await policy.createKey({ teamId: own.teamId, memberId: member!.id, name: "usage on the wall" });
  const watched = weir.client(MeteringService, secret).watchUsage({ query: {}, intervalSeconds: 1 })[Symbol.asyncIterator]();
  await watched.next();
  await policy.deleteMember({ memberId: member!.id });
  const ended = async (): Promise<string> => {
    for (;;) if ((await watched.next()).done === true) return "it ended as if all were well";
  };
  const refusal = ConnectError.from(await ended().catch((error: unknown) => error));
  expect(refusal.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "KEY_REVOKED" }]);
});

test.each(["organization", "team"] as const)("keys of a suspended %s are refused until it is resumed", async (kind) => {
  const policy = weir.client(PolicyService);
  const { secrets, organizationId, teamId } = await createTenant(`suspended-${kind}`);
  const secret = secrets.get(Role.INFERENCE)!;
  const suspend = (suspended: boolean) =>
    kind === "team" ? policy.updateTeam({ teamId, suspended, updateMask: { paths: ["suspended"] } }) : policy.updateOrganization({ organizationId, suspended, updateMask: { paths: ["suspended"] } });
  const outcome = async (): Promise<string> => {
    const response = await fetch(`${weir.origin}/v1/models`, { headers: { authorization: `Bearer ${secret}` } });
    return `${response.status} ${response.headers.get("x-weir-reason") ?? ""}`;
  };
  expect(await outcome()).toBe("200 ");
  await suspend(true);
  await expect.poll(outcome, { timeout: 1_000, interval: 20 }).toBe("403 KEY_SUSPENDED");
  await suspend(false);
  await expect.poll(outcome, { timeout: 1_000, interval: 20 }).toBe("200 ");
});

test("nobody suspends what the own key is of, and names stay unique", async () => {
  const owner = weir.client(PolicyService, own.secrets.get(Role.OWNER)!);
  await expect(owner.updateOrganization({ suspended: true, updateMask: { paths: ["suspended"] } })).rejects.toMatchObject({ code: Code.InvalidArgument });
  await expect(owner.updateTeam({ teamId: own.teamId, suspended: true, updateMask: { paths: ["suspended"] } })).rejects.toMatchObject({ code: Code.InvalidArgument });
  await expect(owner.updateOrganization({ name: canary, updateMask: { paths: ["name"] } })).rejects.toMatchObject({ code: Code.AlreadyExists });
  expect((await owner.updateOrganization({ name: "own, renamed", updateMask: { paths: ["name"] } })).organization!.name).toBe("own, renamed");
});

/** Everything of the other organization, as the installation's admin sees it. */
async function stateOfOther(): Promise<unknown> {
  const policy = weir.client(PolicyService);
  const { organizationId } = other;
  const { organizations } = await policy.listOrganizations({});
  const { keys } = await policy.listKeys({ organizationId });
  return [
    organizations.filter(({ id }) => id === organizationId),
    (await policy.listTeams({ organizationId })).teams,
    (await policy.listMembers({ organizationId })).members,
    (await policy.listGuardrails({ organizationId })).guardrails,
    (await policy.listRateLimits({ organizationId })).rateLimits,
    (await policy.listBudgets({ organizationId })).budgets,
    (await policy.listBudgetUsage({ budgetId: other.budgetId })).usage,
    (await weir.client(ProvidersService).listCredentials({ organizationId })).credentials,
    keys.map((key) => ({ ...key, lastUseTime: undefined })),
  ];
}

async function call(method: DescMethod, secret: string, request: Message): Promise<{ code: Code | undefined; text: string }> {
  const client = weir.client(method.parent, secret) as unknown as Record<string, (request: Message) => Promise<Message>>;
  try {
    return { code: undefined, text: toJsonString(method.output, await client[method.localName]!(request)) };
  } catch (error) {
    const { code, rawMessage, details } = ConnectError.from(error);
    return { code, text: rawMessage + JSON.stringify(details) };
  }
}

/** A request that is valid, whatever the method; its ids are the tenant's, or where it may be without, none. */
function requestFor(schema: DescMessage, ids: Tenant | undefined, name = `made up ${Math.random()}`): Message {
  const message = reflect(schema);
  for (const field of schema.fields) fill(message, field, ids, name);
  return message.message;
}

function fill(message: ReflectMessage, field: DescField, ids: Tenant | undefined, name: string): void {
  const known: Readonly<Record<string, unknown>> = {
    organization_id: ids?.organizationId ?? "",
    team_id: ids?.teamId ?? (field.parent.name.startsWith("List") ? "" : "team_none"),
    key_id: ids?.keyId ?? "key_none",
    guardrail_id: ids?.guardrailId ?? "grd_none",
    call_id: "req_none",
    // A member's key has no role of its own.
    member_id: field.parent.name === "CreateKeyRequest" ? "" : (ids?.memberId ?? "mem_none"),
    rate_limit_id: ids?.rateLimitId ?? "rlm_none",
    budget_id: ids?.budgetId ?? "bud_none",
    credential_id: ids?.credentialId ?? "cred_none",
    ...(field.parent.name === "CreateCredentialRequest" && { provider: "keyed" }),
    secret: `sk-${name.replaceAll(/\W/g, "-")}`,
    from_budget_id: ids?.budgetId ?? "bud_none",
    to_budget_id: "bud_none",
    period: BudgetPeriod.TOTAL,
    destination: "nobody",
    ...(field.parent.name === "ExplainDecisionRequest" && { model: "demo/demo-chat" }),
    amount: 1n,
    amount_nanos: 1n,
    name,
    email: `${name.replaceAll(/\W/g, ".")}@example.com`,
    role: field.parent.name === "CreateKeyRequest" ? Role.INFERENCE : Role.AUDITOR,
  };
  if (Object.hasOwn(known, field.name)) message.set(field, known[field.name]);
  else if (field.fieldKind === "message" && field.message.typeName === "google.protobuf.FieldMask") message.set(field, reflect(field.message, create(field.message, { paths: [Object.hasOwn(field.parent.field, "name") ? "name" : "amount"] } as never)));
  else if (field.fieldKind === "message" && field.name === "rule") message.set(field, reflect(field.message, create(field.message, { ...rules[field.message.name], organizationId: ids?.organizationId ?? "", name: `rule-${Math.random()}`.replace(".", "-") } as never)));
  else if (field.fieldKind === "message" && field.name === "expire_time") message.set(field, reflect(field.message, timestampFromMs(Date.now() + 3_600_000)));
}

/** What a rule says beside its name and whose it is. */
const rules: Readonly<Record<string, object>> = {
  GuardrailRule: { detectors: ["email"], mode: "shadow" },
  RateLimitRule: { count: "requests", amount: 1_000n, window: "second" },
};

async function servicesOf(files: readonly string[]): Promise<DescService[]> {
  const modules = await Promise.all(files.map((file) => import(pathToFileURL(file).href) as Promise<Record<string, unknown>>));
  return modules.flatMap((module) => Object.values(module)).filter((value): value is DescService => typeof value === "object" && value !== null && "kind" in value && value.kind === "service");
}
