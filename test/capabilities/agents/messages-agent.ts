/**
 * Owns the shape of coding agents on Anthropic's Messages, such as Claude Code: thinking between the calls, each block sent back as it came,
 * and the prompt marked for the cache behind the tools, the system prompt and the newest turn (https://platform.claude.com/docs/en/build-with-claude/prompt-caching).
 */
import Anthropic from "@anthropic-ai/sdk";
import { instructions, maximumRounds, task, tools, useTool, type Agent } from "./agent.ts";

const cached = { cache_control: { type: "ephemeral" as const } };

export const messagesAgent: Agent = {
  name: "Messages with thinking and cache marks",
  remembersThoughts: true,
  async run({ origin, inferenceKey }, model, stream) {
    const client = new Anthropic({ baseURL: origin, apiKey: inferenceKey, maxRetries: 0 });
    const messages: Anthropic.MessageParam[] = [{ role: "user", content: [{ type: "text", text: task }] }];
    for (let round = 0; round < maximumRounds; round++) {
      const asked = {
        model,
        max_tokens: 4000,
        thinking: { type: "enabled" as const, budget_tokens: 2000 },
        system: [{ type: "text" as const, text: instructions, ...cached }],
        tools: tools.map(({ name, description, parameters }, index) => ({ name, description, input_schema: parameters as Anthropic.Tool.InputSchema, ...(index === tools.length - 1 ? cached : {}) })),
        messages: messages.map((message, index) => (index === messages.length - 1 ? withCacheEnd(message) : message)),
        metadata: { user_id: "the-session" },
      };
      const { content } = stream ? await client.messages.stream(asked).finalMessage() : await client.messages.create(asked);
      const calls = content.filter((block) => block.type === "tool_use");
      if (calls.length === 0) return content.map((block) => (block.type === "text" ? block.text : "")).join("");
      messages.push({ role: "assistant", content }, { role: "user", content: calls.map(({ id, name, input }) => ({ type: "tool_result", tool_use_id: id, content: useTool(name, input) })) });
    }
    throw new Error("The loop does not end.");
  },
};

function withCacheEnd({ role, content }: Anthropic.MessageParam): Anthropic.MessageParam {
  const blocks = content as Anthropic.TextBlockParam[];
  return { role, content: blocks.map((block, index) => (index === blocks.length - 1 ? { ...block, ...cached } : block)) };
}
