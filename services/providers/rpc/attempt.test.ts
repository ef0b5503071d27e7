/** Owns the proof that an attempt ends in every case as it should: towards its caller, its vendor and the ledger. */
import { cp, mkdtemp, rm } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { countTokens } from "gpt-tokenizer/encoding/o200k_base";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AttemptResult, type UsageEvent } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { WatchCatalogRequestSchema } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { systemClock } from "#platform/clock.ts";
import { newId } from "#platform/ids.ts";
import { Secret } from "#platform/secrets/secret.ts";
import { openaiVendor } from "../edge/openai/openai-vendor.ts";
import { answerJson, beginStream, chunk, completion, done, event, startScriptedVendor, usageChunk, type ScriptedVendor } from "../testing/scripted-vendor.ts";
import { attemptRequest, collect, configOf, contextOf, nativeText, operations, startProviders, type RunningProviders, type StartOptions } from "../testing/start-providers.ts";
import { maximumWaitingBytes } from "./vendor-call.ts";

let vendor: ScriptedVendor;
let running: RunningProviders | undefined;

beforeEach(async () => {
  vendor = await startScriptedVendor();
});

afterEach(async () => {
  await running?.stop();
  running = undefined;
  await vendor.close();
});

async function start(provider: Partial<StartOptions["provider"]> = {}): Promise<RunningProviders> {
  running = await startProviders({ provider: { baseUrl: vendor.baseUrl, ...provider } });
  return running;
}

/** The one event that the attempt left; stops the service first, so that a second one would be seen. */
async function onlyEvent(): Promise<UsageEvent> {
  const { events, stop } = running!;
  running = undefined;
  await stop();
  expect(events).toHaveLength(1);
  return events[0]!;
}

/** As `onlyEvent`, of an attempt whose tokens are counted first. */
async function onlyCountedEvent(): Promise<UsageEvent> {
  await running!.nextEvents();
  return onlyEvent();
}

function quantity(event: UsageEvent, meter: Meter): bigint {
  return event.outcome?.usage?.quantities.find((one) => one.meter === meter)?.quantity ?? 0n;
}

/** Of 8 tokens in o200k_base, and 9 by its bytes. */
const sentence = " The weir measures its flow anew.";
const sentenceTokens = BigInt(countTokens(sentence));

