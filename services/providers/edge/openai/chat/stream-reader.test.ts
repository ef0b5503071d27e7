import fc from "fast-check";
import type { ChatCompletionChunk } from "openai/resources/chat/completions";
import { expect, test } from "vitest";
import type { StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { SseSplitter } from "#platform/formats/sse.ts";
import { StreamReading } from "../../../domain/adapter.ts";
import { createStreamReader } from "./stream-reader.ts";

type Delta = ChatCompletionChunk.Choice.Delta;

const done = "data: [DONE]\n\n";
const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
const head = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1_700_000_000, model: "gpt-x" } as const;

function event(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

function chunk(delta: Delta, finish_reason: ChatCompletionChunk.Choice["finish_reason"] = null, index = 0): string {
  return event({ ...head, choices: [{ index, delta, finish_reason, logprobs: null }] } satisfies ChatCompletionChunk);
}

const usageChunk = event({ ...head, choices: [], usage } satisfies ChatCompletionChunk);

function readAll(text: string | readonly Uint8Array[], withholdUsage = false) {
  const reader = createStreamReader({ path: "", headers: {}, body: new Uint8Array(), warnings: [], withholdUsage });
  const splitter = new SseSplitter();
  const events: StreamGenerateResponse[] = [];
  const withheld: string[] = [];
  for (const bytes of typeof text === "string" ? [Buffer.from(text)] : text) {
    for (const sse of splitter.push(bytes)) {
      const reading = reader.read(sse);
      events.push(...reading.toEvents());
      if (!reading.forward) withheld.push(Buffer.from(sse.raw).toString());
    }
  }
  if (reader.finished) events.push(...new StreamReading(reader.close?.() ?? [], true).toEvents());
  return { reader, events, withheld };
}

/** The events in a form short enough to compare by eye. */
function brief(events: readonly StreamGenerateResponse[]): string[] {
  return events.map(({ event: { case: kind, value } }) => {
    if (kind === "partStart") return `+${value.partIndex} ${value.part!.kind.case}`;
    if (kind === "partDelta") return `${value.partIndex} ${value.delta.case} ${String(value.delta.value)}`;
    if (kind === "partEnd") return `-${value.partIndex}`;
    if (kind === "candidateEnd") return `end ${value.candidateIndex} ${value.nativeFinishReason}`;
    return String(kind);
  });
}

const talk = chunk({ role: "assistant", content: "" }) + chunk({ content: "Hel" }) + chunk({ content: "lo" }) + chunk({}, "stop") + usageChunk + done;

test("reads text", () => {
  const { events, reader } = readAll(talk);
  expect(brief(events)).toEqual(["start", "+0 text", "0 text Hel", "0 text lo", "-0", "end 0 stop", "end"]);
  expect(events[0]!.event.value).toMatchObject({ id: "chatcmpl-1", model: "gpt-x", createTime: { seconds: 1_700_000_000n } });
  expect(events.at(-1)!.event.value).toMatchObject({ usage: { quantities: [{ meter: Meter.INPUT_TOKENS, quantity: 10n }, { meter: Meter.OUTPUT_TOKENS, quantity: 5n }] } });
  expect(reader).toMatchObject({ finished: true, output: { bytes: 5 }, summary: { finishReason: "stop", servedModel: "gpt-x" } });
});

test("tool calls grow at the same time", () => {
  const { events } = readAll(
    chunk({ content: "Wait." }) +
      chunk({ tool_calls: [{ index: 0, id: "a", type: "function", function: { name: "f", arguments: "" } }] }) +
      chunk({ tool_calls: [{ index: 1, id: "b", type: "custom", custom: { name: "g", input: "" } }] }) +
      chunk({ tool_calls: [{ index: 0, function: { arguments: "{" } }] }) +
      chunk({ tool_calls: [{ index: 1, custom: { input: "free" } }, { index: 0, function: { arguments: "}" } }] }) +
      chunk({}, "tool_calls") +
      done,
  );
  expect(brief(events)).toEqual(["start", "+0 text", "0 text Wait.", "-0", "+1 toolCall", "+2 toolCall", "1 arguments {", "2 arguments free", "1 arguments }", "-1", "-2", "end 0 tool_calls", "end"]);
  expect(events[5]!.event.value).toMatchObject({ part: { kind: { value: { id: "b", name: "g", custom: true } } } });
});

test("calls that share an index are told apart by their ids, and calls without either get them", () => {
  const call = (id: string | undefined, index: number | undefined, name: string) => event({ choices: [{ delta: { tool_calls: [{ ...(id === undefined ? {} : { id }), ...(index === undefined ? {} : { index }), function: { name, arguments: "{}" } }] } }] });
  const names = (text: string) =>
    readAll(text + done).events.flatMap(({ event: { case: kind, value } }) => (kind === "partStart" && value.part!.kind.case === "toolCall" ? [`${value.part!.kind.value.id}=${value.part!.kind.value.name}`] : []));
  expect(names(call("a", 0, "f") + call("b", 0, "g"))).toEqual(["a=f", "b=g"]);
  expect(names(call("a", undefined, "f") + call("b", undefined, "g"))).toEqual(["a=f", "b=g"]);
  expect(names(call(undefined, 0, "f") + call(undefined, 1, "g"))).toEqual(["call__0_0=f", "call__0_1=g"]);
});

test("arguments that come before the name are kept", () => {
  const { events } = readAll(chunk({ tool_calls: [{ index: 0, id: "a", function: { arguments: "{" } }] }) + chunk({ tool_calls: [{ index: 0, function: { name: "f", arguments: "}" } }] }) + done);
  expect(brief(events).slice(1, 3)).toEqual(["+0 toolCall", "0 arguments {}"]);
});

test("reasoning, then text; signatures and encrypted pieces stay", () => {
  const reasoning = (delta: object) => event({ ...head, choices: [{ index: 0, delta, finish_reason: null }] });
  expect(brief(readAll(reasoning({ reasoning_content: "h" }) + reasoning({ reasoning_content: "m" }) + chunk({ content: "A" }) + done).events).slice(1, 6)).toEqual(["+0 reasoning", "0 text h", "0 text m", "-0", "+1 text"]);
  const details = readAll(
    reasoning({ reasoning: "h", reasoning_details: [{ type: "reasoning.text", text: "h", index: 0 }] }) +
      reasoning({ reasoning_details: [{ type: "reasoning.text", signature: "sig", index: 0 }] }) +
      reasoning({ reasoning_details: [{ type: "reasoning.encrypted", data: "xyz", index: 1 }] }) +
      done,
  );
  expect(brief(details.events)).toEqual(["start", "+0 reasoning", "0 text h", "0 signature sig", "-0", "+1 reasoning", "-1", "end 0 ", "end"]);
});

test("refusals, log-probabilities and citations", () => {
  const token = { token: "No", bytes: [78, 111], logprob: -1, top_logprobs: [] };
  const { events } = readAll(event({ ...head, choices: [{ index: 0, delta: { refusal: "No" }, finish_reason: null, logprobs: { content: null, refusal: [token] } }] } satisfies ChatCompletionChunk) + done);
  expect(events[2]!.event.value).toMatchObject({ delta: { case: "text", value: "No" }, logprobs: [{ token: "No", logprob: -1 }] });
  const annotations = [{ type: "url_citation", url_citation: { url: "https://a", title: "A", start_index: 0, end_index: 1 } }];
  const cited = readAll(chunk({ content: "A" }) + event({ ...head, choices: [{ index: 0, delta: { annotations } }] }) + done);
  expect(cited.events[3]!.event.value).toMatchObject({ partIndex: 0, delta: { case: "citation", value: { url: "https://a", startIndex: 0, endIndex: 1 } } });
});

test("sound is decoded across borders that fall anywhere, its expiry after the finish is no part", () => {
  const bytes = Buffer.from("sound of some length");
  const encoded = bytes.toString("base64");
  const { events } = readAll(
    chunk({ audio: { id: "audio_1", transcript: "so" } }) + chunk({ audio: { data: encoded.slice(0, 5) } }) + chunk({ audio: { data: encoded.slice(5) } }) + chunk({}, "stop") + chunk({ audio: { expires_at: 1 } }) + done,
  );
  const audio = events.flatMap(({ event: { case: kind, value } }) => (kind === "partDelta" && value.delta.case === "audio" ? [value.delta.value] : []));
  expect(Buffer.concat(audio)).toEqual(bytes);
  expect(events.filter((one) => one.event.case === "partStart")).toHaveLength(1);
});

test("candidates are kept apart", () => {
  const { events } = readAll(chunk({ content: "A" }) + chunk({ content: "B" }, null, 1) + chunk({}, "stop") + chunk({}, "length", 1) + usageChunk + done);
  expect(brief(events).filter((line) => line.startsWith("end"))).toEqual(["end 0 stop", "end 1 length", "end"]);
});

test("the usage that the caller did not ask for is withheld, and only that", () => {
  expect(readAll(talk, true).withheld).toEqual([usageChunk]);
  expect(readAll(talk, false).withheld).toEqual([]);
});

test.each([
  ["usage in the last content chunk", event({ ...head, choices: [{ index: 0, delta: { content: "A" }, finish_reason: "stop" }], usage }), true],
  ["usage in a chunk of its own", chunk({ content: "A" }, "stop") + usageChunk, true],
  ["usage before the finish", event({ ...head, choices: [{ index: 0, delta: { content: "A" } }], usage }) + chunk({}, "stop"), false],
  ["a finish without usage", chunk({ content: "A" }, "stop"), false],
  ["usage without a finish", chunk({ content: "A" }) + usageChunk, false],
  ["one of two candidates finished", chunk({ content: "A" }, "stop") + chunk({ content: "B" }, null, 1) + usageChunk, false],
])("without [DONE], after %s: finished is %s", (_name, text, finished) => {
  const { reader, events } = readAll(text);
  expect(reader.finished).toBe(finished);
  expect(events.filter((one) => one.event.case === "end")).toHaveLength(finished ? 1 : 0);
});

test("what comes after the end changes the summary only", () => {
  const late = event({ ...head, choices: [{ index: 0, delta: { content: "late" } }], usage: { ...usage, completion_tokens: 9 } });
  const { events, reader } = readAll(talk + late + done);
  expect(brief(events)).toEqual(brief(readAll(talk).events));
  expect(reader.summary.usage?.quantities[1]).toMatchObject({ meter: Meter.OUTPUT_TOKENS, quantity: 9n });
});

test("goes on behind a finish that comes with a usage and too early", () => {
  const early = (content: string) => event({ ...head, choices: [{ index: 0, delta: { content }, finish_reason: "stop" }], usage });
  expect(brief(readAll(early("A") + early("B")).events)).toEqual(brief(readAll(chunk({ content: "A" }) + chunk({ content: "B" }, "stop") + usageChunk).events));
});

test("a forced tool call that says stop waits for its tool", () => {
  const { events } = readAll(chunk({ tool_calls: [{ index: 0, id: "a", function: { name: "f", arguments: "{}" } }] }) + chunk({}, "stop") + done);
  expect(events.at(-2)!.event.value).toMatchObject({ finishReason: FinishReason.TOOL_CALLS, nativeFinishReason: "stop" });
});

test("comments, Azure's opening chunk and null members are passed over", () => {
  const { events } = readAll(": PROCESSING\n\n" + event({ id: "", choices: [], prompt_filter_results: [] }) + event({ ...head, choices: [{ index: 0, delta: { content: null, tool_calls: null }, finish_reason: null }], usage: null }) + talk);
  expect(events.map((one) => one.event.case).slice(0, 2)).toEqual(["start", "partStart"]);
  expect(events[0]!.event.value).toMatchObject({ id: "chatcmpl-1" });
});

test.each([
  [event({ error: { message: "The server had an error", type: "server_error" } }), "UPSTREAM_UNAVAILABLE"],
  [`event: error\n${event({ message: "overloaded", code: 503 })}`, "UPSTREAM_UNAVAILABLE"],
  [event({ error: "boom" }), "UPSTREAM_UNAVAILABLE"],
  ["data: {oops\n\n", "UPSTREAM_PROTOCOL"],
  ["data: 7\n\n", "UPSTREAM_PROTOCOL"],
])("%j in mid-stream is thrown", (text, reason) => {
  expect(() => readAll(chunk({ content: "A" }) + text)).toThrow(expect.objectContaining({ reason }));
});

test("a stream of nothing, or of too many candidates, is no reply", () => {
  expect(() => readAll(done)).toThrow(expect.objectContaining({ reason: "UPSTREAM_PROTOCOL" }));
  const many = Array.from({ length: 129 }, (_, index) => chunk({ content: "A" }, null, index)).join("");
  expect(() => readAll(many)).toThrow(expect.objectContaining({ reason: "UPSTREAM_PROTOCOL" }));
});

test("the same bytes give the same events, wherever they are cut", () => {
  const bytes = Buffer.from(talk.replace("Hel", "Hé🎈l").replaceAll("\n\n", "\r\n\r\n"));
  const whole = readAll([bytes]).events;
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 20 }), (cuts) => {
      const borders = [0, ...cuts.sort((left, right) => left - right), bytes.length];
      const pieces = borders.slice(1).map((border, index) => bytes.subarray(borders[index], border));
      expect(readAll(pieces).events).toEqual(whole);
    }),
  );
});
