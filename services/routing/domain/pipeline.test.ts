import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { Modality } from "#gen/weir/inference/v1/generation_pb.ts";
import type { ModelFactsSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GrantSchema } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { AttemptResponseSchema, ProviderSchema, type AttemptRequest, type AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { Breaker } from "#platform/breaker.ts";
import { systemClock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import { noNeeds } from "./fitness.ts";
import { runCall, type Call, type PipelineDependencies } from "./pipeline.ts";

const unavailable = new GatewayError("UPSTREAM_UNAVAILABLE", "The vendor is down.");
const rejected = new GatewayError("UPSTREAM_REJECTED", "The request is wrong.", { metadata: { status: "400" } });

describe("runCall", () => {
  test("takes the first target that answers, each attempt under an id of its own", async () => {
    const { reply, sent } = await run({ first: unavailable, second: "hello" });
    expect(await bytesOf(reply.messages)).toBe("hello");
    expect(reply.target.name).toBe("second/model");
    expect(sent.map(({ provider }) => provider)).toEqual(["first", "second"]);
    expect(new Set(sent.map(({ attemptId }) => attemptId)).size).toBe(2);
    expect(new Set(sent.map(({ requestId }) => requestId))).toEqual(new Set(["req_1"]));
  });

  test("stops at a refusal that another target would repeat", async () => {
    const { error, sent } = await failure({ first: rejected, second: "hello" });
    expect(error).toBe(rejected);
    expect(sent).toHaveLength(1);
  });

  test("makes a new attempt, once, where providers refuse an id from before their start", async () => {
    const tooLate = new GatewayError("ATTEMPT_TOO_LATE", "The attempt came too late.");
    const { error, sent } = await failure({ first: tooLate, second: "hello" });
    expect(error).toBe(tooLate);
    expect(sent.map(({ provider }) => provider)).toEqual(["first", "first"]);
    expect(new Set(sent.map(({ attemptId }) => attemptId)).size).toBe(2);
  });

  test("passes over a target that is known not to have what is needed", async () => {
    const { reply, sent } = await run({ first: "never", second: "hello" }, { needs: () => ({ ...noNeeds, images: true }) }, [], { first: { inputModalities: [Modality.TEXT] } });
    expect(reply.target.name).toBe("second/model");
    expect(sent.map(({ provider }) => provider)).toEqual(["second"]);
  });

  test("says of each target why none is left", async () => {
    const text = { inputModalities: [Modality.TEXT], source: "weir.yaml" };
    const { error, sent } = await failure({ first: "never", second: "never" }, { needs: () => ({ ...noNeeds, images: true }) }, { first: text, second: text });
    expect(error).toMatchObject({ reason: "UNSUPPORTED_FIELD", metadata: { tried: "first/model,second/model" } });
    expect(error.message).toContain("first/model: It was passed over: it reads no images (weir.yaml). second/model: It was passed over: it reads no images");
    expect(sent).toEqual([]);
  });

  test("lets the vendor judge where there is no other target", async () => {
    const { sent } = await run({ first: "hello" }, { needs: () => ({ ...noNeeds, images: true }) }, [], { first: { inputModalities: [Modality.TEXT] } });
    expect(sent).toHaveLength(1);
  });

  test("tells of all targets when all failed", async () => {
    const { error } = await failure({ first: unavailable, second: new GatewayError("UPSTREAM_TIMEOUT", "Too slow.", { retryAfterMs: 5 }) });
    expect(error).toMatchObject({ reason: "UPSTREAM_TIMEOUT", retryAfterMs: 5, metadata: { tried: "first/model,second/model" } });
    expect(error.message).toContain("first/model: The vendor is down. second/model: Too slow.");
  });

  test("does not go on once the caller is gone", async () => {
    const caller = new AbortController();
    caller.abort(new GatewayError("CANCELLED", "The caller went away."));
    const { error, sent } = await failure({ first: unavailable, second: "hello" }, { signal: caller.signal });
    expect(error.reason).toBe("CANCELLED");
    expect(sent).toHaveLength(1);
  });

  test("refuses a model that the key may not use before anything is sent", async () => {
    const { error, sent } = await failure({ first: "hello", second: "hello" }, { grant: create(GrantSchema, { scopes: [{ models: ["other"] }] }) });
    expect(error.reason).toBe("MODEL_NOT_ALLOWED");
    expect(sent).toHaveLength(0);
  });

  test("lets the key's labels win over the caller's", async () => {
    const { sent } = await run({ first: "hello", second: "" }, { labels: { application: "mine", cost_center: "7" }, grant: create(GrantSchema, { labels: { application: "theirs" } }) });
    expect(sent[0]!.attribution!.labels).toEqual({ application: "theirs", cost_center: "7" });
  });

  test("counts a later cut against the target", async () => {
    const failures: string[] = [];
    const cut = new GatewayError("UPSTREAM_INTERRUPTED", "The stream was cut.");
    const { reply } = await run({ first: ["hel", cut], second: "" }, {}, failures);
    await expect(bytesOf(reply.messages)).rejects.toBe(cut);
    expect(failures).toEqual(["first"]);
  });
});

type Script = string | GatewayError | readonly (string | GatewayError)[];

function harness(script: Record<string, Script>, failures: string[], facts: Facts): { dependencies: PipelineDependencies; sent: AttemptRequest[] } {
  const sent: AttemptRequest[] = [];
  const providers = new Map(Object.keys(script).map((name) => [name, create(ProviderSchema, { name, modelFacts: facts[name] === undefined ? {} : { model: facts[name] } })]));
  const breaker = (name: string): Breaker => ({ run: (action) => action(), reportFailure: () => void failures.push(name), shutdown: () => undefined });
  async function* attempt(request: AttemptRequest): AsyncIterable<AttemptResponse> {
    sent.push(request);
    for (const step of [script[request.provider]!].flat()) {
      if (step instanceof GatewayError) throw step;
      yield create(AttemptResponseSchema, { native: Buffer.from(step as string) });
    }
  }
  const routes = new Map([["route", { targets: Object.keys(script).map((name) => `${name}/model`), strict: false }]]);
  return { sent, dependencies: { view: () => ({ routes, providers }), priceVersion: () => "pri_1", rulesOf: () => undefined, rateCounterOf: () => { throw new Error("There are no rate limits."); }, breaker, attempt, clock: systemClock, onFailedAttempt: () => undefined, onFinding: () => undefined, breathe: () => Promise.resolve() } };
}

function callWith(changes: Partial<Call>): Call {
  return { requestId: "req_1", grant: create(GrantSchema), operation: "generate", model: "route", labels: {}, signal: new AbortController().signal, deadlineMs: systemClock.now() + 60_000, operationFor: () => ({ case: undefined }), ...changes };
}

type Facts = Record<string, MessageInitShape<typeof ModelFactsSchema>>;

async function run(script: Record<string, Script>, changes: Partial<Call> = {}, failures: string[] = [], facts: Facts = {}): Promise<{ reply: Awaited<ReturnType<typeof runCall>>; sent: AttemptRequest[] }> {
  const { dependencies, sent } = harness(script, failures, facts);
  return { reply: await runCall(callWith(changes), dependencies), sent };
}

async function failure(script: Record<string, Script>, changes: Partial<Call> = {}, facts: Facts = {}): Promise<{ error: GatewayError; sent: AttemptRequest[] }> {
  const { dependencies, sent } = harness(script, [], facts);
  const error = await runCall(callWith(changes), dependencies).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(GatewayError);
  return { error: error as GatewayError, sent };
}

async function bytesOf(messages: AsyncIterable<AttemptResponse>): Promise<string> {
  let text = "";
  for await (const { native } of messages) text += Buffer.from(native).toString();
  return text;
}