describe("a whole reply", () => {
  it("goes on untouched, with the vendor's usage in the ledger", async () => {
    const { providers } = await start();
    vendor.answer(answerJson(200, completion, { "openai-version": "2020-10-01", "set-cookie": "secret=1" }));
    const body = '{ "model": "alias", "messages": [{"role":"user","content":"Hi"}], "new_field": 1.50 }';
    const request = attemptRequest({ operation: operations.nativeGenerate(body) });
    const { messages } = await collect(providers.attempt(request, contextOf()));

    expect(messages).toHaveLength(1);
    expect(nativeText(messages)).toBe(JSON.stringify(completion));
    expect(messages[0]?.start).toMatchObject({ upstreamRequestId: "req-vendor", headers: { "openai-version": "2020-10-01" } });
    expect(messages[0]?.end?.usage?.source).toBe(UsageSource.PROVIDER);
    expect(vendor.requests).toHaveLength(1);
    expect(vendor.requests[0]).toMatchObject({ path: "/v1/chat/completions", body: body.replace("alias", "gpt-test") });
    expect(vendor.requests[0]?.headers).toMatchObject({ authorization: "Bearer sk-canary", "content-type": "application/json" });

    const event = await onlyEvent();
    expect(event).toMatchObject({
      rank: UsageSource.PROVIDER,
      intent: { attemptId: request.attemptId, requestId: "req_test", provider: "main", vendor: "openai", model: "gpt-test", operation: "generate", stream: false, priceVersion: "pri_1" },
      outcome: { result: AttemptResult.SUCCEEDED, httpStatus: 200, errorReason: "", finishReason: "stop", servedModel: "gpt-test-2026", serviceTier: "default", upstreamRequestId: "req-vendor" },
    });
    expect(quantity(event, Meter.INPUT_TOKENS)).toBe(9n);
    expect(quantity(event, Meter.OUTPUT_TOKENS)).toBe(3n);
    expect(event.outcome?.firstByteMs).toBeDefined();
  });

  it("carries the usage though it comes after the terminator", async () => {
    const { providers } = await start();
    let response: ServerResponse | undefined;
    vendor.answer((begun) => beginStream((response = begun), chunk("a", "stop"), done));
    const iterator = providers.attempt(attemptRequest({ operation: operations.nativeStream('{"model":"a","stream":true,"stream_options":{"include_usage":true},"messages":[]}') }), contextOf())[Symbol.asyncIterator]();
    const messages = [(await iterator.next()).value];
    response!.end(usageChunk);
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) messages.push(next.value);
    expect(nativeText(messages)).toBe(chunk("a", "stop") + done + usageChunk);
    expect(await onlyEvent()).toMatchObject({ rank: UsageSource.PROVIDER, outcome: { result: AttemptResult.SUCCEEDED } });
  });

  it("comes in types when the request does", async () => {
    const { providers } = await start();
    vendor.answer(answerJson(200, completion));
    const { messages } = await collect(providers.attempt(attemptRequest({ operation: operations.generate }), contextOf()));
    expect(messages).toHaveLength(1);
    expect(messages[0]?.generate?.candidates[0]?.message?.parts[0]?.kind).toMatchObject({ case: "text", value: { text: "Hello!" } });
    expect((await onlyEvent()).outcome?.result).toBe(AttemptResult.SUCCEEDED);
  });

  it("is estimated when the vendor reports no usage", async () => {
    const { providers } = await start();
    vendor.answer(answerJson(200, { ...completion, usage: undefined }));
    const { messages } = await collect(providers.attempt(attemptRequest({ operation: operations.generate }), contextOf()));
    expect(messages[0]?.end?.usage).toBeUndefined();
    const event = await onlyCountedEvent();
    expect(event.rank).toBe(UsageSource.ESTIMATED);
    // Of the texts alone, "Hi" and "Hello!".
    expect([quantity(event, Meter.INPUT_TOKENS), quantity(event, Meter.OUTPUT_TOKENS)]).toEqual([1n, 2n]);
  });

  it("carries embeddings", async () => {
    const { providers } = await start();
    const data = [[1, 0], [0, 1]].map((embedding, index) => ({ object: "embedding", index, embedding }));
    vendor.answer(answerJson(200, { object: "list", model: "embed", data, usage: { prompt_tokens: 2, total_tokens: 2 } }));
    const { messages } = await collect(providers.attempt(attemptRequest({ operation: operations.embed }), contextOf()));
    expect(messages[0]?.embed?.embeddings.map(({ values }) => values)).toEqual([[1, 0], [0, 1]]);
    expect(await onlyEvent()).toMatchObject({ intent: { operation: "embed" }, rank: UsageSource.PROVIDER });
  });

  it("that cannot be read is an error of the vendor's, and estimated", async () => {
    const { providers } = await start();
    vendor.answer((response) => void response.writeHead(200, { "content-type": "application/json" }).end("<html>"));
    const { messages, error } = await collect(providers.attempt(attemptRequest({ operation: operations.generate }), contextOf()));
    expect(messages).toEqual([]);
    expect(error).toMatchObject({ reason: "UPSTREAM_PROTOCOL", metadata: { provider: "main" } });
    expect(await onlyEvent()).toMatchObject({ rank: UsageSource.ESTIMATED, outcome: { result: AttemptResult.FAILED, errorReason: "UPSTREAM_PROTOCOL" } });
  });

  it("that breaks off is interrupted", async () => {
    const { providers } = await start();
    vendor.answer((response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
      response.write('{"id":', () => response.destroy());
    });
    const { error } = await collect(providers.attempt(attemptRequest({ operation: operations.generate }), contextOf()));
    expect(error).toMatchObject({ reason: "UPSTREAM_INTERRUPTED" });
    expect((await onlyEvent()).outcome).toMatchObject({ result: AttemptResult.INTERRUPTED, httpStatus: 200 });
  });
});

