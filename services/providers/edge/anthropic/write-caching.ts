/** Owns prompt caching for callers whose dialect leaves it to the vendor: Anthropic caches nothing unless it is marked. */
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { Block, Conversation, Turn } from "../../domain/translation/turns.ts";

const marker = { cache_control: { type: "ephemeral" } };

/**
 * Marks the end of the instructions, which calls have in common, and the end of the conversation, which its next call repeats, where a caller names
 * a `prompt_cache_key` and marks nothing. What is shorter than a model's minimum is not cached, and costs no more:
 * https://platform.claude.com/docs/en/build-with-claude/prompt-caching
 */
export function withCaching(generation: Generation, { system, turns }: Conversation): Conversation {
  if (generation.promptCacheKey === undefined || isMarked(generation)) return { system, turns };
  return { system: withLastMarked(system), turns: turns.map((turn, index) => (index === turns.length - 1 ? markedTurn(turn) : turn)) };
}

function isMarked({ messages, tools }: Generation): boolean {
  return tools.some(({ cacheMarker }) => cacheMarker !== undefined) || messages.some(({ parts }) => parts.some(({ cacheMarker, kind }) => cacheMarker !== undefined || (kind.case === "toolResult" && kind.value.parts.some((part) => part.cacheMarker !== undefined))));
}

function markedTurn(turn: Turn): Turn {
  return { ...turn, content: withLastMarked(turn.content) };
}

/** Thinking takes no marker. */
function withLastMarked(blocks: readonly Block[]): Block[] {
  const last = blocks.at(-1);
  if (last === undefined || last["type"] === "thinking" || last["type"] === "redacted_thinking") return [...blocks];
  return [...blocks.slice(0, -1), { ...last, ...marker }];
}
