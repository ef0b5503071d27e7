/** Owns what a reply takes from its request: the members it repeats, and the form its caller wants it in. */
import type { JsonObject } from "../../domain/dialect.ts";
import { CallerTools } from "./caller-tools.ts";

export interface ReplyForm {
  /** The members of the Response that repeat the request, with the API's defaults for those it left out. */
  readonly echo: JsonObject;
  /** The caller asked for summaries of the reasoning, so reasoning comes as one, whatever the vendor calls it. */
  readonly reasoningIsSummary: boolean;
  readonly tools: CallerTools;
}

export function replyFormOf(request: JsonObject): ReplyForm {
  const asked = (name: string, otherwise: unknown): unknown => request[name] ?? otherwise;
  const reasoning = asObject(request["reasoning"]);
  const summary = reasoning["summary"] ?? reasoning["generate_summary"] ?? null;
  return {
    echo: {
      background: false,
      instructions: asked("instructions", null),
      max_output_tokens: asked("max_output_tokens", null),
      max_tool_calls: asked("max_tool_calls", null),
      metadata: asked("metadata", {}),
      parallel_tool_calls: asked("parallel_tool_calls", true),
      previous_response_id: null,
      prompt_cache_key: asked("prompt_cache_key", null),
      reasoning: { effort: reasoning["effort"] ?? null, summary },
      safety_identifier: asked("safety_identifier", null),
      // Weir keeps no replies; a vendor may, but not under the reply's id.
      store: false,
      temperature: asked("temperature", null),
      text: { format: { type: "text" }, ...asObject(request["text"]) },
      tool_choice: asked("tool_choice", "auto"),
      tools: asked("tools", []),
      top_logprobs: asked("top_logprobs", 0),
      top_p: asked("top_p", null),
      truncation: "disabled",
      user: asked("user", null),
    },
    reasoningIsSummary: summary !== null,
    tools: CallerTools.of(request),
  };
}

function asObject(value: unknown): JsonObject {
  return typeof value === "object" && value !== null ? (value as JsonObject) : {};
}