describe("a stream", () => {
  it("goes on byte by byte, without the usage that the caller did not ask for", async () => {
    const { providers } = await start();
    const pieces = [": hello\n\n", chunk("Grü"), chunk("ße", "stop")];
    vendor.answer((response) => {
      beginStream(response, ...pieces, usageChunk);
      response.end(done);
    });
    const { messages } = await collect(providers.attempt(attemptRequest({ operation: operations.nativeStream('{"model":"a","stream":true,"messages":[]}') }), contextOf()));
    expect(nativeText(messages)).toBe([...pieces, done].join(""));
    expect(messages[0]?.start?.upstreamRequestId).toBe("req-vendor");
    expect(messages.filter(({ end }) => end !== undefined)).toEqual([messages.at(-1)]);
    expect(JSON.parse(vendor.requests[0]!.body)).toMatchObject({ model: "gpt-test", stream_options: { include_usage: true } });
    const event = await onlyEvent();
    expect(event).toMatchObject({ rank: UsageSource.PROVIDER, intent: { stream: true }, outcome: { result: AttemptResult.SUCCEEDED, finishReason: "stop" } });
    expect(quantity(event, Meter.OUTPUT_TOKENS)).toBe(3n);
  });

  it("keeps the usage that the caller asked for", async () => {
    const { providers } = await start();
    vendor.answer((response) => {
      beginStream(response, chunk("a", "stop"), usageChunk);
      response.end(done);
    });
    const body = '{"model":"a","stream":true,"stream_options":{"include_usage":true},"messages":[]}';
    const { messages } = await collect(providers.attempt(attemptRequest({ operation: operations.nativeStream(body) }), contextOf()));
    expect(nativeText(messages)).toContain('"prompt_tokens":9');
    expect((await onlyEvent()).rank).toBe(UsageSource.PROVIDER);
  });

  it("carries the terminator though it comes long after the usage", async () => {
    const { providers } = await start();
    let response: ServerResponse | undefined;
    vendor.answer((begun) => beginStream((response = begun), chunk("a", "stop"), usageChunk));
    const iterator = providers.attempt(attemptRequest({ operation: operations.nativeStream('{"model":"a","stream":true,"messages":[]}') }), contextOf())[Symbol.asyncIterator]();
    const messages = [(await iterator.next()).value];
    response!.end(done);
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) messages.push(next.value);
    expect(nativeText(messages)).toBe(chunk("a", "stop") + done);
    expect((await onlyEvent()).outcome?.result).toBe(AttemptResult.SUCCEEDED);
  });

  it("comes in types when the request does", async () => {
    const { providers } = await start();
    vendor.answer((response) => {
      beginStream(response, chunk("Hel"), chunk("lo", "stop"), usageChunk);
      response.end(done);
    });
    const { messages } = await collect(providers.attempt(attemptRequest({ operation: operations.stream }), contextOf()));
    const events = messages.flatMap((message) => message.events.map(({ event }) => event));
    expect(events.map(({ case: name }) => name)).toEqual(["start", "partStart", "partDelta", "partDelta", "partEnd", "candidateEnd", "end"]);
    expect(messages.at(-1)?.end?.usage?.source).toBe(UsageSource.PROVIDER);
    await onlyEvent();
  });

  it("cut before its end throws after what came, and is estimated by what came", async () => {
    const { providers } = await start();
    vendor.answer((response) => {
      beginStream(response);
      response.write(chunk(sentence), () => response.destroy());
    });
    const { messages, error } = await collect(providers.attempt(attemptRequest({ operation: operations.nativeStream('{"model":"a","stream":true,"messages":[]}') }), contextOf()));
    expect(nativeText(messages)).toBe(chunk(sentence));
    expect(messages.every(({ end }) => end === undefined)).toBe(true);
    expect(error).toMatchObject({ reason: "UPSTREAM_INTERRUPTED", metadata: { provider: "main" } });
    const event = await onlyCountedEvent();
    expect(event).toMatchObject({ rank: UsageSource.ESTIMATED, outcome: { result: AttemptResult.INTERRUPTED, errorReason: "UPSTREAM_INTERRUPTED" } });
    expect([quantity(event, Meter.INPUT_TOKENS), quantity(event, Meter.OUTPUT_TOKENS)]).toEqual([0n, sentenceTokens]);
  });

  it.each([
    ["cut", (response: ServerResponse) => void response.destroy()],
    ["left open", () => {}],
  ] as const)("%s after the vendor's last word is a success, and its connection is closed", async (_what, afterwards) => {
    const { providers } = await start();
    vendor.answer((response) => {
      beginStream(response, chunk("a", "stop"), usageChunk);
      response.write(done, () => afterwards(response));
    });
    const { messages, error } = await collect(providers.attempt(attemptRequest({ operation: operations.nativeStream('{"model":"a","stream":true,"messages":[]}') }), contextOf()));
    expect(error).toBeUndefined();
    expect(nativeText(messages)).toBe(chunk("a", "stop") + done);
    expect(messages.at(-1)?.end).toBeDefined();
    await vendor.requests[0]!.aborted;
    expect(await onlyEvent()).toMatchObject({ rank: UsageSource.PROVIDER, outcome: { result: AttemptResult.SUCCEEDED } });
  });

  it("is over with the vendor's last word, before the connection is, which serves the next request", async () => {
    const { providers } = await start();
    const sockets: unknown[] = [];
    let response: ServerResponse | undefined;
    vendor.answer((begun) => {
      sockets.push(begun.socket);
      beginStream((response = begun), chunk("a", "stop"), usageChunk);
      response.write(done);
    });
    const ask = () => collect(providers.attempt(attemptRequest({ operation: operations.nativeStream('{"model":"a","stream":true,"messages":[]}') }), contextOf()));
    const { messages } = await ask();
    expect(messages.at(-1)?.end).toBeDefined();
    expect(response!.writableEnded).toBe(false);
    await new Promise<void>((resolve) => response!.end(resolve));
    // The end comes on the same connection before whatever is asked next.
    await expect.poll(async () => ((await ask()), new Set(sockets).size < sockets.length)).toBe(true);
    response!.end();
  });

  it("ended politely without the vendor's terminator is interrupted too", async () => {
    const { providers } = await start();
    vendor.answer((response) => {
      beginStream(response, chunk("half"));
      response.end();
    });
    const { error } = await collect(providers.attempt(attemptRequest({ operation: operations.stream }), contextOf()));
    expect(error).toMatchObject({ reason: "UPSTREAM_INTERRUPTED" });
    expect((await onlyEvent()).outcome?.result).toBe(AttemptResult.INTERRUPTED);
  });

  it("whose first event is an error fails before the first message", async () => {
    const { providers } = await start();
    vendor.answer((response) => {
      beginStream(response, ": processing\n\n");
      response.write(event({ error: { message: "overloaded", type: "server_error", code: null } }));
    });
    const { messages, error } = await collect(providers.attempt(attemptRequest({ operation: operations.nativeStream('{"model":"a","stream":true,"messages":[]}') }), contextOf()));
    expect(messages).toEqual([]);
    expect(error).toMatchObject({ metadata: { provider: "main" } });
    await vendor.requests[0]!.aborted;
    expect((await onlyEvent()).outcome?.result).toBe(AttemptResult.FAILED);
  });

  it("that is none is an error", async () => {
    const { providers } = await start();
    vendor.answer(answerJson(200, completion));
    const { error } = await collect(providers.attempt(attemptRequest({ operation: operations.stream }), contextOf()));
    expect(error).toMatchObject({ reason: "UPSTREAM_PROTOCOL" });
    expect((await onlyEvent()).outcome?.result).toBe(AttemptResult.FAILED);
  });

  it("makes the vendor wait for a slow caller, within the bound", async () => {
    const { providers } = await start();
    const piece = chunk("y".repeat(16 * 1024));
    let written = 0;
    const stalled = Promise.withResolvers<void>();
    const total = 32 * 1024 * 1024;
    vendor.answer(async (response) => {
      beginStream(response);
      while (written < total) {
        written += piece.length;
        if (!response.write(piece)) {
          const quiet = setTimeout(() => stalled.resolve(), 300);
          await new Promise((resolve) => response.once("drain", resolve));
          clearTimeout(quiet);
        }
      }
      response.write(chunk("", "stop") + usageChunk);
      response.end(done);
    });
    const iterator = providers.attempt(attemptRequest({ operation: operations.nativeStream('{"model":"a","stream":true,"messages":[]}') }), contextOf())[Symbol.asyncIterator]();
    const first = await iterator.next();
    await stalled.promise;
    // What lies in the sockets' buffers of both ends, and no more.
    expect(written).toBeLessThan(total / 2);
    let received = first.value.native.length;
    let largest = 0;
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
      received += next.value.native.length;
      largest = Math.max(largest, next.value.native.length);
    }
    expect(received).toBe(written + chunk("", "stop").length + done.length);
    expect(largest).toBeLessThanOrEqual(maximumWaitingBytes + 128 * 1024);
    expect((await onlyEvent()).outcome?.result).toBe(AttemptResult.SUCCEEDED);
  });
});

