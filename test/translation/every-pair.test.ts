/** Owns what holds of every dialect with every vendor, for whatever is asked and answered: a new one needs nothing here but its player. */
import { create, toBinary } from "@bufbuild/protobuf";
import fastCheck from "fast-check";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { GenerationSchema, type Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { SseSplitter } from "#platform/formats/sse.ts";
import { Secret } from "#platform/secrets/secret.ts";
import { withCallsByPlace } from "../capabilities/calls-by-place.ts";
import { anthropicMessages } from "../capabilities/callers/anthropic-messages.ts";
import { connect } from "../capabilities/callers/connect.ts";
import { googleGenai } from "../capabilities/callers/google-genai.ts";
import { openaiChat } from "../capabilities/callers/openai-chat.ts";
import { openaiResponses } from "../capabilities/callers/openai-responses.ts";
import type { Answer, Part, Player, Turn, Wanted } from "../capabilities/exchange.ts";
import { stages } from "../capabilities/stages.ts";
import { StreamedReply } from "../../services/providers/domain/reply/streamed-reply.ts";
import type { VendorAdapter, VendorRequest } from "../../services/providers/domain/adapter.ts";
import { noSettings, type VendorSettings } from "../../services/providers/edge/vendor-settings.ts";
import { vendors } from "../../services/providers/edge/vendors.ts";
import type { GenerateEndpoint, JsonObject } from "../../services/routing/domain/dialect.ts";
import { dialects } from "../../services/routing/edge/dialects.ts";

const { array, constantFrom, dictionary, integer, nat, option, record, string, tuple } = fastCheck;
const words = string({ minLength: 1, maxLength: 16, unit: "grapheme" }).filter((text) => text.trim() !== "");
const name = constantFrom("get_flow", "get_level", "a_b");
const id = string({ minLength: 9, maxLength: 9, unit: constantFrom(..."abcdefghijkmnpqrstuvwxyz0123456789") });
const call = record({ id, name, input: dictionary(constantFrom("river", "größe"), words, { maxKeys: 2 }) });
const calls = fastCheck.uniqueArray(call, { minLength: 1, maxLength: 3, selector: (one) => one.id });
const absentOr = <Value>(value: fastCheck.Arbitrary<Value>, label: string) => option(value, { nil: undefined }).map((one) => (one === undefined ? {} : { [label]: one }));

const usage = tuple(nat(99), nat(99), nat(99)).map(([fresh, cached, output]) => ({ input: fresh + cached, cached, output, reasoning: 0 }));
const answer: fastCheck.Arbitrary<Answer> = tuple(absentOr(record({ text: words, signature: id }), "reasoning"), words, absentOr(calls, "calls"), usage).map(
  ([reasoning, text, called, used]) => ({ ...reasoning, text, ...called, finish: "calls" in called ? ("calls" as const) : ("stop" as const), usage: used }),
);

/** A question, and what came of some calls; each answered at once. */
const turns: fastCheck.Arbitrary<Turn[]> = tuple(words, array(tuple(calls, words), { maxLength: 2 })).map(([question, rounds]) => [
  { role: "user", parts: [{ text: question }] },
  ...rounds.flatMap(([called, result], round): Turn[] => {
    const own = called.map((one) => ({ ...one, id: `${one.id.slice(0, 8)}${round}` }));
    const distinct = own.filter((one, index) => own.findIndex((other) => other.id === one.id) === index);
    return [
      { role: "assistant", parts: distinct.map((one): Part => ({ call: one })) },
      { role: "user", parts: distinct.map((one): Part => ({ result: { id: one.id, text: result } })) },
    ];
  }),
]);
const parameters = { type: "object", properties: { river: { type: "string" } }, required: ["river"], additionalProperties: false };
const wanted: fastCheck.Arbitrary<Wanted> = tuple(
  turns,
  absentOr(words, "system"),
  absentOr(constantFrom(0, 0.25, 1), "temperature"),
  absentOr(constantFrom("none" as const, "required" as const, { name: "get_level" }), "toolChoice"),
  absentOr(integer({ min: 0, max: 99 }), "seed"),
  absentOr(array(constantFrom("END", "STOP"), { minLength: 1, maxLength: 2 }), "stop"),
  absentOr(constantFrom("low" as const, "high" as const), "effort"),
  absentOr(words, "user"),
).map(([asked, ...more]) => Object.assign({ turns: asked, outputMaximum: 4000, tools: ["get_flow", "get_level", "a_b"].map((tool) => ({ name: tool, description: "d", parameters })) }, ...(more as object[])) as Wanted);

function typesOf(asked: Wanted): Generation {
  return create(GenerationSchema, { ...(connect.build(asked) as object), model: "provider/model" });
}

const endpoints = dialects.flatMap((dialect) => dialect.endpoints.filter((endpoint) => endpoint.operation === "generate").map((endpoint): [string, GenerateEndpoint] => [`${dialect.name} ${endpoint.path}`, endpoint]));
/** Each dialect reads its own of this. */
const anyBody = { model: "m", stream: true, max_tokens: 9, prompt: "x", input: "x", messages: [{ role: "user", content: "x" }], contents: [{ parts: [{ text: "x" }] }] };

function adapterOf({ vendor, settings }: Player): VendorAdapter {
  const { adapter, own } = vendors[vendor]!;
  return settings === undefined || own === undefined ? adapter : own.createAdapter({ ...noSettings, ...(parse(`{ ${settings} }`) as Partial<VendorSettings>) });
}

function anyRequest(player: Player, model: string): VendorRequest {
  return adapterOf(player).generate.buildRequest(typesOf({ turns: [{ role: "user", parts: [{ text: "x" }] }], outputMaximum: 99 }), model, true);
}

/** The bytes that a caller of this endpoint gets of a vendor's stream that comes in these chunks. */
function streamThrough(endpoint: GenerateEndpoint, player: Player, model: string, chunks: readonly Buffer[]): string {
  const { generate } = adapterOf(player);
  const request = anyRequest(player, model);
  const reply = new StreamedReply(generate.createStreamReader(request), generate.createSplitter?.() ?? new SseSplitter(), false, [], model);
  const writer = endpoint.read(anyBody, { model: "m", query: "" }).createStreamWriter();
  let written = "";
  for (const chunk of chunks) {
    reply.push(chunk);
    written += writer.write(reply.take()?.events ?? []);
  }
  reply.end();
  return written + writer.write(reply.take()?.events ?? []) + (writer.end?.() ?? "");
}

function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  return [...places, bytes.length].map((end, index) => bytes.subarray(places[index - 1] ?? 0, end));
}

