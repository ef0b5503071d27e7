/**
 * Owns AWS Bedrock's Converse and ConverseStream with Claude as the vendor would take and answer them
 * (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html and …/API_runtime_ConverseStream.html).
 */
import { EventStreamCodec } from "@smithy/eventstream-codec";
import type { Answer, Asked, Part, Player, Refusal, Turn } from "../exchange.ts";

interface Media {
  readonly format: string;
  readonly source: { readonly bytes?: string };
}

/** A union: each block has one of these. */
interface Block {
  readonly text?: string;
  readonly image?: Media;
  readonly document?: Media & { readonly name: string };
  readonly toolUse?: { readonly toolUseId: string; readonly name: string; readonly input: object };
  readonly toolResult?: { readonly toolUseId: string; readonly content: readonly Block[]; readonly status?: string };
  readonly reasoningContent?: { readonly reasoningText: { readonly text: string; readonly signature: string } };
  readonly cachePoint?: { readonly type: string };
}

interface Message {
  readonly role: "user" | "assistant";
  readonly content: readonly Block[];
}

interface Body {
  readonly messages: readonly Message[];
  readonly system?: readonly Block[];
  readonly inferenceConfig?: { readonly maxTokens?: number; readonly temperature?: number; readonly topP?: number; readonly stopSequences?: readonly string[] };
  readonly toolConfig?: {
    /** A union, too. */
    readonly tools: readonly { readonly toolSpec?: { readonly name: string; readonly description: string; readonly inputSchema: { readonly json: object } }; readonly cachePoint?: { readonly type: string } }[];
    readonly toolChoice?: { readonly auto?: object; readonly any?: object; readonly tool?: { readonly name: string } };
  };
  readonly outputConfig?: { readonly textFormat: { readonly type: string; readonly structure: { readonly jsonSchema: { readonly schema: string } } } };
  /** Anthropic's own fields: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html */
  readonly additionalModelRequestFields?: {
    readonly top_k?: number;
    readonly thinking?: { readonly type: string; readonly budget_tokens?: number };
    readonly output_config?: { readonly effort?: "low" | "high" };
    readonly tool_choice?: { readonly type: string; readonly disable_parallel_tool_use?: boolean };
  };
}

const model = "anthropic.claude-opus-4-6-v1:0";
const fields = ["messages", "system", "inferenceConfig", "toolConfig", "outputConfig", "additionalModelRequestFields", "additionalModelResponseFieldPaths", "requestMetadata", "serviceTier"];
const modelFields = ["top_k", "thinking", "output_config", "tool_choice"];

export const bedrockPlayer: Player = {
  vendor: "bedrock",
  native: [],
  basePath: "",
  apiKey: "bedrock-api-key",
  read({ path, headers, body }, stream) {
    if (decodeURIComponent(path) !== `/model/${model}/${stream ? "converse-stream" : "converse"}`) throw new Error(`no such path: ${path}`);
    if (headers["authorization"] !== "Bearer bedrock-api-key") throw new Error("no key");
    const request = JSON.parse(body.toString()) as Body;
    refuseOthers(request, fields);
    refuseOthers(request.additionalModelRequestFields ?? {}, modelFields);
    refuseMalformed(request);
    refuseContradictions(request);
    return readBody(request);
  },
  // TokenUsage does not say how much of the output was reasoning.
  sayable: (answer) => (answer.usage.reasoning > 0 ? undefined : answer),
  write(answer, stream) {
    if (!stream) return { contentType: "application/json", pieces: [JSON.stringify(wholeOf(answer))] };
    return { contentType: "application/vnd.amazon.eventstream", pieces: eventsOf(answer).map(([type, event]) => Buffer.from(frameOf(type, event))) };
  },
  breakOff: () => exceptionOf("modelStreamErrorException", { message: "The model broke off." }),
  refuse: ({ status }: Refusal) => ({
    headers: { "content-type": "application/json", "x-amzn-requestid": "req_vendor", "x-amzn-errortype": `${errorTypes[status]}:http://internal.amazon.com/coral/com.amazon.bedrock/` },
    body: JSON.stringify({ message: `refused with ${status}` }),
  }),
};

