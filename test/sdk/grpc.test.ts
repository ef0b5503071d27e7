import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { Client, credentials, Metadata, status, type ServiceError } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import { InferenceService, type StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { ProvidersService } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "#gen/google/rpc/status_pb.ts";
import { Exposure } from "#gen/weir/types/v1/method_pb.ts";
import { ruleOf } from "#platform/rpc/method-guard.ts";
import { createGrpcStub, type GrpcStub } from "../harness/grpc-client.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";
import { routes, said, startUpstreams, type Upstreams } from "../harness/upstreams.ts";

let upstreams: Upstreams;
let weir: Weir;
let stub: GrpcStub<typeof InferenceService>;

beforeAll(async () => {
  upstreams = await startUpstreams();
  weir = await startWeir({ config: upstreams.config });
  stub = createGrpcStub(InferenceService, weir.authority);
});
afterAll(async () => {
  stub?.close();
  await weir?.stop();
  await upstreams?.stop();
});

function authorized(key = weir.inferenceKey): Metadata {
  const metadata = new Metadata();
  metadata.set("authorization", `Bearer ${key}`);
  return metadata;
}

const userSays = (text: string) => [{ role: Role.USER, parts: [{ kind: { case: "text" as const, value: { text } } }] }];
const tools = [{ kind: { case: "function" as const, value: { name: said.toolName, parametersJsonSchema: '{"type":"object","properties":{"river":{"type":"string"}}}' } } }];

describe.each(routes)("a grpc-js stub, %s", (model) => {
  test("gets a whole reply", async () => {
    const response = await stub.generate({ generation: { model, messages: userSays(said.question) } }, authorized());
    expect(response.candidates[0]).toMatchObject({ finishReason: FinishReason.STOP, message: { role: Role.ASSISTANT, parts: [{ kind: { case: "text", value: { text: said.answer } } }] } });
    expect(response.usage!.quantities.map(({ quantity }) => quantity)).toEqual([BigInt(said.inputTokens), BigInt(said.outputTokens)]);
    expect(response.requestId).toMatch(/^req_/);
    expect(response.target).toMatch(/-test$/);
  });

  test("gets the same in a stream: one start, deltas, one end", async () => {
    const events = await collect(stub.streamGenerate({ generation: { model, messages: userSays(said.question) } }, authorized()));
    expect(events[0]!.event).toMatchObject({ case: "start", value: { requestId: expect.stringMatching(/^req_/) } });
    expect(events.at(-1)!.event.case).toBe("end");
    expect(events.filter(({ event }) => event.case === "candidateEnd")).toHaveLength(1);
    const text = events.flatMap(({ event }) => (event.case === "partDelta" && event.value.delta.case === "text" ? [event.value.delta.value] : []));
    const begun = events.flatMap(({ event }) => (event.case === "partStart" && event.value.part?.kind.case === "text" ? [event.value.part.kind.value.text] : []));
    expect([...begun, ...text].join("")).toBe(said.answer);
  });

  test("gets a tool call", async () => {
    const response = await stub.generate({ generation: { model, messages: userSays(said.toolQuestion), tools } }, authorized());
    expect(response.candidates[0]!.finishReason).toBe(FinishReason.TOOL_CALLS);
    const call = response.candidates[0]!.message!.parts.find(({ kind }) => kind.case === "toolCall")!.kind;
    expect(call).toMatchObject({ case: "toolCall", value: { name: said.toolName } });
    expect(JSON.parse((call.value as { arguments: string }).arguments)).toEqual(said.toolArguments);
  });

  test("sends a request in a dialect's own bytes and gets the reply in them", async () => {
    const body = Buffer.from(JSON.stringify({ model: "ignored", messages: [{ role: "user", content: said.question }] }));
    const response = await stub.generate({ generation: { model, native: { dialect: "openai", body } } }, authorized());
    expect(JSON.parse(Buffer.from(response.native!.body).toString())).toMatchObject({ object: "chat.completion", choices: [{ message: { content: said.answer } }] });
  });
});

test("embeds", async () => {
  const response = await stub.embed({ model: "openai/embed-test", inputs: ["river"] }, authorized());
  expect([...response.embeddings[0]!.values]).toEqual([0.25, -0.5, 1]);
});

test("an error carries ErrorInfo with its reason", async () => {
  const error = await stub.generate({ generation: { model: "nobody", messages: userSays("hello") } }, authorized()).catch((thrown: unknown) => thrown as ServiceError);
  expect(error).toMatchObject({ code: status.NOT_FOUND });
  expect(errorInfoOf(error as ServiceError)).toMatchObject({ reason: "MODEL_NOT_FOUND", domain: "weir.dev", metadata: { model: "nobody" } });
});

test.each([
  ["no key", undefined, status.UNAUTHENTICATED, "KEY_MISSING"],
  ["a malformed key", "weir_wrong", status.UNAUTHENTICATED, "KEY_INVALID"],
])("%s is refused", async (_, key, code, reason) => {
  const metadata = key === undefined ? new Metadata() : authorized(key);
  const error = await stub.listModels({}, metadata).catch((thrown: unknown) => thrown as ServiceError);
  expect(error).toMatchObject({ code });
  expect(errorInfoOf(error as ServiceError).reason).toBe(reason);
});

test("a request that breaks its contract names the field", async () => {
  const error = await stub.generate({ generation: { model: "", messages: userSays("hello") } }, authorized()).catch((thrown: unknown) => thrown as ServiceError);
  expect(error).toMatchObject({ code: status.INVALID_ARGUMENT });
  expect(decodeURIComponent((error as ServiceError).details)).toContain("generation.model");
});

const internalMethods = [PolicyService, MeteringService, ProvidersService].flatMap((service) => service.methods.filter((method) => ruleOf(method).exposure === Exposure.INTERNAL).map((method) => [`${service.typeName}/${method.name}`]));

test.each(internalMethods)("the internal method %s is refused on the public port, also with the admin key", async (path) => {
  const client = new Client(weir.authority, credentials.createInsecure());
  const call = client.makeServerStreamRequest(`/${path}`, () => Buffer.alloc(0), (bytes: Buffer) => bytes, undefined, authorized(weir.adminKey));
  call.resume();
  const error = await new Promise<ServiceError>((resolve) => call.on("error", resolve));
  client.close();
  expect(error.code).toBe(status.PERMISSION_DENIED);
  expect(errorInfoOf(error).reason).toBe("METHOD_NOT_EXPOSED");
});

test("an inference key may not administer", async () => {
  const policy = createGrpcStub(PolicyService, weir.authority);
  const error = await policy.listKeys({}, authorized()).catch((thrown: unknown) => thrown as ServiceError);
  policy.close();
  expect(error).toMatchObject({ code: status.PERMISSION_DENIED });
});

test("buf curl calls with nothing but reflection", async () => {
  const run = promisify(execFile);
  const body = JSON.stringify({ generation: { model: "to-anthropic", messages: [{ role: "ROLE_USER", parts: [{ text: { text: said.question } }] }] } });
  const { stdout } = await run("npx", ["buf", "curl", "--http2-prior-knowledge", "--protocol", "grpc", "--reflect-protocol", "grpc-v1", "-H", `authorization: Bearer ${weir.inferenceKey}`, "-d", body, `${weir.origin}/weir.inference.v1.InferenceService/Generate`]);
  expect(JSON.parse(stdout)).toMatchObject({ candidates: [{ message: { parts: [{ text: { text: said.answer } }] } }] });
});

function collect(stream: NodeJS.ReadableStream): Promise<StreamGenerateResponse[]> {
  return new Promise((resolve, reject) => {
    const events: StreamGenerateResponse[] = [];
    stream.on("data", (event: StreamGenerateResponse) => events.push(event));
    stream.on("error", reject);
    stream.on("end", () => resolve(events));
  });
}

function errorInfoOf(error: ServiceError): { reason: string; domain: string; metadata: Record<string, string> } {
  const details = fromBinary(StatusSchema, error.metadata.get("grpc-status-details-bin")[0] as Buffer).details;
  return details.map((detail) => anyUnpack(detail, ErrorInfoSchema)).find((info) => info !== undefined)!;
}
