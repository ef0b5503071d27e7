/** Proves that guardrails look through what goes in and what comes out, through every door and in every form. */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { RoutingService } from "#gen/weir/routing/v1/routing_service_pb.ts";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { runWeir } from "../harness/run-weir.ts";
import { eventStream, json, startScriptedProvider, type Answer, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const address = "ada.lovelace@example.com";
const other = "grace@example.org";


let upstream: ScriptedProvider;
let weir: Weir;

beforeAll(async () => {
  upstream = await startScriptedProvider(() => undefined);
  const modes = ["block", "mask", "annotate", "shadow"];
  weir = await startWeir({
    config: `
logging: { level: debug }
providers:
  oai: { vendor: openai, api_key: sk-openai-secret, base_url: "${upstream.baseUrl}", models: [m] }
  ant: { vendor: anthropic, api_key: sk-anthropic-secret, base_url: "${upstream.baseUrl}", models: [m] }
routes:
${["restore", ...modes, ...modes.map((mode) => `out-${mode}`)].flatMap((name) => [`  ${name}: { targets: [oai/m] }`, `  ${name}-ant: { targets: [ant/m] }`]).join("\n")}
guardrails:
${modes.map((mode) => `  - { name: no-${mode}, models: [${mode}, ${mode}-ant], detectors: [email], mode: ${mode}, sides: [input] }`).join("\n")}
${modes.map((mode) => `  - { name: no-out-${mode}, models: [out-${mode}, out-${mode}-ant], detectors: [email], mode: ${mode}, sides: [output] }`).join("\n")}
  - { name: hide, models: [restore, restore-ant], detectors: [email], words: [Project Falcon, 'the "Owl"'], mode: mask, sides: [input], restore: true }
`,
  });
});
afterAll(async () => {
  await weir?.stop();
  await upstream?.stop();
});

const openai = (): OpenAI => new OpenAI({ apiKey: weir.inferenceKey, baseURL: `${weir.origin}/v1`, maxRetries: 0 });
const anthropic = (): Anthropic => new Anthropic({ apiKey: weir.inferenceKey, baseURL: weir.origin, maxRetries: 0 });
const lastSent = (): string => upstream.requests.at(-1)!.body.toString();

type Chunk = Readonly<Record<string, unknown>>;

const openAiReply = { id: "c", created: 1, model: "m" };
const openAiUsage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
const anthropicReply = { id: "msg", type: "message", role: "assistant", model: "m", stop_sequence: null, usage: { input_tokens: 1, output_tokens: 1 } };

/** OpenAI's and Anthropic's answer with this text, in one piece or in pieces of three characters, as asked for. */
function says(text: string): Answer {
  const pieces = text.match(/[\s\S]{1,3}/g)!;
  return answersWith({
    openAi: { role: "assistant", content: text },
    openAiDeltas: pieces.map((content) => ({ content })),
    anthropic: [{ type: "text", text }],
    anthropicEvents: [
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
      ...pieces.map((piece) => ({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: piece } })),
      { type: "content_block_stop", index: 0 },
    ],
  });
}

function answersWith({ openAi, openAiDeltas, anthropic: content, anthropicEvents }: { readonly openAi: Chunk; readonly openAiDeltas: readonly Chunk[]; readonly anthropic: readonly Chunk[]; readonly anthropicEvents: readonly Chunk[] }): Answer {
  const chunk = (delta: Chunk, finish: string | null): Chunk => ({ ...openAiReply, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: finish }] });
  const openAiEvents = [...openAiDeltas.map((delta) => chunk(delta, null)), chunk({}, "stop"), { ...openAiReply, object: "chat.completion.chunk", choices: [], usage: openAiUsage }];
  const ended = { type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 1 } };
  const events: readonly Chunk[] = [{ type: "message_start", message: { ...anthropicReply, content: [], stop_reason: null } }, ...anthropicEvents, ended, { type: "message_stop" }];
  return (request, response) => {
    const isOpenAi = request.path.endsWith("/chat/completions");
    const isStream = (JSON.parse(request.body.toString()) as { stream?: boolean }).stream === true;
    if (isStream && isOpenAi) return eventStream([...openAiEvents.map((event) => `data: ${JSON.stringify(event)}\n\n`), "data: [DONE]\n\n"])(request, response);
    if (isStream) return eventStream(events.map((event) => `event: ${String(event["type"])}\ndata: ${JSON.stringify(event)}\n\n`))(request, response);
    return json(200, isOpenAi ? { ...openAiReply, object: "chat.completion", choices: [{ index: 0, finish_reason: "stop", message: openAi }], usage: openAiUsage } : { ...anthropicReply, content, stop_reason: "end_turn" })(request, response);
  };
}

