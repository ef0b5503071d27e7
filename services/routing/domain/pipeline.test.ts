import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { Modality } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerateRequestSchema, type ModelFactsSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GrantSchema } from "#gen/weir/policy/v1/grant_pb.ts";
import { AttemptResponseSchema, ProviderSchema, type AttemptRequest, type AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import type { Breaker } from "#platform/breaker.ts";
import { systemClock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Bound, BoundRates } from "./budget/bound.ts";
import type { ReplyCache, ReplyStore } from "./cache/call-cache.ts";
import type { Hold, HoldSource, Need } from "./budget/hold.ts";
import { noNeeds } from "./targets/fitness.ts";
import type { Target } from "./targets/plan.ts";
import type { Call } from "./call.ts";
import { runCall, type PipelineDependencies } from "./pipeline.ts";
import { asListed } from "./targets/target-order.ts";

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

  test.each([
    ["counts it against a target that a caller has given up on", 30_000, ["first"]],
    ["knows nothing of a target whose caller left soon", 29_999, []],
  ])("%s", async (_, waitedMs, expected) => {
    const failures: string[] = [];
    const { dependencies } = harness({ first: "hello" }, failures, {}, new ScriptedHolds());
    const caller = new AbortController();
    let nowMs = 0;
    const attempt = (): AsyncIterable<AttemptResponse> => {
      nowMs = waitedMs;
      caller.abort(new Error("gone"));
      throw new GatewayError("CANCELLED", "The caller went away.");
    };
    await expect(runCall(callWith({ signal: caller.signal }), { ...dependencies, attempt, clock: { ...systemClock, monotonicMs: () => nowMs } })).rejects.toThrow();
    expect(failures).toEqual(expected);
  });

  describe("while a changed configuration is on its way", () => {
    const unknown = new GatewayError("UPSTREAM_UNAVAILABLE", "No provider has the name first.", { metadata: { unknown_target: "true" } });

    test("waits until a route has targets", async () => {
      const { dependencies, sent } = harness({ first: "hello" }, [], {}, new ScriptedHolds());
      const there = dependencies.view();
      let view: typeof there = { ...there, providers: new Map() };
      const nextView = (): Promise<boolean> => {
        view = there;
        return Promise.resolve(true);
      };
      await runCall(callWith({}), { ...dependencies, view: () => view, nextView });
      expect(sent).toHaveLength(1);
    });

    test("goes on to the next target where providers know one no more, and asks for the route anew after the last", async () => {
      const { sent } = await run({ first: unknown, second: "hello" });
      expect(sent.map(({ provider }) => provider)).toEqual(["first", "second"]);

      const { dependencies, sent: sentAgain } = harness({ first: unknown }, [], {}, new ScriptedHolds());
      const changes = [true, true, false];
      await expect(runCall(callWith({}), { ...dependencies, nextView: () => Promise.resolve(changes.shift()!) })).rejects.toBe(unknown);
      expect(sentAgain).toHaveLength(3);
    });
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

describe("an attempt that a budget applies to", () => {
  const grant = create(GrantSchema, { organizationId: "org_1", budgeted: true });
  const usage = { quantities: [{ meter: Meter.OUTPUT_TOKENS, quantity: 10n }] };
  const complete = create(AttemptResponseSchema, { native: Buffer.from("hello"), end: { usage } });

  test("draws its bound, is held to its output maximum, and gives back what it did not need", async () => {
    const holds = new ScriptedHolds();
    const { reply, sent } = await run({ first: [complete] }, { grant, boundAt: () => outputOf(100n) }, [], {}, holds);
    expect(sent[0]).toMatchObject({ leaseId: "lea_1", boundNanos: 100n });
    expect(await bytesOf(reply.messages)).toBe("hello");
    expect(holds.log).toEqual(["100 for first/model", "spent 10"]);
    expect(reply.warnings()).toEqual([]);
  });

  test.each([
    [400, 600, ["100 for first/model", "spent 10"]],
    [950, 1_000, ["100 for first/model", "spent 0", "100 for first/model", "spent 10"]],
  ])("begins within the time of its hold, though it took %i ms to make ready: within %i ms", async (readyMs, withinMs, log) => {
    const holds = new ScriptedHolds();
    const { dependencies, sent } = harness({ first: [complete] }, [], {}, holds);
    let nowMs = 1_000_000;
    const clock = { ...systemClock, now: () => nowMs, monotonicMs: () => nowMs };
    const operationFor: Call["operationFor"] = () => {
      nowMs += readyMs;
      return { case: undefined };
    };
    await bytesOf((await runCall(callWith({ grant, operationFor, deadlineMs: nowMs + 60_000, boundAt: () => outputOf(100n) }), { ...dependencies, clock })).messages);
    expect(timestampMs(sent[0]!.startDeadlineTime!) - nowMs).toBe(withinMs);
    expect(holds.log).toEqual(log);
  });

  test("says by how much it was lowered, and because of which budget", async () => {
    const operationFor: Call["operationFor"] = () => ({ case: "generate", value: create(GenerateRequestSchema, { generation: {} }) });
    const { reply, sent } = await run({ first: [complete] }, { grant, operationFor, boundAt: () => outputOf(100n) }, [], {}, new ScriptedHolds(30n));
    expect(sent).toMatchObject([{ operation: { value: { generation: { maxOutputTokens: 30n } } } }]);
    expect(reply.warnings()).toMatchObject([{ field: "max_output_tokens", message: '30 instead of 100, because no more is left of the budget "monthly".' }]);
  });

  test("gives all back where the vendor bills nothing, and draws anew for the next target", async () => {
    const refused = new GatewayError("UPSTREAM_RATE_LIMITED", "Too many.", { metadata: { billed: "false" } });
    const holds = new ScriptedHolds();
    await run({ first: refused, second: [complete] }, { grant, boundAt: ({ name }) => outputOf(name === "first/model" ? 100n : 50n) }, [], {}, holds);
    expect(holds.log).toEqual(["100 for first/model", "spent 0", "50 for second/model", "spent 10"]);
  });

  test("keeps all drawn where nobody knows what it cost", async () => {
    const holds = new ScriptedHolds();
    await failure({ first: unavailable }, { grant, boundAt: () => outputOf(100n) }, {}, holds);
    const { reply } = await run({ first: [create(AttemptResponseSchema, { end: {} })] }, { grant, boundAt: () => outputOf(100n) }, [], {}, holds);
    await bytesOf(reply.messages);
    expect(holds.log).toEqual(["100 for first/model", "100 for first/model"]);
  });

  test("gives all back where it could not even be asked for", async () => {
    const holds = new ScriptedHolds();
    const operationFor = () => {
      throw new GatewayError("UNSUPPORTED_OPERATION", "No.");
    };
    const { sent } = await failure({ first: "never" }, { grant, operationFor, boundAt: () => outputOf(100n) }, {}, holds);
    expect(sent).toEqual([]);
    expect(holds.log).toEqual(["100 for first/model", "spent 0"]);
  });

  test("is not made where the budget has too little left, but a cheaper target may be tried", async () => {
    const { reply, sent } = await run({ first: "never", second: [complete] }, { grant, boundAt: ({ name }) => outputOf(name === "first/model" ? 1_000n : 50n) }, [], {}, new ScriptedHolds());
    expect(sent).toHaveLength(1);
    expect(reply.target.name).toBe("second/model");
  });

  test("without a bound is refused where a budget does apply, and made where none does", async () => {
    const boundAt = () => {
      throw new GatewayError("UNBOUNDED_COST", "Without end.");
    };
    const { error, sent } = await failure({ first: "never" }, { grant, boundAt });
    expect(error.reason).toBe("UNBOUNDED_COST");
    expect(sent).toEqual([]);
    const holds = new ScriptedHolds();
    holds.leaseId = "";
    expect((await run({ first: "hello" }, { grant, boundAt }, [], {}, holds)).sent).toHaveLength(1);
  });

  test("that costs nothing draws nothing", async () => {
    const { sent } = await run({ first: "hello" }, { grant, boundAt: () => ({ quantities: [], advice: "" }) }, [], {}, new ScriptedHolds());
    expect(sent[0]).toMatchObject({ leaseId: "", boundNanos: 0n });
  });
});

describe("a call whose reply may be in the cache", () => {
  const saying = (text: string, usage = {}): AttemptResponse => create(AttemptResponseSchema, { native: Buffer.from(text), start: { upstreamRequestId: "up_1", headers: { "x-left": "1" } }, end: { usage } });

  function cachedRuns() {
    const kept = new Map<string, Uint8Array>();
    const uses: string[] = [];
    const cache: ReplyCache = {
      rules: () => [{ organizationId: "", teamId: "", keyId: "", models: [], lifetimeMs: 60_000, share: "organization", similar: undefined }],
      store: {
        ...nothingKept,
        find: (key) => Promise.resolve(kept.has(key) ? { bytes: kept.get(key)!, ageMs: 0 } : undefined),
        receive: (key) => {
          const pieces: Uint8Array[] = [];
          return { add: (bytes) => pieces.push(bytes) > 0, keep: () => kept.set(key, Buffer.concat(pieces)), drop: () => undefined };
        },
      },
      askMeaning: () => Promise.resolve(undefined),
      onUse: (_call, _plan, { name }, { outcome }) => uses.push(`${name} ${outcome}`),
    };
    const ask = async (script: Record<string, Script>, changes: Partial<Call> = {}, holds = new ScriptedHolds()) => {
      const { dependencies, sent } = harness(script, [], {}, holds);
      const reply = await runCall(callWith({ cacheControl: "", ...changes }), { ...dependencies, cache });
      const messages: AttemptResponse[] = [];
      for await (const message of reply.messages) messages.push(message);
      return { text: Buffer.concat(messages.map(({ native }) => native)).toString(), messages, sent };
    };
    return { ask, uses };
  }

  test("asks no target and no budget for one that is there, and repeats nothing that a vendor said of that one call", async () => {
    const { ask, uses } = cachedRuns();
    const usage = { quantities: [{ meter: Meter.OUTPUT_TOKENS, quantity: 10n }] };
    const budgeted = { grant: create(GrantSchema, { organizationId: "org_1", budgeted: true }), boundAt: () => outputOf(100n) };
    const holds = new ScriptedHolds();
    await ask({ first: [saying("hello", usage)] }, budgeted, holds);
    const { text, messages, sent } = await ask({ first: "never" }, budgeted, holds);
    expect([text, sent, uses]).toEqual(["hello", [], ["first/model miss", "first/model hit"]]);
    expect(messages[0]).toMatchObject({ start: { upstreamRequestId: "", headers: {} }, end: { usage } });
    expect(holds.log).toEqual(["100 for first/model", "spent 10"]);
  });

  test("keeps none that a budget has shortened", async () => {
    const { ask, uses } = cachedRuns();
    const grant = create(GrantSchema, { budgeted: true });
    for (const text of ["short", "again"]) expect((await ask({ first: [saying(text)] }, { grant, boundAt: () => outputOf(100n) }, new ScriptedHolds(30n))).text).toBe(text);
    expect(uses).toEqual(["first/model miss", "first/model miss"]);
  });

  test("has one for each target, in the order of the route, be the target up or down", async () => {
    const { ask } = cachedRuns();
    expect((await ask({ first: unavailable, second: [saying("from the second")] })).text).toBe("from the second");
    expect((await ask({ first: unavailable, second: "never" })).text).toBe("from the second");
    expect((await ask({ first: [saying("from the first")], second: "never" })).text).toBe("from the first");
    expect((await ask({ first: unavailable, second: "never" })).text).toBe("from the first");
  });

  test("keeps none that breaks off or has no end", async () => {
    const { ask, uses } = cachedRuns();
    await expect(ask({ first: ["hel", unavailable] })).rejects.toBe(unavailable);
    await ask({ first: ["hel"] });
    await ask({ first: [saying("hello")] });
    expect(uses).toEqual(["first/model miss", "first/model miss", "first/model miss"]);
  });
});

test("a target that is asked again is sent an attempt of its own each time, with what was made ready for it once", async () => {
  const { dependencies, sent } = harness({ a: new GatewayError("UPSTREAM_UNAVAILABLE", "It is down.") }, [], {}, new ScriptedHolds());
  const routes = new Map([["route", { targets: ["a/model"], cases: [], retries: 2, strict: false, order: asListed }]]);
  let made = 0;
  const operationFor = (): { case: undefined } => {
    made++;
    return { case: undefined };
  };
  const failed: string[] = [];
  const retrying: PipelineDependencies = { ...dependencies, view: () => ({ ...dependencies.view(), routes }), setAlarm: () => ({ rings: Promise.resolve(), stop: () => undefined }), onFailedAttempt: (_, { name }) => void failed.push(name) };
  await expect(runCall(callWith({ operationFor }), retrying)).rejects.toMatchObject({ reason: "UPSTREAM_UNAVAILABLE" });
  expect(new Set(sent.map(({ attemptId }) => attemptId)).size).toBe(3);
  expect(failed).toEqual(["a/model", "a/model", "a/model"]);
  expect(made).toBe(1);
});

/** A nano-dollar a token, and 500 of them at most; less where only so much is granted. */
class ScriptedHolds implements HoldSource {
  readonly log: string[] = [];
  readonly #grantedNanos: bigint | undefined;

  constructor(grantedNanos?: bigint) {
    this.#grantedNanos = grantedNanos;
  }

  hold(need: Need): Hold {
    const bound = this.#grantedNanos === undefined ? need.bound : need.clamp(this.#grantedNanos)!;
    if (bound.nanos > 500n) throw new GatewayError("BUDGET_EXCEEDED", "Too little is left.");
    this.log.push(`${bound.nanos} for ${this.target}`);
    return { leaseId: this.leaseId, bound, clampedBy: this.#grantedNanos === undefined ? "" : "monthly", startWithinMs: 1_000, spent: (nanos) => void this.log.push(`spent ${nanos}`) };
  }

  target = "";
  leaseId = "lea_1";
}

function outputOf(tokens: bigint): Bound {
  return { quantities: [{ meters: [Meter.INPUT_TOKENS], quantity: 0n }], output: { meters: [Meter.OUTPUT_TOKENS], candidates: 1n, maximumTokens: tokens, leastTokens: 1n }, advice: "" };
}

const nothingKept: ReplyStore = {
  find: () => Promise.resolve(undefined),
  holdsSimilar: () => false,
  findSimilar: () => undefined,
  receive: () => {
    throw new Error("Nothing is cached.");
  },
};

type Script = string | GatewayError | readonly (string | GatewayError | AttemptResponse)[];

function harness(script: Record<string, Script>, failures: string[], facts: Facts, holds: ScriptedHolds): { dependencies: PipelineDependencies; sent: AttemptRequest[] } {
  const sent: AttemptRequest[] = [];
  const providers = new Map(Object.keys(script).map((name) => [name, create(ProviderSchema, { name, modelFacts: facts[name] === undefined ? {} : { model: facts[name] } })]));
  const breaker = (name: string): Breaker => ({ run: (action) => action(), reportFailure: () => void failures.push(name), isOpen: false, shutdown: () => undefined });
  async function* attempt(request: AttemptRequest): AsyncIterable<AttemptResponse> {
    sent.push(request);
    for (const step of [script[request.provider]!].flat()) {
      if (step instanceof GatewayError) throw step;
      yield typeof step === "string" ? create(AttemptResponseSchema, { native: Buffer.from(step) }) : step;
    }
  }
  const routes = new Map([["route", { targets: Object.keys(script).map((name) => `${name}/model`), cases: [], retries: 0, strict: false, order: asListed }]]);
  const rates = (target: Target): BoundRates => {
    holds.target = target.name;
    return { rates: new Map([[Meter.INPUT_TOKENS, 0n], [Meter.OUTPUT_TOKENS, 1_000_000n]]), serviceTiers: undefined, factorMillionths: 1_000_000n };
  };
  return { sent, dependencies: { budgets: { holds, rates }, view: () => ({ routes, providers }), nextView: () => Promise.resolve(false), priceVersion: () => "pri_1", rulesOf: () => undefined, rateCounterOf: () => { throw new Error("There are no rate limits."); }, breaker, attempt, latencies: { of: () => ({ ms: undefined, isDue: false }), claim: () => undefined, begin: () => () => undefined }, random: () => 0, setAlarm: () => { throw new Error("Nothing is hedged."); }, onHedged: () => undefined, clock: systemClock, onFailedAttempt: () => undefined, onRetry: () => undefined, onFinding: () => undefined, breathe: () => Promise.resolve(), askOutside: () => Promise.resolve({ verdict: "allow" }), judgeJson: () => Promise.resolve(undefined), cache: { rules: () => [], store: nothingKept, askMeaning: () => Promise.resolve(undefined), onUse: () => undefined } } };
}

function callWith(changes: Partial<Call>): Call {
  return { requestId: "req_1", grant: create(GrantSchema), operation: "generate", model: "route", labels: {}, signal: new AbortController().signal, deadlineMs: systemClock.now() + 60_000, operationFor: () => ({ case: undefined }), boundAt: () => ({ quantities: [], advice: "" }), ...changes };
}

type Facts = Record<string, MessageInitShape<typeof ModelFactsSchema>>;

async function run(script: Record<string, Script>, changes: Partial<Call> = {}, failures: string[] = [], facts: Facts = {}, holds = new ScriptedHolds()): Promise<{ reply: Awaited<ReturnType<typeof runCall>>; sent: AttemptRequest[] }> {
  const { dependencies, sent } = harness(script, failures, facts, holds);
  return { reply: await runCall(callWith(changes), dependencies), sent };
}

async function failure(script: Record<string, Script>, changes: Partial<Call> = {}, facts: Facts = {}, holds = new ScriptedHolds()): Promise<{ error: GatewayError; sent: AttemptRequest[] }> {
  const { dependencies, sent } = harness(script, [], facts, holds);
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
