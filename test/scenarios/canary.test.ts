/**
 * Proves that no secret, prompt or reply stays behind or comes out where it does not belong: marked ones go through every door, at debug level,
 * whatever the vendor answers, and are then looked for in logs, errors, metrics, traces, the database, and everything on disk.
 */
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { GenerationSchema, InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { ProvidersService } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { dialects } from "../../services/routing/edge/dialects.ts";
import { urlOf } from "../harness/database.ts";
import { createEmptyDatabase } from "../harness/database.ts";
import { startScriptedProvider, type Answer, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";
import { startTokenIssuer, type TokenIssuer } from "../harness/token-issuer.ts";
import { startTraceCollector, type TraceCollector } from "../harness/trace-collector.ts";

const prompt = "canary-prompt-5d1f0c";
const reply = "canary-reply-8b27aa";
const vendorKey = "canary-vendor-key-41c9e3";
const storedKey = "canary-stored-key-77ab10";
const formerKey = "canary-former-key-0fe2d4";
/** Files that hold a secret by design, for their owner alone. */
const secretFiles = new Set(["admin-key", "inference-key", "pepper", "credential-key", "weir.yaml", "database-url"]);

let upstream: ScriptedProvider;
let issuer: TokenIssuer;
let collector: TraceCollector;
let weir: Weir;
let database: Awaited<ReturnType<typeof createEmptyDatabase>>;
/** What must be nowhere. */
let secrets: Readonly<Record<string, string>>;
const replies: string[] = [];

beforeAll(async () => {
  [upstream, issuer, collector, database] = await Promise.all([startScriptedProvider(answers["a whole reply"]!), startTokenIssuer(), startTraceCollector(), createEmptyDatabase()]);
  const provider = (vendor: string, path = ""): string => `{ vendor: ${vendor}, api_key: ${vendorKey}, base_url: "${upstream.baseUrl}${path}" }`;
  weir = await startWeir({
    environment: { WEIR_DATABASE_URL: urlOf(database) },
    config: `
providers:
  openai: ${provider("openai")}
  anthropic: ${provider("anthropic")}
  gemini: ${provider("gemini")}
  stored: { vendor: openai, base_url: "${upstream.baseUrl}", stored_credentials: true }
breaker: { minimum_calls: 100000 }
logging: { level: debug }
tracing: { endpoint: "${collector.endpoint}" }
identity: { issuers: [{ issuer: "${issuer.url}", audiences: [weir], callers: [{ organization: default }] }] }
`,
  });
  const policy = weir.client(PolicyService);
  const { teams } = await policy.listTeams({});
  const { key, secret } = await policy.createKey({ teamId: teams[0]!.id, name: "canary" });
  const { secret: rotated } = await policy.rotateKey({ keyId: key!.id });
  const { token } = await weir.client(PolicyService, rotated).createToken({});
  const { credential } = await weir.client(ProvidersService).createCredential({ provider: "stored", name: "canary", secret: formerKey });
  await weir.client(ProvidersService).rotateCredential({ credentialId: credential!.id, secret: storedKey });
  const jwt = await issuer.token({ subject: "canary" });
  secrets = { "the admin key": weir.adminKey, "the inference key": weir.inferenceKey, "a key": rotated, "a key's former secret": secret, "a token": token, "a token of an issuer": jwt, "a vendor's key": vendorKey, "a stored credential": storedKey, "its former secret": formerKey };
});
afterAll(async () => {
  await weir?.stop();
  await Promise.all([upstream?.stop(), issuer?.stop(), collector?.stop()]);
});

/** What vendors may do, at their worst. Errors quote what they were sent, the credential included; of a reply that goes well every byte is the caller's. */
const answers: Readonly<Record<string, Answer>> = {
  "a whole reply": (_, response) =>
    void response.writeHead(200, { "content-type": "application/json" }).end(
      JSON.stringify({ id: "c1", object: "chat.completion", type: "message", role: "assistant", model: "m", text: reply, content: [{ type: "text", text: reply }], candidates: [{ content: { parts: [{ text: reply }] }, finishReason: "STOP" }], choices: [{ index: 0, finish_reason: "stop", text: reply, message: { role: "assistant", content: reply } }], stop_reason: "end_turn", usage: { prompt_tokens: 1, completion_tokens: 1, input_tokens: 1, output_tokens: 1 } }),
    ),
  "a refusal that quotes the request": (request, response) => void response.writeHead(400, { "content-type": "application/json" }).end(JSON.stringify({ error: { type: "invalid_request_error", message: `cannot read ${request.body.toString()} with ${JSON.stringify(request.headers)}` } })),
  "a refusal of the credential that quotes it": (request, response) => void response.writeHead(401, { "content-type": "application/json" }).end(JSON.stringify({ error: { message: `Incorrect API key provided: ${JSON.stringify(request.headers)}` } })),
  "what is no reply": (request, response) => void response.writeHead(200, { "content-type": "application/json" }).end(`{ ${reply} ${request.body.toString()}`),
  "a stream that breaks": (_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: reply } }] })}\n\ndata: {"broken": "${reply}`, () => response.destroy());
  },
};

