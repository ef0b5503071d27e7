/** Proves that what Weir says would become of a call is what becomes of it, and that saying it leaves no trace. */
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ErrorReason } from "#gen/weir/errors/v1/error_reason_pb.ts";
import { BudgetPeriod, BudgetShortage } from "#gen/weir/policy/v1/budget_pb.ts";
import { Consistency } from "#gen/weir/policy/v1/key_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { RuleKind, type ExplainDecisionResponse } from "#gen/weir/routing/v1/decision_pb.ts";
import { RoutingService } from "#gen/weir/routing/v1/routing_service_pb.ts";
import { json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const completion = { id: "chatcmpl-1", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, message: { role: "assistant", content: "flow" }, finish_reason: "stop" }], usage: { prompt_tokens: 1, completion_tokens: 10, total_tokens: 11 } };

let vendor: ScriptedProvider;
let weir: Weir;
let teamId: string;
let organizationId: string;

beforeAll(async () => {
  vendor = await startScriptedProvider(json(200, completion));
  weir = await startWeir({
    config: `
providers:
  one: { vendor: openai, api_key: k, base_url: "${vendor.baseUrl}", models: [m] }
  two: { vendor: openai, api_key: k, base_url: "${vendor.baseUrl}", models: [m] }
  three: { vendor: anthropic, api_key: k, base_url: "${vendor.baseUrl}", models: [m] }
  four: { vendor: openai, api_key: k, base_url: "${vendor.baseUrl}", models: [m] }
routes: { both: { targets: [one/m, two/m] } }
models: { openai/m: { max_output_tokens: 1000 } }
prices: { openai/m: { input: "0", output: "10", request: "0.01" } }
guardrails:
  - { name: no-mail, detectors: [email], mode: block, models: [both] }
  - { name: no-advice, judge: { model: one/m, question: "Does it ask for advice?" }, mode: block, models: [three/m] }
  - { name: house-rules, mode: instruct, instruction: { text: "${"Be brief. ".repeat(40)}" }, models: [four/m] }
rate_limits: [{ name: agents, count: concurrent_requests, amount: 1, per: [key], where: 'labels.application == "agents"' }]
`,
  });
  ({ id: teamId, organizationId } = (await weir.client(PolicyService).listTeams({})).teams[0]!);
});
afterAll(async () => {
  await weir?.stop();
  await vendor?.stop();
});

describe("what is said would become of a call", () => {
  test("is what becomes of it: allowed, with the targets, and every rule with its state", async () => {
    const { keyId } = await newKey();
    const said = await explain({ keyId, model: "both", labels: { application: "agents" }, text: "Hello" });
    expect(said).toMatchObject({ allowed: true, reason: ErrorReason.UNSPECIFIED, message: "", route: "both", targets: [{ name: "one/m", message: "" }, { name: "two/m", message: "" }] });
    expect(said.rules).toMatchObject([
      { kind: RuleKind.RATE_LIMIT, name: "agents", id: "weir.yaml:agents", decides: false, state: { value: { count: "concurrent_requests", amount: 1n, remaining: 1n, needed: 1n } } },
      { kind: RuleKind.GUARDRAIL, name: "no-mail", decides: false, state: { value: { mode: "block", found: [] } } },
    ]);
  });

  test.each([
    ["revoked", {}, { model: "one/m" }, "KEY_REVOKED", "revoked", RuleKind.KEY],
    ["scope.models", { scope: { models: ["two/m"] } }, { model: "one/m" }, "MODEL_NOT_ALLOWED", "scope.models", RuleKind.KEY],
    ["scope.providers", { scope: { providers: ["two"] } }, { model: "one/m" }, "PROVIDER_NOT_ALLOWED", "scope.providers", RuleKind.KEY],
    ["scope.operations", { scope: { operations: ["Embed"] } }, { model: "one/m" }, "OPERATION_NOT_ALLOWED", "scope.operations", RuleKind.KEY],
    ["scope.ip_ranges", { scope: { ipRanges: ["10.0.0.0/8"] } }, { model: "one/m", address: "192.0.2.1" }, "ADDRESS_NOT_ALLOWED", "scope.ip_ranges", RuleKind.KEY],
    ["scope.origins", { scope: { origins: ["https://a.example"] } }, { model: "one/m", origin: "https://b.example" }, "ORIGIN_NOT_ALLOWED", "scope.origins", RuleKind.KEY],
    ["role", { role: Role.BILLING }, { model: "one/m" }, "PERMISSION_DENIED", "role", RuleKind.KEY],
    ["guardrail", {}, { model: "both", text: "Write to ada@example.com" }, "GUARDRAIL_BLOCKED", "no-mail", RuleKind.GUARDRAIL],
  ] as const)("names the rule that decides: %s", async (name, key, request, reason, rule, kind) => {
    const { keyId } = await newKey(key);
    if (name === "revoked") await weir.client(PolicyService).revokeKey({ keyId });
    await expect.poll(async () => (await explain({ keyId, ...request })).reason).toBe(ErrorReason[reason]);
    expect((await explain({ keyId, ...request })).rules.filter(({ decides }) => decides)).toMatchObject([{ name: rule, kind }]);
  });

  test("asks nobody else for a judgement, and says who would be asked", async () => {
    const { keyId, secret } = await newKey();
    const sent = vendor.requests.length;
    expect(await explain({ keyId, model: "three/m" })).toMatchObject({ allowed: true, notes: [expect.stringContaining('"no-advice" would ask judge') as string], rules: [{ name: "no-advice" }] });
    expect(await explain({ model: "three/m" }, secret)).toMatchObject({ allowed: true, notes: [], rules: [] });
    expect(vendor.requests.length).toBe(sent);
  });

  test("has no rule to name where it is the model", async () => {
    expect(await explain({ model: "nobody/nothing" })).toMatchObject({ allowed: false, reason: ErrorReason.MODEL_NOT_FOUND, rules: [], targets: [] });
    expect(await explain({ model: "three/m", operation: "Embed" })).toMatchObject({ allowed: false, reason: ErrorReason.UNSUPPORTED_OPERATION });
  });

  test("lets in what a key is bound to", async () => {
    const { keyId } = await newKey({ scope: { ipRanges: ["10.0.0.0/8"], origins: ["https://a.example"], models: ["one/*"] } });
    expect(await explain({ keyId, model: "one/m", address: "10.1.1.1", origin: "https://a.example" })).toMatchObject({ allowed: true, targets: [{ name: "one/m" }] });
  });
});

