/** Proves in a browser that a sign-in at an issuer of another site ends in a session, and that no page of another origin can use it. */
import * as http from "node:http";
import { writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { findChromium, launchChromium } from "../harness/browser.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";
import { startTokenIssuer, type TokenIssuer } from "../harness/token-issuer.ts";

const chromium = findChromium();
if (chromium === undefined) {
  if (process.env["CI"] === "true") throw new Error("The test of signing in to the console needs a browser: install chromium.");
  console.warn("Signing in to the console in a browser NOT RUN: install chromium.");
}

const rpc = "/weir.policy.v1.PolicyService/ListKeys";

describe.skipIf(chromium === undefined)("in a browser", () => {
  let weir: Weir;
  let issuer: TokenIssuer;
  let stranger: http.Server;
  let browser: Browser;
  let page: Page;
  /** `localhost` and `127.0.0.1` are two sites to a browser; two ports of one are two origins of one site. */
  let consoleOrigin: string;
  let strangerPort: number;

  beforeAll(async () => {
    weir = await startWeir();
    consoleOrigin = weir.origin.replace("127.0.0.1", "localhost");
    issuer = await startTokenIssuer({ id: "weir", redirectUri: `${consoleOrigin}/console/callback` });
    issuer.desk.person = { subject: "ada", claims: { email: "ada@example.com" } };
    await writeFile(weir.configPath, `
identity: { issuers: [{ issuer: "${issuer.url}", audiences: [api], callers: [{ organization: default, role: owner }] }] }
console: { issuer: "${issuer.url}", client_id: weir, origin: "${consoleOrigin}" }
`);
    await vi.waitFor(async () => expect(await (await fetch(`${weir.origin}/console/session`)).text()).toContain(issuer.url), { timeout: 20_000 });
    stranger = http.createServer((_, response) => void response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>a stranger's page</title>"));
    await new Promise<void>((resolve) => stranger.listen(0, "127.0.0.1", resolve));
    strangerPort = (stranger.address() as AddressInfo).port;
    browser = await launchChromium(chromium!);
    page = await (await browser.newContext()).newPage();
  });
  afterAll(async () => {
    await browser?.close();
    stranger?.close();
    await weir?.stop();
    await issuer?.stop();
  });

  /** The status of what a script of the open page fetches; undefined when the browser does not let it see that. */
  function statusOf(url: string, init: { readonly method: string; readonly headers: Readonly<Record<string, string>> }): Promise<number | undefined> {
    const body = init.method === "POST" ? { body: "{}" } : {};
    return page.evaluate(([url, init]) => fetch(url, init).then(({ status }) => status, () => undefined), [url, { credentials: "include" as const, ...init, ...body }] as const);
  }

  const call = { method: "POST", headers: { "content-type": "application/json" } };
  const consoleCall = { method: "POST", headers: { ...call.headers, "x-weir-console": "1" } };

  test("the issuer of another site leads back to a page that is signed in", async () => {
    await page.goto(`${consoleOrigin}/console/sign-in?return=/console/keys`);
    expect(page.url()).toBe(`${consoleOrigin}/console/keys`);
    const shown = await page.evaluate(() => fetch("/console/session").then((response) => response.json() as Promise<unknown>));
    expect(shown).toMatchObject({ session: { name: "ada@example.com", role: "owner" } });
    expect(await statusOf(rpc, consoleCall)).toBe(200);
    expect(await statusOf(rpc, call)).toBe(401);
    expect(await page.context().cookies()).toMatchObject([{ name: "weir-session", httpOnly: true, sameSite: "Strict", domain: "localhost", path: "/" }]);
    expect(await page.evaluate("document.cookie")).toBe("");
  });

  test.each(["localhost", "127.0.0.1"])("a stranger's page on %s can do nothing with the session", async (host) => {
    await page.goto(`http://${host}:${strangerPort}/`);
    expect(await statusOf(consoleOrigin + rpc, consoleCall)).toBeUndefined();
    expect(await statusOf(`${consoleOrigin}/console/session`, { method: "DELETE", headers: {} })).toBeUndefined();
    // What a form could send, too, with the cookies that the browser sends along.
    for (const path of ["/console/session", rpc]) {
      const answered = page.waitForResponse(consoleOrigin + path);
      await page.evaluate((url) => fetch(url, { method: "POST", mode: "no-cors", credentials: "include", body: '{"key":""}' }), consoleOrigin + path);
      expect((await answered).status()).toBeGreaterThanOrEqual(400);
    }
    await page.goto(`${consoleOrigin}/console/keys`);
    expect(await statusOf(rpc, consoleCall)).toBe(200);
  });

  test("signing out ends it", async () => {
    expect(await statusOf("/console/session", { method: "DELETE", headers: {} })).toBe(204);
    expect(await statusOf(rpc, consoleCall)).toBe(401);
    expect(await page.context().cookies()).toEqual([]);
  });
});
