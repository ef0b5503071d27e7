/** Proves that plug-ins judge what goes in and what comes out, within their bounds, and what happens when they do not. */
import { spawn, type ChildProcess } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { createServer, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { GuardrailPluginService, Side, type CheckRequest, type CheckResponseSchema } from "#gen/weir/guardrail/v1/guardrail_plugin_service_pb.ts";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { RoutingService } from "#gen/weir/routing/v1/routing_service_pb.ts";
import { allServices } from "../../services/compose/catalog.ts";
import { loadSettings } from "../../services/compose/settings/settings.ts";
import { runWeir } from "../harness/run-weir.ts";
import { eventStream, json, startScriptedProvider, type Answer, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { freePort } from "../harness/free-port.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

type Response = MessageInitShape<typeof CheckResponseSchema>;
type Check = (request: CheckRequest, signal: AbortSignal) => Response | Promise<Response>;

const webhookSecrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="];

let upstream: ScriptedProvider;
let plugin: Http2Server;
let webhook: ScriptedProvider;
let example: ChildProcess;
let weir: Weir;
let check: Check;
const asked: CheckRequest[] = [];

const allow: Response = { verdict: { case: "allow", value: {} } };
const block: Response = { verdict: { case: "block", value: { reason: "no insults" } } };
const annotate: Response = { verdict: { case: "annotate", value: { reason: "rather rude" } } };
/** Masks every mention of the sea, after a character of two units. */
const maskSea: Check = ({ texts }) => {
  const spans = texts.flatMap(({ id: textId, text }) => [...text.matchAll(/sea/g)].map(({ index }) => ({ textId, start: Array.from(text.slice(0, index)).length, end: Array.from(text.slice(0, index)).length + 3, label: "WATER" })));
  return spans.length === 0 ? allow : { verdict: { case: "mask", value: { spans } } };
};

beforeAll(async () => {
  upstream = await startScriptedProvider(() => undefined);
  plugin = createServer(
    connectNodeAdapter({
      routes: (router) =>
        router.service(GuardrailPluginService, {
          check: (request, { signal }) => {
            asked.push(request);
            return check(request, signal);
          },
        }),
    }),
  );
  await new Promise<void>((resolve) => plugin.listen(0, "127.0.0.1", resolve));
  webhook = await startScriptedProvider(() => undefined);
  const examplePort = await freePort();
  example = spawn(process.execPath, ["examples/guardrail-plugin.ts", String(examplePort)], { stdio: ["ignore", "pipe", "inherit"] });
  await once(example.stdout!, "data");
  const modes = ["block", "mask", "annotate", "shadow"];
  weir = await startWeir({
    config: `
providers:
  oai: { vendor: openai, api_key: sk-openai-secret, base_url: "${upstream.baseUrl}", models: [m] }
  lost: { vendor: openai, api_key: sk-openai-secret, base_url: "http://127.0.0.1:1/v1", models: [m] }
routes:
${[...modes, ...modes.map((mode) => `out-${mode}`), "example", "restore", "open", "closed", "gone", "quick", "full", "small", "hook"].map((name) => `  ${name}: { targets: [oai/m] }`).join("\n")}
  fallback: { targets: [lost/m, oai/m] }
breaker: { minimum_calls: 1000 }
guardrail_plugins:
  test: { url: "grpc://127.0.0.1:${(plugin.address() as AddressInfo).port}" }
  one-at-a-time: { url: "grpc://127.0.0.1:${(plugin.address() as AddressInfo).port}", max_concurrent_calls: 1 }
  small: { url: "grpc://127.0.0.1:${(plugin.address() as AddressInfo).port}", max_message_bytes: 1024 }
  example: { url: "grpc://127.0.0.1:${examplePort}" }
  nobody: { url: "grpc://127.0.0.1:1" }
  hook: { url: "${webhook.baseUrl}/judge?for=weir", secrets: [${webhookSecrets.join(", ")}], max_concurrent_calls: 100 }
guardrails:
${modes.map((mode) => `  - { name: in-${mode}, models: [${mode}${mode === "block" ? ", fallback" : ""}], plugin: test, mode: ${mode}, sides: [input] }`).join("\n")}
${modes.map((mode) => `  - { name: out-${mode}, models: [out-${mode}], plugin: test, mode: ${mode}, sides: [output] }`).join("\n")}
  - { name: people, models: [example], plugin: example, mode: mask }
  - { name: hide, models: [restore], plugin: test, mode: mask, sides: [input], restore: true }
  - { name: open, models: [open], plugin: nobody, mode: block, fail_open: true, timeout: 2s }
  - { name: closed, models: [closed], plugin: nobody, mode: block, timeout: 2s }
  - { name: counted, models: [gone], plugin: nobody, mode: annotate }
  - { name: quick, models: [quick], plugin: test, mode: block, sides: [input], timeout: 1s }
  - { name: full, models: [full], plugin: one-at-a-time, mode: block, sides: [input] }
  - { name: hooked, models: [hook], plugin: hook, mode: mask, sides: [input] }
  - { name: small, models: [small], plugin: small, mode: block, sides: [input] }
`,
  });
});
afterAll(async () => {
  await weir?.stop();
  await upstream?.stop();
  await webhook?.stop();
  plugin?.close();
  example?.kill();
});
beforeEach(() => {
  asked.length = 0;
  check = () => allow;
  upstream.answerWith(says("done"));
});

const lastSent = (): string => upstream.requests.at(-1)!.body.toString();
const openai = (): OpenAI => new OpenAI({ apiKey: weir.inferenceKey, baseURL: `${weir.origin}/v1`, maxRetries: 0 });

/** OpenAI's answer with this text, in one piece or in pieces of three characters, as asked for. */
function says(text: string): Answer {
  const chunk = (delta: object, finish: string | null): string => `data: ${JSON.stringify({ id: "c", created: 1, model: "m", object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
  const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
  return (request, response) => {
    if ((JSON.parse(request.body.toString()) as { stream?: boolean }).stream !== true) {
      return json(200, { id: "c", created: 1, model: "m", object: "chat.completion", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: text } }], usage })(request, response);
    }
    const pieces = text.match(/[\s\S]{1,3}/gu)!.map((content) => chunk({ content }, null));
    return eventStream([...pieces, chunk({}, "stop"), `data: ${JSON.stringify({ id: "c", created: 1, model: "m", object: "chat.completion.chunk", choices: [], usage })}\n\n`, "data: [DONE]\n\n"])(request, response);
  };
}

interface Told {
  readonly text: string;
  readonly warnings: string;
}

async function ask(model: string, content: string): Promise<Told> {
  const { data, response } = await openai().chat.completions.create({ model, messages: [{ role: "user", content }] }).withResponse();
  return { text: data.choices[0]!.message.content!, warnings: response.headers.get("x-weir-warnings") ?? "" };
}

async function askForStream(model: string, content: string): Promise<Told> {
  const { data, response } = await openai().chat.completions.create({ model, stream: true, messages: [{ role: "user", content }] }).withResponse();
  let text = "";
  for await (const chunk of data) text += chunk.choices[0]?.delta.content ?? "";
  return { text, warnings: response.headers.get("x-weir-warnings") ?? "" };
}

/** What is thrown, as text. */
const refusal = (told: Promise<unknown>): Promise<string> => told.then(() => "none", String);

test("the input is judged before it goes out, as the mode says", async () => {
  check = () => block;
  expect(await refusal(ask("block", "You fool."))).toMatch(/400 .*"in-block" blocked this call: plugin:test objects \(no insults\) to its input/);
  expect(await refusal(ask("mask", "You fool."))).toContain("in-mask");
  expect(upstream.requests.length).toBe(0);
  expect((await ask("annotate", "You fool.")).warnings).toBe("input: guardrail in-annotate plugin:test objects (no insults)");
  expect((await ask("shadow", "You fool.")).warnings).toBe("");

  check = () => annotate;
  expect((await ask("block", "You fool.")).warnings).toBe("input: guardrail in-block plugin:test objects (rather rude)");

  check = maskSea;
  expect(await refusal(ask("block", "By the sea."))).toContain("in-block");
  expect((await ask("mask", "🌊 By the sea, the sea.")).warnings).toBe("input: guardrail in-mask masked what plugin:test objects to");
  expect(lastSent()).toContain("🌊 By the [WATER_1], the [WATER_1].");
  await ask("annotate", "By the sea.");
  expect(lastSent()).toContain("By the sea.");

  check = ({ texts }) => ({ verdict: { case: "mask", value: { texts: texts.map(({ id, text }) => ({ id, text: text.toUpperCase() })) } } });
  await ask("mask", "quietly");
  expect(lastSent()).toContain("QUIETLY");
});

test("what it is told of the call", async () => {
  await weir.client(InferenceService, weir.inferenceKey).generate({ generation: { model: "block", labels: { application: "shop" }, messages: [{ role: Role.USER, parts: ["one", " ", "two"].map((text) => ({ kind: { case: "text" as const, value: { text } } })) }] } });
  const [attempt] = await weir.attempts(1);
  const { organizationId, teamId, keyId } = attempt!.event!.intent!.attribution!;
  expect(asked).toMatchObject([{ requestId: expect.stringMatching(/^req_/) as string, guardrail: "in-block", side: Side.INPUT, operation: "Generate", organizationId, teamId, keyId, model: "block", labels: { application: "shop" }, texts: [{ id: "1", text: "one" }, { id: "2", text: "two" }] }]);
});

test("the output is judged as a whole, streaming or not", async () => {
  upstream.answerWith(says("🌊 By the sea, at sea."));
  for (const [how, asking] of Object.entries({ ask, askForStream })) {
    asked.length = 0;
    check = maskSea;
    expect((await asking("out-mask", "Where?")).text, how).toBe("🌊 By the [WATER_1], at [WATER_1].");
    expect((await asking("out-annotate", "Where?")).text, how).toBe("🌊 By the sea, at sea.");
    expect((await asking("out-shadow", "Where?")).text, how).toBe("🌊 By the sea, at sea.");
    expect(await refusal(asking("out-block", "Where?")), how).toMatch(/400 .*out-block/);
    await expect.poll(() => asked.length, { message: how }).toBe(4);
    expect(asked.map(({ texts }) => texts.map(({ text }) => text)), how).toEqual(Array.from({ length: 4 }, () => ["🌊 By the sea, at sea."]));
  }
  check = () => allow;
  expect((await askForStream("out-block", "Where?")).text).toBe("🌊 By the sea, at sea.");
});

test("a rule in shadow is asked beside the call, which does not wait for it", async () => {
  const answer = Promise.withResolvers<Response>();
  check = () => answer.promise;
  expect((await ask("shadow", "You fool.")).text).toBe("done");
  expect((await askForStream("out-shadow", "Where?")).text).toBe("done");
  answer.resolve(block);
  const foundBy = (rule: string): boolean => weir.log().some((line) => line["msg"] === "a guardrail found something" && line["rule"] === rule && line["detector"] === "plugin:test");
  await expect.poll(() => foundBy("in-shadow") && foundBy("out-shadow")).toBe(true);
});

test("the arguments of tools are judged, and changed, as JSON", async () => {
  check = maskSea;
  const call = { id: "call_1", type: "function", function: { name: "go", arguments: JSON.stringify({ to: 'the "sea"', by: ["sea"] }) } };
  const chunk = (delta: object, finish: string | null): string => `data: ${JSON.stringify({ id: "c", created: 1, model: "m", object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
  const pieces = call.function.arguments.match(/.{1,4}/g)!.map((piece) => chunk({ tool_calls: [{ index: 0, function: { arguments: piece } }] }, null));
  upstream.answerWith(eventStream([chunk({ tool_calls: [{ ...call, index: 0, function: { name: "go", arguments: "" } }] }, null), ...pieces, chunk({}, "tool_calls"), "data: [DONE]\n\n"]));
  let streamed = "";
  for await (const { choices } of await openai().chat.completions.create({ model: "out-mask", stream: true, messages: [{ role: "user", content: "Go." }] })) streamed += choices[0]?.delta.tool_calls?.[0]?.function?.arguments ?? "";
  expect(JSON.parse(streamed)).toEqual({ to: 'the "[WATER_1]"', by: ["[WATER_1]"] });
});

test("other operations are judged alike", async () => {
  upstream.answerWith(json(200, { object: "list", model: "m", data: [{ object: "embedding", index: 0, embedding: [0.5] }], usage: { prompt_tokens: 1, total_tokens: 1 } }));
  check = maskSea;
  await openai().embeddings.create({ model: "mask", input: ["one", "two sea"], encoding_format: "float" });
  expect(JSON.parse(lastSent())).toMatchObject({ input: ["one", "two [WATER_1]"] });
  expect(asked).toMatchObject([{ operation: "Embed", texts: [{ text: "one" }, { text: "two sea" }] }]);
  check = () => block;
  expect(await refusal(openai().images.edit({ model: "block", prompt: "You fool.", image: new File([new Uint8Array([1])], "a.png") }))).toContain("400");
});

test("what was masked comes back in the reply", async () => {
  check = maskSea;
  upstream.answerWith(says("Oh [WATER_1]!"));
  expect((await ask("restore", "Sing of the sea.")).text).toBe("Oh sea!");
  expect((await askForStream("restore", "Sing of the sea.")).text).toBe("Oh sea!");
});

test("a call that is tried at a second target is judged once", async () => {
  await ask("fallback", "Hello");
  expect(asked).toHaveLength(1);
});

test("without a judgement, texts pass or not, as the rule says", async () => {
  expect((await ask("open", "Hello")).warnings).toContain("input: guardrail open was passed over: plugin:nobody gave no judgement");
  expect((await ask("gone", "Hello")).warnings).toContain("guardrail counted was passed over");
  expect(await refusal(ask("closed", "Hello"))).toMatch(/503 .*"closed" could not be carried out: plugin:nobody/);
  for (const broken of [{}, { verdict: { case: "mask" as const, value: {} } }, { verdict: { case: "mask" as const, value: { spans: [{ textId: "1", start: 2, end: 99, label: "X" }] } } }, { verdict: { case: "mask" as const, value: { texts: [{ id: "7", text: "x" }] } } }]) {
    check = () => broken;
    expect(await refusal(ask("block", "Hello")), JSON.stringify(broken)).toContain("503");
  }
  check = () => {
    throw new Error("it quotes: Hello prompt");
  };
  expect(await refusal(ask("block", "Hello prompt"))).toContain("503");
  expect(JSON.stringify(weir.log())).not.toContain("Hello prompt");
  const before = asked.length;
  expect(await refusal(ask("small", "x".repeat(2_000)))).toContain("503");
  expect(asked.length).toBe(before);
});

test("it has the rule's time and no more, and is told when the caller leaves", async () => {
  const aborted = Promise.withResolvers<void>();
  check = (_, signal) => new Promise(() => signal.addEventListener("abort", () => aborted.resolve()));
  expect(await refusal(ask("quick", "Hello"))).toContain("503");
  await aborted.promise;

  const [asking, left] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  check = (_, signal) => {
    asking.resolve();
    return new Promise(() => signal.addEventListener("abort", () => left.resolve()));
  };
  const leaving = new AbortController();
  const told = openai().chat.completions.create({ model: "block", messages: [{ role: "user", content: "Hello" }] }, { signal: leaving.signal });
  await asking.promise;
  leaving.abort();
  await Promise.all([left.promise, refusal(told)]);
});

test("no more calls at once than it may have", async () => {
  const [asking, answer] = [Promise.withResolvers<void>(), Promise.withResolvers<Response>()];
  check = () => {
    asking.resolve();
    return answer.promise;
  };
  const first = ask("full", "Hello");
  await asking.promise;
  expect(await refusal(ask("full", "Hello"))).toContain("503");
  answer.resolve(allow);
  expect((await first).text).toBe("done");
});

test("the example hides people and keeps the merger secret", async () => {
  upstream.answerWith(says("Grace Hopper knows."));
  expect((await ask("example", "Does Ada Lovelace know?")).text).toBe("[PERSON_2] knows.");
  expect(lastSent()).toContain("Does [PERSON_1] know?");
  expect(await refusal(ask("example", "When is the merger?"))).toContain("the merger is not public");
});

test("a webhook is asked in signed JSON, and answers in JSON", async () => {
  webhook.answerWith(json(200, { mask: { spans: [{ textId: "1", start: 4, end: 7, label: "WATER" }] }, ofTomorrow: 1 }));
  const startSeconds = Math.floor(Date.now() / 1_000);
  await ask("hook", "The sea.");
  expect(lastSent()).toContain("The [WATER_1].");
  const { method, path, headers, body } = webhook.requests[0]!;
  expect([method, path, headers["content-type"]]).toEqual(["POST", "/v1/judge?for=weir", "application/json"]);
  expect(JSON.parse(body.toString())).toMatchObject({ guardrail: "hooked", side: "SIDE_INPUT", operation: "Generate", model: "hook", texts: [{ id: "1", text: "The sea." }] });
  const [id, timestamp] = [String(headers["webhook-id"]), String(headers["webhook-timestamp"])];
  expect(Number(timestamp)).toBeGreaterThanOrEqual(startSeconds);
  const signatures = webhookSecrets.map((secret) => `v1,${createHmac("sha256", Buffer.from(secret.slice(6), "base64")).update(`${id}.${timestamp}.${body.toString()}`).digest("base64")}`);
  expect(headers["webhook-signature"]).toBe(signatures.join(" "));

  webhook.answerWith(json(200, { block: { reason: "no swimming" } }));
  expect(await refusal(ask("hook", "The sea."))).toContain("plugin:hook objects (no swimming)");
  expect(webhook.requests[1]!.headers["webhook-id"]).not.toBe(id);
  const broken: Answer[] = [json(500, { allow: {} }), json(200, {}), (_, response) => void response.writeHead(302, { location: "/" }).end(), (_, response) => void response.end("no JSON"), (_, response) => void response.destroy()];
  for (const answer of broken) {
    webhook.answerWith(answer);
    expect(await refusal(ask("hook", "The sea."))).toContain("503");
  }
});

test("a webhook may answer as much as a plug-in that speaks gRPC", async () => {
  const answers = (bytes: number) => (_: unknown, response: ServerResponse) => void response.end(JSON.stringify({ mask: { spans: [{ textId: "1", start: 4, end: 7, label: "WATER" }] } }).padEnd(bytes));
  webhook.answerWith(answers(4 * 1024 * 1024));
  await ask("hook", "The sea.");
  expect(lastSent()).toContain("The [WATER_1].");
  webhook.answerWith(answers(17 * 1024 * 1024));
  expect(await refusal(ask("hook", "The sea."))).toContain("503");
});

test("a webhook is asked as often at once as it may be", async () => {
  const waiting: (() => void)[] = [];
  webhook.answerWith((request, response) => {
    waiting.push(() => void json(200, { allow: {} })(request, response));
    if (waiting.length === 100) for (const answer of waiting) answer();
  });
  expect(await Promise.all(Array.from({ length: 100 }, () => ask("hook", "Hello")))).toHaveLength(100);
});

test("a rule can be tried, and made by the command", async () => {
  check = maskSea;
  const { maskedText, judgement } = await weir.client(RoutingService).testGuardrail({ rule: { name: "try", mode: "shadow", detectors: ["email"], check: { case: "plugin", value: "test" } }, text: "ada@example.com at sea" });
  expect(maskedText).toBe("[EMAIL_1] at [WATER_1]");
  expect(judgement).toMatchObject({ check: "plugin:test", verdict: "mask", reason: "" });

  // Who writes a plug-in hears what is wrong with its answer.
  const tryAnswer = (spans: readonly { start: number; end: number; label: string }[]): Promise<unknown> => {
    check = ({ texts }) => ({ verdict: { case: "mask", value: { spans: spans.map((span) => ({ textId: texts[0]!.id, ...span })) } } });
    return weir.client(RoutingService).testGuardrail({ rule: { name: "try", mode: "mask", check: { case: "plugin", value: "test" } }, text: "The sea." });
  };
  await expect(tryAnswer([{ start: 0, end: 3, label: "A" }, { start: 2, end: 5, label: "B" }])).rejects.toThrow('The answer of the guardrail plug-in "test" cannot be used. Its spans overlap.');
  await expect(tryAnswer([{ start: 0, end: 3, label: "small" }])).rejects.toThrow("cannot be used. The answer breaks the rules of its contract. mask.spans[0].label: must be capitals, digits and _");

  const run = async (...words: string[]): Promise<string> => (await runWeir(["guardrails", ...words], { environment: { WEIR_DATA: weir.dataDirectory } })).stdout;
  await run("create", "by-cli", "--mode", "block", "--plugin", "test", "--timeout-ms", "900", "--fail-open", "--model", "nobody/*");
  const { guardrails } = await weir.client(PolicyService).listGuardrails({});
  expect(guardrails.at(-1)!.rule).toMatchObject({ name: "by-cli", check: { case: "plugin", value: "test" }, timeout: { nanos: 900_000_000 }, failOpen: true });
  check = () => block;
  expect(await run("test", "by-cli", "You fool.")).toContain("plugin:test: block (no insults)");
});

test("how long judgements take, and what comes of them, is measured", async () => {
  await ask("block", "Hello");
  const metrics = await (await fetch(`${weir.processes[0]!.adminOrigin}/metrics`)).text();
  expect(metrics).toMatch(/weir_guardrail_check_duration_seconds_count\{rule="in-block",check="plugin:test",outcome="allow"\} \d/);
  expect(metrics).toMatch(/weir_guardrail_check_duration_seconds_count\{rule="quick",check="plugin:test",outcome="DEADLINE_EXCEEDED"\} 1/);
});

test.each([
  ["guardrails: [{ name: x, plugin: nobody, mode: block }]", /names no plug-in/],
  ["guardrail_plugins: { x: { url: 'ftp://x:1' } }", /url/],
  ["guardrail_plugins: { x: { url: 'grpc://x:1', tls: {} } }", /certificates belong to TLS/],
  ["guardrail_plugins: { x: { url: 'https://x' } }", /a webhook needs secrets/],
  ["guardrail_plugins: { x: { url: 'https://x', secrets: [whsec_c2hvcnQ=] } }", /secrets/],
  ["guardrails: [{ name: x, words: [y], mode: block, fail_open: true }]", /fail_open are about others/],
])("%s is refused", async (text, fault) => {
  const path = join(weir.dataDirectory, "broken.yaml");
  await writeFile(path, text);
  await expect(loadSettings(path, {}, allServices)).rejects.toThrow(fault);
});