/** Every way to ask for a text: what comes back, and what the caller is warned of. */
const doors: Readonly<Record<string, (model: string, content: string) => Promise<{ readonly text: string; readonly warnings: string }>>> = {
  "OpenAI's dialect": async (model, content) => {
    const { data, response } = await openai().chat.completions.create({ model, messages: [{ role: "user", content }] }).withResponse();
    return { text: data.choices[0]!.message.content!, warnings: response.headers.get("x-weir-warnings") ?? "" };
  },
  "OpenAI's dialect, streaming": async (model, content) => {
    const { data, response } = await openai().chat.completions.create({ model, stream: true, messages: [{ role: "user", content }] }).withResponse();
    let text = "";
    for await (const chunk of data) text += chunk.choices[0]?.delta.content ?? "";
    return { text, warnings: response.headers.get("x-weir-warnings") ?? "" };
  },
  "Anthropic's dialect": async (model, content) => {
    const { data, response } = await anthropic().messages.create({ model, max_tokens: 9, messages: [{ role: "user", content }] }).withResponse();
    return { text: data.content.map((block) => (block.type === "text" ? block.text : "")).join(""), warnings: response.headers.get("x-weir-warnings") ?? "" };
  },
  "Anthropic's dialect, streaming": async (model, content) => {
    const stream = anthropic().messages.stream({ model, max_tokens: 9, messages: [{ role: "user", content }] });
    const text = await stream.finalText();
    return { text, warnings: stream.response?.headers.get("x-weir-warnings") ?? "" };
  },
  "RPC": async (model, content) => {
    const reply = await weir.client(InferenceService, weir.inferenceKey).generate({ generation: generation(model, content) });
    return { text: reply.candidates[0]!.message!.parts.map(({ kind }) => (kind.case === "text" ? kind.value.text : "")).join(""), warnings: shown(reply.warnings) };
  },
  "RPC, streaming": async (model, content) => {
    let text = "";
    let warnings = "";
    for await (const { event } of weir.client(InferenceService, weir.inferenceKey).streamGenerate({ generation: generation(model, content) })) {
      if (event.case === "start") warnings = shown(event.value.warnings);
      if (event.case === "partDelta" && event.value.delta.case === "text") text += event.value.delta.value;
    }
    return { text, warnings };
  },
};

const generation = (model: string, text: string) => ({ model, messages: [{ role: Role.USER, parts: [{ kind: { case: "text" as const, value: { text } } }] }] });
const shown = (warnings: readonly { field: string; message: string }[]): string => warnings.map(({ field, message }) => `${field}: ${message}`).join("; ");

