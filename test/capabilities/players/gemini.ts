/** Owns Google's Gemini API as the vendor would take and answer it (https://ai.google.dev/api/generate-content). */
import type { Answer, Asked, Part, Player, Refusal, Turn } from "../exchange.ts";

interface GeminiPart {
  readonly text?: string;
  readonly thought?: boolean;
  readonly thoughtSignature?: string;
  readonly inlineData?: { readonly mimeType: string; readonly data: string };
  readonly fileData?: { readonly fileUri: string };
  readonly functionCall?: { readonly id?: string; readonly name: string; readonly args?: object };
  readonly functionResponse?: { readonly id?: string; readonly name: string; readonly response: { readonly output?: string; readonly result?: string; readonly content?: string; readonly error?: string } };
}

interface Content {
  readonly role?: "user" | "model";
  readonly parts: readonly GeminiPart[];
}

interface Body {
  readonly contents: readonly Content[];
  readonly systemInstruction?: Content;
  readonly tools?: readonly { readonly functionDeclarations: readonly { readonly name: string; readonly description: string; readonly parametersJsonSchema: object }[] }[];
  readonly toolConfig?: { readonly functionCallingConfig: { readonly mode: string; readonly allowedFunctionNames?: readonly string[] } };
  readonly generationConfig?: {
    readonly maxOutputTokens?: number;
    readonly temperature?: number;
    readonly topP?: number;
    readonly topK?: number;
    readonly seed?: number;
    readonly stopSequences?: readonly string[];
    readonly presencePenalty?: number;
    readonly frequencyPenalty?: number;
    readonly responseMimeType?: string;
    readonly responseJsonSchema?: object;
    readonly thinkingConfig?: { readonly thinkingBudget?: number; readonly thinkingLevel?: string };
  };
}

const model = "gemini-2.0-flash";

