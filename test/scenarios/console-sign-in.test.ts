/** Proves how people sign in to the console: by key and at an issuer, with sessions that nobody else can use, plant, or keep beyond their end. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";
import { startTokenIssuer, type TokenIssuer, type TokenOptions } from "../harness/token-issuer.ts";

/** Where browsers reach Weir; the proxy in between is played by the browser here. */
const consoleOrigin = "https://weir.example.com";
const clientSecret = "console-client-secret";
const listKeys = "/weir.policy.v1.PolicyService/ListKeys";

let issuer: TokenIssuer;
let weir: Weir;
let organizationId: string;
let teamId: string;

beforeAll(async () => {
  issuer = await startTokenIssuer({ id: "weir-console", secret: clientSecret, redirectUri: `${consoleOrigin}/console/callback` });
  weir = await startWeir({
    config: `
providers: { demo: { vendor: demo } }
listen: { trusted_proxies: ["127.0.0.1/32"] }
identity:
  issuers:
    - issuer: ${issuer.url}
      audiences: [weir]
      callers:
        - { when: { groups: platform }, organization: acme, team: default, role: admin }
        - { when: { groups: science }, organization: acme, team: default }
console: { issuer: "${issuer.url}", client_id: weir-console, client_secret: "\${CONSOLE_SECRET}", origin: "${consoleOrigin}" }
`,
    environment: { CONSOLE_SECRET: clientSecret },
  });
  const policy = weir.client(PolicyService);
  organizationId = (await policy.createOrganization({ name: "acme" })).organization!.id;
  teamId = (await policy.createTeam({ organizationId, name: "default" })).team!.id;
});
afterAll(async () => {
  await weir?.stop();
  await issuer?.stop();
});
beforeEach(() => {
  issuer.desk.person = admin("grace");
  issuer.desk.refusal = undefined;
});

function admin(subject: string): TokenOptions {
  return { subject, claims: { groups: ["platform"], email: `${subject}@example.com` } };
}

let browsers = 0;

/** A browser with the console's page open. */
class Browser {
  readonly cookies = new Map<string, string>();
  // Each has an address of its own, because attempts are counted by address.
  readonly #address = `192.0.2.${++browsers}`;

