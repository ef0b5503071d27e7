import OpenAI, { toFile } from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { readForm } from "#platform/formats/multipart.ts";
import { eventStream, json, startScriptedProvider, type ScriptedProvider, type UpstreamRequest } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

let upstream: ScriptedProvider;
let weir: Weir;
let client: OpenAI;

const picture = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 0xff]);
const usage = { input_tokens: 60, output_tokens: 200, total_tokens: 260, input_tokens_details: { text_tokens: 10, image_tokens: 50 } };
const reply = { created: 1_790_000_000, data: [{ b64_json: picture.toString("base64"), of_tomorrow: 1 }], usage };

beforeAll(async () => {
  upstream = await startScriptedProvider(json(200, reply));
  weir = await startWeir({ config: `providers: { oai: { vendor: openai, api_key: sk-openai-secret, base_url: "${upstream.baseUrl}" }, ant: { vendor: anthropic, api_key: x, base_url: "${upstream.baseUrl}" } }` });
  client = new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey: weir.inferenceKey, maxRetries: 0 });
});
afterAll(async () => {
  await weir?.stop();
  await upstream?.stop();
});

async function partsOf({ body, headers }: UpstreamRequest): Promise<(readonly [name: string, content: string])[]> {
  const { parts } = await readForm(body, headers["content-type"]!);
  return parts.map(({ name, filename, content }) => [name, filename ?? Buffer.from(content).toString()]);
}

test("the openai SDK gets the changed images, the vendor its form, the ledger the tokens", async () => {
  const place = upstream.requests.length;
  const images = [await toFile(picture, "a.png", { type: "image/png" }), await toFile(picture, "b.png", { type: "image/png" })];
  const { data, response } = await client.images.edit({ model: "oai/gpt-image-x", image: images, prompt: "Grüße", quality: "low" }).withResponse();
  expect(data).toEqual(reply);
  const sent = await upstream.request(place);
  expect(sent.path).toBe("/v1/images/edits");
  expect(Object.fromEntries(await partsOf(sent))).toMatchObject({ model: "gpt-image-x", prompt: "Grüße", quality: "low" });
  expect((await partsOf(sent)).filter(([name]) => name.startsWith("image")).map(([, file]) => file)).toEqual(["a.png", "b.png"]);
  const { intent, outcome } = (await weir.attempts(1, { requestId: response.headers.get("x-request-id")! }))[0]!.event!;
  expect(intent!.operation).toBe("edit_images");
  expect(outcome!.usage!.quantities.map(({ meter, quantity }) => [meter, quantity])).toEqual([[Meter.INPUT_TOKENS, 10n], [Meter.IMAGE_INPUT_TOKENS, 50n], [Meter.IMAGE_OUTPUT_TOKENS, 200n]]);
});

test("variations have a path of their own; several images in events, and vendors without them, are refused", async () => {
  const image = await toFile(picture, "a.png", { type: "image/png" });
  const place = upstream.requests.length;
  await client.images.createVariation({ model: "oai/dall-e-x", image });
  expect((await upstream.request(place)).path).toBe("/v1/images/variations");
  await expect(client.images.edit({ model: "oai/gpt-image-x", image, prompt: "x", n: 2, stream: true })).rejects.toMatchObject({ code: "unsupported_parameter", param: "n" });
  await expect(client.images.edit({ model: "ant/none", image, prompt: "x" })).rejects.toMatchObject({ code: "unsupported_operation" });
  expect(upstream.requests).toHaveLength(place + 1);
});

test("a changed image comes in events, and the ledger has the usage of the last", async () => {
  upstream.answerWith(eventStream(['data: {"type":"image_edit.partial_image","b64_json":"AQ=="}\n\n', `data: ${JSON.stringify({ type: "image_edit.completed", b64_json: "AQID", usage })}\n\n`]));
  const { data, response } = await client.images.edit({ model: "oai/gpt-image-x", image: await toFile(picture, "a.png", { type: "image/png" }), prompt: "x", stream: true }).withResponse();
  const types: string[] = [];
  for await (const event of data) types.push(event.type);
  expect(types).toEqual(["image_edit.partial_image", "image_edit.completed"]);
  const { outcome } = (await weir.attempts(1, { requestId: response.headers.get("x-request-id")! }))[0]!.event!;
  expect(outcome!.usage!.quantities.map(({ meter, quantity }) => [meter, quantity])).toEqual([[Meter.INPUT_TOKENS, 10n], [Meter.IMAGE_INPUT_TOKENS, 50n], [Meter.IMAGE_OUTPUT_TOKENS, 200n]]);
});

test("images that did not arrive are estimated by how many were asked for", async () => {
  upstream.answerWith((_, response) => void response.destroy());
  const image = await toFile(picture, "a.png", { type: "image/png" });
  const requestId = await client.images.edit({ model: "oai/gpt-image-x", image, prompt: "x", n: 3 }).catch((error: unknown) => (error as InstanceType<typeof OpenAI.APIError>).requestID!);
  const { outcome } = (await weir.attempts(1, { requestId: requestId as string }))[0]!.event!;
  expect(outcome!.usage).toMatchObject({ source: UsageSource.ESTIMATED, quantities: [{ meter: Meter.IMAGES, quantity: 3n }] });
  upstream.answerWith(json(200, reply));
});

test("the RPC speaks types, or takes a form as it is", async () => {
  const rpc = weir.client(InferenceService, weir.inferenceKey);
  const place = upstream.requests.length;
  const response = await rpc.editImages({ model: "oai/gpt-image-x", prompt: "x", images: [{ data: picture, mediaType: "image/webp" }], mask: { data: picture }, count: 2 });
  expect(response).toMatchObject({ target: "oai/gpt-image-x", model: "gpt-image-x" });
  expect(Buffer.from(response.images[0]!.media!.source.value as Uint8Array).equals(picture)).toBe(true);
  const parts = await partsOf(await upstream.request(place));
  expect(parts).toEqual([["image", "image-1.webp"], ["mask", "mask.png"], ["model", "gpt-image-x"], ["prompt", "x"], ["n", "2"]]);
  await expect(rpc.editImages({ model: "oai/gpt-image-x", prompt: "x" })).rejects.toThrow("images");

  const form = new FormData();
  form.append("model", "anything");
  form.append("image", new Blob([picture]), "a.png");
  const body = new Response(form);
  const native = { dialect: "openai", headers: { "content-type": body.headers.get("content-type")! }, body: Buffer.from(await body.arrayBuffer()) };
  const answer = await rpc.editImages({ model: "oai/gpt-image-x", native });
  expect(JSON.parse(Buffer.from(answer.native!.body).toString())).toEqual(reply);
});
