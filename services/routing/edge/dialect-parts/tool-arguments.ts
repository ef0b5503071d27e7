/** Owns a tool call's arguments for dialects that have them as an object, where types have what the model wrote. */
import type { ToolCallPart } from "#gen/weir/inference/v1/content_pb.ts";

/** Arguments that are no JSON object (free text of a custom tool, or cut off by the output maximum) go over as `{"input": …}`. */
export function parseArguments({ arguments: text, custom }: Pick<ToolCallPart, "arguments" | "custom">): unknown {
  if (custom) return { input: text };
  if (text === "") return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : { input: value };
  } catch {
    return { input: text };
  }
}