  async ask(method: string, path: string, { headers = {}, body }: { readonly headers?: Readonly<Record<string, string>>; readonly body?: object } = {}): Promise<Response> {
    const cookie = [...this.cookies].map((pair) => pair.join("=")).join("; ");
    const response = await fetch(weir.origin + path, {
      method,
      redirect: "manual",
      headers: { cookie, "x-forwarded-for": this.#address, "sec-fetch-site": "same-origin", ...(body && { "content-type": "application/json" }), ...headers },
      ...(body && { body: JSON.stringify(body) }),
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!;
      if (line.includes("Max-Age=0")) this.cookies.delete(name!);
      else this.cookies.set(name!, value!);
    }
    return response;
  }

  signInByKey(key: string): Promise<Response> {
    return this.ask("POST", "/console/session", { body: { key }, headers: { origin: consoleOrigin } });
  }

  /** As far as the issuer's answer, which has not come to Weir yet: the path on which it would. */
  async askIssuer(returnPath = "/console/keys?page=2"): Promise<string> {
    const begun = await this.ask("GET", `/console/sign-in?return=${encodeURIComponent(returnPath)}`);
    expect([begun.status, begun.headers.get("cache-control")]).toEqual([302, "no-store"]);
    const answered = await fetch(begun.headers.get("location")!, { redirect: "manual" });
    expect(answered.status).toBe(302);
    return answered.headers.get("location")!.replace(consoleOrigin, "");
  }

  async signInAtIssuer(returnPath?: string): Promise<Response> {
    return this.comeBack(await this.askIssuer(returnPath));
  }

  comeBack(callback: string): Promise<Response> {
    return this.ask("GET", callback, { headers: { "sec-fetch-site": "cross-site" } });
  }

  async session(): Promise<{ readonly name: string; readonly role: string; readonly organizationId: string; readonly expireTime: string } | null> {
    const response = await this.ask("GET", "/console/session");
    expect([response.status, response.headers.get("cache-control")]).toEqual([200, "no-store"]);
    const { session, signIn } = (await response.json()) as { session: Awaited<ReturnType<Browser["session"]>>; signIn: object };
    expect(signIn).toEqual({ key: true, issuer: issuer.url });
    return session;
  }

  /** A call of the page; undefined when it is let in. */
  async refusalOf(path = listKeys, headers: Readonly<Record<string, string>> = {}): Promise<string | undefined> {
    const response = await this.ask("POST", path, { body: {}, headers: { "x-weir-console": "1", origin: consoleOrigin, ...headers } });
    const text = await response.text();
    if (response.status === 200) return undefined;
    return /"reason":"([A-Z_]+)"/.exec(Buffer.from(text).toString())?.[1] ?? reasonIn(text);
  }
}

/** Of an error of Connect, whose details are protobuf in base64. */
function reasonIn(text: string): string {
  const { code, details } = JSON.parse(text) as { code: string; details?: { value: string }[] };
  return details?.map(({ value }) => /[A-Z]+(_[A-Z]+)+/.exec(Buffer.from(value, "base64").toString("latin1"))?.[0]).find(Boolean) ?? code;
}

async function newKey(role: Role): Promise<{ readonly id: string; readonly secret: string }> {
  const { key, secret } = await weir.client(PolicyService).createKey({ teamId, name: "a person", role });
  return { id: key!.id, secret };
}

async function auditOf(actor: string): Promise<string[]> {
  const { entries } = await weir.client(MeteringService).listAuditEntries({ organizationId, pageSize: 1_000 });
  return entries.filter((entry) => entry.actor === actor).map(({ method, outcome }) => `${method.split("/")[1]} ${outcome}`);
}

describe("by key", () => {
  test("opens a session, in whose cookie the console calls until it is signed out, and all of it stands in the audit log", async () => {
    const { id, secret } = await newKey(Role.OWNER);
    const browser = new Browser();
    expect(await browser.session()).toBeNull();
    expect(await browser.refusalOf()).toBe("KEY_MISSING");
    const signedIn = await browser.signInByKey(secret);
    expect([signedIn.status, await signedIn.json()]).toEqual([200, { session: { id: expect.stringMatching(/^ses_/), name: "a person", role: "owner", permissions: expect.arrayContaining(["INFERENCE_USE", "ORGANIZATION_WRITE", "CONSOLE_USE"]), organizationId, expireTime: expect.any(String) }, signIn: { key: true, issuer: issuer.url } }]);
    expect(signedIn.headers.getSetCookie()).toEqual([expect.stringMatching(/^__Host-weir-session=weirs_[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Secure$/)]);
    const hours = (Date.parse((await browser.session())!.expireTime) - Date.now()) / 3_600_000;
    expect(hours).toBeGreaterThan(7.9);
    expect(hours).toBeLessThanOrEqual(8);
    expect(await browser.refusalOf()).toBeUndefined();

    const thief = new Browser();
    for (const [name, value] of browser.cookies) thief.cookies.set(name, value);
    expect(await thief.refusalOf()).toBeUndefined();
    expect((await browser.ask("DELETE", "/console/session", { headers: { origin: consoleOrigin } })).status).toBe(204);
    expect(browser.cookies.size).toBe(0);
    expect(await thief.refusalOf()).toBe("SESSION_INVALID");
    expect(await thief.session()).toBeNull();
    expect(thief.cookies.size).toBe(0);
    expect(await auditOf(id)).toEqual(["DeleteSession ok", "CreateSession ok"]);
  });

  test.each([
    ["what is no key", "hello", 401, "KEY_INVALID"],
    ["a key that nobody made", `weir_${"0".repeat(59)}`, 401, "KEY_INVALID"],
    ["a session's own secret", `weirs_${"0".repeat(43)}`, 401, "KEY_INVALID"],
  ])("refuses %s", async (_, key, status, reason) => {
    const refused = await new Browser().signInByKey(key);
    expect([refused.status, await refused.json()]).toEqual([status, { error: { reason, message: expect.any(String) } }]);
  });

  test("refuses keys of applications, and those that are revoked, in the audit log too", async () => {
    const application = await newKey(Role.INFERENCE);
    const refused = await new Browser().signInByKey(application.secret);
    expect([refused.status, await refused.json()]).toEqual([403, { error: { reason: "PERMISSION_DENIED", message: expect.stringContaining("may not use the console") } }]);
    expect(refused.headers.getSetCookie()).toEqual([]);
    expect(await auditOf(application.id)).toEqual(["CreateSession PERMISSION_DENIED"]);
    const revoked = await newKey(Role.OWNER);
    await weir.client(PolicyService).revokeKey({ keyId: revoked.id });
    await expect.poll(async () => (await new Browser().signInByKey(revoked.secret)).status, { timeout: 1_000, interval: 20 }).toBe(401);
    expect(await auditOf(revoked.id)).toContain("CreateSession KEY_REVOKED");
  });

  test("ends with its key, and while its organization is suspended", async () => {
    const policy = weir.client(PolicyService);
    const { id, secret } = await newKey(Role.OWNER);
    const browser = new Browser();
    await browser.signInByKey(secret);
    await policy.updateOrganization({ organizationId, suspended: true, updateMask: { paths: ["suspended"] } });
    expect(await browser.refusalOf()).toBe("KEY_SUSPENDED");
    await policy.updateOrganization({ organizationId, suspended: false, updateMask: { paths: ["suspended"] } });
    expect(await browser.refusalOf()).toBeUndefined();
    await policy.revokeKey({ keyId: id });
    expect(await browser.refusalOf()).toBe("KEY_REVOKED");
    expect(await browser.session()).toBeNull();
  });

  test("is not tried without bound from one address", async () => {
    const browser = new Browser();
    const statuses = new Set<number>();
    for (let attempt = 0; attempt < 31; attempt++) statuses.add((await browser.signInByKey("guess")).status);
    expect(statuses).toEqual(new Set([401, 429]));
    expect((await browser.ask("GET", "/console/sign-in")).headers.get("retry-after")).toMatch(/^\d+$/);
    expect((await new Browser().signInByKey("guess")).status).toBe(401);
  });
});

describe("a session's cookie counts as none", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = new Browser();
    await browser.signInByKey((await newKey(Role.OWNER)).secret);
  });

  test.each<[string, Record<string, string>]>([
    ["without the header that forms cannot send", { "x-weir-console": "" }],
    ["from a page of another origin", { origin: "https://evil.example.com" }],
    ["from a page without an origin", { origin: "null" }],
    ["from another site", { "sec-fetch-site": "cross-site" }],
    ["from another host of the site", { "sec-fetch-site": "same-site" }],
  ])("in calls %s", async (_, headers) => {
    expect(await browser.refusalOf(listKeys, headers)).toBe("KEY_MISSING");
    expect(await browser.refusalOf()).toBeUndefined();
  });

  test("at the doors of other APIs, and in other headers", async () => {
    const secret = [...browser.cookies.values()][0]!;
    const call = async (headers: Readonly<Record<string, string>>) => (await browser.ask("POST", "/v1/chat/completions", { body: { model: "demo/demo-chat", messages: [{ role: "user", content: "rain" }] }, headers: { "x-weir-console": "1", ...headers } })).headers.get("x-weir-reason");
    expect(await call({})).toBe("KEY_MISSING");
    expect(await call({ authorization: `Bearer ${secret}` })).toBe("KEY_INVALID");
    expect(await new Browser().refusalOf(listKeys, { authorization: `Bearer ${secret}` })).toBe("KEY_INVALID");
    // What is in the header goes before the cookie.
    expect(await browser.refusalOf(listKeys, { authorization: `Bearer ${weir.inferenceKey}` })).toBe("PERMISSION_DENIED");
  });

  test.each<[string, string]>([["POST", "signs nobody in"], ["DELETE", "signs nobody out"]])("of other origins: %s %s", async (method) => {
    for (const headers of [{ origin: "https://evil.example.com" }, { "sec-fetch-site": "cross-site" }] as Record<string, string>[]) {
      const refused = await browser.ask(method, "/console/session", { headers, ...(method === "POST" && { body: { key: weir.adminKey } }) });
      expect([refused.status, refused.headers.getSetCookie()]).toEqual([403, []]);
    }
    expect(await browser.refusalOf()).toBeUndefined();
  });

  test("after another sign-in in the same browser, which makes a new session whatever the cookie was", async () => {
    const planted = new Browser();
    await planted.signInByKey((await newKey(Role.OWNER)).secret);
    const [[name, before]] = [...planted.cookies] as [[string, string]];
    await planted.signInByKey((await newKey(Role.OWNER)).secret);
    expect(planted.cookies.get(name)).not.toBe(before);
    expect(await planted.refusalOf()).toBeUndefined();
    planted.cookies.set(name, before);
    expect(await planted.refusalOf()).toBe("SESSION_INVALID");
    expect((await planted.ask("POST", "/console/session", { headers: { "content-type": "text/plain" } })).status).toBe(400);
  });
});