describe.each(Object.entries(doors))("through %s", (_door, ask) => {
  describe.each(["", "-ant"])("to a vendor (%s)", (vendor) => {
    test("the input is blocked, masked, annotated, or only counted", async () => {
      upstream.answerWith(says("done"));
      const before = upstream.requests.length;
      const error: unknown = await ask(`block${vendor}`, `Write to ${address}.`).catch((thrown: unknown) => thrown);
      expect(String(error)).toContain("no-block");
      expect(String(error)).not.toContain(address);
      expect(upstream.requests.length).toBe(before);

      expect((await ask(`mask${vendor}`, `Write to ${address}, not ${other}, but to ${address}.`)).warnings).toContain("input: guardrail no-mask masked email");
      expect(lastSent()).toContain("Write to [EMAIL_1], not [EMAIL_2], but to [EMAIL_1].");
      expect((await ask(`annotate${vendor}`, `Write to ${address}.`)).warnings).toContain("input: guardrail no-annotate found email");
      expect(lastSent()).toContain(address);
      expect((await ask(`shadow${vendor}`, `Write to ${address}.`)).warnings).not.toContain("guardrail");
      expect(lastSent()).toContain(address);
    });

    test("the output is blocked or masked, however it is cut", async () => {
      upstream.answerWith(says(`Write to ${address}, I say.`));
      expect((await ask(`out-mask${vendor}`, "To whom?")).text).toBe("Write to [EMAIL_1], I say.");
      expect((await ask(`out-annotate${vendor}`, "To whom?")).text).toBe(`Write to ${address}, I say.`);
      expect((await ask(`out-shadow${vendor}`, "To whom?")).text).toBe(`Write to ${address}, I say.`);
      const error: unknown = await ask(`out-block${vendor}`, "To whom?").catch((thrown: unknown) => thrown);
      expect(String(error)).toContain("no-out-block");
      expect(String(error)).not.toContain("ada");
    });

    test("what was masked comes back where the model names it", async () => {
      upstream.answerWith(says("Dear [EMAIL_1], [WORD_1] is fine; [EMAIL_2] is nobody."));
      expect((await ask(`restore${vendor}`, `Tell ${address} of Project Falcon.`)).text).toBe(`Dear ${address}, Project Falcon is fine; [EMAIL_2] is nobody.`);
      expect(lastSent()).toContain("Tell [EMAIL_1] of [WORD_1].");
    });
  });
});

test("a body that is not touched by its guardrails goes on byte for byte; masks are all that differs", async () => {
  upstream.answerWith(says("done"));
  const body = (text: string): string => `{ "model" : "mask",\n "messages":[{"role":"user","content":"${text}"}],  "field_of_tomorrow": {"n": 1.50e0, "id": "x"} }`;
  for (const [text, sent] of [["Gr\\u00fc\\u00dfe", "Gr\\u00fc\\u00dfe"], [`an ${address}`, "an [EMAIL_1]"]] as const) {
    await fetch(`${weir.origin}/v1/chat/completions`, { method: "POST", headers: { authorization: `Bearer ${weir.inferenceKey}` }, body: body(text) });
    expect(lastSent()).toBe(body(sent).replace('"mask"', '"m"'));
  }
});

test("the arguments of tools are looked through and put back as JSON, streaming too", async () => {
  const call = { id: "call_1", type: "function", function: { name: "send", arguments: JSON.stringify({ to: "[EMAIL_1]", text: 'a "quoted" line\n[EMAIL_1]' }) } };
  const pieces = call.function.arguments.match(/.{1,4}/gs)!.map((piece) => ({ tool_calls: [{ index: 0, function: { arguments: piece } }] }));
  upstream.answerWith(
    answersWith({ openAi: { role: "assistant", content: null, tool_calls: [call] }, openAiDeltas: [{ tool_calls: [{ ...call, index: 0, function: { name: "send", arguments: "" } }] }, ...pieces], anthropic: [], anthropicEvents: [] }),
  );
  const messages: OpenAI.ChatCompletionMessageParam[] = [
    { role: "user", content: `Write to ${address}.` },
    { role: "assistant", content: null, tool_calls: [{ id: "call_0", type: "function", function: { name: "find", arguments: JSON.stringify({ line: `one\n${address}` }) } }] },
    { role: "tool", tool_call_id: "call_0", content: "found" },
  ];
  const original = { to: address, text: `a "quoted" line\n${address}` };
  const reply = await openai().chat.completions.create({ model: "restore", messages });
  const [toolCall] = reply.choices[0]!.message.tool_calls!;
  expect(JSON.parse((toolCall as OpenAI.ChatCompletionMessageFunctionToolCall).function.arguments)).toEqual(original);
  expect(lastSent()).not.toContain(address);
  expect(JSON.parse((JSON.parse(lastSent()) as { messages: { tool_calls: { function: { arguments: string } }[] }[] }).messages[1]!.tool_calls[0]!.function.arguments)).toEqual({ line: "one\n[EMAIL_1]" });

  let streamed = "";
  for await (const chunk of await openai().chat.completions.create({ model: "restore", messages, stream: true })) streamed += chunk.choices[0]?.delta.tool_calls?.[0]?.function?.arguments ?? "";
  expect(JSON.parse(streamed)).toEqual(original);
});

