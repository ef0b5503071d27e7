/** Proves that who there is, and what bounds them, can be administered in the console: what is done there is in force. */
import type { Browser, Page } from "playwright-core";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BudgetShortage } from "#gen/weir/policy/v1/budget_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { findChromium, launchChromium } from "../harness/browser.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const chromium = findChromium();

const config = `
providers: { demo: { vendor: demo }, up: { vendor: openai, models: [m], stored_credentials: true, base_url: "http://127.0.0.1:9" } }
guardrails: [{ name: from-the-file, detectors: [email], mode: shadow }]
rate_limits: [{ name: also-from-it, count: requests, amount: 1000, window: minute }]
budgets: [{ name: "of the file", limit: "100", per: month }]
`;

describe.skipIf(chromium === undefined)("administering in a browser", () => {
  let weir: Weir;
  let browser: Browser;
  let page: Page;
  const faults: string[] = [];

  beforeAll(async () => {
    weir = await startWeir({ config });
    browser = await launchChromium(chromium!);
    page = await browser.newPage();
    page.on("pageerror", (error) => faults.push(error.message));
    page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
    await page.goto(`${weir.origin}/console/`);
    await page.getByLabel("Key").fill(weir.adminKey);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: "Overview" }).waitFor();
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await weir?.stop();
  });

  const ask = async (content: string, key = weir.inferenceKey): Promise<{ readonly status: number; readonly text: string }> => {
    const response = await fetch(`${weir.origin}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "demo/demo-chat", messages: [{ role: "user", content }] }),
    });
    return { status: response.status, text: await response.text() };
  };
  const open = (title: string): Promise<void> => page.getByRole("navigation").getByRole("link", { name: title }).click();
  const press = (name: string): Promise<void> => page.getByRole("button", { name, exact: true }).first().click();
  const row = (name: string) => page.getByRole("row", { name });
  const confirm = (name: string): Promise<void> => page.getByRole("dialog").getByRole("button", { name, exact: true }).click();
  const closed = (): Promise<void> => page.getByRole("dialog").waitFor({ state: "detached" });

  test("makes a rate limit that refuses, changes it, and deletes it", async () => {
    await open("Rate limits");
    await press("Create rate limit");
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill("one-a-day");
    await dialog.getByLabel("At most").fill("1");
    await dialog.getByLabel("In each").selectOption("day");
    await dialog.getByLabel("Only where").fill("model ==");
    await confirm("Create rate limit");
    await expect.poll(() => dialog.getByRole("alert").innerText()).toContain("model ==");
    await dialog.getByLabel("Only where").fill('model.startsWith("demo/")');
    await confirm("Create rate limit");
    await closed();
    await expect.poll(() => row("one-a-day").innerText()).toMatch(/1\s+requests\s+day\s+key/);
    await expect.poll(async () => (await ask("Hello")).status).toBe(429);
    await press("Change one-a-day");
    await dialog.getByLabel("At most").fill("1000");
    await confirm("Change rate limit");
    await closed();
    await expect.poll(async () => (await ask("Hello")).status).toBe(200);
    await press("Delete one-a-day");
    await confirm("Delete rate limit");
    await closed();
    expect(await row("one-a-day").count()).toBe(0);
    // What stands in weir.yaml is changed there.
    await expect.poll(() => row("also-from-it").getByRole("button").count()).toBe(0);
  });

  test("takes dollars for what is spent, and no window for what is counted at one time", async () => {
    await press("Create rate limit");
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill("dollars");
    await dialog.getByLabel("What is counted").selectOption("requests at one time");
    expect(await dialog.getByLabel("In each").count()).toBe(0);
    await dialog.getByLabel("What is counted").selectOption("US dollars spent");
    await dialog.getByLabel("At most, in US dollars").fill("12.50");
    await confirm("Create rate limit");
    await closed();
    await expect.poll(() => row("dollars").innerText()).toContain("$12.50");
  });

  test("makes a guardrail that masks, tests it on a text, and deletes it", async () => {
    await open("Guardrails");
    await press("Create guardrail");
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill("no-mail");
    await confirm("Create guardrail");
    await expect.poll(() => dialog.getByRole("alert").innerText()).toContain("looks for something");
    await dialog.getByLabel("email addresses").check();
    await dialog.getByLabel("Words and phrases").fill("Project Heron\n\nblue ");
    await confirm("Create guardrail");
    await closed();
    await expect.poll(() => row("no-mail").innerText()).toMatch(/email, 2 words\s+block/);
    await expect.poll(async () => (await ask("What of project heron?")).text).toContain("no-mail");
    await press("Test no-mail");
    await dialog.getByLabel("Text").fill("Write to ada@example.com");
    await confirm("Test");
    await expect.poll(() => dialog.getByRole("status").innerText()).toMatch(/email: ada@example.com[\s\S]*Write to \[/);
    await confirm("Cancel");
    await press("Delete no-mail");
    await confirm("Delete guardrail");
    await closed();
    await expect.poll(async () => (await ask("What of project heron?")).status).toBe(200);
    expect(await row("from-the-file").getByRole("button").allInnerTexts()).toEqual(["Test"]);
  });

  test("changes a budget, and deletes it", async () => {
    await open("Budgets");
    await press("Create budget");
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill("research");
    await dialog.getByLabel("Limit in US dollars").fill("5");
    await confirm("Create budget");
    await closed();
    await press("Change research");
    expect(await dialog.getByLabel("Limit in US dollars").inputValue()).toBe("5.00");
    await dialog.getByLabel("Limit in US dollars").fill("7.25");
    await dialog.getByLabel("A call that could cost more").selectOption("waits for others to end");
    await confirm("Change budget");
    await closed();
    const policy = weir.client(PolicyService);
    expect((await policy.listBudgets({})).budgets.find(({ name }) => name === "research")).toMatchObject({ limitNanos: 7_250_000_000n, shortage: BudgetShortage.WAIT, alertPercents: [80, 100], usage: { limitNanos: 7_250_000_000n } });
    await press("Delete research");
    await confirm("Delete budget");
    await closed();
    expect(await row("research").count()).toBe(0);
    expect(await row("of the file").getByRole("button").allInnerTexts()).toEqual(["Top up"]);
  });

  test("makes a team and a member with a key, suspends the one and removes the other", async () => {
    await open("Teams");
    await press("Create team");
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill("serch");
    await confirm("Create team");
    await closed();
    await press("Rename serch");
    await dialog.getByLabel("Name").fill("search");
    await confirm("Rename team");
    await closed();
    await press("Add member");
    await dialog.getByLabel("Email").fill("ada@example.com");
    await confirm("Add member");
    await closed();
    await expect.poll(() => row("ada@example.com").innerText()).toContain("developer");

    await open("Keys");
    await press("Create key");
    await dialog.getByLabel("Name").fill("Ada's laptop");
    await dialog.getByLabel(/^Team/).selectOption("search");
    await dialog.getByLabel("Whose it is").selectOption("ada@example.com (developer)");
    expect(await dialog.getByLabel(/^Role/).count()).toBe(0);
    await confirm("Create key");
    await dialog.getByLabel("Secret").waitFor();
    // One Enter more than the form needed.
    await page.keyboard.press("Enter");
    const secret = await dialog.getByLabel("Secret").inputValue();
    await confirm("Done");
    expect((await ask("Hello", secret)).status).toBe(200);

    await open("Teams");
    await press("Suspend search");
    await confirm("Suspend team");
    await closed();
    await expect.poll(() => row("search").innerText()).toContain("suspended");
    await expect.poll(async () => (await ask("Hello", secret)).text).toContain("key_suspended");
    await press("Resume search");
    await confirm("Resume team");
    await closed();
    await expect.poll(async () => (await ask("Hello", secret)).status).toBe(200);

    await press("Change role ada@example.com");
    await dialog.getByLabel("Role").selectOption("auditor: sees everything, changes nothing");
    await confirm("Change role");
    await closed();
    expect((await weir.client(PolicyService).listMembers({})).members).toMatchObject([{ email: "ada@example.com", role: Role.AUDITOR }]);
    await press("Remove ada@example.com");
    await confirm("Remove member");
    await closed();
    await expect.poll(async () => (await ask("Hello", secret)).text).toContain("The key was revoked");
  });

  test("changes what a key may call, from where, its labels and its end, and leaves the rest of it alone", async () => {
    const policy = weir.client(PolicyService);
    const [team] = (await policy.listTeams({})).teams;
    const expireTime = timestampFromMs(Date.now() + 40 * 86_400_000 + 5_000);
    const { secret } = await policy.createKey({ teamId: team!.id, name: "reports", expireTime, scope: { operations: ["Generate"] }, labels: { old: "1" } });
    const changed = async () => (await policy.listKeys({ pageSize: 1_000 })).keys.find(({ name }) => name.startsWith("reports"));
    await page.reload();
    await open("Keys");
    await press("Change reports");
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill("reports, nightly");
    await dialog.getByLabel("Addresses").fill("127.0.0.0/8\n192.0.2.0/24");
    await dialog.getByLabel("Labels").fill("cost_center");
    await confirm("Change key");
    expect(await dialog.getByLabel("Labels").evaluate((field) => (field as unknown as { validationMessage: string }).validationMessage)).toBe("Write name=value in each line.");
    await dialog.getByLabel("Labels").fill("cost_center = 42\nstage=a=b");
    await confirm("Change key");
    await closed();
    expect(await changed()).toMatchObject({ name: "reports, nightly", labels: { cost_center: "42", stage: "a=b" }, expireTime, scope: { models: [], operations: ["Generate"], ipRanges: ["127.0.0.0/8", "192.0.2.0/24"] } });
    await expect.poll(async () => (await ask("Hello", secret)).status).toBe(200);
    await press("Change reports, nightly");
    await dialog.getByLabel("Models it may call").fill("other/*");
    await dialog.getByLabel("Ends on").fill("");
    await confirm("Change key");
    await closed();
    expect((await changed())?.expireTime).toBeUndefined();
    await expect.poll(async () => (await ask("Hello", secret)).text).toContain("model_not_allowed");
  });

  test("stores a credential, rotates, changes and removes it, and shows its secret to nobody", async () => {
    const [former, next] = ["sk-former-secret-of-a-vendor", "sk-next-secret-of-a-seller"];
    await open("Credentials");
    await press("Store credential");
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel(/^Provider/).selectOption("demo");
    await dialog.getByLabel("Name").fill("production");
    await dialog.getByLabel(/^Secret/).fill(former);
    await confirm("Store credential");
    await expect.poll(() => dialog.getByRole("alert").innerText()).toContain("stored_credentials");
    await dialog.getByLabel(/^Provider/).selectOption("up");
    await confirm("Store credential");
    await closed();
    await expect.poll(() => row("production").innerText()).toMatch(/up\s+production\s+….*\s+everybody\s+1\s[\s\S]*in use/);
    const hint = await row("production").locator("code").innerText();
    await press("Rotate production");
    await dialog.getByLabel(/^Secret/).fill(next);
    await confirm("Rotate credential");
    await closed();
    await expect.poll(() => row("production").locator("code").innerText()).not.toBe(hint);
    await press("Change production");
    await dialog.getByLabel(/^Weight/).fill("7");
    await confirm("Change credential");
    await closed();
    await press("Turn off production");
    await confirm("Turn off");
    await closed();
    await expect.poll(() => row("production").innerText()).toMatch(/7\s[\s\S]*not used/);
    await press("Turn on production");
    await confirm("Turn on");
    await closed();
    await expect.poll(() => row("production").innerText()).toContain("in use");
    expect(await page.content()).not.toContain("secret-of-a");
    await press("Remove production");
    await confirm("Remove credential");
    await closed();
    await page.getByText("None is stored").waitFor();
  });

  test("explains what would become of a call, by which rules, and what decides", async () => {
    await open("Explain");
    await page.getByLabel(/^Key that calls/).selectOption("first inference key");
    await page.getByLabel("Model").fill("demo/demo-chat");
    await page.getByLabel("Text").fill("Write to ada@example.com");
    await press("Explain");
    await page.getByText("allowed", { exact: true }).waitFor();
    const rules = page.getByRole("region", { name: "Rules that apply" });
    await expect.poll(() => rules.innerText()).toMatch(/rate limit\s+also-from-it\s+needs 1, [\d,]+ of 1,000 requests are left/);
    expect(await rules.innerText()).toMatch(/budget\s+of the file\s+needs at most \$[\d.]+, \$[\d.]+ of \$100\.00 are left[\s\S]*guardrail\s+from-the-file\s+shadow: found email/);
    expect(await page.getByRole("region", { name: "Targets" }).innerText()).toContain("demo/demo-chat");
    await page.getByLabel("Model").fill("demo/nothing-like-it");
    await page.getByLabel(/^Key that calls/).selectOption("reports, nightly");
    await page.getByLabel("From the address").fill("127.0.0.1");
    await press("Explain");
    await expect.poll(() => page.locator("main").innerText()).toMatch(/It would be refused[\s\S]*MODEL_NOT_ALLOWED[\s\S]*bound of the key\s+scope\.models[\s\S]*because of this/);
  });

  test("makes another organization, of which things are then made", async () => {
    await open("Teams");
    await press("Create organization");
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill("acme");
    await confirm("Create organization");
    await closed();
    await press("Create team");
    await dialog.getByLabel("Name").fill("theirs");
    await dialog.getByLabel(/^Organization/).selectOption("acme");
    await confirm("Create team");
    await closed();
    await expect.poll(() => row("theirs").innerText()).toContain("acme");
    await open("Budgets");
    await press("Create budget");
    await dialog.getByLabel("Name").fill("acme's");
    await dialog.getByLabel("Limit in US dollars").fill("1");
    await dialog.getByLabel(/^Organization/).selectOption("acme");
    await dialog.getByLabel("Counts calls of").selectOption("team theirs");
    await confirm("Create budget");
    await closed();
    await expect.poll(() => row("acme's").innerText()).toContain("acme, team theirs");
  });

  // Refusals that were meant are told by the browser, too: a condition, a guardrail and a provider that will not do.
  test("has broken no rule of its own on the way", () => expect(faults.filter((fault) => !/status of 400/.test(fault))).toEqual([]));
});
