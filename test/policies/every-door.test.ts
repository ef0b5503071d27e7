/** Proves that no door lets a call by a policy: every dialect's every path and every RPC, each tried with what each policy refuses and with what it admits. */
import { globSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { create, type DescMethod, type DescService } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { BudgetPeriod } from "#gen/weir/policy/v1/budget_pb.ts";
import { Consistency } from "#gen/weir/policy/v1/key_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { AuditClass, Exposure, Permission } from "#gen/weir/types/v1/method_pb.ts";
import { GatewayError, type Reason } from "#platform/errors.ts";
import { ruleOf } from "#platform/rpc/method-guard.ts";
import type { Dialect, Endpoint } from "../../services/routing/domain/dialect.ts";
import { dialects } from "../../services/routing/edge/dialects.ts";
import { sessionDoors } from "../../services/routing/edge/sessions/session-door.ts";
import type { ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";
import { consoleRows, enforced, httpRows, rpcRowOf, type HttpRow, type Policy, type Row } from "./doors.ts";
import { startEveryVendor } from "./every-vendor.ts";

/** What came of a call. */
interface Outcome {
  /** Undefined where it was admitted, and answered. */
  readonly reason: Reason | undefined;
  /** In words, for what went wrong. */
  readonly text: string;
  readonly requestId: string;
  /** Whether the reply was in the cache; null where it was not looked for. */
  readonly cache: string | null;
}

const word = "forbiddenword";

let upstream: ScriptedProvider;
let weir: Weir;
/** By the policy that refuses them; `admitted` by none. */
let keys: Readonly<Record<Exclude<Policy, "audit"> | "admitted" | "caller", string>>;
/** What is kept, by where a path of its kind begins: in OpenAI's dialect, and in Anthropic's. */
let keptIds: Readonly<Record<"openai" | "anthropic", Readonly<Record<string, string>>>>;
let fileId: string;
let batchId: string;
const audited: { readonly door: string; readonly requestId: string }[] = [];
const billed: { readonly door: string; readonly requestId: string }[] = [];
const free: { readonly door: string; readonly requestId: string }[] = [];

beforeAll(async () => {
  upstream = await startEveryVendor();
  const price = '{ input: "1", output: "1", image_input: "1", image_output: "1", image: "1", characters: "1", audio_input: "1", audio_output: "1", audio_minute: "1", search_unit: "1", request: "1" }';
  weir = await startWeir({
    config: `
providers:
  up: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [m] }
  keeps: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [m], responses_api: true }
  counts: { vendor: anthropic, api_key: k, base_url: "${upstream.baseUrl}", models: [m] }
  ranks: { vendor: cohere, api_key: k, base_url: "${upstream.baseUrl}", models: [m] }
models: { openai/m: { max_output_tokens: 100 } }
prices: { openai/m: ${price}, anthropic/m: ${price}, cohere/m: ${price} }
cache: { rules: [{ lifetime: 600s }] }
`,
  });
  const policy = weir.client(PolicyService);
  const [team] = (await policy.listTeams({})).teams;
  const { id: teamId, organizationId } = team!;
  const makeKey = async (name: string, role: Role) => {
    const { key, secret } = await policy.createKey({ teamId, name, role, consistency: Consistency.STALE_OK });
    return { keyId: key!.id, secret };
  };
  const [auth, caller, admitted] = [await makeKey("auth", Role.AUDITOR), await makeKey("caller", Role.INFERENCE), await makeKey("admitted", Role.INSTALLATION_ADMIN)];
  const [rate, budget, guardrail] = [await makeKey("rate", Role.INSTALLATION_ADMIN), await makeKey("budget", Role.INSTALLATION_ADMIN), await makeKey("guardrail", Role.INSTALLATION_ADMIN)];
  await policy.createRateLimit({ rule: { organizationId, keyId: rate.keyId, name: "one", count: "requests", amount: 1n, window: "day" } });
  await policy.createBudget({ organizationId, name: "nothing", subject: { keyId: budget.keyId }, limitNanos: 1n, period: BudgetPeriod.TOTAL });
  await policy.createGuardrail({ rule: { organizationId, keyId: guardrail.keyId, name: "words", words: [word], mode: "block" } });
  keys = { auth: auth.secret, caller: caller.secret, admitted: admitted.secret, rate: rate.secret, budget: budget.secret, guardrail: guardrail.secret };
  // In force, and the one request of the rate limit is used up.
  for (const name of ["rate", "budget", "guardrail"] as const) {
    await vi.waitFor(async () => expect((await askByHttp(...doorOf("openai POST /v1/chat/completions"), keys[name])).reason).toBe(refusals[name]), { timeout: 20_000 });
  }
  fileId = await idOf("openai POST /v1/files");
  batchId = await idOf("openai POST /v1/batches");
  keptIds = {
    openai: { "/v1/files": fileId, "/v1/batches": batchId },
    anthropic: { "/v1/files": await idOf("anthropic POST /v1/files"), "/v1/messages/batches": await idOf("anthropic POST /v1/messages/batches") },
  };
});
afterAll(async () => {
  await weir?.stop();
  await upstream?.stop();
});

const refusals = { auth: "PERMISSION_DENIED", rate: "RATE_LIMITED", budget: "BUDGET_EXCEEDED", guardrail: "GUARDRAIL_BLOCKED" } as const satisfies Partial<Record<Policy, Reason>>;
const tried = Object.keys(refusals) as (keyof typeof refusals)[];

const endpoints = dialects.flatMap((dialect) => dialect.endpoints.map((endpoint) => [`${dialect.name} ${endpoint.method} ${endpoint.path}`, dialect, endpoint] as const));
const services = await servicesOf(globSync("gen/{weir,grpc}/**/*_pb.ts"));
const methods = services.flatMap((service) => service.methods.map((method) => [`${service.typeName}/${method.name}`, method] as const));

test("every door has a row, and every row a door", () => {
  expect(endpoints.map(([name]) => name).filter((name) => !Object.hasOwn(httpRows, name)), "paths without a row in doors.ts").toEqual([]);
  const paths = new Set<string>(endpoints.map(([name]) => name));
  expect(Object.keys(httpRows).map((name) => name.replace(/ \(.*/, "")).filter((name) => !paths.has(name)), "rows of no path").toEqual([]);
  expect(Object.keys(consoleRows).toSorted(), "paths of the console, and their rows").toEqual(sessionDoors.toSorted());
  expect(methods.filter(([, method]) => rpcRowOf(method) === undefined).map(([name]) => name), "RPCs without a row in doors.ts").toEqual([]);
});

describe("by HTTP", () => {
  test.each(Object.keys(httpRows))("%s", async (name) => {
    const door = doorOf(name);
    const [, , { row }] = door;
    for (const policy of tried) {
      const { reason, text } = await askByHttp(...door, keys[policy]);
      expect(reason, `${policy}: ${text}`).toBe(refusalOf(row, policy));
    }
    expect((await askByHttp(...door, "")).reason).toBe(row.auth === enforced ? "KEY_MISSING" : undefined);
    const { reason, text, requestId } = await askByHttp(...door, keys.admitted);
    expect(reason, text).toBeUndefined();
    if (row.audit === enforced) billed.push({ door: name, requestId });
  });
});

describe("by RPC", () => {
  const forCallers: ReadonlySet<Permission> = new Set([Permission.INFERENCE_USE, Permission.FILE_USE, Permission.TOKEN_CREATE]);

  test.each(methods)("%s", async (name, method) => {
    const { row, request } = rpcRowOf(method)!;
    const { exposure, audit, permission } = ruleOf(method);
    const ask = (key: string): Promise<Outcome> => askByRpc(method, request(word, fileId, batchId), key);
    if (exposure === Exposure.INTERNAL) {
      for (const key of ["", ...Object.values(keys)]) expect((await ask(key)).reason).toMatch(/^METHOD_NOT_(EXPOSED|FOUND)$/);
      return;
    }
    expect((await ask("")).reason).toBe(row.auth === enforced ? "KEY_MISSING" : undefined);
    for (const policy of tried) {
      // Who may call models may not manage, and the other way round.
      const isForCallers = forCallers.has(permission);
      const { reason, text, requestId } = await ask(policy === "auth" && !isForCallers ? keys.caller : keys[policy]);
      const refusal = refusalOf(row, policy);
      if (refusal !== undefined) expect(reason, `${policy}: ${text}`).toBe(refusal);
      else expect(Object.values(refusals), `${policy}: ${text}`).not.toContain(reason);
      if (exposure === Exposure.ADMIN && policy === "auth") audited.push({ door: `${name}, denied`, requestId });
    }
    const { reason, text, requestId } = await ask(keys.admitted);
    // What is about nothing that there is was looked for, or was made by another key before.
    expect(exposure === Exposure.ADMIN ? [undefined, "NOT_FOUND", "ALREADY_EXISTS"] : [undefined], text).toContain(reason);
    if (audit === AuditClass.INFERENCE && row.audit === enforced) billed.push({ door: name, requestId });
    if (audit === AuditClass.WRITE || audit === AuditClass.SENSITIVE_READ) audited.push({ door: name, requestId });
  });
});

describe("a reply that is in the cache", () => {
  const cached = ["generate", "streamGenerate", "embed", "rerank", "countTokens"];

  test.each(Object.keys(httpRows))("by HTTP, %s", async (name) => {
    const door = doorOf(name);
    const [, { operation }, { row }] = door;
    if (cached.includes(operation)) await expectGuarded(row, name, (key) => askByHttp(...door, key, ""));
    else expect((await askByHttp(...door, keys.admitted, "")).cache).toBeNull();
  });

  test.each(methods.filter(([, { parent, localName }]) => parent === InferenceService && cached.includes(localName)))("by RPC, %s", async (name, method) => {
    const { row, request } = rpcRowOf(method)!;
    await expectGuarded(row, name, (key) => askByRpc(method, request(word, fileId, batchId), key, ""));
  });

  /** Every policy refuses what it refuses otherwise; but for a budget, which a hit costs nothing. */
  async function expectGuarded(row: Row, door: string, ask: (key: string) => Promise<Outcome>): Promise<void> {
    await ask(keys.admitted);
    const hit = await ask(keys.admitted);
    expect([hit.reason, hit.cache], hit.text).toEqual([undefined, "hit"]);
    free.push({ door, requestId: hit.requestId });
    for (const policy of ["auth", "rate", "guardrail"] as const) expect((await ask(keys[policy])).reason, policy).toBe(refusalOf(row, policy));
    const { reason, cache, requestId } = await ask(keys.budget);
    expect([reason, cache]).toEqual([undefined, "hit"]);
    free.push({ door, requestId });
  }
});

test("by the console's paths", async () => {
  const ask = (door: string, headers: Record<string, string> = {}, key?: string): Promise<Response> => {
    const [method, path] = door.split(" ") as [string, string];
    return fetch(weir.origin + path, { method, headers: { ...headers, "content-type": "application/json" }, ...(method === "POST" && { body: JSON.stringify({ key }) }) });
  };
  for (const [door, { withoutKey }] of Object.entries(consoleRows)) expect((await ask(door)).headers.get("x-weir-reason"), door).toBe(withoutKey ?? null);
  expect((await ask("POST /console/session", {}, keys.caller)).headers.get("x-weir-reason")).toBe("PERMISSION_DENIED");
  for (const policy of ["rate", "budget", "guardrail", "admitted"] as const) {
    const signedIn = await ask("POST /console/session", {}, keys[policy]);
    expect(signedIn.status).toBe(200);
    const signedOut = await ask("DELETE /console/session", { cookie: signedIn.headers.getSetCookie()[0]! });
    expect(signedOut.status).toBe(204);
    for (const [door, response] of [["signing in", signedIn], ["signing out", signedOut]] as const) audited.push({ door, requestId: response.headers.get("x-request-id")! });
  }
});

test("every call of a model stands in the ledger but what was in the cache, and every change and every denied call of management in the audit log", async () => {
  expect(billed.length).toBeGreaterThan(40);
  expect(audited.length).toBeGreaterThan(60);
  const metering = weir.client(MeteringService);
  const missingInLedger = async (): Promise<readonly string[]> => {
    const lines = new Set((await metering.listAttempts({ pageSize: 1_000 })).attempts.map(({ event }) => event!.intent!.requestId));
    return billed.filter(({ requestId }) => !lines.has(requestId)).map(({ door }) => door);
  };
  await expect.poll(missingInLedger).toEqual([]);
  const lines = new Set((await metering.listAttempts({ pageSize: 1_000 })).attempts.map(({ event }) => event!.intent!.requestId));
  expect(free.length).toBeGreaterThan(30);
  expect(free.filter(({ requestId }) => lines.has(requestId))).toEqual([]);
  const recorded = new Set((await metering.listAuditEntries({ pageSize: 1_000 })).entries.map(({ callId }) => callId));
  expect(audited.filter(({ requestId }) => !recorded.has(requestId)).map(({ door }) => door)).toEqual([]);
});

/** Undefined where the policy does not apply. */
function refusalOf(row: Row, policy: keyof typeof refusals): Reason | undefined {
  const cell = row[policy];
  if (cell === enforced) return refusals[policy];
  return typeof cell === "string" ? undefined : cell.refusedAs;
}

/** Of what is kept once this was sent. */
async function idOf(door: string): Promise<string> {
  const { reason, text } = await askByHttp(...doorOf(door), keys.admitted);
  expect(reason, text).toBeUndefined();
  return (JSON.parse(text) as { id: string }).id;
}

function doorOf(name: string): readonly [Dialect, Endpoint, HttpRow] {
  const [, dialect, endpoint] = endpoints.find(([door]) => door === name.replace(/ \(.*/, ""))!;
  return [dialect, endpoint, httpRows[name]!];
}

/** An error that is not in the dialect's own form is none that its clients can read, and fails the test. */
async function askByHttp(dialect: Dialect, { method, path }: Endpoint, { body }: HttpRow, key: string, cacheControl = "no-store"): Promise<Outcome> {
  const sent = body?.(word, fileId);
  const isForm = sent instanceof FormData;
  const response = await fetch(weir.origin + path.replace("{model}", path.endsWith(":countTokens") ? "counts/m" : "up/m").replace("{id}", () => idFor(dialect, path)), {
    method,
    headers: { ...headersOf(dialect, key), "cache-control": cacheControl, ...(sent === undefined || isForm ? {} : { "content-type": "application/json" }) },
    ...(sent === undefined ? {} : { body: isForm ? sent : JSON.stringify(sent) }),
  });
  const text = await response.text();
  const requestId = response.headers.get("x-request-id")!;
  const cache = response.headers.get("x-weir-cache");
  if (response.status === 200) return { reason: undefined, text, requestId, cache };
  const reason = response.headers.get("x-weir-reason") as Reason;
  const expected = dialect.writeError(new GatewayError(reason, ""), requestId);
  expect([response.status, shapeOf(JSON.parse(text))]).toEqual([expected.status, shapeOf(JSON.parse(expected.body))]);
  return { reason, text, requestId, cache };
}

function idFor({ name }: Dialect, path: string): string {
  return Object.entries(keptIds[name as keyof typeof keptIds]).find(([kind]) => path.startsWith(kind))![1];
}

/** By which a dialect knows its own where paths are shared. */
function headersOf({ name }: Dialect, key: string): Record<string, string> {
  if (name === "anthropic") return { "anthropic-version": "2023-06-01", ...(key === "" ? {} : { "x-api-key": key }) };
  if (name === "gemini") return { "x-goog-api-key": key };
  return key === "" ? {} : { authorization: `Bearer ${key}` };
}

function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return "list";
  if (typeof value !== "object" || value === null) return "value";
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, shapeOf(member)]));
}

