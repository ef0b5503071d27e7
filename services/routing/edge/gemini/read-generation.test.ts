import type { GenerateContentParameters } from "@google/genai";
import { expect, test } from "vitest";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { Modality, ReasoningOptions_Effort, ToolChoice_Mode } from "#gen/weir/inference/v1/generation_pb.ts";
import type { JsonObject } from "../../domain/dialect.ts";
import { readGeneration } from "./read-generation.ts";
import { readSignature, writeSignature } from "./thought-signature.ts";

const contents = [{ parts: [{ text: "Hi" }] }] satisfies GenerateContentParameters["contents"];
const read = (body: JsonObject) => readGeneration({ contents, ...body }, "provider/model");
const config = (generationConfig: JsonObject) => read({ generationConfig });
const turns = (...list: JsonObject[]) => read({ contents: list }).generation.messages.map(({ role, parts }) => [role, ...parts.map(({ kind }) => kind)]);
const refused = (reason: string, field: string) => expect.objectContaining({ reason, ...(reason === "INVALID_REQUEST" ? { fieldViolations: [expect.objectContaining({ field })] } : { metadata: { field } }) }) as Error;

test("the path names the model, whatever the body says", () => {
  expect(read({ model: "models/other" })).toMatchObject({ generation: { model: "provider/model" }, unknownFields: [] });
});

test("reads every option of generationConfig", () => {
  const { generation, unknownFields } = config({
    temperature: 0.5, topP: 0.9, topK: 40, presencePenalty: 1, frequencyPenalty: -1, seed: 7, maxOutputTokens: 100, candidateCount: 2,
    stopSequences: ["END"], responseLogprobs: true, logprobs: 3, responseModalities: ["TEXT", "IMAGE"],
    speechConfig: { voiceConfig: { prebuiltVoiceConfig: { voiceName: "Kore" } } },
  });
  expect(generation).toMatchObject({
    sampling: { temperature: 0.5, topP: 0.9, topK: 40n, presencePenalty: 1, frequencyPenalty: -1, seed: 7n },
    maxOutputTokens: 100n, candidateCount: 2, stopSequences: ["END"], logprobs: true, topLogprobs: 3,
    modalities: [Modality.TEXT, Modality.IMAGE], audio: { voice: "Kore", format: "pcm16" },
  });
  expect(unknownFields).toEqual([]);
});

test("takes Google's other spelling, as its own examples write it", () => {
  const { generation, unknownFields } = read({
    system_instruction: { parts: [{ text: "Be brief." }] },
    generation_config: { max_output_tokens: 9, response_mime_type: "application/json", thinking_config: { thinking_budget: 5 } },
    contents: [{ parts: [{ inline_data: { mime_type: "image/png", data: "AAEC" } }] }],
    tool_config: { function_calling_config: { mode: "NONE" } },
  });
  expect(unknownFields).toEqual([]);
  expect(generation).toMatchObject({ maxOutputTokens: 9n, outputFormat: { kind: { case: "jsonObject" } }, reasoning: { budgetTokens: 5n }, toolChoice: { mode: ToolChoice_Mode.NONE } });
  expect(generation.messages).toMatchObject([{ role: Role.SYSTEM }, { parts: [{ kind: { case: "image", value: { media: { mediaType: "image/png", source: { value: Buffer.from([0, 1, 2]) } } } } }] }]);
});

test.each([
  [{ thinkingBudget: 0 }, { effort: ReasoningOptions_Effort.NONE }],
  [{ thinkingBudget: -1, includeThoughts: true }, { adaptive: true, includeText: true }],
  [{ thinkingBudget: 512 }, { adaptive: false, budgetTokens: 512n }],
  [{ thinkingLevel: "LOW" }, { effort: ReasoningOptions_Effort.LOW }],
  [{ includeThoughts: false }, { includeText: false, effort: ReasoningOptions_Effort.UNSPECIFIED }],
])("thinkingConfig %j", (thinkingConfig, expected) => {
  expect(config({ thinkingConfig }).generation.reasoning).toMatchObject(expected);
});

test.each([
  [{ responseMimeType: "text/plain" }, { case: "text" }, []],
  [{ responseMimeType: "application/json" }, { case: "jsonObject" }, []],
  [{ responseMimeType: "application/json", responseSchema: { type: "STRING", nullable: true } }, { case: "jsonSchema", value: { jsonSchema: '{"type":["string","null"]}' } }, []],
  [{ responseJsonSchema: { type: "object" } }, { case: "jsonSchema", value: { jsonSchema: '{"type":"object"}' } }, []],
  [{ responseMimeType: "text/x.enum", responseSchema: { type: "STRING", enum: ["a"] } }, undefined, ["generationConfig.responseMimeType", "generationConfig.responseSchema"]],
])("output format of %j", (generationConfig, kind, unknown) => {
  const { generation, unknownFields } = config(generationConfig);
  if (kind === undefined) expect(generation.outputFormat).toBeUndefined();
  else expect(generation.outputFormat).toMatchObject({ kind });
  expect(unknownFields).toEqual(unknown);
});

