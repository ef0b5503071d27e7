/** Owns Weir's own contract, as a typed Connect client speaks it. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Client } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { Role, type Part as ProtoPart, type PartSchema } from "#gen/weir/inference/v1/content_pb.ts";
import { FinishReason, ReasoningOptions_Effort, ToolChoice_Mode, type Warning } from "#gen/weir/inference/v1/generation_pb.ts";
import { InferenceService, type GenerationSchema, type PartDelta } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Meter, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { HeardError, type Answer, type Caller, type Heard, type Part, type Turn, type Wanted } from "../exchange.ts";

type GenerationInit = MessageInitShape<typeof GenerationSchema>;
type PartInit = Exclude<MessageInitShape<typeof PartSchema>, ProtoPart>;

export const connect: Caller = {
  dialect: "InferenceService (RPC)",
  hasStatuses: false,
  brokenStreamClass: "Unavailable",
  build: buildGeneration,
  async send({ origin, inferenceKey }, model, request, stream) {
    const transport = createConnectTransport({ baseUrl: origin, httpVersion: "1.1", interceptors: [(next) => (call) => (call.header.set("authorization", `Bearer ${inferenceKey}`), next(call))] });
    const client = createClient(InferenceService, transport);
    const generation = { ...(request as GenerationInit), model };
    try {
      return stream ? await hearStream(client, generation) : await hearWhole(client, generation);
    } catch (error) {
      const failure = ConnectError.from(error);
      throw new HeardError(failure.code === Code.InvalidArgument || failure.code === Code.Unimplemented ? 400 : 0, Code[failure.code]!, failure.message, failure.metadata.get("x-request-id") ?? "");
    }
  },
};

function buildGeneration(wanted: Wanted): object {
  const { toolChoice, effort, reasoningTokens, jsonSchema } = wanted;
  const generation: GenerationInit = {
    messages: [...(wanted.system === undefined ? [] : [{ role: Role.SYSTEM, parts: [textPart(wanted.system)] }]), ...wanted.turns.map(buildTurn)],
    tools: (wanted.tools ?? []).map(({ name, description, parameters }) => ({ kind: { case: "function" as const, value: { name, description, parametersJsonSchema: JSON.stringify(parameters) } } })),
    ...(toolChoice === undefined ? {} : { toolChoice: typeof toolChoice === "string" ? { mode: toolChoice === "none" ? ToolChoice_Mode.NONE : ToolChoice_Mode.REQUIRED } : { mode: ToolChoice_Mode.NAMED, name: toolChoice.name } }),
    ...(wanted.oneCallAtATime === undefined ? {} : { parallelToolCalls: false }),
    ...(wanted.outputMaximum === undefined ? {} : { maxOutputTokens: BigInt(wanted.outputMaximum) }),
    sampling: {
      ...(wanted.temperature === undefined ? {} : { temperature: wanted.temperature }),
      ...(wanted.topP === undefined ? {} : { topP: wanted.topP }),
      ...(wanted.topK === undefined ? {} : { topK: BigInt(wanted.topK) }),
      ...(wanted.seed === undefined ? {} : { seed: BigInt(wanted.seed) }),
      ...(wanted.presencePenalty === undefined ? {} : { presencePenalty: wanted.presencePenalty }),
      ...(wanted.frequencyPenalty === undefined ? {} : { frequencyPenalty: wanted.frequencyPenalty }),
    },
    stopSequences: [...(wanted.stop ?? [])],
    ...(jsonSchema === undefined ? {} : { outputFormat: { kind: { case: "jsonSchema", value: { name: "reply", jsonSchema: JSON.stringify(jsonSchema), strict: true } } } }),
    ...(effort === undefined ? {} : { reasoning: { effort: effort === "low" ? ReasoningOptions_Effort.LOW : ReasoningOptions_Effort.HIGH } }),
    ...(reasoningTokens === undefined ? {} : { reasoning: { budgetTokens: BigInt(reasoningTokens) } }),
    ...(wanted.user === undefined ? {} : { endUser: wanted.user }),
  };
  return generation;
}

function buildTurn({ role, parts }: Turn): { role: Role; parts: PartInit[] } {
  const isResult = parts.some((part) => "result" in part);
  return { role: role === "assistant" ? Role.ASSISTANT : isResult ? Role.TOOL : Role.USER, parts: parts.map(buildPart) };
}

function textPart(text: string): PartInit {
  return { kind: { case: "text", value: { text } } };
}

function buildPart(part: Part): PartInit {
  if ("text" in part) return { ...textPart(part.text), ...(part.isCacheEnd === undefined ? {} : { cacheMarker: {} }) };
  if ("image" in part) return { kind: { case: "image", value: { media: mediaOf(part.image) } } };
  if ("document" in part) return { kind: { case: "file", value: { media: mediaOf(part.document), filename: "page.pdf" } } };
  if ("call" in part) return { kind: { case: "toolCall", value: { id: part.call.id, name: part.call.name, arguments: JSON.stringify(part.call.input) } } };
  if ("reasoning" in part) return { kind: { case: "reasoning", value: { text: part.reasoning, signature: part.signature } } };
  const { id, text, isError = false } = part.result;
  return { kind: { case: "toolResult", value: { toolCallId: id, parts: [textPart(text)], isError } } };
}

function mediaOf(url: string): { source: { case: "url"; value: string } | { case: "data"; value: Uint8Array<ArrayBuffer> }; mediaType?: string } {
  const match = /^data:([^;]+);base64,(.*)$/.exec(url);
  return match === null ? { source: { case: "url", value: url } } : { source: { case: "data", value: new Uint8Array(Buffer.from(match[2]!, "base64")) }, mediaType: match[1]! };
}

async function hearWhole(client: Client<typeof InferenceService>, generation: GenerationInit): Promise<Heard> {
  const { candidates, usage, warnings } = await client.generate({ generation });
  const [{ message, finishReason }] = candidates as [(typeof candidates)[0]];
  const pieces = newPieces();
  for (const { kind } of message!.parts) {
    if (kind.case === "text") pieces.text += kind.value.text;
    else if (kind.case === "toolCall") pieces.calls.push({ ...kind.value });
    else if (kind.case === "reasoning") Object.assign(pieces, { reasoning: pieces.reasoning + kind.value.text, signature: pieces.signature + kind.value.signature });
  }
  return hear(pieces, finishReason, usage, warnings);
}

async function hearStream(client: Client<typeof InferenceService>, generation: GenerationInit): Promise<Heard> {
  const pieces = newPieces();
  const callOfPart = new Map<number, Pieces["calls"][number]>();
  const thoughts = new Set<number>();
  let warnings: readonly Warning[] = [];
  let usage: Usage | undefined;
  let finish: FinishReason | undefined;
  for await (const { event } of client.streamGenerate({ generation })) {
    if (event.case === "start") warnings = event.value.warnings;
    if (event.case === "end") usage = event.value.usage;
    if (event.case === "candidateEnd") finish = event.value.finishReason;
    if (event.case === "partStart" && event.value.part?.kind.case === "reasoning") {
      thoughts.add(event.value.partIndex);
      pieces.signature += event.value.part.kind.value.signature;
    }
    if (event.case === "partStart" && event.value.part?.kind.case === "toolCall") {
      const { id, name } = event.value.part.kind.value;
      const call = { id, name, arguments: "" };
      callOfPart.set(event.value.partIndex, call);
      pieces.calls.push(call);
    }
    if (event.case === "partDelta") grow(pieces, event.value, thoughts.has(event.value.partIndex), callOfPart.get(event.value.partIndex));
  }
  return hear(pieces, finish!, usage, warnings);
}

interface Pieces {
  text: string;
  reasoning: string;
  signature: string;
  readonly calls: { id: string; name: string; arguments: string }[];
}

function newPieces(): Pieces {
  return { text: "", reasoning: "", signature: "", calls: [] };
}

function grow(pieces: Pieces, { delta }: PartDelta, isThought: boolean, call: Pieces["calls"][number] | undefined): void {
  if (delta.case === "text") pieces[isThought ? "reasoning" : "text"] += delta.value;
  if (delta.case === "arguments") call!.arguments += delta.value;
  if (delta.case === "signature") pieces.signature += delta.value;
}

const finishes: ReadonlyMap<FinishReason, Answer["finish"]> = new Map([
  [FinishReason.STOP, "stop"],
  [FinishReason.LENGTH, "length"],
  [FinishReason.TOOL_CALLS, "calls"],
  [FinishReason.CONTENT_FILTER, "refused"],
  [FinishReason.REFUSAL, "refused"],
]);

function hear({ text, reasoning, signature, calls }: Pieces, finish: FinishReason, usage: Usage | undefined, warnings: readonly Warning[]): Heard {
  const quantity = (...meters: readonly Meter[]): number => Number((usage?.quantities ?? []).reduce((sum, one) => (meters.includes(one.meter) ? sum + one.quantity : sum), 0n));
  const answer: Answer = {
    ...(text === "" ? {} : { text }),
    ...(reasoning === "" ? {} : { reasoning: { text: reasoning, signature } }),
    ...(calls.length === 0 ? {} : { calls: calls.map(({ id, name, arguments: input }) => ({ id, name, input: JSON.parse(input) as object })) }),
    finish: finishes.get(finish)!,
    // Meters are disjoint; the suite's figures hold each part in its whole.
    usage: {
      input: quantity(Meter.INPUT_TOKENS, Meter.CACHED_INPUT_TOKENS),
      cached: quantity(Meter.CACHED_INPUT_TOKENS),
      output: quantity(Meter.OUTPUT_TOKENS, Meter.REASONING_OUTPUT_TOKENS),
      reasoning: quantity(Meter.REASONING_OUTPUT_TOKENS),
    },
  };
  return { answer, warnings: warnings.map(({ field, message }) => `${field}: ${message}`).join("; ") };
}