test("a rate limit counts the instruction that a guardrail adds", async () => {
  const { keyId } = await newKey();
  await weir.client(PolicyService).createRateLimit({ rule: { name: "input", organizationId, teamId, keyId, count: "input_tokens", amount: 1_000n, window: "minute" } });
  const needed = async (model: string) => (await explain({ keyId, model, text: "Hello!!!" })).rules.filter(({ kind }) => kind === RuleKind.RATE_LIMIT).map(({ state }) => state.value);
  await expect.poll(() => needed("one/m")).toMatchObject([{ needed: 2n }]);
  expect(await needed("four/m")).toMatchObject([{ needed: 102n }]);
});

test("near a budget's limit it is said as it happens, before and after, and asking takes nothing", async () => {
  const { keyId, secret } = await newKey();
  const { budget } = await weir.client(PolicyService).createBudget({ organizationId, name: keyId, subject: { keyId }, limitNanos: 40_000_000n, period: BudgetPeriod.TOTAL });
  // 0.02 at most each: a cent, and a thousandth of one for each of 1000 tokens.
  const explained = () => explain({ keyId, model: "one/m" });
  await expect.poll(async () => (await explained()).rules).toMatchObject([{ kind: RuleKind.BUDGET, id: budget!.id, state: { value: { neededNanos: 20_000_000n, usage: { headroomNanos: 40_000_000n } } } }]);
  for (let asked = 0; asked < 5; asked++) expect(await explained()).toMatchObject({ allowed: true });
  const sent = vendor.requests.length;
  // 0.0101 each of 0.04: after two, less than 0.02 is left. While a lease is on its way from policy it is in nobody's hand yet.
  for (let call = 0; call < 5; call++) {
    const isLetIn = call < 2;
    await expect.poll(explained).toMatchObject({ allowed: isLetIn });
    expect((await ask(secret, { model: "one/m" })).status).toBe(isLetIn ? 200 : 429);
    if (!isLetIn) expect(decisive(await explained())).toMatchObject([{ kind: RuleKind.BUDGET, id: budget!.id }]);
  }
  expect(vendor.requests.length - sent).toBe(2);
});