test("reads each kind of part", () => {
  expect(
    turns({
      role: "user",
      parts: [
        { text: "t" },
        { inlineData: { mimeType: "audio/wav", data: "AAEC" } },
        { inlineData: { mimeType: "application/pdf", data: "AAEC", displayName: "a.pdf" } },
        { fileData: { mimeType: "image/png", fileUri: "https://example.com/a.png" } },
        { executableCode: { language: "PYTHON", code: "1" } },
      ],
    }),
  ).toMatchObject([
    [
      Role.USER,
      { case: "text", value: { text: "t" } },
      { case: "audio", value: { media: { mediaType: "audio/wav" } } },
      { case: "file", value: { filename: "a.pdf", media: { mediaType: "application/pdf" } } },
      { case: "image", value: { media: { source: { case: "url", value: "https://example.com/a.png" } } } },
      { case: "native", value: { dialect: "gemini", json: Buffer.from('{"executableCode":{"language":"PYTHON","code":"1"}}') } },
    ],
  ]);
});

test("signatures stand before what they sign; pieces of a stream become one turn again", () => {
  expect(
    turns(
      { role: "model", parts: [{ text: "Hm", thought: true }] },
      { role: "model", parts: [{ text: "m.", thought: true, thoughtSignature: "c2ln" }] },
      { role: "model", parts: [{ text: "Let me" }] },
      { role: "model", parts: [{ text: " look." }] },
      { role: "model", parts: [{ functionCall: { name: "f", args: { a: 1 } }, thoughtSignature: "Zm4=" }] },
      { role: "model", parts: [{ text: "" }] },
      { role: "user", parts: [{ functionResponse: { name: "f", response: { output: "1" } } }, { text: "and?" }] },
    ),
  ).toMatchObject([
    [
      Role.ASSISTANT,
      { case: "reasoning", value: { text: "Hmm.", signature: "gemini::c2ln" } },
      { case: "text", value: { text: "Let me look." } },
      { case: "reasoning", value: { text: "", signature: "gemini::Zm4=" } },
      { case: "toolCall", value: { id: "call_0", name: "f", arguments: '{"a":1}' } },
    ],
    [Role.TOOL, { case: "toolResult", value: { toolCallId: "call_0", isError: false, parts: [{ kind: { value: { text: "1" } } }] } }],
    [Role.USER, { case: "text", value: { text: "and?" } }],
  ]);
});

