/** Owns a tool loop with LangChain's ChatOpenAI: bound tools, and a message for each result. */
import { HumanMessage, SystemMessage, ToolMessage, type AIMessage, type AIMessageChunk, type BaseMessage } from "@langchain/core/messages";
import { ChatOpenAI } from "@langchain/openai";
import { instructions, maximumRounds, task, tools, useTool, type Agent } from "./agent.ts";

export const langchainAgent: Agent = {
  name: "LangChain, bindTools",
  remembersThoughts: false,
  async run({ origin, inferenceKey }, model, stream) {
    const client = new ChatOpenAI({ model, apiKey: inferenceKey, maxTokens: 4000, maxRetries: 0, configuration: { baseURL: `${origin}/v1` } }).bindTools(tools.map((one) => ({ type: "function", function: one })));
    const messages: BaseMessage[] = [new SystemMessage(instructions), new HumanMessage(task)];
    for (let round = 0; round < maximumRounds; round++) {
      let said: AIMessage | AIMessageChunk | undefined;
      if (!stream) said = await client.invoke(messages);
      else for await (const chunk of await client.stream(messages)) said = said === undefined ? chunk : (said as AIMessageChunk).concat(chunk);
      if (said === undefined) throw new Error("The stream is empty.");
      const calls = said.tool_calls ?? [];
      if (calls.length === 0) return said.text;
      messages.push(said, ...calls.map(({ id, name, args }) => new ToolMessage({ tool_call_id: id!, content: useTool(name, args) })));
    }
    throw new Error("The loop does not end.");
  },
};
