/** Owns Gemini's generateContent as Google's official client speaks it. */
import { ApiError, FinishReason, FunctionCallingConfigMode, GoogleGenAI, ThinkingLevel, type Content, type GenerateContentConfig, type GenerateContentParameters, type GenerateContentResponse, type Part as GooglePart } from "@google/genai";
import { readSignature } from "../../../services/routing/edge/gemini/thought-signature.ts";
import { HeardError, type Answer, type Caller, type Heard, type Part, type Turn, type Wanted } from "../exchange.ts";

type Request = Omit<GenerateContentParameters, "model">;

export const googleGenai: Caller = {
  dialect: "Gemini",
  hasStatuses: true,
  errorClass: "ApiError",
  brokenStreamClass: "ApiError",
  build(wanted) {
    const isMarked = wanted.turns.some(({ parts }) => parts.some((part) => "text" in part && part.isCacheEnd === true));
    return wanted.oneCallAtATime === undefined && wanted.user === undefined && !isMarked ? buildRequest(wanted) : undefined;
  },
  async send({ origin, inferenceKey }, model, request, stream) {
    const client = new GoogleGenAI({ apiKey: inferenceKey, httpOptions: { baseUrl: origin, apiVersion: "v1beta", retryOptions: { attempts: 1 } } });
    const asked = { ...(request as Request), model };
    try {
      if (!stream) return hear([await client.models.generateContent(asked)]);
      const chunks: GenerateContentResponse[] = [];
      for await (const chunk of await client.models.generateContentStream(asked)) chunks.push(chunk);
      return hear(chunks);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      throw new HeardError(error.status, error.constructor.name, error.message, requestIdOf(error));
    }
  },
};

/** The client has no member for it: it stands in the error's details. */
function requestIdOf({ message }: ApiError): string {
  return /"requestId":\s*"([^"]+)"/.exec(message)?.[1] ?? "";
}

function buildRequest(wanted: Wanted): Request {
  const { toolChoice, effort, reasoningTokens } = wanted;
  const config: GenerateContentConfig = {
    ...(wanted.system === undefined ? {} : { systemInstruction: wanted.system }),
    ...(wanted.tools === undefined ? {} : { tools: [{ functionDeclarations: wanted.tools.map(({ name, description, parameters }) => ({ name, description, parametersJsonSchema: parameters })) }] }),
    ...(toolChoice === undefined ? {} : { toolConfig: { functionCallingConfig: buildChoice(toolChoice) } }),
    ...(wanted.outputMaximum === undefined ? {} : { maxOutputTokens: wanted.outputMaximum }),
    ...(wanted.temperature === undefined ? {} : { temperature: wanted.temperature }),
    ...(wanted.topP === undefined ? {} : { topP: wanted.topP }),
    ...(wanted.topK === undefined ? {} : { topK: wanted.topK }),
    ...(wanted.seed === undefined ? {} : { seed: wanted.seed }),
    ...(wanted.stop === undefined ? {} : { stopSequences: [...wanted.stop] }),
    ...(wanted.presencePenalty === undefined ? {} : { presencePenalty: wanted.presencePenalty }),
    ...(wanted.frequencyPenalty === undefined ? {} : { frequencyPenalty: wanted.frequencyPenalty }),
    ...(wanted.jsonSchema === undefined ? {} : { responseMimeType: "application/json", responseJsonSchema: wanted.jsonSchema }),
    ...(effort === undefined ? {} : { thinkingConfig: { thinkingLevel: effort === "low" ? ThinkingLevel.LOW : ThinkingLevel.HIGH } }),
    ...(reasoningTokens === undefined ? {} : { thinkingConfig: { thinkingBudget: reasoningTokens } }),
  };
  return { contents: wanted.turns.map((turn) => buildTurn(turn, wanted.turns)), config };
}

function buildChoice(choice: NonNullable<Wanted["toolChoice"]>): { mode: FunctionCallingConfigMode; allowedFunctionNames?: string[] } {
  if (choice === "none") return { mode: FunctionCallingConfigMode.NONE };
  return { mode: FunctionCallingConfigMode.ANY, ...(choice === "required" ? {} : { allowedFunctionNames: [choice.name] }) };
}

/** The signature of a thought stands on the part behind it: https://ai.google.dev/gemini-api/docs/thought-signatures */
function buildTurn({ role, parts }: Turn, turns: readonly Turn[]): Content {
  const written = parts.map((part, index): GooglePart => {
    const before = parts[index - 1];
    return { ...buildPart(part, turns), ...(before !== undefined && "reasoning" in before ? { thoughtSignature: before.signature } : {}) };
  });
  return { role: role === "user" ? "user" : "model", parts: written };
}

function buildPart(part: Part, turns: readonly Turn[]): GooglePart {
  if ("text" in part) return { text: part.text };
  if ("image" in part) return buildMedia(part.image);
  if ("document" in part) return buildMedia(part.document);
  if ("call" in part) return { functionCall: { id: part.call.id, name: part.call.name, args: part.call.input as Record<string, unknown> } };
  if ("reasoning" in part) return { thought: true, text: part.reasoning };
  const { id, text, isError } = part.result;
  return { functionResponse: { id, name: nameOf(id, turns), response: { [isError === undefined ? "output" : "error"]: text } } };
}

function buildMedia(url: string): GooglePart {
  const match = /^data:([^;]+);base64,(.*)$/.exec(url);
  return match === null ? { fileData: { fileUri: url, mimeType: "image/png" } } : { inlineData: { mimeType: match[1]!, data: match[2]! } };
}

function nameOf(callId: string, turns: readonly Turn[]): string {
  return turns.flatMap(({ parts }) => parts.flatMap((part) => ("call" in part && part.call.id === callId ? [part.call.name] : [])))[0]!;
}

/** A whole reply is a stream of one piece. */
function hear(pieces: readonly GenerateContentResponse[]): Heard {
  const parts = pieces.flatMap(({ candidates }) => candidates?.[0]?.content?.parts ?? []);
  const finishes = pieces.flatMap(({ candidates }) => candidates?.[0]?.finishReason ?? []);
  if (finishes.length !== 1) throw new Error(`The reply finished ${finishes.length} times.`);
  const text = parts.map((part) => (part.thought === true ? "" : (part.text ?? ""))).join("");
  const thought = parts.map((part) => (part.thought === true ? (part.text ?? "") : "")).join("");
  const calls = parts.flatMap(({ functionCall: call }) => (call === undefined ? [] : [{ id: call.id!, name: call.name!, input: call.args ?? {} }]));
  const usage = pieces.at(-1)!.usageMetadata;
  const reasoning = usage?.thoughtsTokenCount ?? 0;
  return {
    answer: {
      ...(text === "" ? {} : { text }),
      ...(calls.length === 0 ? {} : { calls }),
      ...(thought === "" ? {} : { reasoning: { text: thought, signature: parts.map(({ thoughtSignature = "" }) => readSignature(thoughtSignature)).join("") } }),
      // Gemini has no word for waiting for functions: it stops.
      finish: calls.length > 0 && finishes[0] === FinishReason.STOP ? "calls" : (finishWords[finishes[0]!] ?? ("none" as never)),
      usage: { input: usage?.promptTokenCount ?? -1, cached: usage?.cachedContentTokenCount ?? 0, output: (usage?.candidatesTokenCount ?? -1) + reasoning, reasoning },
    },
    warnings: pieces[0]!.sdkHttpResponse?.headers?.["x-weir-warnings"] ?? "",
  };
}

const finishWords: Readonly<Record<string, Answer["finish"]>> = { STOP: "stop", MAX_TOKENS: "length", SAFETY: "refused" };
