/** Internal services leave trying again to gRPC's own retry policy: it takes a call as failed for good that came with headers of its own. */
import { Metadata } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { createGrpcStub, type GrpcStub } from "../harness/grpc-client.ts";
import { eventStream, json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const retryPolicy = { maxAttempts: 3, initialBackoff: "0.01s", maxBackoff: "0.01s", backoffMultiplier: 1, retryableStatusCodes: ["UNAVAILABLE"] };
const head = { id: "c", created: 1, model: "m" };
const whole = json(200, { ...head, object: "chat.completion", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "120 m³/s" } }] });
const streamed = eventStream([
  `data: ${JSON.stringify({ ...head, object: "chat.completion.chunk", choices: [{ index: 0, delta: { role: "assistant", content: "120 m³/s" }, finish_reason: "stop" }] })}\n\n`,
  "data: [DONE]\n\n",
]);

let upstream: ScriptedProvider;
let weir: Weir;
let stub: GrpcStub<typeof InferenceService>;

beforeAll(async () => {
  upstream = await startScriptedProvider(whole);
  weir = await startWeir({ config: `providers: { up: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [m] } }\n` });
  stub = createGrpcStub(InferenceService, weir.authority, { "grpc.service_config": JSON.stringify({ methodConfig: [{ name: [{}], retryPolicy }] }) });
});
afterAll(async () => {
  stub?.close();
  await weir?.stop();
  await upstream?.stop();
});

const generation = { model: "up/m", messages: [{ role: Role.USER, parts: [{ kind: { case: "text" as const, value: { text: "How much water?" } } }] }] };

function metadata(): Metadata {
  const one = new Metadata();
  one.set("authorization", `Bearer ${weir.inferenceKey}`);
  return one;
}

/** The vendor fails once, and then answers. */
function failOnce(answer: typeof whole): void {
  let calls = 0;
  upstream.answerWith((request, response) => (calls++ === 0 ? json(503, {}) : answer)(request, response));
}

test("a call that found the vendor away is made again", async () => {
  failOnce(whole);
  const before = upstream.requests.length;
  const { candidates } = await stub.generate({ generation }, metadata());
  expect(candidates[0]!.message!.parts[0]!.kind.value).toMatchObject({ text: "120 m³/s" });
  expect(upstream.requests.length - before).toBe(2);
});

test("so is a stream that had not begun", async () => {
  failOnce(streamed);
  const before = upstream.requests.length;
  const cases: unknown[] = [];
  for await (const { event } of stub.streamGenerate({ generation }, metadata())) cases.push((event as { case: string }).case);
  expect([cases[0], cases.at(-1)]).toEqual(["start", "end"]);
  expect(upstream.requests.length - before).toBe(2);
});

test("what failed for good tells why, with the id of its request", async () => {
  const error = await stub.generate({ generation: { ...generation, model: "nowhere/m" } }, metadata()).catch((thrown: { metadata: Metadata; details: string }) => thrown);
  expect(error).toMatchObject({ details: expect.stringContaining("nowhere/m") });
  expect((error as { metadata: Metadata }).metadata.get("x-request-id")[0]).toMatch(/^req_/);
});