test("a call that a budget clamps, or has wait, is let in, and it is noted", async () => {
  const { keyId } = await newKey();
  const policy = weir.client(PolicyService);
  const { budget } = await policy.createBudget({ organizationId, name: `${keyId} clamps`, subject: { keyId }, limitNanos: 15_000_000n, period: BudgetPeriod.TOTAL, shortage: BudgetShortage.CLAMP });
  await expect.poll(() => explain({ keyId, model: "one/m" })).toMatchObject({ allowed: true, notes: [expect.stringContaining("instead of 1000") as string] });
  await policy.deleteBudget({ budgetId: budget!.id });

  const { keyId: waiting, secret } = await newKey();
  await policy.createBudget({ organizationId, name: `${waiting} waits`, subject: { keyId: waiting }, limitNanos: 30_000_000n, period: BudgetPeriod.TOTAL, shortage: BudgetShortage.WAIT });
  await expect.poll(async () => (await explain({ keyId: waiting, model: "one/m" })).rules).toHaveLength(1);
  let answer = (): void => undefined;
  vendor.answerWith((request, response) => {
    answer = () => void json(200, completion)(request, response);
  });
  const sent = vendor.requests.length;
  const running = ask(secret, { model: "one/m" });
  await vendor.request(sent);
  expect(await explain({ keyId: waiting, model: "one/m" })).toMatchObject({ allowed: true, notes: [`It would wait for room in the budget "${waiting} waits".`] });
  answer();
  expect((await running).status).toBe(200);
  vendor.answerWith(json(200, completion));
});

test("a rate limit is said to have room until calls have taken it, and asking takes none", async () => {
  const { keyId, secret } = await newKey();
  await weir.client(PolicyService).createRateLimit({ rule: { name: "two-a-day", organizationId, teamId, keyId, count: "requests", amount: 2n, window: "day" } });
  const explained = () => explain({ keyId, model: "one/m" });
  await expect.poll(async () => (await explained()).rules).toHaveLength(1);
  for (let asked = 0; asked < 5; asked++) expect(await explained()).toMatchObject({ allowed: true, rules: [{ state: { value: { remaining: 2n } } }] });
  expect((await ask(secret, { model: "one/m" })).status).toBe(200);
  expect((await explained()).rules).toMatchObject([{ state: { value: { remaining: 1n, needed: 1n } } }]);
  expect((await ask(secret, { model: "one/m" })).status).toBe(200);
  const said = await explained();
  expect(said).toMatchObject({ allowed: false, reason: ErrorReason.RATE_LIMITED });
  expect(decisive(said)).toMatchObject([{ kind: RuleKind.RATE_LIMIT, name: "two-a-day" }]);
  expect((await ask(secret, { model: "one/m" })).status).toBe(429);
});

test("a key asks of itself, of others only with the right to see them, and of no other organization's", async () => {
  const { keyId, secret } = await newKey();
  const { keyId: otherId, secret: owner } = await newKey({ role: Role.OWNER });
  const policy = weir.client(PolicyService);
  const { organization } = await policy.createOrganization({ name: "elsewhere" });
  const { team } = await policy.createTeam({ organizationId: organization!.id, name: "elsewhere" });
  const { key: foreign } = await policy.createKey({ teamId: team!.id, name: "elsewhere" });
  expect(await explain({ model: "both" }, secret)).toMatchObject({ allowed: true, rules: [] });
  const refused = await explain({ model: "both", text: "ada@example.com" }, secret);
  expect(refused.rules).toMatchObject([{ name: "no-mail", decides: true, state: { case: undefined } }]);
  expect(await explain({ keyId, model: "one/m" }, secret)).toMatchObject({ allowed: true });
  await expect(explain({ keyId: otherId, model: "one/m" }, secret)).rejects.toMatchObject({ code: Code.PermissionDenied });
  expect(await explain({ keyId, model: "one/m" }, owner)).toMatchObject({ allowed: true });
  const ofForeign = ConnectError.from(await explain({ keyId: foreign!.id, model: "one/m" }, owner).catch((error: unknown) => error));
  const ofNobody = ConnectError.from(await explain({ keyId: "key_none", model: "one/m" }, owner).catch((error: unknown) => error));
  expect(ofForeign.code).toBe(Code.NotFound);
  expect(ofForeign.message).toBe(ofNobody.message);
});

async function newKey(terms: { readonly role?: Role; readonly scope?: object } = {}): Promise<{ keyId: string; secret: string }> {
  const { key, secret } = await weir.client(PolicyService).createKey({ teamId, name: "explained", consistency: Consistency.STALE_OK, ...terms });
  return { keyId: key!.id, secret };
}

function explain(request: { model: string; [field: string]: unknown }, secret?: string): Promise<ExplainDecisionResponse> {
  return weir.client(RoutingService, secret).explainDecision(request);
}

function decisive({ rules }: ExplainDecisionResponse) {
  return rules.filter(({ decides }) => decides);
}

function ask(secret: string, fields: object): Promise<Response> {
  return fetch(`${weir.origin}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${secret}`, "content-type": "application/json" },
    body: JSON.stringify({ messages: [{ role: "user", content: "Hello" }], ...fields }),
  });
}
