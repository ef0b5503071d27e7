/** Owns the vendors that most tests talk to: aimock in the place of both, saying the same, behind one route for each. */
import { LLMock } from "@copilotkit/aimock";

/** What both vendors say, so that a test can expect the same through every door. */
export const said = {
  question: "What does a weir do?",
  answer: "A weir controls a river and measures its flow: so many litres — every second.",
  toolQuestion: "How much water does the Aare carry?",
  toolName: "get_flow",
  toolArguments: { river: "Aare", unit: "m³/s" },
  toolAnswer: "The Aare carries 120 m³/s.",
  inputTokens: 11,
  outputTokens: 17,
} as const;

/** A route to each vendor; a test that runs over both proves all four pairs of dialect and vendor. */
export const routes = ["to-openai", "to-anthropic"] as const;

export interface Upstreams {
  /** A weir.yaml with both vendors and the routes. */
  readonly config: string;
  stop(): Promise<void>;
}

const usage = {
  prompt_tokens: said.inputTokens,
  completion_tokens: said.outputTokens,
  input_tokens: said.inputTokens,
  output_tokens: said.outputTokens,
};

export async function startUpstreams(extraConfig = ""): Promise<Upstreams> {
  const mock = new LLMock({ port: 0 });
  mock.on({ userMessage: said.toolQuestion, hasToolResult: true }, { content: said.toolAnswer, usage });
  mock.on({ userMessage: said.toolQuestion }, { toolCalls: [{ id: "call_1", name: said.toolName, arguments: JSON.stringify(said.toolArguments) }], usage });
  mock.on({ userMessage: said.question }, { content: said.answer, usage }, { chunkSize: 7 });
  mock.onEmbedding("river", { embedding: [0.25, -0.5, 1] });
  await mock.start();
  const config = `
providers:
  openai: { vendor: openai, api_key: sk-openai-secret, base_url: "${mock.url}/v1", models: [gpt-test, embed-test] }
  anthropic: { vendor: anthropic, api_key: sk-anthropic-secret, base_url: "${mock.url}/v1", models: [claude-test] }
routes:
  to-openai: { targets: [openai/gpt-test] }
  to-anthropic: { targets: [anthropic/claude-test] }
${extraConfig}`;
  return { config, stop: () => mock.stop() };
}
