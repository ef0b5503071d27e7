/** Proves that callers with a token of an issuer are let in at every door as the rules of `identity` say, and others are not. */
import { ConnectError } from "@connectrpc/connect";
import { SignJWT, UnsecuredJWT } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import type { Key } from "#gen/weir/policy/v1/key_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { freePort } from "../harness/free-port.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";
import { startTokenIssuer, type TokenIssuer } from "../harness/token-issuer.ts";

let issuer: TokenIssuer;
let weir: Weir;
let deadIssuer: string;
let organizationId: string;

beforeAll(async () => {
  issuer = await startTokenIssuer();
  deadIssuer = `http://127.0.0.1:${await freePort()}`;
  weir = await startWeir({
    config: `
providers: { demo: { vendor: demo } }
identity:
  issuers:
    - issuer: ${issuer.url}
      audiences: [weir]
      callers:
        - { when: { realm_access.roles: weir-admins }, organization: acme, team: default, role: admin }
        - { when: { groups: science }, organization: "{tenant}", team: research, labels: { department: "{department}", channel: jwt } }
    - issuer: ${deadIssuer}
      audiences: [weir]
      callers: [{ organization: acme }]
`,
  });
  const { organization } = await policy().createOrganization({ name: "acme" });
  organizationId = organization!.id;
  await policy().createTeam({ organizationId, name: "default" });
  await policy().createTeam({ organizationId, name: "research" });
  // Who takes another's id for a name must gain nothing by it.
  const { organization: impostor } = await policy().createOrganization({ name: organizationId });
  await policy().createTeam({ organizationId: impostor!.id, name: "research" });
});
afterAll(async () => {
  await weir?.stop();
  await issuer?.stop();
});

function policy(key?: string) {
  return weir.client(PolicyService, key);
}

const science = { groups: ["sports", "science"], tenant: "acme", department: "physics" };

function call(token: string, path = "/v1/chat/completions", headers: Record<string, string> = { authorization: `Bearer ${token}` }, body: object = { model: "demo/demo-chat", max_tokens: 20, messages }): Promise<Response> {
  return fetch(weir.origin + path, { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) });
}

const messages = [{ role: "user", content: "rain" }];

async function keysOf(subject: string): Promise<Key[]> {
  return (await policy().listKeys({ organizationId, pageSize: 1_000 })).keys.filter((key) => key.subject === subject);
}