describe.each(stages)("$player.vendor", ({ player, model }) => {
  test.each(endpoints)("says the same to %s, however its stream is cut", (_name, endpoint) => {
    fastCheck.assert(
      fastCheck.property(answer, array(fastCheck.double({ min: 0, max: 1, noNaN: true }), { maxLength: 30 }), (said, places) => {
        const bytes = Buffer.concat(player.write(player.sayable?.(said) ?? said, true, player.basePath + anyRequest(player, model).path).pieces.map((piece) => Buffer.from(piece)));
        const whole = streamThrough(endpoint, player, model, [bytes]);
        expect(whole.length).toBeGreaterThan(100);
        const cuts = places.map((place) => Math.floor(place * bytes.length)).sort((left, right) => left - right);
        expect(streamThrough(endpoint, player, model, cutAt(bytes, cuts))).toBe(whole);
        expect(streamThrough(endpoint, player, model, cutAt(bytes, [...bytes.keys()]))).toBe(whole);
      }),
      { numRuns: 8 },
    );
  });
});

/** A dialect's official client's request as it stands in the body. */
const bodies: Readonly<Record<string, (asked: Wanted) => object | undefined>> = {
  "openai /v1/chat/completions": (asked) => openaiChat.build(asked),
  "openai-responses /v1/responses": (asked) => openaiResponses.build(asked),
  "anthropic /v1/messages": (asked) => anthropicMessages.build(asked),
  "gemini /v1beta/models/{model}:generateContent": geminiBody,
  "ollama /api/chat": ollamaBody,
};

