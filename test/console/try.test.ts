/** Proves the page on which models are tried: its calls are calls like any other, and nothing that a model says is more than text. */
import type { ServerResponse } from "node:http";
import type { Browser, BrowserContext, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BudgetPeriod } from "#gen/weir/policy/v1/budget_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { findChromium, launchChromium } from "../harness/browser.ts";
import { startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const chromium = findChromium();

const hostile = `<img src="x" onerror="document.title='owned'"><b>bold</b>`;
const thoughts = "The person wants a picture.";
const usage = { prompt_tokens: 12, completion_tokens: 30, prompt_tokens_details: { cached_tokens: 4 }, completion_tokens_details: { reasoning_tokens: 10 } };

/** `m/thinker` has all that a reply can have; `m/endless` begins, and goes on when told. */
function answer(model: string, response: ServerResponse): void {
  const say = (delta: object, finish: string | null = null): void => void response.write(`data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model, choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`);
  response.writeHead(200, { "content-type": "text/event-stream" });
  if (model === "endless") return say({ content: "It begins" });
  say({ reasoning_content: thoughts });
  say({ content: hostile });
  say({ tool_calls: [{ index: 0, id: "call_1", type: "function", function: { name: "draw", arguments: '{"what":"a weir"}' } }] });
  say({}, "tool_calls");
  response.end(`data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model, choices: [], usage })}\n\ndata: [DONE]\n\n`);
}

const configOf = (baseUrl: string): string => `
providers:
  demo: { vendor: demo }
  m: { vendor: openai, api_key: k, base_url: "${baseUrl}", models: [thinker, endless] }
routes:
  kept: { targets: [demo/demo-chat] }
cache: { max_bytes: 1048576, max_entry_bytes: 65536, rules: [{ models: [kept], lifetime: 600s }] }
prices: { openai/thinker: { input: "1", cached_input: "0.5", output: "10" }, openai/endless: { input: "1", output: "10" } }
`;

describe.skipIf(chromium === undefined)("trying models in the console", () => {
  let upstream: ScriptedProvider;
  let weir: Weir;
  let browser: Browser;
  let page: Page;
  const faults: string[] = [];

  beforeAll(async () => {
    upstream = await startScriptedProvider((request, response) => answer((JSON.parse(request.body.toString()) as { model: string }).model, response));
    weir = await startWeir({ config: configOf(upstream.baseUrl) });
    browser = await launchChromium(chromium!);
    page = await signedIn(weir.adminKey);
    // What the Content-Security-Policy refuses is told here, too.
    page.on("pageerror", (error) => faults.push(error.message));
    page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
  });
  afterAll(async () => {
    await browser?.close();
    await weir?.stop();
    await upstream?.stop();
  });

  const signedIn = async (key: string, context?: BrowserContext): Promise<Page> => {
    const opened = await (context ?? (await browser.newContext())).newPage();
    await opened.goto(`${weir.origin}/console/try`);
    await opened.getByLabel("Key").fill(key);
    await opened.getByRole("button", { name: "Sign in" }).click();
    return opened;
  };
  const choose = (name: string): Promise<unknown> => page.getByLabel("Model").selectOption(name);
  const send = async (prompt: string, where = page): Promise<Locator> => {
    await where.getByRole("textbox", { name: /^Prompt/ }).fill(prompt);
    await where.keyboard.press("Control+Enter");
    return where.getByLabel("Conversation").locator(".card").last();
  };
  const requestIdIn = async (turn: Locator): Promise<string> => (await turn.getByRole("link").getAttribute("aria-label"))!;
  const conversationOf = async (place: number): Promise<unknown> => (JSON.parse((await upstream.request(place)).body.toString()) as { messages: unknown }).messages;

  test("shows a reply with all that Weir knows of it, and what it cost is what the ledger says", async () => {
    await page.getByRole("navigation").getByRole("link", { name: "Overview" }).click();
    await page.getByRole("main").getByRole("link", { name: "here" }).click();
    await choose("m/thinker");
    await page.getByLabel("System prompt").fill("You draw.");
    await page.getByLabel("Output maximum").fill("500");
    await page.getByLabel("Temperature").fill("0.5");
    const turn = await send("Draw me a weir.");
    await expect.poll(() => turn.innerText()).toMatch(/m\/thinker\s+answered[\s\S]*Draw me a weir\.[\s\S]*Tool call: draw\s+\{"what":"a weir"\}[\s\S]*Answered by\s+m\/thinker\s+Ended by\s+tool calls\s+Tokens\s+12 in \(4 cached\), 30 out \(10 reasoning\)[\s\S]*first word after/);
    const requestId = await requestIdIn(turn);
    const [attempt] = await weir.attempts(1, { requestId });
    await expect.poll(() => turn.getByTitle(/^\$/).getAttribute("title")).toBe(`$${(Number(attempt!.costNanos) / 1e9).toFixed(6).replace(/0+$/, "")}`);
    expect(attempt!.event!.intent!.attribution).toMatchObject({ labels: { application: "weir-console" } });
    expect(JSON.parse((await upstream.request(0)).body.toString())).toMatchObject({ max_completion_tokens: 500, temperature: 0.5, messages: [{ content: "You draw." }, { role: "user", content: "Draw me a weir." }] });
  });

  test("shows what a model writes as text, and its thoughts when asked for", async () => {
    const turn = page.getByLabel("Conversation").locator(".card").last();
    await turn.getByText(hostile).waitFor();
    expect(await turn.locator("img, b").count()).toBe(0);
    expect(await page.title()).toBe("Try · Weir");
    expect(await turn.getByText(thoughts).isVisible()).toBe(false);
    await turn.getByText("Reasoning", { exact: true }).click();
    expect(await turn.getByText(thoughts).isVisible()).toBe(true);
  });

  test("goes on with the conversation, which outlives a look at the request", async () => {
    const turn = page.getByLabel("Conversation").locator(".card").last();
    await turn.getByRole("link").click();
    await expect.poll(() => page.locator("main").innerText()).toMatch(/1\. m\/thinker[\s\S]*succeeded[\s\S]*application=weir-console/);
    await page.getByRole("navigation").getByRole("link", { name: "Try" }).click();
    expect(await page.getByLabel("Temperature").inputValue()).toBe("0.5");
    const next = await send("Larger.");
    await expect.poll(() => next.innerText()).toMatch(/answered[\s\S]*Larger\./);
    expect(await conversationOf(1)).toMatchObject([{ content: "You draw." }, { content: "Draw me a weir." }, { role: "assistant", content: hostile }, { role: "user", content: "Larger." }]);
  });

  test("streams a reply word by word until it is stopped, and the vendor and the ledger are told", async () => {
    await choose("m/endless");
    const place = upstream.requests.length;
    const turn = await send("Go on.");
    await turn.getByText("It begins").waitFor();
    expect(await turn.innerText()).toContain("answering …");
    await page.getByRole("button", { name: "Stop" }).click();
    await (await upstream.request(place)).aborted;
    await expect.poll(() => turn.innerText()).toMatch(/stopped[\s\S]*It begins/);
    const [attempt] = await weir.attempts(1, { requestId: await requestIdIn(turn) });
    expect(attempt!.event!.outcome!.result).toBe(AttemptResult.CANCELLED);
    await turn.getByTitle(/^\$0\./).waitFor();
  });

  test("asks for a whole reply where it is told to, and says what the cache did", async () => {
    await page.getByRole("button", { name: "New conversation" }).click();
    await choose("kept");
    await page.getByLabel("Stream the reply").uncheck();
    for (const words of [/demo\/demo-chat[\s\S]*Cost\s+\$[\s\S]*Cache\s+had no answer/, /Cost\s+none: it is a kept reply[\s\S]*Cache\s+answered, no vendor was asked/]) {
      const turn = await send("Hello");
      await expect.poll(() => turn.innerText()).toMatch(words);
      expect(await turn.innerText()).toContain("You said: Hello");
      await page.getByRole("button", { name: "New conversation" }).click();
    }
  });

  test("has broken no rule of its own on the way", () => expect(faults).toEqual([]));

  test("says why a call was refused, and its link leads to what became of it", async () => {
    await page.getByRole("navigation").getByRole("link", { name: "Models" }).click();
    await page.getByRole("link", { name: "Try demo/demo-chat" }).click();
    expect(await page.getByLabel("Model").inputValue()).toBe("demo/demo-chat");
    await page.goto(`${weir.origin}/console/try?model=no-such-model`);
    const turn = await send("Anybody?");
    await expect.poll(() => turn.getByRole("alert").innerText()).toMatch(/^MODEL_NOT_FOUND No route or model is called "no-such-model"/);
    const requestId = await requestIdIn(turn);
    await expect.poll(async () => (await weir.client(MeteringService).listRequests({ requestId })).records).toHaveLength(1);
    await turn.getByRole("link").click();
    await expect.poll(() => page.locator("main").innerText()).toMatch(/What became of it\s+refused/);
  });

  test("calls within the budget of the key, and no longer than the key is good", async () => {
    const policy = weir.client(PolicyService);
    const [{ id: teamId, organizationId } = expect.fail("no team")] = (await policy.listTeams({})).teams;
    const { key, secret } = await policy.createKey({ teamId, name: "a developer", role: Role.DEVELOPER });
    const { budget } = await policy.createBudget({ organizationId, name: "theirs", subject: { keyId: key!.id }, limitNanos: 1n, period: BudgetPeriod.TOTAL });
    const theirs = await signedIn(secret);
    await theirs.getByText("“a developer”").waitFor();
    await theirs.getByLabel("Model").selectOption("m/thinker");
    await theirs.getByLabel("Output maximum").fill("100");
    const turn = await send("Draw me a weir.", theirs);
    await expect.poll(() => turn.getByRole("alert").innerText()).toMatch(/^BUDGET_EXCEEDED .*theirs/);
    await policy.topUpBudget({ budgetId: budget!.id, amountNanos: 1_000_000_000n });
    await theirs.getByLabel("Output maximum").fill("50");
    await turn.getByRole("button", { name: "Send again" }).click();
    await expect.poll(() => turn.innerText()).toMatch(/answered[\s\S]*Draw me a weir/);
    expect(await theirs.getByLabel("Conversation").locator(".card").count()).toBe(1);
    expect(JSON.parse(upstream.requests.at(-1)!.body.toString())).toMatchObject({ max_completion_tokens: 50 });
    const [attempt] = await weir.attempts(1, { requestId: await requestIdIn(turn) });
    expect(attempt!.event!.intent!.attribution!.keyId).toBe(key!.id);
    await policy.revokeKey({ keyId: key!.id });
    await send("Still there?", theirs);
    await theirs.getByRole("button", { name: "Sign in" }).waitFor();
    expect(await theirs.locator("body").innerText()).not.toContain("Draw me a weir");
    await theirs.context().close();
  });

  test("takes nothing over into a session that began in another tab, though its key has the same name", async () => {
    const policy = weir.client(PolicyService);
    const [{ id: teamId } = expect.fail("no team")] = (await policy.listTeams({})).teams;
    const [first, second] = [await policy.createKey({ teamId, name: "twin", role: Role.DEVELOPER }), await policy.createKey({ teamId, name: "twin", role: Role.DEVELOPER })];
    const context = await browser.newContext();
    // The page looks every minute who is signed in.
    await context.clock.install();
    const tab = await signedIn(first.secret, context);
    await tab.getByLabel("Model").selectOption("m/thinker");
    const turn = await send("Only the first knows.", tab);
    await expect.poll(() => turn.innerText()).toMatch(/answered/);
    const other = await context.newPage();
    await other.goto(`${weir.origin}/console/try`);
    await other.getByRole("button", { name: "Sign out" }).click();
    await other.getByLabel("Key").fill(second.secret);
    await other.getByRole("button", { name: "Sign in" }).click();
    await other.getByRole("heading", { name: "Overview" }).waitFor();
    await context.clock.fastForward(61_000);
    await tab.getByText("“twin”").waitFor({ timeout: 10_000 });
    expect(await tab.locator("body").innerText()).not.toContain("Only the first knows.");
    await context.close();
  });

  test("is not there for who may not call models", async () => {
    const policy = weir.client(PolicyService);
    const [team] = (await policy.listTeams({})).teams;
    const { key, secret } = await policy.createKey({ teamId: team!.id, name: "an auditor", role: Role.AUDITOR });
    const theirs = await signedIn(secret);
    await theirs.getByRole("heading", { name: "Overview" }).waitFor();
    expect(await theirs.getByRole("link", { name: "Try" }).count()).toBe(0);
    const { entries } = await weir.client(MeteringService).listAuditEntries({ actor: key!.id });
    expect(entries.filter(({ outcome }) => outcome === "PERMISSION_DENIED")).toEqual([]);
    await theirs.context().close();
  });
});