async function askByRpc(method: DescMethod, request: object, key: string, cacheControl = "no-store"): Promise<Outcome> {
  const transport = createGrpcTransport({ baseUrl: weir.origin });
  const header = { "cache-control": cacheControl, ...(key === "" ? {} : { authorization: `Bearer ${key}` }) };
  const over = new AbortController();
  const message = create(method.input, request as never);
  try {
    if (method.methodKind === "unary") {
      const response = await transport.unary(method as never, over.signal, 20_000, header, message);
      return { reason: undefined, text: "", requestId: response.header.get("x-request-id") ?? "", cache: response.header.get("x-weir-cache") };
    }
    const response = await transport.stream(method as never, over.signal, 20_000, header, only(message));
    // The first one says that it was let in; one that is to be kept is taken whole.
    for await (const _ of response.message) if (cacheControl !== "") break;
    return { reason: undefined, text: "", requestId: response.header.get("x-request-id") ?? "", cache: response.header.get("x-weir-cache") };
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    const [info] = error.findDetails(ErrorInfoSchema);
    const reason = error.code === Code.Unimplemented && info === undefined ? "METHOD_NOT_FOUND" : (info?.reason as Reason);
    return { reason, text: `${error.message} ${JSON.stringify(info)}`, requestId: error.metadata.get("x-request-id") ?? "", cache: null };
  } finally {
    over.abort();
  }
}

async function* only<Value>(value: Value): AsyncIterable<Value> {
  yield value;
}

async function servicesOf(files: readonly string[]): Promise<DescService[]> {
  const modules = await Promise.all(files.map((file) => import(pathToFileURL(file).href) as Promise<Record<string, unknown>>));
  return modules.flatMap((module) => Object.values(module)).filter((value): value is DescService => typeof value === "object" && value !== null && "kind" in value && value.kind === "service");
}
