/** Proves that images are made by every vendor that makes them, and that the ledger has tokens by modality, or images where nobody counts tokens. */
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ImageDelivery } from "#gen/weir/inference/v1/image_generation_pb.ts";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { eventStream, json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

let vendor: ScriptedProvider;
let weir: Weir;
let openai: OpenAI;

beforeAll(async () => {
  vendor = await startScriptedProvider(json(500, {}));
  weir = await startWeir({
    config: `
providers:
  oai: { vendor: openai, api_key: sk-o, base_url: "${vendor.baseUrl}", models: [gpt-image-2] }
  azu: { vendor: azure, api_key: sk-z, base_url: "${vendor.baseUrl}", models: [deployed] }
  grok: { vendor: xai, api_key: sk-x, base_url: "${vendor.baseUrl}", models: [imagine] }
  flux: { vendor: together, api_key: sk-t, base_url: "${vendor.baseUrl}", models: [schnell] }
  google: { vendor: gemini, api_key: sk-g, base_url: "${vendor.baseUrl}", models: [gemini-3.1-flash-image] }
  claude: { vendor: anthropic, api_key: sk-a, base_url: "${vendor.baseUrl}", models: [m] }
`,
  });
  openai = new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey: weir.inferenceKey, maxRetries: 0 });
});
afterAll(async () => {
  await weir?.stop();
  await vendor?.stop();
});

const usage = { input_tokens: 50, input_tokens_details: { text_tokens: 40, image_tokens: 10 }, output_tokens: 272, total_tokens: 322 };
const openaiReply = { created: 1_760_000_000, background: "opaque", output_format: "png", quality: "low", size: "1024x1024", data: [{ b64_json: "AQID" }], usage };

/** What comes of a call that the vendor answers with this. */
async function make(answer: object, body: OpenAI.ImageGenerateParamsNonStreaming, headers: Record<string, string> = {}) {
  vendor.answerWith(json(200, answer));
  const place = vendor.requests.length;
  const { data, response } = await openai.images.generate(body, { headers }).withResponse();
  const request = await vendor.request(place);
  const [attempt] = await weir.attempts(1, { requestId: response.headers.get("x-request-id")! });
  const { intent, outcome, rank } = attempt!.event!;
  const quantities = outcome!.usage!.quantities.map(({ meter, quantity }) => [meter, quantity]);
  return { reply: data, warnings: response.headers.get("x-weir-warnings") ?? "", sent: { path: request.path, headers: request.headers, bytes: request.body.toString() }, line: { operation: intent!.operation, rank, quantities } };
}

test.each(["oai/gpt-image-2", "azu/deployed"])("the bytes go on untouched but for the model to %s, and tokens are told by modality", async (model) => {
  const { reply, sent, line, warnings } = await make(openaiReply, { model, prompt: "a weir", size: "1024x1024", moderation: "low", complexity: "high" });
  expect(sent).toMatchObject({ path: "/v1/images/generations", bytes: JSON.stringify({ model: model.split("/")[1], prompt: "a weir", size: "1024x1024", moderation: "low", complexity: "high" }) });
  expect(reply).toEqual(openaiReply);
  expect(warnings).toBe("");
  expect(line).toEqual({ operation: "generate_images", rank: UsageSource.PROVIDER, quantities: [[Meter.INPUT_TOKENS, 40n], [Meter.IMAGE_INPUT_TOKENS, 10n], [Meter.IMAGE_OUTPUT_TOKENS, 272n]] });
});

test("images come in events as they grow, untouched, and the ledger has the usage of the last", async () => {
  const events = [
    `event: image_generation.partial_image\ndata: {"type":"image_generation.partial_image","partial_image_index":0,"b64_json":"AQ==","of_tomorrow":1}\n\n`,
    `event: image_generation.completed\ndata: ${JSON.stringify({ type: "image_generation.completed", b64_json: "AQID", usage })}\n\n`,
  ];
  vendor.answerWith(eventStream(events));
  const place = vendor.requests.length;
  const { data, response } = await openai.images.generate({ model: "oai/gpt-image-2", prompt: "a weir", stream: true, partial_images: 1 }).withResponse();
  const types: string[] = [];
  for await (const event of data) types.push(event.type);
  expect(types).toEqual(["image_generation.partial_image", "image_generation.completed"]);
  expect((await vendor.request(place)).body.toString()).toBe(JSON.stringify({ model: "gpt-image-2", prompt: "a weir", stream: true, partial_images: 1 }));
  const { intent, outcome } = (await weir.attempts(1, { requestId: response.headers.get("x-request-id")! }))[0]!.event!;
  expect(intent).toMatchObject({ operation: "generate_images", stream: true });
  expect(outcome!.usage!.quantities.map(({ meter, quantity }) => [meter, quantity])).toEqual([[Meter.INPUT_TOKENS, 40n], [Meter.IMAGE_INPUT_TOKENS, 10n], [Meter.IMAGE_OUTPUT_TOKENS, 272n]]);
});

