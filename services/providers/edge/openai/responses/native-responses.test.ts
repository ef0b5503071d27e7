/** Owns the proof that a Responses request and its reply go through untouched, and that the ledger learns what it must of them. */
import fastCheck from "fast-check";
import type { Response, ResponseStreamEvent } from "openai/resources/responses/responses";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import type { WatchCatalogResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { SseSplitter } from "#platform/formats/sse.ts";
import { StreamedReply } from "../../../domain/reply/streamed-reply.ts";
import { answerJson, beginStream, startScriptedVendor, type ScriptedVendor } from "../../../testing/scripted-vendor.ts";
import { attemptRequest, collect, configOf, contextOf, nativeText, startProviders, type RunningProviders } from "../../../testing/start-providers.ts";
import { openaiVendor, openaiVendorWithResponses } from "../openai-vendor.ts";
import { responsesForm } from "./native-responses.ts";

/** Made after the docstrings of `Response` and of the stream's events in the `openai` package. */
const usage: Response["usage"] = {
  input_tokens: 30,
  input_tokens_details: { cached_tokens: 10, cache_write_tokens: 5 },
  output_tokens: 20,
  output_tokens_details: { reasoning_tokens: 8 },
  total_tokens: 50,
};
const response = {
  id: "resp_1",
  object: "response",
  created_at: 1_700_000_000,
  status: "completed",
  model: "gpt-x-2026",
  service_tier: "default",
  error: null,
  incomplete_details: null,
  output: [{ id: "msg_1", type: "message", role: "assistant", status: "completed", content: [{ type: "output_text", text: "Hëllo", annotations: [] }] }],
  tool_usage: { web_search: { num_requests: 2 } },
  unheard_of: { kept: 1 },
  usage,
};
const growing = { ...response, status: "in_progress", output: [], usage: null };

let sequence = 0;
function event(members: { readonly type: ResponseStreamEvent["type"] | "response.new_kind" } & Record<string, unknown>): string {
  return `event: ${members.type}\ndata: ${JSON.stringify({ ...members, sequence_number: sequence++ })}\n\n`;
}

const begin = event({ type: "response.created", response: growing });
const middle =
  event({ type: "response.output_item.added", output_index: 0, item: { id: "rs_1", type: "reasoning", summary: [] } }) +
  event({ type: "response.reasoning_summary_text.delta", item_id: "rs_1", output_index: 0, summary_index: 0, delta: "Hm", obfuscation: "xyz" }) +
  event({ type: "response.output_text.delta", item_id: "msg_1", output_index: 1, content_index: 0, delta: "Hël", logprobs: [] }) +
  event({ type: "response.new_kind", anything: true }) +
  event({ type: "response.output_text.delta", item_id: "msg_1", output_index: 1, content_index: 0, delta: "lo", logprobs: [] }) +
  event({ type: "response.function_call_arguments.delta", item_id: "fc_1", output_index: 2, delta: "{}" }) +
  event({ type: "response.audio.delta", delta: "AAAA" });
const stream = begin + middle + event({ type: "response.completed", response });

function readAll(text: string, cuts: readonly number[] = []) {
  const bytes = Buffer.from(text);
  const request = responsesForm.buildNativeRequest(Buffer.from('{"model":"m"}'), "gpt-x", true);
  const reply = new StreamedReply(responsesForm.createStreamReader(request), new SseSplitter(), true, [], "m");
  const borders = [0, ...[...cuts].sort((left, right) => left - right), bytes.length];
  const forwarded: Uint8Array[] = [];
  for (let index = 1; index < borders.length; index++) {
    // A copy, as chunks from a socket never share memory.
    reply.push(Buffer.from(bytes.subarray(borders[index - 1], borders[index])));
    const taken = reply.take();
    if (taken !== undefined) forwarded.push(taken.native);
  }
  return { reply, forwarded: Buffer.concat(forwarded).toString() };
}

function quantitiesOf({ quantities }: { readonly quantities: readonly { readonly meter: Meter; readonly quantity: bigint }[] }): readonly (readonly [Meter, bigint])[] {
  return quantities.map(({ meter, quantity }) => [meter, quantity]);
}

const meters = [
  [Meter.INPUT_TOKENS, 15n],
  [Meter.CACHED_INPUT_TOKENS, 10n],
  [Meter.CACHE_WRITE_5M_INPUT_TOKENS, 5n],
  [Meter.OUTPUT_TOKENS, 12n],
  [Meter.REASONING_OUTPUT_TOKENS, 8n],
  [Meter.WEB_SEARCHES, 2n],
];

describe("a request", () => {
  it("goes to /responses with the model alone changed", () => {
    const body = '{ "model": "alias", "input": "Hi", "stream":true, "new_field": 1.50, "background": false }';
    const { path, body: sent, withholdUsage } = responsesForm.buildNativeRequest(Buffer.from(body), "gpt-x", true);
    expect({ path, withholdUsage, sent: Buffer.from(sent).toString() }).toEqual({ path: "/responses", withholdUsage: false, sent: body.replace("alias", "gpt-x") });
  });

  it.each(['{"model":"m","background":true}', String.raw`{"model":"m","backgr\u006fund":true}`])("that nobody waits for is refused: %s", (body) => {
    expect(() => responsesForm.buildNativeRequest(Buffer.from(body), "m", false)).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST", fieldViolations: [expect.objectContaining({ field: "background" })] }));
  });
});

it("leaves out what another vendor reasoned earlier, which OpenAI could not read, and nothing else", () => {
  const own = '{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"gAAAA"}';
  const foreign = '{"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":"weir1.AAAA"}';
  const sent = (input: string) => Buffer.from(responsesForm.buildNativeRequest(Buffer.from(`{"model":"m", "n":1.50, "input":${input}}`), "m", false).body).toString();
  expect(sent(`[${own},${foreign},{"role":"user","content":"Hi"}]`)).toBe(`{"model":"m", "n":1.50, "input":[${own},{"role":"user","content":"Hi"}]}`);
  expect(sent('[ {"role":"user","content":"What is weir1.0?"} ]')).toBe('{"model":"m", "n":1.50, "input":[ {"role":"user","content":"What is weir1.0?"} ]}');
});

describe("a whole reply", () => {
  it("is summarized in disjoint meters", () => {
    const { usage: read, ...rest } = responsesForm.summarizeReply(Buffer.from(JSON.stringify(response)));
    expect(quantitiesOf(read!)).toEqual(meters);
    expect(rest).toEqual({ finishReason: "completed", servedModel: "gpt-x-2026", serviceTier: "default" });
  });

  it.each([
    [{ status: "incomplete", incomplete_details: { reason: "max_output_tokens" } }, "max_output_tokens"],
    [{ status: null, usage: null, incomplete_details: 7 }, ""],
  ])("%j ended with %s", (members, finishReason) => {
    expect(responsesForm.summarizeReply(Buffer.from(JSON.stringify({ ...response, ...members })))).toMatchObject({ finishReason });
  });

  it.each([
    [{ code: "server_error", message: "It fell over." }, "UPSTREAM_UNAVAILABLE"],
    [{ code: "invalid_prompt", message: "No." }, "UPSTREAM_REJECTED"],
    [null, "UPSTREAM_UNAVAILABLE"],
  ])("that failed with %j is an error, as in a stream", (error, reason) => {
    expect(() => responsesForm.summarizeReply(Buffer.from(JSON.stringify({ ...response, status: "failed", error })))).toThrow(expect.objectContaining({ reason }) as Error);
  });

  it("without usage reports none", () => {
    expect(responsesForm.summarizeReply(Buffer.from('{"usage":null}')).usage).toBeUndefined();
  });
});

describe("a stream", () => {
  it("goes on as it came, and tells its end, usage and size", () => {
    const { reply, forwarded } = readAll(stream);
    expect(forwarded).toBe(stream);
    expect(reply).toMatchObject({ complete: true, output: { bytes: Buffer.byteLength("HmHëllo{}") }, summary: { finishReason: "completed", servedModel: "gpt-x-2026", serviceTier: "default" } });
    expect(quantitiesOf(reply.summary.usage!)).toEqual(meters);
  });

  it("is the same however its bytes are cut", () => {
    const whole = readAll(stream);
    const length = Buffer.byteLength(stream);
    fastCheck.assert(
      fastCheck.property(fastCheck.array(fastCheck.integer({ min: 0, max: length }), { maxLength: 20 }), (cuts) => {
        const { reply, forwarded } = readAll(stream, cuts);
        expect(forwarded).toBe(whole.forwarded);
        expect(reply).toMatchObject({ complete: true, output: { bytes: whole.reply.output.bytes }, summary: whole.reply.summary });
      }),
    );
  });

  it("also ends where the output maximum was reached, and a terminator behind that is nothing", () => {
    const cut = { ...response, status: "incomplete", incomplete_details: { reason: "max_output_tokens" } };
    const { reply, forwarded } = readAll(`${begin}${event({ type: "response.incomplete", response: cut })}data: [DONE]\n\n`);
    expect(reply).toMatchObject({ complete: true, summary: { finishReason: "max_output_tokens" } });
    expect(forwarded).toContain("[DONE]");
  });

  it("without its last event is not complete, nor with [DONE] in its place", () => {
    expect(readAll(begin + middle).reply.complete).toBe(false);
    expect(readAll(`${begin}data: [DONE]\n\n`).reply.complete).toBe(false);
  });

  const failed = (error: object): string => event({ type: "response.failed", response: { ...growing, status: "failed", error } });
  it.each([
    [failed({ code: "server_error", message: "secret" }), "UPSTREAM_UNAVAILABLE", "failed with status 500"],
    [failed({ code: "server_is_overloaded", message: "busy" }), "UPSTREAM_UNAVAILABLE", "failed with status 500"],
    [failed({ code: "rate_limit_exceeded", message: "slow" }), "UPSTREAM_RATE_LIMITED", "limits the rate"],
    [failed({ code: "context_length_exceeded", message: "Too long." }), "UPSTREAM_REJECTED", "Too long."],
    [event({ type: "error", code: "invalid_image", message: "No image.", param: "input" }), "UPSTREAM_REJECTED", "No image."],
    [event({ type: "error", error: { type: "invalid_request_error", code: "context_length_exceeded", message: "Too long." } }), "UPSTREAM_REJECTED", "Too long."],
    [event({ type: "error", code: null, message: "?", param: null }), "UPSTREAM_UNAVAILABLE", "failed with status 500"],
    ["data: [1]\n\n", "UPSTREAM_PROTOCOL", "not an object"],
  ])("%j is an error", (bytes, reason, message) => {
    expect(() => readAll(begin + bytes)).toThrow(expect.objectContaining({ reason, message: expect.stringContaining(message) }));
  });
});

describe("an attempt", () => {
  let vendor: ScriptedVendor;
  let running: RunningProviders;

  beforeEach(async () => {
    vendor = await startScriptedVendor();
    running = await startProviders({ provider: { baseUrl: vendor.baseUrl, adapter: openaiVendorWithResponses } });
  });
  afterEach(async () => {
    await running.stop();
    await vendor.close();
  });

  const body = '{"model":"alias","input":"Hi"}';
  const generation = { model: "any", native: { dialect: "openai-responses", body: Buffer.from(body) } };

  it("in the caller's bytes stands in the ledger with the vendor's usage", async () => {
    vendor.answer(answerJson(200, response));
    const { messages } = await collect(running.providers.attempt(attemptRequest({ operation: { case: "generate", value: { generation } } }), contextOf()));
    expect(nativeText(messages)).toBe(JSON.stringify(response));
    expect(vendor.requests[0]).toMatchObject({ path: "/v1/responses", body: body.replace("alias", "gpt-test") });
    const [settled] = await running.nextEvents();
    expect(settled).toMatchObject({ rank: UsageSource.PROVIDER, outcome: { result: AttemptResult.SUCCEEDED, finishReason: "completed", servedModel: "gpt-x-2026" } });
    expect(quantitiesOf(settled!.outcome!.usage!)).toEqual(meters);
  });

  it("that streams does too", async () => {
    vendor.answer((begun) => {
      beginStream(begun, stream);
      begun.end();
    });
    const { messages } = await collect(running.providers.attempt(attemptRequest({ operation: { case: "streamGenerate", value: { generation } } }), contextOf()));
    expect(nativeText(messages)).toBe(stream);
    expect(messages.at(-1)?.end?.usage).toBeDefined();
  });

  it("counts on what a changed configuration says of the server", async () => {
    vendor.answer(answerJson(200, response));
    const catalog = running.providers.watchCatalog({ $typeName: "weir.providers.v1.WatchCatalogRequest" }, contextOf())[Symbol.asyncIterator]();
    const nativeDialects = async () => ((await catalog.next()).value as WatchCatalogResponse).providers[0]!.nativeDialects;
    const outcome = async () => (await collect(running.providers.attempt(attemptRequest({ operation: { case: "generate", value: { generation } } }), contextOf()))).error;
    expect(await nativeDialects()).toEqual(["openai", "openai-responses"]);
    running.config.set(configOf({ baseUrl: vendor.baseUrl, adapter: openaiVendor }));
    expect(await nativeDialects()).toEqual(["openai"]);
    expect(await outcome()).toMatchObject({ reason: "INVALID_REQUEST" });
    running.config.set(configOf({ baseUrl: vendor.baseUrl, adapter: openaiVendorWithResponses }));
    expect(await nativeDialects()).toContain("openai-responses");
    expect(await outcome()).toBeUndefined();
    await catalog.return!();
  });

  it("in Chat Completions still goes where those are", async () => {
    vendor.answer(answerJson(500, {}));
    const chat = { model: "any", native: { dialect: "openai", body: Buffer.from('{"model":"alias","messages":[]}') } };
    await collect(running.providers.attempt(attemptRequest({ operation: { case: "generate", value: { generation: chat } } }), contextOf()));
    expect(vendor.requests[0]).toMatchObject({ path: "/v1/chat/completions" });
  });
});