export const geminiPlayer: Player = {
  vendor: "gemini",
  native: ["Gemini"],
  basePath: "/v1beta",
  apiKey: "AIza-gemini",
  read({ path, headers, body }, stream) {
    const expected = stream ? `/v1beta/models/${model}:streamGenerateContent?alt=sse` : `/v1beta/models/${model}:generateContent`;
    if (path !== expected) throw new Error(`no such path: ${path}`);
    if (headers["x-goog-api-key"] !== "AIza-gemini") throw new Error("no key");
    const request = JSON.parse(body.toString()) as Body;
    refuseMalformed(request.contents);
    return readBody(request);
  },
  write: (answer, stream) => {
    if (!stream) return { contentType: "application/json", pieces: [JSON.stringify(responseOf(answer, partsOf(answer), true))] };
    const parts = partsOf(answer);
    const chunks = [...parts.slice(0, -1).map((part) => responseOf(answer, [part], false)), responseOf(answer, parts.slice(-1), true)];
    return { contentType: "text/event-stream", pieces: chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\r\n\r\n`) };
  },
  breakOff: () => `data: ${JSON.stringify({ error: { code: 503, message: "The model is overloaded.", status: "UNAVAILABLE" } })}\r\n\r\n`,
  refuse: ({ status, retryAfterSeconds }: Refusal) => ({
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      error: {
        code: status,
        message: `refused with ${status}`,
        status: statusNames[status],
        details: retryAfterSeconds === undefined ? [] : [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: `${retryAfterSeconds}s` }],
      },
    }),
  }),
};

/** The user may speak twice in a row, as with the results of functions and then words; https://ai.google.dev/gemini-api/docs/function-calling has the rest. */
function refuseMalformed(contents: readonly Content[]): void {
  if (contents[0]?.role !== "user") throw new Error("the user begins");
  contents.forEach(({ role, parts }, index) => {
    const next = contents[index + 1];
    if (role === "model" && next?.role === "model") throw new Error("roles must alternate");
    const calls = parts.filter(({ functionCall }) => functionCall !== undefined).length;
    const responses = next?.parts.filter(({ functionResponse }) => functionResponse !== undefined).length;
    if (calls > 0 && responses !== calls) throw new Error("the number of function response parts is not equal to the number of function call parts of the function call turn");
  });
}

const statusNames = { 400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE" } as const;

function readBody({ contents, systemInstruction, tools, toolConfig, generationConfig = {} }: Body): Asked {
  const calling = toolConfig?.functionCallingConfig;
  const { thinkingConfig } = generationConfig;
  return {
    ...(systemInstruction === undefined ? {} : { system: systemInstruction.parts.map(({ text }) => text).join("\n") }),
    turns: readTurns(contents),
    ...(tools === undefined ? {} : { tools: tools.flatMap(({ functionDeclarations }) => functionDeclarations.map(({ name, description, parametersJsonSchema }) => ({ name, description, parameters: parametersJsonSchema }))) }),
    ...(calling === undefined || calling.mode === "AUTO" ? {} : { toolChoice: calling.mode === "NONE" ? "none" : calling.allowedFunctionNames === undefined ? "required" : { name: calling.allowedFunctionNames[0]! } }),
    ...defined("outputMaximum", generationConfig.maxOutputTokens),
    ...defined("temperature", generationConfig.temperature),
    ...defined("topP", generationConfig.topP),
    ...defined("topK", generationConfig.topK),
    ...defined("seed", generationConfig.seed),
    ...defined("stop", generationConfig.stopSequences),
    ...defined("presencePenalty", generationConfig.presencePenalty),
    ...defined("frequencyPenalty", generationConfig.frequencyPenalty),
    ...defined("jsonSchema", generationConfig.responseMimeType === "application/json" ? generationConfig.responseJsonSchema : undefined),
    ...defined("effort", thinkingConfig?.thinkingLevel?.toLowerCase() as "low" | "high" | undefined),
    ...defined("reasoningTokens", thinkingConfig?.thinkingBudget),
  };
}

function readTurns(contents: readonly Content[]): Turn[] {
  const turns: { role: Turn["role"]; parts: Part[] }[] = [];
  for (const { role: spoken, parts: said } of contents) {
    const role = spoken === "model" ? "assistant" : "user";
    const parts = said.flatMap((part, index) => readPart(part, said[index - 1]?.thought === true, said[index + 1]?.thoughtSignature));
    const last = turns.at(-1);
    if (last?.role === role) last.parts.push(...parts);
    else turns.push({ role, parts });
  }
  return turns;
}

/** The signature of a thought stands on the part behind it. */
function readPart(part: GeminiPart, isBehindThought: boolean, nextSignature: string | undefined): Part[] {
  const { functionCall: call, functionResponse: result } = part;
  const signed = part.thoughtSignature === undefined || isBehindThought ? [] : [{ reasoning: "", signature: part.thoughtSignature }];
  if (part.thought === true) return [{ reasoning: part.text ?? "", signature: part.thoughtSignature ?? nextSignature ?? "" }];
  if (part.text !== undefined) return [...signed, { text: part.text }];
  if (part.fileData !== undefined) return [{ image: part.fileData.fileUri }];
  if (call !== undefined) return [...signed, { call: { id: call.id ?? "", name: call.name, input: call.args ?? {} } }];
  if (result !== undefined) return [{ result: { id: result.id ?? "", text: result.response.output ?? result.response.result ?? result.response.content ?? result.response.error!, ...(result.response.error === undefined ? {} : { isError: true as const }) } }];
  const { mimeType, data } = part.inlineData!;
  const url = `data:${mimeType};base64,${data}`;
  return [mimeType.startsWith("image/") ? { image: url } : { document: url }];
}

function defined<Name extends string, Value>(name: Name, value: Value | undefined): { readonly [name in Name]?: Value } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [name in Name]?: Value };
}

function partsOf({ reasoning, text, calls = [] }: Answer): GeminiPart[] {
  const half = Math.ceil((text?.length ?? 0) / 2);
  const rest = [...(text === undefined ? [] : [{ text: text.slice(0, half) }, { text: text.slice(half) }]), ...calls.map(({ id, name, input }) => ({ functionCall: { id, name, args: input } }))];
  if (reasoning === undefined) return rest;
  // The signature comes with the first part that is no thought.
  return [{ text: reasoning.text, thought: true }, { ...rest[0], thoughtSignature: reasoning.signature }, ...rest.slice(1)];
}

const finishWords = { stop: "STOP", calls: "STOP", length: "MAX_TOKENS", refused: "SAFETY" } as const;

function responseOf({ finish, usage }: Answer, parts: readonly GeminiPart[], isLast: boolean): object {
  return {
    candidates: [{ index: 0, content: { role: "model", parts }, ...(isLast ? { finishReason: finishWords[finish] } : {}) }],
    usageMetadata: {
      promptTokenCount: usage.input,
      cachedContentTokenCount: usage.cached,
      candidatesTokenCount: usage.output - usage.reasoning,
      thoughtsTokenCount: usage.reasoning,
      totalTokenCount: usage.input + usage.output,
    },
    modelVersion: model,
    responseId: "resp_1",
  };
}