test("citations stay with their words where others before or among them are put back or masked, streaming too", async () => {
  const said = "Says [EMAIL_1]: the docs page of [EMAIL_1].";
  const cite = (words: string) => ({ type: "url_citation", url_citation: { start_index: said.indexOf(words), end_index: said.indexOf(words) + words.length, url: "https://example.com", title: "t" } });
  const annotations = [cite("docs page"), cite("the docs page of [EMAIL_1]")];
  const openAiDeltas = [...said.match(/.{1,3}/g)!.map((content) => ({ content })), { annotations }];
  upstream.answerWith(answersWith({ openAi: { role: "assistant", content: said, annotations }, openAiDeltas, anthropic: [], anthropicEvents: [] }));
  const question = { model: "restore", messages: [{ role: "user" as const, content: `Who is ${address}?` }] };
  const expected = ["docs page", `the docs page of ${address}`];

  const { content, annotations: cited } = (await openai().chat.completions.create(question)).choices[0]!.message;
  expect(cited!.map(({ url_citation: { start_index, end_index } }) => content!.slice(start_index, end_index))).toEqual(expected);

  const chunks = await openai().chat.completions.create({ ...question, stream: true });
  let streamed = "";
  const places: { start_index: number; end_index: number }[] = [];
  for await (const { choices } of chunks) {
    const delta = (choices[0]?.delta ?? {}) as { content?: string; annotations?: { url_citation: { start_index: number; end_index: number } }[] };
    streamed += delta.content ?? "";
    places.push(...(delta.annotations ?? []).map(({ url_citation }) => url_citation));
  }
  expect(places.map(({ start_index, end_index }) => streamed.slice(start_index, end_index))).toEqual(expected);
});

test("a placeholder that a text has already stands for nothing else", async () => {
  upstream.answerWith(says("From [EMAIL_1] to [EMAIL_2]."));
  const { text } = await doors["OpenAI's dialect"]!("restore", `[EMAIL_1] writes to ${address}.`);
  expect(lastSent()).toContain("[EMAIL_1] writes to [EMAIL_2].");
  expect(text).toBe(`From [EMAIL_1] to ${address}.`);
  // What a model said of a placeholder is that one's; what was masked in its reply is nobody's in the next call.
  const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: `Who knows ${address}?` }, { role: "assistant", content: "[EMAIL_2] knows [EMAIL_1]." }, { role: "user", content: `And ${other}?` }];
  await openai().chat.completions.create({ model: "mask", messages });
  expect((JSON.parse(lastSent()) as { messages: { content: string }[] }).messages.map(({ content }) => content)).toEqual(["Who knows [EMAIL_1]?", "[EMAIL_2] knows [EMAIL_1].", "And [EMAIL_3]?"]);
});