const errorTypes = {
  400: "ValidationException",
  401: "UnrecognizedClientException",
  404: "ResourceNotFoundException",
  429: "ThrottlingException",
  500: "InternalServerException",
  503: "ServiceUnavailableException",
} as const;

function refuseOthers(object: object, names: readonly string[]): void {
  const other = Object.keys(object).find((name) => !names.includes(name));
  if (other !== undefined) throw new Error(`extraneous key [${other}] is not permitted`);
}

function refuse(problem: string, isThere: boolean): void {
  if (isThere) throw new Error(problem);
}

/** Sources of the bounds: …/API_runtime_ToolUseBlock.html, …/API_runtime_DocumentBlock.html and …/API_runtime_ToolResultBlock.html. */
function refuseMalformed({ messages, system = [], toolConfig, outputConfig }: Body): void {
  refuse("a schema is text", outputConfig !== undefined && (outputConfig.textFormat.type !== "json_schema" || typeof outputConfig.textFormat.structure.jsonSchema.schema !== "string"));
  refuse("tools must not be empty", toolConfig?.tools.length === 0);
  refuse("a tool's name is not allowed", toolConfig?.tools.some(({ toolSpec }) => toolSpec !== undefined && !/^[a-zA-Z0-9_-]{1,64}$/.test(toolSpec.name)) === true);
  for (const block of [...system, ...messages.flatMap(({ content }) => content)]) refuseBlock(block);
  const usesTools = messages.some(({ content }) => content.some(({ toolUse, toolResult }) => toolUse !== undefined || toolResult !== undefined));
  refuse("The toolConfig field must be defined when using toolUse and toolResult content blocks.", usesTools && toolConfig === undefined);
  messages.forEach(({ role, content }, index) => {
    refuse("A conversation must start with a user message, and roles must alternate", role !== (index % 2 === 0 ? "user" : "assistant"));
    refuse("content must not be empty", content.length === 0);
    refuse("a document must stand beside a text", content.some(({ document }) => document !== undefined) && !content.some(({ text }) => text !== undefined));
    const calls = content.flatMap(({ toolUse }) => toolUse?.toolUseId ?? []);
    const next = messages[index + 1]?.content ?? [];
    const results = next.flatMap(({ toolResult }) => toolResult?.toolUseId ?? []);
    refuse(`Expected toolResult blocks for the following Ids: ${calls.join(", ")}`, calls.some((id) => !results.includes(id)));
    refuse("more toolResult blocks than toolUse blocks", results.some((id) => !calls.includes(id)));
    refuse("tool_result blocks must come first", next.slice(0, results.length).some(({ toolResult }) => toolResult === undefined));
  });
}

function refuseBlock(block: Block): void {
  const { text, image, document, toolUse, toolResult } = block;
  refuse("a block is a union of one member", Object.keys(block).length !== 1);
  refuse("The text field in the ContentBlock object is blank.", text?.trim() === "");
  refuse("a picture is png, jpeg, gif or webp, as bytes", image !== undefined && (!["png", "jpeg", "gif", "webp"].includes(image.format) || image.source.bytes === undefined));
  refuse("a document has a format, a plain name and bytes", document !== undefined && (document.format !== "pdf" || !/^[A-Za-z0-9 ()[\]-]{1,200}$/.test(document.name) || / {2}/.test(document.name) || document.source.bytes === undefined));
  for (const id of [toolUse?.toolUseId, toolResult?.toolUseId]) refuse("toolUseId does not match [a-zA-Z0-9_-]+", id !== undefined && !/^[a-zA-Z0-9_-]{1,64}$/.test(id));
  refuse("input must be an object", toolUse !== undefined && (typeof toolUse.input !== "object" || Array.isArray(toolUse.input)));
  refuse("status is success or error", ![undefined, "success", "error"].includes(toolResult?.status));
  for (const inner of toolResult?.content ?? []) refuseBlock(inner);
}