/** A body in which every dialect finds what it looks for. */
function bodyFor(model: string, stream: boolean): object {
  const text = { type: "text", text: prompt };
  return { model, stream, max_tokens: 5, messages: [{ role: "user", content: prompt }], contents: [{ parts: [{ text: prompt }] }], content: { parts: [{ text: prompt }] }, input: prompt, prompt, query: prompt, documents: [prompt], texts: [prompt], system: prompt, voice: "alloy", metadata: { note: prompt }, unknown_field: [text] };
}

function formFor(model: string): FormData {
  const form = new FormData();
  form.set("model", model);
  form.set("prompt", prompt);
  form.set("file", new Blob([prompt], { type: "audio/wav" }), `${prompt}.wav`);
  form.set("image", new Blob([prompt], { type: "image/png" }), `${prompt}.png`);
  return form;
}

async function send(path: string, init: { readonly headers: Record<string, string>; readonly body?: string | FormData }): Promise<void> {
  const response = await fetch(weir.origin + path, { method: "POST", ...init });
  // A stream that breaks off rejects.
  replies.push(JSON.stringify([...response.headers]) + (await response.text().catch(String)));
}

async function throughEveryDoor(credential: string, model: string): Promise<void> {
  const places = dialects.flatMap(({ endpoints }) => endpoints).filter(({ method }) => method === "POST").map(({ path }) => path.replace("{model}", model));
  const authorization = `Bearer ${credential}`;
  const throughDoor = async (place: string): Promise<void> => {
    for (const stream of [false, true]) await send(place, { headers: { authorization, "content-type": "application/json" }, body: JSON.stringify(bodyFor(model, stream)) });
    await send(place, { headers: { authorization }, body: formFor(model) });
    await send(place, { headers: { authorization, "content-type": "application/json" }, body: `{ "broken": "${prompt}", ` });
    await send(`${place}?key=${credential}`, { headers: { "x-api-key": credential, "x-goog-api-key": credential, "content-type": "application/json" }, body: JSON.stringify(bodyFor("unknown", false)) });
  };
  await Promise.all([...places.map(throughDoor), throughRpc(credential, model)]);
}

async function throughRpc(credential: string, model: string): Promise<void> {
  const transport = createConnectTransport({ baseUrl: weir.origin, httpVersion: "1.1", interceptors: [(next) => (request) => {
    request.header.set("authorization", `Bearer ${credential}`);
    return next(request);
  }] });
  const inference = createClient(InferenceService, transport);
  const generation = create(GenerationSchema, { model, messages: [{ role: Role.USER, parts: [{ kind: { case: "text", value: { text: prompt } } }] }] });
  const drain = async (stream: AsyncIterable<unknown>): Promise<void> => {
    for await (const message of stream) expect(message).toBeDefined();
  };
  const outcomes = await Promise.allSettled([
    inference.generate({ generation }),
    drain(inference.streamGenerate({ generation })),
    inference.embed({ model, inputs: [prompt] }),
    inference.countTokens({ generation }),
    inference.moderate({ model, inputs: [{ parts: [{ kind: { case: "text", value: { text: prompt } } }] }] }),
    inference.rerank({ model, query: prompt, documents: [prompt] }),
    inference.generateImages({ model, prompt }),
    drain(inference.synthesizeSpeech({ model, input: prompt })),
  ]);
  for (const outcome of outcomes) if (outcome.status === "rejected") replies.push(String(outcome.reason));
}