describe("at the issuer", () => {
  test("opens a session with the role that the person's token would have, on the page that was asked for", async () => {
    issuer.desk.person = admin("ada");
    const browser = new Browser();
    const back = await browser.signInAtIssuer("/console/usage?from=2026-01-01#day");
    expect([back.status, back.headers.get("location")]).toEqual([302, "/console/usage?from=2026-01-01#day"]);
    expect([...browser.cookies.keys()]).toEqual(["__Host-weir-session"]);
    expect(await browser.session()).toMatchObject({ name: "ada@example.com", role: "admin", permissions: expect.not.arrayContaining(["ORGANIZATION_WRITE"]), organizationId });
    expect(await browser.refusalOf()).toBeUndefined();
    expect(await browser.refusalOf("/weir.policy.v1.PolicyService/CheckBudgets")).toBe("PERMISSION_DENIED");
    const { keys } = await weir.client(PolicyService).listKeys({ organizationId, pageSize: 1_000 });
    const key = keys.find(({ subject }) => subject === "ada")!;
    expect(await auditOf(key.id)).toContain("CreateSession ok");
    await weir.client(PolicyService).revokeKey({ keyId: key.id });
    expect(await browser.refusalOf()).toBe("KEY_REVOKED");
    await expect.poll(async () => (await browser.signInAtIssuer()).headers.get("x-weir-reason"), { timeout: 1_000, interval: 20 }).toBe("KEY_REVOKED");
    expect(await auditOf(key.id)).toContain("CreateSession KEY_REVOKED");
  });

  test.each<[string, (browser: Browser) => Promise<Response>, number, string]>([
    ["another state", async (browser) => browser.comeBack((await browser.askIssuer()).replace(/state=[^&]+/, "state=another")), 401, "SIGN_IN_FAILED"],
    ["no state", async (browser) => browser.comeBack((await browser.askIssuer()).replace(/state=[^&]+&?/, "")), 401, "SIGN_IN_FAILED"],
    ["an answer that another browser asked for", async () => new Browser().comeBack(await new Browser().askIssuer()), 401, "SIGN_IN_FAILED"],
    ["a code that was used", async (browser) => {
      const callback = await browser.askIssuer();
      const cookies = [...browser.cookies];
      expect((await browser.comeBack(callback)).status).toBe(302);
      for (const [name, value] of cookies) browser.cookies.set(name, value);
      return browser.comeBack(callback);
    }, 401, "SIGN_IN_FAILED"],
    ["a code without its verifier", async (browser) => {
      const stolen = new URL(await new Browser().askIssuer(), consoleOrigin).searchParams.get("code")!;
      return browser.comeBack((await browser.askIssuer()).replace(/code=[^&]+/, `code=${stolen}`));
    }, 401, "SIGN_IN_FAILED"],
    ["a token for another sign-in", (browser) => signedInAs(browser, { ...admin("eve"), claims: { ...admin("eve").claims, nonce: "another" } }), 401, "SIGN_IN_FAILED"],
    ["a token for another client", (browser) => signedInAs(browser, { ...admin("eve"), audience: "weir" }), 401, "SIGN_IN_FAILED"],
    ["a token of another issuer", (browser) => signedInAs(browser, { ...admin("eve"), issuer: "https://evil.example.com" }), 401, "SIGN_IN_FAILED"],
    ["an answer of another issuer", async (browser) => browser.comeBack((await browser.askIssuer()).replace(/iss=[^&]+/, "iss=https%3A%2F%2Fevil.example.com")), 401, "SIGN_IN_FAILED"],
    ["a token that nobody vouches for", (browser) => signedInAs(browser, { ...admin("eve"), forged: true }), 401, "TOKEN_INVALID"],
    ["a token that has ended", (browser) => signedInAs(browser, { ...admin("eve"), lifetimeSeconds: -60 }), 401, "SIGN_IN_FAILED"],
    ["a person whom no rule fits", (browser) => signedInAs(browser, { subject: "eve", claims: { groups: ["sports"] } }), 403, "CALLER_NOT_ALLOWED"],
    ["a person of an application's role", (browser) => signedInAs(browser, { subject: "scientist", claims: { groups: ["science"] } }), 403, "PERMISSION_DENIED"],
    ["a refusal", async (browser) => {
      issuer.desk.refusal = "access_denied";
      return browser.signInAtIssuer();
    }, 401, "SIGN_IN_FAILED"],
  ])("refuses %s", async (_, signIn, status, reason) => {
    const browser = new Browser();
    const refused = await signIn(browser);
    expect([refused.status, refused.headers.get("x-weir-reason"), refused.headers.get("cache-control")]).toEqual([status, reason, "no-store"]);
    expect(await refused.text()).toMatch(/^<!doctype html>/);
    expect(refused.headers.getSetCookie().filter((line) => line.includes("session="))).toEqual([]);
  });

  test.each(["https://evil.example.com/", "//evil.example.com/console/", "/\\evil.example.com", "/console/../v1/models", "/console/%2e%2e/v1/models", "/console/session", "console/", "javascript:alert(1)", "/console/\t//evil", `/console/${"é".repeat(200)}`, ""])("sends nobody to %j", async (path) => {
    const location = (await new Browser().signInAtIssuer(path)).headers.get("location")!;
    expect(["/console/", "/console///evil"]).toContain(location);
  });
});

function signedInAs(browser: Browser, person: TokenOptions): Promise<Response> {
  issuer.desk.person = person;
  return browser.signInAtIssuer();
}

test("no secret of a sign-in is in a log", async () => {
  const browser = new Browser();
  const callback = await browser.askIssuer();
  const sealed = [...browser.cookies.values()][0]!;
  await browser.comeBack(callback);
  issuer.desk.person = { ...admin("eve"), forged: true };
  await browser.signInAtIssuer();
  const { secret } = await newKey(Role.OWNER);
  await browser.signInByKey(secret);
  const log = JSON.stringify(weir.log());
  const query = new URL(callback, consoleOrigin).searchParams;
  for (const hidden of [clientSecret, secret, sealed, [...browser.cookies.values()][0]!, query.get("code")!, query.get("state")!, "eyJ"]) expect(log).not.toContain(hidden);
  expect(log).toContain("finishSignIn");
});
