import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import OpenAI, { toFile } from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { TimedUnit, TranscribeRequestSchema } from "#gen/weir/inference/v1/transcription_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { readForm } from "#platform/formats/multipart.ts";
import { eventStream, json, startScriptedProvider, type Answer, type ScriptedProvider, type UpstreamRequest } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

let upstream: ScriptedProvider;
let weir: Weir;
let client: OpenAI;

beforeAll(async () => {
  upstream = await startScriptedProvider(() => undefined);
  weir = await startWeir({
    config: `
providers:
  oai: { vendor: openai, api_key: sk-openai-secret, base_url: "${upstream.baseUrl}" }
  ant: { vendor: anthropic, api_key: sk-anthropic-secret, base_url: "${upstream.baseUrl}" }
routes: { ears: { targets: [ant/none, oai/down, oai/whisper] } }
limits: { max_body_bytes: 4194304, max_media_bytes: 2097152 }
`,
  });
  client = new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey: weir.inferenceKey, maxRetries: 0 });
});
afterAll(async () => {
  await weir?.stop();
  await upstream?.stop();
});

const sound = Buffer.from(Array.from({ length: 160_000 }, (_, index) => (index * 7919) >> 3));
const recording = (): Promise<File> => toFile(sound, "Grüße.mp3", { type: "audio/mpeg" });
const plain = (body: string): Answer => (_, response) => void response.writeHead(200, { "content-type": "text/plain; charset=utf-8" }).end(body);

async function fieldsOf(request: UpstreamRequest): Promise<Record<string, string>> {
  const { parts } = await readForm(request.body, request.headers["content-type"]!);
  return Object.fromEntries(parts.filter(({ filename }) => filename === undefined).map(({ name, content }) => [name, Buffer.from(content).toString()]));
}

async function usageOf(requestId: string): Promise<{ readonly source: UsageSource; readonly meters: readonly (readonly [Meter, bigint])[]; readonly operation: string }> {
  const { intent, outcome } = (await weir.attempts(1, { requestId }))[0]!.event!;
  return { operation: intent!.operation, source: outcome!.usage!.source, meters: outcome!.usage!.quantities.map(({ meter, quantity }) => [meter, quantity]) };
}

test("the form goes on as it came but for the model, and the reply's bytes come back", async () => {
  const reply = '{"text":"Hello.",  "of_tomorrow":1,"usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":4,"audio_tokens":10},"output_tokens":3,"total_tokens":17}}\n';
  upstream.answerWith((_, response) => void response.writeHead(200, { "content-type": "application/json" }).end(reply));
  const form = new FormData();
  form.append("file", new Blob([sound], { type: "audio/mpeg" }), "a b.mp3");
  form.append("include[]", "logprobs");
  form.append("model", "oai/gpt-4o-transcribe");
  form.append("field_of_tomorrow", "Grüße\r\n--");
  const body = new Response(form);
  const contentType = body.headers.get("content-type")!;
  const bytes = Buffer.from(await body.arrayBuffer());
  const place = upstream.requests.length;
  const response = await fetch(`${weir.origin}/v1/audio/transcriptions`, { method: "POST", headers: { authorization: `Bearer ${weir.inferenceKey}`, "content-type": contentType }, body: bytes });
  expect(await response.text()).toBe(reply);
  const sent = await upstream.request(place);
  expect(sent.path).toBe("/v1/audio/transcriptions");
  expect(sent.headers).toMatchObject({ "content-type": contentType, authorization: "Bearer sk-openai-secret" });
  expect(sent.body.toString("latin1")).toBe(bytes.toString("latin1").replace("oai/gpt-4o-transcribe", "gpt-4o-transcribe"));
  const usage = await usageOf(response.headers.get("x-request-id")!);
  expect(usage).toEqual({ operation: "transcribe", source: UsageSource.PROVIDER, meters: [[Meter.INPUT_TOKENS, 4n], [Meter.OUTPUT_TOKENS, 3n], [Meter.AUDIO_INPUT_TOKENS, 10n]] });
});

