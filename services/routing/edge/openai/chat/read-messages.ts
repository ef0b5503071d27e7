/** Owns the reading of `messages` into types, the legacy `function` role included. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Role, type MessageSchema } from "#gen/weir/inference/v1/content_pb.ts";
import { readAnnotations } from "./annotations.ts";
import { readNativeParts } from "./native-parts.ts";
import type { ObjectReader } from "../object-reader.ts";
import { readContent, readImage, type PartInit } from "./read-content.ts";
import { readReasoning } from "./reasoning-details.ts";

type MessageInit = MessageInitShape<typeof MessageSchema>;

export function readMessages(body: ObjectReader): MessageInit[] {
  if (!body.has("messages")) throw body.fault("messages", "is missing; it must be a list of messages");
  const legacyCalls = new LegacyCalls();
  return body.objects("messages").map((message) => ({
    ...readMessage(message, legacyCalls),
    name: message.optionalText("name"),
  }));
}

function readMessage(message: ObjectReader, legacyCalls: LegacyCalls): MessageInit {
  switch (message.text("role")) {
    case "system":
      return { role: Role.SYSTEM, parts: readContent(message) };
    case "developer":
      return { role: Role.DEVELOPER, parts: readContent(message) };
    case "user":
      return { role: Role.USER, parts: readContent(message) };
    case "assistant":
      return { role: Role.ASSISTANT, parts: readAssistantParts(message, legacyCalls) };
    case "tool":
      return { role: Role.TOOL, parts: [toolResult(message.text("tool_call_id"), message)] };
    case "function":
      return { role: Role.TOOL, parts: [toolResult(legacyCalls.answer(message.text("name")), message)] };
    default:
      throw message.fault("role", "must be system, developer, user, assistant, tool or function");
  }
}

/** Reasoning first, because that is the order in which a model makes them, and vendors that want it back want it so. */
function readAssistantParts(message: ObjectReader, legacyCalls: LegacyCalls): PartInit[] {
  const reasoning = readReasoning(message).map((value): PartInit => ({ kind: { case: "reasoning", value } }));
  const refusal = message.optionalText("refusal");
  const images = message.objects("images").map((image) => {
    image.raw("type");
    return readImage(image);
  });
  return [
    ...reasoning,
    ...readNativeParts(message),
    ...withCitations(readContent(message), message),
    ...(refusal === undefined ? [] : [{ kind: { case: "refusal", value: { text: refusal } } } satisfies PartInit]),
    ...images,
    ...readEarlierAudio(message),
    ...message.objects("tool_calls").map(readToolCall),
    ...readLegacyCall(message, legacyCalls),
  ];
}

function withCitations(parts: PartInit[], message: ObjectReader): PartInit[] {
  const citations = readAnnotations(message);
  const [first, ...rest] = parts;
  if (citations.length === 0 || first?.kind?.case !== "text") return parts;
  return [{ ...first, kind: { case: "text", value: { text: first.kind.value.text ?? "", citations } } }, ...rest];
}

function readEarlierAudio(message: ObjectReader): PartInit[] {
  const audio = message.optionalObject("audio");
  if (audio === undefined) return [];
  const id = audio.text("id");
  const transcript = audio.optionalText("transcript");
  // The vendor has the sound under this id; what a client sends beside it is the same again.
  audio.raw("data");
  audio.raw("expires_at");
  return [{ kind: { case: "audio", value: { id, transcript, media: { source: { case: "fileId", value: id } } } } }];
}

function readToolCall(call: ObjectReader): PartInit {
  const type = call.optionalText("type") ?? "function";
  const id = call.text("id");
  if (type === "custom") {
    const custom = call.object("custom");
    return { kind: { case: "toolCall", value: { id, name: custom.text("name"), arguments: custom.text("input"), custom: true } } };
  }
  if (type !== "function") throw call.untranslatable("type", "must be function or custom");
  const called = call.object("function");
  return { kind: { case: "toolCall", value: { id, name: called.text("name"), arguments: called.optionalText("arguments") ?? "" } } };
}

function readLegacyCall(message: ObjectReader, legacyCalls: LegacyCalls): PartInit[] {
  const call = message.optionalObject("function_call");
  if (call === undefined) return [];
  const name = call.text("name");
  return [{ kind: { case: "toolCall", value: { id: legacyCalls.ask(name), name, arguments: call.optionalText("arguments") ?? "" } } }];
}

function toolResult(toolCallId: string, message: ObjectReader): PartInit {
  return { kind: { case: "toolResult", value: { toolCallId, parts: readContent(message) } } };
}

/** Legacy calls have no ids, so each gets one that its answer finds again by the function's name. */
class LegacyCalls {
  readonly #idByName = new Map<string, string>();
  #count = 0;

  ask(name: string): string {
    const id = `call_function_${this.#count++}`;
    this.#idByName.set(name, id);
    return id;
  }

  answer(name: string): string {
    return this.#idByName.get(name) ?? this.ask(name);
  }
}
