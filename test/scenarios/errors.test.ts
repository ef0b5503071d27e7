import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventStream, json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

let primary: ScriptedProvider;
let weir: Weir;

const closedPort = "http://127.0.0.1:9/v1";

beforeAll(async () => {
  primary = await startScriptedProvider(json(200, {}));
  weir = await startWeir({
    config: `
providers:
  primary: { vendor: openai, api_key: sk-canary-secret, base_url: "${primary.baseUrl}", models: [m] }
  dead: { vendor: openai, api_key: sk-canary-secret, base_url: "${closedPort}", models: [m] }
  dead-too: { vendor: anthropic, api_key: sk-canary-secret, base_url: "${closedPort}", models: [m] }
routes:
  works: { targets: [dead/m, primary/m] }
  down: { targets: [dead/m, dead-too/m] }
limits: { max_body_bytes: 4096 }
breaker: { minimum_calls: 1000 }
`,
  });
});
afterAll(async () => {
  await weir?.stop();
  await primary?.stop();
});

const hello = [{ role: "user", content: "hello" }];

interface DialectUnderTest {
  readonly path: string;
  readonly headers: (key: string) => Record<string, string>;
  /** Type and message as the dialect's clients find them. */
  readonly read: (body: never) => { type: string; message: string };
}

const dialects: Readonly<Record<string, DialectUnderTest>> = {
  openai: {
    path: "/v1/chat/completions",
    headers: (key) => ({ authorization: `Bearer ${key}` }),
    read: (body: { error: { type: string; message: string } }) => body.error,
  },
  anthropic: {
    path: "/v1/messages",
    headers: (key) => ({ "x-api-key": key, "anthropic-version": "2023-06-01" }),
    read: (body: { type: "error"; error: { type: string; message: string } }) => body.error,
  },
};

describe.each(Object.entries(dialects))("errors in the %s dialect", (_, dialect) => {
  const post = (body: string, key = weir.inferenceKey): Promise<Response> => fetch(weir.origin + dialect.path, { method: "POST", headers: { "content-type": "application/json", ...dialect.headers(key) }, body });
  const ask = (model: string, more: object = {}): string => JSON.stringify({ model, max_tokens: 10, messages: hello, ...more });

  test.each([
    ["a wrong key", 401, () => post(ask("works"), "weir_nonsense"), /key/],
    ["an unknown model", 404, () => post(ask("wrks")), /"works"/],
    ["malformed JSON", 400, () => post('{"model": "works",\n "messages": [}'), /line 2, column 15/],
    ["a body that is no object", 400, () => post("[1]"), /object/],
    ["a missing model", 400, () => post("{}"), /model/],
    ["a body over the limit", 413, () => post(JSON.stringify({ model: "works", padding: "x".repeat(5_000) })), /4096/],
    ["all targets down", 502, () => post(ask("down")), /dead\/m.*dead-too\/m/s],
  ])("%s is %i, with a request id that is in the log", async (_, status, call, message) => {
    const response = await call();
    expect(response.status).toBe(status);
    const error = dialect.read((await response.json()) as never);
    expect(error.message).toMatch(message);
    expect(error.type).toMatch(/error|request_too_large/);
    const requestId = response.headers.get("x-request-id") ?? response.headers.get("request-id");
    await expect.poll(() => weir.log().some((line) => line["requestId"] === requestId)).toBe(true);
  });

  test("a target that is down is passed over", async () => {
    primary.answerWith(json(200, { id: "c1", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "hi" } }], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } }));
    const response = await post(ask("works"));
    expect(response.status).toBe(200);
    expect(response.headers.get("x-weir-target")).toBe("primary/m");
    const attempts = await weir.attempts(2, { requestId: response.headers.get("x-request-id")! });
    expect(attempts.map(({ event }) => event!.intent!.provider).sort()).toEqual(["dead", "primary"]);
  });

  test.each([
    [400, 400],
    [429, 429],
    [500, 502],
    [401, 502],
  ])("the vendor's %i becomes %i, and no credential is in it", async (upstream, status) => {
    primary.answerWith(json(upstream, { error: { message: "bad key sk-canary-secret", type: "some_error", code: null, param: null } }, { "retry-after": "7" }));
    const response = await post(ask("primary/m"));
    expect(response.status).toBe(status);
    const text = await response.text();
    if (upstream === 401) expect(text).not.toContain("sk-canary-secret");
    if (upstream === 429) expect(response.headers.get("retry-after")).toBe("7");
  });

  test("a stream that the vendor cuts ends with an error event", async () => {
    primary.answerWith(eventStream(['data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"hel"},"finish_reason":null}]}\n\n']));
    const response = await post(ask("primary/m", { stream: true }));
    const text = await response.text();
    expect(text).toContain("hel");
    expect(text).toMatch(/"error"/);
    expect(text).not.toContain("[DONE]");
    expect(text).not.toContain("message_stop");
    const [attempt] = await weir.attempts(1, { requestId: (response.headers.get("x-request-id") ?? response.headers.get("request-id"))! });
    expect(attempt!.event!.outcome!.errorReason).toBe("UPSTREAM_INTERRUPTED");
  });
});

test("an unknown path is 404, a wrong method says which is right", async () => {
  expect((await fetch(`${weir.origin}/v1/nothing`, { method: "POST" })).status).toBe(404);
  const wrongMethod = await fetch(`${weir.origin}/v1/chat/completions`);
  expect(await wrongMethod.text()).toContain("Use POST");
});

test("bytes that are no HTTP are refused, and Weir lives on", async () => {
  const url = new URL(weir.origin);
  await new Promise<void>((resolve) => {
    const socket = connect(Number(url.port), url.hostname, () => socket.write("\0\x01\x02 nonsense\r\n\r\n"));
    socket.on("close", () => resolve());
    socket.on("error", () => undefined);
    socket.resume();
  });
  expect((await fetch(`${weir.origin}/v1/models`, { headers: { authorization: `Bearer ${weir.inferenceKey}` } })).status).toBe(200);
});

test("no log line holds a secret", () => {
  const log = JSON.stringify(weir.log());
  expect(log).not.toContain("sk-canary-secret");
  expect(log).not.toContain(weir.inferenceKey);
});
