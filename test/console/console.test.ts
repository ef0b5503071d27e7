/** Proves the console in a browser: what it shows is what the RPCs say, and what is done there is done. */
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BudgetPeriod } from "#gen/weir/policy/v1/budget_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { findChromium, launchChromium } from "../harness/browser.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const chromium = findChromium();
if (chromium === undefined) {
  if (process.env["CI"] === "true") throw new Error("The tests of the console need a browser: install chromium.");
  console.warn("The console in a browser NOT RUN: install chromium.");
}

const calls = 4;

describe.skipIf(chromium === undefined)("the console in a browser", () => {
  let weir: Weir;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  const faults: string[] = [];

  beforeAll(async () => {
    weir = await startWeir({ config: "providers: { demo: { vendor: demo }, keyless: { vendor: openai, models: [m], stored_credentials: true } }\nroutes: { cased: { targets: [demo/demo-chat], cases: [{ where: stream, targets: [demo/a, demo/b] }], retries: 1 } }" });
    for (let call = 0; call < calls; call++) expect((await ask(weir.inferenceKey)).status).toBe(200);
    await weir.attempts(calls);
    browser = await launchChromium(chromium!);
    context = await browser.newContext();
    page = await context.newPage();
    // What the Content-Security-Policy refuses is told here, too.
    page.on("pageerror", (error) => faults.push(error.message));
    page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await weir?.stop();
  });

  const ask = (key: string, model = "demo/demo-chat"): Promise<Response> =>
    fetch(`${weir.origin}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ model, messages: [{ role: "user", content: "Hello" }] }),
    });
  const signIn = async (where: Page, key: string): Promise<void> => {
    await where.getByLabel("Key").fill(key);
    await where.getByRole("button", { name: "Sign in" }).click();
  };
  const tile = (title: string): Promise<string> => page.locator(".tile", { has: page.getByText(title, { exact: true }) }).locator("dd").first().innerText();
  const open = (title: string): Promise<void> => page.getByRole("navigation").getByRole("link", { name: title }).click();

  test("says what Weir says of a wrong key, and lets the right one in", async () => {
    await page.goto(`${weir.origin}/`);
    await signIn(page, "weir_nobodys");
    await expect.poll(() => page.getByRole("alert").innerText()).toContain("The key is malformed");
    expect(faults.splice(0)).toEqual([expect.stringContaining("401")]);
    await signIn(page, weir.adminKey);
    await page.getByRole("heading", { name: "Overview" }).waitFor();
  });

  test("shows the figures of the RPC, to the last digit where it is asked for", async () => {
    const { rows } = await weir.client(MeteringService).queryUsage({});
    expect(rows[0]?.attempts).toBe(BigInt(calls));
    await expect.poll(() => tile("Calls")).toBe(String(calls));
    expect(await tile("Errors")).toBe("0");
    const exact = await page.locator(".tile dd[title]").getAttribute("title");
    expect(BigInt(exact!.replace("$", "").replace(".", "").padEnd(10, "0"))).toBe(rows[0]!.costNanos);
    await expect.poll(() => page.getByRole("region", { name: "Models by cost" }).innerText()).toMatch(/demo\/demo-chat\s+4/);
    await page.getByRole("figure", { name: "Spend by hour" }).locator("canvas").waitFor();
  });

  test("groups usage, sorts it, and hands it out as CSV", async () => {
    await open("Usage");
    await page.getByLabel("Group by").selectOption("Key");
    await expect.poll(() => page.getByRole("region", { name: "Usage" }).innerText()).toMatch(/first inference key\s+4/);
    await page.getByLabel("A row for each").selectOption("day");
    await page.getByRole("columnheader", { name: "Day" }).waitFor();
    await page.getByRole("button", { name: "Calls" }).click();
    expect(await page.getByRole("columnheader", { name: "Calls" }).getAttribute("aria-sort")).toBe("descending");
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Export CSV" }).click()]);
    const written = await (await download.createReadStream()).toArray();
    expect(Buffer.concat(written as Buffer[]).toString()).toMatch(/^Day \(UTC\),Key,.*\r\n\d{4}-\d\d-\d\d,first inference key,\d+,0,/);
  });

  test("lists attempts, and shows those of one request", async () => {
    const requestId = (await ask(weir.inferenceKey)).headers.get("x-request-id")!;
    await weir.attempts(1, { requestId });
    await open("Requests");
    await page.getByRole("link", { name: requestId }).waitFor();
    await page.getByLabel("Request id").fill(requestId);
    await page.getByRole("button", { name: "Find" }).click();
    await expect.poll(() => page.locator("main").innerText()).toMatch(/1\. demo\/demo-chat[\s\S]*succeeded[\s\S]*first inference key/);
  });

  test("lists requests that reached no vendor, by what became of them and when, and shows why", async () => {
    const refused = await ask(weir.inferenceKey, "no-such-model");
    expect(refused.status).toBe(404);
    const requestId = refused.headers.get("x-request-id")!;
    await expect.poll(async () => (await weir.client(MeteringService).listRequests({ requestId })).records, { timeout: 10_000 }).toHaveLength(1);
    await open("Requests");
    await page.getByRole("button", { name: "Refused, cached, guarded" }).click();
    await expect.poll(() => page.getByRole("row", { name: requestId }).innerText()).toMatch(/MODEL_NOT_FOUND[\s\S]*No route or model is called "no-such-model"[\s\S]*first inference key/);
    await page.getByLabel("What became of them").selectOption("answered by the cache");
    await page.getByRole("button", { name: "Filter" }).click();
    await page.getByText("No request fits the filter.").waitFor();
    await page.getByLabel("What became of them").selectOption("refused");
    await page.getByLabel("From").fill("2026-01-01T10:04");
    await page.getByRole("button", { name: "Filter" }).click();
    await page.getByRole("link", { name: requestId }).click();
    await expect.poll(() => page.locator("main").innerText()).toMatch(/What became of it\s+refused[\s\S]*No route or model is called "no-such-model"[\s\S]*MODEL_NOT_FOUND[\s\S]*No vendor was asked/);
  });

  test("makes a key that calls, rotates it, and revokes it", async () => {
    await open("Keys");
    await page.getByRole("button", { name: "Create key" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill("made in the console");
    await dialog.getByLabel("Models it may call").fill("demo/*");
    await dialog.getByRole("button", { name: "Create key" }).click();
    const secret = await dialog.getByLabel("Secret").inputValue();
    expect((await ask(secret)).status).toBe(200);
    await dialog.getByRole("button", { name: "Done" }).click();
    await page.getByRole("button", { name: "Rotate made in the console" }).click();
    await dialog.getByLabel("The present secret stays good").selectOption("not at all");
    await dialog.getByRole("button", { name: "Rotate key" }).click();
    const next = await dialog.getByLabel("Secret", { exact: true }).inputValue();
    expect(next).not.toBe(secret);
    expect((await ask(next)).status).toBe(200);
    await expect.poll(async () => (await ask(secret)).status).toBe(401);
    await dialog.getByRole("button", { name: "Done" }).click();
    await page.getByRole("button", { name: "Revoke made in the console" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke key" }).click();
    await expect.poll(() => page.getByRole("row", { name: "made in the console" }).innerText()).toContain("revoked");
    await expect.poll(async () => (await ask(next)).status).toBe(401);
    for (const shown of [secret, next]) expect(await page.content()).not.toContain(shown);
  });

  test("makes a budget, shows what is left of it, and tops it up", async () => {
    await open("Budgets");
    await page.getByRole("button", { name: "Create budget" }).first().click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill("all of us");
    await dialog.getByLabel("Limit in US dollars").fill("0.10");
    await dialog.getByLabel("In each").selectOption("all time");
    await dialog.getByRole("button", { name: "Create budget" }).click();
    await page.getByRole("button", { name: "Top up all of us" }).click();
    await dialog.getByLabel("More room").fill("1,000.25");
    await dialog.getByRole("button", { name: "Top up" }).click();
    await expect.poll(() => page.getByRole("row", { name: "all of us" }).innerText()).toContain("$1,000.35");
    const { budgets } = await weir.client(PolicyService).listBudgets({});
    expect(budgets).toMatchObject([{ limitNanos: 100_000_000n, period: BudgetPeriod.TOTAL, usage: { limitNanos: 1_000_350_000_000n } }]);
  });

  test.each([
    ["Rate limits", "npx weir limits create"],
    ["Guardrails", "npx weir guardrails create"],
    ["Models", "demo/demo-embed"],
    ["Models", "none is stored, or all are turned off or cannot be read"],
    ["Audit log", "TopUpBudget"],
  ])("%s has what there is, or says what to do", async (title, words) => {
    await open(title);
    await expect.poll(() => page.locator("main").innerText()).toContain(words);
  });

  test("asks for nothing by itself while nobody is there, and for all when they are back", async () => {
    const alone = await context.newPage();
    await alone.clock.install();
    await alone.goto(`${weir.origin}/console/`);
    await alone.getByRole("heading", { name: "Overview" }).waitFor();
    const asked: string[] = [];
    alone.on("request", (request) => asked.push(request.url()));
    await alone.clock.runFor("05:00");
    await expect.poll(() => asked.length).toBeGreaterThan(4);
    await alone.clock.runFor("15:00");
    // The answers to what was asked before.
    await alone.waitForLoadState("networkidle");
    asked.length = 0;
    await alone.clock.runFor("30:00");
    expect(asked).toEqual([]);
    await alone.mouse.move(10, 10);
    await expect.poll(() => asked.some((url) => url.endsWith("/QueryUsage"))).toBe(true);
    await alone.close();
  });

  test("shows a route with its cases", async () => {
    await open("Models");
    await expect.poll(() => page.getByRole("row", { name: "cased" }).innerText()).toMatch(/demo\/a → demo\/b where stream\s+demo\/demo-chat else\s+as listed; each up to 2 times/);
  });

  test("has broken no rule of its own on the way", () => expect(faults).toEqual([]));

  test("tells who may not, by the role and what it lacks", async () => {
    const policy = weir.client(PolicyService);
    const [team] = (await policy.listTeams({})).teams;
    const auditor = await policy.createKey({ teamId: team!.id, name: "auditor", role: Role.AUDITOR });
    const other = await browser.newContext();
    const theirs = await other.newPage();
    await theirs.goto(`${weir.origin}/console/keys`);
    await signIn(theirs, auditor.secret);
    await theirs.getByRole("button", { name: "Create key" }).click();
    await theirs.getByRole("dialog").getByLabel("Name").fill("not for me");
    await theirs.getByRole("dialog").getByRole("button", { name: "Create key" }).click();
    await expect.poll(() => theirs.getByRole("alert").innerText()).toBe("Your role auditor may not create keys: it lacks the permission KEY_WRITE.");
    for (const title of ["Overview", "Usage", "Models"]) {
      await theirs.goto(`${weir.origin}/console/`);
      await theirs.getByRole("navigation").getByRole("link", { name: title }).click();
      await theirs.waitForLoadState("networkidle");
    }
    await other.close();
    // A page that asks for what is not to be had fills the audit log with denials that nobody meant.
    const { entries } = await weir.client(MeteringService).listAuditEntries({ actor: auditor.key!.id });
    expect(entries.filter(({ outcome }) => outcome === "PERMISSION_DENIED").map(({ method }) => method)).toEqual(["weir.policy.v1.PolicyService/CreateKey"]);
  });

  test("forgets who was there at sign-out", async () => {
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    expect(await page.locator("body").innerText()).not.toContain("demo/demo-chat");
  });
});
