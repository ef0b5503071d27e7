/** Owns the tool loop of the Vercel AI SDK. */
import { generateText, isStepCount, jsonSchema, streamText, tool } from "ai";
import type { Provider } from "../callers/ai-sdk.ts";
import { instructions, maximumRounds, task, tools, useTool, type Agent } from "./agent.ts";

export function aiSdkAgent(provider: Provider): Agent {
  return {
    name: `${provider.dialect}, its tool loop`,
    remembersThoughts: provider.signature !== undefined,
    async run(weir, model, stream) {
      const asked = {
        model: provider.model(weir, model),
        instructions,
        prompt: task,
        tools: Object.fromEntries(tools.map(({ name, description, parameters }) => [name, tool({ description, inputSchema: jsonSchema(parameters), execute: (input) => useTool(name, input) })])),
        maxOutputTokens: 4000,
        stopWhen: isStepCount(maximumRounds),
        maxRetries: 0,
        providerOptions: { [provider.name]: provider.options({ turns: [] }, undefined) ?? {} },
      };
      if (!stream) return (await generateText(asked)).text;
      const result = streamText({ ...asked, onError: () => undefined });
      for await (const part of result.stream) if (part.type === "error") throw part.error;
      return await result.text;
    },
  };
}