describe("a vendor's refusal", () => {
  it("is the adapter's error with the provider's name, and costs nothing", async () => {
    const { providers } = await start();
    vendor.answer(answerJson(429, { error: { message: "slow down", type: "requests", code: "rate_limit_exceeded" } }, { "retry-after": "2" }));
    const { messages, error } = await collect(providers.attempt(attemptRequest({ operation: operations.stream }), contextOf()));
    expect(messages).toEqual([]);
    expect(error).toMatchObject({ reason: "UPSTREAM_RATE_LIMITED", retryAfterMs: 2000, metadata: { provider: "main" } });
    const event = await onlyEvent();
    expect(event).toMatchObject({ rank: UsageSource.ESTIMATED, outcome: { result: AttemptResult.FAILED, httpStatus: 429, errorReason: "UPSTREAM_RATE_LIMITED" } });
    expect(event.outcome?.usage?.quantities).toEqual([]);
  });

  it("never shows the credential, also when the vendor repeats it", async () => {
    const { providers } = await start();
    vendor.answer(answerJson(401, { error: { message: "Incorrect API key provided", code: "invalid_api_key" } }));
    const { error } = await collect(providers.attempt(attemptRequest({ operation: operations.generate }), contextOf()));
    expect(error).toMatchObject({ reason: "UPSTREAM_UNAUTHENTICATED" });
    expect(JSON.stringify(error) + String((error as Error).stack)).not.toContain("sk-canary");
    await onlyEvent();
  });

  it("in the form of a redirect is not followed", async () => {
    const { providers } = await start();
    vendor.answer((response) => void response.writeHead(307, { location: `${vendor.baseUrl}/elsewhere` }).end());
    const { error } = await collect(providers.attempt(attemptRequest({ operation: operations.generate }), contextOf()));
    expect(error).toMatchObject({ reason: "UPSTREAM_PROTOCOL" });
    expect(vendor.requests).toHaveLength(1);
    await onlyEvent();
  });
});