test("events that are cut are an error to the SDK, and an estimate in the ledger", async () => {
  vendor.answerWith(eventStream([`data: {"type":"image_generation.partial_image","partial_image_index":0,"b64_json":"AQ=="}\n\n`]));
  const { data, response } = await openai.images.generate({ model: "oai/gpt-image-2", prompt: "a weir", stream: true, partial_images: 1 }).withResponse();
  await expect((async () => {
    for await (const event of data) expect(event.type).toBe("image_generation.partial_image");
  })()).rejects.toBeInstanceOf(OpenAI.APIError);
  const { outcome } = (await weir.attempts(1, { requestId: response.headers.get("x-request-id")! }))[0]!.event!;
  expect(outcome!.usage).toMatchObject({ source: UsageSource.ESTIMATED, quantities: [{ meter: Meter.IMAGES, quantity: 1n }] });
});

test("xAI gets a ratio, and its images are counted", async () => {
  const { reply, sent, line, warnings } = await make(
    { data: [{ b64_json: "data:image/jpeg;base64,AQID", revised_prompt: "a wide weir" }, { url: "https://example.com/b.jpg" }], usage: { cost_in_usd_ticks: 1 } },
    { model: "grok/imagine", prompt: "a weir", n: 2, size: "1536x1024", quality: "low", style: "vivid", response_format: "b64_json" },
  );
  expect(JSON.parse(sent.bytes)).toEqual({ model: "imagine", prompt: "a weir", n: 2, aspect_ratio: "3:2", quality: "low", response_format: "b64_json" });
  expect(reply.created).toBeGreaterThan(1_700_000_000);
  expect(reply.data).toEqual([{ b64_json: "AQID", revised_prompt: "a wide weir" }, { url: "https://example.com/b.jpg" }]);
  expect(warnings).toContain("3:2 is sent");
  expect(warnings).toContain("style");
  expect(line).toEqual({ operation: "generate_images", rank: UsageSource.PROVIDER, quantities: [[Meter.IMAGES, 2n]] });
});

test("Together gets sides, and its own word for bytes", async () => {
  const { sent, line } = await make({ id: "t", model: "schnell", data: [{ index: 0, b64_json: "AQID" }] }, { model: "flux/schnell", prompt: "a weir", size: "512x256", output_format: "png", response_format: "b64_json" });
  expect(JSON.parse(sent.bytes)).toEqual({ model: "schnell", prompt: "a weir", width: 512, height: 256, output_format: "png", response_format: "base64" });
  expect(line.quantities).toEqual([[Meter.IMAGES, 1n]]);
});

test("a model of Gemini's that makes images is asked as a chat", async () => {
  const answer = {
    candidates: [{ content: { role: "model", parts: [{ text: "Here." }, { inlineData: { mimeType: "image/png", data: "AQID" } }] }, finishReason: "STOP" }],
    usageMetadata: { promptTokenCount: 4, candidatesTokenCount: 1290, totalTokenCount: 1294 },
    modelVersion: "gemini-3.1-flash-image",
  };
  const { reply, sent, line, warnings } = await make(answer, { model: "google/gemini-3.1-flash-image", prompt: "a weir", n: 2, size: "1024x1536", background: "opaque" });
  expect(sent.path).toBe("/v1/models/gemini-3.1-flash-image:generateContent");
  expect(JSON.parse(sent.bytes)).toEqual({ contents: [{ role: "user", parts: [{ text: "a weir" }] }], generationConfig: { responseModalities: ["IMAGE"], imageConfig: { aspectRatio: "2:3" } } });
  expect(reply.data).toEqual([{ b64_json: "AQID" }]);
  for (const field of ["count", "size", "background"]) expect(warnings).toContain(`${field}: `);
  expect(line.quantities).toEqual([[Meter.INPUT_TOKENS, 4n], [Meter.OUTPUT_TOKENS, 1290n]]);
  await expect(make({ candidates: [{ finishReason: "IMAGE_SAFETY" }] }, { model: "google/gemini-3.1-flash-image", prompt: "no" })).rejects.toThrow("Gemini made no image: IMAGE_SAFETY");
});

test("what cannot be honoured or accounted for is refused: options when strict, streams and SVG always, vendors without images", async () => {
  await expect(make({}, { model: "flux/schnell", prompt: "p", quality: "high" }, { "x-weir-strict": "true" })).rejects.toThrow("cannot honour quality");
  await expect(openai.images.generate({ model: "oai/gpt-image-2", prompt: "p", stream: true, n: 2 })).rejects.toThrow("n must be 1");
  await expect(openai.images.generate({ model: "grok/imagine", prompt: "p", stream: true })).rejects.toMatchObject({ code: "unsupported_operation" });
  await expect(make({}, { model: "oai/gpt-image-2", prompt: "p", svg: { model: "gpt-6-sol" } })).rejects.toThrow("billed under another model");
  await expect(make({}, { model: "claude/m", prompt: "p" })).rejects.toThrow("Name a model of azu or flux or google or grok or oai.");
});

test("the RPC makes images in types", async () => {
  vendor.answerWith(json(200, openaiReply));
  const response = await weir.client(InferenceService, weir.inferenceKey).generateImages({ model: "oai/gpt-image-2", prompt: "a weir", count: 1, aspectRatio: "1:1", delivery: ImageDelivery.URL });
  expect(response).toMatchObject({ model: "gpt-image-2", size: "1024x1024", outputFormat: "png", images: [{ media: { mediaType: "image/png", source: { case: "data", value: new Uint8Array([1, 2, 3]) } } }] });
  expect(response.warnings.map(({ field }) => field)).toEqual(["aspect_ratio", "delivery"]);
  expect(JSON.parse(vendor.requests.at(-1)!.body.toString())).toEqual({ model: "gpt-image-2", prompt: "a weir", n: 1 });
});