describe("a token", () => {
  test.each<[string, string, (token: string) => Record<string, string>, object]>([
    ["openai", "/v1/chat/completions", (token) => ({ authorization: `Bearer ${token}` }), { model: "demo/demo-chat", messages }],
    ["responses", "/v1/responses", (token) => ({ authorization: `Bearer ${token}` }), { model: "demo/demo-chat", input: "rain" }],
    ["anthropic", "/v1/messages", (token) => ({ authorization: `Bearer ${token}`, "anthropic-version": "2023-06-01" }), { model: "demo/demo-chat", max_tokens: 20, messages }],
    ["gemini", "/v1beta/models/demo/demo-chat:generateContent", (token) => ({ authorization: `Bearer ${token}` }), { contents: [{ parts: [{ text: "rain" }] }] }],
    ["ollama", "/api/chat", (token) => ({ authorization: `Bearer ${token}` }), { model: "demo/demo-chat", messages, stream: false }],
    ["connect", "/weir.inference.v1.InferenceService/Generate", (token) => ({ authorization: `Bearer ${token}` }), { generation: { model: "demo/demo-chat", messages: [{ role: "ROLE_USER", parts: [{ text: { text: "rain" } }] }] } }],
  ])("is taken at the %s door", async (_, path, headers, body) => {
    const response = await call("", path, headers(await issuer.token({ claims: science })), body);
    expect(await response.text()).toContain("rain");
    expect(response.status).toBe(200);
    const refused = await call("", path, headers(await issuer.token({ claims: science, audience: "other" })), body);
    expect([refused.status, await refused.text()]).toEqual([401, expect.stringContaining("token")]);
  });

  test("stands in the ledger and in the list of keys as its caller, under the labels of its claims", async () => {
    const response = await call(await issuer.token({ claims: science, subject: "grace" }));
    const [attempt] = await weir.attempts(1, { requestId: response.headers.get("x-request-id")! });
    const [key] = await keysOf("grace");
    expect(key).toMatchObject({ issuer: issuer.url, subject: "grace", name: "grace", role: Role.INFERENCE, secretPrefix: "" });
    expect(attempt!.event!.intent!.attribution).toMatchObject({ organizationId, teamId: key!.teamId, keyId: key!.id, labels: { department: "physics", channel: "jwt" } });
  });

  test("may name its organization by id, and no other organization passes for it by its name", async () => {
    expect((await call(await issuer.token({ claims: { ...science, tenant: organizationId }, subject: "by id" }))).status).toBe(200);
    expect(await keysOf("by id")).toMatchObject([{ organizationId }]);
  });

  test("makes one key, however many of its caller come first, and asks its issuer for keys once", async () => {
    const tokens = await Promise.all(Array.from({ length: 20 }, (_, index) => issuer.token({ claims: { ...science, jti: String(index) }, subject: "crowd" })));
    const statuses = await Promise.all(tokens.map(async (token) => (await call(token)).status));
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(await keysOf("crowd")).toHaveLength(1);
    expect(issuer.keyRequests).toBe(1);
  });

  test("gives its caller the role of the rule that fits, and no more", async () => {
    const admin = await issuer.token({ claims: { realm_access: { roles: ["weir-admins"] } }, subject: "root" });
    expect((await policy(admin).listKeys({})).keys.every((key) => key.organizationId === organizationId)).toBe(true);
    await expect(policy(admin).createOrganization({ name: "mine" })).rejects.toThrow(/permission/i);
    const other = await issuer.token({ claims: science, subject: "root" });
    await expect(policy(other).listKeys({})).rejects.toThrow(/permission/i);
    expect((await policy(admin).listKeys({})).keys.filter(({ subject }) => subject === "root")).toHaveLength(2);
  });

  test("mints a token of Weir's own that does not outlive it", async () => {
    const { token, expireTime } = await policy(await issuer.token({ claims: science, lifetimeSeconds: 60 })).createToken({});
    expect(Number(expireTime!.seconds)).toBeLessThan(Date.now() / 1000 + 91);
    expect((await call(token)).status).toBe(200);
  });

  test("mints none that says less of its caller, or other things", async () => {
    const { token } = await policy(await issuer.token({ claims: science })).createToken({ labels: { department: "chemistry", end_user: "u-42" } });
    const response = await call(token, "/v1/chat/completions", { authorization: `Bearer ${token}`, "x-weir-labels": "channel=mine" });
    expect(response.status).toBe(200);
    const [attempt] = await weir.attempts(1, { requestId: response.headers.get("x-request-id")! });
    expect(attempt!.event!.intent!.attribution!.labels).toEqual({ department: "physics", channel: "jwt", end_user: "u-42" });
  });

  test("without a claim has its label empty, and does not choose it by itself", async () => {
    const token = await issuer.token({ claims: { ...science, department: undefined }, subject: "nobody's" });
    const response = await call(token, "/v1/chat/completions", { authorization: `Bearer ${token}`, "x-weir-labels": "department=finance,ticket=7" });
    expect(response.status).toBe(200);
    const [attempt] = await weir.attempts(1, { requestId: response.headers.get("x-request-id")! });
    expect(attempt!.event!.intent!.attribution!.labels).toEqual({ department: "", channel: "jwt", ticket: "7" });
  });

  test("may have an end that no calendar knows", async () => {
    expect((await call(await issuer.token({ claims: { ...science, exp: 1e20 } }))).status).toBe(200);
  });

  test("goes with its caller's key within a second, and cannot be given a secret", async () => {
    const token = await issuer.token({ claims: science, subject: "mallory" });
    expect((await call(token)).status).toBe(200);
    const [key] = await keysOf("mallory");
    await expect(policy().rotateKey({ keyId: key!.id })).rejects.toThrow(/has no secret/);
    await policy().revokeKey({ keyId: key!.id });
    await expect.poll(async () => (await call(token)).headers.get("x-weir-reason"), { timeout: 1_000, interval: 20 }).toBe("KEY_REVOKED");
    const another = await call(await issuer.token({ claims: { ...science, jti: "another" }, subject: "mallory" }));
    expect(another.headers.get("x-weir-reason")).toBe("KEY_REVOKED");
  });
});