test.each(["text", "srt", "vtt"] as const)("the openai SDK gets %s as text, and the ledger an estimate of the recording's length", async (format) => {
  upstream.answerWith(plain("1\n00:00:00,000 --> 00:00:01,000\nHello.\n"));
  const { data, response } = await client.audio.transcriptions.create({ file: await recording(), model: "oai/whisper", response_format: format }).withResponse();
  expect(data).toBe("1\n00:00:00,000 --> 00:00:01,000\nHello.\n");
  expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
  const { source, meters } = await usageOf(response.headers.get("x-request-id")!);
  expect(source).toBe(UsageSource.ESTIMATED);
  expect(meters[0]![0]).toBe(Meter.AUDIO_MILLISECONDS);
  expect(meters[0]![1]).toBe(10_000n);
});

test("a field that looks like a recording says nothing of the length", async () => {
  upstream.answerWith(plain("Hello."));
  const wav = Buffer.alloc(44, "\x01");
  wav.write("RIFF", 0);
  wav.write("WAVEfmt ", 8);
  const { response } = await client.audio.transcriptions.create({ prompt: wav.toString("latin1"), file: await recording(), model: "oai/whisper", response_format: "text" }).withResponse();
  expect((await usageOf(response.headers.get("x-request-id")!)).meters).toEqual([[Meter.AUDIO_MILLISECONDS, 10_000n]]);
});

test("whether to stream is said in a word that all understand alike", async () => {
  const place = upstream.requests.length;
  const send = async (stream: string): Promise<Response> => {
    const form = new FormData();
    form.append("file", await recording());
    form.append("model", "oai/whisper");
    form.append("stream", stream);
    return fetch(`${weir.origin}/v1/audio/transcriptions`, { method: "POST", headers: { authorization: `Bearer ${weir.inferenceKey}` }, body: form });
  };
  expect(await (await send("yes")).json()).toMatchObject({ error: { param: "stream" } });
  expect(upstream.requests).toHaveLength(place);
  const streamed = await send("True");
  expect(streamed.status).toBe(200);
  // To its end: until then it takes up the room that the next recording needs.
  await streamed.text();
});

test.each([
  [{ usage: { type: "duration", seconds: 12.4 } }, 12_400n],
  [{ duration: 3.5 }, 3500n],
])("the openai SDK gets verbose JSON, and the ledger what it says of the length: %j", async (said, expectedMs) => {
  upstream.answerWith(json(200, { task: "transcribe", language: "english", text: "Hello.", segments: [], ...said }));
  const { data, response } = await client.audio.transcriptions.create({ file: await recording(), model: "oai/whisper", response_format: "verbose_json", timestamp_granularities: ["word"] }).withResponse();
  expect(data).toMatchObject({ text: "Hello.", language: "english" });
  expect(await usageOf(response.headers.get("x-request-id")!)).toEqual({ operation: "transcribe", source: UsageSource.PROVIDER, meters: [[Meter.AUDIO_MILLISECONDS, expectedMs]] });
});

test("the openai SDK gets events, and the ledger the usage in the last one", async () => {
  upstream.answerWith(
    eventStream([
      'data: {"type":"transcript.text.delta","delta":"Hel"}\n\n',
      'data: {"type":"transcript.text.delta","delta":"lo."}\n\n',
      'data: {"type":"transcript.text.done","text":"Hello.","usage":{"type":"tokens","input_tokens":10,"input_token_details":{"audio_tokens":10,"text_tokens":0},"output_tokens":3,"total_tokens":13}}\n\n',
    ]),
  );
  const { data, response } = await client.audio.transcriptions.create({ file: await recording(), model: "oai/gpt-4o-transcribe", stream: true }).withResponse();
  const types: string[] = [];
  for await (const event of data) types.push(event.type);
  expect(types).toEqual(["transcript.text.delta", "transcript.text.delta", "transcript.text.done"]);
  expect((await usageOf(response.headers.get("x-request-id")!)).meters).toEqual([[Meter.OUTPUT_TOKENS, 3n], [Meter.AUDIO_INPUT_TOKENS, 10n]]);
});

