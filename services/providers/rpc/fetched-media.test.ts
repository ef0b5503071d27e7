/** Owns the proof that media which a caller names by address reaches a vendor that takes bytes alone as bytes, within the operator's bounds. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Role, type PartSchema } from "#gen/weir/inference/v1/content_pb.ts";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import type { GenerateRequest } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { AttemptRequest } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { Internet } from "#platform/egress/fetch-file.ts";
import { GatewayError } from "#platform/errors.ts";
import { Secret } from "#platform/secrets/secret.ts";
import type { VendorAdapter } from "../domain/adapter.ts";
import { bedrockVendor } from "../edge/bedrock/bedrock-vendor.ts";
import { reply as bedrockReply } from "../edge/bedrock/fixtures.ts";
import type { FetchBounds } from "../edge/media-fetcher.ts";
import { reply as ollamaReply } from "../edge/ollama/fixtures.ts";
import { ollamaVendor } from "../edge/ollama/ollama-vendor.ts";
import { openaiVendor } from "../edge/openai/openai-vendor.ts";
import { answerJson, completion, startScriptedVendor, type Answer, type ScriptedVendor } from "../testing/scripted-vendor.ts";
import { attemptRequest, collect, contextOf, startProviders, type RunningProviders } from "../testing/start-providers.ts";

type PartInit = MessageInitShape<typeof PartSchema>;

const png = Buffer.from("\x89PNG\r\n\x1a\n and the rest", "latin1");
const pdf = Buffer.from("%PDF-1.7 and the rest");

let vendor: ScriptedVendor;
let host: ScriptedVendor;
let running: RunningProviders | undefined;
beforeEach(async () => {
  [vendor, host] = await Promise.all([startScriptedVendor(), startScriptedVendor()]);
  host.answer(file(png, "image/png"));
});
afterEach(async () => {
  await running?.stop();
  running = undefined;
  await Promise.all([vendor.close(), host.close()]);
});

const file = (bytes: Buffer, mediaType = ""): Answer => (response) => void response.writeHead(200, { "content-type": mediaType }).end(bytes);
const authority = (): string => `files.example:${new URL(host.baseUrl).port}`;
const urlOf = (path: string): string => `http://${authority()}${path}`;
const image = (url: string): PartInit => ({ kind: { case: "image", value: { media: { source: { case: "url", value: url } } } } });
const document = (url: string, mediaType = ""): PartInit => ({ kind: { case: "file", value: { media: { source: { case: "url", value: url }, mediaType } } } });

/** `files.example` leads to the host of these tests. */
const internet: Internet = { refuse: () => undefined, resolveAll: (_hostname, callback) => callback(null, [{ address: "127.0.0.1", family: 4 }]) };

function defaultBounds(): FetchBounds {
  return { allowedHosts: [authority()], allowHttp: true, maximumFileBytes: 1_000, maximumRequestBytes: 2_000, maximumFiles: 4, maximumHeldBytes: 10_000, timeoutMs: 20_000 };
}

async function start(adapter: VendorAdapter, bounds: Partial<FetchBounds> | "off" = {}): Promise<RunningProviders> {
  running = await startProviders({
    provider: { baseUrl: vendor.baseUrl, vendor: adapter.vendor, adapter },
    internet,
    ...(bounds === "off" ? {} : { fetchBounds: { ...defaultBounds(), ...bounds } }),
  });
  return running;
}

function ask(parts: readonly PartInit[], strict = false): AttemptRequest {
  return attemptRequest({ operation: { case: "generate", value: { generation: { model: "any", strict, messages: [{ role: Role.USER, parts: [{ kind: { case: "text", value: { text: "What is it?" } } }, ...parts] }] } } } });
}

async function send(parts: readonly PartInit[], strict = false): Promise<unknown> {
  return (await collect(running!.providers.attempt(ask(parts, strict), contextOf()))).error;
}

const sent = (index = 0): unknown => JSON.parse(vendor.requests[index]!.body);

