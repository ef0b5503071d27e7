import * as http2 from "node:http2";
import { create } from "@bufbuild/protobuf";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { SynthesizeSpeechRequestSchema } from "#gen/weir/inference/v1/speech_pb.ts";
import { AttemptResult, type UsageEvent } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { eventStream, json, startScriptedProvider, type Answer, type ScriptedProvider } from "../harness/scripted-provider.ts";
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
routes: { voice: { targets: [ant/none, oai/down, oai/tts-x] } }
breaker: { minimum_calls: 1000 }
`,
  });
  client = new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey: weir.inferenceKey, maxRetries: 0 });
});
afterAll(async () => {
  await weir?.stop();
  await upstream?.stop();
});

const sound = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7919) >> 3));
const mp3: Answer = (_, response) => {
  response.writeHead(200, { "content-type": "audio/mpeg", "x-request-id": "vendor-9" });
  for (let at = 0; at < sound.length; at += 50_000) response.write(sound.subarray(at, at + 50_000));
  response.end();
};
const text = "Grüße 🌊";

async function outcomeOf(requestId: string, index = 0): Promise<{ readonly event: UsageEvent; readonly meters: readonly (readonly [Meter, bigint])[] }> {
  const event = (await weir.attempts(index + 1, { requestId }))[index]!.event!;
  return { event, meters: event.outcome!.usage!.quantities.map(({ meter, quantity }) => [meter, quantity]) };
}

test("the openai SDK gets the sound as it came, and the vendor the request but for the model", async () => {
  upstream.answerWith(mp3);
  const place = upstream.requests.length;
  const response = await client.audio.speech.create(Object.assign({ model: "oai/tts-x", voice: "ash", input: text, speed: 1.5 }, { of_tomorrow: { a: 1 } }));
  expect(response.headers.get("content-type")).toBe("audio/mpeg");
  expect(response.headers.get("x-weir-upstream-request-id")).toBe("vendor-9");
  expect(Buffer.from(await response.arrayBuffer()).equals(sound)).toBe(true);
  const sent = await upstream.request(place);
  expect(sent.path).toBe("/v1/audio/speech");
  expect(sent.headers).toMatchObject({ authorization: "Bearer sk-openai-secret", "content-type": "application/json" });
  expect(sent.body.toString()).toBe(JSON.stringify({ model: "tts-x", voice: "ash", input: text, speed: 1.5, of_tomorrow: { a: 1 } }));
  const { event, meters } = await outcomeOf(response.headers.get("x-request-id")!);
  expect(event.intent).toMatchObject({ operation: "synthesize_speech", model: "tts-x", stream: false });
  expect(event.outcome).toMatchObject({ result: AttemptResult.SUCCEEDED, usage: { source: UsageSource.ESTIMATED } });
  expect(meters).toEqual([[Meter.CHARACTERS, 7n]]);
});

test("the vendor gets JSON as such, whatever the caller calls it", async () => {
  upstream.answerWith(mp3);
  const place = upstream.requests.length;
  const body = JSON.stringify({ model: "oai/tts-x", voice: "ash", input: text });
  const { status } = await fetch(`${weir.origin}/v1/audio/speech`, { method: "POST", headers: { authorization: `Bearer ${weir.inferenceKey}`, "content-type": "application/x-www-form-urlencoded" }, body });
  expect(status).toBe(200);
  expect((await upstream.request(place)).headers["content-type"]).toBe("application/json");
});

test("events come through untouched, and the usage in them counts", async () => {
  const events = ['data: {"type":"speech.audio.delta","audio":"AAAA"}\n\n', 'data: {"type":"speech.audio.done","usage":{"input_tokens":4,"output_tokens":90,"total_tokens":94}}\n\n'];
  upstream.answerWith(eventStream(events));
  const response = await client.audio.speech.create({ model: "oai/tts-x", voice: "ash", input: text, stream_format: "sse" });
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  expect(await response.text()).toBe(events.join(""));
  const { event, meters } = await outcomeOf(response.headers.get("x-request-id")!);
  expect(event.intent!.stream).toBe(true);
  expect(event.outcome!.usage!.source).toBe(UsageSource.PROVIDER);
  expect(meters).toEqual([[Meter.INPUT_TOKENS, 4n], [Meter.AUDIO_OUTPUT_TOKENS, 90n]]);
});

test("events that end without their end are an error to the caller, and an estimate in the ledger", async () => {
  upstream.answerWith(eventStream(['data: {"type":"speech.audio.delta","audio":"AAAA"}\n\n']));
  const response = await client.audio.speech.create({ model: "oai/tts-x", voice: "ash", input: text, stream_format: "sse" });
  expect(await response.text()).toContain("upstream_interrupted");
  const { event, meters } = await outcomeOf(response.headers.get("x-request-id")!);
  expect(event.outcome!.result).toBe(AttemptResult.INTERRUPTED);
  expect(meters).toEqual([[Meter.CHARACTERS, 7n]]);
});

test("sound that breaks off is broken off for the caller too, never cut short in silence", async () => {
  upstream.answerWith((_, response) => {
    response.writeHead(200, { "content-type": "audio/mpeg" });
    response.write(sound.subarray(0, 1000), () => response.destroy());
  });
  const response = await client.audio.speech.create({ model: "oai/tts-x", voice: "ash", input: text });
  await expect(response.arrayBuffer()).rejects.toThrow();
  expect((await outcomeOf(response.headers.get("x-request-id")!)).event.outcome!.result).toBe(AttemptResult.INTERRUPTED);
});

test("so it is over HTTP/2", async () => {
  upstream.answerWith((_, response) => {
    response.writeHead(200, { "content-type": "audio/mpeg" });
    response.write(sound.subarray(0, 1000), () => response.destroy());
  });
  const session = http2.connect(weir.origin);
  const request = session.request({ ":method": "POST", ":path": "/v1/audio/speech", authorization: `Bearer ${weir.inferenceKey}` });
  const ended = new Promise<string>((resolve) => request.once("error", () => resolve("broken off")).once("end", () => resolve("whole")));
  request.resume();
  request.end(JSON.stringify({ model: "oai/tts-x", voice: "ash", input: text }));
  expect(await ended).toBe("broken off");
  session.close();
});

test("targets without speech are left out, one that fails is followed by the next, with its own model in the bytes", async () => {
  const place = upstream.requests.length;
  upstream.answerWith((request, response) => (request.body.includes('"down"') ? json(503, {})(request, response) : mp3(request, response)));
  const response = await client.audio.speech.create({ model: "voice", voice: "ash", input: text });
  expect(response.headers.get("x-weir-target")).toBe("oai/tts-x");
  expect((await response.arrayBuffer()).byteLength).toBe(sound.length);
  const models = upstream.requests.slice(place).map(({ body }) => (JSON.parse(body.toString()) as { model: string }).model);
  expect(models).toEqual(["down", "tts-x"]);
});

test("of a vendor without speech it is refused, and a vendor's refusal is the caller's", async () => {
  await expect(client.audio.speech.create({ model: "ant/none", voice: "ash", input: text })).rejects.toMatchObject({ code: "unsupported_operation" });
  upstream.answerWith(json(400, { error: { message: "no such voice", type: "invalid_request_error", param: "voice", code: null } }));
  await expect(client.audio.speech.create({ model: "oai/tts-x", voice: "x", input: text })).rejects.toMatchObject({ status: 400, param: "voice" });
});

test("the RPC streams start, sound and end", async () => {
  upstream.answerWith(mp3);
  const place = upstream.requests.length;
  const request = create(SynthesizeSpeechRequestSchema, { model: "oai/tts-x", input: text, voice: "voice_12", format: "mp3", labels: { application: "a" } });
  const chunks: Uint8Array[] = [];
  const others: unknown[] = [];
  for await (const { event } of weir.client(InferenceService, weir.inferenceKey).synthesizeSpeech(request)) {
    if (event.case === "audio") chunks.push(event.value);
    else others.push(event);
  }
  expect(Buffer.concat(chunks).equals(sound)).toBe(true);
  expect(others).toMatchObject([{ case: "start", value: { mediaType: "audio/mpeg", target: "oai/tts-x" } }, { case: "end" }]);
  expect(JSON.parse((await upstream.request(place)).body.toString())).toEqual({ model: "tts-x", input: text, voice: { id: "voice_12" }, response_format: "mp3" });
});

test("a slow caller slows the vendor down", async () => {
  let written = 0;
  upstream.answerWith((_, response) => {
    response.writeHead(200, { "content-type": "audio/mpeg" });
    const goOn = (): void => {
      do written += sound.length;
      while (written < 64 * 1024 * 1024 && response.write(sound));
    };
    response.on("drain", goOn);
    goOn();
  });
  const response = await client.audio.speech.create({ model: "oai/tts-x", voice: "ash", input: text });
  const reader = response.body!.getReader();
  await reader.read();
  // When nothing moves any more, all that is between vendor and caller is full.
  let before = -1;
  while (before !== written) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  expect(written).toBeLessThan(32 * 1024 * 1024);
  await reader.cancel();
  expect((await outcomeOf(response.headers.get("x-request-id")!)).event.outcome!.result).toBe(AttemptResult.CANCELLED);
});