test.each(Object.entries(answers))("whatever vendors answer, %s among it, no secret comes back to a caller", { timeout: 60_000 }, async (_, answer) => {
  upstream.answerWith(answer);
  replies.length = 0;
  const callers = [["a key", "openai/m"], ["a token", "anthropic/m"], ["a token of an issuer", "gemini/m"], ["the inference key", "stored/m"]] as const;
  for (const [name, model] of callers) await throughEveryDoor(secrets[name]!, model);
  expect(replies.length).toBeGreaterThan(300);
  for (const [name, secret] of Object.entries(secrets)) expect(replies.filter((text) => text.includes(secret)), name).toEqual([]);
});

test("afterwards nothing of them is in logs, metrics, traces, the database, or on disk", async () => {
  const seen = upstream.requests.map(({ headers, body }) => JSON.stringify(headers) + body.toString());
  // What never got there could not have been left behind.
  for (const marked of [prompt, vendorKey, storedKey]) expect(seen.some((text) => text.includes(marked))).toBe(true);
  await weir.attempts(100);
  const places: Readonly<Record<string, string>> = { ...(await tablesOf(database)), ...(await filesOf(weir.dataDirectory)), logs: JSON.stringify(weir.log()), metrics: await metricsOf(weir), traces: Buffer.concat(collector.requests.map(({ body }) => body)).toString("latin1") };
  expect(Object.keys(places).filter((place) => place.startsWith("table ")).length).toBeGreaterThan(8);
  expect(places["logs"]).toContain("request failed");
  expect(places["table metering.request_records"]).not.toBe("");
  expect(collector.spans.length).toBeGreaterThan(100);
  const marks = { ...secrets, "a prompt": prompt, "a reply": reply };
  const found = Object.entries(places).flatMap(([place, text]) => Object.entries(marks).flatMap(([name, mark]) => (holds(text, mark) ? [`${name} in ${place}`] : [])));
  expect(found).toEqual([]);
});

/** As it is, or as the database shows bytes. */
function holds(text: string, mark: string): boolean {
  return text.includes(mark) || text.includes(Buffer.from(mark).toString("hex"));
}

/** Every column of every row as text, bytes in hexadecimal. */
async function tablesOf(connection: pg.ClientConfig): Promise<Record<string, string>> {
  const client = new pg.Client(connection);
  await client.connect();
  try {
    const { rows: tables } = await client.query<{ name: string }>("SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND table_schema IN ('policy', 'metering', 'providers')");
    const texts: Record<string, string> = {};
    for (const { name } of tables) {
      const { rows } = await client.query<{ text: string | null }>(`SELECT string_agg(t::text, E'\\n') AS text FROM ${name} t`);
      texts[`table ${name}`] = rows[0]!.text ?? "";
    }
    return texts;
  } finally {
    await client.end();
  }
}

async function filesOf(directory: string): Promise<Record<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && !secretFiles.has(basename(entry.name))).map(({ parentPath, name }) => join(parentPath, name));
  return Object.fromEntries(await Promise.all(files.map(async (file) => [`file ${file}`, (await readFile(file)).toString("latin1")] as const)));
}

async function metricsOf({ processes }: Weir): Promise<string> {
  const all = processes.map(async ({ adminOrigin }) => (await fetch(`${adminOrigin}/metrics`)).text());
  return (await Promise.all(all)).join("\n");
}