describe("media by address", () => {
  it("reaches Bedrock as bytes, each file fetched once", async () => {
    await start(bedrockVendor);
    vendor.answer(answerJson(200, bedrockReply));
    const pages = document(urlOf("/pages"));
    host.answer((response, request) => file(request.path === "/pages" ? pdf : png, "text/html")(response, request));
    const inResult: PartInit = { kind: { case: "toolResult", value: { toolCallId: "call_1", parts: [image(urlOf("/cat"))] } } };
    expect(await send([image(urlOf("/cat")), pages, inResult], true)).toBeUndefined();
    const picture = { image: { format: "png", source: { bytes: png.toString("base64") } } };
    expect(sent()).toMatchObject({
      messages: [{ content: [{ text: "What is it?" }, picture, { document: { format: "pdf", source: { bytes: pdf.toString("base64") } } }, { toolResult: { content: [picture] } }] }],
    });
    expect(host.requests.map(({ path }) => path).sort()).toEqual(["/cat", "/pages"]);
    expect(host.requests[0]!.headers).not.toHaveProperty("authorization");
  });

  it("is counted as bytes where it is generated from as bytes", async () => {
    await start(bedrockVendor);
    vendor.answer(answerJson(200, { inputTokens: 7 }));
    const { operation } = ask([image(urlOf("/cat"))], true);
    const { generation } = operation.value as GenerateRequest;
    const { error } = await collect(running!.providers.attempt(attemptRequest({ operation: { case: "countTokens", value: { generation: generation! } } }), contextOf()));
    expect(error).toBeUndefined();
    expect(vendor.requests[0]!.body).toContain(png.toString("base64"));
  });

  it("is there before the credential is chosen, which could end while files come", async () => {
    let nowMs = Date.now();
    const hourMs = 3_600_000;
    running = await startProviders({
      provider: {
        baseUrl: vendor.baseUrl,
        vendor: "ollama",
        adapter: ollamaVendor,
        credential: undefined,
        identity: { name: "google", settings: new Secret("{}"), obtain: async (atMs) => ({ credential: new Secret(String(atMs + hourMs)), expiresAtMs: atMs + hourMs }) },
      },
      clock: { now: () => nowMs, monotonicMs: () => performance.now() },
      internet,
      fetchBounds: defaultBounds(),
    });
    vendor.answer(answerJson(200, ollamaReply));
    host.answer((response, request) => {
      nowMs += 2 * hourMs;
      return file(png, "image/png")(response, request);
    });
    const request = ask([image(urlOf("/cat"))]);
    expect((await collect(running.providers.attempt(request, contextOf()))).error).toBeUndefined();
    expect(Number(vendor.requests[0]!.headers.authorization!.replace("Bearer ", ""))).toBeGreaterThan(nowMs);
  });

  it("reaches Ollama as bytes", async () => {
    await start(ollamaVendor);
    vendor.answer(answerJson(200, ollamaReply));
    expect(await send([image(urlOf("/cat"))])).toBeUndefined();
    expect(sent()).toMatchObject({ messages: [{ images: [png.toString("base64")] }] });
  });

  it("goes as it is to a vendor that fetches by itself, but for what it does not", async () => {
    await start(openaiVendor);
    vendor.answer(answerJson(200, completion));
    host.answer(file(pdf));
    expect(await send([image(urlOf("/cat")), document(urlOf("/pages"))], true)).toBeUndefined();
    expect(sent()).toMatchObject({ messages: [{ content: [{}, { image_url: { url: urlOf("/cat") } }, { file: { file_data: `data:application/pdf;base64,${pdf.toString("base64")}` } }] }] });
    expect(host.requests).toHaveLength(1);
  });

  it.each([bedrockVendor, ollamaVendor])("is refused by $vendor where nothing is fetched, with the setting that would", async (adapter) => {
    await start(adapter, "off");
    expect(await send([image(urlOf("/cat"))])).toMatchObject({ reason: "UNSUPPORTED_FIELD", message: expect.stringMatching(/bytes alone; .*fetch_urls in weir\.yaml/) });
    expect(host.requests).toEqual([]);
  });

  it("is left out with a warning that names the setting, where the vendor's chat has no place for an address", async () => {
    await start(openaiVendor, "off");
    vendor.answer(answerJson(200, completion));
    const { messages } = await collect(running!.providers.attempt(ask([document(urlOf("/pages"))]), contextOf()));
    expect(messages[0]?.generate?.warnings).toMatchObject([{ message: expect.stringContaining("fetch_urls in weir.yaml") }]);
    expect(host.requests).toEqual([]);
  });

  it("in another scheme is left to the vendor", async () => {
    await start(bedrockVendor);
    expect(await send([image("s3://bucket/cat.png")])).toMatchObject({ message: expect.stringContaining("S3") });
    expect(await send([image("gs://bucket/cat.png")])).toMatchObject({ message: expect.not.stringContaining("fetch_urls") });
  });
});

