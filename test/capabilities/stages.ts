/** Owns who asks and who answers in the suite: the dialects' clients, and each vendor as it is played, behind one Weir. */
import { startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";
import { aiSdk, aiSdkProviders } from "./callers/ai-sdk.ts";
import { anthropicMessages } from "./callers/anthropic-messages.ts";
import { connect } from "./callers/connect.ts";
import { googleGenai } from "./callers/google-genai.ts";
import { langchain } from "./callers/langchain.ts";
import { openaiChat } from "./callers/openai-chat.ts";
import { openaiResponses } from "./callers/openai-responses.ts";
import type { Caller, Player } from "./exchange.ts";
import { anthropicPlayer } from "./players/anthropic.ts";
import { azurePlayer } from "./players/azure.ts";
import { bedrockPlayer } from "./players/bedrock.ts";
import { coherePlayer } from "./players/cohere.ts";
import { geminiPlayer } from "./players/gemini.ts";
import { mistralPlayer } from "./players/mistral.ts";
import { ollamaPlayer } from "./players/ollama.ts";
import { openaiPlayer } from "./players/openai.ts";
import { vertexAnthropicPlayer, vertexPlayer } from "./players/vertex.ts";

export const callers: readonly Caller[] = [openaiChat, openaiResponses, anthropicMessages, googleGenai, connect, ...aiSdkProviders.map(aiSdk), langchain];

export interface Stage {
  readonly player: Player;
  /** The model that is asked for. */
  readonly model: string;
}

export const stages: readonly Stage[] = [
  { player: openaiPlayer, model: "gpt-test" },
  { player: azurePlayer, model: "gpt-5.5" },
  { player: anthropicPlayer, model: "claude-opus-4-6" },
  { player: geminiPlayer, model: "gemini-2.0-flash" },
  { player: bedrockPlayer, model: "anthropic.claude-opus-4-6-v1:0" },
  { player: coherePlayer, model: "command-a-plus-05-2026" },
  { player: mistralPlayer, model: "mistral-large-4-0" },
  { player: ollamaPlayer, model: "qwen3:8b" },
  { player: vertexPlayer, model: "gemini-2.0-flash" },
  { player: vertexAnthropicPlayer, model: "claude-opus-4-6" },
];

export interface StartedStages {
  readonly weir: Weir;
  upstreamOf(player: Player): ScriptedProvider;
  stop(): Promise<void>;
}

export async function startStages(): Promise<StartedStages> {
  const upstreams = new Map<Player, ScriptedProvider>();
  const providers: string[] = [];
  for (const { player, model } of stages) {
    const upstream = await startScriptedProvider(() => undefined);
    upstreams.set(player, upstream);
    const { vendor, apiKey, basePath, settings = "" } = player;
    providers.push(`  ${vendor}: { vendor: ${vendor},${apiKey === undefined ? "" : ` api_key: "${apiKey}",`} ${settings} base_url: "${new URL(upstream.baseUrl).origin}${basePath}", models: ["${model}"] }`);
  }
  // No circuit opens for the vendors' errors.
  const weir = await startWeir({ wiring: "together", config: `providers:\n${providers.join("\n")}\nbreaker: { minimum_calls: 10000 }\n` });
  return {
    weir,
    upstreamOf: (player) => upstreams.get(player)!,
    async stop() {
      await weir.stop();
      for (const upstream of upstreams.values()) await upstream.stop();
    },
  };
}