/** What Anthropic is sent of a conversation with these thoughts, which it signed, the one after the other. */
async function thoughtsSent(model: string, ...thoughts: readonly string[]): Promise<{ readonly thinking: string; readonly signature: string }[]> {
  upstream.answerWith(says("done"));
  const think = (thinking: string, index: number): Anthropic.MessageParam[] => [
    { role: "assistant", content: [{ type: "thinking", thinking, signature: `c2ln${index}` }, { type: "tool_use", id: `t${index}`, name: "find", input: {} }] },
    { role: "user", content: [{ type: "tool_result", tool_use_id: `t${index}`, content: "found" }] },
  ];
  await anthropic().messages.create({ model, max_tokens: 2_000, thinking: { type: "adaptive" }, messages: [{ role: "user", content: `Write to ${address}.` }, ...thoughts.flatMap(think)] });
  expect(lastSent()).not.toMatch(/@example/);
  const { messages } = JSON.parse(lastSent()) as { messages: { content: string | { type: string; thinking: string; signature: string }[] }[] };
  return messages.flatMap(({ content }) => (typeof content === "string" ? [] : content.filter(({ type }) => type === "thinking"))).map(({ thinking, signature }) => ({ thinking, signature }));
}

test("Anthropic is sent its reasoning as it signed it, or not at all: it refuses a conversation in which guardrails changed it", async () => {
  const own = `Or to ${other}, as an example.`;
  for (const model of ["mask-ant", "restore-ant"]) expect(await thoughtsSent(model, own, "To [EMAIL_1] then."), model).toEqual([{ thinking: "To [EMAIL_1] then.", signature: "c2ln1" }]);
  // What was put back for the caller is masked again as it was.
  expect(await thoughtsSent("restore-ant", `To ${address}, as asked.`, own)).toEqual([{ thinking: "To [EMAIL_1], as asked.", signature: "c2ln0" }]);
});

test.each([false, true])("reasoning that is masked on its way out does not go back as Anthropic's own (stream: %s)", async (stream) => {
  const [text, signature] = [`To ${address}.`, "c2lnbmVk"];
  const anthropicEvents = [
    { type: "content_block_start", index: 0, content_block: { type: "thinking", thinking: "", signature: "" } },
    ...text.match(/.{1,4}/g)!.map((thinking) => ({ type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking } })),
    { type: "content_block_delta", index: 0, delta: { type: "signature_delta", signature } },
    { type: "content_block_stop", index: 0 },
  ];
  const thoughtOf = async (model: string): Promise<Anthropic.ContentBlock> => {
    upstream.answerWith(answersWith({ openAi: {}, openAiDeltas: [], anthropic: [{ type: "thinking", thinking: text, signature }], anthropicEvents }));
    const question = { model, max_tokens: 2_000, messages: [{ role: "user" as const, content: "To whom?" }] };
    const { content } = stream ? await anthropic().messages.stream(question).finalMessage() : await anthropic().messages.create(question);
    return content[0]!;
  };
  expect(await thoughtOf("out-annotate-ant")).toMatchObject({ thinking: text, signature });
  const masked = await thoughtOf("out-mask-ant");
  expect(masked).toMatchObject({ thinking: "To [EMAIL_1].", signature: `masked:${signature}` });
  // Neither in bytes that pass through nor where a guardrail looks at the reply.
  for (const model of ["shadow-ant", "out-mask-ant"]) {
    upstream.answerWith(says("done"));
    await anthropic().messages.create({ model, max_tokens: 2_000, messages: [{ role: "user", content: "To whom?" }, { role: "assistant", content: [masked, { type: "text", text: "I see." }] }, { role: "user", content: "And?" }] });
    expect(lastSent(), model).toContain("I see.");
    expect(lastSent(), model).not.toContain(signature);
  }
});