describe("what is not to be had", () => {
  it.each([
    ["of the wrong type", file(Buffer.from("<html>"), "image/png"), "not a picture"],
    ["missing", answerJson(404, {}), "status 404"],
    ["larger than a file may be", file(Buffer.concat([png, Buffer.alloc(1_000)])), "larger than 1000 bytes"],
  ])("as it is %s, is told with its place; no vendor is asked, and the ledger hears nothing", async (_what, answer, message) => {
    await start(bedrockVendor);
    host.answer(answer);
    const error = await send([image(urlOf("/cat?secret"))]);
    expect(error).toMatchObject({ reason: "UNSUPPORTED_FIELD", metadata: { field: "messages[0].parts[1]" }, message: expect.stringContaining(message) });
    expect((error as Error).message).not.toContain("secret");
    expect(vendor.requests).toEqual([]);
    await running!.stop();
    expect(running!.events).toEqual([]);
    running = undefined;
  });

  it("is refused when the files of a request are too many, or too large together", async () => {
    await start(bedrockVendor);
    expect(await send([1, 2, 3, 4, 5].map((number) => image(urlOf(`/${number}`))))).toMatchObject({ message: expect.stringContaining("fetch_urls.max_files") });
    expect(host.requests).toEqual([]);
    host.answer(file(Buffer.concat([png, Buffer.alloc(900)])));
    expect(await send([1, 2, 3].map((number) => image(urlOf(`/${number}`))))).toMatchObject({ message: expect.stringContaining("larger than 2000 bytes together") });
  });

  it("is refused when it is too late", async () => {
    await start(bedrockVendor, { timeoutMs: 50 });
    host.answer((response) => void response.writeHead(200).write("\x89"));
    expect(await send([image(urlOf("/slow"))])).toMatchObject({ reason: "UNSUPPORTED_FIELD", message: expect.stringContaining("within 50 ms") });
    await host.requests[0]!.aborted;
  });
});

describe("a caller that goes away", () => {
  it("ends the fetch, and leaves nothing in the ledger", async () => {
    await start(bedrockVendor);
    const asked = Promise.withResolvers<void>();
    host.answer((response) => {
      response.writeHead(200).write("\x89");
      asked.resolve();
    });
    const caller = new AbortController();
    const ending = collect(running!.providers.attempt(ask([image(urlOf("/slow"))]), contextOf(caller.signal)));
    await asked.promise;
    caller.abort(new GatewayError("DEADLINE_EXCEEDED", "late"));
    expect((await ending).error).toMatchObject({ reason: "DEADLINE_EXCEEDED" });
    await host.requests[0]!.aborted;
    expect(vendor.requests).toEqual([]);
    await running!.stop();
    expect(running!.events).toEqual([]);
    running = undefined;
  });
});

describe("the bytes that are held", () => {
  it("are bounded over all requests, until the vendor has answered", async () => {
    await start(bedrockVendor, { maximumHeldBytes: png.length });
    const vendorAnswers = Promise.withResolvers<void>();
    const vendorWasAsked = Promise.withResolvers<void>();
    vendor.answer(async (response, request) => {
      vendorWasAsked.resolve();
      await vendorAnswers.promise;
      return answerJson(200, bedrockReply)(response, request);
    });
    const first = send([image(urlOf("/cat"))]);
    await vendorWasAsked.promise;
    expect(await send([image(urlOf("/cat"))])).toMatchObject({ reason: "OVERLOADED", retryAfterMs: 1_000, message: expect.stringContaining("fetch_urls.max_held_bytes") });
    vendorAnswers.resolve();
    expect(await first).toBeUndefined();
    // What a failed fetch held is free again, too.
    host.answer(file(Buffer.from("no image")));
    await send([image(urlOf("/cat"))]);
    host.answer(file(png));
    expect(await send([image(urlOf("/cat"))])).toBeUndefined();
    expect((await running!.nextEvents()).every(({ outcome }) => outcome?.result === AttemptResult.SUCCEEDED)).toBe(true);
  });
});
