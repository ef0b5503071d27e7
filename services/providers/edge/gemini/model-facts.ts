/** Owns what differs between Google's models and must be known before a request is sent. */

/** In rising order. */
export type ThinkingLevel = "minimal" | "low" | "medium" | "high" | "xhigh";

export type Thinking =
  | { readonly by: "none" }
  /** By a budget in tokens. */
  | { readonly by: "budget"; readonly minimum: number; readonly maximum: number; readonly canBeOff: boolean }
  /** By levels, always. */
  | { readonly by: "levels"; readonly levels: readonly ThinkingLevel[] };

export interface ModelFacts {
  readonly thinking: Thinking;
  /** False for models that ignore temperature, top_p and top_k. */
  readonly takesSampling: boolean;
  /** False for models that refuse presence and frequency penalties. */
  readonly takesPenalties: boolean;
  /** False for models that refuse more than one candidate. */
  readonly takesCandidates: boolean;
  /** True for models that refuse a function call of theirs that comes back without its thought signature. */
  readonly wantsSignatures: boolean;
  /** True for models that take media in a function's response, and a resolution for each piece of media. */
  readonly takesPartOptions: boolean;
}

const allLevels = ["minimal", "low", "medium", "high"] as const;
const fromLow = ["low", "medium", "high"] as const;

const second: ModelFacts = { thinking: { by: "none" }, takesSampling: true, takesPenalties: false, takesCandidates: true, wantsSignatures: false, takesPartOptions: false };
const third: ModelFacts = { ...second, thinking: { by: "levels", levels: allLevels }, wantsSignatures: true, takesPartOptions: true };
const fixed: ModelFacts = { ...third, takesSampling: false };

/**
 * The first pattern found in the model's name counts. Sources, as of November 2026:
 * levels: https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/thinking and …/models/guides/gemini-3-8-flash;
 * budgets: https://ai.google.dev/gemini-api/docs/thinking; sampling and penalties: …/models/gemini/3-6-flash, …/3-5-flash-lite
 * ("potentially breaking changes"); penalties of older models: https://github.com/google-gemini/cookbook/issues/1290;
 * Gemini 4: https://ai.google.dev/gemini-api/docs/generate-content/latest-model,
 * https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/guides/gemini-4-neon (levels) and
 * https://dev.to/aihubmix/gemini-4-neon-migration-default-high-thinking-400-errors-and-the-65k-cap-45gj;
 * signatures: https://ai.google.dev/gemini-api/docs/generate-content/thought-signatures.
 */
const table: readonly (readonly [pattern: RegExp, facts: ModelFacts])[] = [
  [/gemini-(1|2\.0)/, { ...second, takesPenalties: true }],
  [/gemini-2\.5-.*(image|tts)/, second],
  [/gemini-2\.5-pro/, { ...second, thinking: { by: "budget", minimum: 128, maximum: 32_768, canBeOff: false } }],
  [/gemini-2\.5-flash-lite/, { ...second, thinking: { by: "budget", minimum: 512, maximum: 24_576, canBeOff: true } }],
  [/gemini-2\.5-flash/, { ...second, thinking: { by: "budget", minimum: 1, maximum: 24_576, canBeOff: true } }],
  [/gemini-3-pro/, { ...third, thinking: { by: "levels", levels: ["low", "high"] } }],
  [/gemini-3\.1-pro/, { ...third, thinking: { by: "levels", levels: fromLow } }],
  [/gemini-3\.(5-flash-lite|6-)/, fixed],
  [/gemini-3\.[78]-/, { ...fixed, thinking: { by: "levels", levels: fromLow } }],
  [/gemini-3/, third],
  [/gemini-4-neon/, { ...fixed, takesCandidates: false, thinking: { by: "levels", levels: [...fromLow, "xhigh"] } }],
  [/gemini-4/, { ...fixed, takesCandidates: false, thinking: { by: "levels", levels: fromLow } }],
  [/gemma/, second],
];

/** What holds for a model that is not known, or an alias such as `gemini-flash-latest`: everything is passed on, and the vendor decides. */
const unknownModel: ModelFacts = { ...third, takesPenalties: true };

export function factsOf(model: string): ModelFacts {
  return table.find(([pattern]) => pattern.test(model))?.[1] ?? unknownModel;
}