/**
 * What Claude does not take together:
 * https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html; and from 4.5 on, temperature and top_p.
 */
function refuseContradictions({ inferenceConfig = {}, toolConfig, additionalModelRequestFields: own = {} }: Body): void {
  const { maxTokens, temperature, topP } = inferenceConfig;
  refuse("temperature is 0 to 1", temperature !== undefined && (temperature < 0 || temperature > 1));
  refuse("temperature and top_p cannot both be specified", temperature !== undefined && topP !== undefined);
  refuse("tool_choice is said twice", toolConfig?.toolChoice !== undefined && own.tool_choice !== undefined);
  if (own.thinking === undefined || own.thinking.type === "disabled") return;
  const budget = own.thinking.budget_tokens;
  refuse("budget_tokens is at least 1024 and below maxTokens", (own.thinking.type === "enabled") !== (budget !== undefined) || (budget !== undefined && (budget < 1024 || budget >= maxTokens!)));
  refuse("temperature may only be set to 1, and top_k not at all, when thinking is enabled", (temperature ?? 1) !== 1 || own.top_k !== undefined);
  refuse("thinking goes with no forced tool", toolConfig?.toolChoice?.any !== undefined || toolConfig?.toolChoice?.tool !== undefined);
}

function readBody({ messages, system, inferenceConfig = {}, toolConfig, outputConfig, additionalModelRequestFields: own = {} }: Body): Asked {
  const { any, tool } = toolConfig?.toolChoice ?? {};
  const schema = outputConfig?.textFormat.structure.jsonSchema.schema;
  return {
    ...(system === undefined ? {} : { system: system.flatMap(({ text }) => text ?? []).join("\n") }),
    turns: messages.map(({ role, content }): Turn => ({ role, parts: content.flatMap((block, index) => readBlock(block, content[index + 1]?.cachePoint !== undefined)) })),
    ...(toolConfig === undefined ? {} : { tools: toolConfig.tools.flatMap(({ toolSpec }) => (toolSpec === undefined ? [] : [{ name: toolSpec.name, description: toolSpec.description, parameters: toolSpec.inputSchema.json }])) }),
    ...(any === undefined ? {} : { toolChoice: "required" as const }),
    ...(tool === undefined ? {} : { toolChoice: { name: tool.name } }),
    ...(own.tool_choice?.disable_parallel_tool_use === true ? { oneCallAtATime: true as const } : {}),
    ...defined("outputMaximum", inferenceConfig.maxTokens),
    ...defined("temperature", inferenceConfig.temperature),
    ...defined("topP", inferenceConfig.topP),
    ...defined("topK", own.top_k),
    ...defined("stop", inferenceConfig.stopSequences),
    ...defined("jsonSchema", schema === undefined ? undefined : (JSON.parse(schema) as object)),
    ...defined("effort", own.output_config?.effort),
    ...defined("reasoningTokens", own.thinking?.budget_tokens),
  };
}

/** A cache point says where the cached prompt ends: behind the block before it. */
function readBlock({ text, image, document, toolUse, toolResult, reasoningContent, cachePoint }: Block, isCacheEnd: boolean): Part[] {
  if (cachePoint !== undefined) return [];
  if (text !== undefined) return [{ text, ...(isCacheEnd ? { isCacheEnd } : {}) }];
  if (image !== undefined) return [{ image: `data:image/${image.format};base64,${image.source.bytes}` }];
  if (document !== undefined) return [{ document: `data:application/${document.format};base64,${document.source.bytes}` }];
  if (toolUse !== undefined) return [{ call: { id: toolUse.toolUseId, name: toolUse.name, input: toolUse.input } }];
  if (reasoningContent !== undefined) return [{ reasoning: reasoningContent.reasoningText.text, signature: reasoningContent.reasoningText.signature }];
  const { toolUseId: id, content, status } = toolResult!;
  return [{ result: { id, text: content.map((inner) => inner.text).join(""), ...(status === "error" ? { isError: true as const } : {}) } }];
}

