/** Owns what agents of every kind share: their task, their tools, and what they must come to. */
import type { Answer, Tool } from "../exchange.ts";

/** A loop that asks a model, does what it calls for, and asks again until it has an answer. */
export interface Agent {
  readonly name: string;
  /** Whether it sends the model's thoughts back with their signatures. */
  readonly remembersThoughts: boolean;
  /** The answer's text. */
  run(weir: { readonly origin: string; readonly inferenceKey: string }, model: string, stream: boolean): Promise<string>;
}

export const instructions = "You know the rivers by their gauges.";
export const task = "Which of the two rivers is in flood?";

const parameters = { type: "object", properties: { river: { type: "string" } }, required: ["river"], additionalProperties: false };
export const tools: readonly Tool[] = [
  { name: "get_flow", description: "How much water a river carries.", parameters },
  { name: "get_level", description: "How high a river stands.", parameters },
];

export function useTool(name: string, input: unknown): string {
  return `${name} of the ${(input as { river: string }).river}: 7 — gemäß Pegel`;
}

/** More rounds than this are a loop that does not end. */
export const maximumRounds = 5;

const usage = { input: 21, cached: 0, output: 9, reasoning: 0 };
const signature = (round: string): string => Buffer.from(`signed by the vendor in the ${round} round`).toString("base64");

/** What the model says, round by round: thoughts between the calls, two calls at once, then one. */
export const rounds: readonly Answer[] = [
  {
    reasoning: { text: "Two rivers, two gauges.", signature: signature("first") },
    text: "I ask both gauges.",
    calls: [
      { id: "call_aare1", name: "get_flow", input: { river: "Aare" } },
      { id: "call_reus2", name: "get_level", input: { river: "Reuß" } },
    ],
    finish: "calls",
    usage,
  },
  { reasoning: { text: "One more to compare.", signature: signature("second") }, calls: [{ id: "call_aare3", name: "get_level", input: { river: "Aare" } }], finish: "calls", usage },
  { text: "The Aare is in flood.", finish: "stop", usage },
];