test("the probabilities of tokens stay where nothing is masked, and tell nothing of what is withheld", async () => {
  const tokens = ["mail ", "ada", "@example", ".com ", "or ", "nobody"];
  const logprobsOf = (token: string) => ({ content: [{ token, logprob: -0.5, bytes: null, top_logprobs: [] }], refusal: null });
  const chunks = tokens.map((content) => ({ ...openAiReply, object: "chat.completion.chunk", choices: [{ index: 0, delta: { content }, logprobs: logprobsOf(content), finish_reason: null }] }));
  const end = { ...openAiReply, object: "chat.completion.chunk", choices: [{ index: 0, delta: {}, finish_reason: "stop" }] };
  upstream.answerWith(eventStream([...[...chunks, end].map((event) => `data: ${JSON.stringify(event)}\n\n`), "data: [DONE]\n\n"]));
  const told = async (model: string): Promise<string[]> => {
    const seen: string[] = [];
    try {
      for await (const { choices } of await openai().chat.completions.create({ model, stream: true, logprobs: true, messages: [{ role: "user", content: "Who?" }] })) seen.push(...(choices[0]?.logprobs?.content ?? []).map(({ token }) => token));
    } catch (error) {
      expect(error).toMatchObject({ code: "guardrail_blocked" });
    }
    return seen;
  };
  expect(await told("out-annotate")).toEqual(tokens);
  expect(await told("out-shadow")).toEqual(tokens);
  expect(await told("out-mask")).toEqual([]);
  expect(await told("out-block")).toEqual(["mail "]);
});

test.each(["OpenAI's dialect", "OpenAI's dialect, streaming", "Anthropic's dialect, streaming"])("what comes back into JSON leaves it JSON, and stands in other texts as it was: %s", async (door) => {
  const model = door.startsWith("OpenAI") ? "restore" : "restore-ant";
  upstream.answerWith(says('[{"about": "[WORD_1]"}]'));
  expect(JSON.parse((await doors[door]!(model, 'Write of the "Owl"')).text)).toEqual([{ about: 'the "Owl"' }]);
  upstream.answerWith(says("[WORD_1] is {secret}"));
  expect((await doors[door]!(model, 'Write of the "Owl"')).text).toBe('the "Owl" is {secret}');
});

test("what a tool answers in JSON is looked at as what it says, not as it is escaped, and stays JSON", async () => {
  upstream.answerWith(says("done"));
  const answer = (content: string): OpenAI.ChatCompletionMessageParam[] => [
    { role: "assistant", content: null, tool_calls: [{ id: "call_0", type: "function", function: { name: "find", arguments: "{}" } }] },
    { role: "tool", tool_call_id: "call_0", content },
  ];
  const sent = (): unknown => JSON.parse((JSON.parse(lastSent()) as { messages: { content: string }[] }).messages[1]!.content);
  await openai().chat.completions.create({ model: "restore", messages: answer(JSON.stringify({ lines: `to:\n${address}\tProject Falcon`, [other]: 1 })) });
  expect(sent()).toEqual({ lines: "to:\n[EMAIL_1]\t[WORD_1]", "[EMAIL_2]": 1 });
  await openai().chat.completions.create({ model: "restore", messages: answer('[{"to": "ada\\u0040example.com"}, "Project\\u0020Falcon"]') });
  expect(sent()).toEqual([{ to: "[EMAIL_1]" }, "[WORD_1]"]);
});

test("other operations are guarded alike: what is embedded, moderated, or sent as a form", async () => {
  upstream.answerWith(json(200, { object: "list", model: "m", data: [{ object: "embedding", index: 0, embedding: [0.5] }], usage: { prompt_tokens: 1, total_tokens: 1 } }));
  await openai().embeddings.create({ model: "mask", input: ["one", `two ${address}`], encoding_format: "float" });
  expect((JSON.parse(lastSent()) as { input: string[] }).input).toEqual(["one", "two [EMAIL_1]"]);
  await expect(openai().moderations.create({ model: "block", input: address })).rejects.toMatchObject({ status: 400 });
  await expect(openai().audio.speech.create({ model: "block", input: address, voice: "alloy" })).rejects.toMatchObject({ status: 400 });
  await expect(openai().images.edit({ model: "block", prompt: address, image: new File([new Uint8Array([1])], "a.png") })).rejects.toMatchObject({ status: 400 });
});

