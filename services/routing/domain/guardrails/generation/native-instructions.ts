/** Owns where instructions stand in the bytes of a dialect; all else of them stays as it came. A dialect that has no row here goes through types. */
import { GatewayError } from "#platform/errors.ts";
import { InnerSplices, InsertedElements, parseJsonObject, spliceJson } from "#platform/formats/json.ts";
import type { Instructions } from "./instructions.ts";

type Texts = Pick<Instructions, "before" | "after">;
type Write = (body: Uint8Array, texts: Texts) => Uint8Array;

export const nativeInstructions: Readonly<Record<string, Write>> = {
  openai: intoMessages,
  cohere: intoMessages,
  ollama: intoMessages,
  "openai-responses": (body, texts) => spliceJson(body, { instructions: aroundText("instructions", parseJsonObject(body)["instructions"], texts) }),
  anthropic: intoSystem,
  gemini: intoSystemInstruction,
};

/** Messages of their own, around those in which the caller begins with instructions. */
function intoMessages(body: Uint8Array, texts: Texts): Uint8Array {
  const { messages } = parseJsonObject(body);
  if (!Array.isArray(messages)) throw unreadable("messages", "a list");
  const firstOther = messages.findIndex((message: { readonly role?: unknown } | null) => message?.role !== "system" && message?.role !== "developer");
  return spliceJson(body, { messages: around(firstOther < 0 ? messages.length : firstOther, texts, (content) => ({ role: "system", content })) });
}

/** https://platform.claude.com/docs/en/api/messages: `system` is a text or a list of blocks. */
function intoSystem(body: Uint8Array, texts: Texts): Uint8Array {
  const { system } = parseJsonObject(body);
  if (!Array.isArray(system)) return spliceJson(body, { system: aroundText("system", system, texts) });
  return spliceJson(body, { system: around(system.length, texts, (text) => ({ type: "text", text })) });
}

/** https://ai.google.dev/api/generate-content: a Content, whose name callers write in either case. */
function intoSystemInstruction(body: Uint8Array, texts: Texts): Uint8Array {
  const request = parseJsonObject(body);
  const name = Object.hasOwn(request, "system_instruction") ? "system_instruction" : "systemInstruction";
  const content = (request[name] ?? {}) as { readonly parts?: unknown };
  const parts = content.parts ?? [];
  if (typeof content !== "object" || !Array.isArray(parts)) throw unreadable(name, "a Content with a list of parts");
  return spliceJson(body, { [name]: new InnerSplices({ parts: around(parts.length, texts, (text) => ({ text })) }) });
}

function around(length: number, { before, after }: Texts, write: (text: string) => unknown): InsertedElements {
  const elements = [
    { index: 0, text: before },
    { index: length, text: after },
  ];
  return new InsertedElements(elements.filter(({ text }) => text !== "").map(({ index, text }) => ({ index, value: write(text) })));
}

function aroundText(field: string, own: unknown, { before, after }: Texts): string {
  if (typeof own !== "string" && own !== undefined && own !== null) throw unreadable(field, "a text");
  return [before, own ?? "", after].filter((text) => text !== "").join("\n\n");
}

function unreadable(field: string, expected: string): GatewayError {
  const description = `must be ${expected}: a guardrail adds instructions there.`;
  return new GatewayError("INVALID_REQUEST", `${field} ${description}`, { fieldViolations: [{ field, description }] });
}
