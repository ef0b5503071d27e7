/** Owns the reading of Ollama's messages, images and tool calls. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { MessageSchema, Role, type Message, type Part, type PartSchema } from "#gen/weir/inference/v1/content_pb.ts";
import { readBase64 } from "../dialect-parts/base64.ts";
import { CallIds } from "../dialect-parts/call-ids.ts";
import { invalidField, type RequestFields } from "../dialect-parts/request-fields.ts";

export type PartInit = Exclude<MessageInitShape<typeof PartSchema>, Part>;

/** The conversation. */
export function readMessages(body: RequestFields): Message[] {
  const messages = body.objects("messages") ?? [];
  if (messages.length === 0) throw invalidField("messages", "is missing or empty; a model behind Weir needs no loading");
  const callIds = new CallIds();
  return messages.map((message) => {
    const role = roles.get(message.requiredText("role"));
    if (role === undefined) throw invalidField(message.pathOf("role"), `must be one of ${[...roles.keys()].join(", ")}`);
    const parts = role === Role.TOOL ? [readResult(message, callIds)] : readTurn(message, callIds);
    message.noteRest();
    return create(MessageSchema, { role, parts });
  });
}

const roles: ReadonlyMap<string, Role> = new Map([
  ["system", Role.SYSTEM],
  ["user", Role.USER],
  ["assistant", Role.ASSISTANT],
  ["tool", Role.TOOL],
]);

/** Thinking first, because that is the order in which a model makes them. */
function readTurn(message: RequestFields, callIds: CallIds): PartInit[] {
  const thinking = message.text("thinking") ?? "";
  return [
    ...(thinking === "" ? [] : [{ kind: { case: "reasoning", value: { text: thinking } } } satisfies PartInit]),
    ...readText(message, "content"),
    ...readImages(message),
    ...(message.objects("tool_calls") ?? []).map((call) => readCall(call, callIds)),
  ];
}

export function readText(fields: RequestFields, name: string): PartInit[] {
  const text = fields.text(name) ?? "";
  return text === "" ? [] : [{ kind: { case: "text", value: { text } } }];
}

/** Ollama's images do not say what they are, so their first bytes must. */
export function readImages(fields: RequestFields): PartInit[] {
  return (fields.texts("images") ?? []).map((text, index) => {
    const data = readBase64(text);
    const mediaType = data === undefined ? undefined : mediaTypeOf(data);
    if (data === undefined || mediaType === undefined) throw invalidField(`${fields.pathOf("images")}[${index}]`, "must be a PNG, JPEG, GIF or WebP image in base64");
    return { kind: { case: "image", value: { media: { source: { case: "data", value: data }, mediaType } } } };
  });
}

function mediaTypeOf(data: Uint8Array): string | undefined {
  const head = Buffer.from(data.subarray(0, 12)).toString("latin1");
  if (head.startsWith("\x89PNG")) return "image/png";
  if (head.startsWith("\xff\xd8\xff")) return "image/jpeg";
  if (head.startsWith("GIF8")) return "image/gif";
  return head.startsWith("RIFF") && head.endsWith("WEBP") ? "image/webp" : undefined;
}

function readCall(call: RequestFields, callIds: CallIds): PartInit {
  call.take("type");
  const called = call.requiredObject("function");
  called.take("index");
  const name = called.requiredText("name");
  const input = called.take("arguments") ?? {};
  if (typeof input !== "object" || Array.isArray(input)) throw invalidField(called.pathOf("arguments"), "must be an object");
  const id = callIds.ask(name, call.text("id"));
  called.noteRest();
  call.noteRest();
  return { kind: { case: "toolCall", value: { id, name, arguments: JSON.stringify(input) } } };
}

/** A result names its tool (`tool_name`, once `name`), its call, or neither. */
function readResult(message: RequestFields, callIds: CallIds): PartInit {
  const name = message.text("tool_name") ?? message.text("name");
  const toolCallId = callIds.answer(name, message.text("tool_call_id"));
  const parts = [...readText(message, "content"), ...readImages(message)];
  return { kind: { case: "toolResult", value: { toolCallId, parts } } };
}