describe("is refused", () => {
  const published = new TextEncoder().encode("what everybody may know of the issuer's key");

  test.each<[string, () => Promise<string>, number, string]>([
    ["a token for others", () => issuer.token({ claims: science, audience: "elsewhere" }), 401, "TOKEN_INVALID"],
    ["a token of another issuer", () => issuer.token({ claims: science, issuer: "https://evil.example.com" }), 401, "TOKEN_INVALID"],
    ["a forged token", () => issuer.token({ claims: science, forged: true }), 401, "TOKEN_INVALID"],
    ["a token without signature", () => Promise.resolve(new UnsecuredJWT(science).setIssuer(issuer.url).setAudience("weir").setSubject("ada").setExpirationTime("5m").encode().replace(/$/, "AA")), 401, "TOKEN_INVALID"],
    ["a token signed with a shared secret", () => new SignJWT(science).setProtectedHeader({ alg: "HS256", kid: "key-1" }).setIssuer(issuer.url).setAudience("weir").setSubject("ada").setExpirationTime("5m").sign(published), 401, "TOKEN_INVALID"],
    ["a token that has ended", () => issuer.token({ claims: science, lifetimeSeconds: -60 }), 401, "TOKEN_EXPIRED"],
    ["a token without a name", () => issuer.token({ claims: science, subject: "" }), 401, "TOKEN_INVALID"],
    ...[null, 5, { a: 1 }].map((sub): [string, () => Promise<string>, number, string] => [`a token whose name is no text: ${JSON.stringify(sub)}`, () => issuer.token({ claims: { ...science, sub } }), 401, "TOKEN_INVALID"]),
    ["a caller whom no rule fits", () => issuer.token({ claims: { groups: ["sports"], tenant: "acme" } }), 403, "CALLER_NOT_ALLOWED"],
    ["a caller of two organizations", () => issuer.token({ claims: { ...science, tenant: ["acme", "default"] } }), 403, "CALLER_NOT_ALLOWED"],
    ["a caller of an organization that there is not", () => issuer.token({ claims: { ...science, tenant: "nobody" } }), 403, "CALLER_NOT_ALLOWED"],
    ["a caller of an organization without the team", () => issuer.token({ claims: { ...science, tenant: "default" } }), 403, "CALLER_NOT_ALLOWED"],
    ["a token of an issuer that cannot be reached", () => issuer.token({ claims: science, issuer: deadIssuer }), 503, "DEPENDENCY_UNAVAILABLE"],
  ])("%s", async (_, token, status, reason) => {
    const refused = await token();
    // The second time from memory.
    for (let round = 0; round < 2; round++) {
      const response = await call(refused);
      expect([response.headers.get("x-weir-reason"), response.status]).toEqual([reason, status]);
      expect(await response.text()).not.toContain(refused.slice(-20));
    }
    const failure = await policy(refused).listKeys({}).catch((error: unknown) => ConnectError.from(error));
    expect((failure as ConnectError).findDetails(ErrorInfoSchema)).toMatchObject([{ reason }]);
  });
});