test("sound comes back as it is, and what a transcription says is looked through", async () => {
  const sound = Buffer.from(Array.from({ length: 70_000 }, (_, index) => index % 251));
  upstream.answerWith((_, response) => {
    response.writeHead(200, { "content-type": "audio/mpeg" });
    for (let at = 0; at < sound.length; at += 10_000) response.write(sound.subarray(at, at + 10_000));
    response.end();
  });
  const spoken = await openai().audio.speech.create({ model: "out-mask", input: "hi", voice: "alloy" });
  expect(Buffer.compare(Buffer.from(await spoken.arrayBuffer()), sound)).toBe(0);

  const recording = (): File => new File([new Uint8Array([1])], "a.mp3");
  upstream.answerWith(json(200, { text: `It says ${address}.` }));
  expect((await openai().audio.transcriptions.create({ model: "out-mask", file: recording() })).text).toBe("It says [EMAIL_1].");
  upstream.answerWith((_, response) => void response.writeHead(200, { "content-type": "text/plain" }).end(`It says ${address}.`));
  expect(await openai().audio.transcriptions.create({ model: "out-mask", file: recording(), response_format: "text" })).toBe("It says [EMAIL_1].");
});

test("a guardrail made by RPC is in force within a second for those that it is for, and gone when it is deleted", async () => {
  upstream.answerWith(says("done"));
  const policy = weir.client(PolicyService);
  const { keys } = await policy.listKeys({});
  const own = keys.find(({ name }) => name === "first inference key")!;
  const ask = (): Promise<string> => doors["RPC"]!("oai/m", "about the octopus").then(() => "answered", (error: unknown) => String(error));
  expect(await ask()).toBe("answered");
  const { guardrail } = await policy.createGuardrail({ rule: { name: "no-sea-life", keyId: own.id, words: ["octopus"], mode: "block" } });
  await expect.poll(ask, { timeout: 1_000, interval: 20 }).toContain("no-sea-life");
  await policy.deleteGuardrail({ guardrailId: guardrail!.id });
  await expect.poll(ask, { timeout: 1_000, interval: 20 }).toBe("answered");
  await expect(policy.createGuardrail({ rule: { name: "broken", patterns: ["(?=x)"], mode: "block" } })).rejects.toThrow(/RE2/);
});

test("a rule can be tried on a text, whatever its mode", async () => {
  const { finds, maskedText } = await weir.client(RoutingService).testGuardrail({ rule: { name: "try", mode: "shadow", detectors: ["email"], patterns: ["PRJ-[0-9]+"] }, text: `${other} on PRJ-7 and ${other}` });
  expect(finds.map(({ detector, text }) => [detector, text])).toEqual([["email", other], ["email", other], ["pattern", "PRJ-7"]]);
  expect(maskedText).toBe("[EMAIL_1] on [PATTERN_1] and [EMAIL_1]");
  await expect(weir.client(RoutingService, weir.inferenceKey).testGuardrail({ rule: { name: "try", mode: "mask", detectors: ["email"] }, text: "x" })).rejects.toThrow(/permission/);
});

test("weir guardrails creates, lists, tries and deletes", async () => {
  const run = async (...words: string[]): Promise<string> => (await runWeir(["guardrails", ...words], { environment: { WEIR_DATA: weir.dataDirectory } })).stdout;
  const [id] = /grd_\w+/.exec(await run("create", "from-cli", "--mode", "mask", "--detect", "email", "--word", "Project Falcon", "--side", "input", "--restore", "--model", "nobody/*"))!;
  expect(await run("list")).toMatch(new RegExp(`${id} +from-cli +mask, restore +input +email,1 words +nobody/\\*`));
  expect(await run("test", "from-cli", `${other} knows Project Falcon`)).toContain(`email: ${other}\nword: Project Falcon\n\n[EMAIL_1] knows [WORD_1]`);
  await run("delete", id);
  expect(await run("list")).not.toContain(id);
});

test("what guardrails find stands in no log, at debug level neither", async () => {
  const lines = JSON.stringify(weir.log());
  expect(lines.includes("a guardrail found something")).toBe(true);
  for (const text of [address, other, "octopus", "Falcon"]) expect(lines.includes(text), text).toBe(false);
});