/** The client puts what it calls the configuration into places of their own. */
function geminiBody(asked: Wanted): object | undefined {
  const request = googleGenai.build(asked) as { contents: object; config: Record<string, unknown> } | undefined;
  if (request === undefined) return undefined;
  const { systemInstruction, tools, toolConfig, ...generationConfig } = request.config;
  return { contents: request.contents, ...(systemInstruction === undefined ? {} : { systemInstruction: { parts: [{ text: systemInstruction }] } }), tools, ...(toolConfig === undefined ? {} : { toolConfig }), generationConfig };
}

/** It has no words for a choice among tools, nor for who asks. */
function ollamaBody({ turns: said, system, tools, toolChoice, user, outputMaximum, temperature, seed, stop, effort }: Wanted): object | undefined {
  if (toolChoice !== undefined || user !== undefined) return undefined;
  const messages = said.flatMap(({ role, parts }): object[] => {
    const results = parts.flatMap((part) => ("result" in part ? [{ role: "tool", tool_call_id: part.result.id, content: part.result.text }] : []));
    const content = parts.map((part) => ("text" in part ? part.text : "")).join("");
    const called = parts.flatMap((part) => ("call" in part ? [{ id: part.call.id, function: { name: part.call.name, arguments: part.call.input } }] : []));
    return results.length > 0 ? results : [{ role, content, ...(called.length === 0 ? {} : { tool_calls: called }) }];
  });
  const options = { num_predict: outputMaximum, ...(temperature === undefined ? {} : { temperature }), ...(seed === undefined ? {} : { seed }), ...(stop === undefined ? {} : { stop }) };
  return {
    messages: [...(system === undefined ? [] : [{ role: "system", content: system }]), ...messages],
    tools: tools!.map((one) => ({ type: "function", function: one })),
    options,
    ...(effort === undefined ? {} : { think: effort }),
  };
}

describe.each(stages)("asked of $player.vendor", ({ player, model }) => {
  const adapter = adapterOf(player);
  const essence = (turns: readonly Turn[]): readonly Turn[] => (player.renamesCalls === true ? withCallsByPlace({ turns }).turns : turns);

  test.each(Object.entries(bodies))("nothing of %s is lost in silence", (name, build) => {
    const endpoint = new Map(endpoints).get(name)!;
    fastCheck.assert(
      fastCheck.property(wanted, (asked) => {
        const body = build(asked);
        fastCheck.pre(body !== undefined);
        const call = endpoint.read(JSON.parse(JSON.stringify({ ...body, model: "m" })) as JsonObject, { model: "m", query: "" });
        const { path, headers, body: sent, warnings } = adapter.generate.buildRequest(call.toGeneration(), model, false);
        const credential = adapter.needsCredential ? adapter.authorize(new Secret(player.apiKey!)) : {};
        const { turns: come, ...rest } = player.read({ path: player.basePath + path, headers: { ...credential, ...headers }, body: Buffer.from(sent) }, false);
        const { turns: meant, ...others } = player.expected?.(asked) ?? asked;
        expect(essence(come)).toEqual(essence(meant));
        expect(call.unknownFields).toEqual([]);
        if (warnings.length === 0) expect(rest).toEqual(others);
      }),
      { numRuns: 60 },
    );
  });
});

const models: Readonly<Record<string, string>> = Object.fromEntries(stages.map(({ player, model }) => [player.vendor, model]));

test.each(Object.keys(vendors))("%s is asked for the same in the same bytes, and what is asked stays as it was", (vendor) => {
  const { generate } = vendors[vendor]!.adapter;
  fastCheck.assert(
    fastCheck.property(wanted, fastCheck.boolean(), (asked, stream) => {
      const generation = typesOf(asked);
      const before = toBinary(GenerationSchema, generation);
      const first = generate.buildRequest(generation, models[vendor] ?? "model", stream);
      expect(generate.buildRequest(typesOf(asked), models[vendor] ?? "model", stream)).toEqual(first);
      expect(generate.buildRequest(generation, models[vendor] ?? "model", stream)).toEqual(first);
      expect(toBinary(GenerationSchema, generation)).toEqual(before);
    }),
    { numRuns: 50 },
  );
});