test("a model that knows no events may answer without them", async () => {
  upstream.answerWith(json(200, { text: "Hello." }));
  const form = new FormData();
  form.append("file", await recording());
  form.append("model", "oai/whisper");
  form.append("stream", "true");
  const response = await fetch(`${weir.origin}/v1/audio/transcriptions`, { method: "POST", headers: { authorization: `Bearer ${weir.inferenceKey}` }, body: form });
  expect(response.headers.get("content-type")).toBe("application/json");
  expect(await response.json()).toEqual({ text: "Hello." });
});

test("translations have a path of their own; the next target gets the same form with its own model", async () => {
  const place = upstream.requests.length;
  upstream.answerWith((request, response) => (request.body.includes("down") ? json(503, {})(request, response) : json(200, { text: "Hello." })(request, response)));
  const { data, response } = await client.audio.translations.create({ file: await recording(), model: "ears", prompt: "short" }).withResponse();
  expect(data.text).toBe("Hello.");
  expect(response.headers.get("x-weir-target")).toBe("oai/whisper");
  const sent = upstream.requests.slice(place);
  expect(sent.map(({ path }) => path)).toEqual(["/v1/audio/translations", "/v1/audio/translations"]);
  expect(await fieldsOf(sent[0]!)).toEqual({ model: "down", prompt: "short" });
  expect(await fieldsOf(sent[1]!)).toEqual({ model: "whisper", prompt: "short" });
});

test("what cannot be routed is refused before a vendor hears of it", async () => {
  const place = upstream.requests.length;
  const send = (body: FormData | string, headers: Record<string, string> = {}): Promise<Response> => fetch(`${weir.origin}/v1/audio/transcriptions`, { method: "POST", headers: { authorization: `Bearer ${weir.inferenceKey}`, ...headers }, body });
  const withoutModel = new FormData();
  withoutModel.append("file", await recording());
  expect(await (await send(withoutModel)).json()).toMatchObject({ error: { param: "model" } });
  expect((await send("{}", { "content-type": "application/json" })).status).toBe(400);
  const large = new FormData();
  large.append("model", "oai/whisper");
  large.append("file", new Blob([Buffer.alloc(5 * 1024 * 1024)]));
  expect((await send(large)).status).toBe(413);
  await expect(client.audio.transcriptions.create({ file: await recording(), model: "ant/none" })).rejects.toMatchObject({ code: "unsupported_operation" });
  expect(upstream.requests).toHaveLength(place);
});

/** Of two, one is beyond `max_media_bytes`. */
const large = Buffer.alloc(1_200_000);

test("no more is held at once than the bound, and what is held is let go at the end", async () => {
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
  const place = upstream.requests.length;
  upstream.answerWith(async (request, response) => {
    await answered;
    await json(200, { text: "Hello." })(request, response);
  });
  const ask = async (): Promise<string> => (await client.audio.transcriptions.create({ file: await toFile(large, "long.mp3"), model: "oai/whisper" })).text;
  const first = ask();
  await upstream.request(place);
  await expect(ask()).rejects.toMatchObject({ status: 503, code: "overloaded" });
  answer();
  expect(await first).toBe("Hello.");
  expect(await ask()).toBe("Hello.");
});

test("what is large is held within one bound, through whatever door it comes", async () => {
  const rpc = weir.client(InferenceService, weir.inferenceKey);
  const arrived = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  upstream.answerWith((request, response) => {
    arrived.resolve();
    void release.promise.then(() => plain("Hello.")(request, response));
  });
  const first = rpc.transcribe({ model: "oai/whisper", audio: large, mediaType: "audio/mpeg" }).catch(() => undefined);
  await arrived.promise;
  const place = upstream.requests.length;
  const message = (kind: object): never => ({ role: Role.USER, parts: [{ kind }] }) as never;
  const generation = { model: "oai/m", messages: [message({ case: "image", value: { media: { source: { case: "data", value: large }, mediaType: "image/png" } } })] };
  const url = `data:image/png;base64,${large.toString("base64")}`;
  const refused: readonly (() => Promise<unknown>)[] = [
    () => rpc.transcribe({ model: "oai/whisper", audio: large, mediaType: "audio/mpeg" }),
    () => rpc.editImages({ model: "oai/m", prompt: "more", images: [{ data: large, mediaType: "image/png" }] }),
    () => rpc.uploadFile({ filename: "a", purpose: "vision", content: large }),
    () => rpc.generate({ generation }),
    async () => { for await (const event of rpc.streamGenerate({ generation })) expect(event).toBeUndefined(); },
    () => rpc.countTokens({ generation }),
  ];
  for (const call of refused) await expect(call()).rejects.toMatchObject({ code: Code.Unavailable, message: expect.stringContaining("limits.max_media_bytes") as string });
  await expect(client.chat.completions.create({ model: "oai/m", messages: [{ role: "user", content: [{ type: "image_url", image_url: { url } }] }] })).rejects.toMatchObject({ status: 503, code: "overloaded" });
  expect(upstream.requests).toHaveLength(place);
  release.resolve();
  await first;
  upstream.answerWith(json(200, { id: "c", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "hi" } }] }));
  expect((await rpc.generate({ generation })).candidates).toHaveLength(1);
  expect((await client.chat.completions.create({ model: "oai/m", messages: [{ role: "user", content: [{ type: "image_url", image_url: { url } }] }] })).choices).toHaveLength(1);
});