function defined<Name extends string, Value>(name: Name, value: Value | undefined): { readonly [name in Name]?: Value } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [name in Name]?: Value };
}

const stopWords = { stop: "end_turn", length: "max_tokens", calls: "tool_use", refused: "content_filtered" } as const;

/** Input that was read from the cache is not counted among the input: https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html */
function endOf({ usage }: Answer): object {
  return {
    usage: {
      inputTokens: usage.input - usage.cached,
      outputTokens: usage.output,
      totalTokens: usage.input + usage.output,
      cacheReadInputTokens: usage.cached,
      cacheWriteInputTokens: 0,
    },
    metrics: { latencyMs: 500 },
  };
}

function contentOf({ reasoning, text, calls = [] }: Answer): Block[] {
  return [
    ...(reasoning === undefined ? [] : [{ reasoningContent: { reasoningText: { text: reasoning.text, signature: reasoning.signature } } }]),
    ...(text === undefined ? [] : [{ text }]),
    ...calls.map(({ id, name, input }) => ({ toolUse: { toolUseId: id, name, input } })),
  ];
}

function wholeOf(answer: Answer): object {
  return { output: { message: { role: "assistant", content: contentOf(answer) } }, stopReason: stopWords[answer.finish], ...endOf(answer) };
}

type Event = readonly [type: string, event: object];

function eventsOf(answer: Answer): Event[] {
  return [
    ["messageStart", { role: "assistant" }],
    ...contentOf(answer).flatMap((block, contentBlockIndex): Event[] => [
      // Only a tool's use says at its start what it is.
      ...(block.toolUse === undefined ? [] : [["contentBlockStart", { contentBlockIndex, start: { toolUse: { toolUseId: block.toolUse.toolUseId, name: block.toolUse.name } } }] as const]),
      ...deltasOf(block).map((delta): Event => ["contentBlockDelta", { contentBlockIndex, delta }]),
      ["contentBlockStop", { contentBlockIndex }],
    ]),
    ["messageStop", { stopReason: stopWords[answer.finish] }],
    ["metadata", endOf(answer)],
  ];
}

function deltasOf({ text, toolUse, reasoningContent }: Block): object[] {
  if (text !== undefined) return halvesOf(text).map((piece) => ({ text: piece }));
  if (toolUse !== undefined) return halvesOf(JSON.stringify(toolUse.input)).map((input) => ({ toolUse: { input } }));
  const { text: thought, signature } = reasoningContent!.reasoningText;
  return [...halvesOf(thought).map((piece) => ({ reasoningContent: { text: piece } })), { reasoningContent: { signature } }];
}

function halvesOf(text: string): string[] {
  const half = Math.ceil(text.length / 2);
  return [text.slice(0, half), text.slice(half)].filter((piece) => piece !== "");
}

const codec = new EventStreamCodec((bytes) => Buffer.from(bytes as Uint8Array).toString(), (text) => Buffer.from(text));

const header = (value: string) => ({ type: "string" as const, value });

/** Source: https://smithy.io/2.0/aws/amazon-eventstream.html */
function frameOf(type: string, event: object): Uint8Array {
  return codec.encode({ headers: { ":event-type": header(type), ":content-type": header("application/json"), ":message-type": header("event") }, body: Buffer.from(JSON.stringify(event)) });
}

function exceptionOf(type: string, body: object): Buffer {
  return Buffer.from(codec.encode({ headers: { ":exception-type": header(type), ":content-type": header("application/json"), ":message-type": header("exception") }, body: Buffer.from(JSON.stringify(body)) }));
}
