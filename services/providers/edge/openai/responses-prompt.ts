/** Owns a prompt as OpenAI's Responses API has it, made of the members of a Chat Completions request: for counting, which OpenAI does for Responses alone. */
import type { Warnings } from "../../domain/warnings.ts";
import { asObject, asObjects, asText, isObject, type JsonObject } from "../../domain/vendor-json.ts";

/** Of `InputTokenCountParams` of the `openai` package those that Chat Completions has too, under whatever name. */
export function responsesPromptOf(chat: JsonObject, warnings: Warnings): JsonObject {
  const { model, messages, tools, tool_choice: choice, parallel_tool_calls: parallel, response_format: format, reasoning_effort: effort } = chat;
  return {
    model,
    input: asObjects(messages).flatMap((message) => itemsOf(message, warnings)),
    ...(tools === undefined ? {} : { tools: asObjects(tools).map(toolOf) }),
    ...(choice === undefined ? {} : { tool_choice: isObject(choice) ? flat(choice) : choice }),
    ...(parallel === undefined ? {} : { parallel_tool_calls: parallel }),
    ...(format === undefined ? {} : { text: { format: flat(asObject(format)) } }),
    ...(effort === undefined ? {} : { reasoning: { effort } }),
  };
}

/** What a message says, and each of its calls, is an item. */
function itemsOf({ role, content, tool_calls: calls, tool_call_id: callId }: JsonObject, warnings: Warnings): JsonObject[] {
  if (role === "tool") return [{ type: "function_call_output", call_id: callId, output: textOf(content) }];
  const parts = typeof content === "string" ? content : asObjects(content).flatMap((part) => partOf(part, role === "assistant", warnings));
  return [
    ...(parts.length === 0 ? [] : [{ role, content: parts }]),
    ...asObjects(calls).map((call) => {
      const { name, arguments: written, input } = asObject(call[asText(call["type"])]);
      return call["type"] === "custom" ? { type: "custom_tool_call", call_id: call["id"], name, input } : { type: "function_call", call_id: call["id"], name, arguments: written };
    }),
  ];
}

function partOf(part: JsonObject, isReply: boolean, warnings: Warnings): JsonObject[] {
  switch (part["type"]) {
    case "text":
      return [{ type: isReply ? "output_text" : "input_text", text: part["text"] }];
    case "image_url": {
      const { url, detail = "auto" } = asObject(part["image_url"]);
      return [{ type: "input_image", image_url: url, detail }];
    }
    case "file":
      return [{ ...asObject(part["file"]), type: "input_file" }];
    case "refusal":
      return [part];
    default:
      warnings.add("messages.parts", `OpenAI counts no ${asText(part["type"])}; it is left out.`);
      return [];
  }
}

function textOf(content: unknown): string {
  return typeof content === "string" ? content : asObjects(content).map(({ text }) => asText(text)).join("");
}

/** Responses wants all three members of a function, and reads one whose `strict` is null as Chat Completions reads its absence. */
function toolOf(tool: JsonObject): JsonObject {
  const { format, ...members } = flat(tool);
  if (members["type"] === "function") return { parameters: null, strict: null, ...members };
  return format === undefined ? members : { ...members, format: flat(asObject(format)) };
}

/** What Chat Completions has in an object under the name of its type stands beside the type. */
function flat({ type, ...members }: JsonObject): JsonObject {
  const { [asText(type)]: inner, ...others } = members;
  return { type, ...others, ...asObject(inner) };
}