test("the RPC speaks types", async () => {
  upstream.answerWith(json(200, { text: "Hello.", language: "english", duration: 1.25, segments: [{ start: 0, end: 1.2, text: "Hello." }], words: [{ start: 0.1, end: 1.2, word: "Hello" }] }));
  const place = upstream.requests.length;
  const request = create(TranscribeRequestSchema, { model: "oai/whisper", audio: sound, mediaType: "audio/wav", language: "en", temperature: 0.5, times: [TimedUnit.SEGMENT, TimedUnit.WORD] });
  const response = await weir.client(InferenceService, weir.inferenceKey).transcribe(request);
  expect(response).toMatchObject({ text: "Hello.", language: "english", duration: { seconds: 1n, nanos: 250_000_000 }, target: "oai/whisper", model: "whisper" });
  expect(response.words).toMatchObject([{ text: "Hello", start: { nanos: 100_000_000 }, end: { seconds: 1n, nanos: 200_000_000 } }]);
  expect(response.usage!.quantities).toMatchObject([{ meter: Meter.AUDIO_MILLISECONDS, quantity: 1250n }]);
  const sent = await upstream.request(place);
  const { parts } = await readForm(sent.body, sent.headers["content-type"]!);
  expect(parts.map(({ name, filename, mediaType, content }) => [name, filename ?? Buffer.from(content).toString(), mediaType])).toEqual([
    ["file", "audio.wav", "audio/wav"],
    ["model", "whisper", "text/plain"],
    ["response_format", "verbose_json", "text/plain"],
    ["language", "en", "text/plain"],
    ["temperature", "0.5", "text/plain"],
    ["timestamp_granularities[]", "segment", "text/plain"],
    ["timestamp_granularities[]", "word", "text/plain"],
  ]);
  expect(Buffer.from(parts[0]!.content).equals(sound)).toBe(true);
});

test("the RPC translates, with a warning for what the vendor has no word for, and takes a form as it is", async () => {
  const rpc = weir.client(InferenceService, weir.inferenceKey);
  upstream.answerWith(json(200, { text: "Hello." }));
  const place = upstream.requests.length;
  const translated = await rpc.transcribe({ model: "oai/whisper", audio: sound, language: "de", translate: true });
  expect(translated.warnings).toMatchObject([{ field: "language" }]);
  expect((await upstream.request(place)).path).toBe("/v1/audio/translations");
  await expect(rpc.transcribe({ model: "oai/whisper", audio: sound, language: "de", translate: true, strict: true })).rejects.toThrow("language");
  await expect(rpc.transcribe({ model: "oai/whisper" })).rejects.toThrow("audio");

  const form = new FormData();
  form.append("model", "anything");
  form.append("file", new Blob([sound]), "a.mp3");
  const body = new Response(form);
  const native = { dialect: "openai", headers: { "content-type": body.headers.get("content-type")! }, body: Buffer.from(await body.arrayBuffer()) };
  const answer = await rpc.transcribe({ model: "oai/whisper", native });
  expect(Buffer.from(answer.native!.body).toString()).toBe('{"text":"Hello."}');
  expect(await fieldsOf(upstream.requests.at(-1)!)).toEqual({ model: "whisper" });
});
