/** Owns the names of labels that Weir itself gives, and callers cannot. */

/** On attempts that a guardrail made: its name. */
export const guardrailLabel = "weir_guardrail";

export function isReservedLabel(name: string): boolean {
  return name.startsWith("weir_");
}