describe("a connection", () => {
  it("that is refused proves that nothing was sent", async () => {
    const { providers } = await start({ baseUrl: `http://127.0.0.1:${await freePort()}/v1` });
    const { error } = await collect(providers.attempt(attemptRequest({ operation: operations.generate }), contextOf()));
    expect(error).toMatchObject({ reason: "UPSTREAM_UNAVAILABLE", metadata: { provider: "main" } });
    const event = await onlyEvent();
    expect(event.outcome).toMatchObject({ result: AttemptResult.NOT_SENT, errorReason: "UPSTREAM_UNAVAILABLE", httpStatus: 0 });
    expect(event.outcome?.usage?.quantities).toEqual([]);
  });

  it("to a name that does not exist proves it too, and keeps the name to itself", async () => {
    const { providers } = await start({ baseUrl: "http://does-not-exist.invalid/v1" });
    const { error } = await collect(providers.attempt(attemptRequest({ operation: operations.generate }), contextOf()));
    expect(error).toMatchObject({ reason: "UPSTREAM_UNAVAILABLE" });
    expect((error as Error).message).not.toContain("does-not-exist");
    expect((await onlyEvent()).outcome?.result).toBe(AttemptResult.NOT_SENT);
  });

  it("to a private address is refused where the operator has not set it", async () => {
    const { providers } = await start({ baseUrl: vendor.baseUrl.replace("127.0.0.1", "localhost"), baseUrlIsOwn: false });
    const { error } = await collect(providers.attempt(attemptRequest({ operation: operations.generate }), contextOf()));
    expect(error).toMatchObject({ reason: "UPSTREAM_UNAVAILABLE" });
    expect(vendor.requests).toEqual([]);
    expect((await onlyEvent()).outcome?.result).toBe(AttemptResult.NOT_SENT);
  });

  it("that is not free in time proves that nothing was sent", async () => {
    const { providers } = await start({ maximumConnections: 1, connectTimeoutMs: 100 });
    vendor.answer((response) => beginStream(response, chunk("busy")));
    const busy = providers.attempt(attemptRequest({ operation: operations.stream }), contextOf())[Symbol.asyncIterator]();
    await busy.next();
    const { error } = await collect(providers.attempt(attemptRequest({ operation: operations.stream }), contextOf()));
    expect(error).toMatchObject({ reason: "UPSTREAM_TIMEOUT", metadata: { timeout_ms: "100" } });
    await busy.return!();
    // The one that gave up stood first in the queue for the connection.
    vendor.answer(answerJson(200, completion));
    await collect(providers.attempt(attemptRequest({ operation: operations.generate }), contextOf()));
    expect(vendor.requests).toHaveLength(2);
    const { events, stop } = running!;
    running = undefined;
    await stop();
    // What is estimated may come last.
    expect(new Set(events.map(({ outcome }) => outcome?.result))).toEqual(new Set([AttemptResult.NOT_SENT, AttemptResult.CANCELLED, AttemptResult.SUCCEEDED]));
    expect(events).toHaveLength(3);
  });

  it("closed without an answer was sent all the same", async () => {
    const { providers } = await start();
    vendor.answer((response) => void response.socket?.destroy());
    const { error } = await collect(providers.attempt(attemptRequest({ operation: operations.generate }), contextOf()));
    expect(error).toMatchObject({ reason: "UPSTREAM_UNAVAILABLE" });
    const event = await onlyEvent();
    expect(event.outcome).toMatchObject({ result: AttemptResult.FAILED, httpStatus: 0 });
    expect(quantity(event, Meter.INPUT_TOKENS)).toBeGreaterThan(0n);
  });

  it("that speaks no HTTP is an error of protocol", async () => {
    const server = createServer((socket) => void socket.once("data", () => socket.write("SSH-2.0-OpenSSH\r\n")));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { providers } = await start({ baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
    const { error } = await collect(providers.attempt(attemptRequest({ operation: operations.generate }), contextOf()));
    expect(error).toMatchObject({ reason: "UPSTREAM_PROTOCOL" });
    expect((await onlyEvent()).outcome?.result).toBe(AttemptResult.FAILED);
    await new Promise((resolve) => server.close(resolve));
  });

  it("silent before the reply runs into the first timeout", async () => {
    const { providers } = await start({ firstByteTimeoutMs: 100 });
    vendor.answer(() => {});
    const { error } = await collect(providers.attempt(attemptRequest({ operation: operations.generate }), contextOf()));
    expect(error).toMatchObject({ reason: "UPSTREAM_TIMEOUT", metadata: { timeout_ms: "100" } });
    await vendor.requests[0]!.aborted;
    expect((await onlyEvent()).outcome).toMatchObject({ result: AttemptResult.FAILED, errorReason: "UPSTREAM_TIMEOUT" });
  });

  it("silent in the middle of the reply runs into the second", async () => {
    const { providers } = await start({ idleTimeoutMs: 100 });
    vendor.answer((response) => beginStream(response, chunk("a")));
    const { messages, error } = await collect(providers.attempt(attemptRequest({ operation: operations.stream }), contextOf()));
    expect(messages).toHaveLength(1);
    expect(error).toMatchObject({ reason: "UPSTREAM_TIMEOUT", metadata: { timeout_ms: "100" } });
    await vendor.requests[0]!.aborted;
    expect((await onlyEvent()).outcome).toMatchObject({ result: AttemptResult.INTERRUPTED, errorReason: "UPSTREAM_TIMEOUT" });
  });
});

describe("a request that no connection takes", () => {
  it("proves that nothing was sent", async () => {
    const { providers } = await start({ credential: new Secret("line\nbreak") });
    const { error } = await collect(providers.attempt(attemptRequest({ operation: operations.generate }), contextOf()));
    expect(error).toMatchObject({ reason: "UPSTREAM_UNAVAILABLE" });
    expect((await onlyEvent()).outcome?.result).toBe(AttemptResult.NOT_SENT);
  });
});

describe("a caller that goes away", () => {
  it("in the middle of a stream closes the vendor's connection", async () => {
    const { providers } = await start();
    vendor.answer((response) => beginStream(response, chunk(sentence + sentence)));
    const controller = new AbortController();
    const iterator = providers.attempt(attemptRequest({ operation: operations.stream }), contextOf(controller.signal))[Symbol.asyncIterator]();
    await iterator.next();
    const pending = iterator.next();
    controller.abort();
    await expect(pending).rejects.toMatchObject({ reason: "CANCELLED" });
    await vendor.requests[0]!.aborted;
    const event = await onlyCountedEvent();
    expect(event).toMatchObject({ rank: UsageSource.ESTIMATED, outcome: { result: AttemptResult.CANCELLED, errorReason: "CANCELLED" } });
    expect(quantity(event, Meter.OUTPUT_TOKENS)).toBe(BigInt(countTokens(sentence + sentence)));
  });

  it("by no longer iterating does the same", async () => {
    const { providers } = await start();
    vendor.answer((response) => beginStream(response, chunk("a")));
    for await (const message of providers.attempt(attemptRequest({ operation: operations.stream }), contextOf())) {
      expect(message.start).toBeDefined();
      break;
    }
    await vendor.requests[0]!.aborted;
    expect((await onlyEvent()).outcome?.result).toBe(AttemptResult.CANCELLED);
  });

  it("before the reply closes the vendor's connection", async () => {
    const { providers } = await start();
    const controller = new AbortController();
    vendor.answer(() => controller.abort());
    const { error } = await collect(providers.attempt(attemptRequest({ operation: operations.generate }), contextOf(controller.signal)));
    expect(error).toMatchObject({ reason: "CANCELLED" });
    await vendor.requests[0]!.aborted;
    expect((await onlyEvent()).outcome?.result).toBe(AttemptResult.CANCELLED);
  });

  it("before the intent is durable sends nothing", async () => {
    const { providers } = await start();
    const controller = new AbortController();
    const attempt = collect(providers.attempt(attemptRequest({ operation: operations.generate }), contextOf(controller.signal)));
    controller.abort();
    expect((await attempt).error).toMatchObject({ reason: "CANCELLED" });
    expect((await onlyEvent()).outcome?.result).toBe(AttemptResult.NOT_SENT);
    expect(vendor.requests).toEqual([]);
  });

  it("before it began leaves no trace", async () => {
    const { providers, events } = await start();
    const { error } = await collect(providers.attempt(attemptRequest({ operation: operations.generate }), contextOf(AbortSignal.abort())));
    expect(error).toMatchObject({ reason: "CANCELLED" });
    expect(events).toEqual([]);
  });

  it("is waited for no longer, but the reply is read to its usage, where the vendor bills it to its end", async () => {
    const { providers } = await start({ adapter: { ...openaiVendor, onDisconnect: "drain" } });
    let response: ServerResponse | undefined;
    vendor.answer((begun) => beginStream((response = begun), chunk("a")));
    const controller = new AbortController();
    const iterator = providers.attempt(attemptRequest({ operation: operations.stream }), contextOf(controller.signal))[Symbol.asyncIterator]();
    await iterator.next();
    const pending = iterator.next();
    controller.abort();
    await expect(pending).rejects.toMatchObject({ reason: "CANCELLED" });
    response!.end(chunk("b", "stop") + usageChunk + done);
    const [event] = await running!.nextEvents();
    expect(event).toMatchObject({ rank: UsageSource.PROVIDER, outcome: { result: AttemptResult.CANCELLED } });
    await onlyEvent();
  });
});

describe("an attempt's id", () => {
  it("is sent once", async () => {
    const { providers } = await start();
    vendor.answer(answerJson(200, completion));
    const request = attemptRequest({ operation: operations.generate });
    await collect(providers.attempt(request, contextOf()));
    const { error } = await collect(providers.attempt(request, contextOf()));
    expect(error).toMatchObject({ reason: "ATTEMPT_REPEATED" });
    expect(vendor.requests).toHaveLength(1);
    await onlyEvent();
  });

  it("is refused after its start deadline", async () => {
    const { providers, events } = await start();
    const request = attemptRequest({ operation: operations.generate, startDeadlineTime: timestampFromMs(Date.now() - 1) });
    const { error } = await collect(providers.attempt(request, contextOf()));
    expect(error).toMatchObject({ reason: "ATTEMPT_TOO_LATE" });
    expect(vendor.requests).toEqual([]);
    expect(events).toEqual([]);
  });
});

describe("a request that cannot be made", () => {
  it.each([
    ["an unknown provider", { provider: "nobody" }, "UPSTREAM_UNAVAILABLE"],
    ["a model off the list", { model: "other" }, "UPSTREAM_UNAVAILABLE"],
    ["no operation", { operation: { case: undefined } }, "INVALID_REQUEST"],
    ["a malformed id", { attemptId: "att_x" }, "INVALID_REQUEST"],
  ] as const)("for %s leaves no trace", async (_what, init, reason) => {
    const { providers, events } = await start({ onlyListedModels: true });
    const { error } = await collect(providers.attempt(attemptRequest({ operation: operations.generate, ...init }), contextOf()));
    expect(error).toMatchObject({ reason });
    expect(events).toEqual([]);
    expect(vendor.requests).toEqual([]);
  });
});

describe("the service", () => {
  it("makes orphans of what a killed process had begun, and delivers again what it had settled", async () => {
    const journalDirectory = await mkdtemp(join(tmpdir(), "weir-providers-"));
    let isDown = true;
    const killed = await startProviders({ provider: { baseUrl: vendor.baseUrl }, journalDirectory, ledgerIsDown: () => isDown });
    vendor.answer(answerJson(200, completion));
    const settled = attemptRequest({ operation: operations.generate });
    await collect(killed.providers.attempt(settled, contextOf()));
    const arrived = Promise.withResolvers<void>();
    vendor.answer(() => arrived.resolve());
    const begun = attemptRequest({ operation: operations.generate });
    const pending = collect(killed.providers.attempt(begun, contextOf()));
    await arrived.promise;
    // A copy of the journal while the attempt is under way is what a kill leaves.
    const left = await mkdtemp(join(tmpdir(), "weir-providers-"));
    await cp(journalDirectory, left, { recursive: true });
    isDown = false;
    await killed.stop();
    await pending;

    const next = await startProviders({ provider: { baseUrl: vendor.baseUrl }, journalDirectory: left });
    await next.stop();
    const byId = new Map(next.events.map((event) => [event.intent?.attemptId, event]));
    expect(next.events).toHaveLength(2);
    expect(byId.get(settled.attemptId)).toMatchObject({ rank: UsageSource.PROVIDER, outcome: { result: AttemptResult.SUCCEEDED } });
    expect(byId.get(begun.attemptId)).toMatchObject({ rank: UsageSource.ORPHANED, outcome: { result: AttemptResult.ORPHANED }, intent: { model: "gpt-test", priceVersion: "pri_1" } });
    await Promise.all([rm(journalDirectory, { recursive: true }), rm(left, { recursive: true })]);
  });

  it("says to those who watch the catalogue that all is well, as often as asked for", async () => {
    const { providers } = await start();
    const catalog = providers.watchCatalog(create(WatchCatalogRequestSchema, { heartbeatInterval: durationFromMs(100) }), contextOf())[Symbol.asyncIterator]();
    expect((await catalog.next()).value).toMatchObject({ heartbeat: false, providers: [{ name: "main" }] });
    for (let beat = 0; beat < 2; beat++) expect((await catalog.next()).value).toMatchObject({ heartbeat: true, providers: [] });
    await catalog.return!();
  });

  it("lets a stream of a removed provider go on to its end, and refuses new calls", async () => {
    const { providers, config } = await start();
    let response: ServerResponse | undefined;
    vendor.answer((begun) => beginStream((response = begun), chunk("a")));
    const iterator = providers.attempt(attemptRequest({ operation: operations.stream }), contextOf())[Symbol.asyncIterator]();
    await iterator.next();
    const catalog = providers.watchCatalog({ $typeName: "weir.providers.v1.WatchCatalogRequest" }, contextOf())[Symbol.asyncIterator]();
    expect((await catalog.next()).value.providers).toMatchObject([{ name: "main", vendor: "openai", nativeDialects: ["openai"], models: ["gpt-test"] }]);
    config.set(configOf({ name: "other", baseUrl: vendor.baseUrl }));
    expect((await catalog.next()).value.providers).toMatchObject([{ name: "other" }]);
    await catalog.return!();

    const { error } = await collect(providers.attempt(attemptRequest({ operation: operations.generate }), contextOf()));
    expect(error).toMatchObject({ reason: "UPSTREAM_UNAVAILABLE" });
    response!.end(chunk("b", "stop") + usageChunk + done);
    const events = [];
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) events.push(...next.value.events);
    expect(events.at(-1)?.event.case).toBe("end");
    expect((await onlyEvent()).outcome?.result).toBe(AttemptResult.SUCCEEDED);
  });

  it("cuts what is left when it stops, and says so", async () => {
    const { providers, events, stop } = await start();
    running = undefined;
    vendor.answer((response) => beginStream(response, chunk("a")));
    const iterator = providers.attempt(attemptRequest({ operation: operations.stream }), contextOf())[Symbol.asyncIterator]();
    await iterator.next();
    const pending = iterator.next();
    const stopped = stop();
    await expect(pending).rejects.toMatchObject({ reason: "SHUTTING_DOWN" });
    await stopped;
    expect(events.map(({ outcome }) => outcome?.errorReason)).toEqual(["SHUTTING_DOWN"]);
    const late = attemptRequest({ attemptId: newId("att", systemClock), operation: operations.stream });
    expect((await collect(providers.attempt(late, contextOf()))).error).toMatchObject({ reason: "SHUTTING_DOWN" });
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
