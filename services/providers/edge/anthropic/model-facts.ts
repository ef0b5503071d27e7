/** Owns what differs between Anthropic's models and must be known before a request is sent. */

/** The kinds of thinking a model takes. */
export type ThinkingKind =
  /** It cannot think. */
  | "none"
  /** By a budget in tokens alone. */
  | "budget"
  /** By a budget, or as much as it sees fit. */
  | "either"
  /** As much as it sees fit; it can be turned off. */
  | "adaptive"
  /** As much as it sees fit, always. */
  | "always";

export interface ModelFacts {
  /** Undefined for a model that is not known. */
  readonly maximumOutputTokens?: number;
  readonly thinking: ThinkingKind;
  /** The effort levels it takes, in rising order; empty when it takes none. */
  readonly efforts: readonly Effort[];
  /** Which sampling parameters it takes: all, only one of temperature and top_p, or none. */
  readonly sampling: "all" | "one" | "none";
  /** Whether it takes instructions amid the conversation. */
  readonly takesLateInstructions: boolean;
}

export type Effort = "low" | "medium" | "high" | "xhigh" | "max";

const upToHigh = ["low", "medium", "high"] as const;
const upToMax = ["low", "medium", "high", "max"] as const;
const allEfforts = ["low", "medium", "high", "xhigh", "max"] as const;

/**
 * The first pattern found in the model's name counts.
 * Sources, as of November 2026: https://platform.claude.com/docs/en/about-claude/models/overview (output maxima),
 * …/docs/en/build-with-claude/thinking-troubleshooting (thinking), …/docs/en/build-with-claude/effort (effort),
 * …/docs/en/build-with-claude/mid-conversation-system-messages (instructions amid the conversation; not known of Sonnet and Haiku),
 * …/docs/en/models/opus-5-5/whats-new-opus-5-5 and …/models/haiku-5-5/whats-new-haiku-5-5 (what cannot be turned off, sampling).
 */
const table: readonly (readonly [pattern: RegExp, facts: ModelFacts])[] = [
  [/claude-(instant|2|3-(opus|sonnet|haiku))/, { maximumOutputTokens: 4096, thinking: "none", efforts: [], sampling: "all", takesLateInstructions: false }],
  [/claude-3-5-/, { maximumOutputTokens: 8192, thinking: "none", efforts: [], sampling: "all", takesLateInstructions: false }],
  [/claude-3-7-/, { maximumOutputTokens: 64_000, thinking: "budget", efforts: [], sampling: "all", takesLateInstructions: false }],
  [/claude-opus-4-5/, { maximumOutputTokens: 64_000, thinking: "budget", efforts: upToHigh, sampling: "one", takesLateInstructions: false }],
  [/claude-(sonnet|haiku)-4-5/, { maximumOutputTokens: 64_000, thinking: "budget", efforts: [], sampling: "one", takesLateInstructions: false }],
  [/claude-(opus|sonnet)-4-6/, { maximumOutputTokens: 128_000, thinking: "either", efforts: upToMax, sampling: "one", takesLateInstructions: false }],
  [/claude-mythos-preview/, { maximumOutputTokens: 128_000, thinking: "either", efforts: upToMax, sampling: "none", takesLateInstructions: false }],
  [/claude-opus-4-7/, { maximumOutputTokens: 128_000, thinking: "adaptive", efforts: allEfforts, sampling: "none", takesLateInstructions: false }],
  [/claude-opus-4-8/, { maximumOutputTokens: 128_000, thinking: "adaptive", efforts: allEfforts, sampling: "none", takesLateInstructions: true }],
  [/claude-opus-4/, { maximumOutputTokens: 32_000, thinking: "budget", efforts: [], sampling: "one", takesLateInstructions: false }],
  [/claude-sonnet-4/, { maximumOutputTokens: 64_000, thinking: "budget", efforts: [], sampling: "all", takesLateInstructions: false }],
  [/claude-(opus-5-5|(fable|mythos)-5)/, { maximumOutputTokens: 128_000, thinking: "always", efforts: allEfforts, sampling: "none", takesLateInstructions: true }],
  [/claude-sonnet-5-5/, { maximumOutputTokens: 128_000, thinking: "always", efforts: allEfforts, sampling: "none", takesLateInstructions: false }],
  [/claude-opus-5/, { maximumOutputTokens: 128_000, thinking: "adaptive", efforts: allEfforts, sampling: "none", takesLateInstructions: true }],
  [/claude-(sonnet|haiku)-5/, { maximumOutputTokens: 128_000, thinking: "adaptive", efforts: allEfforts, sampling: "none", takesLateInstructions: false }],
];

/** What holds for a model that is not known: everything is passed on, and the vendor decides. */
const unknownModel: ModelFacts = { thinking: "either", efforts: allEfforts, sampling: "all", takesLateInstructions: false };

export function factsOf(model: string): ModelFacts {
  return table.find(([pattern]) => pattern.test(model))?.[1] ?? unknownModel;
}
