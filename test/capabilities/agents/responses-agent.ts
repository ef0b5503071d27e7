/**
 * Owns the shape of coding agents on OpenAI's Responses, such as Codex: nothing stored, each item of a reply sent back as it came,
 * reasoning as what it is encrypted to (https://developers.openai.com/api/docs/guides/reasoning#encrypted-reasoning-items).
 */
import OpenAI from "openai";
import type { Response, ResponseInput } from "openai/resources/responses/responses";
import { instructions, maximumRounds, task, tools, useTool, type Agent } from "./agent.ts";

export const responsesAgent: Agent = {
  name: "Responses with reasoning items",
  remembersThoughts: true,
  async run({ origin, inferenceKey }, model, stream) {
    const client = new OpenAI({ baseURL: `${origin}/v1`, apiKey: inferenceKey, maxRetries: 0 });
    const input: ResponseInput = [{ type: "message", role: "user", content: [{ type: "input_text", text: task }] }];
    for (let round = 0; round < maximumRounds; round++) {
      const asked = {
        model,
        instructions,
        input,
        store: false,
        include: ["reasoning.encrypted_content" as const],
        reasoning: { effort: "high" as const, summary: "auto" as const },
        tools: tools.map(({ name, description, parameters }) => ({ type: "function" as const, name, description, parameters: parameters as Record<string, unknown>, strict: false })),
        tool_choice: "auto" as const,
        parallel_tool_calls: true,
        prompt_cache_key: "the-session",
        max_output_tokens: 4000,
      };
      const { output } = stream ? await hearItems(await client.responses.create({ ...asked, stream: true })) : await client.responses.create(asked);
      const calls = output.filter((item) => item.type === "function_call");
      if (calls.length === 0) return output.flatMap((item) => (item.type === "message" ? item.content : [])).map((part) => (part.type === "output_text" ? part.text : "")).join("");
      input.push(...(output as ResponseInput), ...calls.map(({ call_id: callId, name, arguments: text }) => ({ type: "function_call_output" as const, call_id: callId, output: useTool(name, JSON.parse(text)) })));
    }
    throw new Error("The loop does not end.");
  },
};

/** Such agents take the items one by one as each is done, and not from the last event. */
async function hearItems(events: AsyncIterable<OpenAI.Responses.ResponseStreamEvent>): Promise<Pick<Response, "output">> {
  const output: Response["output"] = [];
  let isCompleted = false;
  for await (const event of events) {
    if (event.type === "response.output_item.done") output.push(event.item);
    if (event.type === "response.completed") isCompleted = true;
  }
  if (!isCompleted) throw new Error("The stream ended before it was completed.");
  return { output };
}
