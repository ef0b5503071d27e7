/** Owns the names of labels that Weir itself gives, and callers cannot. */

/** On attempts that a guardrail made: its name. */
export const guardrailLabel = "weir_guardrail";

/** On attempts that the cache made: `similar`, for the vector of a text. */
export const cacheLabel = "weir_cache";

export function isReservedLabel(name: string): boolean {
  return name.startsWith("weir_");
}