test.each(["openai:rs_1:gAAA??>>=", "EqQBCkYIBxgC+/8=", ""])("another vendor's signature %j stands as base64, and is read in either alphabet", (signature) => {
  const written = writeSignature(signature);
  expect(written).toMatch(/^[A-Za-z0-9+/]+=*$/);
  expect([readSignature(written), readSignature(written.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", ""))]).toEqual([signature, signature]);
});

test("Google's own signature says whose it is: no other vendor takes it", () => {
  expect([readSignature("c2ln"), readSignature("")]).toEqual(["gemini::c2ln", ""]);
});

test("responses without ids find the calls of their name, in order", () => {
  const call = (name: string, id?: string) => ({ functionCall: { name, ...(id === undefined ? {} : { id }) } });
  const response = (name: string, id?: string) => ({ functionResponse: { name, response: {}, ...(id === undefined ? {} : { id }) } });
  const messages = turns({ role: "model", parts: [call("f"), call("g"), call("f"), call("f", "own")] }, { parts: [response("g"), response("f", "own"), response("f"), response("f"), response("h")] });
  expect(messages[1]!.slice(1).map((kind) => (kind as { value: { toolCallId: string } }).value.toolCallId)).toEqual(["call_1", "own", "call_0", "call_2", "call_3"]);
});

test.each([
  [{ output: "42" }, "42", false],
  [{ output: { a: 1 } }, '{"a":1}', false],
  [{ error: "no such river" }, "no such river", true],
  [{ result: 42 }, '{"result":42}', false],
  [{ output: 1, more: 2 }, '{"output":1,"more":2}', false],
  [{ name: "f", content: "42" }, "42", false],
  [{ name: "f", error: "gone" }, "gone", true],
  [{ name: "other", content: "42" }, '{"name":"other","content":"42"}', false],
  [{}, "", false],
])("the response %j is %j", (response, text, isError) => {
  expect(turns({ parts: [{ functionResponse: { name: "f", response } }] })).toMatchObject([[Role.TOOL, { case: "toolResult", value: { isError, parts: [{ kind: { value: { text } } }] } }]]);
});

const functions = [{ functionDeclarations: [{ name: "f", description: "F.", parameters: { type: "OBJECT", properties: { a: { type: "INTEGER" } } } }, { name: "g", parametersJsonSchema: { type: "object" } }] }];

test("reads functions and Google's own tools", () => {
  const { generation, unknownFields } = read({ tools: [...functions, { googleSearch: {}, urlContext: {} }] });
  expect(generation.tools).toMatchObject([
    { kind: { case: "function", value: { name: "f", description: "F.", parametersJsonSchema: '{"type":"object","properties":{"a":{"type":"integer"}}}' } } },
    { kind: { case: "function", value: { name: "g", parametersJsonSchema: '{"type":"object"}' } } },
    { kind: { case: "native", value: { dialect: "gemini", json: Buffer.from('{"googleSearch":{}}') } } },
    { kind: { case: "native", value: { dialect: "gemini", json: Buffer.from('{"urlContext":{}}') } } },
  ]);
  expect(unknownFields).toEqual([]);
});

test.each([
  [{ mode: "AUTO" }, ["f", "g"], { mode: ToolChoice_Mode.AUTO }, []],
  [{ mode: "ANY" }, ["f", "g"], { mode: ToolChoice_Mode.REQUIRED }, []],
  [{ mode: "ANY", allowedFunctionNames: ["g"] }, ["f", "g"], { mode: ToolChoice_Mode.NAMED, name: "g" }, []],
  [{ mode: "ANY", allowedFunctionNames: ["g", "f"] }, ["f", "g"], { mode: ToolChoice_Mode.REQUIRED }, []],
  [{ mode: "VALIDATED", allowedFunctionNames: ["g"] }, ["g"], { mode: ToolChoice_Mode.AUTO }, ["toolConfig.functionCallingConfig.mode"]],
])("functionCallingConfig %j", (functionCallingConfig, names, toolChoice, unknown) => {
  const { generation, unknownFields } = read({ tools: functions, toolConfig: { functionCallingConfig } });
  expect(generation.tools.map(({ kind }) => kind.case === "function" && kind.value.name)).toEqual(names);
  expect(generation.toolChoice).toMatchObject(toolChoice);
  expect(unknownFields).toEqual(unknown);
});

test("names what types cannot carry", () => {
  const { unknownFields } = read({
    safetySettings: [],
    labels: {},
    contents: [{ parts: [{ text: "a", videoMetadata: {} }, { text: "b", videoMetadata: {} }] }],
    generationConfig: { mediaResolution: "MEDIA_RESOLUTION_LOW", thinkingConfig: { future: 1 } },
    tools: [{ functionDeclarations: [{ name: "f", behavior: "BLOCKING" }] }],
  });
  expect(unknownFields.toSorted()).toEqual(
    ["contents[].parts[].videoMetadata", "generationConfig.mediaResolution", "generationConfig.thinkingConfig.future", "labels", "safetySettings", "tools[].functionDeclarations[].behavior"],
  );
});

test.each([
  ["INVALID_REQUEST", "contents", { contents: undefined }],
  ["INVALID_REQUEST", "contents[0].role", { contents: [{ role: "narrator" }] }],
  ["INVALID_REQUEST", "contents[0].parts[0]", { contents: [{ parts: [{}] }] }],
  ["INVALID_REQUEST", "contents[0].parts[0].inlineData.data", { contents: [{ parts: [{ inlineData: { mimeType: "image/png", data: "%%%" } }] }] }],
  ["INVALID_REQUEST", "contents[0].parts[0].functionCall.args", { contents: [{ role: "model", parts: [{ functionCall: { name: "f", args: [] } }] }] }],
  ["INVALID_REQUEST", "generationConfig.thinkingConfig.thinkingBudget", { generationConfig: { thinkingConfig: { thinkingBudget: -2 } } }],
  ["INVALID_REQUEST", "generationConfig.temperature", { generationConfig: { temperature: "hot" } }],
  ["INVALID_REQUEST", "generationConfig.seed", { generationConfig: { seed: 1.5 } }],
  ["INVALID_REQUEST", "generationConfig.candidateCount", { generationConfig: { candidateCount: 1.5 } }],
  ["INVALID_REQUEST", "toolConfig.functionCallingConfig.allowedFunctionNames[0]", { toolConfig: { functionCallingConfig: { mode: "ANY", allowedFunctionNames: ["nothing"] } } }],
  ["UNSUPPORTED_FIELD", "cachedContent", { cachedContent: "cachedContents/1" }],
])("%s at %s", (reason, field, body) => {
  expect(() => read(body)).toThrow(refused(reason, field));
});
